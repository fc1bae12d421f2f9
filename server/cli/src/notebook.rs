//! Jupyter notebooks: their code cells joined to one Python text, in which what is not Python is a
//! comment of the same length. It knows JSON and text, nothing of findings.

use serde::Deserialize;

use crate::place::{Cell, Layout};

/// The code of a notebook.
#[derive(Debug)]
pub(crate) struct Notebook {
    pub(crate) text: String,
    pub(crate) layout: Layout,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    cells: Vec<RawCell>,
    /// Where version 3 of the format has them.
    #[serde(default)]
    worksheets: Vec<Worksheet>,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Worksheet {
    #[serde(default)]
    cells: Vec<RawCell>,
}

#[derive(Deserialize)]
struct RawCell {
    #[serde(default)]
    cell_type: String,
    #[serde(default, alias = "input")]
    source: Source,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Source {
    Lines(Vec<String>),
    Whole(String),
}

impl Default for Source {
    fn default() -> Self {
        Self::Whole(String::new())
    }
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    kernelspec: Kernel,
    #[serde(default)]
    language_info: Info,
}

#[derive(Default, Deserialize)]
struct Kernel {
    #[serde(default)]
    language: String,
}

#[derive(Default, Deserialize)]
struct Info {
    #[serde(default)]
    name: String,
}

/// Cell magics whose cells are Python all the same.
const PYTHON_CELLS: [&str; 6] = ["time", "timeit", "capture", "prun", "python", "python3"];

/// Reads a notebook, or says why it is none of ours.
pub(crate) fn read(text: &str) -> Result<Notebook, String> {
    let raw: Raw =
        serde_json::from_str(text).map_err(|error| format!("not a notebook: {error}"))?;
    let language = match raw.metadata.language_info.name.as_str() {
        "" => raw.metadata.kernelspec.language.as_str(),
        name => name,
    };
    if !language.is_empty() && !language.eq_ignore_ascii_case("python") {
        return Err(format!("a notebook in {language}"));
    }
    let mut out = Notebook {
        text: String::new(),
        layout: Layout::default(),
    };
    let cells = raw.cells.into_iter();
    let cells = cells.chain(raw.worksheets.into_iter().flat_map(|it| it.cells));
    for (index, cell) in cells.enumerate() {
        if cell.cell_type != "code" {
            continue;
        }
        let source = match cell.source {
            Source::Lines(lines) => lines.concat(),
            Source::Whole(text) => text,
        };
        let start = out.text.len();
        python_of(&source, &mut out.text);
        out.layout.cells.push(Cell {
            number: index + 1,
            range: start..out.text.len(),
        });
        out.text.push('\n');
    }
    Ok(out)
}

/// Adds a cell's code, lines that are for the notebook turned into comments.
fn python_of(source: &str, out: &mut String) {
    let first = source.lines().find(|line| !line.trim().is_empty());
    let foreign = first
        .and_then(|line| line.strip_prefix("%%"))
        .is_some_and(|rest| {
            let name = rest.split_whitespace().next().unwrap_or("");
            !PYTHON_CELLS.contains(&name)
        });
    for line in source.split_inclusive('\n') {
        let code = line.trim_start_matches([' ', '\t']);
        let indent = line.len() - code.len();
        let is_magic = begins_magic(code);
        let blank = code.trim_end().is_empty();
        if (foreign || is_magic) && !blank {
            out.push_str(&line[..indent]);
            out.push_str(&hidden(code, indent > 0 && !foreign));
        } else if let Some(at) = assigned(line) {
            // `files = !ls` assigns what a command prints.
            out.push_str(&line[..at]);
            out.push_str(&overwritten("0#", &line[at..]));
        } else {
            out.push_str(line);
        }
    }
}

/// Whether a line is for the notebook. A continued line may begin with the operator `%` too, which
/// formatters set apart with a space.
fn begins_magic(code: &str) -> bool {
    let mut chars = code.chars();
    match (chars.next(), chars.next()) {
        (Some('%'), Some(next)) => next == '%' || next.is_alphabetic(),
        (Some('!' | '?'), Some(next)) => next != '=',
        _ => false,
    }
}

/// A line as a comment of the same length; inside a block as a statement that does nothing.
fn hidden(code: &str, in_block: bool) -> String {
    let sign = if in_block { "pass#" } else { "#" };
    overwritten(sign, code)
}

/// A text with its beginning written over, unless that would not fit.
fn overwritten(by: &str, text: &str) -> String {
    let body = text.trim_end_matches(['\n', '\r']).len();
    let by = if body >= by.len() && text.is_char_boundary(by.len()) {
        by
    } else {
        "#"
    };
    match text.chars().next() {
        // A comment sign takes the place of one byte; a longer letter is filled up.
        Some(first) if by == "#" => {
            format!(
                "#{}{}",
                " ".repeat(first.len_utf8() - 1),
                &text[first.len_utf8()..]
            )
        }
        _ => format!("{by}{}", &text[by.len()..]),
    }
}

/// Where the magic of `name = !command` or `name = %magic` begins.
fn assigned(line: &str) -> Option<usize> {
    let (name, rest) = line.split_once('=')?;
    let fits = |it: char| it.is_alphanumeric() || matches!(it, '_' | ',' | ' ' | '\t');
    let value = rest.trim_start();
    let magic = value.starts_with('!') && !value.starts_with("!=") || value.starts_with('%');
    (magic && !name.trim().is_empty() && name.chars().all(fits)).then(|| line.len() - value.len())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::{python_of, read};

    fn python(source: &str) -> String {
        let mut out = String::new();
        python_of(source, &mut out);
        assert_eq!(out.len(), source.len(), "places must not move");
        out
    }

    #[test]
    fn magics_become_comments_of_the_same_length() {
        for (source, wanted) in [
            ("%matplotlib inline\nx = 1\n", "#matplotlib inline\nx = 1\n"),
            ("if x:\n    !pip install y\n", "if x:\n    pass#install y\n"),
            ("if x:\n    !ls\n", "if x:\n    #ls\n"),
            ("a = !ls -l\n", "a = 0#s -l\n"),
            ("a != b\n", "a != b\n"),
            ("f(\"%s\"\n  % b)\n", "f(\"%s\"\n  % b)\n"),
            ("%%bash\nrm -rf é\n\n", "#%bash\n#m -rf é\n\n"),
            ("%%time\nx = 1\n", "#%time\nx = 1\n"),
            ("%%html\né\n", "#%html\n# \n"),
        ] {
            assert_eq!(python(source), wanted);
        }
    }

    #[test]
    fn cells_keep_their_numbers_and_other_languages_are_left_alone() {
        let text = r##"{"cells": [
            {"cell_type": "markdown", "source": ["# a"]},
            {"cell_type": "code", "source": ["x = 1\n", "y = 2"]},
            {"cell_type": "code", "source": "z = 3"}], "metadata": {}, "nbformat": 4}"##;
        let notebook = read(text).unwrap();
        assert_eq!(notebook.text, "x = 1\ny = 2\nz = 3\n");
        let cells: Vec<_> = notebook
            .layout
            .cells
            .iter()
            .map(|it| (it.number, it.range.clone()))
            .collect();
        assert_eq!(cells, [(2, 0..11), (3, 12..17)]);
        let other = r#"{"cells": [], "metadata": {"kernelspec": {"language": "R"}}}"#;
        assert_eq!(read(other).unwrap_err(), "a notebook in R");
        assert!(read("{").unwrap_err().starts_with("not a notebook"));
    }
}
