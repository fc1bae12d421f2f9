//! Which of an entry's own examples a model is shown for some code: the weak one with its cure
//! where both are there, else a safe one (SecCoder's safe demonstrations, METHODS.md §3). It knows
//! no prompt.

use std::collections::BTreeSet;

use kb_schema::{Entry, ExampleKind};
use similar::{Algorithm, capture_diff_slices, get_diff_ratio};

/// Enough for a function of a dozen lines; longer ones teach a small model nothing more.
const MOST: usize = 900;

/// How much of two functions must be the same, line by line, for one to be the other's cure: much
/// where their heads differ, little where they do not.
const ALIKE: f32 = 0.5;
const AKIN: f32 = 0.2;

/// A weak function and the same function made safe.
pub(crate) struct Cure {
    pub(crate) before: String,
    /// The line of `before` that is reported, from 1.
    pub(crate) line: usize,
    /// Begins with the imports that it needs and `before`'s file has not.
    pub(crate) after: String,
}

/// A definition of an example with the line of the block that it begins in, from 0.
struct Part<'a> {
    at: usize,
    lines: Vec<&'a str>,
}

impl Part<'_> {
    fn text(&self) -> String {
        self.lines.join("\n")
    }

    /// The line with its name.
    fn head(&self) -> Option<&str> {
        let lines = self.lines.iter().copied();
        lines.into_iter().find(|it| !it.starts_with('@'))
    }
}

/// How much less a cure is worth that leans on what the file has not: a name that is bound outside
/// of the function. Small models write such names into their answer all the same.
const LEANS: f32 = 0.3;

/// The cure among the entry's examples whose weak side has most words in common with some code, a
/// small change before a big one. It speaks of the place in the code's own names: `line` is what is
/// reported there, and `file` the whole text.
pub(crate) fn cure(entry: &Entry, code: &str, line: &str, file: &str) -> Option<Cure> {
    Some(best(entry, code, file)?.in_names_of(line))
}

fn best(entry: &Entry, code: &str, file: &str) -> Option<Cure> {
    let wanted = words(code);
    let known = words(file);
    let mut best: Option<(f32, Cure)> = None;
    for weak in entry.examples(ExampleKind::Vulnerable) {
        for before in parts(&weak.code) {
            let inside = |line: &&usize| (1..=before.lines.len()).contains(&(**line - before.at));
            let Some(line) = weak.lines.iter().filter(|it| **it > before.at).find(inside) else {
                continue;
            };
            let common = likeness(&words(&before.text()), &wanted);
            let Some((ratio, after, leans)) = mended(entry, &before, &weak.code, &known) else {
                continue;
            };
            // A small change shows best what is to be done.
            let worth = common * ratio * if leans { LEANS } else { 1.0 };
            let cure = Cure {
                before: before.text(),
                line: line - before.at,
                after,
            };
            let fits = cure.before.len() <= MOST && cure.after.len() <= MOST;
            if fits && best.as_ref().is_none_or(|it| it.0 < worth) {
                best = Some((worth, cure));
            }
        }
    }
    best.map(|it| it.1)
}

/// The safe function that is most like a weak one, with the share of lines that they have in common
/// and whether it leans on what neither function nor file has.
fn mended(
    entry: &Entry,
    before: &Part<'_>,
    weak: &str,
    known: &BTreeSet<String>,
) -> Option<(f32, String, bool)> {
    let mut best: Option<(f32, String, bool)> = None;
    for safe in entry.examples(ExampleKind::Secure) {
        for after in parts(&safe.code) {
            let ops = capture_diff_slices(Algorithm::Myers, &before.lines, &after.lines);
            let ratio = get_diff_ratio(&ops, before.lines.len(), after.lines.len());
            let least = if before.head() == after.head() {
                AKIN
            } else {
                ALIKE
            };
            if (least..1.0).contains(&ratio) && best.as_ref().is_none_or(|it| it.0 < ratio) {
                let text = after.text();
                let used = words(&text);
                let fresh = imports(&safe.code).filter(|it| !weak.contains(it));
                let all: BTreeSet<&str> = tokens(&text).into_iter().collect();
                let needed = fresh.filter(|it| names(it).any(|it| all.contains(it)));
                let head: String = needed.map(|it| format!("{it}\n")).collect();
                let had = words(&before.text());
                let leans = outer(&safe.code)
                    .any(|it| used.contains(it) && !had.contains(it) && !known.contains(it));
                best = Some((ratio, head + &text, leans));
            }
        }
    }
    best
}

