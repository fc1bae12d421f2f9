//! The page shown over a finding: what it is, why, and who explained it. Composes text from what
//! the entry and the index say, and adds no knowledge of its own.

use std::fmt::Write as _;

use analysis::Finding;
use kb_schema::{Lead, Post};
use origin::Mark;
use tower_lsp::gen_lsp_types as types;
use types::{Hover, MarkupContent, MarkupKind};

use crate::capabilities::Profile;
use crate::session::{Related, Session};
use crate::state::View;
use crate::{from_proto, to_proto};

/// How many steps of a trace are shown.
const STEPS: usize = 6;

/// The page for a position, if there are findings at it.
pub(crate) fn at(
    session: &Session,
    view: &View,
    position: types::Position,
    profile: &Profile,
    marks: &[Mark],
) -> Option<Hover> {
    let analyzed = &view.analyzed;
    let text = &analyzed.document.text;
    let byte = text.byte_of(from_proto::position(position), profile.encoding);
    let here = |finding: &Finding| finding.range.start <= byte && byte <= finding.range.end;
    let found: Vec<_> = view.findings().filter(|(_, it, _)| here(it)).collect();
    let Some((_, first, _)) = found.first() else {
        return lead_at(session, view, byte, profile, marks);
    };
    let pages = found.iter().map(|(_, finding, origin)| {
        let related = session.related(finding.slice_text(&analyzed.text), &finding.entry);
        let page = Page {
            words: Words {
                markdown: profile.markdown,
            },
            view,
            finding,
        };
        page.write(*origin, &related)
    });
    let value = pages.collect::<Vec<_>>().join("\n---\n\n");
    let kind = kind(profile);
    Some(Hover {
        contents: MarkupContent { kind, value }.into(),
        range: Some(to_proto::range(&first.range, text, profile.encoding)),
    })
}

/// The page for a lead on the line of a position, where an AI inserted it and no finding is there.
fn lead_at(
    session: &Session,
    view: &View,
    byte: usize,
    profile: &Profile,
    marks: &[Mark],
) -> Option<Hover> {
    let analyzed = &view.analyzed;
    if !analyzed.settings().show_leads || !marks.iter().any(|it| touches(&it.range, byte)) {
        return None;
    }
    let language = match analyzed.document.language {
        syntax::Language::Python => kb_schema::Language::Python,
        syntax::Language::C => kb_schema::Language::C,
    };
    let text = &analyzed.text;
    let start = text.get(..byte)?.rfind('\n').map_or(0, |it| it + 1);
    let end = text[byte..].find('\n').map_or(text.len(), |it| byte + it);
    let leads = session.leads(text, language);
    let mut here: Vec<&Lead> = leads
        .iter()
        .filter(|it| it.range.start < end && start < it.range.end)
        .filter(|it| {
            marks
                .iter()
                .any(|mark| mark.range.start < it.range.end && it.range.start < mark.range.end)
        })
        .collect();
    // The one under the cursor comes first, where it is one.
    here.sort_by_key(|it| (!touches(&it.range, byte), it.range.start));
    let first = here.first()?;
    let words = Words {
        markdown: profile.markdown,
    };
    let pages: Vec<String> = here.iter().map(|it| words.lead(it)).collect();
    Some(Hover {
        contents: MarkupContent {
            kind: kind(profile),
            value: pages.join("\n---\n\n"),
        }
        .into(),
        range: Some(to_proto::range(
            &first.range,
            &analyzed.document.text,
            profile.encoding,
        )),
    })
}

fn touches(range: &std::ops::Range<usize>, byte: usize) -> bool {
    range.start <= byte && byte <= range.end
}

fn kind(profile: &Profile) -> MarkupKind {
    if profile.markdown {
        MarkupKind::Markdown
    } else {
        MarkupKind::PlainText
    }
}

struct Page<'v> {
    words: Words,
    view: &'v View,
    finding: &'v Finding,
}

/// How text becomes part of a page.
#[derive(Clone, Copy)]
struct Words {
    markdown: bool,
}

