//! Loops that write one element after the other: what ends them, and whether anything in the
//! function looks at how many elements there are. Told by the text, where whatever might be a
//! check counts as one.

use super::Eval;
use super::tally::{MAX_READ, Mention, mentions};
use crate::ir::{BinOp, ExprId, ExprKind, Type};
use crate::value::Value;

/// What takes its next piece from a text or a stream, in a loop's condition.
const DRIVES: [&str; 8] = [
    "getc(", "getchar(", "fgets(", "strtok", "strsep(", "readdir(", "getline(", "fscanf(",
];

/// Functions that write through their first argument.
const FILLS: [&str; 12] = [
    "strcpy(",
    "strncpy(",
    "strcat(",
    "strncat(",
    "snprintf(",
    "sprintf(",
    "memcpy(",
    "memmove(",
    "memset(",
    "fgets(",
    "strlcpy(",
    "scanf(",
];

impl Eval<'_> {
    /// Whether an element of an array of known length is written at a counter that a loop raises
    /// as often as a caller's number or a text says, while nothing looks at how often that is.
    pub(super) fn is_overrun(
        &self,
        whole: ExprId,
        (base, object): (ExprId, &Value),
        index: ExprId,
    ) -> bool {
        let counter = match &self.func.expr(index).kind {
            ExprKind::Name(name) => name,
            ExprKind::Assign {
                target,
                op: Some(BinOp::Add),
                ..
            } => match &self.func.expr(*target).kind {
                ExprKind::Name(name) => name,
                _ => return false,
            },
            _ => return false,
        };
        let params = &self.func.params;
        let is_param = |name: &str| params.iter().any(|it| &*it.name == name);
        let counts = self.types.get(counter).is_some_and(Type::is_number);
        if !counts || is_param(counter) || self.src.len() > MAX_READ {
            return false;
        }
        let (ty, array) = match &self.func.expr(base).kind {
            ExprKind::Name(name) if !is_param(name) => (self.types.get(name), name),
            ExprKind::Attr { name, .. } => (self.around.declared.type_of(name), name),
            _ => return false,
        };
        let named = ty.and_then(|it| it.size_name.as_deref());
        let known = object.array_len.is_some_and(|it| it > 1)
            || named.is_some_and(|it| !it.starts_with(|c: char| c.is_ascii_lowercase()));
        let span = self.span(whole);
        let at = span.start as usize;
        let Some(open) = self.src.find('{').filter(|it| *it < at && known) else {
            return false;
        };
        // A function for its own file alone is called with what that knows.
        let signature = &self.src[..open];
        let apart = ["static", "inline", "test"];
        if apart.iter().any(|it| signature.contains(it)) || !self.is_written(at, span.end as usize)
        {
            return false;
        }
        let body = &self.src[open..];
        let sized = |it: &str| body.contains(&format!("{it}{array}"));
        if ["sizeof(", "sizeof ", "sizeof *", "_SIZE(", "countof("]
            .iter()
            .any(|it| sized(it))
        {
            return false;
        }
        let times = |name: &str| mentions(body, name).count();
        if named.is_some_and(|it| times(it) > usize::from(self.types.contains_key(array))) {
            return false;
        }
        let Some((head, turn)) = loop_around(self.src, at, counter) else {
            return false;
        };
        let cond = match head.strip_prefix("for") {
            Some(rest) => rest.split(';').nth(1).unwrap_or(""),
            None => head.trim_start_matches("while").trim(),
        };
        let cond = match cond.strip_prefix('(').and_then(|it| it.strip_suffix(')')) {
            Some(inner) => inner.trim(),
            None => cond.trim(),
        };
        if let Some(limit) = limit_of(cond, counter) {
            let alone = mentions(self.src, counter)
                .all(|it| !is_compared(&it) || is_in(&it, cond, self.src));
            let asked = is_param(limit) || self.is_scanned(limit);
            return alone && asked && self.is_unlooked(limit, cond);
        }
        let asked = mentions(self.src, counter).any(|it| is_compared(&it) || is_reset(&it, turn));
        let measured = ["sizeof", "strlen(", "strnlen(", "assert"]
            .iter()
            .any(|it| body.contains(it));
        !asked && !measured && is_text_driven(cond, turn) && !has_limit(turn) && !has_limit(body)
    }

    /// Whether the element from `at` to `end` is stored to.
    fn is_written(&self, at: usize, end: usize) -> bool {
        let (Some(before), Some(after)) = (self.src.get(..at), self.src.get(end..)) else {
            return false;
        };
        let member = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '[' | ']');
        let rest = after.trim_start_matches(member).trim_start();
        let stored = rest.starts_with('=') && !rest.starts_with("==")
            || ["+=", "|=", "-=", "^=", "++"]
                .iter()
                .any(|it| rest.starts_with(it));
        let statement = before.rsplit([';', '{', '}']).next().unwrap_or("");
        let taken = statement.trim_end().trim_end_matches('&');
        stored
            || FILLS.iter().any(|it| taken.ends_with(it))
            || statement.contains("scanf(") && statement.ends_with('&')
    }

    /// Whether a number of the function's own is typed in.
    fn is_scanned(&self, name: &str) -> bool {
        let typed = format!("&{name}");
        self.src.match_indices("scanf(").any(|(at, _)| {
            let call = self.src[at..].split(';').next().unwrap_or("");
            let ends = |rest: &str| rest.trim_start().starts_with([',', ')']);
            call.match_indices(&typed)
                .any(|(from, it)| ends(&call[from + it.len()..]))
        })
    }

    /// Whether nothing but loops is told how large a caller's number is.
    fn is_unlooked(&self, limit: &str, cond: &str) -> bool {
        let param = self.func.params.iter().find(|it| &*it.name == limit);
        let ty = param.map(|it| &it.ty).or_else(|| self.types.get(limit));
        if !ty.is_some_and(Type::is_number) {
            return false;
        }
        let body = self.src.find('{').unwrap_or(0);
        mentions(self.src, limit)
            .filter(|it| it.at > body)
            .all(|it| {
                if is_in(&it, cond, self.src) {
                    return true;
                }
                let before = it.before;
                let small = |sign: &str| {
                    let rest = it.after.strip_prefix(sign).map(str::trim_start);
                    rest.is_some_and(|it| {
                        it.starts_with(['0', '1'])
                            && !it[1..].starts_with(|c: char| c.is_ascii_alphanumeric())
                    })
                };
                let nought = ["<=", "<", "==", ">", "="].iter().any(|sign| small(sign));
                let statement = before.rsplit([';', '{', '}']).next().unwrap_or("").trim();
                let other_loop = statement.strip_suffix('<').is_some_and(|it| {
                    it.trim_end()
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || c == '_')
                });
                let lower = statement.to_ascii_lowercase();
                let cut = ["min(", "clamp(", "assert", "check", "valid"]
                    .iter()
                    .any(|it| lower.contains(it));
                let taken = before.strip_suffix('&').map(str::trim_end);
                let taken = taken.is_some_and(|it| it.ends_with([',', '(']));
                let compared = before.ends_with(['<', '>', '=', '%', '&'])
                    && !before.ends_with("->")
                    && !taken
                    || ["<", ">", "=", "!=", "%", "&", "-=", "/=", "--"]
                        .iter()
                        .any(|sign| it.after.starts_with(sign));
                let kept = before.ends_with('=')
                    && !["==", "!=", "<=", ">="]
                        .iter()
                        .any(|sign| before.ends_with(sign))
                    && it.after.starts_with(';');
                let alone =
                    before.ends_with('(') && it.after.starts_with(')') && !lower.starts_with("if");
                nought || other_loop || (!compared || kept) && !cut && !alone
            })
    }
}

