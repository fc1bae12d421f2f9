//! A text and its tree, kept in step through edits. Knows no protocol and no origin.

use std::ops::Range;

use std::sync::OnceLock;

use tree_sitter::{Node, Tree};

use crate::parse::parse_text;
use crate::{Encoding, Language, Position, Text, part};

/// One change as an editor sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The replaced range, in the text that the changes before this one left; `None` for the whole
    /// text.
    pub range: Option<(Position, Position)>,
    /// What the range's columns count.
    pub encoding: Encoding,
    /// The text that takes its place.
    pub text: String,
}

/// What a change did, in bytes: `start..old_end` of the text before became `start..new_end` of the
/// text after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Edit {
    /// Where both ranges start.
    pub start: usize,
    /// Where the replaced range ended.
    pub old_end: usize,
    /// Where the new text ends.
    pub new_end: usize,
}

impl Edit {
    /// The range that was replaced, in the text before.
    #[must_use]
    pub const fn old_range(&self) -> Range<usize> {
        self.start..self.old_end
    }

    /// The range that replaced it, in the text after.
    #[must_use]
    pub const fn new_range(&self) -> Range<usize> {
        self.start..self.new_end
    }
}

/// An edit with the text that went and the text that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The ranges. For a change without a range this is the smallest edit that has its effect.
    pub edit: Edit,
    /// The text that was replaced.
    pub deleted: String,
    /// The text that replaced it.
    pub inserted: String,
    /// Whether the change replaced the whole text.
    pub whole: bool,
}

/// The result of [`Document::apply_unless`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// One step for each change, in order.
    pub steps: Vec<Step>,
    /// Whether the tree belongs to the new text. `false` means that the parse was cancelled: the
    /// tree is an older one with its nodes moved, and the next edit or
    /// [`reparse_unless`](Document::reparse_unless) catches up.
    pub parsed: bool,
}

/// A text, its language and its tree. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Document {
    /// The language.
    pub language: Language,
    /// The text.
    pub text: Text,
    /// The tree of the text, or of an older one, its nodes moved.
    tree: Tree,
    /// Where that tree is an older one's.
    behind: Behind,
    /// The tree of what is behind, alone.
    part: Option<Tree>,
    /// The tree of the text, once somebody asked for all of it.
    whole: OnceLock<Tree>,
}

/// Where a tree is not that of its text.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Behind {
    Nowhere,
    /// In a part that may be read by itself, in bytes of the text.
    Within(Range<usize>),
    Anywhere,
}

/// The nodes of a text, to be asked for by place: right after an edit those around it are there at once, and the
/// whole tree only once somebody needs it.
#[derive(Debug, Clone, Copy)]
pub struct Nodes<'t>(Place<'t>);

#[derive(Debug, Clone, Copy)]
enum Place<'t> {
    Tree(&'t Tree),
    Document(&'t Document),
}

impl<'t> From<&'t Tree> for Nodes<'t> {
    fn from(tree: &'t Tree) -> Self {
        Self(Place::Tree(tree))
    }
}

impl<'t> Nodes<'t> {
    /// The root of the whole tree, which may have to be read first.
    #[must_use]
    pub fn root(self) -> Node<'t> {
        match self.0 {
            Place::Tree(tree) => tree.root_node(),
            Place::Document(document) => document.tree().root_node(),
        }
    }

    /// A root under which everything in this range stands as in the whole tree. What stands elsewhere may be missing,
    /// or be what it was before the last edits.
    #[must_use]
    pub fn root_of(self, range: &Range<usize>) -> Node<'t> {
        let Place::Document(document) = self.0 else {
            return self.root();
        };
        match (&document.behind, &document.part) {
            (Behind::Within(behind), Some(part)) => {
                if behind.start <= range.start && range.end <= behind.end {
                    part.root_node()
                } else if range.end <= behind.start || behind.end <= range.start {
                    document.tree.root_node()
                } else {
                    self.root()
                }
            }
            _ => self.root(),
        }
    }

    /// What the root holds, in the order of the text, comments included.
    #[must_use]
    pub fn statements(self) -> Vec<Node<'t>> {
        let of = |root: Node<'t>| -> Vec<Node<'t>> {
            let mut cursor = root.walk();
            root.named_children(&mut cursor).collect()
        };
        let Place::Document(document) = self.0 else {
            return of(self.root());
        };
        let (Behind::Within(behind), Some(part)) = (&document.behind, &document.part) else {
            return of(self.root());
        };
        let mut out = of(document.tree.root_node());
        // What was deleted is left there without any text.
        let first = match behind.start {
            0 => 0,
            start => out.partition_point(|it| it.end_byte() <= start),
        };
        let next = out.partition_point(|it| it.start_byte() < behind.end);
        let empty = out[next..]
            .iter()
            .take_while(|it| it.byte_range().is_empty());
        let next = next + empty.count();
        out.splice(first..next, of(part.root_node()));
        out
    }

    /// Whether the grammar could not read something.
    #[must_use]
    pub fn has_error(self) -> bool {
        match self.0 {
            // A part is only read by itself where it has none, in a text that had none.
            Place::Document(document) if document.part.is_some() => false,
            _ => self.root().has_error(),
        }
    }
}

impl Document {
    /// A document with this content.
    #[must_use]
    pub fn parse(language: Language, content: &str) -> Self {
        Self::parse_unless(language, content, &|| false)
            .expect("a parse that nobody cancels ends with a tree")
    }