impl Page<'_> {
    fn write(&self, origin: Option<&Mark>, related: &Related) -> String {
        let entry = &self.finding.entry;
        let mut page = format!("{}\n\n", self.words.strong(&entry.title));
        for paragraph in [
            first_paragraph(&entry.body().why),
            first_paragraph(&entry.body().guideline),
        ] {
            if !paragraph.is_empty() {
                page.push_str(paragraph);
                page.push_str("\n\n");
            }
        }
        self.write_trace(&mut page);
        self.write_discussions(&mut page, related);
        let cwe = entry.cwe.iter().map(|number| {
            let address = format!("https://cwe.mitre.org/data/definitions/{number}.html");
            self.words.link(&format!("CWE-{number}"), &address)
        });
        let mut foot: Vec<String> = cwe.collect();
        foot.push(if self.words.markdown {
            format!("`{}`", entry.id)
        } else {
            entry.id.clone()
        });
        if let Some(mark) = origin {
            foot.push(format!(
                "{} ({})",
                to_proto::origin_note(mark),
                self.words.plain(&mark.source)
            ));
        }
        page.push_str(&foot.join(" · "));
        page.push('\n');
        page
    }

    fn write_trace(&self, page: &mut String) {
        let trace = &self.finding.trace;
        if trace.is_empty() {
            return;
        }
        let _ = writeln!(page, "{}", self.words.strong("How the data gets here"));
        page.push('\n');
        // The way in and the way out matter most, so what is left out is left out between.
        let skipped = trace.len().saturating_sub(STEPS);
        for (index, step) in trace.iter().enumerate() {
            if skipped > 0 && (STEPS / 2..STEPS / 2 + skipped).contains(&index) {
                if index == STEPS / 2 {
                    let _ = writeln!(page, "- … {skipped} more");
                }
                continue;
            }
            let text = &self.view.analyzed.document.text;
            let line = text
                .position_of(step.range.start, syntax::Encoding::Utf8)
                .line
                + 1;
            let _ = writeln!(page, "- line {line}: {}", self.words.plain(&step.note));
        }
        page.push('\n');
    }

    fn write_discussions(&self, page: &mut String, related: &Related) {
        let own = &self.finding.entry.discussions;
        if own.is_empty() && related.discussions.is_empty() && related.posts.is_empty() {
            return;
        }
        let _ = writeln!(page, "{}", self.words.strong("What people say"));
        page.push('\n');
        for discussion in own.iter().chain(&related.discussions) {
            let link = self.words.link(&discussion.title, &discussion.url());
            let _ = writeln!(page, "- {link}: {}", self.words.plain(&discussion.warns));
        }
        for post in &related.posts {
            let _ = writeln!(page, "- {}", self.words.imported(post, &post.gist()));
        }
        page.push('\n');
    }
}

impl Words {
    /// A lead: what is said, by how many, and where.
    fn lead(self, lead: &Lead) -> String {
        let mut page = format!(
            "{}\n\n",
            self.strong(&format!("A lead: people warn of {}", lead.sign))
        );
        let _ = writeln!(
            page,
            "{} people warn of it in imported discussions, and nobody credible disagrees. \
             No entry knows it: this is no finding, and nothing was proven.\n",
            lead.warners
        );
        let _ = writeln!(page, "{}\n", self.strong("What people say"));
        for source in &lead.sources {
            let _ = writeln!(page, "- {}", self.imported(&source.post, &source.gist()));
        }
        page
    }

    /// An imported discussion, with what its licence asks to be shown.
    fn imported(self, post: &Post, gist: &str) -> String {
        let title = match &post.link {
            Some(link) if self.markdown && is_plain_address(link) => {
                format!("[{}]({link})", self.inert(&post.title))
            }
            Some(link) if is_plain_address(link) => format!("{} <{link}>", self.inert(&post.title)),
            _ => format!("{} ({})", self.inert(&post.title), self.inert(&post.source)),
        };
        let gist = self.inert(gist);
        format!("{title}: {gist} ({})", self.inert(&post.attribution()))
    }

    /// A stranger's text: one line, and nothing in it is markup.
    fn inert(self, text: &str) -> String {
        let spaced = |it: char| if it.is_control() { ' ' } else { it };
        let line: String = text.chars().map(spaced).collect();
        if !self.markdown {
            return line;
        }
        let mut out = String::with_capacity(line.len());
        for char in line.chars() {
            if char.is_ascii_punctuation() && !matches!(char, '.' | ',' | '-' | ':' | '\'' | '/') {
                out.push('\\');
            }
            out.push(char);
        }
        out
    }

    fn strong(self, text: &str) -> String {
        if self.markdown {
            format!("**{}**", self.plain(text))
        } else {
            text.to_owned()
        }
    }

    fn link(self, title: &str, address: &str) -> String {
        if self.markdown {
            format!("[{}]({address})", self.plain(title))
        } else {
            format!("{title} <{address}>")
        }
    }

    /// Text that must show as it is: a name such as `__init__` is no emphasis, and nothing that an
    /// imported text says becomes a link.
    fn plain(self, text: &str) -> String {
        if !self.markdown {
            return text.to_owned();
        }
        let mut out = String::with_capacity(text.len());
        for char in text.chars() {
            if matches!(
                char,
                '\\' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '!' | '|'
            ) {
                out.push('\\');
            }
            out.push(char);
        }
        out
    }
}

/// Whether an address can stand in a link: it opens a page and ends where it should.
fn is_plain_address(link: &str) -> bool {
    let opens = link.starts_with("https://") || link.starts_with("http://");
    let ends = |it: char| it.is_whitespace() || it.is_control() || "()<>[]\"`\\".contains(it);
    opens && !link.contains(ends)
}

fn first_paragraph(markdown: &str) -> &str {
    markdown
        .trim()
        .split("\n\n")
        .next()
        .unwrap_or_default()
        .trim_end()
}
