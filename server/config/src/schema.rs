//! What is published about the options: the JSON schema for editors of TOML, and the page for
//! people. Both are made from the table; tests hold the files in docs against them.

use std::fmt::Write;

use serde_json::{Map, Value as Json, json};

use crate::table::OPTIONS;

/// The JSON schema of `secondlook.toml`, `[tool.secondlook]` and a client's settings.
#[must_use]
pub fn schema() -> String {
    let mut properties = Map::new();
    for option in OPTIONS {
        let mut own = (option.schema)();
        if let Json::Object(own) = &mut own {
            own.insert("description".to_owned(), words(option.doc).into());
            let default = (option.default)();
            if !default.is_null() {
                own.insert("default".to_owned(), default);
            }
        }
        properties.insert(option.name.to_owned(), own);
    }
    let schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Settings of secondlook",
        "description": "Made by `secondlook config schema`; secondlook.toml, [tool.secondlook] in pyproject.toml, and the settings of an editor have this form.",
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    });
    let mut out = serde_json::to_string_pretty(&schema).unwrap_or_default();
    out.push('\n');
    out
}

/// The part of the page about configuration that lists the options.
#[must_use]
pub fn page() -> String {
    let mut out = String::new();
    for option in OPTIONS {
        let merging = if option.adds { ", adds up" } else { "" };
        let default = match (option.default)() {
            Json::Null => "none".to_owned(),
            value => format!("`{}`", toml_of(&value)),
        };
        let _ = write!(
            out,
            "### `{}`\n\n{}\n\nType: {}. Default: {default}. Scope: {}{merging}.\n\n",
            option.name,
            option
                .doc
                .lines()
                .map(str::trim)
                .collect::<Vec<_>>()
                .join("\n"),
            (option.kind)(),
            option.scope.name(),
        );
    }
    out.trim_end().to_owned() + "\n"
}

/// A value of the table as TOML writes it on one line.
#[must_use]
pub fn toml_of(value: &Json) -> String {
    match value {
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(toml_of).collect();
            format!("[{}]", items.join(", "))
        }
        Json::Object(items) if items.is_empty() => "{}".to_owned(),
        Json::Object(items) => {
            let items: Vec<String> = items
                .iter()
                .map(|(key, value)| format!("{} = {}", Json::from(key.as_str()), toml_of(value)))
                .collect();
            format!("{{ {} }}", items.join(", "))
        }
        other => other.to_string(),
    }
}

fn words(doc: &str) -> String {
    doc.lines()
        .map(str::trim)
        .collect::<Vec<_>>()
        .join(" ")
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::path::{Path, PathBuf};

    use super::{page, schema, toml_of};
    use crate::read_toml;
    use crate::table::{OPTIONS, Values};

    const BEGIN: &str =
        "<!-- Made from server/config/src/table.rs by its tests: change that. -->\n\n";

    fn docs(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../docs")
            .join(name)
    }

    /// Rewrites a file that is behind, and fails, so that running the tests again passes.
    fn assert_current(path: &Path, wanted: &str) {
        if std::fs::read_to_string(path).unwrap_or_default() != wanted {
            std::fs::write(path, wanted).unwrap();
            assert!(
                wanted.is_empty(),
                "{} was behind; it is written anew, commit it",
                path.display()
            );
        }
    }

    #[test]
    fn the_published_schema_is_current() {
        assert_current(&docs("secondlook.schema.json"), &schema());
    }

    #[test]
    fn the_page_lists_the_options() {
        let path = docs("configuration.md");
        let text = std::fs::read_to_string(&path).unwrap();
        let (prose, _) = text.split_once(BEGIN).unwrap_or((&text, ""));
        assert_current(&path, &format!("{prose}{BEGIN}{}", page()));
    }

    #[test]
    fn every_default_reads_back_as_itself() {
        for option in OPTIONS {
            let default = (option.default)();
            if default.is_null() {
                continue;
            }
            let text = format!("{} = {}", option.name, toml_of(&default));
            let (partial, problems) = read_toml("defaults", &text);
            assert_eq!(problems, [], "{text}");
            let mut values = Values::default();
            if !option.adds {
                values.apply(&partial);
            }
            assert_eq!(values, Values::default(), "{text}");
        }
    }

    #[test]
    fn every_option_says_what_it_does() {
        for option in OPTIONS {
            let doc = option.doc.trim();
            assert!(doc.ends_with('.') && doc.len() > 20, "{}", option.name);
            let plain = |it: char| it.is_ascii_lowercase() || it == '-';
            assert!(option.name.chars().all(plain), "{}", option.name);
        }
    }
}
