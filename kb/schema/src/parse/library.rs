//! `library.toml`: named sources, sanitizer groups, usual names and the like.
//! The raw form mirrors the file.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Reporter, toml_message};
use crate::{Language, Library, NamePattern, Problem, Source};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLibrary {
    language: Language,
    #[serde(default)]
    source: BTreeMap<String, RawSource>,
    #[serde(default)]
    sanitizers: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    handlers: Vec<String>,
    #[serde(default)]
    handler_classes: Vec<String>,
    #[serde(default)]
    handler_methods: Vec<String>,
    #[serde(default)]
    usual: BTreeMap<String, String>,
    #[serde(default)]
    aliases: BTreeMap<String, String>,
    #[serde(default)]
    inert: Vec<String>,
    #[serde(default)]
    numeric: Vec<String>,
    #[serde(default)]
    trusted: Vec<String>,
    #[serde(default)]
    carries: Vec<String>,
    #[serde(default)]
    never_return: Vec<String>,
    #[serde(default)]
    reads: Vec<(String, usize)>,
    #[serde(default)]
    copies: Vec<(String, usize, usize)>,
    #[serde(default)]
    formats: Vec<(String, usize, usize)>,
    #[serde(default)]
    constants: BTreeMap<String, i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSource {
    about: String,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    fills: Vec<(String, usize)>,
    #[serde(default)]
    quiet: bool,
    #[serde(default)]
    handler_params: bool,
    #[serde(default)]
    not_params: Vec<String>,
    #[serde(default)]
    params: Vec<String>,
}

pub(super) fn parse(path: &str, text: &str) -> Result<Library, Vec<Problem>> {
    let mut report = Reporter::new(path, text);
    let raw: RawLibrary = match toml::from_str(text) {
        Ok(raw) => raw,
        Err(error) => {
            report.at_byte(
                error.span().map_or(0, |span| span.start),
                toml_message(&error),
            );
            return Err(report.problems);
        }
    };
    let mut names = |list: Vec<String>| -> Vec<NamePattern> {
        list.into_iter()
            .filter_map(|name| match NamePattern::parse(&name) {
                Ok(pattern) => Some(pattern),
                Err(message) => {
                    report.at_word(&name, message);
                    None
                }
            })
            .collect()
    };
    let mut sources = Vec::new();
    for (id, source) in raw.source {
        let (fill_names, positions): (Vec<_>, Vec<_>) = source.fills.into_iter().unzip();
        sources.push(Source {
            id,
            about: source.about,
            names: names(source.names),
            fills: names(fill_names).into_iter().zip(positions).collect(),
            quiet: source.quiet,
            handler_params: source.handler_params,
            not_params: source.not_params,
            params: source.params,
        });
    }
    let (read_names, read_positions): (Vec<_>, Vec<_>) = raw.reads.into_iter().unzip();
    let library = Library {
        language: raw.language,
        sources,
        sanitizers: raw
            .sanitizers
            .into_iter()
            .map(|(id, list)| (id, names(list)))
            .collect(),
        handlers: names(raw.handlers),
        handler_classes: names(raw.handler_classes),
        handler_methods: raw.handler_methods,
        usual: raw.usual,
        aliases: raw.aliases,
        inert: names(raw.inert),
        numeric: names(raw.numeric),
        trusted: names(raw.trusted),
        carries: names(raw.carries),
        never_return: names(raw.never_return),
        reads: names(read_names).into_iter().zip(read_positions).collect(),
        copies: triples(raw.copies, &mut names),
        formats: triples(raw.formats, &mut names),
        constants: raw.constants,
        path: path.to_owned(),
    };
    if report.problems.is_empty() {
        Ok(library)
    } else {
        Err(report.problems)
    }
}

/// Names with two positions each.
fn triples(
    raw: Vec<(String, usize, usize)>,
    names: &mut impl FnMut(Vec<String>) -> Vec<NamePattern>,
) -> Vec<(NamePattern, usize, usize)> {
    raw.into_iter()
        .filter_map(|(name, to, from)| names(vec![name]).pop().map(|name| (name, to, from)))
        .collect()
}
