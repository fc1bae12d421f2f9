//! The gate: whatever wants to change code, a template or a model, passes here first. It judges a
//! patch by its effect alone and does not know who made it.

mod extent;
mod guise;
mod hollow;
mod names;
mod shape;
mod texts;
mod tree;

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use analysis::{Analysis, Finding, Memo, Snapshot, Source};
use syntax::{Node, NodeNames, Tree};

use crate::edit::{self, Edit};
use crate::{helper, imports};
use extent::Extent;
pub(crate) use extent::{Hunk, hunks, whole_lines};
use guise::Guises;
pub(crate) use guise::silences;
pub(crate) use names::provider;
use shape::Shapes;
use tree::Side;

/// Why a patch was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// The edits overlap or do not fit the text.
    Unusable,
    /// The patch changes nothing.
    Unchanged,
    /// Nothing was tried: proofs of other fixes of this text took all the time that there is.
    Untried,
    /// It changes code that the finding is not about.
    Outside {
        /// Line from 1, in the text before.
        line: usize,
    },
    /// The result parses worse than what was there.
    Broken {
        /// How many places did not parse before.
        before: usize,
        /// How many do not parse afterwards.
        after: usize,
    },
    /// The weakness is still reported.
    Remains {
        /// The entry that reports it.
        entry: String,
    },
    /// A comment now hides the weakness, which does not cure it.
    Hidden {
        /// The entry that would report it.
        entry: String,
    },
    /// Something is reported that was not before.
    New {
        /// The entry that reports it.
        entry: String,
        /// What it says.
        message: String,
        /// Line from 1, in the text afterwards.
        line: usize,
    },
    /// The result is too large or too tangled to be analysed, which proves nothing.
    Unproven,
    /// A function, a class or a decorator is no longer what it was.
    Signature {
        /// Its name.
        name: String,
    },
    /// A function, a class or a decorator is added, behind which the weakness may stand; a function
    /// that the entry's own safe code has, word for word, may be.
    Wrapper {
        /// Its name.
        name: String,
    },
    /// A function gives back something else than before.
    Result {
        /// The function.
        function: String,
    },
    /// Nothing of a function is left but a constant, an exception or a comment.
    Gutted,
    /// A call or a variable is gone, and nothing takes its place.
    Dropped {
        /// What is gone.
        call: String,
    },
    /// A parameter or a source of data is no longer read.
    Input {
        /// Its name.
        name: String,
    },
    /// Code can no longer run.
    Unreachable {
        /// Line from 1, in the text afterwards.
        line: usize,
    },
    /// A variable is added that nothing uses.
    Idle {
        /// Its name.
        name: String,
    },
    /// A call is added that the cure does not need.
    Extra {
        /// The call.
        call: String,
    },
    /// A name is used that means nothing here.
    Unknown {
        /// The name.
        name: String,
    },
    /// A text is given to a function that takes bytes.
    Text {
        /// The text, as it is written.
        name: String,
        /// The function.
        call: String,
    },
    /// A template is named that the code did not have.
    Page {
        /// Its name.
        name: String,
    },
    /// A comment asks a checker to look away.
    Silenced {
        /// Line from 1, in the text afterwards.
        line: usize,
    },
    /// Code is reached by another name, through which no checker follows it.
    Reflection {
        /// The name that is new.
        name: String,
    },
    /// The same call stands in a `try`, which stops no attack.
    Swallowed,
    /// The shell is gone, but the command is still one string, which then names no program.
    ShellString,
    /// Values are filled into a text that has no place for them.
    Unfilled {
        /// Line from 1, in the text afterwards.
        line: usize,
    },
    /// A statement has marks for values and gets none.
    Unbound {
        /// Line from 1, in the text afterwards.
        line: usize,
    },
    /// A statement has a mark for a value where only a name can stand.
    Misplaced {
        /// Line from 1, in the text afterwards.
        line: usize,
    },
    /// A search by `LIKE` that found parts of words finds whole ones only.
    Wildcards,
    /// A function declares something of the file anew.
    Redeclared {
        /// Line from 1, in the text afterwards.
        line: usize,
    },
    /// A comparison of two things that the same caller sends.
    Compared {
        /// The comparison.
        pair: String,
    },
    /// The same data only passes through another call, which refuses nothing and cleans nothing.
    Wrapped {
        /// The call.
        call: String,
    },
    /// The form of the text changes.
    Form {
        /// Line from 1, in the text afterwards.
        line: usize,
        /// What of it.
        what: &'static str,
    },
    /// A check of the user's own refused the result.
    Check {
        /// What it is called.
        name: String,
        /// What became of it.
        reason: String,
    },
    /// What the model wrote is no revision at all.
    Answer(crate::answer::Fault),
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unusable => f.write_str("its edits overlap or do not fit the text"),
            Self::Unchanged => f.write_str("it changes nothing"),
            Self::Untried => f.write_str("too many fixes were tried in this file already"),
            Self::Outside { line } => {
                write!(f, "it changes line {line}, which the finding is not about")
            }
            Self::Broken { before, after } => write!(
                f,
                "the result does not parse: {after} unreadable places instead of {before}"
            ),
            Self::Remains { entry } => write!(f, "{entry} still reports the result"),
            Self::Hidden { entry } => {
                write!(f, "it silences {entry} with a comment instead of curing it")
            }
            Self::New {
                entry,
                message,
                line,
            } => {
                write!(
                    f,
                    "it brings a new finding on line {line}, {entry}: {message}"
                )
            }
            Self::Unproven => f.write_str("the result cannot be analysed, so nothing is proven"),
            Self::Signature { name } => {
                write!(f, "it changes or removes the declaration of `{name}`")
            }
            Self::Wrapper { name } => write!(f, "it adds a declaration, `{name}`"),
            Self::Result { function } => write!(f, "it changes what `{function}` gives back"),
            Self::Gutted => f.write_str("it takes out what the function does"),
            Self::Dropped { call } => write!(f, "it drops `{call}`, which nothing replaces"),
            Self::Input { name } => write!(f, "it no longer uses `{name}`"),
            Self::Unreachable { line } => {
                write!(f, "it keeps code from running, around line {line}")
            }
            Self::Idle { name } => write!(f, "it adds `{name}`, which nothing uses"),
            Self::Extra { call } => write!(f, "it adds a call of `{call}` that nothing asked for"),
            Self::Unknown { name } => {
                write!(f, "it uses `{name}`, which is neither defined nor imported")
            }
            Self::Text { name, call } => write!(
                f,
                "`{call}` takes bytes, and {name} is a text; encode it"
            ),
            Self::Page { name } => {
                write!(f, "it names a template, {name}, that the code did not have")
            }
            Self::Silenced { line } => {
                write!(f, "a comment on line {line} asks a checker to look away")
            }
            Self::Reflection { name } => {
                write!(f, "it reaches code through `{name}`, where nothing can be checked")
            }
            Self::Swallowed => f.write_str("it puts the same call into a `try`, which cures nothing"),
            Self::ShellString => f.write_str(
                "it takes the shell away but passes the command as one string, which then runs nothing",
            ),
            Self::Unfilled { line } => write!(
                f,
                "line {line} fills values into a text that has no place for them"
            ),
            Self::Unbound { line } => write!(
                f,
                "the statement on line {line} has marks for values, and none are passed"
            ),
            Self::Misplaced { line } => write!(
                f,
                "line {line} passes a value where SQL takes a name only; choose the name from a list"
            ),
            Self::Wildcards => {
                f.write_str("the `%` of the search by LIKE is gone; it belongs into the value now")
            }
            Self::Redeclared { line } => write!(
                f,
                "line {line} declares something of the file anew, instead of using it"
            ),
            Self::Compared { pair } => {
                write!(f, "`{pair}` compares two things that the same caller sends")
            }
            Self::Wrapped { call } => write!(
                f,
                "it passes the same data through `{call}`, which refuses nothing and cleans nothing"
            ),
            Self::Form { line, what } => write!(f, "it changes {what} on line {line}"),
            Self::Check { name, reason } => write!(f, "the check `{name}` {reason}"),
            Self::Answer(fault) => write!(f, "{fault}"),
        }
    }
}

