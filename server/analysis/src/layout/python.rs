//! The layout of Python: logical lines and how deep they are indented.
//! It knows nothing of expressions.

use std::ops::Range;

use super::{Layout, Part, Quoted, is_part, line_end, word};

/// Bytes that mean something inside a logical line.
const SPECIAL: [bool; 256] = {
    let mut table = [false; 256];
    let bytes = b"\n\\#'\"()[]{}";
    let mut at = 0;
    while at < bytes.len() {
        table[bytes[at] as usize] = true;
        at += 1;
    }
    table
};

/// A logical line as it was read.
struct Line {
    /// After its last byte, the line feed not included.
    end: usize,
    /// Its last byte that is no space and no comment.
    last: u8,
    /// It is one string and nothing else.
    is_text: bool,
}

/// A function whose body is being read.
struct Open {
    indent: usize,
    part: Part,
    /// Where its last line ended.
    end: usize,
}

pub(super) fn layout(text: &[u8]) -> Option<Layout> {
    let mut out = Layout::default();
    let mut classes: Vec<(usize, Range<usize>)> = Vec::new();
    let mut open: Option<Open> = None;
    let mut decorators: Option<usize> = None;
    let mut strings = Vec::new();
    let mut at = if text.starts_with(b"\xef\xbb\xbf") {
        3
    } else {
        0
    };
    while at < text.len() {
        let mut indent = 0;
        loop {
            match text.get(at) {
                Some(b' ') => indent += 1,
                Some(b'\t') => indent += 8,
                Some(b'\x0c') => indent = 0,
                Some(b'\r') => {}
                _ => break,
            }
            at += 1;
        }
        match text.get(at) {
            None => break,
            Some(b'\n') => {
                at += 1;
                continue;
            }
            Some(b'#') => {
                let end = line_end(text, at);
                out.idle.push(at..end);
                at = end;
                continue;
            }
            Some(_) => {}
        }
        let start = at;
        let line = logical(text, start, &mut out.idle, &mut strings)?;
        at = line.end;
        if line.is_text {
            out.idle.push(start..line.end);
        }
        if let Some(mut inside) = open.take_if(|it| it.indent < indent) {
            inside.end = line.end;
            let body = inside.part.body.get_or_insert(start..start);
            body.end = line.end;
            if text[start..].starts_with(b"self.") {
                out.statements.push(start..line.end);
            }
            open = Some(inside);
            continue;
        }
        if let Some(done) = open.take() {
            out.parts.push(done.close());
        }
        classes.truncate(classes.partition_point(|(outer, _)| *outer < indent));
        let first = word(text, start);
        let mut head = first.clone();
        if &text[head.clone()] == b"async" {
            head = word(text, skip_blanks(text, head.end));
        }
        match &text[head.clone()] {
            b"def" => {
                let name = word(text, skip_blanks(text, head.end));
                let whole = decorators.take().unwrap_or(start)..line.end;
                let part = Part {
                    name,
                    class: classes.last().map(|(_, name)| name.clone()),
                    whole,
                    body: None,
                };
                if line.last == b':' {
                    let end = line.end;
                    open = Some(Open { indent, part, end });
                } else {
                    out.parts.push(part);
                }
                continue;
            }
            b"class" => classes.push((indent, word(text, skip_blanks(text, head.end)))),
            _ => {}
        }
        if text[start] == b'@' {
            decorators.get_or_insert(start);
        } else {
            decorators = None;
            if !line.is_text {
                out.statements.push(start..line.end);
            }
        }
    }
    if let Some(done) = open {
        out.parts.push(done.close());
    }
    out.idle.sort_unstable_by_key(|it| it.start);
    out.strings = Some(strings);
    Some(out)
}

impl Open {
    fn close(mut self) -> Part {
        self.part.whole.end = self.end;
        self.part
    }
}

fn skip_blanks(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let len = rest.iter().position(|it| !matches!(it, b' ' | b'\t'));
    at + len.unwrap_or(0)
}

