//! Findings for people: annotated source, the reason, the people who explained it, the fix.
//! Layout only; what is said comes from the finding and its entry.

use std::fmt::Write;
use std::ops::Range;
use std::path::Path;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use kb_schema::{Applicability, Discussion, Severity};
use similar::TextDiff;
use syntax::LineIndex;

use crate::check::{Checked, Item, Run};
use crate::install::shown;
use crate::{output, report};

/// The longest line that is shown as it is; around a finding in a longer one, a window is shown.
const MAX_LINE: usize = 200;
/// How far a step of the trace may be from the finding to be drawn in the same picture.
const NEAR_LINES: usize = 40;

pub(crate) fn render(run: &Run<'_>) -> String {
    let renderer = if output::coloured(run.args.color) {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let mut out = String::new();
    let (mut findings, mut files, mut fixable) = (0, 0, 0);
    let mut led = 0;
    for file in &run.files {
        if run.check.explain {
            notes(file, &mut out);
        }
        for item in &file.items {
            findings += 1;
            fixable += usize::from(
                item.fixes
                    .iter()
                    .any(|it| it.applicability == Applicability::Safe),
            );
            one(run, file, item, &renderer, &mut out);
        }
        idle(file, &mut out);
        led += leads(run, file, &mut out);
        files += usize::from(!file.items.is_empty());
    }
    if !run.check.quiet {
        summary(run, findings, files, fixable, &mut out);
        if led > 0 {
            let leads = count(led, "lead");
            let _ = writeln!(
                out,
                "{leads} from imported discussions, which count for nothing."
            );
        }
    }
    out
}

/// What was not read as it stands, or not analysed.
fn notes(file: &Checked, out: &mut String) {
    let path = file.path.display();
    if let Some(note) = &file.note {
        let _ = writeln!(out, "note: {path}: {note}");
    }
    let index = LineIndex::new(&file.text);
    for note in &file.notes {
        let line = file.layout.place(&index, note.range.start).line;
        let path = file.layout.name(&file.path, note.range.start);
        let _ = writeln!(out, "note: {path}:{line}: {}", note.message);
    }
}

/// What imported discussions alone suggest to look at.
fn leads(run: &Run<'_>, file: &Checked, out: &mut String) -> usize {
    let leads = report::leads_of(run, file);
    let index = LineIndex::new(&file.text);
    for lead in &leads {
        let place = file.layout.place(&index, lead.range.start);
        let path = file.layout.name(&file.path, lead.range.start);
        let _ = writeln!(
            out,
            "lead: {path}:{}:{}: {} warn of `{}` in imported discussions; no entry knows it, so look for yourself",
            place.line,
            place.column,
            people(lead.warners),
            shown(&lead.sign),
        );
        for source in &lead.sources {
            let post = &source.post;
            let _ = writeln!(
                out,
                "  {}: {}: {}\n      {}\n      {}",
                source.index,
                shown(&post.title),
                shown(&source.gist()),
                shown(&post.attribution()),
                shown(post.link.as_ref().unwrap_or(&post.source)),
            );
        }
        out.push('\n');
    }
    leads.len()
}

/// So many people, in words.
fn people(number: usize) -> String {
    format!("{number} people")
}

/// Comments that silence nothing.
fn idle(file: &Checked, out: &mut String) {
    if file.idle.is_empty() {
        return;
    }
    let index = LineIndex::new(&file.text);
    for idle in &file.idle {
        let line = file.layout.place(&index, idle.range.start).line;
        let path = file.layout.name(&file.path, idle.range.start);
        let _ = writeln!(out, "note: {path}:{line}: {}", report::idle_text(idle));
    }
}

fn summary(run: &Run<'_>, findings: usize, files: usize, fixable: usize, out: &mut String) {
    let looked = run.files.len();
    if run.fixed > 0 {
        let _ = writeln!(out, "{} fixed.", count(run.fixed, "finding"));
    }
    if run.cleared > 0 {
        let unused = count(run.cleared, "unused suppression");
        let _ = writeln!(out, "{unused} taken out.");
    }
    if findings == 0 {
        let _ = writeln!(out, "Nothing found in {}.", count(looked, "file"));
    } else {
        let _ = write!(
            out,
            "{} in {} of {}",
            count(findings, "finding"),
            count(files, "file"),
            looked
        );
        let _ = match fixable {
            0 => writeln!(out, "."),
            number => writeln!(out, " ({number} fixable with --fix)."),
        };
    }
    let silenced: usize = run.files.iter().map(|file| file.silenced).sum();
    if silenced > 0 {
        let _ = writeln!(out, "{} silenced by a comment.", count(silenced, "finding"));
    }
    let known: usize = run.files.iter().map(|file| file.known).sum();
    if known > 0 {
        let _ = writeln!(out, "{} known to the baseline.", count(known, "finding"));
    }
    let partly = run.files.iter().filter(|it| !it.notes.is_empty());
    let partly = partly.count();
    if partly > 0 {
        let _ = writeln!(
            out,
            "{} analysed in part (--explain says where it stopped).",
            count(partly, "file")
        );
    }
    let skipped = run.skipped.iter().filter(|it| !it.explicit).count();
    if skipped > 0 {
        let _ = writeln!(
            out,
            "{} skipped (--format json names them).",
            count(skipped, "file")
        );
    }
}

/// A number with its noun.
pub(crate) fn count(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}

fn one(run: &Run<'_>, file: &Checked, item: &Item, renderer: &Renderer, out: &mut String) {
    let finding = &item.finding;
    let entry = &finding.entry;
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let cwe: Vec<String> = entry.cwe_names().collect();
    let title = format!("{} ({})", finding.message, cwe.join(", "));
    let path = file.layout.name(&file.path, finding.range.start);
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut group = level
        .primary_title(title)
        .id(entry.id.clone())
        .element(picture(file, finding, &path));
    group = group.element(
        Level::NOTE
            .with_name("why")
            .message(first_sentence(&entry.body().why)),
    );
    let discussions: &[Discussion] = if run.settings.show_discussions {
        &entry.discussions
    } else {
        &[]
    };
    for discussion in discussions {
        let text = said(discussion);
        group = group.element(Level::NOTE.with_name("discussed").message(text));
    }
    if discussions.is_empty() {
        group = group.element(Level::NOTE.with_name("see").message(entry.href()));
    }
    groups.push(group);
    let _ = writeln!(out, "{}", renderer.render(&groups));
    for fix in &item.fixes {
        let how = match fix.applicability {
            Applicability::Safe => "safe",
            Applicability::Review => "needs a look",
        };
        let _ = writeln!(out, "fix ({how}): {}", fix.title);
        if let Some(fixed) = revision::apply(&file.text, &fix.edits) {
            let _ = write!(out, "{}", hunks(&file.text, &fixed));
        }
    }
    if run.check.explain {
        explain(run, file, finding, out);
    }
    out.push('\n');
}

fn said(discussion: &Discussion) -> String {
    format!(
        "{}: {}\n{}",
        discussion.title,
        discussion.warns,
        discussion.url()
    )
}

/// The source with the finding and the steps that led to it.
fn picture<'a>(
    file: &'a Checked,
    finding: &analysis::Finding,
    path: &str,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let region = file.layout.region(finding.range.start, &file.text);
    let line_of = |byte: usize| {
        file.text[region.start..byte.max(region.start)]
            .matches('\n')
            .count()
    };
    let at = line_of(finding.range.start);
    let mut shown = vec![first_line(&file.text, &finding.range)];
    let steps: Vec<(Range<usize>, String)> = finding
        .trace
        .iter()
        .filter(|step| {
            step.range != finding.range
                && region.contains(&step.range.start)
                && line_of(step.range.start).abs_diff(at) <= NEAR_LINES
        })
        .map(|step| (first_line(&file.text, &step.range), step.note.clone()))
        .collect();
    shown.extend(steps.iter().map(|(range, _)| range.clone()));
    // Only the lines between the first and the last annotation are handed over: files are long.
    let first = shown.iter().map(|it| it.start).min().unwrap_or(0);
    let last = shown.iter().map(|it| it.end).max().unwrap_or(0);
    let start = file.text[..first].rfind('\n').map_or(0, |it| it + 1);
    let end = line_end(&file.text, last);
    if end - start > MAX_LINE && line_of(start) == line_of(end) {
        return window(file, &shown[0], path);
    }
    let primary = AnnotationKind::Primary.span(shown[0].start - start..shown[0].end - start);
    let context = steps.into_iter().map(|(range, note)| {
        AnnotationKind::Context
            .span(range.start - start..range.end - start)
            .label(note)
    });
    Snippet::source(&file.text[start..end])
        .path(path.to_owned())
        .line_start(line_of(start) + 1)
        .annotation(primary)
        .annotations(context)
}

