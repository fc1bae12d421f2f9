//! `check --fix` and `check --diff`: has fixes applied, and writes files as a whole or not at all.
//! Which fixes are right is the gate's business.

use std::io::Write;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use analysis::Idle;

use crate::check::{Checked, Lens, Run, check_bytes};
use crate::files::{self, Target};
use crate::{output, text};

/// A text after everything that may be done unseen.
struct Changed {
    text: String,
    fixed: usize,
    cleared: usize,
}

/// Applies the fixes to files (`--fix`) or prints what they would change (`--diff`).
pub(crate) fn run(lens: &Lens, run: &mut Run<'_>, stdin: Option<&Vec<u8>>) {
    let unwritable = |it: &Checked| it.unwritable.is_some();
    // Whoever filters a text through this gets a text back, whatever became of it.
    if let Some(input) = stdin.filter(|_| run.check.fix && run.files.iter().all(unwritable)) {
        output::bytes(input);
    }
    let mut shown = String::new();
    for file in &mut run.files {
        let changed = changed(lens, file, run.check.unsafe_fixes);
        if changed.fixed + changed.cleared == 0 && !(stdin.is_some() && run.check.fix) {
            continue;
        }
        if let Some(reason) = file.unwritable {
            if changed.fixed + changed.cleared > 0 {
                let path = file.path.display();
                run.errors.push(format!("{path}: not fixed: {reason}"));
            }
            continue;
        }
        let bom = if file.shift > 0 { "\u{feff}" } else { "" };
        let after = format!("{bom}{}", changed.text);
        if run.check.diff {
            let before = format!("{bom}{}", file.text);
            shown.push_str(&text::unified(&file.path, &before, &after));
            continue;
        }
        run.fixed += changed.fixed;
        run.cleared += changed.cleared;
        if stdin.is_some() {
            shown.push_str(&after);
        } else if let Err(error) = write(&file.path, &after) {
            let (path, reason) = (file.path.display(), files::plain(&error));
            run.errors.push(format!("{path}: not written: {reason}"));
            continue;
        }
        let target = Target {
            path: file.path.clone(),
            language: file.language,
            explicit: true,
            settings: Arc::clone(&file.settings),
        };
        if let Ok(again) = check_bytes(lens, &target, after.as_bytes()) {
            *file = again;
        }
    }
    run.changed = shown;
}

fn changed(lens: &Lens, file: &Checked, unsafe_too: bool) -> Changed {
    let mut out = Changed {
        text: file.text.clone(),
        fixed: 0,
        cleared: 0,
    };
    if !file.items.is_empty() {
        let chosen =
            |text: &str, analysis: &analysis::Analysis| file.judge.reported(text, analysis);
        let fixed = revision::fix_chosen(
            &lens.snapshot,
            file.language,
            &file.text,
            unsafe_too,
            &chosen,
        );
        (out.text, out.fixed) = (fixed.text, fixed.applied.len());
    }
    if file.settings.report_unused_suppressions {
        // A fix may have left a comment idle, so comments are looked at last.
        let idle = if out.fixed == 0 {
            file.idle.clone()
        } else {
            lens.snapshot
                .check(file.language, &out.text)
                .idle_comments(&out.text)
        };
        out.cleared = idle.len();
        out.text = without(&out.text, &idle);
    }
    out
}

/// A text without its idle comments.
fn without(text: &str, idle: &[Idle]) -> String {
    let mut removals: Vec<Range<usize>> = idle.iter().map(|it| it.removal.clone()).collect();
    removals.sort_by_key(|it| it.start);
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for removal in removals {
        let start = removal.start.max(at);
        out.push_str(text.get(at..start).unwrap_or(""));
        at = removal.end.max(at);
    }
    out.push_str(text.get(at..).unwrap_or(""));
    out
}

/// Replaces a file as a whole or not at all.
pub(crate) fn write(path: &Path, text: &str) -> std::io::Result<()> {
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
