//! The API boundary: a mutable host that takes entries, and cheap snapshots that analyse texts.
//! It knows no documents; whoever keeps them keeps each one's memo beside it.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use kb_schema::{EntrySet, Problem};
use syntax::Nodes;
use tree_sitter::Tree;

use crate::eval::Found;
use crate::eval::report::{RawKey, RawPiece};
use crate::finding::{Analysis, Finding, Note, Part, PartKey, Piece, TraceStep};
use crate::focus::{self, Focus};
use crate::ir::Span;
use crate::kit::Kit;
use crate::rules::{Active, LangRules};
use crate::suppress;
use crate::unit::{self, Results};

/// A text to analyse. Offsets in results are bytes of `text`.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The language of the tree.
    pub language: syntax::Language,
    /// The whole text.
    pub text: &'a str,
    /// Its nodes; there may be error nodes among them.
    pub nodes: Nodes<'a>,
}

/// What one document's last analysis left behind, so that the next one redoes only what an edit
/// can have changed. An empty memo is always right.
#[derive(Debug, Default)]
pub struct Memo {
    kit: Kit,
    rules: Option<Arc<Rules>>,
}

impl Memo {
    /// How many functions the last analysis evaluated anew, for benchmarks and tests.
    #[must_use]
    pub fn evaluated(&self) -> usize {
        self.kit.evaluated
    }
}

#[derive(Debug)]
struct Rules {
    set: EntrySet,
    python: OnceLock<LangRules>,
    c: OnceLock<LangRules>,
}

impl Rules {
    /// The compiled entries of a language; those of a language that nobody asks for never are.
    fn of(&self, language: kb_schema::Language, problems: &mut Vec<Problem>) -> &LangRules {
        let slot = match language {
            kb_schema::Language::Python => &self.python,
            kb_schema::Language::C => &self.c,
        };
        slot.get_or_init(|| LangRules::compile(language, &self.set, problems))
    }
}

/// Holds the compiled entries; changes when they do.
#[derive(Debug)]
pub struct Host {
    snapshot: Snapshot,
    problems: Vec<Problem>,
}

/// Compiled entries at one moment: cheap to clone, free to send.
#[derive(Debug, Clone)]
pub struct Snapshot {
    rules: Arc<Rules>,
}

impl Host {
    /// Compiles entries. Those that cannot be compiled are left out and named in `problems`.
    #[must_use]
    pub fn new(set: &EntrySet) -> Self {
        let mut problems = Vec::new();
        let rules = Rules {
            set: set.clone(),
            python: OnceLock::new(),
            c: OnceLock::new(),
        };
        // The bundled entries are known to compile; a user's may not, and their author waits.
        let foreign = |language| {
            let of = |it: &Arc<kb_schema::Entry>| it.language == language && !it.bundled;
            set.entries.iter().any(of)
        };
        for language in kb_schema::Language::ALL
            .into_iter()
            .filter(|it| foreign(*it))
        {
            rules.of(language, &mut problems);
        }
        Self {
            snapshot: Snapshot {
                rules: Arc::new(rules),
            },
            problems,
        }
    }

    /// Replaces the entries; snapshots taken before keep the old ones.
    pub fn load(&mut self, set: &EntrySet) {
        *self = Self::new(set);
    }

    /// What was refused: an unknown source or group, a query that the grammar does not know.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The entries as they are now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot.clone()
    }
}

/// How many error regions are named one by one.
const MAX_ERROR_NOTES: usize = 20;

impl Snapshot {
    /// Analyses a text, reusing what `memo` still knows of it. `None` when `cancelled` said so.
    #[must_use]
    pub fn analyze(
        &self,
        source: &Source<'_>,
        memo: &mut Memo,
        cancelled: &dyn Fn() -> bool,
    ) -> Option<Analysis> {
        let fresh = memo
            .rules
            .as_ref()
            .is_none_or(|it| !Arc::ptr_eq(it, &self.rules));
        if fresh {
            let kit = Kit {
                follows: true,
                ..Kit::default()
            };
            *memo = Memo {
                kit,
                rules: Some(self.rules.clone()),
            };
        }
        let rules = self.rules(source.language);
        run(rules, rules.all(), source, &mut memo.kit, cancelled)
    }

    /// Whether any entry could find something in this text, judged by its bytes alone. `false` is
    /// a proof, so a scan need not parse what has it.
    #[must_use]
    pub fn may_find(&self, language: syntax::Language, text: &[u8]) -> bool {
        self.rules(language).words().may_find(text)
    }

    fn rules(&self, language: syntax::Language) -> &LangRules {
        let language = match language {
            syntax::Language::Python => kb_schema::Language::Python,
            syntax::Language::C => kb_schema::Language::C,
        };
        self.rules.of(language, &mut Vec::new())
    }

