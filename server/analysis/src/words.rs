//! Which words a text must hold for a rule to find anything in it: a proof from raw bytes that
//! nothing can be found, so that a scan need not parse.
//! It knows rules and bytes; it parses nothing.

mod gather;
mod piece;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use kb_schema::{Language, Library, Shape};
use memchr::memmem;
use rustc_hash::FxHashMap;

use crate::layout::words;
use piece::Piece;

pub(crate) use piece::Lies;

/// Letters outside ASCII that stand for `s` and `k` where case does not matter.
const FOLDED: [&[u8]; 2] = ["\u{17f}".as_bytes(), "\u{212a}".as_bytes()];

/// One thing that the bytes may show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Atom {
    /// A whole word.
    Word(u16),
    /// A piece of a word, in upper or lower case.
    Piece(u16),
    /// Something of a source's own words.
    Source(u16),
    /// A decorator of a route handler.
    Handler,
}

/// Atoms that must all be there, each in one of its spellings.
type All = Vec<Vec<Atom>>;
/// Alternatives of which one must hold.
type Clause = Vec<All>;

/// Where the fact that a rule reports can stand.
#[derive(Debug)]
enum Spot {
    /// In functions where this is written.
    Here(Vec<Clause>),
    /// In functions where anything of what the rule needs is written, and in those that they share
    /// data with.
    Near,
    /// In any function.
    Anywhere,
}

/// What one rule cannot do without.
#[derive(Debug)]
struct Demand {
    clauses: Vec<Clause>,
    spot: Spot,
    /// The same once all atoms are numbered, in the form that is asked.
    tests: Tests,
    /// How a division, a comparison, an index or a return is written, where it asks about one.
    written: Option<Clause>,
    /// It asks what a whole text says, and so about everything in it.
    whole: bool,
    /// It asks what a class says, its methods included.
    classes: bool,
    /// What the function's own text must hold.
    body: Option<Clause>,
    /// What it finds in a function may depend on who calls that.
    crosses: bool,
    /// What the function's name must look like.
    function: Option<Shape>,
}

/// A rule's demands as tests of marks.
#[derive(Debug, Default)]
struct Tests {
    clauses: Vec<AnyOf>,
    stands: Vec<AnyOf>,
}

/// Alternatives, most of which are one atom: those share a few masks.
#[derive(Debug, Default)]
struct AnyOf {
    /// It demands nothing that bytes can show.
    always: bool,
    handler: bool,
    /// Which words of the marks' bits, and which bits of them.
    masks: Vec<(usize, u64)>,
    /// Alternatives that are several at once.
    all: Vec<Vec<AnyOf>>,
}

impl AnyOf {
    fn holds(&self, marks: &Marks) -> bool {
        self.always
            || (self.handler && marks.handler)
            || self
                .masks
                .iter()
                .any(|(at, mask)| marks.bits[*at] & mask != 0)
            || self
                .all
                .iter()
                .any(|all| all.iter().all(|it| it.holds(marks)))
    }

    fn set(&mut self, at: usize) {
        let (at, mask) = (at / 64, 1 << (at % 64));
        match self.masks.iter_mut().find(|(other, _)| *other == at) {
            Some((_, known)) => *known |= mask,
            None => self.masks.push((at, mask)),
        }
    }
}

/// What each rule of a language cannot do without.
#[derive(Debug)]
pub(crate) struct Words {
    language: Language,
    ids: FxHashMap<Box<[u8]>, u16>,
    /// By first byte, the lengths of the words that begin with it; those over 62 share a bit.
    lengths: Lengths,
    pieces: Vec<Piece>,
    /// The pieces of each text.
    by_text: FxHashMap<Box<str>, Vec<u16>>,
    finders: Finders,
    /// Other spellings of a name: usual names and aliases.
    renames: Renames,
    sources: Vec<Option<Clause>>,
    handlers: Vec<u16>,
    /// Classes whose methods are handlers too.
    handler_classes: Vec<u16>,
    rules: Vec<Demand>,
}

/// What lengths words have that begin with a byte: most words need not be looked up.
#[derive(Debug)]
pub(crate) struct Lengths([u64; 256]);

impl Default for Lengths {
    fn default() -> Self {
        Self([0; 256])
    }
}

impl Lengths {
    fn bit(word: &[u8]) -> u64 {
        1 << word.len().min(63)
    }

    pub(crate) fn add(&mut self, word: &[u8]) {
        if let Some(first) = word.first() {
            self.0[usize::from(*first)] |= Self::bit(word);
        }
    }

