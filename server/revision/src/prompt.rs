//! What a model is asked: the code, the finding as a fact, the community's advice as quoted data,
//! and the freedom to change nothing (SOSecure, METHODS.md §1.4). It asks nobody itself.

use std::fmt;
use std::fmt::Write;
use std::ops::Range;

use analysis::Finding;
use kb_schema::{Entry, ExampleKind};
use syntax::Language;

use crate::advice::{self, Advice};
use crate::answer::SENTINEL;
use crate::demonstration::{self, Cure};
use crate::gate::Rejection;
use crate::mask::Mask;
use crate::model::{Message, Role};

/// How a revision is asked for. `docs/revision.md` defines each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mode {
    /// Review and improve, without a word of security.
    PromptOnly,
    /// A look for weaknesses, without a finding or advice.
    RevisionOnly,
    /// The weakness is named.
    Cwe,
    /// The weakness is named and described.
    CwePlus,
    /// The finding as a fact, with the community's advice.
    Community,
    /// Only the entries' own fixes; no model is asked.
    Templates,
    /// The entries' own fixes, and `Community` for the rest.
    TemplatesCommunity,
}

impl Mode {
    /// Every mode, in the order of the documentation.
    pub const ALL: [Self; 7] = [
        Self::PromptOnly,
        Self::RevisionOnly,
        Self::Cwe,
        Self::CwePlus,
        Self::Community,
        Self::Templates,
        Self::TemplatesCommunity,
    ];

    /// Its name.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::PromptOnly => "prompt-only",
            Self::RevisionOnly => "revision-only",
            Self::Cwe => "cwe",
            Self::CwePlus => "cwe+",
            Self::Community => "community",
            Self::Templates => "templates",
            Self::TemplatesCommunity => "templates+community",
        }
    }

    /// The mode of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.id() == name)
    }

    /// Whether the entries' own fixes come first.
    #[must_use]
    pub fn templates(self) -> bool {
        matches!(self, Self::Templates | Self::TemplatesCommunity)
    }

    /// What a model is asked, where one is.
    #[must_use]
    pub fn asks(self) -> Option<Self> {
        match self {
            Self::Templates => None,
            Self::TemplatesCommunity => Some(Self::Community),
            other => Some(other),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// A question that is ready to be sent, or to be shown.
#[derive(Debug)]
pub struct Prompt {
    /// The turns.
    pub messages: Vec<Message>,
    /// How many secrets of the code are masked in it.
    pub masked: usize,
    pub(crate) mask: Mask,
}

impl Prompt {
    /// What a model is told that would leave code with a proven weakness as it is. The line that
    /// must go is quoted, and no way out stands behind it: small models take the last one offered.
    pub(crate) fn insist(&self, text: &str, finding: &Finding) -> Message {
        let line = text
            .get(finding.matched.start..)
            .unwrap_or("")
            .lines()
            .next();
        let line = advice::shorten(&self.mask.hide(line.unwrap_or("").trim()), 160);
        let message = &finding.message;
        let text = format!(
            "The analysis was made again, and the weakness is still there: {message}.\nYour answer still has `{line}` as it was.\n\nWrite the snippet again with that part replaced by code that is safe, as the advice says. Answer with the whole snippet in one fenced code block and nothing else."
        );
        Message {
            role: Role::User,
            text,
        }
    }

    /// As one text, for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        for message in &self.messages {
            let _ = writeln!(
                out,
                "[{}]\n{}\n",
                message.role.id(),
                message.text.trim_end()
            );
        }
        out
    }
}

/// What is asked about.
pub(crate) struct Subject<'a> {
    pub(crate) language: Language,
    pub(crate) text: &'a str,
    /// The lines that the answer takes the place of.
    pub(crate) region: Range<usize>,
    pub(crate) finding: Option<&'a Finding>,
    /// Knowledge about a block without a finding.
    pub(crate) entries: &'a [std::sync::Arc<Entry>],
}

/// The same for every question, so that a server that keeps what it read last reads it once.
const SYSTEM: &str = "You revise source code. You change as little as possible and keep what the code does.

Rules:
- Change as few lines as possible; leave formatting, comments and everything unrelated as it is.
- Keep every name, parameter and returned value, and every call that is not the problem.
- Do not remove the function's work, do not hide the problem, do not add comments about it.
- Names like MASKED_SECRET_1 stand for text that you are not shown: keep them as they are.
- Answer with the whole snippet, revised, in one fenced code block and nothing else.
- If the code needs an import or an include that is not listed, write it as the first line of the block.
- Code that is fine as it stands is given back as it is.";

