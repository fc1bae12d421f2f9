//! The types that options have: how each is read, written, described in the schema and merged.
//! It knows no option by name.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kb_schema::Severity;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value as Json, json};

use crate::{Glob, Selector};

/// What every option's type can do.
pub(crate) trait Value: Serialize + DeserializeOwned + Clone {
    /// Its part of the JSON schema.
    fn schema() -> Json;
    /// Its name for people.
    fn name() -> String;
    /// Reads it from what stands behind an option on the command line.
    fn from_word(word: &str) -> Result<Self, String>;
    /// Makes paths and patterns start from folders.
    fn anchor(&mut self, _base: Base<'_>) {}
    /// Adds what a stronger source says; types that cannot grow are replaced.
    fn add(&mut self, other: Self) {
        *self = other;
    }
}

/// Where relative paths and patterns start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Base<'a> {
    /// The folder for paths.
    pub(crate) paths: &'a Path,
    /// The folder for patterns; `None` leaves them for the project that they will be used in.
    pub(crate) globs: Option<&'a Arc<Path>>,
}

/// A number of bytes, written as one or as `"5 MiB"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

/// A number of milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u32);

impl Millis {
    /// As a duration.
    #[must_use]
    pub fn duration(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0.into())
    }
}

/// A path, relative to the folder of the file that names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FilePath(pub PathBuf);

/// What is left out in which files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PerFile(pub Vec<(Glob, Vec<Selector>)>);

/// Free text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Words(pub String);

/// A program with its arguments; no shell looks at them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommandLine(pub Vec<String>);

/// A small number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Count(pub u32);

/// The language that a model's server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// OpenAI's chat completions, which most servers speak.
    OpenaiChat,
    /// OpenAI's older text completions.
    OpenaiCompletions,
    /// Anthropic's messages.
    Anthropic,
    /// Two models on this machine that decode together, in a program that is started when it is needed.
    Codecode,
}

const UNITS: [(&str, u64); 4] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

impl Size {
    fn parse(text: &str) -> Result<Self, String> {
        let word = text.trim();
        let (number, factor) = UNITS
            .iter()
            .find_map(|(unit, factor)| Some((word.strip_suffix(unit)?, *factor)))
            .unwrap_or((word, 1));
        number
            .trim()
            .parse::<u64>()
            .ok()
            .and_then(|it| it.checked_mul(factor))
            .map(Self)
            .ok_or_else(|| {
                format!("`{word}` is no size; write bytes, or a number with KiB, MiB or GiB")
            })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, factor) = UNITS
            .iter()
            .find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor))
            .unwrap_or(&UNITS[3]);
        write!(f, "{} {unit}", self.0 / factor)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Size;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of bytes or a size such as \"5 MiB\"")
            }
            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Size, E> {
                Ok(Size(value))
            }
            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Size, E> {
                u64::try_from(value).map(Size).map_err(|_| {
                    E::custom(format!("`{value}` is no size; it must not be negative"))
                })
            }
            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Size, E> {
                Size::parse(value).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl Value for bool {
    fn schema() -> Json {
        json!({ "type": "boolean" })
    }
    fn name() -> String {
        "true or false".to_owned()
    }
    fn from_word(word: &str) -> Result<Self, String> {
        word.parse()
            .map_err(|_| format!("`{word}` is neither `true` nor `false`"))
    }
}

impl Value for Size {
    fn schema() -> Json {
        json!({ "oneOf": [
            { "type": "integer", "minimum": 0 },
            { "type": "string", "pattern": "^\\s*[0-9]+\\s*(B|KiB|MiB|GiB)?\\s*$" },
        ] })
    }
    fn name() -> String {
        "bytes, or a size such as \"5 MiB\"".to_owned()
    }
    fn from_word(word: &str) -> Result<Self, String> {
        Self::parse(word)
    }
}

impl Value for Millis {
    fn schema() -> Json {
        json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX })
    }
    fn name() -> String {
        "milliseconds".to_owned()
    }
    fn from_word(word: &str) -> Result<Self, String> {
        word.parse()
            .map(Self)
            .map_err(|_| format!("`{word}` is no number of milliseconds"))
    }
}

impl Value for Severity {
    fn schema() -> Json {
        json!({ "enum": ["note", "warning", "error"] })
    }
    fn name() -> String {
        "\"note\", \"warning\" or \"error\"".to_owned()
    }
    fn from_word(word: &str) -> Result<Self, String> {
        match word {
            "note" => Ok(Self::Note),
            "warning" => Ok(Self::Warning),
            "error" => Ok(Self::Error),
            _ => Err(format!(
                "`{word}` is no severity; write note, warning or error"
            )),
        }
    }
}

impl Value for FilePath {
    fn schema() -> Json {
        json!({ "type": "string", "minLength": 1 })
    }
    fn name() -> String {
        "path".to_owned()
    }
    fn from_word(word: &str) -> Result<Self, String> {
        Ok(Self(PathBuf::from(word)))
    }
    fn anchor(&mut self, base: Base<'_>) {
        self.0 = base.paths.join(&self.0);
    }
}

