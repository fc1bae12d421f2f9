//! Which words a regular expression cannot do without, so that texts without them need not be
//! looked at. It knows expressions only.

use regex_syntax::hir::{Class, Hir, HirKind, Look};
use serde::{Deserialize, Serialize};

/// A word that must occur, in upper or lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub struct Need {
    /// The word in lower case.
    pub text: String,
    /// It opens the text: nothing but spaces and opening brackets stands before it.
    pub opens: bool,
    /// What follows it.
    pub then: Then,
}

/// What follows a needed word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub enum Then {
    /// Anything.
    Any,
    /// No letter, digit or underscore.
    Break,
    /// A space of some kind.
    Space,
}

/// More alternatives than this tell too little.
const MAX_NEEDS: usize = 64;
/// Shorter words stand everywhere, unless they open a text.
const MIN_NEED: usize = 2;
/// The most ways to spell one run of letters.
const MAX_SPELLINGS: usize = 48;

/// Of these groups one must occur, all of it.
pub(crate) fn of(hir: &Hir) -> Option<Vec<Vec<Need>>> {
    let all = groups(hir, &[])?;
    let telling = |it: &Need| it.text.len() >= if it.opens { 2 } else { MIN_NEED };
    let kept: Vec<Vec<Need>> = all
        .into_iter()
        .map(|group| group.into_iter().filter(telling).collect())
        .collect();
    (kept.len() <= MAX_NEEDS && kept.iter().all(|it| !it.is_empty())).then_some(kept)
}

/// The alternatives of an expression that begins with `^` and a choice, each with what it needs
/// besides its first word; of any other expression the words of which one must occur.
fn groups(hir: &Hir, rest: &[Hir]) -> Option<Vec<Vec<Need>>> {
    let HirKind::Concat(parts) = hir.kind() else {
        return alternatives(hir, rest, &groups);
    };
    let (first, tail) = parts.split_first()?;
    let anywhere = || needed(hir).map(|all| all.into_iter().map(|it| vec![it]).collect());
    if !matches!(first.kind(), HirKind::Look(Look::Start)) {
        return anywhere();
    }
    let blank = tail.iter().take_while(|it| is_blank(it)).count();
    match &tail[blank..] {
        [choice, rest @ ..] => opened(choice, rest).or_else(anywhere),
        [] => None,
    }
}

type Groups<'a> = &'a dyn Fn(&Hir, &[Hir]) -> Option<Vec<Vec<Need>>>;

fn alternatives(hir: &Hir, rest: &[Hir], each: Groups<'_>) -> Option<Vec<Vec<Need>>> {
    match hir.kind() {
        HirKind::Capture(inner) => each(&inner.sub, rest),
        HirKind::Alternation(arms) => {
            let mut all = Vec::new();
            for arm in arms {
                all.extend(each(arm, rest)?);
            }
            Some(all)
        }
        _ => needed(hir).map(|all| all.into_iter().map(|it| vec![it]).collect()),
    }
}

/// What a text that begins with this needs: its first word, and one more.
fn opened(hir: &Hir, rest: &[Hir]) -> Option<Vec<Vec<Need>>> {
    if matches!(hir.kind(), HirKind::Capture(_) | HirKind::Alternation(_)) {
        return alternatives(hir, rest, &opened);
    }
    let own = match hir.kind() {
        HirKind::Concat(parts) => parts.as_slice(),
        _ => std::slice::from_ref(hir),
    };
    let mut first = Vec::new();
    let all: Vec<Hir> = own.iter().chain(rest).cloned().collect();
    starts(&all, &mut first)?;
    if first.is_empty() || first.iter().any(|it| it.text.len() < 2) {
        return None;
    }
    // A word behind the first one, where there is one way only to spell it.
    let behind = own
        .iter()
        .position(|it| spellings(it).is_none())
        .and_then(|at| inside(&own[at..]))
        .filter(|all| all.len() == 1);
    let group = |need: Need| std::iter::once(need).chain(behind.clone().into_iter().flatten());
    Some(first.into_iter().map(|it| group(it).collect()).collect())
}

