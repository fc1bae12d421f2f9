//! Text that is formatted at run time: `%`, `str.format`, `join`, and C's `sprintf`.
//! A conversion that forces a number carries no text.

use super::Eval;
use crate::ir::Span;
use crate::value::{Kind, Place, Seg, Value};

impl Eval<'_> {
    /// `text % values` in Python.
    pub(super) fn percent(
        &mut self,
        left: &Value,
        right: &Value,
        right_span: Span,
        span: Span,
    ) -> Value {
        let parts = std::mem::take(&mut self.filled);
        let Some(shape) = left.rendered() else {
            return Value::carrying([left, right]);
        };
        if left.text.is_some() {
            // Formatting built text again: its holes stay, the new values come on top.
            let mut segs = Vec::new();
            left.segments(self.place(span), &mut segs);
            segs.push(Seg::Hole(Value::carrying([right]), self.place(right_span)));
            return Value::from_segments(segs, self.place(span));
        }
        let mut next = 0;
        let place = self.place(right_span);
        let segs = fill(&shape, |conversion| {
            let value = match (&conversion.key, &right.entries, &right.items) {
                (Some(key), Some(entries), _) => entries
                    .iter()
                    .find(|(name, _)| **name == **key)
                    .map(|(_, value)| value.clone()),
                (None, _, Some(items)) if right.kind == Kind::List => items.get(next).cloned(),
                _ => None,
            };
            let at = match &conversion.key {
                Some(key) => parts.iter().find(|(name, _)| name.as_ref() == Some(key)),
                None => parts.get(next),
            };
            next += 1;
            let func = place.func;
            let place = at.map_or(place, |(_, span)| Place { func, span: *span });
            (value.unwrap_or_else(|| right.clone()), place)
        });
        Value::from_segments(segs, self.place(span))
    }

    /// `text.format(positional, named)`.
    pub(super) fn str_format(
        &mut self,
        text: &str,
        positional: &[(Value, Span)],
        named: &[(&str, Value, Span)],
        rest: &Value,
        span: Span,
    ) -> Value {
        let mut segs: Vec<Seg> = Vec::new();
        let mut known = String::new();
        let mut next = 0;
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '{' | '}' if chars.peek() == Some(&c) => {
                    chars.next();
                    known.push(c);
                }
                '{' => {
                    let field: String = chars.by_ref().take_while(|c| *c != '}').collect();
                    if !known.is_empty() {
                        segs.push(Seg::Lit(std::mem::take(&mut known).into()));
                    }
                    let (name, spec) = field.split_once(':').unwrap_or((&field, ""));
                    let name = name.split(['.', '[', '!']).next().unwrap_or("");
                    let found = if name.is_empty() {
                        next += 1;
                        positional.get(next - 1).cloned()
                    } else if let Ok(number) = name.parse::<usize>() {
                        positional.get(number).cloned()
                    } else {
                        named
                            .iter()
                            .find(|(key, ..)| *key == name)
                            .map(|(_, value, at)| (value.clone(), *at))
                    };
                    let (mut value, at) = found.unwrap_or_else(|| (rest.clone(), span));
                    if field.contains("!r") && !value.roots.is_empty() {
                        value = Value::carrying([&value]).through(&"repr".into());
                    }
                    let numeric =
                        spec.ends_with(['d', 'f', 'x', 'X', 'e', 'g', 'o', 'b', 'n', '%']);
                    if numeric {
                        segs.push(Seg::Hole(Value::number(), self.place(at)));
                    } else {
                        value.segments(self.place(at), &mut segs);
                    }
                }
                other => known.push(other),
            }
        }
        if !known.is_empty() {
            segs.push(Seg::Lit(known.into()));
        }
        Value::from_segments(segs, self.place(span))
    }

    /// `separator.join(list)`.
    pub(super) fn join(&mut self, separator: &Value, list: &Value, at: Span, span: Span) -> Value {
        let place = self.place(at);
        let Some(items) = &list.items else {
            let mut segs = Vec::new();
            Value::carrying([list]).segments(place, &mut segs);
            return Value::from_segments(segs, self.place(span)).with(|data| data.kind = Kind::Str);
        };
        let mut segs: Vec<Seg> = Vec::new();
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                separator.segments(self.place(span), &mut segs);
            }
            item.segments(place, &mut segs);
        }
        Value::from_segments(segs, self.place(span))
    }

    /// What `sprintf(format, values…)` writes.
    pub(super) fn c_format(
        &mut self,
        format: &Value,
        values: &[(Value, Span)],
        span: Span,
    ) -> Value {
        let Some(shape) = format.as_str().cloned() else {
            return Value::carrying(values.iter().map(|(value, _)| value).chain([format]));
        };
        let mut next = 0;
        let fallback = self.place(span);
        let func = self.key;
        let segs = fill(&shape, |_| {
            let found = values.get(next);
            next += 1;
            match found {
                Some((value, at)) => (value.clone(), Place { func, span: *at }),
                None => (Value::number(), fallback),
            }
        });
        Value::from_segments(segs, self.place(span))
    }
}

/// One `%` conversion.
struct Conversion {
    key: Option<Box<str>>,
}

/// Splits a `%` format; `take` gives the value of each conversion in turn.
fn fill(format: &str, mut take: impl FnMut(&Conversion) -> (Value, Place)) -> Vec<Seg> {
    let mut segs = Vec::new();
    let mut known = String::new();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            known.push(c);
            continue;
        }
        if chars.peek() == Some(&'%') {
            chars.next();
            known.push('%');
            continue;
        }
        let mut key = None;
        if chars.peek() == Some(&'(') {
            chars.next();
            key = Some(
                chars
                    .by_ref()
                    .take_while(|c| *c != ')')
                    .collect::<String>()
                    .into(),
            );
        }
        let mut conversion = None;
        while let Some(&c) = chars.peek() {
            if c.is_ascii_alphabetic() && !matches!(c, 'l' | 'h' | 'z' | 'j' | 't' | 'L') {
                conversion = Some(c);
                chars.next();
                break;
            }
            if !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+' | '#' | ' ' | '*')) {
                break;
            }
            chars.next();
        }
        let Some(conversion) = conversion else {
            known.push('%');
            continue;
        };
        if !known.is_empty() {
            segs.push(Seg::Lit(std::mem::take(&mut known).into()));
        }
        let (value, place) = take(&Conversion { key });
        if matches!(conversion, 's' | 'r' | 'a' | 'S') {
            value.segments(place, &mut segs);
        } else {
            segs.push(Seg::Hole(Value::number(), place));
        }
    }
    if !known.is_empty() {
        segs.push(Seg::Lit(known.into()));
    }
    segs
}