/// Builds the question of a mode.
pub(crate) fn build(subject: &Subject<'_>, mode: Mode, advice: &[Advice], budget: usize) -> Prompt {
    compose(subject, mode, advice, budget, true)
}

/// The question of [`build`] without the entry's general advice, where there is a worked cure to go
/// by: beside one a small model takes names out of the advice that nobody has defined. `None` where
/// nothing is left out.
pub(crate) fn build_brief(
    subject: &Subject<'_>,
    mode: Mode,
    advice: &[Advice],
    budget: usize,
) -> Option<Prompt> {
    let prompt = compose(subject, mode, advice, budget, false);
    // Rules, the shown question with its answer, and the question.
    (prompt.messages.len() > 2).then_some(prompt)
}

fn compose(
    subject: &Subject<'_>,
    mode: Mode,
    advice: &[Advice],
    budget: usize,
    whole: bool,
) -> Prompt {
    let mask = Mask::of(subject.language, subject.text);
    let language = tag(subject.language);
    let code = subject.text.get(subject.region.clone()).unwrap_or("");
    let code = mask.hide(&code.replace("\r\n", "\n"));
    let proven = subject
        .finding
        .filter(|_| matches!(mode.asks(), Some(Mode::Community)));
    let cure = proven.and_then(|it| {
        let line = mask.hide(line_of(subject.text, it.range.start));
        demonstration::cure(&it.entry, &code, &line, subject.text)
    });
    let shown: Vec<Message> = match (proven, cure) {
        (Some(finding), Some(cure)) => worked(subject.language, finding, &cure).into(),
        _ => Vec::new(),
    };
    let taken: usize = shown.iter().map(|it| it.text.len()).sum();
    let mut ask = String::new();
    let security = !matches!(mode, Mode::PromptOnly);
    let _ = writeln!(
        ask,
        "You wrote this {} code earlier:\n",
        name(subject.language)
    );
    fenced(&mut ask, language, &code);
    let imports = imports(subject);
    if !imports.is_empty() {
        let _ = writeln!(ask, "\nThe file already has:\n");
        fenced(&mut ask, language, &mask.hide(&imports));
    }
    ask.push('\n');
    match mode {
        Mode::PromptOnly => {
            ask.push_str("Review the code and improve it where it should be improved.\n");
        }
        Mode::RevisionOnly => {
            ask.push_str(
                "Review the code for security weaknesses and remove those that you find.\n",
            );
        }
        Mode::Cwe | Mode::CwePlus => {
            let _ = writeln!(
                ask,
                "Review the code for security weaknesses such as {}, and remove those that you find.",
                weakness(subject, mode == Mode::CwePlus)
            );
        }
        Mode::Community | Mode::Templates | Mode::TemplatesCommunity => {
            if let Some(finding) = subject.finding {
                let advised = whole || shown.is_empty();
                fact(&mut ask, subject, finding, &mask, advised);
                if shown.is_empty()
                    && let Some(example) = demonstration::safe(&finding.entry, &code)
                {
                    ask.push_str("Code of the same kind that is safe:\n\n");
                    fenced(&mut ask, language, &example);
                    ask.push('\n');
                }
            }
            let fixed = ask.len() + taken + SYSTEM.len() + 300;
            let room = budget.saturating_sub(fixed);
            advice::quote(&mut ask, advice, &telling(subject), room);
            if subject.finding.is_none() {
                ask.push_str("Decide whether what they warn of applies to the code above.\n");
            }
        }
    }
    // What is read last is what small models do: a way out that stands there is always taken.
    if let Some(finding) = proven {
        let _ = writeln!(
            ask,
            "\nNow write the snippet again so that line {} is safe{}.",
            line_in(subject, finding.range.start),
            if shown.is_empty() {
                ""
            } else {
                ", in the way of your earlier answer"
            }
        );
    } else {
        let _ = writeln!(
            ask,
            "\nIf nothing {}should change, answer with this line alone: {SENTINEL}",
            if security { "about its security " } else { "" }
        );
    }
    let masked = mask.len();
    let message = |role, text: String| Message { role, text };
    let mut messages = vec![message(Role::System, SYSTEM.to_owned())];
    messages.extend(shown);
    messages.push(message(Role::User, ask));
    Prompt {
        messages,
        masked,
        mask,
    }
}

