//! The layout of C: braces outside of comments, strings and directives.
//! It knows nothing of declarations, and it leaves a function whole whose braces depend on
//! directives.

use std::ops::Range;

use super::{Layout, Part, is_part, word};

/// Bytes that mean something inside a function's body.
const SPECIAL: [bool; 256] = {
    let mut table = [false; 256];
    let bytes = b"/#'\"{}";
    let mut at = 0;
    while at < bytes.len() {
        table[bytes[at] as usize] = true;
        at += 1;
    }
    table
};

/// What was read of the declaration that is open outside of all braces.
#[derive(Default)]
struct Head {
    start: Option<usize>,
    /// The word before the last opening bracket at the outer level.
    name: Range<usize>,
    word: Range<usize>,
    brackets: usize,
    /// Its last byte that is no space and no comment.
    last: u8,
    /// It ends in a string, as `extern "C"` does.
    after_text: bool,
}

pub(super) fn layout(text: &[u8]) -> Option<Layout> {
    let mut out = Layout::default();
    let mut head = Head::default();
    // Braces of `extern "C"`.
    let mut linkage = 0_usize;
    let mut at = 0;
    while at < text.len() {
        let byte = text[at];
        match byte {
            b'/' if opens_comment(text, at) => {
                let end = comment(text, at)?;
                out.idle.push(at..end);
                at = end;
                continue;
            }
            b'#' if begins_line(text, at) => {
                let end = directive(text, at)?.0;
                out.statements.push(at..end);
                at = end;
                continue;
            }
            b'{' if head.brackets == 0 && head.after_text => {
                linkage += 1;
                head = Head::default();
            }
            b'{' => {
                let start = *head.start.get_or_insert(at);
                let block = block(text, at, &mut out.idle)?;
                let name = &text[head.name.clone()];
                let is_function = head.last == b')'
                    && head.brackets == 0
                    && !name.is_empty()
                    && !name.starts_with(b"__")
                    && name.iter().any(u8::is_ascii_lowercase);
                at = block.end;
                if is_function {
                    out.parts.push(Part {
                        name: head.name.clone(),
                        class: None,
                        whole: start..at,
                        body: block.plain.then(|| block.start + 1..at - 1),
                    });
                    head = Head::default();
                } else {
                    head.last = b'}';
                }
                continue;
            }
            b'}' => {
                linkage = linkage.checked_sub(1)?;
                head = Head::default();
            }
            b';' if head.brackets == 0 => {
                if let Some(start) = head.start {
                    out.statements.push(start..at);
                }
                head = Head::default();
            }
            b'"' | b'\'' => {
                head.start.get_or_insert(at);
                at = literal(text, at)?;
                (head.last, head.after_text) = (byte, byte == b'"');
                continue;
            }
            _ if byte.is_ascii_whitespace() => {}
            _ => {
                head.start.get_or_insert(at);
                (head.last, head.after_text) = (byte, false);
                match byte {
                    b'(' => {
                        if head.brackets == 0 {
                            head.name = head.word.clone();
                        }
                        head.brackets += 1;
                    }
                    b')' => head.brackets = head.brackets.checked_sub(1)?,
                    _ if is_part(byte) => {
                        head.word = word(text, at);
                        at = head.word.end;
                        continue;
                    }
                    _ => {}
                }
            }
        }
        at += 1;
    }
    Some(out)
}

/// A pair of braces with everything between.
struct Block {
    start: usize,
    end: usize,
    /// No directive inside decides which braces count.
    plain: bool,
}

/// Reads from an opening brace to the one that closes it.
fn block(text: &[u8], start: usize, idle: &mut Vec<Range<usize>>) -> Option<Block> {
    let mut at = start;
    let mut depth = 0_usize;
    // Depths at the conditionals that are open.
    let mut conditions: Vec<usize> = Vec::new();
    let mut plain = true;
    loop {
        at += text
            .get(at..)?
            .iter()
            .position(|it| SPECIAL[usize::from(*it)])?;
        match text[at] {
            b'/' if opens_comment(text, at) => {
                let end = comment(text, at)?;
                idle.push(at..end);
                at = end;
                continue;
            }
            b'#' if begins_line(text, at) => {
                let (end, kind) = directive(text, at)?;
                match kind {
                    Directive::If => conditions.push(depth),
                    // Either branch must leave as many braces open as it found.
                    Directive::Else => plain &= conditions.last() == Some(&depth),
                    Directive::End => plain &= conditions.pop() == Some(depth),
                    Directive::Other => {}
                }
                at = end;
                continue;
            }
            b'"' | b'\'' => {
                at = literal(text, at)?;
                continue;
            }
            b'{' => depth += 1,
            b'}' => {
                depth -= 1;
                let first_of_line = at > 0 && text[at - 1] == b'\n';
                // By every style a brace in the first column closes a function; where the count
                // says otherwise, directives hold braces.
                if depth == 0 || first_of_line {
                    plain &= depth == 0 && conditions.is_empty();
                    let end = at + 1;
                    return Some(Block { start, end, plain });
                }
            }
            _ => {}
        }
        at += 1;
    }
}

