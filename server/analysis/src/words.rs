//! Which words a text must hold for a rule to find anything in it: a proof from raw bytes that
//! nothing can be found, so that a scan need not parse.
//! It knows rules and bytes; it parses nothing.

mod piece;

use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, MatchKind};
use kb_schema::{
    ArgKey, Event, Guard, Language, Library, Literal, NamePattern, Need, On, Pattern, Shape, Test,
    Then,
};
use memchr::memmem;
use rustc_hash::FxHashMap;

use crate::layout::{is_part, words};
use crate::query::RawQuery;
use piece::{Next, Opens, Piece};

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
    /// How a division is written, where it asks about one.
    divides: Option<Clause>,
    /// It asks what a whole text says, and so about everything in it.
    whole: bool,
    /// It asks what a class says, its methods included.
    classes: bool,
    /// What it finds in a function may depend on who calls that.
    crosses: bool,
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
    finder: OnceLock<Option<AhoCorasick>>,
    /// Other spellings of a name: usual names and aliases.
    renames: Renames,
    sources: Vec<Option<Clause>>,
    handlers: Vec<u16>,
    rules: Vec<Demand>,
}

#[derive(Debug)]
struct Lengths([u64; 256]);

impl Default for Lengths {
    fn default() -> Self {
        Self([0; 256])
    }
}

impl Lengths {
    fn bit(word: &[u8]) -> u64 {
        1 << word.len().min(63)
    }

    fn add(&mut self, word: &[u8]) {
        if let Some(first) = word.first() {
            self.0[usize::from(*first)] |= Self::bit(word);
        }
    }