    pub(crate) fn may_have(&self, word: &[u8]) -> bool {
        word.first()
            .is_some_and(|it| self.0[usize::from(*it)] & Self::bit(word) != 0)
    }
}

/// Paths, each with the word that may stand for it, found by their first and last parts.
#[derive(Debug, Default)]
struct Renames {
    all: Vec<(Vec<Box<str>>, Box<str>)>,
    by_first: FxHashMap<Box<str>, Vec<usize>>,
    by_last: FxHashMap<Box<str>, Vec<usize>>,
}

impl Renames {
    fn add(&mut self, path: Vec<Box<str>>, word: &str) {
        let at = self.all.len();
        if let [first, ..] = path.as_slice() {
            self.by_first.entry(first.clone()).or_default().push(at);
        }
        if let [.., last] = path.as_slice() {
            self.by_last.entry(last.clone()).or_default().push(at);
        }
        self.all.push((path, word.into()));
    }

    fn of<'a>(
        &'a self,
        places: &'a FxHashMap<Box<str>, Vec<usize>>,
        part: &str,
    ) -> impl Iterator<Item = &'a (Vec<Box<str>>, Box<str>)> {
        let places = places.get(part).into_iter().flatten();
        places.map(|it| &self.all[*it])
    }
}

/// What finds all pieces at once: one that is built in a moment, and for those who go on asking one
/// that finds them faster and takes longer to build.
#[derive(Debug, Default)]
struct Finders {
    quick: OnceLock<Option<AhoCorasick>>,
    fast: OnceLock<Option<AhoCorasick>>,
    /// How many bytes were looked through.
    seen: AtomicUsize,
}

impl Finders {
    /// After so many bytes the faster one pays.
    const ENOUGH: usize = 1 << 19;

    /// The finder for a text of so many bytes.
    fn of(&self, pieces: &[Piece], len: usize) -> Option<&AhoCorasick> {
        let seen = self.seen.fetch_add(len, Ordering::Relaxed);
        let (slot, kind) = match seen.saturating_add(len) < Self::ENOUGH {
            true => (&self.quick, AhoCorasickKind::NoncontiguousNFA),
            false => (&self.fast, AhoCorasickKind::DFA),
        };
        let build = || {
            AhoCorasick::builder()
                .ascii_case_insensitive(true)
                .match_kind(MatchKind::Standard)
                .kind(Some(kind))
                .build(pieces.iter().map(|it| it.text.as_bytes()))
                .ok()
        };
        slot.get_or_init(build).as_ref()
    }
}

impl Words {
    /// Takes in what a library says of other spellings, handlers and sources.
    pub(crate) fn new(library: &Library) -> Self {
        let mut out = Self {
            language: library.language,
            ids: FxHashMap::default(),
            lengths: Lengths::default(),
            pieces: Vec::new(),
            by_text: FxHashMap::default(),
            finders: Finders::default(),
            renames: Renames::default(),
            sources: Vec::new(),
            handlers: Vec::new(),
            handler_classes: Vec::new(),
            rules: Vec::new(),
        };
        for (key, value) in library.usual.iter().chain(&library.aliases) {
            let last = key.rsplit(['.', ':']).next().unwrap_or(key);
            let path = value.split('.').map(Into::into).collect();
            out.renames.add(path, last);
        }
        for name in &library.handlers {
            if let Some(id) = out.word(name.last()) {
                out.handlers.push(id);
            }
        }
        for name in &library.handler_classes {
            if let Some(id) = out.word(name.last()) {
                out.handler_classes.push(id);
            }
        }
        for source in &library.sources {
            let mut clause: Option<Clause> = Some(Vec::new());
            let fills = source.fills.iter().map(|(name, _)| name);
            for name in source.names.iter().chain(fills) {
                let all = out.name(name);
                clause = clause.zip(all).map(|(mut clause, all)| {
                    clause.push(all);
                    clause
                });
            }
            for param in &source.params {
                let atom = out.word(param).map(Atom::Word);
                clause = clause.zip(atom).map(|(mut clause, atom)| {
                    clause.push(vec![vec![atom]]);
                    clause
                });
            }
            if source.handler_params
                && let Some(clause) = &mut clause
            {
                clause.push(vec![vec![Atom::Handler]]);
            }
            out.sources.push(clause);
        }
        out
    }

