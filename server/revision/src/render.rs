//! Templates with placeholders for the parts of the matched code. Knows no trees.

use std::borrow::Cow;
use std::ops::Range;

use analysis::{Finding, PartKey};
use kb_schema::ArgKey;

use crate::arguments::Arguments;

/// Fills templates in for one finding.
pub(crate) struct Renderer<'a> {
    pub(crate) text: &'a str,
    pub(crate) finding: &'a Finding,
    pub(crate) arguments: &'a Arguments,
    /// What `{argv}` means: a command as the list of its words.
    pub(crate) argv: Option<&'a str>,
    /// Modules and what they are called in this file.
    pub(crate) modules: &'a [(String, String)],
    /// What `{callee_name}` means where an import renamed it.
    pub(crate) callee_name: Option<&'a str>,
}

pub(crate) fn part(finding: &Finding, key: &PartKey) -> Option<Range<usize>> {
    let found = finding.parts.iter().find(|part| part.key == *key)?;
    Some(found.range.clone())
}

impl Renderer<'_> {
    /// The template with its placeholders filled in. `None` when the code lacks one of the parts.
    /// Braces around anything but a placeholder's name stay as they are, and doubled braces around
    /// one keep it from being filled in.
    pub(crate) fn render(&self, template: &str) -> Option<String> {
        let template = self.with_aliases(template);
        let mut out = String::new();
        let mut rest = template.as_str();
        while let Some(open) = rest.find('{') {
            out.push_str(&rest[..open]);
            rest = &rest[open..];
            let inner = rest
                .strip_prefix("{{")
                .and_then(|it| Some((it, it.find("}}")?)));
            if let Some((inner, close)) = inner
                && is_placeholder(&inner[..close])
            {
                out.push('{');
                out.push_str(&inner[..close]);
                out.push('}');
                rest = &inner[close + 2..];
                continue;
            }
            let close = rest
                .find('}')
                .filter(|close| is_placeholder(&rest[1..*close]));
            if let Some(close) = close {
                let value = self.placeholder(&rest[1..close])?;
                rest = &rest[close + 1..];
                // What is asked for a member binds before every operator.
                if rest.starts_with('.') && value.contains(char::is_whitespace) {
                    out.push('(');
                    out.push_str(&value);
                    out.push(')');
                } else {
                    out.push_str(&value);
                }
            } else {
                out.push('{');
                rest = &rest[1..];
            }
        }
        out.push_str(rest);
        Some(out)
    }

    fn placeholder(&self, name: &str) -> Option<Cow<'_, str>> {
        let key = match name {
            "argv" => return self.argv.map(Cow::Borrowed),
            "TARGET" => return self.shouted(),
            "callee" => PartKey::Callee,
            "callee_name" => match self.callee_name {
                Some(name) => return Some(Cow::Borrowed(name)),
                None => PartKey::CalleeName,
            },
            "receiver" => PartKey::Receiver,
            "args" => PartKey::Args,
            "target" => PartKey::Target,
            "value" => PartKey::Value,
            key => {
                let index = self.arguments.find(&ArgKey::parse(key).ok()?)?;
                let range = self.arguments.list[index].value.clone();
                return self.text.get(range).map(Cow::Borrowed);
            }
        };
        let range = part(self.finding, &key)?;
        self.text.get(range).map(Cow::Borrowed)
    }

    /// The last name of what is bound, as environment variables are written.
    fn shouted(&self) -> Option<Cow<'_, str>> {
        let target = self.text.get(part(self.finding, &PartKey::Target)?)?;
        let name = target.rsplit('.').next().unwrap_or(target).trim();
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let plain = !name.is_empty() && name.chars().all(word);
        plain.then(|| Cow::Owned(name.to_ascii_uppercase()))
    }

    /// Writes modules the way the file calls them.
    fn with_aliases(&self, template: &str) -> String {
        let mut out = template.to_owned();
        for (module, name) in self.modules.iter().filter(|(module, name)| module != name) {
            let dotted = format!("{module}.");
            let mut replaced = String::new();
            let mut done = 0;
            for (at, _) in out.match_indices(&dotted) {
                let part_of_word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
                if out[..at].ends_with(part_of_word) || at < done {
                    continue;
                }
                replaced.push_str(&out[done..at]);
                replaced.push_str(name);
                done = at + module.len();
            }
            replaced.push_str(&out[done..]);
            out = replaced;
        }
        out
    }
}

fn is_placeholder(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '|'))
}
