//! The user's own checks of a revision: commands, run in a copy of the project, never in the
//! project itself. It judges nothing but how a command ended.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use config::{CommandLine, Settings};
use ignore::WalkBuilder;
use revision::{Checks, Watch};

/// How long one command may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// How often a running command is looked at.
const GLANCE: Duration = Duration::from_millis(50);

/// The largest project that is copied, in bytes and files.
const MAX_BYTES: u64 = 512 << 20;
const MAX_FILES: usize = 50_000;

/// The checks of one file.
#[derive(Debug)]
pub(crate) struct Commands {
    root: PathBuf,
    /// The file, below the root.
    file: PathBuf,
    commands: Vec<CommandLine>,
}

impl Commands {
    /// The checks that settings name for a file; `None` when there are none.
    pub(crate) fn of(settings: &Settings, file: &Path) -> Option<Self> {
        if settings.gate_commands.is_empty() {
            return None;
        }
        let file = config::absolute(file);
        let root = if file.starts_with(&settings.root) {
            settings.root.clone()
        } else {
            file.parent()?.to_owned()
        };
        Some(Self {
            file: file.strip_prefix(&root).ok()?.to_owned(),
            root,
            commands: settings.gate_commands.clone(),
        })
    }

    fn copy(&self, after: &str) -> Result<tempfile::TempDir, &'static str> {
        let to = tempfile::tempdir().map_err(|_| "found no room for a copy")?;
        let (mut bytes, mut files) = (0_u64, 0_usize);
        for entry in WalkBuilder::new(&self.root).hidden(false).build().flatten() {
            let Ok(below) = entry.path().strip_prefix(&self.root) else {
                continue;
            };
            if below.starts_with(".git") {
                continue;
            }
            let target = to.path().join(below);
            let Some(kind) = entry.file_type() else {
                continue;
            };
            if kind.is_dir() {
                std::fs::create_dir_all(&target).map_err(|_| "found no room for a copy")?;
            } else if kind.is_file() {
                files += 1;
                bytes += entry.metadata().map_or(0, |it| it.len());
                if bytes > MAX_BYTES || files > MAX_FILES {
                    return Err("was not run, because the project is too large to be copied");
                }
                std::fs::copy(entry.path(), &target).map_err(|_| "found no room for a copy")?;
            }
        }
        let file = to.path().join(&self.file);
        if let Some(folder) = file.parent() {
            let _ = std::fs::create_dir_all(folder);
        }
        std::fs::write(file, after).map_err(|_| "found no room for a copy")?;
        Ok(to)
    }

    fn run(&self, words: &CommandLine, copy: &Path, watch: &dyn Watch) -> Result<(), String> {
        let file = copy.join(&self.file).display().to_string();
        let words: Vec<String> = words
            .0
            .iter()
            .map(|it| it.replace("{file}", &file))
            .collect();
        let Some((program, arguments)) = words.split_first() else {
            return Ok(());
        };
        let child = Command::new(program)
            .args(arguments)
            .current_dir(copy)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut child = child.map_err(|error| format!("does not start ({})", error.kind()))?;
        let began = Instant::now();
        loop {
            match child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => {
                    return Err(match status.code() {
                        Some(code) => format!("ended with code {code}"),
                        None => "was killed".to_owned(),
                    });
                }
                Ok(None) => {}
                Err(error) => return Err(format!("cannot be watched ({})", error.kind())),
            }
            let late = began.elapsed() > PATIENCE;
            if late || watch.cancelled() {
                let _ = child.kill();
                let _ = child.wait();
                let seconds = PATIENCE.as_secs();
                return Err(if late {
                    format!("took longer than {seconds} s")
                } else {
                    "was cancelled".to_owned()
                });
            }
            std::thread::sleep(GLANCE);
        }
    }
}

impl Checks for Commands {
    fn check(&self, after: &str, watch: &dyn Watch) -> Result<(), (String, String)> {
        let name = |it: &CommandLine| it.0.first().cloned().unwrap_or_default();
        let copy = self.copy(after).map_err(|reason| {
            let first = self.commands.first().map(name).unwrap_or_default();
            (first, reason.to_owned())
        })?;
        for command in &self.commands {
            let done = self.run(command, copy.path(), watch);
            done.map_err(|reason| (name(command), reason))?;
        }
        Ok(())
    }
}
