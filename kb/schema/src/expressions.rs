//! The expressions that a raw query asks of text, read off its source, so that what they need is
//! worked out once and travels with the entry. It knows how predicates are written, no trees.

use crate::Shape;

/// The expressions of a query's predicates that text must fit for it to match, captures left open.
pub(crate) fn of(source: &str) -> Vec<Shape> {
    const PLAIN: [&str; 1] = ["match?"];
    const AROUND: [&str; 5] = ["around?", "before?", "after?", "inside?", "within?"];
    let predicates = source.match_indices("(#").filter_map(|(at, sign)| {
        let rest = source[at + sign.len()..].trim_start();
        let name = rest.split_whitespace().next()?;
        let text = texts(rest.strip_prefix(name)?).pop()?;
        match name {
            _ if PLAIN.contains(&name) => Some(Shape::new(&text)),
            _ if AROUND.contains(&name) => Some(Shape::new(&open_expression(&text))),
            _ => None,
        }
    });
    predicates.collect()
}

/// The texts in quotation marks up to a closing bracket, their escapes undone.
fn texts(rest: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut chars = rest.chars();
    while let Some(c) = chars.next().filter(|it| *it != ')') {
        if c != '"' {
            continue;
        }
        let mut text = String::new();
        while let Some(c) = chars.next().filter(|it| *it != '"') {
            match (c, c == '\\') {
                (_, true) => match chars.next() {
                    Some('n') => text.push('\n'),
                    Some('r') => text.push('\r'),
                    Some('t') => text.push('\t'),
                    Some('0') => text.push('\0'),
                    other => text.extend(other),
                },
                (other, false) => text.push(other),
            }
        }
        out.push(text);
    }
    out
}

/// An expression of a query in which any text may stand where `{name}` stands for a capture's.
#[must_use]
pub fn open_expression(expression: &str) -> String {
    fill_expression(expression, |name| {
        let named = name.starts_with(|c: char| c.is_ascii_alphabetic());
        named.then(|| r"[\s\S]*".into())
    })
}

/// An expression of a query with other text in the place of each `{name}` that `of` knows.
#[must_use]
pub fn fill_expression(expression: &str, of: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = expression;
    while let Some((before, behind)) = rest.split_once('{') {
        out.push_str(before);
        let named = behind.split_once('}');
        match named.and_then(|(name, after)| Some((of(name)?, after))) {
            Some((text, after)) => {
                out.push_str(&text);
                rest = after;
            }
            None => {
                out.push('{');
                rest = behind;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn what_text_must_fit_is_read_with_its_escapes_undone() {
        let source = r#"((call) @finding
            (#match? @finding "a\\)\"b") (#not-match? @finding "c") (#any-of? @finding "d")
            (#inside? "if_statement for_statement" "\\b{name}\\s{2,}") (#not-around? "e"))"#;
        let found = of(source);
        let found: Vec<&str> = found.iter().map(super::Shape::as_str).collect();
        assert_eq!(found, [r#"a\)"b"#, r"\b[\s\S]*\s{2,}"]);
        for hostile in [
            "(#\u{2003}ab",
            "(#",
            "(#match? \"",
            "(#match? @x \"\\",
            "(#é\u{a0}\"é",
        ] {
            assert!(of(hostile).len() <= 1, "{hostile}");
        }
    }
}
