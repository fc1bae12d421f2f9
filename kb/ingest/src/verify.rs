//! Discussions that somebody should look at: without attribution, outdated, or said twice.
//! It names them and changes nothing.

use std::collections::HashMap;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::LazyLock;

use kb_index::{IndexError, IndexKind, Installed, PostWriter};
use kb_schema::Post;
use regex::Regex;

/// Posts that were written before and never edited since are old for a matter of security.
const OLD: &str = "2012-01-01";
/// Shorter code is alike by chance.
const MIN_REPEATED: usize = 40;

static OUTDATED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)\b(?:out[- ]?dated|out of date|obsolete|deprecated|no longer (?:works?|true|recommended|maintained|safe)",
        r"|this (?:answer|post|advice) is (?:old|wrong|dangerous)|superseded|removed in (?:python|version))\b"
    ))
    .expect("the expression is a constant and a test compiles it")
});

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerdictKind {
    /// Nobody can tell who wrote it, when, or under which licence.
    Unattributed,
    /// Somebody says so, or its age does.
    Outdated,
    /// Another one has the same code.
    Repeated,
}

impl fmt::Display for VerdictKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unattributed => "lacks attribution",
            Self::Outdated => "looks outdated",
            Self::Repeated => "repeats another",
        })
    }
}

/// One discussion to look at.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// Where it can be read.
    pub link: Option<String>,
    /// The file it came from.
    pub source: String,
    /// What is wrong.
    pub kind: VerdictKind,
    /// What gives it away.
    pub reason: String,
}

/// Looks through an index.
///
/// # Errors
/// The index is damaged.
pub fn verify(index: &Installed, tell: &mut dyn FnMut(&Verdict)) -> Result<(), IndexError> {
    // Numbers only, so that an index of millions can be looked through.
    let mut seen: HashMap<u64, u64> = HashMap::new();
    index.each_post(&mut |post| {
        let mut say = |kind, reason: String| {
            tell(&Verdict {
                link: post.link.clone(),
                source: post.source.clone(),
                kind,
                reason,
            });
        };
        if let Some(missing) = missing(&post, index.manifest.kind) {
            say(VerdictKind::Unattributed, format!("no {missing}"));
        }
        if let Some(reason) = outdated(&post) {
            say(VerdictKind::Outdated, reason);
        }
        let code: String = post
            .code
            .iter()
            .flat_map(|it| it.split_whitespace())
            .collect();
        if code.len() >= MIN_REPEATED {
            let other = *seen.entry(PostWriter::number_of(&code)).or_insert(post.id);
            if other != post.id {
                say(
                    VerdictKind::Repeated,
                    format!("its code is that of post {other}"),
                );
            }
        }
        ControlFlow::Continue(())
    })
}

fn missing(post: &Post, kind: IndexKind) -> Option<String> {
    let mut missing = Vec::new();
    let mut need = |has: bool, name| {
        if !has {
            missing.push(name);
        }
    };
    need(post.author.is_some(), "author");
    need(post.date.is_some(), "date");
    // A company's own notes are under no licence and on no site.
    if kind == IndexKind::Dump {
        need(post.licence.is_some(), "licence");
        need(post.link.is_some(), "link");
    }
    (!missing.is_empty()).then(|| missing.join(", "))
}

fn outdated(post: &Post) -> Option<String> {
    for comment in &post.comments {
        if let Some(found) = OUTDATED.find(&comment.text) {
            let by = comment.author.as_deref().unwrap_or("somebody");
            return Some(format!("{by} says `{}`", found.as_str()));
        }
    }
    let last = post.changed.as_deref().or(post.date.as_deref())?;
    (last < OLD).then(|| format!("nobody changed it since {last}"))
}