/// The names that stand outside of functions and are bound there to a value.
pub(crate) fn outer(code: &str) -> impl Iterator<Item = &str> {
    code.lines().filter_map(|line| {
        let (name, rest) = line.split_once(' ')?;
        let is_name = name.starts_with(|it: char| it.is_alphabetic() || it == '_')
            && name.chars().all(|it| it.is_alphanumeric() || it == '_');
        (is_name && rest.starts_with("= ")).then_some(name)
    })
}

impl Cure {
    /// The same cure in the names of a line of somebody's code that does what the reported one does:
    /// what is called a method of, and what is assigned to, is called as it is there. Arguments keep
    /// their names, for which of them is the weak one differs.
    fn in_names_of(mut self, line: &str) -> Self {
        let shown = self.before.lines().nth(self.line - 1).unwrap_or("");
        let names = renamed(&tokens(shown.trim()), &tokens(line.trim()));
        let taken: BTreeSet<&str> = tokens(&self.before).into_iter().collect();
        let imported: BTreeSet<String> = imports(&self.after).flat_map(words).collect();
        let names: Vec<(String, String)> = names
            .into_iter()
            .filter(|(mine, its)| !imported.contains(mine) && !taken.contains(its.as_str()))
            .collect();
        for text in [&mut self.before, &mut self.after] {
            let mut out = String::with_capacity(text.len());
            let mut member = false;
            for token in tokens(text) {
                let new = names.iter().find(|(mine, _)| mine == token && !member);
                out.push_str(new.map_or(token, |(_, its)| its));
                member = token == "." || token == ">";
            }
            *text = out;
        }
        self
    }
}

/// Names of one line that stand where the other line has another name.
fn renamed(mine: &[&str], its: &[&str]) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = Vec::new();
    for op in capture_diff_slices(Algorithm::Myers, mine, its) {
        let (_, old, new) = op.as_tag_tuple();
        let place = new.start;
        let (Some([one]), Some([other])) = (mine.get(old.clone()), its.get(new)) else {
            continue;
        };
        let member = old.start > 0 && matches!(mine[old.start - 1], "." | ">");
        let acts = |line: &[&str], at: usize| {
            let rest = line.get(at + 1..).unwrap_or_default();
            matches!(rest, [".", ..] | ["-", ">", ..] | [" ", "=", " ", ..])
        };
        let both = acts(mine, old.start) && acts(its, place);
        let known = out.iter().any(|(a, b)| a == one || b == other);
        if is_name(one) && is_name(other) && !member && both && !known {
            out.push(((*one).to_owned(), (*other).to_owned()));
        }
    }
    out
}

fn is_name(token: &str) -> bool {
    const WORDS: [&str; 10] = [
        "return", "await", "with", "yield", "None", "True", "False", "NULL", "not", "lambda",
    ];
    token.starts_with(|it: char| it.is_alphabetic() || it == '_') && !WORDS.contains(&token)
}

/// Words, spaces between them and single other characters: together the text. What stands in quotes
/// is one piece.
fn tokens(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let kind = |it: char| (it.is_alphanumeric() || it == '_', it.is_whitespace());
        let end = if matches!(first, '"' | '\'') {
            let mut escaped = false;
            let close = rest.char_indices().skip(1).find(|(_, it)| {
                let ends = (*it == first && !escaped) || *it == '\n';
                escaped = *it == '\\' && !escaped;
                ends
            });
            close.map_or(rest.len(), |(at, it)| at + it.len_utf8())
        } else if kind(first) == (false, false) {
            first.len_utf8()
        } else {
            rest.find(|it| kind(it) != kind(first))
                .unwrap_or(rest.len())
        };
        let (token, left) = rest.split_at(end);
        out.push(token);
        rest = left;
    }
    out
}

/// The function of the entry's safe examples that has most words in common with some code, with
/// the imports of its block.
pub(crate) fn safe(entry: &Entry, code: &str) -> Option<String> {
    let wanted = words(code);
    let mut best: Option<(usize, String)> = None;
    for block in entry.examples(ExampleKind::Secure) {
        for part in parts(&block.code) {
            let text = part.text();
            let used = words(&text);
            let common = used.intersection(&wanted).count();
            let all: BTreeSet<&str> = tokens(&text).into_iter().collect();
            let needed = imports(&block.code).filter(|it| names(it).any(|it| all.contains(it)));
            let head: String = needed.map(|it| format!("{it}\n")).collect();
            let text = head + &text;
            if text.len() <= MOST && common > 0 && best.as_ref().is_none_or(|it| it.0 < common) {
                best = Some((common, text));
            }
        }
    }
    best.map(|it| it.1)
}

