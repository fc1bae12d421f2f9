//! `secondlook check`: finds the files, has each analysed on its own, prints in order of path.
//! A file that fails never stops the others.

use std::io::{IsTerminal, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use analysis::{Analysis, Host, Snapshot};
use anyhow::Context;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kb_schema::Knowledge;
use rayon::prelude::*;

use crate::args::{Args, Check, Format};
use crate::files::{self, Skipped, Target};
use crate::{EXIT_ERROR, EXIT_FINDINGS, kb, output, report, text};

/// What a thread that analyses may recurse on: the engine's depth limit needs a tenth of it.
const STACK_BYTES: usize = 16 << 20;
/// How long a run may take before it shows progress.
const PATIENCE: Duration = Duration::from_secs(1);

/// One file with everything that is said about it.
pub(crate) struct Checked {
    pub(crate) path: PathBuf,
    pub(crate) language: syntax::Language,
    pub(crate) text: String,
    /// What to add to an offset in `text` for the offset in the file.
    pub(crate) shift: usize,
    /// The file can be written back from `text`.
    pub(crate) writable: bool,
    pub(crate) analysis: Analysis,
    /// For each finding, the fixes that passed the gate.
    pub(crate) fixes: Vec<Vec<revision::Proposal>>,
    /// Something about reading the file that the user should know.
    pub(crate) note: Option<String>,
}

/// A whole run.
pub(crate) struct Run<'a> {
    pub(crate) args: &'a Args,
    pub(crate) check: &'a Check,
    pub(crate) store: Arc<kb_index::Store>,
    pub(crate) files: Vec<Checked>,
    pub(crate) skipped: Vec<Skipped>,
    pub(crate) fixed: usize,
}

pub(crate) fn run(args: &Args, check: &Check) -> anyhow::Result<u8> {
    let store = kb::open(args);
    let entries = store.entries();
    let host = Host::new(&entries);
    kb::warn(&entries, host.problems());
    let snapshot = host.snapshot();
    let stdin = check.stdin_filename.is_some() || check.paths.contains(&PathBuf::from("-"));
    let others = |path: &&PathBuf| !matches!(path.to_str(), Some("-" | "."));
    if let (true, Some(path)) = (stdin, check.paths.iter().find(others)) {
        anyhow::bail!(
            "{}: standard input is looked at alone, without other paths",
            path.display()
        );
    }
    let mut input = Vec::new();
    let mut errors = Vec::new();
    let mut run = Run {
        args,
        check,
        store,
        files: Vec::new(),
        skipped: Vec::new(),
        fixed: 0,
    };
    if stdin {
        std::io::stdin()
            .lock()
            .read_to_end(&mut input)
            .context("standard input")?;
        match read_stdin(&snapshot, check, &input)? {
            Ok(file) => run.files.push(file),
            Err(skipped) => run.skipped.push(skipped),
        }
    } else {
        let found = files::find(&check.paths, check.no_ignore);
        errors = found.errors;
        run.skipped = found.skipped;
        check_all(&snapshot, &found.targets, &mut run)?;
    }
    if check.fix || check.diff {
        change(&snapshot, &mut run, stdin.then_some(&input), &mut errors);
    }
    match check.format {
        Format::Json => output::out(&report::json(&run)),
        Format::Text if stdin && check.fix => {}
        Format::Text if check.diff => {}
        Format::Text => output::out(&text::render(&run)),
    }
    for skipped in run
        .skipped
        .iter()
        .filter(|it| it.explicit && check.format == Format::Text)
    {
        output::warning(&format!(
            "{}: skipped: {}",
            skipped.path.display(),
            skipped.reason
        ));
    }
    for error in &errors {
        output::error(error);
    }
    let findings = run
        .files
        .iter()
        .any(|file| !file.analysis.findings.is_empty());
    Ok(match (errors.is_empty(), findings) {
        (false, _) => EXIT_ERROR,
        (true, true) => EXIT_FINDINGS,
        (true, false) => 0,
    })
}

fn read_stdin(
    snapshot: &Snapshot,
    check: &Check,
    bytes: &[u8],
) -> anyhow::Result<Result<Checked, Skipped>> {
    let path = check
        .stdin_filename
        .clone()
        .unwrap_or_else(|| PathBuf::from("-"));
    let head = &bytes[..bytes.len().min(256)];
    let language = syntax::Language::detect(&path.to_string_lossy(), head).or_else(|| {
        // Without a name there is nothing to go by; Python is what assistants write most.
        check
            .stdin_filename
            .is_none()
            .then_some(syntax::Language::Python)
    });
    let Some(language) = language else {
        anyhow::bail!(
            "{}: neither Python nor C by its name or first line",
            path.display()
        );
    };
    let target = Target {
        path,
        language,
        explicit: true,
    };
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
    let (snapshot, bytes) = (snapshot.clone(), bytes.to_vec());
    let worker = thread
        .spawn(move || check_bytes(&snapshot, &target, &bytes))
        .context("a thread")?;
    Ok(worker
        .join()
        .unwrap_or_else(|_| Err(internal_error(Path::new("-"), true))))
}

