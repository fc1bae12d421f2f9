//! What a model's answer holds: one block of code, the statement that nothing needs to change, or
//! neither. It reads text only and believes none of it.

use std::fmt;

use syntax::Language;

/// The line with which a model leaves the code as it is.
pub const SENTINEL: &str = "NO CHANGE NEEDED";

/// The longest answer that is looked at, in bytes; a revision is about as long as what it revises.
const MAX_BYTES: usize = 1 << 18;

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It broke off.
    Cut,
    /// It holds words and no code.
    NoCode,
    /// It holds several blocks of code, and which one is meant is a guess.
    SeveralBlocks,
    /// Its code is in another language.
    OtherLanguage,
    /// The function that was asked about is not in it.
    OtherFunction,
    /// It is longer than anything useful.
    TooLong,
    /// A secret that was masked in the question did not come back as it was.
    Secret,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cut => "the answer broke off before its end",
            Self::NoCode => "the answer holds no code",
            Self::SeveralBlocks => "the answer holds several blocks of code instead of one",
            Self::OtherLanguage => "the answer is in another language",
            Self::OtherFunction => "the answer lacks the function that was asked about",
            Self::TooLong => "the answer is far longer than the code it is about",
            Self::Secret => "the answer invents a masked secret",
        })
    }
}

/// What an answer comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reading {
    /// The code should stay as it is.
    Unchanged,
    /// The code to take its place.
    Code(String),
}

/// Reads an answer about code in a language.
pub(crate) fn read(language: Language, text: &str, cut: bool) -> Result<Reading, Fault> {
    if text.len() > MAX_BYTES {
        return Err(Fault::TooLong);
    }
    if cut {
        return Err(Fault::Cut);
    }
    let text = without_thoughts(text);
    let blocks = blocks(text)?;
    match blocks.as_slice() {
        [] => {
            if says_unchanged(text) {
                return Ok(Reading::Unchanged);
            }
            if looks_like_code(language, text) {
                return Ok(Reading::Code(text.trim_matches(['\r', '\n']).to_owned()));
            }
            Err(Fault::NoCode)
        }
        [(tag, code)] => {
            if code.trim() == SENTINEL || code.trim().is_empty() && says_unchanged(text) {
                return Ok(Reading::Unchanged);
            }
            if code.trim().is_empty() {
                return Err(Fault::NoCode);
            }
            if !speaks(language, tag) {
                return Err(Fault::OtherLanguage);
            }
            Ok(Reading::Code(code.clone()))
        }
        _ => Err(Fault::SeveralBlocks),
    }
}

/// What stands after a part that some models mark as thinking.
fn without_thoughts(text: &str) -> &str {
    match (
        text.trim_start().starts_with("<think>"),
        text.rfind("</think>"),
    ) {
        (true, Some(at)) => &text[at + "</think>".len()..],
        _ => text,
    }
}

/// Whether an answer that is still coming has said all that is looked at: its block of code is
/// closed, and it has gone on about something else for a while. Small models go on until they are
/// cut.
#[must_use]
pub fn rambles(text: &str) -> bool {
    /// A sentence or two about the code are usual, and a second block would make it a guess.
    const PATIENCE: usize = 160;
    let mut open = None;
    let mut closed = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        at += line.len();
        let bare = line.trim();
        let width = bare.len() - bare.trim_start_matches('`').len();
        match open {
            None if width >= 3 => (open, closed) = (Some(width), None),
            Some(least) if width >= least && bare.len() == width => {
                (open, closed) = (None, Some(at));
            }
            _ => {}
        }
    }
    open.is_none() && closed.is_some_and(|it| text.len() - it > PATIENCE)
}