/// The most telling set of words of which one must occur. How deep an expression nests is bounded
/// by its parser.
fn needed(hir: &Hir) -> Option<Vec<Need>> {
    match hir.kind() {
        HirKind::Capture(inner) => needed(&inner.sub),
        HirKind::Repetition(inner) if inner.min > 0 => needed(&inner.sub),
        HirKind::Alternation(arms) => {
            let mut all = Vec::new();
            for arm in arms {
                all.extend(needed(arm)?);
            }
            Some(all)
        }
        HirKind::Concat(parts) => inside(parts),
        HirKind::Look(_) => None,
        _ => spellings(hir).map(anywhere),
    }
}

fn anywhere(all: Vec<String>) -> Vec<Need> {
    all.into_iter()
        .map(|text| Need {
            text,
            opens: false,
            then: Then::Any,
        })
        .collect()
}

/// The longest run of letters in a sequence.
fn inside(parts: &[Hir]) -> Option<Vec<Need>> {
    let mut best: Option<Vec<Need>> = None;
    let mut keep = |words: Vec<Need>| {
        let least = |it: &Vec<Need>| it.iter().map(|need| need.text.len()).min().unwrap_or(0);
        if best.as_ref().is_none_or(|it| least(it) < least(&words)) {
            best = Some(words);
        }
    };
    let mut run = vec![String::new()];
    for part in parts {
        let longer = spellings(part).filter(|all| all.len() * run.len() <= MAX_SPELLINGS);
        if let Some(all) = longer {
            run = joined(&run, &all);
            continue;
        }
        keep(anywhere(std::mem::replace(&mut run, vec![String::new()])));
        if let Some(words) = needed(part) {
            keep(words);
        }
    }
    keep(anywhere(run));
    best
}

/// The first letters of a sequence, each way they may be spelled.
fn starts(parts: &[Hir], out: &mut Vec<Need>) -> Option<()> {
    let (first, rest) = parts.split_first()?;
    match first.kind() {
        HirKind::Capture(inner) => {
            let mut own = Vec::new();
            starts(std::slice::from_ref(&inner.sub), &mut own)?;
            // Whether the group's words are whole is known only where nothing else follows them.
            if spellings(&inner.sub).is_some() {
                own.iter_mut().for_each(|it| it.then = then(rest));
            }
            out.append(&mut own);
        }
        HirKind::Alternation(arms) => {
            for arm in arms {
                let mut own = Vec::new();
                starts(std::slice::from_ref(arm), &mut own)?;
                if spellings(arm).is_some() {
                    own.iter_mut().for_each(|it| it.then = then(rest));
                }
                out.append(&mut own);
            }
        }
        HirKind::Concat(inner) => starts(inner, out)?,
        _ => {
            let mut run = vec![String::new()];
            let mut used = 0;
            for part in parts {
                let all = spellings(part).filter(|all| all.len() * run.len() <= MAX_SPELLINGS);
                let (Some(all), false) = (all, matches!(part.kind(), HirKind::Look(_))) else {
                    break;
                };
                run = joined(&run, &all);
                used += 1;
            }
            let then = then(&parts[used..]);
            out.extend(run.into_iter().map(|text| Need {
                text,
                opens: true,
                then,
            }));
        }
    }
    Some(())
}

/// What a sequence begins with.
fn then(parts: &[Hir]) -> Then {
    let space = |hir: &Hir| match hir.kind() {
        HirKind::Class(Class::Unicode(class)) => class
            .ranges()
            .iter()
            .all(|it| it.start().is_whitespace() && it.end().is_whitespace()),
        HirKind::Literal(text) => text.0.first() == Some(&b' '),
        _ => false,
    };
    match parts.first().map(Hir::kind) {
        Some(HirKind::Look(Look::WordUnicode | Look::WordEndUnicode)) => Then::Break,
        Some(HirKind::Repetition(inner)) if inner.min > 0 && space(&inner.sub) => Then::Space,
        Some(HirKind::Class(_) | HirKind::Literal(_)) if space(&parts[0]) => Then::Space,
        _ => Then::Any,
    }
}

