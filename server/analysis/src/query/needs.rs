//! What a raw query cannot match without, read off its source: words, keywords, levels of a tree.
//! It knows how queries are written; it runs none.

/// What stands in every text where a node of that kind does.
const WRITTEN: [(&str, &str); 16] = [
    ("if_statement", "if"),
    ("switch_statement", "switch"),
    ("pass_statement", "pass"),
    ("continue_statement", "continue"),
    ("break_statement", "break"),
    ("raise_statement", "raise"),
    ("with_statement", "with"),
    ("sizeof_expression", "sizeof"),
    ("for_statement", "for"),
    ("while_statement", "while"),
    ("return_statement", "return"),
    ("assert_statement", "assert"),
    ("except_clause", "except"),
    ("try_statement", "try"),
    ("goto_statement", "goto"),
    ("preproc_def", "define"),
];

/// How deep a query's brackets are followed.
pub(super) const MAX_DEPTH: usize = 64;

/// A piece of a query's source.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Open,
    Close,
    OpenChoice,
    CloseChoice,
    /// A token of the analysed language, as written between quotation marks.
    Text(&'a str),
    /// `?` or `*`: what stands before may be missing, or stand there more than once.
    Optional {
        many: bool,
    },
    /// A kind, a field, a capture, a predicate or an anchor.
    Word(&'a str),
}

/// Groups of which one member must occur.
type Groups = Vec<Vec<String>>;

/// Keywords and operators without which nothing matches: of each group one is written.
pub(super) fn implied(source: &str) -> Groups {
    if patterns(source) != 1 {
        return Groups::new();
    }
    let tokens = tokens(source);
    let mut at = 0;
    sequence(&tokens, &mut at, 0)
        .into_iter()
        .flatten()
        .collect()
}

/// The needs of each item up to the closing bracket, or the end.
fn sequence(tokens: &[Token<'_>], at: &mut usize, depth: usize) -> Vec<Groups> {
    let mut items: Vec<Groups> = Vec::new();
    let mut first = true;
    while let Some(token) = tokens.get(*at) {
        *at += 1;
        match token {
            Token::Close | Token::CloseChoice => break,
            Token::Optional { .. } => drop(items.last_mut().map(std::mem::take)),
            Token::Text(text) if text.contains('\\') => items.push(Groups::new()),
            Token::Text(text) => items.push(vec![vec![(*text).to_owned()]]),
            Token::Open | Token::OpenChoice if depth >= MAX_DEPTH => return items,
            Token::Open => {
                let is_predicate =
                    matches!(tokens.get(*at), Some(Token::Word(word)) if word.starts_with('#'));
                let inner = sequence(tokens, at, depth + 1);
                let needs = inner.into_iter().flatten();
                items.push(needs.filter(|_| !is_predicate).collect());
            }
            Token::OpenChoice => {
                let inner = sequence(tokens, at, depth + 1);
                items.push(one_of(inner));
            }
            Token::Word(word) if first => {
                let known = WRITTEN.iter().find(|(kind, _)| kind == word);
                items.extend(known.map(|(_, keyword)| vec![vec![(*keyword).to_owned()]]));
            }
            Token::Word(_) => {}
        }
        first = false;
    }
    items
}

/// What all alternatives together demand: the longest word of each.
fn one_of(alternatives: Vec<Groups>) -> Groups {
    let length = |group: &Vec<String>| group.iter().map(String::len).min();
    let best = |groups: Groups| groups.into_iter().max_by_key(length);
    let mut out: Vec<String> = Vec::new();
    for groups in alternatives {
        match best(groups) {
            Some(group) => out.extend(group),
            None => return Groups::new(),
        }
    }
    out.sort_unstable();
    out.dedup();
    if out.is_empty() {
        Groups::new()
    } else {
        vec![out]
    }
}

pub(super) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut out = Vec::new();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let tail = &rest[c.len_utf8()..];
        let (token, after) = match c {
            '(' => (Token::Open, tail),
            ')' => (Token::Close, tail),
            '[' => (Token::OpenChoice, tail),
            ']' => (Token::CloseChoice, tail),
            '?' | '*' => (Token::Optional { many: c == '*' }, tail),
            '"' => {
                let end = text_end(tail);
                (Token::Text(&tail[..end]), tail.get(end + 1..).unwrap_or(""))
            }
            ';' => {
                rest = tail.split_once('\n').map_or("", |(_, next)| next);
                continue;
            }
            c if c.is_whitespace() => {
                rest = tail;
                continue;
            }
            _ => {
                let end = rest
                    .find(|c: char| c.is_whitespace() || "()[]\"".contains(c))
                    .unwrap_or(rest.len());
                let word = &rest[..end];
                // A quantifier clings to what it is about; a predicate's `?` is part of its name.
                let is_predicate = word.starts_with('#');
                let plain = word.trim_end_matches(['?', '*']);
                let end = if is_predicate { end } else { plain.len() };
                (Token::Word(&rest[..end]), &rest[end..])
            }
        };
        out.push(token);
        rest = after;
    }
    out
}