impl std::error::Error for Rejection {}

/// The text after the edits, when they are worth it: it parses no worse, the finding is gone,
/// nothing new is reported, and nothing but the finding's function and the imports is touched.
///
/// # Errors
/// The first of these that does not hold.
pub fn check(
    snapshot: &Snapshot,
    language: syntax::Language,
    before_text: &str,
    before: &Analysis,
    finding: &Finding,
    edits: &[Edit],
) -> Result<String, Rejection> {
    let tree = syntax::parse(language, before_text);
    let code = Code {
        snapshot,
        language,
        text: before_text,
        root: tree.root_node(),
    };
    check_with(&code, Some(&mut Memo::default()), before, finding, edits)
}

/// The code that patches are made for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Code<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) language: syntax::Language,
    pub(crate) text: &'a str,
    pub(crate) root: Node<'a>,
}

impl Code<'_> {
    /// What is found in another text that is to take this one's place. All of it is analysed: a scan
    /// does not see a word that is put together from two texts, which a model may write.
    fn analyze(&self, text: &str, tree: &Tree) -> Analysis {
        let source = Source {
            language: self.language,
            text,
            nodes: tree.into(),
        };
        let analysis = self
            .snapshot
            .analyze(&source, &mut Memo::default(), &|| false);
        analysis.unwrap_or_default()
    }
}

