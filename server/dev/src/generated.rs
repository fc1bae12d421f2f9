//! The parts of the editors' files that are made from the table of options. It knows how each
//! editor writes a setting, and neither what an option does nor how a client uses it.

use std::fmt::Write;
use std::path::PathBuf;

use config::{OPTIONS, OWN, OptionSpec, Scope, toml_of};
use serde_json::{Map, Value as Json, json};

use crate::tree::root;

/// How wide a page of Neovim's help is, in columns.
const HELP_WIDTH: usize = 78;

/// A file of which a part is made, as it should be.
#[derive(Debug)]
pub struct Generated {
    /// Where it is.
    pub path: PathBuf,
    /// The whole text.
    pub wanted: String,
    /// Whether the file says something else, or is not there.
    pub behind: bool,
}

/// A part of a file: everything between two lines, which stay.
struct Part {
    file: &'static str,
    begin: &'static str,
    end: &'static str,
    text: fn() -> String,
}

const PARTS: [Part; 4] = [
    Part {
        file: "editors/vscode/package.json",
        begin: "      \"restrictedConfigurations\": [",
        end: "      ]",
        text: restricted,
    },
    Part {
        file: "editors/vscode/package.json",
        begin: "        \"title\": \"Options of the server\",",
        end: "      }",
        text: manifest,
    },
    Part {
        file: "editors/neovim/doc/secondlook.txt",
        begin: "The list below is made from server/config/src/table.rs: change that.",
        end: "The list ends here.",
        text: help,
    },
    Part {
        file: "editors/helix/README.md",
        begin: "<!-- Made from server/config/src/table.rs: change that. -->",
        end: "<!-- The list ends here. -->",
        text: helix,
    },
];

/// The files that hold settings, as they should be.
///
/// # Errors
/// Names the file that cannot be read, or in which a part's first or last line is missing.
pub fn generated() -> Result<Vec<Generated>, String> {
    let mut out: Vec<Generated> = Vec::new();
    for part in &PARTS {
        let path = root().join(part.file);
        let known = out.iter().position(|it| it.path == path);
        let text = match known {
            Some(at) => out[at].wanted.clone(),
            None => {
                std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", part.file))?
            }
        };
        let wanted = replaced(&text, part)?;
        let changed = wanted != text;
        match known {
            Some(at) => {
                out[at].behind |= changed;
                out[at].wanted = wanted;
            }
            None => out.push(Generated {
                path,
                wanted,
                behind: changed,
            }),
        }
    }
    Ok(out)
}

fn replaced(text: &str, part: &Part) -> Result<String, String> {
    let missing = |line: &str| format!("{}: the line `{}` is missing", part.file, line.trim());
    let begin = format!("\n{}\n", part.begin);
    let (head, rest) = text.split_once(&begin).ok_or_else(|| missing(part.begin))?;
    let end = format!("\n{}", part.end);
    // The part itself may be empty, so the end is looked for from the line break before it.
    let rest = format!("\n{rest}");
    let at = rest.find(&end).ok_or_else(|| missing(part.end))?;
    let made = (part.text)();
    Ok(format!("{head}{begin}{}{}", made.trim_end(), &rest[at..]))
}

fn words(option: &OptionSpec) -> String {
    option
        .doc
        .lines()
        .map(str::trim)
        .collect::<Vec<_>>()
        .join(" ")
        .trim()
        .to_owned()
}

/// The settings that VS Code takes from a repository only when its user trusts it.
fn restricted() -> String {
    let names: Vec<String> = std::iter::once("path")
        .chain(OWN.iter().copied())
        .map(|it| format!("        \"secondlook.{it}\""))
        .collect();
    names.join(",\n")
}

/// The settings in VS Code's manifest.
fn manifest() -> String {
    let mut properties = Map::new();
    for (order, option) in OPTIONS.iter().enumerate() {
        let Json::Object(mut own) = (option.schema)() else {
            continue;
        };
        let default = (option.default)();
        if default.is_null() {
            // Without `null` VS Code would show a value where none is set.
            if let Some(kind) = own.get("type").cloned() {
                own.insert("type".to_owned(), json!([kind, "null"]));
            } else if let Some(Json::Array(cases)) = own.get_mut("enum") {
                cases.push(Json::Null);
            }
        }
        own.insert("default".to_owned(), default);
        own.insert("markdownDescription".to_owned(), words(option).into());
        own.insert("order".to_owned(), order.into());
        let scope = match option.scope {
            Scope::File => "resource",
            Scope::Run | Scope::Server => "window",
        };
        own.insert("scope".to_owned(), scope.into());
        properties.insert(format!("secondlook.{}", option.name), own.into());
    }
    let text = serde_json::to_string_pretty(&Json::Object(properties)).unwrap_or_default();
    format!(
        "        \"properties\": {}",
        text.replace('\n', "\n        ")
    )
}

/// The options in Neovim's help.
fn help() -> String {
    let mut out = String::new();
    for option in OPTIONS {
        let tag = format!("*secondlook-{}*", option.name);
        let name = option.name;
        let _ = writeln!(
            out,
            "\n{name}{tag:>width$}",
            width = HELP_WIDTH.saturating_sub(name.len())
        );
        // A star or a bar makes a tag or a link, which a pattern such as `py/*` is not; a single
        // one is neither.
        for line in wrapped(&words(option)) {
            let _ = writeln!(out, "    {line}");
        }
        let default = match (option.default)() {
            Json::Null => "none".to_owned(),
            value => lua_of(&value),
        };
        for line in wrapped(&format!("Type: {}. Default: {default}", (option.kind)())) {
            let _ = writeln!(out, "    {line}");
        }
    }
    out
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().expect("there is one from the start");
        if !last.is_empty() && last.len() + word.len() + 5 > HELP_WIDTH {
            lines.push(word.to_owned());
        } else {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines
}

/// A value as Lua writes it.
fn lua_of(value: &Json) -> String {
    match value {
        Json::Array(items) if items.is_empty() => "{}".to_owned(),
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(lua_of).collect();
            format!("{{ {} }}", items.join(", "))
        }
        other => other.to_string(),
    }
}

/// The options as a table of Helix's `languages.toml`, each line commented out.
fn helix() -> String {
    let mut out = "\n```toml\n[language-server.secondlook.config]\n".to_owned();
    for option in OPTIONS {
        let doc = words(option);
        let first = doc.split_once(". ").map_or(doc.as_str(), |it| it.0);
        let _ = writeln!(out, "# {}.", first.trim_end_matches('.'));
        let _ = match (option.default)() {
            Json::Null => writeln!(out, "# {} = …  ({})", option.name, (option.kind)()),
            value => writeln!(out, "# {} = {}", option.name, toml_of(&value)),
        };
    }
    out.push_str("```\n\n");
    out
}