fn opens_comment(text: &[u8], at: usize) -> bool {
    matches!(text.get(at + 1), Some(b'/' | b'*'))
}

/// After the comment that opens at `at`.
fn comment(text: &[u8], at: usize) -> Option<usize> {
    let rest = &text[at + 2..];
    if text[at + 1] == b'*' {
        return memchr::memmem::find(rest, b"*/").map(|it| at + 2 + it + 2);
    }
    Some(lines_end(text, at))
}

/// Where the line ends; one whose last byte is a backslash goes on.
fn lines_end(text: &[u8], mut at: usize) -> usize {
    loop {
        let end = super::line_end(text, at);
        let line = text[at..end].strip_suffix(b"\r").unwrap_or(&text[at..end]);
        if !line.ends_with(b"\\") || end >= text.len() {
            return end;
        }
        at = end + 1;
    }
}

fn begins_line(text: &[u8], at: usize) -> bool {
    let before = text[..at].iter().rev();
    before
        .take_while(|it| **it != b'\n')
        .all(|it| matches!(it, b' ' | b'\t' | b'\r'))
}

enum Directive {
    If,
    Else,
    End,
    Other,
}

/// After a directive; a comment in it may span lines.
fn directive(text: &[u8], at: usize) -> Option<(usize, Directive)> {
    let mut name = at + 1;
    while matches!(text.get(name), Some(b' ' | b'\t')) {
        name += 1;
    }
    let kind = match &text[word(text, name)] {
        b"if" | b"ifdef" | b"ifndef" => Directive::If,
        b"else" | b"elif" | b"elifdef" | b"elifndef" => Directive::Else,
        b"endif" => Directive::End,
        _ => Directive::Other,
    };
    let mut from = at;
    loop {
        let end = lines_end(text, from);
        let opened = memchr::memmem::find(&text[from..end], b"/*").map(|it| from + it);
        let Some(opened) = opened else {
            return Some((end, kind));
        };
        from = comment(text, opened)?;
        if from <= end {
            continue;
        }
    }
}

/// After the string or character that opens at `at`; it must end on its line.
fn literal(text: &[u8], at: usize) -> Option<usize> {
    let quote = text[at];
    let mut at = at + 1;
    loop {
        at += memchr::memchr3(quote, b'\\', b'\n', text.get(at..)?)?;
        match text[at] {
            b'\\' => {
                at += if text.get(at + 1..at + 3) == Some(b"\r\n") {
                    3
                } else {
                    2
                }
            }
            b'\n' => return None,
            _ => return Some(at + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::layout;

    #[test]
    fn functions_by_their_braces() {
        let text = "\
#define X(a) do { \\
  a } while (0)
extern \"C\" {
struct s { int a; };
static int (*table[])(int) = { f, g };
int f(int a /* { */) {
    char *s = \"}\"; // }
    return '}';
}
}
int
g(a)
    int a;
{
    return 1;
}
int h(void)
{
#ifdef A
    if (a) {
#else
    if (b) {
#endif
    }
}
TEST(name) { x(); }
int i(void) { return 2; }
";
        let layout = layout(text.as_bytes()).expect("it is well formed");
        let parts: Vec<(&str, Option<&str>)> = layout
            .parts
            .iter()
            .map(|it| (&text[it.name.clone()], it.body.clone().map(|it| &text[it])))
            .collect();
        let body_f = "\n    char *s = \"}\"; // }\n    return '}';\n";
        assert_eq!(
            parts,
            [("f", Some(body_f)), ("h", None), ("i", Some(" return 2; "))]
        );
        assert_eq!(&text[layout.idle[0].clone()], "/* { */");
    }

    #[test]
    fn a_text_that_is_not_closed_has_no_layout() {
        for text in ["int f(void) {\n", "x = \"a\n", "/* x", "}\n"] {
            assert!(layout(text.as_bytes()).is_none(), "{text}");
        }
    }
}
