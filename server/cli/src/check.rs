//! `secondlook check`: finds the files, has each analysed on its own, prints in order of path.
//! A file that fails never stops the others.

use std::io::Read;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use analysis::{Finding, Host, Idle, Note, Snapshot};
use anyhow::Context;
use config::{Resolver, Settings};
use kb_schema::Knowledge;
use rayon::prelude::*;

use crate::args::{Args, Check, Format};
use crate::baseline::{self, Baseline};
use crate::files::{self, Skipped, Target};
use crate::judge::{Judge, Verdict};
use crate::memory;
use crate::place::Layout;
use crate::progress::{self, Progress};
use crate::{
    EXIT_ERROR, EXIT_FINDINGS, EXIT_INTERRUPTED, change, kb, lines, notebook, options, output,
    report, sarif, text,
};

/// What a thread that analyses may recurse on: the engine's depth limit needs a tenth of it.
pub(crate) const STACK_BYTES: usize = 16 << 20;

/// One finding with what can be done about it.
pub(crate) struct Item {
    pub(crate) finding: Finding,
    /// The fixes that passed the gate.
    pub(crate) fixes: Vec<revision::Proposal>,
    /// Names the finding across moved lines.
    pub(crate) fingerprint: String,
}

/// One file with everything that is said about it.
pub(crate) struct Checked {
    pub(crate) path: PathBuf,
    pub(crate) language: syntax::Language,
    pub(crate) text: String,
    /// The cells of a notebook.
    pub(crate) layout: Layout,
    /// What to add to an offset in `text` for the offset in the file.
    pub(crate) shift: usize,
    /// Why the file cannot be written back from `text`.
    pub(crate) unwritable: Option<&'static str>,
    pub(crate) judge: Judge,
    /// What is reported.
    pub(crate) items: Vec<Item>,
    /// How many findings comments silence.
    pub(crate) silenced: usize,
    /// How many findings the baseline knows.
    pub(crate) known: usize,
    /// Comments of ours that silence nothing.
    pub(crate) idle: Vec<Idle>,
    /// What was not analysed.
    pub(crate) notes: Vec<Note>,
    /// Something about reading the file that the user should know.
    pub(crate) note: Option<String>,
    pub(crate) settings: Arc<Settings>,
}

/// A whole run.
pub(crate) struct Run<'a> {
    pub(crate) args: &'a Args,
    pub(crate) check: &'a Check,
    pub(crate) store: Arc<kb_index::Store>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) files: Vec<Checked>,
    pub(crate) skipped: Vec<Skipped>,
    /// What could not be done.
    pub(crate) errors: Vec<String>,
    /// The diff, or the changed text of standard input.
    pub(crate) changed: String,
    pub(crate) fixed: usize,
    /// How many comments were taken out.
    pub(crate) cleared: usize,
}

/// What every file is looked at with.
pub(crate) struct Lens {
    pub(crate) snapshot: Snapshot,
    pub(crate) baseline: Option<Arc<Baseline>>,
    /// Leads are looked for in every text, also where nothing is found.
    pub(crate) leads: bool,
}

/// From so many files on a scan is a long one.
const MANY: usize = 64;

pub(crate) fn run(args: &Args, check: &Check) -> anyhow::Result<u8> {
    let stdin = check.stdin_filename.is_some() || check.paths.contains(&PathBuf::from("-"));
    let others = |path: &&PathBuf| !matches!(path.to_str(), Some("-" | "."));
    if let (true, Some(path)) = (stdin, check.paths.iter().find(others)) {
        anyhow::bail!(
            "{}: standard input is looked at alone, without other paths",
            path.display()
        );
    }
    let resolver = Arc::new(options::resolver(check)?);
    let settings = resolver.of_folder(&options::here()?);
    let store = kb::open(args, &settings);
    let entries = store.entries();
    // The process ends behind it, and taking it apart would cost milliseconds.
    let host = ManuallyDrop::new(Host::new(&entries));
    let mut run = Run {
        args,
        check,
        store,
        settings,
        files: Vec::new(),
        skipped: Vec::new(),
        errors: Vec::new(),
        changed: String::new(),
        fixed: 0,
        cleared: 0,
    };
    kb::warn(&entries, host.problems());
    for problem in run
        .settings
        .strangers(&entries.entries.iter().map(|it| it.id.as_str()))
    {
        output::warning(&problem.to_string());
    }
    let baseline = known(&mut run);
    let lens = Lens {
        snapshot: host.snapshot(),
        baseline: baseline.map(Arc::new),
        leads: check.explain && run.settings.show_leads,
    };
    let mut input = Vec::new();
    if stdin {
        std::io::stdin()
            .lock()
            .read_to_end(&mut input)
            .context("standard input")?;
        match read_stdin(&lens, check, &resolver, &input)? {
            Ok(file) => run.files.push(file),
            Err(skipped) => run.skipped.push(skipped),
        }
    } else {
        progress::watch_interrupts();
        let found = files::find(&check.paths, &resolver, &run.settings);
        run.errors.extend(found.errors);
        run.skipped = found.skipped;
        if found.targets.len() > MANY {
            memory::take_small_pages();
        }
        check_all(&lens, &found.targets, &mut run)?;
    }
    let wrong = resolver.take_problems();
    run.errors.extend(wrong.iter().map(ToString::to_string));
    if (check.fix || check.diff) && !progress::interrupted() {
        change::run(&lens, &mut run, stdin.then_some(&input));
    }
    finish(&mut run, stdin)
}