/// How much of all words two texts share, from 0 to 1.
fn likeness(one: &BTreeSet<String>, other: &BTreeSet<String>) -> f32 {
    let common = one.intersection(other).count();
    let all = one.len() + other.len() - common;
    #[expect(clippy::cast_precision_loss, reason = "counts of words in a function")]
    let share = common as f32 / all.max(1) as f32;
    share
}

fn words(text: &str) -> BTreeSet<String> {
    let parts = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    parts.filter(|it| it.len() > 1).map(str::to_owned).collect()
}

/// The names in an import.
fn names(import: &str) -> impl Iterator<Item = &str> {
    tokens(import).into_iter().filter(|it| is_name(it))
}

fn imports(code: &str) -> impl Iterator<Item = &str> {
    code.lines().filter(|line| {
        line.starts_with("import ") || line.starts_with("from ") || line.starts_with("#include")
    })
}

/// The definitions of a block of code, each with the lines that belong to it.
fn parts(code: &str) -> Vec<Part<'_>> {
    let mut out: Vec<Part<'_>> = Vec::new();
    for (at, line) in code.lines().enumerate() {
        let label = line.trim_end().ends_with(':') && !line.contains([' ', '(']);
        let starts =
            !label && line.starts_with(|c: char| c.is_alphabetic() || c == '@' || c == '_');
        let decorated = out
            .last()
            .is_some_and(|it| it.lines.last().is_some_and(|it| it.starts_with('@')));
        match out.last_mut() {
            Some(last) if !starts || decorated => last.lines.push(line),
            _ => out.push(Part {
                at,
                lines: vec![line],
            }),
        }
    }
    for part in &mut out {
        while part.lines.last().is_some_and(|it| it.trim().is_empty()) {
            part.lines.pop();
        }
    }
    out.retain(|it| it.lines.len() > 1 && it.lines.iter().any(|it| it.contains('(')));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cure_speaks_in_the_names_of_the_code() {
        let cure = |before: &str, after: &str, line| {
            let cure = Cure {
                before: before.to_owned(),
                line: 2,
                after: after.to_owned(),
            };
            let cure = cure.in_names_of(line);
            (cure.before, cure.after)
        };
        let said = cure(
            "def f(cursor, name):\n    cursor.execute(\"cursor \" + name)",
            "def f(cursor, name):\n    cursor.execute(\"?\", (name,))",
            "    connection.execute(query)",
        );
        assert_eq!(
            said.0,
            "def f(connection, name):\n    connection.execute(\"cursor \" + name)"
        );
        assert_eq!(
            said.1,
            "def f(connection, name):\n    connection.execute(\"?\", (name,))"
        );
        let said = cure(
            "def f(name, word):\n    logger.info(\"%s %s\", name, word)",
            "def f(name, word):\n    logger.info(\"%s\", name)",
            "    log.info(\"%s of %d\", word, number)",
        );
        assert_eq!(said.1, "def f(name, word):\n    log.info(\"%s\", name)");
        let before = "def f(host):\n    ftp = ftplib.FTP(host)\n    ftp.login()";
        let after =
            "def f(host):\n    ftp = ftplib.FTP_TLS(host)\n    ftp.login()\n    ftp.prot_p()";
        let said = cure(before, after, "    connection = ftplib.FTP(server)");
        assert_eq!(
            said.1,
            "def f(host):\n    connection = ftplib.FTP_TLS(host)\n    connection.login()\n    connection.prot_p()"
        );
        // A name that the example has for something else is not given twice.
        let said = cure(
            "def f(a, b):\n    g(a)",
            "def f(a, b):\n    h(a)",
            "    g(b)",
        );
        assert_eq!(said.1, "def f(a, b):\n    h(a)");
    }

    #[test]
    fn a_function_with_a_label_is_one_part() {
        let code = "int f(void)\n{\n    goto out;\nout:\n    return g();\n}\n";
        assert_eq!(parts(code).len(), 1);
        let code = "@route(\"/\")\ndef f():\n    g()\n\n\ndef h():\n    g()\n";
        assert_eq!(parts(code).len(), 2);
    }
}