/// As [`check`]; with a memo, remembering from one patch of a text to the next what they leave as
/// it is. That analyses all of the text once, and pays where several patches are tried. Without one
/// the patch is looked at as a scan does, which a word that is put together from two texts escapes:
/// for an entry's own templates alone, never for what a model wrote.
pub(crate) fn check_with(
    code: &Code<'_>,
    memo: Option<&mut Memo>,
    before: &Analysis,
    finding: &Finding,
    edits: &[Edit],
) -> Result<String, Rejection> {
    let Code { language, text, .. } = *code;
    let after_text = edit::apply(text, edits).ok_or(Rejection::Unusable)?;
    if after_text == text {
        return Err(Rejection::Unchanged);
    }
    inside(language, text, code.root, finding, edits)?;
    let tree = syntax::parse(language, &after_text);
    parses(code.root, tree.root_node())?;
    let source = Source {
        language,
        text: &after_text,
        nodes: (&tree).into(),
    };
    let after = match memo {
        Some(memo) => code.snapshot.analyze(&source, memo, &|| false),
        None => Some(code.snapshot.check(language, &after_text)),
    };
    let after = after.unwrap_or_default();
    if after.notes.len() > before.notes.len() {
        return Err(Rejection::Unproven);
    }
    gone(before, &after, finding, edits)?;
    nothing_new(before, &after, &after_text)?;
    let region = (
        finding.function.clone(),
        edit::map(&finding.function, edits),
    );
    keeps(code, &after_text, tree.root_node(), &region, Some(finding))?;
    Ok(after_text)
}

/// As [`check`], for a block of code that no finding is about: what was found there before must
/// not grow, and everything else holds.
///
/// # Errors
/// The first thing that does not hold.
pub fn check_block(
    snapshot: &Snapshot,
    language: syntax::Language,
    before_text: &str,
    before: &Analysis,
    block: &Range<usize>,
    edits: &[Edit],
) -> Result<String, Rejection> {
    let after_text = edit::apply(before_text, edits).ok_or(Rejection::Unusable)?;
    if after_text == before_text {
        return Err(Rejection::Unchanged);
    }
    let tree = syntax::parse(language, before_text);
    let code = Code {
        snapshot,
        language,
        text: before_text,
        root: tree.root_node(),
    };
    for edit in edits {
        let within = block.start <= edit.range.start && edit.range.end <= block.end;
        if !within && !imports::only_imports(language, code.root, edit) {
            return Err(Rejection::Outside {
                line: line_of(before_text, edit.range.start),
            });
        }
    }
    let after_tree = syntax::parse(language, &after_text);
    parses(code.root, after_tree.root_node())?;
    let region = (block.clone(), edit::map(block, edits));
    keeps(&code, &after_text, after_tree.root_node(), &region, None)?;
    let after = code.analyze(&after_text, &after_tree);
    if after.notes.len() > before.notes.len() {
        return Err(Rejection::Unproven);
    }
    nothing_new(before, &after, &after_text)?;
    Ok(after_text)
}

/// As [`check_block`], for a block that was written anew: nothing at all may be reported in it. Where
/// something was, a call that was weak may go as in the cure of a finding.
///
/// # Errors
/// The first thing that does not hold.
pub(crate) fn check_regenerated(
    code: &Code<'_>,
    before: &Analysis,
    block: &Range<usize>,
    edits: &[Edit],
) -> Result<String, Rejection> {
    let touches = |range: &Range<usize>, place: &Range<usize>| {
        range.start < place.end && place.start < range.end
    };
    let Code { language, text, .. } = *code;
    let mut verdict = check_block(code.snapshot, language, text, before, block, edits);
    let standing = before
        .findings
        .iter()
        .filter(|it| touches(&it.range, block));
    for finding in standing {
        if !matches!(verdict, Err(Rejection::Dropped { .. })) {
            break;
        }
        let memo = Some(&mut Memo::default());
        verdict = check_with(code, memo, before, finding, edits);
    }
    let after_text = verdict?;
    let place = edit::map(block, edits);
    let after = code.analyze(&after_text, &syntax::parse(language, &after_text));
    let mut left = after.findings.iter().chain(&after.suppressed);
    match left.find(|it| touches(&it.range, &place)) {
        Some(finding) => Err(Rejection::Remains {
            entry: finding.entry.id.clone(),
        }),
        None => Ok(after_text),
    }
}