/// A piece of a line that is too long to show.
fn window<'a>(
    file: &'a Checked,
    range: &Range<usize>,
    path: &str,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let text = &file.text;
    let floor = |mut at: usize| {
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let line_start = text[..range.start].rfind('\n').map_or(0, |it| it + 1);
    let start = floor(range.start.saturating_sub(MAX_LINE / 4).max(line_start));
    let end = floor((range.start + MAX_LINE).min(line_end(text, range.start)));
    let span = range.start - start..range.end.min(end) - start;
    Snippet::source(&text[start..end])
        .path(path.to_owned())
        .line_start(
            text[file.layout.region(start, text).start..start]
                .matches('\n')
                .count()
                + 1,
        )
        .annotation(AnnotationKind::Primary.span(span))
}

/// The end of the line around a byte, before its terminator.
fn line_end(text: &str, byte: usize) -> usize {
    let rest = &text[byte..];
    byte + rest
        .split('\n')
        .next()
        .map_or(0, |line| line.trim_end_matches('\r').len())
}

/// Code as a terminal may show it: what would steer the terminal is made visible.
fn visible(line: &str) -> String {
    line.chars()
        .map(|c| match c {
            '\t' => c,
            '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or(c),
            '\u{7f}'..='\u{9f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// A range cut to its first line, so that a call over twenty lines stays readable.
fn first_line(text: &str, range: &Range<usize>) -> Range<usize> {
    let line = text[range.clone()].lines().next().unwrap_or("");
    range.start..range.start + line.len()
}

/// The first line of a Markdown text that says something.
pub(crate) fn first_sentence(markdown: &str) -> String {
    markdown
        .lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("")
        .trim()
        .to_owned()
}

fn explain(run: &Run<'_>, file: &Checked, finding: &analysis::Finding, out: &mut String) {
    let _ = writeln!(
        out,
        "explain: pattern {} of {}",
        finding.pattern + 1,
        finding.entry.id
    );
    let index = LineIndex::new(&file.text);
    for step in &finding.trace {
        let line = file.layout.place(&index, step.range.start).line;
        let _ = match file.layout.cell(step.range.start) {
            Some(cell) => writeln!(out, "  cell {}, line {line}: {}", cell.number, step.note),
            None => writeln!(out, "  line {line}: {}", step.note),
        };
    }
    let _ = writeln!(out, "  slice:");
    for line in finding.slice_text(&file.text).lines() {
        let _ = writeln!(out, "    {}", visible(line));
    }
    for found in report::discussions(run, file, finding) {
        let whose = if found.own { "own" } else { "found" };
        let _ = writeln!(out, "  {whose} {:7.3}  {}", found.score, found.title);
        let _ = writeln!(out, "               {}", found.url);
        for term in found.terms.iter().take(6) {
            let _ = writeln!(
                out,
                "               {:7.3}  {} in {}",
                term.score, term.term, term.field
            );
        }
    }
    for found in report::imported(run, file, finding) {
        let place = found.url.as_ref().unwrap_or(&found.source);
        let _ = writeln!(
            out,
            "  {}  {:7.3}  {}: {}\n               {}\n               {place}",
            found.index,
            found.score,
            shown(&found.title),
            shown(&found.warns),
            shown(&found.attribution),
        );
        for term in found.terms.iter().take(6) {
            let _ = writeln!(
                out,
                "               {:7.3}  {} in {}",
                term.score, term.term, term.field
            );
        }
    }
}

/// Lines as `patch` sees them, which ends one at a line feed and nowhere else.
fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

fn diff<'a>(before: &'a [&'a str], after: &'a [&'a str]) -> TextDiff<'a, 'a, 'a, str> {
    TextDiff::configure()
        .newline_terminated(true)
        .diff_slices(before, after)
}

/// The changed lines of a fix, indented under its title.
fn hunks(before: &str, after: &str) -> String {
    let (before, after) = (lines(before), lines(after));
    let diff = diff(&before, &after);
    let mut out = String::new();
    for hunk in diff.unified_diff().context_radius(0).iter_hunks() {
        for line in hunk
            .to_string()
            .lines()
            .filter(|line| !line.starts_with("\\ No newline"))
        {
            let _ = writeln!(out, "    {}", visible(line));
        }
    }
    out
}

/// A unified diff of a whole file, as `patch` takes it.
pub(crate) fn unified(path: &Path, before: &str, after: &str) -> String {
    let name = path.display().to_string();
    let name = name.strip_prefix("./").unwrap_or(&name);
    let (before, after) = (lines(before), lines(after));
    diff(&before, &after)
        .unified_diff()
        .header(&format!("a/{name}"), &format!("b/{name}"))
        .to_string()
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        clippy::panic,
        reason = "a test fails by panicking"
    )]

    use std::path::PathBuf;
    use std::sync::Arc;

    use clap::Parser;
    use kb_index::{Options, Store};
    use kb_schema::Knowledge;

    use super::*;
    use crate::args::{Args, Command};
    use crate::check::{Lens, check_bytes};
    use crate::files::Target;

    /// What `check` prints for one Python file under the bundled entries.
    fn printed(text: &str, options: &[&str]) -> String {
        let words = ["secondlook", "check", "--color", "never"];
        let args = Args::try_parse_from(words.iter().chain(options)).unwrap();
        let Command::Check(check) = &args.command else {
            panic!("these words are a check");
        };
        let store = Arc::new(Store::open(Options {
            bundled: true,
            ..Options::default()
        }));
        let lens = Lens {
            snapshot: analysis::Host::new(&store.entries()).snapshot(),
            baseline: None,
            leads: false,
        };
        let settings = config::Resolver::isolated(Vec::new()).of_folder(Path::new("/"));
        let target = Target {
            path: PathBuf::from("app.py"),
            language: syntax::Language::Python,
            explicit: true,
            settings: Arc::clone(&settings),
        };
        let Ok(file) = check_bytes(&lens, &target, text.as_bytes()) else {
            panic!("it is text");
        };
        render(&Run {
            args: &args,
            check,
            store,
            settings,
            files: vec![file],
            skipped: Vec::new(),
            errors: Vec::new(),
            changed: String::new(),
            fixed: 0,
            cleared: 0,
        })
    }

    #[test]
    fn a_finding_shows_its_source_reason_and_discussion() {
        let text = "import os\r\n\r\ndef f(n):\r\n    os.system(\"ls \" + n)\r\n";
        let printed = printed(text, &[]);
        for part in [
            "error[py/",
            "CWE-78",
            "--> app.py:4:5",
            "4 |     os.system(\"ls \" + n)\n",
            "= why: ",
            "= discussed: ",
            "https://",
            "1 finding in 1 file of 1.",
        ] {
            assert!(printed.contains(part), "{part:?} is missing in\n{printed}");
        }
    }

    #[test]
    fn of_a_long_line_a_piece_is_shown() {
        let long = "é".repeat(5_000);
        let text = format!("import os\ndef f(n):\n    os.system(\"{long}\" + n); x = \"{long}\"\n");
        let printed = printed(&text, &[]);
        assert!(printed.contains("os.system("), "{printed}");
        let widest = printed.lines().map(|line| line.chars().count()).max();
        assert!(widest < Some(2 * MAX_LINE), "{widest:?}\n{printed}");
    }

    #[test]
    fn code_cannot_steer_the_terminal() {
        let text = "import os\ndef f(n):\n    os.system(\"\u{1b}[2Jls \u{202e}\" + n)\n";
        let printed = printed(text, &["--explain"]);
        assert!(printed.contains("os.system("), "{printed}");
        assert!(!printed.contains(['\u{1b}', '\u{202e}']), "{printed:?}");
    }

    #[test]
    fn what_was_not_analysed_is_said() {
        let text = "import os\nos.system(a)\ndef f(:\n";
        let short = printed(text, &[]);
        assert!(short.contains("1 file analysed in part"), "{short}");
        let long = printed(text, &["--explain"]);
        assert!(long.contains("note: app.py:3: not parsed"), "{long}");
    }
}
