//! A human source: where people explained a weakness to each other.
//! It holds identity and attribution; it never holds copied text of a bundled source.

use serde::{Deserialize, Serialize};

/// Where a discussion stands.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub enum Site {
    /// A Stack Overflow question: its number and slug.
    StackOverflow {
        /// The question's number.
        question: u64,
        /// The readable end of its address.
        slug: String,
    },
    /// An official page (language documentation, OWASP, CERT, CWE).
    Page {
        /// Its full address.
        url: String,
    },
}

/// One human source of an entry, with our one-line summary of what it warns of.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Discussion {
    /// Where it stands.
    pub site: Site,
    /// Its title, in the words that the slug gives or that we chose for a page.
    pub title: String,
    /// What it warns of, in our own words, one line.
    pub warns: String,
}

impl Discussion {
    /// The address a reader can open.
    #[must_use]
    pub fn url(&self) -> String {
        match &self.site {
            Site::StackOverflow { question, slug } => {
                format!("https://stackoverflow.com/questions/{question}/{slug}")
            }
            Site::Page { url } => url.clone(),
        }
    }
}

/// The TOML form of a discussion: a question with its slug, or a page's address.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawDiscussion {
    pub(crate) question: Option<u64>,
    pub(crate) slug: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) warns: String,
}

impl RawDiscussion {
    pub(crate) fn build(self) -> Result<Discussion, String> {
        if self.warns.trim().is_empty() || self.warns.contains('\n') {
            return Err("`warns` must be one line that says what the source warns of".into());
        }
        match (self.question, self.slug, self.url) {
            (Some(question), Some(slug), None) => {
                if !slug.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') || slug.is_empty() {
                    return Err(format!(
                        "slug `{slug}` may hold letters, digits and `-` only"
                    ));
                }
                let title = self.title.unwrap_or_else(|| slug.replace('-', " "));
                Ok(Discussion {
                    site: Site::StackOverflow { question, slug },
                    title,
                    warns: self.warns,
                })
            }
            (None, None, Some(url)) => {
                if !url.starts_with("https://") {
                    return Err(format!("url `{url}` must begin with https://"));
                }
                let title = self
                    .title
                    .ok_or("a page needs a `title` beside its `url`")?;
                Ok(Discussion {
                    site: Site::Page { url },
                    title,
                    warns: self.warns,
                })
            }
            _ => Err("a discussion needs `question` and `slug`, or `url` and `title`".into()),
        }
    }
}