/// Whether an expression matches spaces and opening brackets only.
fn is_blank(hir: &Hir) -> bool {
    let class = match hir.kind() {
        HirKind::Repetition(inner) => return is_blank(&inner.sub),
        HirKind::Class(Class::Unicode(class)) => class,
        HirKind::Literal(text) => return text.0.iter().all(|it| matches!(it, b' ' | b'(')),
        _ => return false,
    };
    class.ranges().iter().all(|range| {
        let mut chars = range.start()..=range.end();
        chars.clone().count() < 64 && chars.all(|c| c.is_whitespace() || c == '(')
    })
}

/// Every start with every end.
fn joined(starts: &[String], ends: &[String]) -> Vec<String> {
    let mut out = Vec::with_capacity(starts.len() * ends.len());
    for start in starts {
        out.extend(ends.iter().map(|end| format!("{start}{end}")));
    }
    out
}

/// Every text that an expression stands for but for upper and lower case, where they are few.
fn spellings(hir: &Hir) -> Option<Vec<String>> {
    let all = match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => vec![String::new()],
        HirKind::Capture(inner) => spellings(&inner.sub)?,
        HirKind::Repetition(inner) if inner.min == 0 && inner.max == Some(1) => {
            let mut all = spellings(&inner.sub)?;
            all.push(String::new());
            all
        }
        HirKind::Concat(parts) => {
            let mut run = vec![String::new()];
            for part in parts {
                let all = spellings(part)?;
                if run.len() * all.len() > MAX_SPELLINGS {
                    return None;
                }
                run = joined(&run, &all);
            }
            run
        }
        HirKind::Alternation(arms) => {
            let mut all = Vec::new();
            for arm in arms {
                all.extend(spellings(arm)?);
            }
            all
        }
        _ => vec![letters(hir)?],
    };
    (all.len() <= MAX_SPELLINGS).then_some(all)
}

/// Text that an expression stands for but for upper and lower case.
fn letters(hir: &Hir) -> Option<String> {
    match hir.kind() {
        HirKind::Literal(text) => {
            let text = std::str::from_utf8(&text.0).ok()?;
            text.is_ascii().then(|| text.to_ascii_lowercase())
        }
        HirKind::Class(Class::Unicode(class)) => {
            let mut found: Option<char> = None;
            for range in class.ranges() {
                for c in range.start()..=range.end() {
                    // Two letters have a third form; whoever searches must look out for it.
                    let plain = match c {
                        '\u{17f}' => 's',
                        '\u{212a}' => 'k',
                        other => other.to_ascii_lowercase(),
                    };
                    if !plain.is_ascii() || found.is_some_and(|it| it != plain) {
                        return None;
                    }
                    found = Some(plain);
                }
            }
            found.map(String::from)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::of;

    fn needs(source: &str) -> Option<Vec<String>> {
        let all = of(&regex_syntax::parse(source).expect("valid"))?;
        let show = |need: super::Need| {
            let open = if need.opens { "^" } else { "" };
            let then = match need.then {
                super::Then::Any => "",
                super::Then::Break => "|",
                super::Then::Space => " ",
            };
            format!("{open}{}{then}", need.text)
        };
        let group = |all: Vec<super::Need>| all.into_iter().map(show).collect::<Vec<_>>();
        Some(all.into_iter().map(|it| group(it).join("+")).collect())
    }

    #[test]
    fn needed_words_are_those_without_which_nothing_matches() {
        for (source, expected) in [
            (
                "(?i)x(.*_)?(password|secrets?)$",
                vec!["password", "secrets", "secret"],
            ),
            (
                "(API|api)_?KEY",
                vec!["api_key", "apikey", "api_key", "apikey"],
            ),
            ("(?:token)+x", vec!["token"]),
            (r"(?i)^(\w*_)?(password|pwd)$", vec!["password", "pwd"]),
            (r"(?is)^\s*(?:select|if)\b.*", vec!["^select|", "^if|"]),
            (
                r"(?is)^[\s(]*(?:select\s+.+from|insert\s+into)",
                vec!["^select +from", "^insert +into"],
            ),
            ("(?i)^(password|pwd)$", vec!["^password", "^pwd"]),
            ("pw|password", vec!["pw", "password"]),
        ] {
            assert_eq!(needs(source).unwrap_or_default(), expected, "{source}");
        }
        for nothing in ["(password)?", "[a-z]+", "a|password", "^$", "(?i)éé"] {
            assert_eq!(needs(nothing), None, "{nothing}");
        }
    }
}
