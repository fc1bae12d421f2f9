//! From rows of a dump to one post: decoded, as text, with who wrote it and under which licence.
//! It knows the schema of dumps; where rows come from is not its business.

use kb_schema::{Comment, Language, Post};
use regex::bytes::Regex;

use crate::clean::clean;
use crate::html;
use crate::row::Fields;

/// The most comments of one post.
pub(crate) const MAX_COMMENTS: usize = 100;
/// The longest comment that is kept, in characters; the site allows a third of it.
const MAX_COMMENT: usize = 2_000;
/// The longest title and name that are kept, in characters.
const MAX_TITLE: usize = 300;

/// From when on posts carry which licence, the newest first.
const LICENCES: [(&str, &str); 2] = [
    ("2018-05-02", "CC BY-SA 4.0"),
    ("2011-04-08", "CC BY-SA 3.0"),
];
/// What they carried before.
const FIRST_LICENCE: &str = "CC BY-SA 2.5";

/// What rows cannot say by themselves.
pub(crate) struct Context<'a> {
    pub(crate) site: &'a str,
    pub(crate) security: &'a Regex,
    pub(crate) denial: &'a (Regex, Regex),
    pub(crate) source: &'a str,
}

/// The rows of one post.
pub(crate) struct Sources {
    pub(crate) answer: Fields,
    pub(crate) question: Option<Fields>,
    /// In the order of the file.
    pub(crate) comments: Vec<Fields>,
}

/// Builds a post. `name` gives the name of an author by number.
pub(crate) fn build(
    context: &Context<'_>,
    sources: &Sources,
    name: &mut dyn FnMut(u32) -> Option<String>,
) -> Option<Post> {
    let row = &sources.answer;
    let id = row.number("Id")?;
    let mut text = html::read(row.get("Body").unwrap_or_default());
    let question = sources.question.as_ref();
    let tags = question.map(tags).unwrap_or_default();
    let mut comments = Vec::new();
    for comment in &sources.comments {
        let comment = read_comment(context, comment, name);
        if comment.warns && !comment.denies {
            for marker in quoted(&comment.text) {
                text.mark(marker);
            }
        }
        comments.push(comment);
    }
    // Stable, so that comments of one rank stay in the order of the conversation.
    comments.sort_by_key(|it| (!it.warns || it.denies, std::cmp::Reverse(it.score)));
    let title = question.and_then(|it| it.get("Title"));
    let title = title.map_or_else(|| format!("Answer {id}"), |it| short(&clean(it), MAX_TITLE));
    let (author, author_link) = author(context, row, ("OwnerUserId", "OwnerDisplayName"), name);
    let date = day(row.get("CreationDate"));
    Some(Post {
        id: id.into(),
        title,
        link: Some(format!("{}/a/{id}", context.site)),
        author,
        author_link,
        licence: licence(row, date.as_deref()),
        date,
        changed: day(row.get("LastEditDate")),
        score: row.score(),
        languages: languages(&tags),
        tags,
        prose: text.prose,
        code: text.code,
        markers: text.markers,
        warns: false,
        comments,
        source: context.source.to_owned(),
    })
}

fn read_comment(
    context: &Context<'_>,
    row: &Fields,
    name: &mut dyn FnMut(u32) -> Option<String>,
) -> Comment {
    let raw = row.get("Text").unwrap_or_default();
    let (author, author_link) = author(context, row, ("UserId", "UserDisplayName"), name);
    let date = day(row.get("CreationDate"));
    Comment {
        author,
        author_link,
        licence: licence(row, date.as_deref()),
        date,
        score: row.score(),
        text: short(&clean(raw), MAX_COMMENT),
        warns: context.security.is_match(raw.as_bytes()),
        denies: context.denial.0.is_match(raw.as_bytes())
            && !context.denial.1.is_match(raw.as_bytes()),
    }
}

/// An author's name and page.
fn author(
    context: &Context<'_>,
    row: &Fields,
    (number, display): (&str, &str),
    name: &mut dyn FnMut(u32) -> Option<String>,
) -> (Option<String>, Option<String>) {
    let number = row.number(number);
    let named = row.get(display).map(str::to_owned);
    let named = named
        .or_else(|| name(number?))
        .or_else(|| Some(format!("user {}", number?)));
    let link = number.map(|it| format!("{}/users/{it}", context.site));
    (named.map(|it| short(&clean(&it), MAX_TITLE)), link)
}

/// The licence that the row names, else that of its day.
fn licence(row: &Fields, date: Option<&str>) -> Option<String> {
    if let Some(named) = row.get("ContentLicense") {
        return Some(short(named, MAX_TITLE));
    }
    let date = date?;
    let found = LICENCES.iter().find(|(from, _)| date >= *from);
    Some(found.map_or(FIRST_LICENCE, |(_, name)| *name).to_owned())
}

/// The day of a time stamp, if it is one.
fn day(stamp: Option<&str>) -> Option<String> {
    let day = stamp?.get(..10)?;
    let fits = day.bytes().enumerate().all(|(place, it)| match place {
        4 | 7 => it == b'-',
        _ => it.is_ascii_digit(),
    });
    fits.then(|| day.to_owned())
}

fn tags(question: &Fields) -> Vec<String> {
    let tags = question.get("Tags").unwrap_or_default();
    tags.split(['<', '>', '|', ' '])
        .filter(|it| !it.is_empty())
        .take(20)
        .map(|it| short(it, 64))
        .collect()
}

/// Tags that say a language although they do not name it.
const PYTHON: [&str; 8] = [
    "django",
    "flask",
    "numpy",
    "pandas",
    "sqlalchemy",
    "jinja2",
    "fastapi",
    "pyyaml",
];

/// The languages that tags tell of.
pub(crate) fn languages(tags: &[String]) -> Vec<Language> {
    let mut found = Vec::new();
    for tag in tags {
        let tag = tag.as_str();
        let language = if tag == "python" || tag.starts_with("python-") || PYTHON.contains(&tag) {
            Language::Python
        } else if matches!(tag, "c" | "c89" | "c99" | "c11" | "c17" | "c++" | "glibc") {
            Language::C
        } else {
            continue;
        };
        if !found.contains(&language) {
            found.push(language);
        }
    }
    found
}

/// What stands between back-ticks.
pub(crate) fn quoted(text: &str) -> impl Iterator<Item = &str> {
    let closed = text.matches('`').count() / 2 * 2;
    text.split('`')
        .enumerate()
        .filter(move |(place, _)| place % 2 == 1 && *place < closed)
        .map(|(_, part)| part)
}

fn short(text: &str, most: usize) -> String {
    let text = text.trim();
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