fn check_all(snapshot: &Snapshot, targets: &[Target], run: &mut Run<'_>) -> anyhow::Result<()> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(run.check.jobs)
        .stack_size(STACK_BYTES)
        .build()
        .context("worker threads")?;
    let progress = Progress::new(
        targets.len(),
        run.check.quiet || run.check.format == Format::Json,
    );
    let done: Vec<Result<Checked, Skipped>> = pool.install(|| {
        targets
            .par_iter()
            .map(|target| {
                let out = catch_unwind(AssertUnwindSafe(|| check_file(snapshot, target)))
                    .unwrap_or_else(|_| Err(internal_error(&target.path, target.explicit)));
                progress.tick();
                out
            })
            .collect()
    });
    progress.finish();
    for result in done {
        match result {
            Ok(file) => run.files.push(file),
            Err(skipped) => run.skipped.push(skipped),
        }
    }
    Ok(())
}

fn internal_error(path: &Path, explicit: bool) -> Skipped {
    Skipped {
        path: path.to_owned(),
        reason: "internal error".to_owned(),
        explicit,
    }
}

fn check_file(snapshot: &Snapshot, target: &Target) -> Result<Checked, Skipped> {
    let skip = |reason: String| Skipped {
        path: target.path.clone(),
        reason,
        explicit: target.explicit,
    };
    let bytes = files::read(&target.path).map_err(skip)?;
    check_bytes(snapshot, target, &bytes)
}

/// Analyses one file's bytes and proves its fixes.
pub(crate) fn check_bytes(
    snapshot: &Snapshot,
    target: &Target,
    bytes: &[u8],
) -> Result<Checked, Skipped> {
    let decoded = syntax::decode(bytes).map_err(|error| Skipped {
        path: target.path.clone(),
        reason: error.to_string(),
        explicit: target.explicit,
    })?;
    let analysis = snapshot.check(target.language, &decoded.text);
    let fixes = revision::fixes_of_all(snapshot, target.language, &decoded.text, &analysis)
        .into_iter()
        .map(|it| it.proposals)
        .collect();
    Ok(Checked {
        path: target.path.clone(),
        language: target.language,
        shift: if decoded.note.is_none() {
            decoded.bom_len
        } else {
            0
        },
        writable: decoded.note.is_none(),
        note: decoded.note.map(|note| note.to_string()),
        text: decoded.text,
        analysis,
        fixes,
    })
}

/// Applies the fixes to files (`--fix`) or prints what they would change (`--diff`).
fn change(
    snapshot: &Snapshot,
    run: &mut Run<'_>,
    stdin: Option<&Vec<u8>>,
    errors: &mut Vec<String>,
) {
    // Whoever filters a text through this gets a text back, whatever became of it.
    if let Some(input) = stdin.filter(|_| run.check.fix && !run.files.iter().any(|it| it.writable))
    {
        output::bytes(input);
    }
    let mut shown = String::new();
    for file in &mut run.files {
        let fixed = revision::fix_all(snapshot, file.language, &file.text, run.check.unsafe_fixes);
        if fixed.applied.is_empty() && !(stdin.is_some() && run.check.fix) {
            continue;
        }
        if run.check.diff {
            let bom = if file.shift > 0 { "\u{feff}" } else { "" };
            let (before, after) = (
                format!("{bom}{}", file.text),
                format!("{bom}{}", fixed.text),
            );
            shown.push_str(&text::unified(&file.path, &before, &after));
            continue;
        }
        if !file.writable {
            errors.push(format!(
                "{}: not fixed: it is not UTF-8",
                file.path.display()
            ));
            continue;
        }
        run.fixed += fixed.applied.len();
        if stdin.is_some() {
            shown.push_str(if file.shift > 0 { "\u{feff}" } else { "" });
            shown.push_str(&fixed.text);
        } else if let Err(error) = write(&file.path, file.shift, &fixed.text) {
            errors.push(format!(
                "{}: not written: {}",
                file.path.display(),
                files::plain(&error)
            ));
            continue;
        }
        let target = Target {
            path: file.path.clone(),
            language: file.language,
            explicit: true,
        };
        let bom = if file.shift > 0 { "\u{feff}" } else { "" };
        if let Ok(again) = check_bytes(snapshot, &target, format!("{bom}{}", fixed.text).as_bytes())
        {
            *file = again;
        }
    }
    output::out(&shown);
}

/// Replaces a file as a whole or not at all.
fn write(path: &Path, bom: usize, text: &str) -> std::io::Result<()> {
    // A link stays a link: what it points to is replaced.
    let path = std::fs::canonicalize(path)?;
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(format!(".{name}.secondlook-{}", std::process::id()));
    let result = (|| {
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&temporary)?;
        if bom > 0 {
            file.write_all("\u{feff}".as_bytes())?;
        }
        file.write_all(text.as_bytes())?;
        file.set_permissions(std::fs::metadata(&path)?.permissions())?;
        file.sync_all()?;
        std::fs::rename(&temporary, &path)
    })();
    if result.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    result
}

/// A progress bar that appears only when a run takes long and somebody watches.
struct Progress {
    bar: ProgressBar,
    began: Instant,
    wanted: bool,
}

impl Progress {
    fn new(files: usize, quiet: bool) -> Self {
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

    fn tick(&self) {
        self.bar.inc(1);
        if self.wanted && self.bar.is_hidden() && self.began.elapsed() > PATIENCE {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
