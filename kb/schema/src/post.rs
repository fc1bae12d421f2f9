//! An imported discussion: what people wrote, with everything that their licence asks to be shown.
//! It is text of strangers; it knows neither how it was found nor how it is displayed.

use std::fmt::Write;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Language, Term};

/// The longest gist, in characters: one line of a hover.
const GIST_CHARS: usize = 160;

/// An answer with its comment thread, or one note of a company.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Post {
    /// Unique within its index: the answer's number, or a fingerprint of the note's path.
    pub id: u64,
    /// The question's title, or the note's first heading.
    pub title: String,
    /// Where it can be read.
    pub link: Option<String>,
    /// Who wrote it.
    pub author: Option<String>,
    /// The author's own page.
    pub author_link: Option<String>,
    /// The day it was written, `YYYY-MM-DD`.
    pub date: Option<String>,
    /// The day of its last edit, `YYYY-MM-DD`.
    pub changed: Option<String>,
    /// Votes for it less votes against it.
    pub score: i64,
    /// Such as `CC BY-SA 4.0`.
    pub licence: Option<String>,
    /// What the site files it under.
    pub tags: Vec<String>,
    /// The languages of its code; none means that nothing says.
    pub languages: Vec<Language>,
    /// Its text without code blocks.
    pub prose: String,
    /// Its code blocks, in order.
    pub code: Vec<String>,
    /// Code named in passing, by the text or by comments that warn.
    pub markers: Vec<String>,
    /// Whether its own text warns, by the words that the import looked for; only notes are asked,
    /// because an answer mostly shows the code that others warn of.
    #[serde(default, skip_serializing_if = "is_false")]
    pub warns: bool,
    /// What others said about it: warnings first, then by score.
    pub comments: Vec<Comment>,
    /// The file it was imported from, as people know it.
    pub source: String,
}

/// A remark under a post.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Comment {
    /// Who wrote it.
    pub author: Option<String>,
    /// The author's own page.
    pub author_link: Option<String>,
    /// The day it was written, `YYYY-MM-DD`.
    pub date: Option<String>,
    /// Such as `CC BY-SA 4.0`.
    pub licence: Option<String>,
    /// Votes for it.
    pub score: i64,
    /// Its text.
    pub text: String,
    /// Whether it speaks of security, by the words that the import looked for.
    pub warns: bool,
    /// Whether it says that there is nothing to fear.
    #[serde(default, skip_serializing_if = "is_false")]
    pub denies: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn is_false(it: &bool) -> bool {
    !it
}

impl Comment {
    /// How it begins, with who said so.
    #[must_use]
    pub fn gist(&self) -> String {
        let mut line = line(&self.text);
        if let Some(author) = &self.author {
            let _ = write!(line, " ({author})");
        }
        line
    }
}

impl Post {
    /// The comments that warn: they speak of security, and not to say that all is well.
    pub fn warnings(&self) -> impl Iterator<Item = &Comment> {
        let warns = |comment: &&Comment| comment.warns && !comment.denies;
        self.comments.iter().filter(warns)
    }

    /// Author, date, score and licence in one line, as far as they are known.
    #[must_use]
    pub fn attribution(&self) -> String {
        let mut parts = Vec::new();
        if let Some(author) = &self.author {
            parts.push(format!("by {author}"));
        }
        parts.extend(self.date.clone());
        // A note has no votes.
        if self.link.is_some() {
            parts.push(format!("score {}", self.score));
        }
        parts.extend(self.licence.clone());
        if parts.is_empty() {
            parts.push(self.source.clone());
        }
        parts.join(", ")
    }

    /// What it warns of in one line: its best warning, with who said so, else how it begins.
    #[must_use]
    pub fn gist(&self) -> String {
        match self.warnings().next() {
            Some(warning) => warning.gist(),
            None => line(&self.prose),
        }
    }
}

/// The beginning of a text as one line, cut between words where it is long.
fn line(text: &str) -> String {
    let mut line = String::new();
    let mut chars = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count() + 1;
        if chars + length > GIST_CHARS {
            // One word that is longer than a line is cut within.
            if line.is_empty() {
                line.extend(word.chars().take(GIST_CHARS));
            }
            line.push('…');
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        chars += length;
    }
    line
}

/// One imported discussion that a search found.
#[derive(Debug, Clone)]
pub struct PostHit {
    /// The name of the index it stands in.
    pub index: Arc<str>,
    /// Its place among that index's hits, from 1.
    pub rank: usize,
    /// The discussion.
    pub post: Arc<Post>,
    /// BM25 score, comparable within one index and one query only.
    pub score: f32,
    /// Which terms made the score, best first.
    pub terms: Vec<Term>,
    /// How many discussions the index holds.
    pub of: u64,
    /// The share of what could be scored by the query's rarest terms that this one scored, from 0
    /// to 1: comparable between indexes.
    pub coverage: f32,
}