/// The entry's own cure as a question that was put and answered before: small models do what they
/// have seen done sooner than what they are told.
fn worked(language: Language, finding: &Finding, cure: &Cure) -> [Message; 2] {
    let mut ask = format!("You wrote this {} code earlier:\n\n", name(language));
    fenced(&mut ask, tag(language), &cure.before);
    let line = cure.before.lines().nth(cure.line - 1).unwrap_or("").trim();
    let _ = write!(
        ask,
        "\nThis code has a weakness, which an analysis has proven ({}):\n- line {}: {}\n  there: {}\n\nNow write the snippet again so that line {} is safe.\n",
        finding.entry.title, cure.line, finding.entry.message, line, cure.line
    );
    let mut answer = String::new();
    fenced(&mut answer, tag(language), &cure.after);
    let message = |role, text| Message { role, text };
    [message(Role::User, ask), message(Role::Assistant, answer)]
}

/// What a model is told when its candidate was refused.
pub(crate) fn repair(rejection: &Rejection) -> Message {
    // A reason says what is wrong; where models do not see what to do instead, that is said too.
    let hint = match rejection {
        Rejection::Unknown { name } => format!(
            " Nothing outside of the snippet can be added: write what `{name}` stands for into the code itself, such as a list of your own."
        ),
        _ => String::new(),
    };
    let text = format!(
        "That revision was checked and refused: {rejection}.{hint}\n\nRevise the original snippet again so that this no longer holds, and answer with the whole snippet in one fenced code block and nothing else."
    );
    Message {
        role: Role::User,
        text,
    }
}

fn tag(language: Language) -> &'static str {
    match language {
        Language::Python => "python",
        Language::C => "c",
    }
}

fn name(language: Language) -> &'static str {
    match language {
        Language::Python => "Python",
        Language::C => "C",
    }
}

/// A block whose fence is longer than any in the text.
fn fenced(out: &mut String, tag: &str, text: &str) {
    let longest = text
        .lines()
        .map(|line| line.trim().chars().take_while(|c| *c == '`').count())
        .max()
        .unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let _ = writeln!(
        out,
        "{fence}{tag}\n{}\n{fence}",
        text.trim_end_matches(['\r', '\n'])
    );
}

fn fact(out: &mut String, subject: &Subject<'_>, finding: &Finding, mask: &Mask, advised: bool) {
    let line = |byte: usize| line_in(subject, byte);
    let entry = &finding.entry;
    let cwe: Vec<String> = entry.cwe_names().collect();
    let _ = writeln!(
        out,
        "This code has a weakness, which an analysis has proven ({}, {}):",
        entry.title,
        cwe.join(", ")
    );
    let quoted = subject.text.get(finding.range.clone()).unwrap_or("");
    let quoted = mask
        .hide(quoted)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let _ = writeln!(
        out,
        "- line {} of the snippet: {}",
        line(finding.range.start),
        finding.message
    );
    let _ = writeln!(out, "  there: {}", advice::shorten(&quoted, 200));
    for step in &finding.trace {
        if subject.region.start <= step.range.start && step.range.end <= subject.region.end {
            let _ = writeln!(
                out,
                "- line {}: {}",
                line(step.range.start),
                mask.hide(&step.note)
            );
        } else {
            let _ = writeln!(out, "- elsewhere in the file: {}", mask.hide(&step.note));
        }
    }
    let _ = writeln!(
        out,
        "Why it matters: {}",
        advice::shorten(&advice::plain(&entry.body().why), 300)
    );
    if advised {
        let guideline = advice::plain(&entry.body().guideline);
        let _ = writeln!(out, "What to do: {}", advice::shorten(&guideline, 700));
    }
    out.push('\n');
}

/// The line that a place stands in.
fn line_of(text: &str, byte: usize) -> &str {
    let (before, after) = text.split_at_checked(byte).unwrap_or((text, ""));
    let start = before.rfind('\n').map_or(0, |it| it + 1);
    let end = after.find('\n').map_or(text.len(), |it| byte + it);
    text.get(start..end).unwrap_or("")
}

/// The line of a place within the snippet, from 1.
fn line_in(subject: &Subject<'_>, byte: usize) -> usize {
    let start = subject.region.start;
    let before = subject.text.get(start..byte.max(start)).unwrap_or("");
    before.matches('\n').count() + 1
}

