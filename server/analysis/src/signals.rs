//! Which functions of a C file run when a signal arrives.
//! It reads words and brackets only; what such a function may do is the entries' business.

use memchr::memmem;
use rustc_hash::FxHashSet;

/// The most handlers of signals whose calls are looked for: more than there are signals.
const MAX_HANDLERS: usize = 64;

/// The functions that a text registers for signals: `signal(SIGTERM, stop)`, `sa.sa_handler = stop`.
pub(crate) fn handlers(text: &str) -> FxHashSet<Box<str>> {
    let mut out: FxHashSet<Box<str>> = FxHashSet::default();
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut take = |rest: &str| {
        let rest = rest.trim_start().trim_start_matches('&');
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let name = &rest[..end];
        if !name.is_empty() && !name.starts_with("SIG_") {
            out.insert(name.into());
        }
    };
    for word in ["sa_handler", "sa_sigaction"] {
        for at in memmem::find_iter(text.as_bytes(), word) {
            let rest = text[at + word.len()..].trim_start();
            if let Some(rest) = rest.strip_prefix('=').filter(|it| !it.starts_with('=')) {
                take(rest);
            }
        }
    }
    let word = "signal(";
    for at in memmem::find_iter(text.as_bytes(), word) {
        let inside = &text[at + word.len()..];
        // `signal(SIGINT, stop)`: the second argument of a call on one line.
        let line = inside.lines().next().unwrap_or("");
        if let Some((first, rest)) = line.split_once(',')
            && first.trim_start().starts_with("SIG")
            && !text[..at].ends_with(is_part)
        {
            take(rest);
        }
    }
    // What prints a last report before the program dies has nothing to lose.
    let last = |name: &str| {
        let name = name.to_ascii_lowercase();
        ["crash", "segv", "fatal", "fault", "abort", "exit"]
            .iter()
            .any(|it| name.contains(it))
    };
    let others = out.iter().filter(|it| !last(it.as_ref()));
    let called = others.take(MAX_HANDLERS).flat_map(|it| called_by(text, it));
    let called: Vec<Box<str>> = called.filter(|it| !last(it.as_ref())).collect();
    out.extend(called);
    out
}

/// Where the bracket is closed that a text begins with, or the text's end.
fn closed(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return at,
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    text.len()
}

/// The names that the function of that name calls, each of which runs when it does.
fn called_by(text: &str, name: &str) -> Vec<Box<str>> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let head = format!("{name}(");
    let body = text.match_indices(&head).find_map(|(at, _)| {
        let rest = &text[at + head.len()..];
        let rest = &rest[rest.find(')')? + 1..];
        // A call or a declaration ends before any bracket.
        let rest = &rest[rest.find(['{', ';', ')', ','])?..];
        let whole = !text[..at].ends_with(is_part) && rest.starts_with('{');
        whole.then(|| &rest[..closed(rest)])
    });
    let before = body.unwrap_or("").split('(');
    let names = before.map(|it| &it[it.trim_end_matches(is_part).len()..]);
    names.filter(|it| !it.is_empty()).map(Into::into).collect()
}