/// `i < n`, `i <= n`, `i != n` and nothing else: the limit.
fn limit_of<'s>(cond: &'s str, counter: &str) -> Option<&'s str> {
    let rest = cond.strip_prefix(counter)?.trim_start();
    let signs = ["<=", "<", "!="];
    let limit = signs.iter().find_map(|it| rest.strip_prefix(it))?.trim();
    let cast = limit.strip_prefix("(int)").map_or(limit, str::trim_start);
    let plain = !cast.is_empty() && cast.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    plain.then_some(cast)
}

/// Whether a mention stands in that part of the text.
fn is_in(mention: &Mention<'_>, part: &str, text: &str) -> bool {
    let from = (part.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize);
    (from..from + part.len()).contains(&mention.at)
}

/// Whether a counter is compared with more than nought.
fn is_compared(mention: &Mention<'_>) -> bool {
    let (before, after) = (mention.before, mention.after);
    let small = |sign: &str| {
        after
            .strip_prefix(sign)
            .is_some_and(|it| it.trim_start().starts_with('0'))
    };
    if [">", "==", "!=", "=="].iter().any(|it| small(it)) {
        return false;
    }
    let left = ["<=", ">=", "==", "!=", "<", ">", "%", "&", "?", "- "]
        .iter()
        .any(|it| after.starts_with(it));
    left || before.ends_with(['<', '>', '%', '-', '&', '!']) && !before.ends_with("--")
        || ["==", "!=", "<=", ">="]
            .iter()
            .any(|it| before.ends_with(it))
}

