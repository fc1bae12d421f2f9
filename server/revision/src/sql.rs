//! Just enough SQL to tell where a placeholder may stand. In doubt it may not: the gate cannot see
//! that a statement became invalid.

/// Where the quoted literal or name begins that the text ends in.
pub(crate) fn open_quote(sql: &str) -> Option<usize> {
    let mut open = None;
    for (at, c) in sql.char_indices() {
        match open {
            Some((_, quote)) if quote == c => open = None,
            None if matches!(c, '\'' | '"' | '`') => open = Some((at, c)),
            _ => {}
        }
    }
    open.map(|(at, _)| at)
}

/// Statements that take values. Others, such as PRAGMA and CREATE, refuse placeholders.
const WITH_VALUES: [&str; 8] = [
    "select", "insert", "update", "delete", "replace", "with", "values", "merge",
];

/// Whether a value may follow this text, and not only a name, a list, an operator or a direction.
pub(crate) fn takes_value(sql: &str) -> bool {
    let mut words = sql.split(|c: char| !c.is_alphanumeric());
    let verb = words.find(|word| !word.is_empty()).unwrap_or("");
    if !WITH_VALUES.iter().any(|it| verb.eq_ignore_ascii_case(it)) {
        return false;
    }
    let before = sql.trim_end();
    let Some(last) = before.chars().last() else {
        return false;
    };
    let lower = before.to_ascii_lowercase();
    match last {
        '-' | '*' | '/' => {
            let no_operator = ["--", "*/", "/*", "select *"];
            !no_operator.iter().any(|it| lower.ends_with(it))
        }
        '=' | '<' | '>' | '+' | '|' | '%' => true,
        '(' => bracket_takes_value(&lower[..lower.len() - 1]),
        ',' => match open_bracket(&lower) {
            Some(at) => bracket_takes_value(&lower[..at]),
            None => lower
                .rsplit_once("limit")
                .is_some_and(|(_, after)| !after.contains("from")),
        },
        _ if before.len() == sql.len() => false,
        _ => match last_word(&lower) {
            "like" | "ilike" | "regexp" | "rlike" | "glob" | "match" | "limit" | "offset"
            | "between" | "then" | "else" => true,
            "and" => lower.rsplit_once("between").is_some_and(|(_, after)| {
                after.split_whitespace().filter(|it| *it == "and").count() == 1
            }),
            _ => false,
        },
    }
}

/// The innermost bracket that is still open.
fn open_bracket(sql: &str) -> Option<usize> {
    let mut open = Vec::new();
    for (at, c) in sql.char_indices() {
        match c {
            '(' => open.push(at),
            ')' => {
                open.pop();
            }
            _ => {}
        }
    }
    open.pop()
}

/// Whether a bracket after this text encloses values: those of an INSERT, those of a function, or
/// one that is compared.
fn bracket_takes_value(before: &str) -> bool {
    let before = before.trim_end_matches(|c: char| c.is_whitespace() || c == '(');
    if before.ends_with(['=', '<', '>', '+', '-', '|', '%']) {
        return true;
    }
    // Rows after the first: `VALUES (…), (`.
    if before.ends_with(',') {
        return before.contains("values") && open_bracket(before).is_none();
    }
    let inserted = before.contains("insert") || before.contains("replace into");
    let named = [
        "", "in", "select", "where", "and", "or", "not", "on", "from", "join", "by", "set", "as",
        "exists", "having", "using", "over", "key", "when", "distinct",
    ];
    match last_word(before) {
        "values" => true,
        word => !named.contains(&word) && (!inserted || before.contains("values")),
    }
}

fn last_word(text: &str) -> &str {
    let start = text.rfind(|c: char| !c.is_alphanumeric() && c != '_');
    let start = start.and_then(|at| Some(at + text[at..].chars().next()?.len_utf8()));
    &text[start.unwrap_or(0)..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_after_operators_and_in_brackets() {
        for sql in [
            "select a from t where b = ",
            "select a from t where b=",
            "select a from t where b LIKE ",
            "select a from t where b between ",
            "select a from t where b between ? and ",
            "select a from t limit ",
            "select a from t limit ?, ",
            "select a from t where lower(b) = lower(",
            "select a from t where b = coalesce(c, ",
            "insert into t (a, b) values (",
            "INSERT INTO t VALUES (?, ",
            "insert into t (a) values (?), (",
            "update t set a = 1, b = ",
        ] {
            assert!(takes_value(sql), "{sql}");
        }
    }

    #[test]
    fn names_lists_and_operators_do_not() {
        for sql in [
            "",
            "select ",
            "select * from ",
            "select a from t order by ",
            "select a from t where ",
            "select a from t where b = ? and ",
            "select a from t where b ",
            "select a from t where b in ",
            "select a from t where b in (",
            "select a from t where b in (?, ",
            "select a, ",
            "insert into t (",
            "insert into t (a, ",
            "insert into t values ",
            "update t set a = 1, ",
            "pragma table_info(",
            "create table t (a text default ",
            "select a from t_",
            "select a from s.",
        ] {
            assert!(!takes_value(sql), "{sql}");
        }
    }
}