    fn may_have(&self, word: &[u8]) -> bool {
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

impl Words {
    /// Takes in what a library says of other spellings, handlers and sources.
    pub(crate) fn new(library: &Library) -> Self {
        let mut out = Self {
            language: library.language,
            ids: FxHashMap::default(),
            lengths: Lengths::default(),
            pieces: Vec::new(),
            finder: OnceLock::new(),
            renames: Renames::default(),
            sources: Vec::new(),
            handlers: Vec::new(),
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

    /// Takes in a rule; its sources are told by `source`.
    pub(crate) fn add(
        &mut self,
        pattern: &Pattern,
        query: Option<&RawQuery>,
        source: &dyn Fn(&str) -> Option<u16>,
    ) {
        let mut clauses = Vec::new();
        if !pattern.callee.is_empty() {
            clauses.extend(self.names(&pattern.callee));
        }
        clauses.extend(pattern.target.as_ref().and_then(|it| self.shape(it, false)));
        let values = [
            &pattern.receiver,
            &pattern.value,
            &pattern.other,
            &pattern.base,
            &pattern.index,
            &pattern.key,
        ];
        for (key, test) in &pattern.args {
            // A keyword that must be passed is written out.
            if let (ArgKey::Keyword(word), false) = (key, may_be_absent(test)) {
                let atom = self.word(word).map(Atom::Word);
                clauses.extend(atom.map(|it| vec![vec![vec![it]]]));
            }
            self.test(test, source, &mut clauses);
        }
        for test in values.into_iter().flatten() {
            self.test(test, source, &mut clauses);
        }
        if pattern.on == On::Assert {
            let atom = self.word("assert").map(Atom::Word);
            clauses.extend(atom.map(|it| vec![vec![vec![it]]]));
        }
        clauses.extend(pattern.body.as_ref().and_then(|it| self.written(it)));
        for event in pattern.start.iter().chain(&pattern.end) {
            if let Event::Call { callee, args, .. } = event {
                clauses.extend(self.names(callee));
                for test in args.values() {
                    self.test(test, source, &mut clauses);
                }
            }
        }
        if pattern.handler == Some(true) {
            clauses.push(vec![vec![vec![Atom::Handler]]]);
        }
        let outside = clauses.len();
        if let Some(query) = query {
            self.queried(query, &mut clauses);
        }
        let here = match pattern.on {
            On::Call | On::Mention | On::Ignored => {
                self.ends(&pattern.callee).into_iter().collect()
            }
            On::Assign => {
                let target = pattern.target.as_ref();
                target
                    .and_then(|it| self.shape(it, false))
                    .into_iter()
                    .collect()
            }
            On::Events => {
                let of = |event: Option<&Event>| match event {
                    Some(Event::Call { callee, .. }) => Some(callee.clone()),
                    _ => None,
                };
                let names = of(pattern.start.as_ref()).or_else(|| of(pattern.end.as_ref()));
                names.and_then(|it| self.ends(&it)).into_iter().collect()
            }
            On::Assert => self
                .word("assert")
                .map(|it| vec![vec![vec![Atom::Word(it)]]])
                .into_iter()
                .collect(),
            On::Query => clauses[outside..].to_vec(),
            On::Index | On::Return | On::Compare | On::Divide => Vec::new(),
        };
        let spot = match (
            here.is_empty(),
            clauses.is_empty() || pattern.on == On::Query,
        ) {
            (false, _) => Spot::Here(here),
            (true, false) => Spot::Near,
            (true, true) => Spot::Anywhere,
        };
        let divides = (pattern.on == On::Divide).then(|| self.signs(&["/", "%"]));
        let data = |test: &&Test| !(test.tainted.is_empty() && test.amount.is_empty());
        self.rules.push(Demand {
            crosses: pattern.on == On::Events
                || matches!(spot, Spot::Near)
                || pattern.tests().iter().any(data)
                // A caller may pass the array that is filled.
                || pattern.args.values().any(|it| it.kind.as_deref() == Some("array")),
            clauses,
            spot,
            divides: divides.flatten(),
            tests: Tests::default(),
            whole: query.is_some_and(|it| it.whole_file),
            classes: query.is_some_and(RawQuery::spans_classes),
        });
    }

    /// What a raw query cannot match without.
    fn queried(&mut self, query: &RawQuery, clauses: &mut Vec<Clause>) {
        for shape in query.shapes() {
            let whole = query.asks_of_names(shape).then_some(shape);
            clauses.extend(self.fitting(shape, false, whole));
        }
        for group in query.words().iter().chain(query.implied()) {
            // A query's word may be any text; only whole words are looked up.
            let ids: Option<Vec<Atom>> = group
                .iter()
                .map(|word| self.word(word).map(Atom::Word))
                .collect();
            clauses.extend(ids.map(|ids| vec![vec![ids]]));
        }
        if query.asks_bare_except() {
            let piece = Piece {
                text: "except".into(),
                opens: Opens::Word,
                then: Next::Colon,
                fits: None,
            };
            let atom = self.piece(piece);
            clauses.extend(atom.map(|it| vec![vec![vec![it]]]));
        }
    }

    /// The last words of names, which stand where something is called by them.
    fn ends(&mut self, names: &[NamePattern]) -> Option<Clause> {
        let all: Option<Vec<All>> = names.iter().map(|name| self.name(name)).collect();
        // A name's parts are in order, and its last one is never left out but for a wildcard.
        let last = |(name, mut all): (&NamePattern, All)| {
            let plain = !name.last().contains('*');
            plain.then(|| all.pop().into_iter().collect())
        };
        names.iter().zip(all?).map(last).collect()
    }

    /// What a test that must hold of something written demands.
    fn test(&mut self, test: &Test, source: &dyn Fn(&str) -> Option<u16>, out: &mut Vec<Clause>) {
        if may_be_absent(test) {
            return;
        }
        for wanted in [&test.tainted, &test.amount] {
            let ids: Option<Vec<Atom>> = wanted
                .iter()
                .map(|it| source(it).map(Atom::Source))
                .collect();
            out.extend(ids.filter(|ids| !ids.is_empty()).map(|ids| vec![vec![ids]]));
        }
        if !test.names.is_empty() {
            out.extend(self.names(&test.names));
        }
        out.extend(self.constants(&test.constant));
        out.extend(test.named.as_ref().and_then(|it| self.shape(it, false)));
        out.extend(test.text.as_ref().and_then(|it| self.shape(it, true)));
        let parts = test.element.iter().chain(&test.part);
        let inner = parts.map(|it| &**it).chain(test.entry.values());
        for test in inner.chain(test.given.values()) {
            self.test(test, source, out);
        }
        for (key, inner) in &test.entry {
            // A key is written out, as text or as a keyword; marks in it may be put in by a sum.
            let run = key.split(|c: char| !(c.is_alphanumeric() || c == '_'));
            let run = run.max_by_key(|it| it.len()).filter(|it| it.len() > 1);
            let piece = run.filter(|_| !may_be_absent(inner)).map(|run| Piece {
                text: run.to_ascii_lowercase().into(),
                opens: Opens::No,
                then: Next::As(Then::Any),
                fits: None,
            });
            let atom = piece.and_then(|it| self.piece(it));
            out.extend(atom.map(|it| vec![vec![vec![it]]]));
        }
        for guard in &test.checked {
            if let Guard::Yes(name) | Guard::No(name) | Guard::Call(name) = guard
                && test.checked.len() == 1
            {
                out.extend(self.names(std::slice::from_ref(name)));
            }
        }
        if !test.any.is_empty() {
            // One alternative holds; of each one demand is enough.
            let mut all: Option<Clause> = Some(Vec::new());
            for inner in &test.any {
                let mut clauses = Vec::new();
                self.test(inner, source, &mut clauses);
                let one = clauses.into_iter().next();
                all = all.zip(one).map(|(mut all, one)| {
                    all.extend(one);
                    all
                });
            }
            out.extend(all);
        }
    }

    /// The longest plain run of each of these texts; nothing where one has none, or is a number.
    fn constants(&mut self, constants: &[Literal]) -> Option<Clause> {
        let run = |literal: &Literal| {
            let Literal::Text(text) = literal else {
                return None;
            };
            // Those mean the null value, which a function may give back without a word.
            if matches!(text.as_str(), "None" | "NULL") {
                return None;
            }
            // What a literal may write with a backslash is left out, and so is a space, where it may
            // be put together.
            let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '\\' | '\'' | '"');
            let runs = text.split(|c: char| !plain(c));
            let run = runs.max_by_key(|it| it.len()).unwrap_or("");
            let words = run.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
            let word = words.max_by_key(|it| it.len()).filter(|it| it.len() > 1);
            Some(word.unwrap_or(run).to_ascii_lowercase()).filter(|it| it.len() > 1)
        };
        let runs: Option<Vec<String>> = constants.iter().map(run).collect();
        let mut clause = Clause::new();
        for text in runs.filter(|it| !it.is_empty())? {
            clause.push(vec![vec![self.piece(Piece {
                text: text.into(),
                opens: Opens::No,
                then: Next::As(Then::Any),
                fits: None,
            })?]]);
        }
        Some(clause)
    }

    fn names(&mut self, names: &[NamePattern]) -> Option<Clause> {
        names.iter().map(|name| self.name(name)).collect()
    }

    /// The words of a name that stand in every text where something resolves to it.
    fn name(&mut self, name: &NamePattern) -> Option<All> {
        let parts: Vec<&str> = name
            .as_str()
            .split('.')
            .map(|part| {
                part.trim_end_matches(['(', ')', '[', ']'])
                    .trim_start_matches('?')
            })
            .collect();
        // A usual name or an alias stands for everything up to where its path ends.
        let renamed = self
            .renames
            .of(&self.renames.by_first, parts[0])
            .filter(|(path, _)| {
                path.len() <= parts.len() && path.iter().zip(&parts).all(|(a, b)| **a == **b)
            })
            .map(|(path, _)| path.len() - 1)
            .max();
        let first = renamed.unwrap_or(0);
        let mut all = All::new();
        for part in parts.iter().skip(first.min(parts.len() - 1)) {
            if part.contains('*') {
                continue;
            }
            let spelled: Vec<Box<str>> = self
                .renames
                .of(&self.renames.by_last, part)
                .filter(|(_, key)| **key != **part)
                .map(|(_, key)| key.clone())
                .collect();
            let mut group = Vec::new();
            for word in std::iter::once(*part).chain(spelled.iter().map(|it| &**it)) {
                group.push(Atom::Word(self.word(word)?));
            }
            all.push(group);
        }
        // Nothing of it is a whole word: its longest piece must do.
        if all.is_empty() {
            let piece = name.last().split('*').max_by_key(|it| it.len())?;
            if piece.len() < 2 {
                return None;
            }
            all.push(vec![self.piece(Piece {
                text: piece.to_ascii_lowercase().into(),
                opens: Opens::No,
                then: Next::As(Then::Any),
                fits: None,
            })?]);
        }
        Some(all)
    }

    /// What a name, or a text, must hold to fit an expression.
    fn shape(&mut self, shape: &Shape, is_text: bool) -> Option<Clause> {
        self.fitting(shape, is_text, None)
    }

    /// The same, where the word around each piece must fit an expression as a whole.
    fn fitting(&mut self, shape: &Shape, is_text: bool, whole: Option<&Shape>) -> Option<Clause> {
        let mut clause = Clause::new();
        for group in shape.needs()?.iter().cloned() {
            let mut all = All::new();
            // Text may be put together at any mark that is part of no word.
            let needs = group.into_iter().flat_map(|need| match is_text {
                true => runs(&need),
                false => vec![need],
            });
            for need in needs {
                all.push(vec![self.piece(Piece {
                    text: need.text.into(),
                    opens: match (need.opens, is_text) {
                        (false, _) => Opens::No,
                        (true, false) => Opens::Word,
                        (true, true) => Opens::Text,
                    },
                    then: Next::As(need.then),
                    fits: whole.cloned(),
                })?]);
            }
            if all.is_empty() {
                return None;
            }
            clause.push(all);
        }
        Some(clause)
    }

    /// Signs of which one is written.
    fn signs(&mut self, signs: &[&str]) -> Option<Clause> {
        let sign = |sign: &&str| {
            let atom = self.piece(Piece {
                text: (*sign).into(),
                opens: Opens::No,
                then: Next::As(Then::Any),
                fits: None,
            });
            atom.map(|it| vec![vec![it]])
        };
        signs.iter().map(sign).collect()
    }

    /// What a function's own text must hold to fit an expression.
    fn written(&mut self, shape: &Shape) -> Option<Clause> {
        let mut clause = Clause::new();
        for group in shape.needs()? {
            let mut all = All::new();
            for need in group {
                all.push(vec![self.piece(Piece {
                    text: need.text.as_str().into(),
                    opens: Opens::No,
                    then: Next::As(Then::Any),
                    fits: None,
                })?]);
            }
            clause.push(all);
        }
        Some(clause)
    }

    fn word(&mut self, word: &str) -> Option<u16> {
        let whole = !word.is_empty() && word.bytes().all(is_part);
        if !whole {
            return None;
        }
        if let Some(id) = self.ids.get(word.as_bytes()) {
            return Some(*id);
        }
        let id = u16::try_from(self.ids.len()).ok()?;
        self.ids.insert(word.as_bytes().into(), id);
        self.lengths.add(word.as_bytes());
        Some(id)
    }

    fn piece(&mut self, piece: Piece) -> Option<Atom> {
        let at = match self.pieces.iter().position(|it| *it == piece) {
            Some(at) => at,
            None => {
                self.pieces.push(piece);
                self.pieces.len() - 1
            }
        };
        u16::try_from(at).ok().map(Atom::Piece)
    }

    /// Numbers all atoms; to be called when every rule was added.
    pub(crate) fn finish(&mut self) {
        for at in 0..self.rules.len() {
            let rule = &self.rules[at];
            let tests = |clauses: &[Clause]| clauses.iter().map(|it| self.any_of(it)).collect();
            let stands = match &rule.spot {
                Spot::Here(clauses) => tests(clauses),
                Spot::Near => {
                    let mut near = AnyOf::default();
                    rule.clauses
                        .iter()
                        .for_each(|it| self.touched(it, &mut near));
                    let divides = rule.divides.as_ref().map(|it| self.any_of(it));
                    std::iter::once(near).chain(divides).collect()
                }
                Spot::Anywhere => Vec::new(),
            };
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
        marks.handler = self.has_handler(text) || self.registers(text);
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

    /// Notes a piece that [`Self::find_pieces`] gave.
    pub(crate) fn mark_piece(&self, piece: usize, marks: &mut Marks) {
        marks.set(self.ids.len() + piece);
    }

    /// Where which pieces stand in the text. `None` where letters have forms outside ASCII, so
    /// that all of them may.
    pub(crate) fn find_pieces(&self, text: &[u8]) -> Option<Vec<(usize, usize)>> {
        let finder = self.finder.get_or_init(|| {
            AhoCorasick::builder()
                .ascii_case_insensitive(true)
                .match_kind(MatchKind::Standard)
                .build(self.pieces.iter().map(|it| it.text.as_bytes()))
                .ok()
        });
        let folded = FOLDED.iter().any(|it| memmem::find(text, it).is_some());
        let finder = finder.as_ref().filter(|_| !folded)?;
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

/// The words in a needed text, those of one letter apart.
fn runs(need: &Need) -> Vec<Need> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let mut out = Vec::new();
    let mut next = 0;
    for run in need.text.split(|c: char| !is_part(c)) {
        let start = next;
        let rest = &need.text[start + run.len()..];
        next = start + run.len() + rest.chars().next().map_or(0, char::len_utf8);
        if run.len() < 2 {
            continue;
        }
        let last = rest.is_empty();
        out.push(Need {
            opens: need.opens && start == 0,
            then: if last { need.then } else { Then::Break },
            text: run.to_owned(),
        });
    }
    out
}

/// Whether a test may hold of an argument that is not written.
fn may_be_absent(test: &Test) -> bool {
    test.absent == Some(true)
        || test.any.iter().any(may_be_absent)
        || (test.not.is_some() && !crate::matching::asks_for_something(test))
}