/// Whether text that is put into code where somebody is typing brings nothing that is reported, and
/// parses no worse than what is there.
///
/// # Errors
/// The first of these that does not hold.
pub(crate) fn check_completion(
    code: &Code<'_>,
    before: &Analysis,
    edit: &Edit,
) -> Result<(), Rejection> {
    let edits = std::slice::from_ref(edit);
    let after_text = edit::apply(code.text, edits).ok_or(Rejection::Unusable)?;
    let after_tree = syntax::parse(code.language, &after_text);
    parses(code.root, after_tree.root_node())?;
    let after = code.analyze(&after_text, &after_tree);
    if after.notes.len() > before.notes.len() {
        return Err(Rejection::Unproven);
    }
    nothing_new(before, &after, &after_text)?;
    // One that was there before may have moved into what is new.
    let place = edit.range.start..edit.range.start + edit.text.len();
    let mut left = after.findings.iter().chain(&after.suppressed);
    match left.find(|it| it.range.start < place.end && place.start < it.range.end) {
        Some(finding) => Err(Rejection::Remains {
            entry: finding.entry.id.clone(),
        }),
        None => Ok(()),
    }
}

/// What a revision must leave as it is.
fn keeps(
    code: &Code<'_>,
    after_text: &str,
    after_root: Node<'_>,
    region: &(Range<usize>, Range<usize>),
    finding: Option<&Finding>,
) -> Result<(), Rejection> {
    let before = Side {
        language: code.language,
        text: code.text,
        root: code.root,
    };
    let after = Side {
        language: code.language,
        text: after_text,
        root: after_root,
    };
    let extent = Extent { before, after };
    let hunks = hunks(code.text, after_text);
    extent.form(&hunks)?;
    let guises = Guises {
        before,
        after,
        region: region.clone(),
    };
    let shapes = Shapes {
        before,
        after,
        region: region.clone(),
    };
    guises.check(finding)?;
    shapes.check(finding)?;
    hollow::check(&before, &after, region)?;
    texts::check(&before, &after, region)?;
    // What the entry's author wrote into its cures means something to those who use the library.
    let own = finding.map(|it| words_of(&it.entry)).unwrap_or_default();
    let mut unknown = names::unknown(&before, &after, region).into_iter();
    if let Some(name) =
        unknown.find(|it| code.language == syntax::Language::Python || !own.contains(it.as_str()))
    {
        return Err(Rejection::Unknown { name });
    }
    match finding {
        Some(finding) => extent.relevant(finding, &hunks),
        None => Ok(()),
    }
}

/// The words of an entry's own fixes and safe examples.
fn words_of(entry: &kb_schema::Entry) -> std::collections::HashSet<&str> {
    let mut texts: Vec<&str> = Vec::new();
    for fix in &entry.fixes {
        texts.extend(fix.replace.as_deref());
        texts.extend(fix.rename.as_deref());
        texts.extend(fix.callee.as_deref());
        texts.extend(fix.set.values().map(String::as_str));
        texts.extend(fix.insert.values().map(String::as_str));
    }
    // What the advice spells out as code.
    texts.extend(entry.body().guideline.split('`').skip(1).step_by(2));
    let secure = entry.examples(kb_schema::ExampleKind::Secure);
    if entry.language == kb_schema::Language::C {
        texts.extend(secure.map(|it| it.code.as_str()));
    }
    texts
        .into_iter()
        .flat_map(|text| text.split(|c: char| !c.is_alphanumeric() && c != '_'))
        .filter(|it| !it.is_empty())
        .collect()
}

/// Names that a text after some edits uses and that mean nothing there, for whoever can still
/// import them.
pub(crate) fn unknown_names(code: &Code<'_>, region: &Range<usize>, edits: &[Edit]) -> Vec<String> {
    let Some(after_text) = edit::apply(code.text, edits) else {
        return Vec::new();
    };
    let tree = syntax::parse(code.language, &after_text);
    let before = Side {
        language: code.language,
        text: code.text,
        root: code.root,
    };
    let after = Side {
        language: code.language,
        text: &after_text,
        root: tree.root_node(),
    };
    names::unknown(&before, &after, &(region.clone(), edit::map(region, edits)))
}