/// The fenced blocks with the word behind the opening fence.
fn blocks(text: &str) -> Result<Vec<(String, String)>, Fault> {
    let mut out: Vec<(String, String)> = Vec::new();
    let mut open: Option<(String, usize, String)> = None;
    for line in text.split_inclusive('\n') {
        let bare = line.trim();
        let ticks = bare.len() - bare.trim_start_matches('`').len();
        let tildes = bare.len() - bare.trim_start_matches('~').len();
        let width = ticks.max(tildes);
        match &mut open {
            None if width >= 3 => {
                let tag = bare[width..].trim();
                let tag = tag.split([' ', '{', ',']).next().unwrap_or("");
                open = Some((tag.to_lowercase(), width, String::new()));
            }
            None => {}
            Some((_, least, code)) => {
                if width >= *least && bare.len() == width {
                    if let Some((tag, _, code)) = open.take() {
                        out.push((tag, code));
                    }
                } else {
                    code.push_str(line);
                }
            }
        }
    }
    if open.is_some() {
        return Err(Fault::Cut);
    }
    Ok(out)
}

fn speaks(language: Language, tag: &str) -> bool {
    let known: &[&str] = match language {
        Language::Python => &["", "python", "py", "python3", "code", "text"],
        Language::C => &["", "c", "h", "cpp", "c++", "code", "text"],
    };
    known.contains(&tag)
}

fn says_unchanged(text: &str) -> bool {
    let letters = |line: &str| {
        let kept = line.chars().filter(|c| c.is_alphabetic() || *c == ' ');
        kept.collect::<String>().trim().to_uppercase()
    };
    text.lines().any(|line| letters(line) == SENTINEL)
}

/// An answer without a fence that parses as a whole and is more than words.
fn looks_like_code(language: Language, text: &str) -> bool {
    let signs: &[&str] = match language {
        Language::Python => &["def ", "import ", " = ", "(", ":"],
        Language::C => &["{", ";", "("],
    };
    let found = signs.iter().filter(|it| text.contains(**it)).count();
    found >= 2 && syntax::error_nodes(syntax::parse(language, text).root_node(), 1).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn python(text: &str) -> Result<Reading, Fault> {
        read(Language::Python, text, false)
    }

    #[test]
    fn one_block_is_the_code() {
        let answer = "Here you go:\n\n```python\nx = 1\n```\nThat is safe.";
        assert_eq!(python(answer), Ok(Reading::Code("x = 1\n".to_owned())));
        let answer = "~~~~\nx = '```'\n~~~~\n";
        assert_eq!(python(answer), Ok(Reading::Code("x = '```'\n".to_owned())));
    }

    #[test]
    fn the_sentinel_leaves_the_code() {
        for answer in [
            "NO CHANGE NEEDED",
            "**No change needed.**\n",
            "```\nNO CHANGE NEEDED\n```",
        ] {
            assert_eq!(python(answer), Ok(Reading::Unchanged), "{answer}");
        }
    }

    #[test]
    fn an_answer_that_goes_on_is_over() {
        let code = "Here:\n```python\nx = 1\n```\n";
        let talk = "This weakness matters because somebody may send anything at all. ".repeat(4);
        assert!(!rambles(code));
        assert!(!rambles(&format!("{code}That is safe.")));
        assert!(rambles(&format!("{code}{talk}")));
        assert!(!rambles(&talk));
        // A second block is waited for, so that it is seen that there are two.
        assert!(!rambles(&format!("{code}{talk}\n```python\n{talk}")));
    }

    #[test]
    fn anything_else_is_refused_with_its_reason() {
        for (answer, fault) in [
            ("I would rather use a list here.", Fault::NoCode),
            ("```python\nx = 1\n", Fault::Cut),
            (
                "```python\nx = 1\n```\n```python\ny = 1\n```",
                Fault::SeveralBlocks,
            ),
            ("```javascript\nlet x = 1;\n```", Fault::OtherLanguage),
            ("```python\n```", Fault::NoCode),
        ] {
            assert_eq!(python(answer), Err(fault), "{answer}");
        }
        assert_eq!(
            read(Language::Python, "```\nx = 1\n```", true),
            Err(Fault::Cut)
        );
    }
}