/// The baseline of the run. One that cannot be read costs the run nothing but itself.
fn known(run: &mut Run<'_>) -> Option<Baseline> {
    if run.check.write_baseline.is_some() {
        return None;
    }
    let path = run.settings.baseline.as_ref()?;
    match Baseline::read(&path.0) {
        Ok(baseline) => Some(baseline),
        Err(error) => {
            run.errors.push(format!("{error:#}"));
            None
        }
    }
}

/// Prints what was found and says how it ended.
fn finish(run: &mut Run<'_>, stdin: bool) -> anyhow::Result<u8> {
    let check = run.check;
    if let Some(path) = &check.write_baseline {
        let files = run.files.iter();
        let rows = files.flat_map(|file| {
            file.items.iter().map(|it| {
                let entry = it.finding.entry.id.as_str();
                (file.path.as_path(), entry, it.fingerprint.as_str())
            })
        });
        let number = baseline::write(path, rows)?;
        if !check.quiet {
            let found = text::count(number, "finding");
            output::note(&format!("{found} written to {}", path.display()));
        }
    }
    let printed = match check.format {
        _ if check.write_baseline.is_some() => String::new(),
        Format::Json => report::json(run),
        Format::Sarif => sarif::render(run),
        _ if stdin && check.fix || check.diff => String::new(),
        Format::Github => lines::github(run),
        _ if check.statistics => lines::statistics(run),
        Format::Concise => lines::concise(run),
        Format::Text => text::render(run),
    };
    let printed = std::mem::take(&mut run.changed) + &printed;
    match &check.output_file {
        Some(path) => std::fs::write(path, printed)
            .map_err(|error| anyhow::anyhow!(files::plain(&error)))
            .with_context(|| path.display().to_string())?,
        None => output::out(&printed),
    }
    let for_people = !matches!(check.format, Format::Json | Format::Sarif);
    for skipped in run.skipped.iter().filter(|it| it.explicit && for_people) {
        output::warning(&format!(
            "{}: skipped: {}",
            skipped.path.display(),
            skipped.reason
        ));
    }
    for error in &run.errors {
        output::error(error);
    }
    if progress::interrupted() {
        output::note("interrupted: not every file was looked at");
        return Ok(EXIT_INTERRUPTED);
    }
    let found = run.files.iter().any(|file| !file.items.is_empty());
    let counts = found && !check.exit_zero && check.write_baseline.is_none();
    Ok(match (run.errors.is_empty(), counts) {
        (false, _) => EXIT_ERROR,
        (true, true) => EXIT_FINDINGS,
        (true, false) => 0,
    })
}