/// Where the quotation mark stands that ends a text.
fn text_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if c == '"' && !escaped {
            return at;
        }
        escaped = c == '\\' && !escaped;
    }
    text.len()
}

/// Kinds that stand for many kinds.
pub(super) const SUPERTYPES: [&str; 6] = [
    "expression",
    "statement",
    "pattern",
    "parameter",
    "type_specifier",
    "primary_expression",
];

/// The kind of node that every match begins at, where the source names one.
pub(super) fn kind(source: &str) -> Option<String> {
    let tokens = tokens(source);
    let mut inside = tokens.iter().skip_while(|it| **it == Token::Open);
    match (patterns(source), tokens.first()?, inside.next()?) {
        (1, Token::Open, Token::Word(word)) => {
            let plain = word.starts_with(|c: char| c.is_ascii_lowercase());
            (plain && !SUPERTYPES.contains(word)).then(|| (*word).to_owned())
        }
        _ => None,
    }
}

/// Whether a match begins at one node, and not at several side by side: `((a) (b))`.
pub(super) fn is_rooted(source: &str) -> bool {
    let tokens = tokens(source);
    let group = |it: &Token<'_>| matches!(it, Token::Open | Token::OpenChoice);
    if patterns(source) != 1 {
        return false;
    }
    if !tokens.get(1).is_some_and(group) {
        return true;
    }
    if tokens.get(2).is_some_and(group) && tokens.get(1) == Some(&Token::Open) {
        return false;
    }
    let (mut depth, mut count) = (0_usize, 0);
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Open | Token::OpenChoice => {
                let predicate =
                    matches!(tokens.get(at + 1), Some(Token::Word(word)) if word.starts_with('#'));
                count += usize::from(depth == 1 && !predicate);
                depth += 1;
            }
            Token::Close | Token::CloseChoice => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    count == 1
}

/// How deep the brackets of a query's source are nested, which bounds the levels of a match.
pub(super) fn depth(source: &str) -> usize {
    let (mut depth, mut most) = (0_usize, 0);
    for token in tokens(source) {
        match token {
            Token::Open | Token::OpenChoice => depth += 1,
            Token::Close | Token::CloseChoice => depth = depth.saturating_sub(1),
            _ => {}
        }
        most = most.max(depth);
    }
    most
}