fn weakness(subject: &Subject<'_>, described: bool) -> String {
    let entry = subject
        .finding
        .map(|it| &it.entry)
        .or(subject.entries.first());
    let Some(entry) = entry else {
        return "those of the CWE list".to_owned();
    };
    let cwe = entry.cwe_names().next().unwrap_or_default();
    let mut out = format!("{cwe} ({})", entry.title);
    if described {
        let _ = write!(
            out,
            ": {}",
            advice::shorten(&advice::plain(&entry.body().why), 400)
        );
    }
    out
}

/// Words that mark the part of a discussion that speaks of this weakness.
fn telling(subject: &Subject<'_>) -> Vec<String> {
    let entries = subject
        .finding
        .map(|it| &it.entry)
        .into_iter()
        .chain(subject.entries);
    let mut out = Vec::new();
    for entry in entries {
        out.extend(entry.markers.iter().map(|it| it.to_lowercase()));
        out.extend(entry.apis.iter().map(|it| it.to_lowercase()));
    }
    out
}

/// The imports that stand outside the region.
fn imports(subject: &Subject<'_>) -> String {
    // Enough to know what is there; a hundred more lines would say no more.
    const MOST: usize = 40;
    let mut at = 0;
    let mut out = String::new();
    let mut count = 0;
    for line in subject.text.split_inclusive('\n') {
        let here = at..at + line.len();
        at = here.end;
        let import = line.starts_with("import ")
            || line.starts_with("from ") && line.contains(" import ")
            || line.starts_with("#include");
        let outside = here.end <= subject.region.start || here.start >= subject.region.end;
        if import && outside && count < MOST {
            count += 1;
            out.push_str(line.trim_end());
            out.push('\n');
        }
    }
    out
}

/// What people have said about a finding's own weakness. Its reasons, its guideline and its examples
/// stand in the question already.
#[must_use]
pub fn voices(entry: &Entry) -> Advice {
    Advice {
        title: entry.title.clone(),
        source: entry.href(),
        text: warnings(entry),
    }
}

/// What another entry advises, which is near a finding but not about it: words only. Of code beside
/// the worked cure small models take pieces.
#[must_use]
pub fn guideline(entry: &Entry) -> Advice {
    Advice {
        title: entry.title.clone(),
        source: entry.href(),
        text: format!("{}\n\n{}", entry.body().guideline.trim(), warnings(entry)),
    }
}

/// What an entry advises about a block in which nothing was found: its guideline with a safe
/// demonstration.
#[must_use]
pub fn entry_advice(entry: &Entry) -> Advice {
    let mut text = format!(
        "{}\n\n{}\n",
        entry.body().guideline.trim(),
        entry.body().why.trim()
    );
    if let Some(example) = entry.examples(ExampleKind::Secure).next() {
        let _ = write!(text, "\nSafe code:\n{}\n", example.code.trim_end());
    }
    let _ = write!(text, "\n{}", warnings(entry));
    Advice {
        title: entry.title.clone(),
        source: entry.href(),
        text,
    }
}

fn warnings(entry: &Entry) -> String {
    let said = entry.discussions.iter();
    let said = said.map(|it| format!("{} ({})", it.warns, it.url()));
    said.collect::<Vec<_>>().join("\n\n")
}

/// A fix of the user's own as advice, where the best demonstration is one; entries speak for
/// themselves.
#[must_use]
pub fn demonstration_advice(best: &[kb_schema::Demonstration]) -> Option<Advice> {
    let own = best.first().filter(|it| it.before.is_some())?;
    Some(Advice {
        title: "code like this, as somebody here has fixed it".to_owned(),
        source: own.id.clone(),
        text: own.code.trim_end().to_owned(),
    })
}

/// An imported discussion as advice, with everything that its licence wants said.
#[must_use]
pub fn post_advice(post: &kb_schema::Post) -> Advice {
    let mut source: Vec<String> = Vec::new();
    source.extend(post.link.clone());
    source.push(post.attribution());
    let mut text = post.prose.trim().to_owned();
    for code in &post.code {
        let _ = write!(text, "\n\n{}", code.trim_end());
    }
    for comment in &post.comments {
        let who = comment.author.as_deref().unwrap_or("somebody");
        let licence = comment.licence.as_deref().unwrap_or("no licence named");
        let said = comment.text.trim();
        let _ = write!(text, "\n\nComment by {who} ({licence}): {said}");
    }
    Advice {
        title: post.title.clone(),
        source: source.join(", "),
        text,
    }
}