    /// Analyses a text once, without a memo. What nothing can be found in and nothing is silenced
    /// in is not parsed, and so has no notes either: functions, or the whole text.
    #[must_use]
    pub fn check(&self, language: syntax::Language, text: &str) -> Analysis {
        let rules = self.rules(language);
        let once = |text: &str, tree: &Tree, active: Option<&[usize]>| {
            let source = Source {
                language,
                text,
                nodes: tree.into(),
            };
            let active = rules.active(active);
            run(rules, &active, &source, &mut Kit::default(), &|| false).unwrap_or_default()
        };
        if suppress::asks(text) {
            // A comment of ours that silences nothing is told, and so all of the text is read.
            return once(text, &syntax::parse(language, text), None);
        }
        match focus::focus(rules.words(), language, text) {
            Focus::Nothing => Analysis::default(),
            Focus::Whole(active) => once(text, &syntax::parse(language, text), Some(&active)),
            Focus::Parts(reduced, active) => {
                let tree = syntax::parse(language, &reduced.text);
                if reduced.agrees(language, tree.root_node()) {
                    once(&reduced.text, &tree, Some(&active))
                } else {
                    once(text, &syntax::parse(language, text), Some(&active))
                }
            }
        }
    }
}

fn run(
    rules: &LangRules,
    active: &Active,
    source: &Source<'_>,
    kit: &mut Kit,
    cancelled: &dyn Fn() -> bool,
) -> Option<Analysis> {
    let results = unit::run(rules, active, source, kit, cancelled)?;
    Some(assemble(rules, source, &results))
}

/// Turns function-relative results into ranges of the text.
fn assemble(rules: &LangRules, source: &Source<'_>, results: &Results<'_>) -> Analysis {
    let text = source.text;
    let mut findings: Vec<Finding> = Vec::new();
    for found in results.found() {
        let ground = found.place.func;
        if !results.knows(ground) {
            continue;
        }
        let rule = &rules.rules[found.rule as usize];
        let at = |span: Span| results.at(ground, span).unwrap_or_default();
        let range = at(found.place.span);
        let function = results.function(ground);
        findings.push(Finding {
            entry: rule.entry.clone(),
            pattern: rule.index,
            severity: rule.severity(),
            message: rule.message().to_owned(),
            matched: at(found.matched),
            trace: found
                .trace
                .iter()
                .filter_map(|(place, note)| {
                    Some(TraceStep {
                        range: results.at(place.func, place.span)?,
                        note: note.clone(),
                    })
                })
                .collect(),
            function: function.map_or(0..text.len(), |(range, _)| range.clone()),
            slice: function
                .map(|(_, lowered)| lowered.slicer().slice(text, &at, found.place.span))
                .unwrap_or_default(),
            parts: parts(found, &at),
            built: found.built.as_ref().map(|(span, pieces)| {
                let pieces = pieces
                    .iter()
                    .map(|piece| match piece {
                        RawPiece::Text(text) => Piece::Text(text.to_string()),
                        RawPiece::Hole(span) => Piece::Hole(at(*span)),
                    })
                    .collect();
                (at(*span), pieces)
            }),
            range,
        });
    }
    findings.sort_by(|a, b| {
        (a.range.start, a.range.end, &a.entry.id, a.pattern).cmp(&(
            b.range.start,
            b.range.end,
            &b.entry.id,
            b.pattern,
        ))
    });
    // Two patterns of one entry on one range say one thing.
    findings.dedup_by(|b, a| a.entry.id == b.entry.id && a.range == b.range);
    let comments = suppress::comments(text, source.nodes);
    let (findings, suppressed, comments) = suppress::split(text, comments, findings);
    Analysis {
        findings,
        suppressed,
        comments,
        notes: notes(source, results),
    }
}

fn parts(found: &Found, at: &dyn Fn(Span) -> Range<usize>) -> Vec<Part> {
    found
        .parts
        .iter()
        .map(|part| Part {
            key: match &part.key {
                RawKey::Plain(key) => key.clone(),
                RawKey::Arg {
                    position,
                    keyword,
                    whole,
                } => PartKey::Arg {
                    position: *position,
                    keyword: keyword.as_deref().map(str::to_owned),
                    whole: at(*whole),
                },
            },
            range: at(part.span),
        })
        .collect()
}

fn notes(source: &Source<'_>, results: &Results<'_>) -> Vec<Note> {
    let mut out: Vec<Note> = results
        .too_deep
        .iter()
        .map(|range| Note {
            range: range.clone(),
            message: "nested too deeply; its innermost parts were not analysed".to_owned(),
        })
        .collect();
    if source.nodes.has_error() {
        for range in syntax::error_nodes(source.nodes.root(), MAX_ERROR_NOTES) {
            out.push(Note {
                range,
                message: "not parsed; what stands here was not analysed".to_owned(),
            });
        }
    }
    if results.len() >= crate::lower::MAX_SCOPES {
        out.push(Note {
            range: 0..0,
            message: format!(
                "only the first {} functions were analysed",
                crate::lower::MAX_SCOPES
            ),
        });
    }
    out
}
