//! Counters and lengths, told by where a function's text mentions them. Whatever might be a check
//! counts as one, so that what is left was surely not looked at.

use super::Eval;
use crate::ir::{ExprId, ExprKind, Param, Type};
use crate::value::{Origin, Value};

/// What reads from outside, in a loop's condition or body.
const READS: [&str; 8] = [
    "fgets(", "scanf(", "getline(", "fread(", "read(", "recv(", "getc(", "getchar(",
];

/// The longest function whose mentions are read one by one, in bytes: each division and each copy
/// reads them all.
pub(super) const MAX_READ: usize = 16 << 10;

/// One mention of a name, with what stands around it.
pub(super) struct Mention<'s> {
    pub(super) at: usize,
    pub(super) before: &'s str,
    pub(super) after: &'s str,
}

impl Eval<'_> {
    /// Whether a divisor begins as nought, is raised only where something fits or is read, and is
    /// compared with nought nowhere.
    pub(super) fn is_tallied(&self, divisor: ExprId) -> bool {
        let Some(name) = self
            .plain_name(divisor)
            .filter(|_| self.src.len() <= MAX_READ)
        else {
            return false;
        };
        let counts = self.types.get(name).is_some_and(Type::is_number);
        if !counts || self.func.params.iter().any(|it| &*it.name == name) {
            return false;
        }
        let used = self.span(divisor).start as usize;
        let (mut begins, mut raised) = (false, Vec::new());
        for mention in mentions(self.src, name) {
            let (before, after) = (mention.before, mention.after);
            let compared = before.ends_with(['=', '<', '>', '!', '&', '|', '?'])
                || ["==", "!=", ">", "&&", "||", "?"]
                    .iter()
                    .any(|it| after.starts_with(it))
                || before.ends_with('(') && after.starts_with(')');
            let limited = after
                .strip_prefix('<')
                .map(|it| it.trim_start_matches('=').trim_start());
            let asked = limited.is_some_and(|it| {
                it.starts_with(['0', '1']) && !it[1..].starts_with(|c: char| c.is_ascii_digit())
            });
            let changed =
                after.starts_with(['-', '*', '/', '%', '^']) && after[1..].starts_with('=');
            if compared || asked || changed {
                return false;
            }
            if after.starts_with("++") || before.ends_with("++") || after.starts_with("+= 1;") {
                raised.push(mention.at);
            } else if after.starts_with("+=") {
                return false;
            } else if let Some(value) = after.strip_prefix('=') {
                let zero = value.trim_start().strip_prefix('0');
                if !zero.is_some_and(|it| it.starts_with([';', ',', '.'])) {
                    return false;
                }
                begins = true;
            }
        }
        let (Some(first), Some(last)) = (raised.first(), raised.last()) else {
            return false;
        };
        begins && *last < used && self.is_doubtful(*first) && !self.is_left(*last, used)
    }

    /// Whether what happens here need not happen in any turn of the loop around.
    fn is_doubtful(&self, at: usize) -> bool {
        let Some(before) = self.src.get(..at) else {
            return false;
        };
        let around = ["for (", "for(", "while (", "while(", "do {"].iter();
        let Some(from) = around.filter_map(|it| before.rfind(it)).max() else {
            return false;
        };
        let turn = &before[from..];
        if turn.starts_with("do") {
            return false;
        }
        let asks = turn.contains("if (") || turn.contains("if(");
        !turn.contains("else") && (asks || READS.iter().any(|it| turn.contains(it)))
    }

    /// Whether a condition stands between two places, which may be what keeps nought away.
    fn is_left(&self, from: usize, to: usize) -> bool {
        let between = self.src.get(from..to).unwrap_or("");
        between.contains('?') || mentions(between, "if").next().is_some()
    }

    /// Whether a length was read out of a buffer that was passed with its own length, and that is
    /// compared with constants at most.
    pub(super) fn is_claimed(&self, length: ExprId, value: &Value) -> bool {
        if self.src.len() > MAX_READ {
            return false;
        }
        let params = &self.func.params;
        let buffers = params.iter().zip(params.iter().skip(1)).enumerate();
        let mut measured = buffers.filter(|(_, (buffer, length))| {
            is_bytes(&buffer.ty) && length.ty.is_number() && is_length(&length.name)
        });
        let roots = || value.roots.iter().chain(&value.amounts);
        measured.any(|(index, (buffer, size))| {
            let comes = |it: &crate::value::Root| {
                matches!(it.origin, Origin::Param(at) if usize::from(at) == index)
            };
            let written = self.source(self.span(length));
            let body = self.src.find('{').and_then(|at| self.src.get(at..));
            let named = |name: &str| mentions(written, name).next().is_some();
            roots().any(comes)
                && !named(&size.name)
                && !named(&buffer.name)
                && mentions(body.unwrap_or(""), &size.name).all(|it| {
                    is_constant_check(&it)
                        || is_offset_check(&it, &buffer.name, written, body.unwrap_or(""))
                })
                && !is_moved(params, self.src, &buffer.name)
        })
    }

    fn plain_name(&self, id: ExprId) -> Option<&str> {
        let mut current = id;
        for _ in 0..4 {
            match &self.func.expr(current).kind {
                ExprKind::Name(name) => return Some(name),
                ExprKind::Carry(inner) | ExprKind::Cast { value: inner, .. } => current = *inner,
                _ => return None,
            }
        }
        None
    }
}

