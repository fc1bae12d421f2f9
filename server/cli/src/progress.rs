//! A progress bar for those who watch a long run, and what an interrupt does.
//! It knows counts only.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How long a run may take before it shows progress.
const PATIENCE: Duration = Duration::from_secs(1);

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Makes the first interrupt end the run after the files at hand, and the second one at once.
pub(crate) fn watch_interrupts() {
    // Without a handler an interrupt ends the program, which serves as well.
    let _ = ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            std::process::exit(crate::EXIT_INTERRUPTED.into());
        }
    });
}

/// Whether somebody wants the run to end.
pub(crate) fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// A progress bar that appears only when a run takes long and somebody watches.
pub(crate) struct Progress {
    bar: ProgressBar,
    began: Instant,
    wanted: bool,
}

impl Progress {
    pub(crate) fn new(files: usize, quiet: bool) -> Self {
        let bar = ProgressBar::with_draw_target(Some(files as u64), ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} files, {elapsed}") {
            bar.set_style(style);
        }
        Self {
            bar,
            began: Instant::now(),
            wanted: !quiet && std::io::stderr().is_terminal(),
        }
    }

    pub(crate) fn tick(&self) {
        self.bar.inc(1);
        if self.wanted && self.bar.is_hidden() && self.began.elapsed() > PATIENCE {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// The bar of a file that is fetched.
pub(crate) struct Fetching {
    bar: ProgressBar,
}

impl Fetching {
    pub(crate) fn new(file: &str) -> Self {
        let target = if std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target).with_message(file.to_owned());
        let template = "{msg:26} {bar:30} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { bar }
    }

    pub(crate) fn at(&self, have: u64, size: Option<u64>) {
        if let Some(size) = size {
            self.bar.set_length(size);
        }
        self.bar.set_position(have);
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// The bar of an import: one for each phase, in bytes or in posts.
pub(crate) struct Bars {
    bar: ProgressBar,
    wanted: bool,
}

impl Bars {
    pub(crate) fn new(quiet: bool) -> Self {
        Self {
            bar: ProgressBar::hidden(),
            wanted: !quiet && std::io::stderr().is_terminal(),
        }
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl kb_ingest::Progress for Bars {
    fn phase(&mut self, name: &str, total: u64) {
        self.bar.finish_and_clear();
        if !self.wanted {
            return;
        }
        self.bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        let of_bytes = !matches!(name, "indexing" | "notes");
        let template = if of_bytes {
            "{msg:18} {bar:30} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left"
        } else {
            "{msg:18} {bar:30} {pos}/{len}, {eta} left"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
        self.bar.set_message(name.to_owned());
    }

    fn at(&mut self, done: u64) {
        self.bar.set_position(done);
    }

    fn interrupted(&self) -> bool {
        interrupted()
    }
}
