//! Operators: sums of text, products of numbers, paths below paths.
//! It knows values, no expressions.

use std::sync::Arc;

use syntax::Language;

use super::Eval;
use super::expr::MAX_REPEATED;
use crate::ir::{BinOp, Span};
use crate::value::{ANY_KEY, Const, Entry, Kind, MAX_ITEMS, Seg, Value};

/// What is left of a division, and what a mask lets through, has a limit.
fn limited(op: BinOp, operands: &[(Value, Span)]) -> bool {
    matches!(op, BinOp::Mod | BinOp::And)
        && operands.iter().any(|(value, _)| value.as_int().is_some())
}

impl<'a> Eval<'a> {
    /// A path below a path; below the folder that everybody shares its text is kept.
    fn below(&self, path: Arc<str>, operands: &[(Value, Span)], span: Span) -> Value {
        let shared = operands
            .first()
            .is_some_and(|(first, _)| first.is_in_shared_folder());
        if !shared {
            let values = operands.iter().map(|(value, _)| value);
            return Value::carrying(values).with(|data| data.path = Some(path));
        }
        let mut segs = Vec::new();
        for (index, (value, at)) in operands.iter().enumerate() {
            if index > 0 {
                segs.push(Seg::Lit("/".into()));
            }
            value.segments(self.place(*at), &mut segs);
        }
        let joined = Value::from_segments(segs, self.place(span));
        joined.with(|data| {
            data.kind = Kind::Unknown;
            data.path = Some(path);
        })
    }

    /// `a op b op c`. In Python `+` joins text and `%` formats it.
    pub(super) fn binary(&mut self, op: BinOp, operands: &[(Value, Span)], span: Span) -> Value {
        let python = self.around.language == Language::Python;
        if let (BinOp::Mod, true, [left, right]) = (op, python, operands)
            && left.0.kind != Kind::Number
        {
            return self.percent(&left.0, &right.0, right.1, span);
        }
        let ints: Vec<i64> = operands
            .iter()
            .filter_map(|(value, _)| value.as_int())
            .collect();
        if ints.len() == operands.len()
            && let [first, rest @ ..] = ints.as_slice()
        {
            let fold = |a: i64, b: &i64| match op {
                BinOp::Add => a.checked_add(*b),
                BinOp::Sub => a.checked_sub(*b),
                BinOp::Mul => a.checked_mul(*b),
                BinOp::Shl => u32::try_from(*b).ok().and_then(|b| a.checked_shl(b)),
                BinOp::Div => a.checked_div(*b),
                BinOp::And => Some(a & b),
                BinOp::Or => Some(a | b),
                BinOp::Mod | BinOp::Other => None,
            };
            if let Some(number) = rest.iter().try_fold(*first, fold) {
                return Value::constant(Const::Int(number));
            }
        }
        if python && op == BinOp::Add {
            return self.concat(operands, span);
        }
        if let Some(text) = repeated(op, operands).filter(|_| python) {
            return text;
        }
        let values = operands.iter().map(|(value, _)| value);
        if python {
            if op == BinOp::Or && operands.iter().all(|(value, _)| value.kind == Kind::Dict) {
                return united(operands);
            }
            let texty = operands
                .iter()
                .any(|(value, _)| matches!(value.kind, Kind::Str | Kind::List | Kind::Bytes));
            let paths = op == BinOp::Div;
            let path = operands.first().and_then(|(value, _)| value.path.clone());
            if paths && let Some(path) = path.filter(|it| &**it == "pathlib.Path()") {
                return self.below(path, operands, span);
            }
            return if texty || paths {
                Value::carrying(values)
            } else if limited(op, operands) {
                Value::measure(values)
            } else {
                Value::amount(values)
            };
        }
        let mut pointers = operands
            .iter()
            .filter(|(value, _)| matches!(value.kind, Kind::Pointer | Kind::Array));
        // The difference of two pointers is a number.
        let pointer = pointers
            .next()
            .filter(|_| op != BinOp::Sub || pointers.next().is_none());
        let constant = operands.iter().all(|(value, _)| value.is_constant());
        let grows = matches!(op, BinOp::Add | BinOp::Mul | BinOp::Shl);
        Value::carrying(values).with(|data| {
            data.kind = if pointer.is_some() {
                Kind::Pointer
            } else {
                Kind::Number
            };
            data.arithmetic =
                pointer.is_none() && (grows || operands.iter().any(|(value, _)| value.arithmetic));
            data.minus = match operands {
                [(first, _), rest @ ..] if op == BinOp::Sub && pointer.is_none() => {
                    let fixed = |value: &Value| value.is_constant() || value.size_of.is_some();
                    // One off is how ends are found, and a counter begins with nothing off.
                    let small = |value: &Value| matches!(value.as_int(), Some(..=1));
                    !fixed(first) && rest.iter().all(|(value, _)| fixed(value) && !small(value))
                }
                _ => false,
            };
            if op == BinOp::Mul {
                let factors = operands.iter().filter(|(value, _)| !value.is_constant());
                data.factors = factors.fold(0, |all, (value, _)| {
                    all.saturating_add(value.factors.max(1))
                });
            }
            if constant {
                data.consts = vec![Const::Other];
                data.exact = true;
            }
            if let Some((base, _)) = pointer {
                data.local = base.local;
                data.obj = base.obj;
                data.moved = true;
            }
            // A remainder or a mask bounds what it gives.
            data.measures = Value::measure(operands.iter().map(|(value, _)| value))
                .measures
                .clone();
            if matches!(op, BinOp::Mod | BinOp::And) {
                data.roots.clear();
            }
        })
    }
}

/// `b"\0" * 16` is a constant text.
fn repeated(op: BinOp, operands: &[(Value, Span)]) -> Option<Value> {
    let [(a, _), (b, _)] = operands else {
        return None;
    };
    if op != BinOp::Mul {
        return None;
    }
    let (text, times, kind) = match (a.as_str(), b.as_int()) {
        (Some(text), Some(times)) => (text, times, a.kind),
        _ => (b.as_str()?, a.as_int()?, b.kind),
    };
    let times = usize::try_from(times).unwrap_or(0);
    let times = times.min(MAX_REPEATED / text.len().max(1));
    Some(Value::str(&text.repeat(times)).with(|data| data.kind = kind))
}

/// `{...} | other`: the entries of both, of the later one where a key is in both.
fn united(operands: &[(Value, Span)]) -> Value {
    let mut entries: Vec<Entry> = Vec::new();
    for (value, _) in operands {
        let known = value.entries.iter().flat_map(|it| it.iter());
        for (name, value) in known {
            entries.retain(|(other, _)| other != name || **name == *ANY_KEY);
            entries.push((name.clone(), value.clone()));
        }
        if value.entries.is_none() {
            entries.push((ANY_KEY.into(), value.clone()));
        }
    }
    entries.truncate(2 * MAX_ITEMS);
    Value::carrying(operands.iter().map(|(value, _)| value)).with(|data| {
        data.kind = Kind::Dict;
        data.entries = Some(entries.into());
    })
}