fn read_stdin(
    lens: &Lens,
    check: &Check,
    resolver: &Resolver,
    bytes: &[u8],
) -> anyhow::Result<Result<Checked, Skipped>> {
    let path = check
        .stdin_filename
        .clone()
        .unwrap_or_else(|| PathBuf::from("-"));
    let head = &bytes[..bytes.len().min(256)];
    let language = files::language_of(&path)
        .or_else(|| syntax::Language::detect(&path.to_string_lossy(), head))
        .or_else(|| {
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
    let settings = resolver.of_file(&path);
    let skip = |reason: String| Skipped {
        path: path.clone(),
        reason,
        explicit: true,
    };
    if bytes.len() as u64 > settings.max_file_size.0 {
        let limit = settings.max_file_size;
        return Ok(Err(skip(format!("larger than {limit} (max-file-size)"))));
    }
    if settings.force_exclude && settings.excludes(&options::absolute(&path)) {
        return Ok(Err(skip("excluded by the settings".to_owned())));
    }
    let target = Target {
        path,
        language,
        explicit: true,
        settings,
    };
    std::thread::scope(|scope| {
        let worker = std::thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || check_bytes(lens, &target, bytes))
            .context("a thread")?;
        Ok(worker
            .join()
            .unwrap_or_else(|_| Err(internal_error(&target))))
    })
}

fn check_all(lens: &Lens, targets: &[Target], run: &mut Run<'_>) -> anyhow::Result<()> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(run.check.jobs)
        .stack_size(STACK_BYTES)
        .build()
        .context("worker threads")?;
    let progress = Progress::new(targets.len(), run.check.quiet);
    let done: Vec<Option<Result<Checked, Skipped>>> = pool.install(|| {
        targets
            .par_iter()
            .map(|target| {
                if progress::interrupted() {
                    return None;
                }
                let out = catch_unwind(AssertUnwindSafe(|| check_file(lens, target)))
                    .unwrap_or_else(|_| Err(internal_error(target)));
                progress.tick();
                Some(out)
            })
            .collect()
    });
    progress.finish();
    for result in done.into_iter().flatten() {
        match result {
            Ok(file) => run.files.push(file),
            Err(skipped) => run.skipped.push(skipped),
        }
    }
    Ok(())
}

fn internal_error(target: &Target) -> Skipped {
    skipped(target, "internal error".to_owned())
}

fn skipped(target: &Target, reason: String) -> Skipped {
    Skipped {
        path: target.path.clone(),
        reason,
        explicit: target.explicit,
    }
}

fn check_file(lens: &Lens, target: &Target) -> Result<Checked, Skipped> {
    let bytes = files::read(&target.path, target.settings.max_file_size)
        .map_err(|reason| skipped(target, reason))?;
    let mut file = check_bytes(lens, target, &bytes)?;
    let said = [file.items.len(), file.idle.len(), file.notes.len()];
    if said == [0; 3] && !lens.leads {
        // Nobody asks for the text of a file of which nothing is said, and most are such.
        file.text = String::new();
    }
    Ok(file)
}

/// Analyses one file's bytes, chooses what is reported and proves its fixes.
pub(crate) fn check_bytes(lens: &Lens, target: &Target, bytes: &[u8]) -> Result<Checked, Skipped> {
    let decoded = syntax::decode(bytes).map_err(|error| skipped(target, error.to_string()))?;
    let mut unwritable = decoded.note.is_some().then_some("it is not UTF-8");
    let (mut text, mut layout) = (decoded.text, Layout::default());
    if target.is_notebook() {
        let notebook = notebook::read(&text).map_err(|reason| skipped(target, reason))?;
        (text, layout) = (notebook.text, notebook.layout);
        unwritable = Some("it is a notebook; change the cell by hand");
    }
    let settings = &target.settings;
    let judge = Judge::new(&target.path, Arc::clone(settings), lens.baseline.clone());
    let analysis = lens.snapshot.check(target.language, &text);
    let verdicts = judge.judge(&text, &analysis);
    let count = |wanted| verdicts.iter().filter(|(it, _)| *it == wanted).count();
    let silenced = count(Verdict::Silenced) + analysis.suppressed.len();
    let known = count(Verdict::Known);
    let mut idle = Vec::new();
    if settings.report_unused_suppressions {
        idle = analysis.idle_comments(&text);
    }
    // Fixes are proved against everything that is found, so that none brings what is not reported.
    let fixes = if settings.show_fixes && count(Verdict::Reported) > 0 {
        revision::fixes_of_all(&lens.snapshot, target.language, &text, &analysis)
    } else {
        vec![revision::Fixes::default(); analysis.findings.len()]
    };
    let items = analysis
        .findings
        .into_iter()
        .zip(fixes)
        .zip(verdicts)
        .filter(|(_, (verdict, _))| *verdict == Verdict::Reported)
        .map(|((finding, fixes), (_, fingerprint))| Item {
            finding,
            fixes: fixes.proposals,
            fingerprint,
        })
        .collect();
    Ok(Checked {
        path: target.path.clone(),
        language: target.language,
        shift: if unwritable.is_none() {
            decoded.bom_len
        } else {
            0
        },
        unwritable,
        judge,
        items,
        silenced,
        known,
        idle,
        notes: analysis.notes,
        note: decoded.note.map(|note| note.to_string()),
        settings: Arc::clone(settings),
        text,
        layout,
    })
}

/// The name of a path as it is printed; standard input has the one it was given.
pub(crate) fn shown(path: &Path) -> String {
    path.display().to_string()
}