/// The words that a query's `#eq?` and `#any-of?` predicates demand. Alternative patterns demand
/// different words, so a query with several demands none.
pub(super) fn words(source: &str) -> Vec<Vec<String>> {
    if patterns(source) != 1 {
        return Vec::new();
    }
    let mut out = Vec::new();
    if source.contains("(preproc_def") {
        out.push(vec!["define".to_owned()]);
    }
    for name in ["(#eq? ", "(#any-of? "] {
        for (at, _) in source.match_indices(name) {
            let inside = source[at..].split(')').next().unwrap_or("");
            let group: Vec<String> = inside
                .split('"')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect();
            // A node that the parser made up has no text.
            let is_sure = !group.iter().any(String::is_empty);
            if !group.is_empty() && is_sure && !inside.contains('\\') {
                out.push(group);
            }
        }
    }
    out
}

/// The expressions that text must fit for a query to match, its escapes undone: those of a node's
/// own text, and those of what stands around.
pub(super) fn expressions(source: &str) -> (Vec<String>, Vec<String>) {
    let (mut own, mut around) = (Vec::new(), Vec::new());
    if patterns(source) != 1 {
        return (own, around);
    }
    let tokens = tokens(source);
    for (at, token) in tokens.iter().enumerate() {
        let Token::Word(name) = token else { continue };
        let mut texts = tokens[at + 1..]
            .iter()
            .take_while(|it| **it != Token::Close);
        match *name {
            "#match?" => {
                let capture = texts.next();
                let sure = matches!(capture, Some(Token::Word(it)) if is_certain(&tokens, it));
                if let (true, Some(Token::Text(text))) = (sure, texts.next()) {
                    own.push(unescaped(text));
                }
            }
            // Without its captures such a predicate does not hold.
            "#around?" | "#before?" | "#after?" | "#within?" | "#inside?" => {
                if let Some(Token::Text(text)) = texts.last() {
                    around.push(unescaped(text));
                }
            }
            _ => {}
        }
    }
    (own, around)
}

/// Whether every match has that capture: it is in no part that may be missing, and in each of the
/// alternatives that it is in one of.
fn is_certain(tokens: &[Token<'_>], capture: &str) -> bool {
    let mut at = 0;
    has(tokens, &mut at, capture, 0).contains(&true)
}

/// Whether each item up to the closing bracket, or the end, surely has the capture.
fn has(tokens: &[Token<'_>], at: &mut usize, capture: &str, depth: usize) -> Vec<bool> {
    let mut items = Vec::new();
    while let Some(token) = tokens.get(*at) {
        *at += 1;
        match token {
            Token::Close | Token::CloseChoice => break,
            Token::Optional { .. } => {
                if let Some(last) = items.last_mut() {
                    *last = false;
                }
            }
            Token::Text(_) | Token::Word("_") => items.push(false),
            Token::Word(word) if word.starts_with('@') => {
                if let Some(last) = items.last_mut() {
                    *last |= *word == capture;
                }
            }
            Token::Word(_) => {}
            Token::Open | Token::OpenChoice if depth >= MAX_DEPTH => return Vec::new(),
            Token::Open => {
                let is_predicate =
                    matches!(tokens.get(*at), Some(Token::Word(word)) if word.starts_with('#'));
                let inner = has(tokens, at, capture, depth + 1);
                items.push(!is_predicate && inner.contains(&true));
            }
            Token::OpenChoice => {
                let inner = has(tokens, at, capture, depth + 1);
                items.push(!inner.is_empty() && inner.iter().all(|it| *it));
            }
        }
    }
    items
}

/// The text that a query's quoted text stands for.
pub(super) fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some('t') => out.push('\t'),
                Some('0') => out.push('\0'),
                other => out.extend(other),
            },
            (other, false) => out.push(other),
        }
    }
    out
}

/// How many patterns stand side by side in a query's source.
pub(super) fn patterns(source: &str) -> usize {
    let (mut depth, mut count) = (0_usize, 0);
    let mut chars = source.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                while let Some(c) = chars.next() {
                    match c {
                        '\\' => drop(chars.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            ';' => drop(chars.by_ref().find(|it| *it == '\n')),
            '(' | '[' => {
                count += usize::from(depth == 0);
                depth += 1;
            }
            ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    count
}