/// Reads to the end of a logical line: brackets and strings may hold line feeds.
fn logical(
    text: &[u8],
    start: usize,
    idle: &mut Vec<Range<usize>>,
    strings: &mut Vec<Quoted>,
) -> Option<Line> {
    let mut at = start;
    let mut depth = 0_usize;
    // Where the first string ended, when the line began with one.
    let mut text_end = None;
    let first = word(text, start);
    let opens_text = first.len() <= 2
        && !is_formatted(&text[first.clone()])
        && matches!(text.get(first.end), Some(b'\'' | b'"'));
    let mut end_of_code = start;
    loop {
        let rest = &text[at..];
        let Some(plain) = rest.iter().position(|it| SPECIAL[usize::from(*it)]) else {
            end_of_code = last_code(text, at..text.len()).unwrap_or(end_of_code);
            at = text.len();
            break;
        };
        end_of_code = last_code(text, at..at + plain).unwrap_or(end_of_code);
        at += plain;
        match text[at] {
            b'\n' if depth == 0 => break,
            b'\n' => at += 1,
            b'\\' => {
                // A line that goes on; the carriage return of a line's end belongs to it.
                at += 1;
                if text.get(at) == Some(&b'\r') {
                    at += 1;
                }
                at = (at + 1).min(text.len());
            }
            b'#' => {
                let end = line_end(text, at);
                idle.push(at..end);
                at = end;
            }
            b'(' | b'[' | b'{' => {
                depth += 1;
                at += 1;
                end_of_code = at;
            }
            b')' | b']' | b'}' => {
                depth = depth.checked_sub(1)?;
                at += 1;
                end_of_code = at;
            }
            _ => {
                let opened = at;
                at = string(text, at)?;
                let letters = text[..opened].iter().rev().take_while(|it| is_part(**it));
                let prefix = opened - letters.count();
                strings.push(Quoted {
                    range: opened..at,
                    formatted: is_formatted(&text[prefix..opened]),
                });
                end_of_code = at;
                if opens_text && text_end.is_none() {
                    text_end = Some(at);
                }
            }
        }
    }
    if depth > 0 {
        return None;
    }
    Some(Line {
        end: at,
        last: text[end_of_code.max(start + 1) - 1],
        is_text: text_end == Some(end_of_code),
    })
}

/// Whether the letters before a quotation mark say that the string holds code.
fn is_formatted(prefix: &[u8]) -> bool {
    let format = |it: &u8| matches!(it, b'f' | b'F' | b't' | b'T');
    prefix.iter().any(format)
}

/// After the last byte of a range that is no space.
fn last_code(text: &[u8], range: Range<usize>) -> Option<usize> {
    let start = range.start;
    let last = text[range].iter().rposition(|it| !it.is_ascii_whitespace());
    last.map(|it| start + it + 1)
}

/// After the string that opens at `at`. A string of one line that does not end there is a mistake.
fn string(text: &[u8], at: usize) -> Option<usize> {
    let quote = text[at];
    let triple = text.get(at..at + 3) == Some(&[quote; 3]);
    let mut at = at + if triple { 3 } else { 1 };
    loop {
        let rest = text.get(at..)?;
        let next = if triple {
            memchr::memchr2(quote, b'\\', rest)?
        } else {
            memchr::memchr3(quote, b'\\', b'\n', rest)?
        };
        at += next;
        match text[at] {
            b'\\' => {
                at += 1;
                at += if text.get(at..at + 2) == Some(b"\r\n") {
                    2
                } else {
                    1
                };
            }
            b'\n' => return None,
            _ if !triple => return Some(at + 1),
            _ if text.get(at..at + 3) == Some(&[quote; 3]) => return Some(at + 3),
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::layout;

    #[test]
    fn functions_classes_and_what_is_idle() {
        let text = "\
import os
@route(
    '/'
)
def a(x=')'):  # why
    '''Says
def no(): what
    '''
    return {
1: x}
class B(object):
    \"text\"
    async  def c(self): return 1

    def d(self):
        def e():
            pass
        self.run = os.system
    X = '''
def no():
'''
if x:
    def f(): \\
        pass
";
        let layout = layout(text.as_bytes()).expect("it is well formed");
        let parts: Vec<(&str, Option<&str>, Option<&str>)> = layout
            .parts
            .iter()
            .map(|it| {
                let class = it.class.clone().map(|it| &text[it]);
                (
                    &text[it.name.clone()],
                    class,
                    it.body.clone().map(|it| &text[it]),
                )
            })
            .collect();
        let body_a = "'''Says\ndef no(): what\n    '''\n    return {\n1: x}";
        let body_d = "def e():\n            pass\n        self.run = os.system";
        assert_eq!(
            parts,
            [
                ("a", None, Some(body_a)),
                ("c", Some("B"), None),
                ("d", Some("B"), Some(body_d)),
                ("f", None, None),
            ]
        );
        assert!(text[layout.parts[0].whole.clone()].starts_with("@route"));
        let idle: Vec<&str> = layout.idle.iter().map(|it| &text[it.clone()]).collect();
        assert_eq!(idle[0], "# why");
        assert_eq!(idle[2], "\"text\"");
        let statements: Vec<&str> = layout
            .statements
            .iter()
            .map(|it| &text[it.clone()])
            .collect();
        assert!(
            statements.contains(&"self.run = os.system"),
            "{statements:?}"
        );
    }

    #[test]
    fn a_text_that_is_not_closed_has_no_layout() {
        for text in ["x = (1\n", "x = 'a\n", "x = '''a", "x = 1)\n"] {
            assert!(layout(text.as_bytes()).is_none(), "{text}");
        }
    }
}
