//! From text to what one source says, or to problems with their lines. One mistake costs one
//! option. It reads text only.

use std::path::Path;

use serde_json::Value as Json;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::table::{OPTIONS, Partial};
use crate::value::Base;
use crate::{Problem, nearest};

/// Reads a configuration file by its name: a table of options, or `[tool.secondlook]` in a
/// `pyproject.toml`, which is `None` when there is none. Paths start from the folder of the file.
#[must_use]
pub fn read_file(path: &Path, text: &str) -> (Option<Partial>, Vec<Problem>) {
    let name = path.display().to_string();
    let (mut values, problems) = if path.file_name().is_some_and(|it| it == "pyproject.toml") {
        read_pyproject(&name, text)
    } else {
        let (values, problems) = read_toml(&name, text);
        (Some(values), problems)
    };
    if let (Some(values), Some(folder)) = (&mut values, path.parent()) {
        values.anchor(Base {
            paths: folder,
            globs: Some(&folder.into()),
        });
    }
    (values, problems)
}

/// Reads `secondlook.toml`.
#[must_use]
pub fn read_toml(name: &str, text: &str) -> (Partial, Vec<Problem>) {
    let reader = Reader { name, text };
    match reader.parse() {
        Ok(table) => reader.options(table.into_inner()),
        Err(problem) => (Partial::default(), vec![problem]),
    }
}

/// Reads `[tool.secondlook]` of a `pyproject.toml`; `None` when it has no such table.
#[must_use]
pub fn read_pyproject(name: &str, text: &str) -> (Option<Partial>, Vec<Problem>) {
    // Most projects' files have nothing for us, and a mistake elsewhere in them is not ours.
    if !text.contains("secondlook") {
        return (None, Vec::new());
    }
    let reader = Reader { name, text };
    let table = match reader.parse() {
        Ok(table) => table,
        Err(problem) => return (None, vec![problem]),
    };
    let ours = table
        .into_inner()
        .remove("tool")
        .and_then(|tool| match tool.into_inner() {
            DeValue::Table(mut tool) => tool.remove("secondlook"),
            _ => None,
        });
    let Some(ours) = ours else {
        return (None, Vec::new());
    };
    let span = ours.span();
    match ours.into_inner() {
        DeValue::Table(ours) => {
            let (values, problems) = reader.options(ours);
            (Some(values), problems)
        }
        other => {
            let message = format!(
                "tool.secondlook is a table, not {}",
                article(other.type_str())
            );
            (None, vec![reader.problem(span.start, message)])
        }
    }
}

/// Reads what a client sends: an object of options, or one that holds it under `secondlook`.
/// Paths start from `folder`.
#[must_use]
pub fn read_json(name: &str, value: &Json, folder: Option<&Path>) -> (Partial, Vec<Problem>) {
    let mut values = Partial::default();
    let mut problems = Vec::new();
    let problem = |message| Problem {
        source: name.to_owned(),
        line: None,
        message,
    };
    let value = value.get("secondlook").unwrap_or(value);
    match value {
        // Clients that have no settings for us say so in this way.
        Json::Null => {}
        Json::Object(options) => {
            for (option, value) in options {
                match values.read(option, value) {
                    // A client that knows an option without a value sends it so.
                    _ if value.is_null() => {}
                    None => problems.push(problem(unknown(option))),
                    Some(Err(error)) => problems.push(problem(format!("{option}: {error}"))),
                    Some(Ok(())) => {}
                }
            }
        }
        _ => problems.push(problem("settings are an object of options".to_owned())),
    }
    if let Some(folder) = folder {
        values.anchor(Base {
            paths: folder,
            globs: Some(&folder.into()),
        });
    }
    (values, problems)
}

/// Reads one option as a command line gives it, `severity` and `warning`; lists are parted by
/// commas and grow.
///
/// # Errors
/// Says what is wrong.
pub fn read_option(values: &mut Partial, name: &str, word: &str) -> Result<(), String> {
    match values.read_word(name, word) {
        None => Err(unknown(name)),
        Some(result) => result,
    }
}

struct Reader<'a> {
    name: &'a str,
    text: &'a str,
}

