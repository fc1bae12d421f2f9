//! Secrets of the code, hidden in what a model is shown and put back into what it wrote. It guesses
//! by names and by form, and rather hides too much: what is hidden comes back.

use syntax::{Descend, Language, NodeNames, walk};

/// Names beside which a string is taken for a secret, in lower case.
const NAMES: &[&str] = &[
    "access_key",
    "api_key",
    "apikey",
    "auth",
    "bearer",
    "credential",
    "passphrase",
    "passwd",
    "password",
    "private_key",
    "pwd",
    "salt",
    "secret",
    "signing",
    "token",
];

/// How keys of well-known services begin.
const PREFIXES: &[&str] = &[
    "AIza",
    "AKIA",
    "ASIA",
    "SG.",
    "dop_v1_",
    "eyJ",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "hf_",
    "npm_",
    "pk_live_",
    "rk_live_",
    "sk-",
    "sk_live_",
    "sk_test_",
    "xoxb-",
    "xoxp-",
    "ya29.",
];

/// The least bytes of a string that can be a secret.
const LEAST: usize = 4;

/// From this length on, a mix of letters and digits without blanks is taken for a key.
const KEY_LENGTH: usize = 20;

const MARK: &str = "MASKED_SECRET_";

/// What was hidden.
#[derive(Default)]
pub(crate) struct Mask {
    /// With its quotes where it stood in a string, so that a word of the language is never hidden.
    secrets: Vec<String>,
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mask({} secrets)", self.secrets.len())
    }
}

impl Mask {
    /// The secrets of a text.
    pub(crate) fn of(language: Language, text: &str) -> Self {
        let mut out = Self::default();
        let tree = syntax::parse(language, text);
        walk(tree.root_node(), |node| match node.kind_name() {
            "string" | "string_literal" => {
                let literal = &text[node.byte_range()];
                let line = text[..node.start_byte()].rfind('\n').map_or(0, |at| at + 1);
                let before = text[line..node.start_byte()].to_lowercase();
                let mut cursor = node.walk();
                let built = node
                    .named_children(&mut cursor)
                    .any(|it| it.kind_name() == "interpolation");
                if !built {
                    out.literal(literal, &before);
                }
                Descend::Past
            }
            "comment" => {
                let comment = &text[node.byte_range()];
                for word in comment
                    .split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',' | ';'))
                {
                    if has_key_form(word) {
                        out.add(word);
                    }
                }
                Descend::Past
            }
            _ => Descend::Into,
        });
        // The longest first, because one may hold another.
        out.secrets.sort_by_key(|it| std::cmp::Reverse(it.len()));
        out
    }

    fn literal(&mut self, literal: &str, before: &str) {
        let Some(open) = literal.find(['"', '\'']) else {
            return;
        };
        let quoted = &literal[open..];
        let inner = quoted.trim_matches(['"', '\'']);
        if inner.len() < LEAST || inner.contains("MASKED_SECRET_") {
            return;
        }
        let one_word = !inner.contains(char::is_whitespace);
        let told = one_word && NAMES.iter().any(|it| near(before, it)) && !is_name(inner);
        let address = inner.contains("://") && inner.contains('@');
        let key = inner.contains("PRIVATE KEY-----");
        if told || address || key || has_key_form(inner) {
            self.add(quoted);
        }
    }

    fn add(&mut self, secret: &str) {
        if !self.secrets.iter().any(|it| it == secret) {
            self.secrets.push(secret.to_owned());
        }
    }

    /// How many secrets were found.
    pub(crate) fn len(&self) -> usize {
        self.secrets.len()
    }

    /// A text without the secrets.
    pub(crate) fn hide(&self, text: &str) -> String {
        let mut out = text.to_owned();
        for (at, secret) in self.secrets.iter().enumerate() {
            let mark = format!("{MARK}{}", at + 1);
            let new = match secret.chars().next() {
                Some(quote @ ('"' | '\'')) => format!("{quote}{mark}{quote}"),
                _ => mark,
            };
            out = out.replace(secret, &new);
        }
        out
    }

    /// A text with the secrets again; `None` when it speaks of one that there never was.
    pub(crate) fn restore(&self, text: &str) -> Option<String> {
        let mut out = text.to_owned();
        // From the last on, because the mark of the first is the beginning of the tenth's.
        for (at, secret) in self.secrets.iter().enumerate().rev() {
            let mark = format!("{MARK}{}", at + 1);
            for quote in ['"', '\''] {
                let quoted = format!("{quote}{mark}{quote}");
                if secret.starts_with(['"', '\'']) {
                    out = out.replace(&quoted, secret);
                }
            }
            let bare = secret.trim_matches(['"', '\'']);
            out = out.replace(&mark, bare);
        }
        (!out.contains(MARK)).then_some(out)
    }
}

/// Whether a word stands shortly before the end of a text.
fn near(before: &str, word: &str) -> bool {
    const REACH: usize = 48;
    before
        .rfind(word)
        .is_some_and(|at| before.len() - at <= REACH)
}

/// Whether a string rather names a secret than being one: `password`, `api-key`.
fn is_name(inner: &str) -> bool {
    let lower = inner.to_lowercase();
    NAMES.iter().any(|it| lower == *it) || lower.chars().all(|c| c.is_ascii_uppercase() || c == '_')
}

fn has_key_form(word: &str) -> bool {
    if PREFIXES.iter().any(|it| word.starts_with(it)) && word.len() >= 16 {
        return true;
    }
    let allowed =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '_' | '-' | '.');
    let digits = word.chars().filter(char::is_ascii_digit).count();
    let letters = word.chars().filter(char::is_ascii_alphabetic).count();
    word.len() >= KEY_LENGTH
        && word.chars().all(allowed)
        && digits >= 4
        && letters >= 4
        && !word.contains('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_and_come_back() {
        let text = "password = 'hunter2!'\ndb = connect(\"postgres://u:pw@host/db\")\nkey = 'AKIAABCDEFGHIJKLMNOP'  # ghp_abcdefghijklmnop0123\nname = 'password'\n";
        let mask = Mask::of(Language::Python, text);
        let hidden = mask.hide(text);
        for secret in ["hunter2", "postgres", "AKIA", "ghp_"] {
            assert!(!hidden.contains(secret), "{secret} in {hidden}");
        }
        assert!(hidden.contains("name = 'password'"), "{hidden}");
        assert_eq!(mask.restore(&hidden).as_deref(), Some(text));
        assert_eq!(mask.restore("x = 'MASKED_SECRET_99'"), None);
    }
}
