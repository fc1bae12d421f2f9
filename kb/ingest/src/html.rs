//! The HTML of a post as text, with its code apart.
//! Nothing of the markup survives: what comes out is text, whatever went in.

use html5gum::{Token, Tokenizer};

use crate::clean::clean;

/// The longest prose that is kept, in bytes; the longest posts of the site are as long.
const MAX_PROSE: usize = 32 << 10;
/// The most code that is kept of one post, in bytes.
const MAX_CODE: usize = 64 << 10;
/// The most markers of one post.
pub(crate) const MAX_MARKERS: usize = 40;
/// The longest marker, in characters: longer ones are sentences or lines of code.
const MAX_MARKER: usize = 64;

/// What a post says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) prose: String,
    pub(crate) code: Vec<String>,
    pub(crate) markers: Vec<String>,
}

impl Text {
    /// Adds code that the text names, if it is short enough to be a sign of something.
    pub(crate) fn mark(&mut self, marker: &str) {
        let marker = marker.trim();
        let known = self.markers.iter().any(|it| it == marker);
        let fits = !marker.is_empty() && marker.chars().count() <= MAX_MARKER;
        if fits && !known && self.markers.len() < MAX_MARKERS {
            self.markers.push(marker.to_owned());
        }
    }
}

/// Elements after which a new line begins.
const BLOCKS: [&[u8]; 16] = [
    b"p",
    b"div",
    b"br",
    b"li",
    b"ul",
    b"ol",
    b"h1",
    b"h2",
    b"h3",
    b"h4",
    b"blockquote",
    b"pre",
    b"hr",
    b"tr",
    b"table",
    b"dd",
];

/// Reads a body.
pub(crate) fn read(html: &str) -> Text {
    let mut text = Text::default();
    let mut block: Option<String> = None;
    let mut inline: Option<String> = None;
    let mut kept = 0;
    // Inside a script or a style nothing is anybody's words.
    let mut silent: Option<Vec<u8>> = None;
    for Ok(token) in Tokenizer::new(html) {
        match token {
            Token::StartTag(tag) if silent.is_none() => match &**tag.name {
                b"pre" => block = Some(String::new()),
                b"code" if block.is_none() => inline = Some(String::new()),
                b"script" | b"style" if !tag.self_closing => silent = Some(tag.name.to_vec()),
                b"br" if block.is_some() => block.iter_mut().for_each(|it| it.push('\n')),
                name if BLOCKS.contains(&name) => line(&mut text.prose),
                _ => {}
            },
            Token::EndTag(tag) => {
                if let Some(element) = &silent {
                    if **element == **tag.name {
                        silent = None;
                    }
                    continue;
                }
                match &**tag.name {
                    b"pre" => finish(&mut text, block.take(), &mut kept),
                    b"code" => {
                        if let Some(code) = inline.take() {
                            let code = clean(&code).into_owned();
                            text.mark(&code);
                            push(&mut text.prose, &code, MAX_PROSE);
                        }
                    }
                    name if BLOCKS.contains(&name) => line(&mut text.prose),
                    _ => {}
                }
            }
            Token::String(string) if silent.is_none() => {
                let string = String::from_utf8_lossy(&string.value);
                match (&mut block, &mut inline) {
                    (Some(code), _) => push(code, &string, MAX_CODE),
                    (None, Some(code)) => push(code, &string, MAX_PROSE),
                    (None, None) => push(&mut text.prose, &string, MAX_PROSE),
                }
            }
            _ => {}
        }
    }
    // A body that ends within its code still has that code.
    finish(&mut text, block.take(), &mut kept);
    if let Some(code) = inline.take() {
        push(&mut text.prose, &code, MAX_PROSE);
    }
    text.prose = tidy(&clean(&text.prose));
    text
}

fn finish(text: &mut Text, code: Option<String>, kept: &mut usize) {
    let Some(code) = code else { return };
    let code = clean(code.trim_matches('\n')).trim_end().to_owned();
    *kept += code.len();
    if !code.is_empty() && *kept <= MAX_CODE {
        text.code.push(code);
    }
    line(&mut text.prose);
}

fn line(prose: &mut String) {
    if !prose.is_empty() && !prose.ends_with('\n') {
        prose.push('\n');
    }
}

fn push(to: &mut String, text: &str, limit: usize) {
    let mut end = text.len().min(limit.saturating_sub(to.len()));
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    to.push_str(&text[..end]);
}

/// Without empty lines and spaces at the ends of lines.
fn tidy(prose: &str) -> String {
    let lines = prose.lines().map(str::trim).filter(|it| !it.is_empty());
    lines.collect::<Vec<_>>().join("\n")
}