impl Value for Words {
    fn schema() -> Json {
        json!({ "type": "string", "minLength": 1 })
    }
    fn name() -> String {
        "text".to_owned()
    }
    fn from_word(word: &str) -> Result<Self, String> {
        Ok(Self(word.to_owned()))
    }
}

impl Value for CommandLine {
    fn schema() -> Json {
        json!({ "type": "array", "items": { "type": "string" }, "minItems": 1 })
    }
    fn name() -> String {
        "list of a program and its arguments".to_owned()
    }
    fn from_word(word: &str) -> Result<Self, String> {
        Ok(Self(word.split_whitespace().map(str::to_owned).collect()))
    }
}

impl Value for Count {
    fn schema() -> Json {
        json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX })
    }
    fn name() -> String {
        "number".to_owned()
    }
    fn from_word(word: &str) -> Result<Self, String> {
        word.parse()
            .map(Self)
            .map_err(|_| format!("`{word}` is no whole number"))
    }
}

impl Value for Provider {
    fn schema() -> Json {
        json!({ "enum": ["openai-chat", "openai-completions", "anthropic", "codecode"] })
    }
    fn name() -> String {
        "\"openai-chat\", \"openai-completions\", \"anthropic\" or \"codecode\"".to_owned()
    }
    fn from_word(word: &str) -> Result<Self, String> {
        match word {
            "openai-chat" => Ok(Self::OpenaiChat),
            "openai-completions" => Ok(Self::OpenaiCompletions),
            "anthropic" => Ok(Self::Anthropic),
            "codecode" => Ok(Self::Codecode),
            _ => Err(format!(
                "`{word}` is no provider; write openai-chat, openai-completions, anthropic or codecode"
            )),
        }
    }
}

impl Value for Glob {
    fn schema() -> Json {
        json!({ "type": "string", "minLength": 1 })
    }
    fn name() -> String {
        "file pattern".to_owned()
    }
    fn from_word(word: &str) -> Result<Self, String> {
        Self::parse(word)
    }
    fn anchor(&mut self, base: Base<'_>) {
        if let Some(folder) = base.globs {
            Self::anchor(self, folder);
        }
    }
}

impl Value for Selector {
    fn schema() -> Json {
        json!({ "type": "string", "minLength": 1 })
    }
    fn name() -> String {
        "selector".to_owned()
    }
    fn from_word(word: &str) -> Result<Self, String> {
        Self::parse(word)
    }
}

impl<T: Value> Value for Option<T> {
    fn schema() -> Json {
        T::schema()
    }
    fn name() -> String {
        T::name()
    }
    fn from_word(word: &str) -> Result<Self, String> {
        T::from_word(word).map(Some)
    }
    fn anchor(&mut self, base: Base<'_>) {
        if let Some(value) = self {
            value.anchor(base);
        }
    }
}

impl<T: Value> Value for Vec<T> {
    fn schema() -> Json {
        json!({ "type": "array", "items": T::schema() })
    }
    fn name() -> String {
        format!("list of {}s", T::name())
    }
    fn from_word(word: &str) -> Result<Self, String> {
        word.split(',')
            .map(str::trim)
            .filter(|it| !it.is_empty())
            .map(T::from_word)
            .collect()
    }
    fn anchor(&mut self, base: Base<'_>) {
        for value in self {
            value.anchor(base);
        }
    }
    fn add(&mut self, other: Self) {
        self.extend(other);
    }
}

impl Serialize for PerFile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(glob, list)| (glob, list)))
    }
}

impl<'de> Deserialize<'de> for PerFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = PerFile;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table from file patterns to lists of selectors")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PerFile, A::Error> {
                let mut out = Vec::new();
                while let Some(row) = map.next_entry()? {
                    out.push(row);
                }
                Ok(PerFile(out))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

impl Value for PerFile {
    fn schema() -> Json {
        json!({ "type": "object", "additionalProperties": Vec::<Selector>::schema() })
    }
    fn name() -> String {
        "table from file patterns to lists of selectors".to_owned()
    }
    fn from_word(word: &str) -> Result<Self, String> {
        let (glob, selectors) = word
            .split_once(':')
            .ok_or_else(|| format!("`{word}` lacks its colon; write PATTERN:SELECTORS"))?;
        Ok(Self(vec![(Glob::parse(glob)?, Vec::from_word(selectors)?)]))
    }
    fn anchor(&mut self, base: Base<'_>) {
        for (glob, _) in &mut self.0 {
            Value::anchor(glob, base);
        }
    }
    fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

#[cfg(test)]
mod tests {
    use super::Size;

    #[test]
    fn sizes_are_read_and_written_in_units() {
        for (text, bytes, back) in [
            ("5 MiB", 5 << 20, "5 MiB"),
            ("1024", 1024, "1 KiB"),
            ("1500B", 1500, "1500 B"),
            ("0", 0, "0 B"),
        ] {
            assert_eq!(Size::parse(text), Ok(Size(bytes)));
            assert_eq!(Size(bytes).to_string(), back);
        }
        for text in ["", "MiB", "-1", "5 MB", "99999999999 GiB"] {
            assert!(Size::parse(text).is_err(), "{text}");
        }
    }
}