impl<'a> Reader<'a> {
    fn parse(&self) -> Result<Spanned<DeTable<'a>>, Problem> {
        DeTable::parse(self.text).map_err(|error| self.refused(&error, 0, ""))
    }

    fn options(&self, table: DeTable<'a>) -> (Partial, Vec<Problem>) {
        let mut values = Partial::default();
        let mut problems = Vec::new();
        for (key, value) in table {
            let (at, option) = (key.span().start, key.into_inner());
            let span = value.span().start;
            match values.read(&option, ValueDeserializer::from(value)) {
                None => problems.push(self.problem(at, unknown(&option))),
                Some(Err(error)) => {
                    problems.push(self.refused(&error, span, &format!("{option}: ")));
                }
                Some(Ok(())) => {}
            }
        }
        problems.sort_by_key(|it| it.line);
        (values, problems)
    }

    fn refused(&self, error: &toml::de::Error, fallback: usize, before: &str) -> Problem {
        let at = error.span().map_or(fallback, |it| it.start);
        // The parser's message spans several lines; an editor shows one.
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        self.problem(at, format!("{before}{message}"))
    }

    fn problem(&self, byte: usize, message: String) -> Problem {
        let before = &self.text.as_bytes()[..byte.min(self.text.len())];
        Problem {
            source: self.name.to_owned(),
            line: Some(before.iter().filter(|it| **it == b'\n').count() + 1),
            message,
        }
    }
}

fn unknown(name: &str) -> String {
    match nearest(name, OPTIONS.iter().map(|it| it.name)) {
        Some(near) => format!("there is no option `{name}`; did you mean `{near}`?"),
        None => format!("there is no option `{name}`; `secondlook config schema` has them all"),
    }
}

fn article(kind: &str) -> String {
    let vowel = kind.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {kind}", if vowel { "an" } else { "a" })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use serde_json::json;

    use super::{read_json, read_option, read_pyproject, read_toml};
    use crate::{Partial, Size};

    #[test]
    fn each_mistake_is_named_with_its_line_and_costs_one_option() {
        let text = "\
severity = \"warning\"
selct = [\"py/*\"]
ignore = [\"py/*\", \"sql\"]
max-file-size = true
debounce = -1
exclude = [\"[\"]
colour = 1
honour-noqa = \"no\"
";
        let (values, problems) = read_toml("secondlook.toml", text);
        assert!(values.severity.is_some() && values.ignore.is_none());
        let lines: Vec<usize> = problems.iter().filter_map(|it| it.line).collect();
        assert_eq!(lines, [2, 3, 4, 5, 6, 7, 8], "{problems:?}");
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(said[0].starts_with("secondlook.toml:2: ") && said[0].contains("`select`"));
        assert!(
            said[1].contains("ignore: `sql` means no findings"),
            "{said:?}"
        );
        assert!(said[2].contains("5 MiB"), "{said:?}");
        assert!(said.iter().all(|it| !it.contains('\n')));
    }

    #[test]
    fn broken_toml_is_one_problem_with_its_line() {
        let (values, problems) = read_toml("x", "severity = \"note\"\n[per-file-ignores\n");
        assert_eq!(values, Partial::default());
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].line, Some(2));
    }

    #[test]
    fn pyproject_is_ours_only_where_it_says_so() {
        let read = |text| read_pyproject("pyproject.toml", text);
        assert_eq!(read("[tool.ruff]\nx = 1\n"), (None, Vec::new()));
        assert_eq!(read("[tool.ruff\n"), (None, Vec::new()));
        let (values, problems) = read("[tool.secondlook]\nmax-file-size = \"1 KiB\"\nx = 1\n");
        assert_eq!(values.unwrap().max_file_size, Some(Size(1024)));
        assert_eq!(problems[0].line, Some(3));
        let (values, problems) = read("[tool]\nsecondlook = 1\n");
        assert!(values.is_none());
        assert_eq!(
            problems[0].message,
            "tool.secondlook is a table, not an integer"
        );
    }

    #[test]
    fn a_client_sends_options_bare_or_under_our_name() {
        for value in [
            json!({ "max-file-size": 7, "select": null }),
            json!({ "secondlook": { "max-file-size": 7 } }),
        ] {
            let (values, problems) = read_json("the client", &value, None);
            assert_eq!(
                (values.max_file_size, problems),
                (Some(Size(7)), Vec::new())
            );
        }
        let (_, problems) = read_json("the client", &json!({ "maxFileSize": 7 }), None);
        assert!(
            problems[0].to_string().contains("`max-file-size`"),
            "{problems:?}"
        );
        let (_, problems) = read_json("the client", &json!([1]), None);
        assert_eq!(problems.len(), 1);
        assert!(read_json("the client", &json!(null), None).1.is_empty());
    }

    #[test]
    fn words_of_a_command_line_add_up() {
        let mut values = Partial::default();
        read_option(&mut values, "ignore", "py/*, CWE-89").unwrap();
        read_option(&mut values, "ignore", "note").unwrap();
        assert_eq!(values.ignore.as_ref().unwrap().len(), 3);
        read_option(&mut values, "per-file-ignores", "tests:all").unwrap();
        assert!(read_option(&mut values, "severity", "high").is_err());
        assert!(
            read_option(&mut values, "sevrity", "note")
                .unwrap_err()
                .contains("`severity`")
        );
    }
}