/// A pointer to bytes, as messages are passed in.
fn is_bytes(ty: &Type) -> bool {
    let base = ty.base.trim_start_matches("const ");
    ty.pointers == 1
        && matches!(
            base,
            "uint8_t" | "unsigned char" | "u8" | "u_char" | "char" | "uint8" | "guint8" | "BYTE"
        )
}

fn is_length(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    [
        "len", "length", "size", "sz", "count", "bytes", "avail", "n",
    ]
    .iter()
    .any(|it| lower.ends_with(it))
}

/// `size < 3`, `len == 0`: says nothing of what stands in the buffer.
fn is_constant_check(mention: &Mention<'_>) -> bool {
    let operators = ["<=", "<", "==", "!=", ">=", ">"];
    let limit = operators
        .iter()
        .find_map(|it| mention.after.strip_prefix(it));
    let is_fixed = |c: char| c.is_ascii_digit() || c.is_ascii_uppercase();
    let limit = limit.map(str::trim_start);
    limit.is_some_and(|it| it.starts_with(is_fixed) || it.starts_with("sizeof"))
        && mention.before.ends_with(['(', '|', '&'])
}

/// `pos < len`, `pos + 2 <= len`: says that there is something at the offset, and nothing of how
/// long that is.
fn is_offset_check(mention: &Mention<'_>, buffer: &str, claimed: &str, body: &str) -> bool {
    let ends = [")", ";", "&&"]
        .iter()
        .any(|it| mention.after.starts_with(it));
    let side = mention
        .before
        .rsplit(['(', ';', '&', '|', '{'])
        .next()
        .unwrap_or("");
    let Some(side) = side.strip_suffix("<=").or_else(|| side.strip_suffix('<')) else {
        return false;
    };
    let mut parts = side.split('+').map(str::trim);
    let Some(offset) = parts.next().filter(|it| !it.is_empty()) else {
        return false;
    };
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    ends && offset.chars().all(is_part)
        && parts.all(|it| it.starts_with(|c: char| c.is_ascii_digit()))
        && mentions(claimed, offset).next().is_none()
        && body.contains(&format!("{buffer}[{offset}"))
}

/// Whether the buffer is handed on or another pointer is made of it, whose length others know.
fn is_moved(params: &[Param], src: &str, buffer: &str) -> bool {
    let body = src.find('{').and_then(|at| src.get(at..)).unwrap_or("");
    let ends = params.iter().any(|it| it.name.contains("end"));
    ends || mentions(body, buffer)
        .any(|it| it.after.starts_with("+=") || it.after.starts_with("++"))
}

/// Every mention of a name in a text.
pub(super) fn mentions<'s>(text: &'s str, name: &str) -> impl Iterator<Item = Mention<'s>> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(name.to_owned().as_str())
        .map(|(at, it)| (at, at + it.len()))
        .collect::<Vec<_>>()
        .into_iter()
        .filter_map(move |(at, end)| {
            let (before, after) = (text.get(..at)?, text.get(end..)?);
            let whole = !before.ends_with(is_part)
                && !after.starts_with(is_part)
                && !before.ends_with('.')
                && !before.ends_with("->");
            whole.then(|| Mention {
                at,
                before: before.trim_end(),
                after: after.trim_start(),
            })
        })
}