/// The part of the gate that looks at no single finding: for several patches at once.
pub(crate) fn check_all(
    snapshot: &Snapshot,
    language: syntax::Language,
    before_text: &str,
    before: &Analysis,
    edits: &[Edit],
) -> Result<String, Rejection> {
    let after_text = edit::apply(before_text, edits).ok_or(Rejection::Unusable)?;
    if after_text == before_text {
        return Err(Rejection::Unchanged);
    }
    let tree = syntax::parse(language, before_text);
    let after_tree = syntax::parse(language, &after_text);
    parses(tree.root_node(), after_tree.root_node())?;
    let after = snapshot.check(language, &after_text);
    nothing_new(before, &after, &after_text)?;
    Ok(after_text)
}

fn line_of(text: &str, byte: usize) -> usize {
    let bytes = &text.as_bytes()[..byte.min(text.len())];
    bytes.iter().filter(|it| **it == b'\n').count() + 1
}

fn inside(
    language: syntax::Language,
    text: &str,
    root: Node<'_>,
    finding: &Finding,
    edits: &[Edit],
) -> Result<(), Rejection> {
    let header_end = header_end(root, &finding.function);
    for edit in edits {
        let within =
            |range: &Range<usize>| range.start <= edit.range.start && edit.range.end <= range.end;
        let in_header = header_end
            .as_ref()
            .is_some_and(|end| edit.range.start < *end);
        let allowed = within(&finding.matched)
            || within(&finding.function) && !in_header
            || imports::only_imports(language, root, edit)
            || helper::only_helper(language, root, finding, edit);
        if !allowed {
            return Err(Rejection::Outside {
                line: line_of(text, edit.range.start),
            });
        }
    }
    Ok(())
}

/// Where the signature ends of the function that has exactly this range.
fn header_end(root: Node<'_>, function: &Range<usize>) -> Option<usize> {
    let mut node = root.descendant_for_byte_range(function.start, function.end)?;
    loop {
        if let Some(body) = node.field("body") {
            // In Python a comment may stand between the colon and the body; it is no header.
            let mut cursor = node.walk();
            let colon = node.children(&mut cursor).find(|it| it.kind_name() == ":");
            return Some(colon.map_or(body.start_byte(), |it| it.end_byte()));
        }
        // A decorated function holds the definition as a child.
        node = node.field("definition")?;
    }
}

fn parses(old: Node<'_>, new: Node<'_>) -> Result<(), Rejection> {
    // Far more than anyone would repair, and a bound for what is counted.
    const LIMIT: usize = 10_000;
    let before = syntax::error_nodes(old, LIMIT).len();
    let after = syntax::error_nodes(new, LIMIT).len();
    if after > before {
        return Err(Rejection::Broken { before, after });
    }
    Ok(())
}

fn gone(
    before: &Analysis,
    after: &Analysis,
    finding: &Finding,
    edits: &[Edit],
) -> Result<(), Rejection> {
    let entry = &finding.entry.id;
    let place = edit::map(&finding.matched, edits);
    let count = |findings: &[Finding], place: &Range<usize>| {
        let touching = |it: &&Finding| {
            it.entry.id == *entry && it.range.start < place.end && place.start < it.range.end
        };
        findings.iter().filter(touching).count()
    };
    // Others of the same entry may stand inside the matched code; those may stay.
    let known = count(&before.findings, &finding.matched);
    let left = count(&after.findings, &place);
    if left > 0 && left >= known {
        return Err(Rejection::Remains {
            entry: entry.clone(),
        });
    }
    let of_entry =
        |findings: &[Finding]| findings.iter().filter(|it| it.entry.id == *entry).count();
    if of_entry(&after.suppressed) > of_entry(&before.suppressed) {
        return Err(Rejection::Hidden {
            entry: entry.clone(),
        });
    }
    // Moving the weakness elsewhere is no cure either.
    if of_entry(&after.findings) >= of_entry(&before.findings) {
        return Err(Rejection::Remains {
            entry: entry.clone(),
        });
    }
    Ok(())
}

fn nothing_new(before: &Analysis, after: &Analysis, after_text: &str) -> Result<(), Rejection> {
    let mut known: HashMap<(&str, &str), usize> = HashMap::new();
    for finding in before.findings.iter().chain(&before.suppressed) {
        *known
            .entry((&finding.entry.id, &finding.message))
            .or_default() += 1;
    }
    for finding in after.findings.iter().chain(&after.suppressed) {
        match known.get_mut(&(finding.entry.id.as_str(), finding.message.as_str())) {
            Some(left) if *left > 0 => *left -= 1,
            _ => {
                return Err(Rejection::New {
                    entry: finding.entry.id.clone(),
                    message: finding.message.clone(),
                    line: line_of(after_text, finding.range.start),
                });
            }
        }
    }
    Ok(())
}
