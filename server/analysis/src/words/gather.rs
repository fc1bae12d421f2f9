//! What a rule cannot do without, read off its pattern.
//! It knows patterns and the library's other spellings; it sees no text.

use kb_schema::{
    ArgKey, Event, Guard, Literal, NamePattern, Need, On, Op, Pattern, Shape, Test, Then,
};

use super::piece::{Lies, Next, Opens, Piece};
use super::{All, Atom, Clause, Demand, Spot, Tests, Words};
use crate::layout::is_part;
use crate::query::RawQuery;

impl Words {
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
        let target = pattern.target.as_ref().and_then(|it| self.whole_word(it));
        clauses.extend(target.clone());
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
        let body = pattern.body.as_ref().and_then(|it| self.written(it));
        clauses.extend(body.clone());
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
            On::Assign => target.into_iter().collect(),
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
        let written = self.signs_of(pattern);
        let data = |test: &&Test| !(test.tainted.is_empty() && test.amount.is_empty());
        self.rules.push(Demand {
            crosses: pattern.on == On::Events
                || matches!(spot, Spot::Near)
                || pattern.tests().iter().any(data)
                // A caller may pass the array that is filled.
                || pattern.args.values().any(|it| it.kind.as_deref() == Some("array")),
            clauses,
            spot,
            body,
            written,
            tests: Tests::default(),
            whole: query.is_some_and(|it| it.whole_file),
            classes: query.is_some_and(|it| it.spans_classes),
            function: pattern.function.clone(),
        });
    }

    /// What a raw query cannot match without.
    fn queried(&mut self, query: &RawQuery, clauses: &mut Vec<Clause>) {
        for shape in query.shapes() {
            let whole = query.asks_of_names(shape).then_some(shape);
            clauses.extend(self.fitting(shape, Lies::Anywhere, whole));
        }
        for shape in query.surroundings() {
            clauses.extend(self.written(shape));
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
                lies: Lies::Anywhere,
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
        out.extend(test.named.as_ref().and_then(|it| self.whole_word(it)));
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
                lies: Lies::Anywhere,
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
                lies: Lies::Anywhere,
            })?]]);
        }
        Some(clause)
    }

    fn names(&mut self, names: &[NamePattern]) -> Option<Clause> {
        names.iter().map(|name| self.name(name)).collect()
    }

    /// The words of a name that stand in every text where something resolves to it.
    pub(super) fn name(&mut self, name: &NamePattern) -> Option<All> {
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
                lies: Lies::Anywhere,
            })?]);
        }
        Some(all)
    }

    /// What a name, or a text, must hold to fit an expression.
    fn shape(&mut self, shape: &Shape, is_text: bool) -> Option<Clause> {
        let lies = if is_text {
            Lies::InText
        } else {
            Lies::Anywhere
        };
        self.fitting(shape, lies, None)
    }

    /// What a name, or a key in a string, must hold to fit an expression as a whole.
    fn whole_word(&mut self, shape: &Shape) -> Option<Clause> {
        self.fitting(shape, Lies::InName, Some(shape))
    }

    /// The same, where the word around each piece must fit an expression as a whole.
    fn fitting(&mut self, shape: &Shape, lies: Lies, whole: Option<&Shape>) -> Option<Clause> {
        let is_text = lies == Lies::InText;
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
                    lies,
                })?]);
            }
            if all.is_empty() {
                return None;
            }
            clause.push(all);
        }
        Some(clause)
    }

    /// How what a rule asks about is written, in the function that it is in.
    fn signs_of(&mut self, pattern: &Pattern) -> Option<Clause> {
        let is_equal = |it: &Op| matches!(it, Op::Equal | Op::NotEqual);
        match pattern.on {
            On::Divide => self.signs(&["/", "%"]),
            On::Index => self.signs(&["["]),
            On::Compare if pattern.op.iter().all(is_equal) => self.signs(&["==", "!=", "<>"]),
            On::Compare if !pattern.op.iter().any(is_equal) => self.signs(&["<", ">"]),
            On::Return => self
                .word("return")
                .map(|it| vec![vec![vec![Atom::Word(it)]]]),
            _ => None,
        }
    }

    /// Signs of which one is written.
    fn signs(&mut self, signs: &[&str]) -> Option<Clause> {
        let sign = |sign: &&str| {
            let atom = self.piece(Piece {
                text: (*sign).into(),
                opens: Opens::No,
                then: Next::As(Then::Any),
                fits: None,
                lies: Lies::InCode,
            });
            atom.map(|it| vec![vec![it]])
        };
        signs.iter().map(sign).collect()
    }

    /// What a function's own text, comments included, must hold to fit an expression.
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
                    lies: Lies::InBody,
                })?]);
            }
            clause.push(all);
        }
        Some(clause)
    }

    pub(super) fn word(&mut self, word: &str) -> Option<u16> {
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
        let same = self.by_text.entry(piece.text.clone()).or_default();
        let known = same
            .iter()
            .find(|it| self.pieces[usize::from(**it)] == piece);
        if let Some(known) = known {
            return Some(Atom::Piece(*known));
        }
        let at = u16::try_from(self.pieces.len()).ok()?;
        same.push(at);
        self.pieces.push(piece);
        Some(Atom::Piece(at))
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