    /// Numbers all atoms; to be called when every rule was added.
    pub(crate) fn finish(&mut self) {
        for at in 0..self.rules.len() {
            let rule = &self.rules[at];
            let tests = |clauses: &[Clause]| clauses.iter().map(|it| self.any_of(it)).collect();
            let mut stands = match &rule.spot {
                Spot::Here(clauses) => tests(clauses),
                Spot::Near => {
                    let mut near = AnyOf::default();
                    rule.clauses
                        .iter()
                        .for_each(|it| self.touched(it, &mut near));
                    std::iter::once(near).collect()
                }
                Spot::Anywhere => Vec::new(),
            };
            let own = rule.body.iter().chain(&rule.written);
            stands.extend(own.map(|it| self.any_of(it)));
            let clauses = tests(&rule.clauses);
            self.rules[at].tests = Tests { clauses, stands };
        }
    }

    fn any_of(&self, clause: &Clause) -> AnyOf {
        let mut out = AnyOf::default();
        for all in clause {
            match all.as_slice() {
                [group] => group.iter().for_each(|it| self.atom(*it, &mut out)),
                groups => {
                    let group = |group: &Vec<Atom>| {
                        let mut out = AnyOf::default();
                        group.iter().for_each(|it| self.atom(*it, &mut out));
                        out
                    };
                    out.all.push(groups.iter().map(group).collect());
                }
            }
        }
        out
    }

    fn atom(&self, atom: Atom, out: &mut AnyOf) {
        match atom {
            Atom::Word(id) => out.set(usize::from(id)),
            Atom::Piece(id) => out.set(self.ids.len() + usize::from(id)),
            Atom::Handler => out.handler = true,
            // A source is made of words, pieces and handlers only.
            Atom::Source(id) => match &self.sources[usize::from(id)] {
                None => out.always = true,
                Some(clause) => {
                    let source = self.any_of(clause);
                    out.always |= source.always;
                    out.handler |= source.handler;
                    out.all.extend(source.all);
                    for (at, mask) in source.masks {
                        let bits = (0..64).filter(|bit| mask & (1 << bit) != 0);
                        bits.for_each(|bit| out.set(at * 64 + bit));
                    }
                }
            },
        }
    }

    /// Anything that a clause names, a part of it too.
    fn touched(&self, clause: &Clause, out: &mut AnyOf) {
        for atom in clause.iter().flatten().flatten() {
            match atom {
                Atom::Source(id) => match &self.sources[usize::from(*id)] {
                    None => out.always = true,
                    Some(clause) => self.touched(clause, out),
                },
                other => self.atom(*other, out),
            }
        }
    }

    /// Whether any rule could find something in this text. `false` is a proof.
    pub(crate) fn may_find(&self, text: &[u8]) -> bool {
        let pieces = self.find_pieces(text);
        !self.active(&self.marks(text, pieces.as_deref())).is_empty()
    }

    /// What a text shows as a whole; without pieces it may show all of them.
    pub(crate) fn marks(&self, text: &[u8], pieces: Option<&[(usize, usize)]>) -> Marks {
        let mut marks = Marks::of(self);
        for word in words(text) {
            self.mark(word, &mut marks);
        }
        match pieces {
            Some(found) => found
                .iter()
                .for_each(|(_, piece)| self.mark_piece(*piece, &mut marks)),
            None => (0..self.pieces.len()).for_each(|it| self.mark_piece(it, &mut marks)),
        }
        marks.handler =
            self.has_handler(text) || self.has_handler_class(&marks) || self.registers(text);
        marks
    }

    /// Notes a word, where it is one of some rule's. Whether it is.
    pub(crate) fn mark(&self, word: &[u8], marks: &mut Marks) -> bool {
        if !self.lengths.may_have(word) {
            return false;
        }
        let id = self.ids.get(word);
        if let Some(id) = id {
            marks.set(usize::from(*id));
        }
        id.is_some()
    }

    /// The rules that could find something in a text that shows what is marked.
    pub(crate) fn active(&self, marks: &Marks) -> Vec<usize> {
        let rules = 0..self.rules.len();
        rules.filter(|it| self.may_hold(*it, marks)).collect()
    }

    /// Whether all that a rule needs is marked.
    pub(crate) fn may_hold(&self, rule: usize, marks: &Marks) -> bool {
        let tests = &self.rules[rule].tests;
        tests.clauses.iter().all(|it| it.holds(marks))
    }

    /// Whether what a rule finds in a function may depend on the function's callers.
    pub(crate) fn crosses(&self, rule: usize) -> bool {
        self.rules[rule].crosses
    }