    /// A document with this content, unless it is cancelled while parsing.
    pub fn parse_unless(
        language: Language,
        content: &str,
        cancelled: &dyn Fn() -> bool,
    ) -> Option<Self> {
        let text = Text::new(content);
        let tree = parse_text(language, &text, None, cancelled)?;
        Some(Self {
            language,
            text,
            tree,
            behind: Behind::Nowhere,
            part: None,
            whole: OnceLock::new(),
        })
    }

    /// Whether the last parse was cancelled, so that the tree is an older one, moved.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.behind != Behind::Nowhere && self.part.is_none()
    }

    /// The nodes of the text, unless it [is stale](Self::is_stale).
    #[must_use]
    pub fn nodes(&self) -> Nodes<'_> {
        Nodes(Place::Document(self))
    }

    /// The tree of the text, unless it [is stale](Self::is_stale). The first call after an edit may have to parse; it
    /// takes as long as an edit does where a module's statements are gone through.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        if self.part.is_none() {
            return &self.tree;
        }
        self.whole.get_or_init(|| {
            let parse = |old| {
                parse_text(self.language, &self.text, old, &|| false)
                    .expect("a parse that nobody cancels ends with a tree")
            };
            let tree = parse(Some(&self.tree));
            match tree.root_node().has_error() {
                true => parse(None),
                false => tree,
            }
        })
    }

    /// Applies changes in order, then parses once.
    pub fn apply(&mut self, changes: &[Change]) -> Vec<Edit> {
        let applied = self.apply_unless(changes, &|| false);
        applied.steps.into_iter().map(|step| step.edit).collect()
    }

    /// Applies changes in order, then parses once unless cancelled. The text always changes; only
    /// the tree may stay behind. `cancelled` may as well be a deadline: a reader that must not wait
    /// leaves the rest to whoever works on a clone.
    pub fn apply_unless(&mut self, changes: &[Change], cancelled: &dyn Fn() -> bool) -> Applied {
        let steps = self.edit(changes);
        let parsed = self.reparse_unless(cancelled);
        Applied { steps, parsed }
    }

    /// Applies changes in order and leaves the tree stale, for callers that must not wait for a
    /// parse: an unclosed quote can make one long.
    pub fn edit(&mut self, changes: &[Change]) -> Vec<Step> {
        changes.iter().map(|change| self.step(change)).collect()
    }

    /// Brings a stale tree up to date; says whether it is now.
    ///
    /// The tree is then the one that a fresh parse gives. An incremental parse of a text with
    /// errors now and then recovers from them elsewhere, and findings must not depend on how a text
    /// came about. So a tree with errors is neither kept from an incremental parse nor built upon;
    /// doing without it costs little, for error recovery can reuse few of its nodes.
    ///
    /// After edits in one place of the outermost level only what stands there is read, and the rest when somebody asks
    /// for [`tree`](Self::tree).
    pub fn reparse_unless(&mut self, cancelled: &dyn Fn() -> bool) -> bool {
        if let Behind::Within(range) = &self.behind
            && self.part.is_none()
        {
            self.part = part::read(self.language, &self.text, range);
            if self.part.is_none() {
                self.behind = Behind::Anywhere;
            }
        }
        while self.is_stale() {
            let old = (!self.tree.root_node().has_error()).then_some(&self.tree);
            let is_incremental = old.is_some();
            let Some(tree) = parse_text(self.language, &self.text, old, cancelled) else {
                return false;
            };
            self.tree = tree;
            self.behind = match is_incremental && self.tree.root_node().has_error() {
                true => Behind::Anywhere,
                false => Behind::Nowhere,
            };
        }
        true
    }

    fn step(&mut self, change: &Change) -> Step {
        let (range, inserted) = match change.range {
            Some((from, to)) => {
                let from = self.text.byte_of(from, change.encoding);
                let to = self.text.byte_of(to, change.encoding);
                (from.min(to)..from.max(to), change.text.as_str())
            }
            None => {
                let (old, new) = self.text.difference(&change.text);
                (old, &change.text[new])
            }
        };
        let deleted = self.text.slice(range.clone()).into_owned();
        let end = self.text.len_bytes();
        let moved = self.text.replace(range, inserted);
        self.fall_behind(
            moved.start_byte..moved.old_end_byte,
            moved.new_end_byte,
            end,
        );
        self.tree.edit(&moved);
        Step {
            edit: Edit {
                start: moved.start_byte,
                old_end: moved.old_end_byte,
                new_end: moved.new_end_byte,
            },
            deleted,
            inserted: inserted.to_owned(),
            whole: change.range.is_none(),
        }
    }

    /// Takes in that a range of the text, which ended at `end`, has become one that ends at `new_end`.
    fn fall_behind(&mut self, old: Range<usize>, new_end: usize, end: usize) {
        self.part = None;
        if let Some(whole) = self.whole.take() {
            (self.tree, self.behind) = (whole, Behind::Nowhere);
        }
        let around = match &self.behind {
            Behind::Nowhere => part::around(self.language, &self.tree, &self.text, end, &old),
            Behind::Within(range) => {
                let is_behind_start = range.start < old.start || range.start == 0;
                let is_within = is_behind_start && old.end <= range.end;
                is_within.then(|| range.clone())
            }
            Behind::Anywhere => None,
        };
        self.behind = around.map_or(Behind::Anywhere, |range| {
            Behind::Within(range.start..range.end - old.end + new_end)
        });
    }
}
