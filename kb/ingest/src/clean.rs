//! Addresses and e-mails out of texts, as the paper cleans them: a number of them tells nothing,
//! and people's addresses are nobody's business here.
//! It knows plain text only.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r#"(?i)(?P<url>\b(?:(?:https?|ftp)://|www\.)[^\s<>"'`)\]}]+)"#,
        r"|(?P<mail>\b[a-z0-9._%+-]{1,64}@(?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24}\b)"
    ))
    .expect("the expression is a constant and a test compiles it")
});

/// The text with `[URL]` and `[EMAIL]` in the place of addresses.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    ADDRESS.replace_all(text, |found: &regex::Captures<'_>| {
        if found.name("url").is_some() {
            "[URL]"
        } else {
            "[EMAIL]"
        }
    })
}