    /// Whether a rule asks about a text as a whole.
    pub(crate) fn is_whole(&self, rule: usize) -> bool {
        self.rules[rule].whole
    }

    /// Whether a rule asks about classes with all their methods.
    pub(crate) fn is_about_classes(&self, rule: usize) -> bool {
        self.rules[rule].classes
    }

    /// Whether a function that shows what is marked may hold the fact that a rule reports.
    pub(crate) fn may_stand(&self, rule: usize, marks: &Marks) -> bool {
        let tests = &self.rules[rule].tests;
        tests.stands.iter().all(|it| it.holds(marks))
    }

    /// What a function's name must look like for a rule to report anything in it.
    pub(crate) fn function(&self, rule: usize) -> Option<&Shape> {
        self.rules[rule].function.as_ref()
    }

    /// Where a piece that [`Self::find_pieces`] gave has to lie.
    pub(crate) fn lies(&self, piece: usize) -> Lies {
        self.pieces[piece].lies
    }

    /// Whether the word around a piece looks as the piece's rule wants.
    pub(crate) fn fits(&self, piece: usize, text: &[u8], at: usize) -> bool {
        let piece = &self.pieces[piece];
        piece.fits(text, &(at..at + piece.text.len()))
    }

    /// Notes a piece that [`Self::find_pieces`] gave.
    pub(crate) fn mark_piece(&self, piece: usize, marks: &mut Marks) {
        marks.set(self.ids.len() + piece);
    }

    /// Where which pieces stand in the text. `None` where letters have forms outside ASCII, so
    /// that all of them may.
    pub(crate) fn find_pieces(&self, text: &[u8]) -> Option<Vec<(usize, usize)>> {
        let finder = self.finders.of(&self.pieces, text.len());
        let folded = FOLDED.iter().any(|it| memmem::find(text, it).is_some());
        let finder = finder.filter(|_| !folded)?;
        let found = finder.find_overlapping_iter(text);
        let found = found.filter_map(|it| {
            let piece = it.pattern().as_usize();
            let stands = self.pieces[piece].stands(text, it.range());
            stands.then_some((it.start(), piece))
        });
        Some(found.collect())
    }

    /// Whether a C text says which functions are called when a signal arrives.
    pub(crate) fn registers(&self, text: &[u8]) -> bool {
        let words = ["sa_handler", "sa_sigaction", "signal("];
        let mut found = words.iter().map(|it| memmem::find(text, it.as_bytes()));
        self.language == Language::C && found.any(|it| it.is_some())
    }

    /// Whether a class is named that makes handlers of a subclass's methods.
    pub(crate) fn has_handler_class(&self, marks: &Marks) -> bool {
        let mut ids = self.handler_classes.iter().map(|it| usize::from(*it));
        ids.any(|at| marks.bits[at / 64] & (1 << (at % 64)) != 0)
    }

    /// Whether a decorator names something that a route's decorator may be called.
    pub(crate) fn has_handler(&self, text: &[u8]) -> bool {
        memchr::memchr_iter(b'@', text).any(|at| {
            let tail = &text[at + 1..];
            let len = tail
                .iter()
                .position(|byte| matches!(byte, b'(' | b'\n' | b'\r' | b'\\'))
                .unwrap_or(tail.len());
            let name = &tail[..len];
            // Brackets or a broken line before the name: say yes rather than read on.
            let unclear = name.trim_ascii().is_empty() || tail.get(len) == Some(&b'\\');
            unclear
                || words(name)
                    .filter_map(|word| self.ids.get(word))
                    .any(|id| self.handlers.contains(id))
        })
    }
}

/// Which words and pieces some part of a text shows.
#[derive(Debug, Clone)]
pub(crate) struct Marks {
    bits: Box<[u64]>,
    /// A decorator of a route handler.
    pub(crate) handler: bool,
}

impl Marks {
    /// None yet.
    pub(crate) fn of(words: &Words) -> Self {
        let count = words.ids.len() + words.pieces.len();
        Self {
            bits: vec![0; count.div_ceil(64)].into(),
            handler: false,
        }
    }

    fn set(&mut self, at: usize) {
        self.bits[at / 64] |= 1 << (at % 64);
    }

    /// Adds what another part shows.
    pub(crate) fn add(&mut self, other: &Self) {
        for (bits, more) in self.bits.iter_mut().zip(&other.bits) {
            *bits |= more;
        }
        self.handler |= other.handler;
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.handler && self.bits.iter().all(|it| *it == 0)
    }
}