/// Whether the loop itself sets the counter back, by which it may stay small.
fn is_reset(mention: &Mention<'_>, turn: &str) -> bool {
    mention.after.starts_with('=')
        && !mention.after.starts_with("==")
        && turn.find('{').is_some_and(|open| {
            let from = turn.as_ptr() as usize + open;
            let at = mention.after.as_ptr() as usize;
            (from..turn.as_ptr() as usize + turn.len()).contains(&at)
        })
}

/// Whether a loop goes on for as long as a text or a stream does.
fn is_text_driven(cond: &str, turn: &str) -> bool {
    let operands: Vec<&str> = cond.split("&&").map(str::trim).collect();
    let bounded = |it: &str| {
        let plain = it.replace("->", "");
        plain.contains(['<', '>']) || plain.contains("--") || plain.contains('|')
    };
    if cond.is_empty() || operands.iter().any(|it| bounded(it)) {
        return false;
    }
    let first = operands[0].trim_start_matches('(');
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let element = first.trim_start_matches(is_part).starts_with('[');
    let tokens = turn.contains("strtok(") || turn.contains("strtok_r(");
    first.starts_with('*') || element || DRIVES.iter().any(|it| cond.contains(it)) || tokens
}

/// Whether anything is compared by size, other than letters.
fn has_limit(text: &str) -> bool {
    let plain = text
        .replace("->", "  ")
        .replace("<<", "  ")
        .replace(">>", "  ");
    plain.match_indices(['<', '>']).any(|(at, _)| {
        let after = plain[at + 1..].trim_start_matches('=').trim_start();
        let letter = after.starts_with('\'') || plain[..at].trim_end().ends_with('\'');
        let nought =
            after.starts_with('0') && !after[1..].starts_with(|c: char| c.is_ascii_alphanumeric());
        !letter && !nought
    })
}

/// The innermost loop around a place that raises the counter: its head, and all of it.
fn loop_around<'s>(text: &'s str, at: usize, counter: &str) -> Option<(&'s str, &'s str)> {
    let mut heads: Vec<usize> = ["for", "while"]
        .iter()
        .flat_map(|word| mentions(text.get(..at).unwrap_or(""), word).map(|it| it.at))
        .collect();
    heads.sort_unstable();
    heads.into_iter().rev().find_map(|from| {
        let open = from + text.get(from..)?.find('(')?;
        let closed = closing(text, open, b'(', b')')?;
        let rest = text.get(closed..)?;
        let start = closed + (rest.len() - rest.trim_start().len());
        let end = match text.get(start..)?.starts_with('{') {
            true => closing(text, start, b'{', b'}')?,
            false => start + text.get(start..)?.find(';')?,
        };
        let turn = text.get(from..end)?;
        let raised = mentions(turn, counter).any(|it| {
            it.after.starts_with("++") || it.before.ends_with("++") || it.after.starts_with("+= 1")
        });
        (end > at && closed <= at && raised).then(|| (&text[from..closed], turn))
    })
}

/// Where the bracket at `open` is closed, behind it.
fn closing(text: &str, open: usize, left: u8, right: u8) -> Option<usize> {
    let mut depth = 0usize;
    for (at, byte) in text.bytes().enumerate().skip(open) {
        if byte == left {
            depth += 1;
        } else if byte == right {
            depth = depth.checked_sub(1)?;
            if depth == 0 {
                return Some(at + 1);
            }
        }
    }
    None
}
