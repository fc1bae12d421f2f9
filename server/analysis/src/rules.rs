//! Compiled entries: every pattern filed under the names it needs, one hash look-up away.
//! It knows patterns and libraries; it evaluates nothing.

use std::fmt;
use std::sync::{Arc, OnceLock};

use aho_corasick::AhoCorasick;
use kb_schema::{
    Entry, EntrySet, Event, Guard, Library, NamePattern, On, Pattern, Problem, Severity, Subject,
    Test, Use,
};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::query::{self, RawQuery};
use crate::words::Words;

/// Things filed by the last segment of a name.
pub(crate) struct Dispatch<T> {
    by_last: FxHashMap<Box<str>, Vec<(NamePattern, T)>>,
    globs: Vec<(NamePattern, T)>,
    /// Finds the longest plain piece of each glob's last segment.
    pieces: OnceLock<Option<AhoCorasick>>,
}

impl<T> Default for Dispatch<T> {
    fn default() -> Self {
        Self {
            by_last: FxHashMap::default(),
            globs: Vec::new(),
            pieces: OnceLock::new(),
        }
    }
}

impl<T> Dispatch<T> {
    fn add(&mut self, name: &NamePattern, item: T) {
        if name.last_is_plain() {
            self.by_last
                .entry(name.last().into())
                .or_default()
                .push((name.clone(), item));
        } else {
            self.globs.push((name.clone(), item));
        }
    }

    /// Everything filed under a name that fits `path`.
    pub(crate) fn find<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a T> {
        let last = kb_schema::last_segment(path);
        let plain = self.by_last.get(last).into_iter().flatten();
        let globs = self.candidates(last).into_iter().map(|it| &self.globs[it]);
        plain
            .chain(globs)
            .filter(move |(name, _)| name.matches(path))
            .map(|(_, item)| item)
    }

    /// The globs whose longest piece stands in the last segment; trying all of them at every call
    /// took a sixth of a scan.
    fn candidates(&self, last: &str) -> Vec<usize> {
        if self.globs.is_empty() {
            return Vec::new();
        }
        let build = || {
            let longest = |name: &NamePattern| {
                let pieces = name.last().split('*');
                pieces.max_by_key(|it| it.len()).unwrap_or("").to_owned()
            };
            AhoCorasick::new(self.globs.iter().map(|(name, _)| longest(name))).ok()
        };
        let Some(pieces) = self.pieces.get_or_init(build) else {
            return (0..self.globs.len()).collect();
        };
        let found = pieces.find_overlapping_iter(last);
        let mut out: Vec<usize> = found.map(|it| it.pattern().as_usize()).collect();
        out.sort_unstable();
        out.dedup();
        out
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.find(path).next().is_some()
    }
}

/// One pattern of one entry.
pub(crate) struct Rule {
    pub(crate) entry: Arc<Entry>,
    pub(crate) index: usize,
    pub(crate) sanitizers: Vec<NamePattern>,
}

impl Rule {
    pub(crate) fn pattern(&self) -> &Pattern {
        &self.entry.patterns[self.index]
    }

    /// Whether the rule is about functions of that name, and about route handlers or others.
    pub(crate) fn in_scope(&self, function: &str, handler: bool) -> bool {
        let pattern = self.pattern();
        pattern.handler.is_none_or(|wanted| wanted == handler)
            && pattern
                .function
                .as_ref()
                .is_none_or(|it| it.is_match(function))
            && pattern
                .not_function
                .as_ref()
                .is_none_or(|it| !it.is_match(function))
    }

    /// Whether the rule is about functions of that text.
    pub(crate) fn in_body(&self, text: &str) -> bool {
        let pattern = self.pattern();
        pattern.body.as_ref().is_none_or(|it| it.is_match(text))
            && pattern
                .not_body
                .as_ref()
                .is_none_or(|it| !it.is_match(text))
    }

    pub(crate) fn severity(&self) -> Severity {
        self.pattern().severity.unwrap_or(self.entry.severity)
    }

    pub(crate) fn message(&self) -> &str {
        self.pattern()
            .message
            .as_deref()
            .unwrap_or(&self.entry.message)
    }
}

/// What a call does in an event pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Start,
    End,
    Cancel(usize),
}

/// A library call's side effect on one of its arguments.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Effect {
    /// Source data is written into an argument.
    Fills { source: u16, arg: usize },
    /// An argument is read through.
    Reads { arg: usize },
    /// Data is copied.
    Copies { to: usize, from: usize },
    /// Text is formatted.
    Formats { to: usize, format: usize },
}

/// The rules that may find something in a text.
pub(crate) struct Active {
    /// By rule; none where nothing was ruled out.
    known: Option<Box<[bool]>>,
    pub(crate) assigns: Vec<u32>,
    pub(crate) event_uses: Vec<(u32, Role, Use)>,
    /// Whether a mere use opens an event of some pattern.
    pub(crate) starts_by_use: bool,
    /// The patterns that begin with a variable without a value.
    pub(crate) declares: Vec<u32>,
    /// The patterns that begin with a variable that a choice without a default sets.
    pub(crate) half_sets: Vec<u32>,
    /// The patterns that begin with the result of a function that gives back null.
    pub(crate) null_results: Vec<u32>,
    /// The patterns that end where somebody else keeps the value.
    pub(crate) escapes: Vec<u32>,
    /// Whether some pattern asks how far an index goes.
    pub(crate) asks_reach: bool,
}

impl Active {
    pub(crate) fn has(&self, rule: u32) -> bool {
        let known = self.known.as_ref();
        known.is_none_or(|it| it.get(rule as usize).is_some_and(|it| *it))
    }
}

/// Everything one language's analysis needs.
pub(crate) struct LangRules {
    pub(crate) library: Arc<Library>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) calls: Dispatch<u32>,
    pub(crate) mentions: Dispatch<u32>,
    assigns: Vec<u32>,
    pub(crate) indexes: Vec<u32>,
    pub(crate) returns: Vec<u32>,
    pub(crate) compares: Vec<u32>,
    pub(crate) divides: Vec<u32>,
    pub(crate) asserts: Vec<u32>,
    pub(crate) ignored: Dispatch<u32>,
    /// Predicates whose answer some pattern asks for.
    pub(crate) answers: Dispatch<()>,
    pub(crate) event_calls: Dispatch<(u32, Role)>,
    event_uses: Vec<(u32, Role, Use)>,
    /// The patterns that ask how far an index goes.
    reaching: Vec<u32>,
    pub(crate) queries: Vec<RawQuery>,
    begins: OnceLock<Vec<bool>>,
    words: OnceLock<Words>,
    all: OnceLock<Active>,

    pub(crate) sources: Dispatch<u16>,
    pub(crate) source_about: Vec<Arc<str>>,
    pub(crate) handler_source: Option<u16>,
    pub(crate) sanitizers: Dispatch<()>,
    pub(crate) inert: Dispatch<()>,
    pub(crate) numeric: Dispatch<()>,
    pub(crate) trusted: Dispatch<()>,
    pub(crate) carries: Dispatch<()>,
    pub(crate) never_return: Dispatch<()>,
    pub(crate) handlers: Dispatch<()>,
    pub(crate) handler_classes: Dispatch<()>,
    pub(crate) effects: Dispatch<Effect>,
    /// Top-level names that mean a module or a function even where nothing imports them.
    pub(crate) known: FxHashSet<Box<str>>,
}

impl fmt::Debug for LangRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LangRules")
            .field("rules", &self.rules.len())
            .finish_non_exhaustive()
    }
}

impl LangRules {
    /// Files the entries of one language; those with an unknown name in them are refused.
    pub(crate) fn compile(
        language: kb_schema::Language,
        set: &EntrySet,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let library = set
            .libraries
            .iter()
            .find(|it| it.language == language)
            .cloned()
            .unwrap_or_else(|| Arc::new(Library::empty(language)));
        let mut out = Self::with_library(&library);
        for entry in set.entries.iter().filter(|it| it.language == language) {
            let trouble = out.check(entry);
            if trouble.is_empty() {
                for index in 0..entry.patterns.len() {
                    if let Err(message) = out.add(entry, index) {
                        problems.push(Problem {
                            path: entry.path.clone(),
                            line: 1,
                            message,
                        });
                    }
                }
            }
            problems.extend(trouble.into_iter().map(|message| Problem {
                path: entry.path.clone(),
                line: 1,
                message,
            }));
        }
        out
    }

    fn with_library(library: &Arc<Library>) -> Self {
        let mut out = Self {
            rules: Vec::new(),
            calls: Dispatch::default(),
            mentions: Dispatch::default(),
            assigns: Vec::new(),
            indexes: Vec::new(),
            returns: Vec::new(),
            compares: Vec::new(),
            divides: Vec::new(),
            asserts: Vec::new(),
            ignored: Dispatch::default(),
            answers: Dispatch::default(),
            event_calls: Dispatch::default(),
            event_uses: Vec::new(),
            reaching: Vec::new(),
            queries: Vec::new(),
            begins: OnceLock::new(),
            words: OnceLock::new(),
            all: OnceLock::new(),

            sources: Dispatch::default(),
            source_about: Vec::new(),
            handler_source: None,
            sanitizers: Dispatch::default(),
            inert: Dispatch::default(),
            numeric: Dispatch::default(),
            trusted: Dispatch::default(),
            carries: Dispatch::default(),
            never_return: Dispatch::default(),
            handlers: Dispatch::default(),
            handler_classes: Dispatch::default(),
            effects: Dispatch::default(),
            known: FxHashSet::default(),
            library: library.clone(),
        };
        for (index, source) in library.sources.iter().enumerate() {
            let index = u16::try_from(index).unwrap_or(u16::MAX);
            out.source_about.push(source.about.as_str().into());
            for name in &source.names {
                out.know(name);
                out.sources.add(name, index);
            }
            for (name, arg) in &source.fills {
                out.effects.add(
                    name,
                    Effect::Fills {
                        source: index,
                        arg: *arg,
                    },
                );
            }
            if source.handler_params {
                out.handler_source = Some(index);
            }
        }
        for (name, arg) in &library.reads {
            out.effects.add(name, Effect::Reads { arg: *arg });
        }
        for (name, to, from) in &library.copies {
            out.effects.add(
                name,
                Effect::Copies {
                    to: *to,
                    from: *from,
                },
            );
        }
        for (name, to, format) in &library.formats {
            out.effects.add(
                name,
                Effect::Formats {
                    to: *to,
                    format: *format,
                },
            );
        }
        for names in library.sanitizers.values() {
            names.iter().for_each(|name| out.add_sanitizer(name));
        }
        let lists = [
            (&library.inert, &mut out.inert),
            (&library.numeric, &mut out.numeric),
            (&library.trusted, &mut out.trusted),
            (&library.carries, &mut out.carries),
            (&library.never_return, &mut out.never_return),
            (&library.handlers, &mut out.handlers),
            (&library.handler_classes, &mut out.handler_classes),
        ];
        for (names, table) in lists {
            names.iter().for_each(|name| table.add(name, ()));
        }
        for names in [
            &library.inert,
            &library.numeric,
            &library.trusted,
            &library.carries,
            &library.never_return,
        ] {
            names.iter().for_each(|name| out.know(name));
        }
        out
    }

    fn know(&mut self, name: &NamePattern) {
        if let Some(root) = name.root() {
            self.known.insert(root.trim_end_matches("()").into());
        }
    }

    fn add_sanitizer(&mut self, name: &NamePattern) {
        self.know(name);
        self.sanitizers.add(name, ());
    }

    /// Names of sources and groups that no library defines.
    fn check(&self, entry: &Entry) -> Vec<String> {
        let mut out = Vec::new();
        for pattern in &entry.patterns {
            for source in pattern
                .tests()
                .iter()
                .flat_map(|test| test.tainted.iter().chain(&test.amount))
            {
                if source != "param" && self.source(source).is_none() {
                    let known: Vec<&str> = self
                        .library
                        .sources
                        .iter()
                        .map(|it| it.id.as_str())
                        .collect();
                    out.push(format!(
                        "unknown source `{source}`; known are param, {}",
                        known.join(", ")
                    ));
                }
            }
            for group in pattern
                .sanitizers
                .iter()
                .filter_map(|it| it.strip_prefix('@'))
            {
                if !self.library.sanitizers.contains_key(group) {
                    out.push(format!("unknown sanitizer group `@{group}`"));
                }
            }
        }
        out
    }

    /// The kinds of nodes that raw queries begin at, by their numbers in the grammar.
    pub(crate) fn begins(&self) -> &[bool] {
        let language = match self.library.language {
            kb_schema::Language::Python => syntax::Language::Python,
            kb_schema::Language::C => syntax::Language::C,
        };
        self.begins
            .get_or_init(|| query::begins(language, &self.queries))
    }

    /// The words without which nothing is found, where they were gathered already.
    pub(crate) fn known_words(&self) -> Option<&Words> {
        self.words.get()
    }

    /// The words without which nothing is found. They are gathered for the first scan that asks,
    /// because an editor never does.
    pub(crate) fn words(&self) -> &Words {
        self.words.get_or_init(|| {
            let mut words = Words::new(&self.library);
            for (id, rule) in self.rules.iter().enumerate() {
                let query = self.queries.iter().find(|it| it.rule as usize == id);
                words.add(rule.pattern(), query, &|it| self.source(it));
            }
            words.finish();
            words
        })
    }

    /// All rules, gathered once and not at every key.
    pub(crate) fn all(&self) -> &Active {
        self.all.get_or_init(|| self.active(None))
    }

    /// All rules, or those of a text that words have not ruled out.
    pub(crate) fn active(&self, rules: Option<&[usize]>) -> Active {
        let known = rules.map(|rules| {
            let mut known = vec![false; self.rules.len()].into_boxed_slice();
            rules.iter().for_each(|it| known[*it] = true);
            known
        });
        let has = |rule: u32| known.as_ref().is_none_or(|it| it[rule as usize]);
        let uses = self.event_uses.iter().filter(|(rule, ..)| has(*rule));
        let event_uses: Vec<_> = uses.copied().collect();
        let with = |wanted: Use| -> Vec<u32> {
            let uses = event_uses.iter().filter(|(_, _, kind)| *kind == wanted);
            uses.map(|(rule, ..)| *rule).collect()
        };
        Active {
            assigns: self.assigns.iter().copied().filter(|it| has(*it)).collect(),
            starts_by_use: event_uses.iter().any(|(_, role, kind)| {
                *role == Role::Start
                    && !matches!(kind, Use::Declare | Use::HalfSet | Use::NullResult)
            }),
            declares: with(Use::Declare),
            half_sets: with(Use::HalfSet),
            null_results: with(Use::NullResult),
            escapes: with(Use::Escape),
            asks_reach: self.reaching.iter().any(|it| has(*it)),
            event_uses,
            known,
        }
    }

    /// Whether a source's data is harmless to patterns that do not name it.
    pub(crate) fn is_quiet(&self, id: u16) -> bool {
        let source = self.library.sources.get(usize::from(id));
        source.is_some_and(|it| it.quiet)
    }

    pub(crate) fn source(&self, id: &str) -> Option<u16> {
        let index = self.library.sources.iter().position(|it| it.id == id)?;
        u16::try_from(index).ok()
    }

    fn add(&mut self, entry: &Arc<Entry>, index: usize) -> Result<(), String> {
        let id = u32::try_from(self.rules.len()).unwrap_or(u32::MAX);
        let pattern = &entry.patterns[index];
        let mut sanitizers = Vec::new();
        for word in &pattern.sanitizers {
            match word.strip_prefix('@') {
                Some(group) => {
                    sanitizers.extend(
                        self.library
                            .sanitizers
                            .get(group)
                            .into_iter()
                            .flatten()
                            .cloned(),
                    );
                }
                None => sanitizers.push(NamePattern::parse(word)?),
            }
        }
        sanitizers.iter().for_each(|name| self.add_sanitizer(name));
        for name in pattern.tests().iter().flat_map(|test| &test.names) {
            self.know(name);
        }
        let checks = pattern.tests().into_iter().flat_map(|test| &test.checked);
        for guard in checks.chain(&pattern.guards) {
            if let Guard::Yes(name) | Guard::No(name) = guard {
                self.know(name);
                self.answers.add(name, ());
            }
        }
        let asks_reach = |test: &&Test| {
            let shapes = [&test.past_count, &test.unmeasured];
            test.past.or(test.past_bound).or(test.stepped).is_some()
                || test.past_loop.or(test.overrun).is_some()
                || shapes.into_iter().any(Option::is_some)
        };
        if pattern.tests().iter().any(asks_reach) {
            self.reaching.push(id);
        }
        match pattern.on {
            On::Call => pattern
                .callee
                .iter()
                .for_each(|name| self.calls.add(name, id)),
            On::Mention => pattern
                .callee
                .iter()
                .for_each(|name| self.mentions.add(name, id)),
            On::Assign => self.assigns.push(id),
            On::Index => self.indexes.push(id),
            On::Return => self.returns.push(id),
            On::Compare => self.compares.push(id),
            On::Divide => self.divides.push(id),
            On::Assert => self.asserts.push(id),
            On::Ignored => pattern
                .callee
                .iter()
                .for_each(|name| self.ignored.add(name, id)),
            On::Events => {
                for (event, role) in pattern.start.iter().map(|it| (it, Role::Start)) {
                    self.add_event(event, id, role);
                }
                for (event, role) in pattern.end.iter().map(|it| (it, Role::End)) {
                    self.add_event(event, id, role);
                }
                for (number, event) in pattern.cancel.iter().enumerate() {
                    self.add_event(event, id, Role::Cancel(number));
                }
            }
            On::Query => {
                let source = pattern.query.as_deref().unwrap_or("");
                let language = language_of(entry.language);
                let query = RawQuery::new(id, language, source, entry.bundled)?;
                self.queries.push(query.with(&pattern.expressions));
            }
        }
        pattern.callee.iter().for_each(|name| self.know(name));
        self.rules.push(Rule {
            entry: entry.clone(),
            index,
            sanitizers,
        });
        Ok(())
    }

    fn add_event(&mut self, event: &Event, id: u32, role: Role) {
        match event {
            Event::Call { callee, .. } => {
                for name in callee {
                    self.know(name);
                    self.event_calls.add(name, (id, role));
                }
            }
            Event::Use(kind) => {
                self.event_uses.push((id, role, *kind));
            }
        }
    }

    /// The event that a role stands for.
    pub(crate) fn event(&self, id: u32, role: Role) -> Option<&Event> {
        let pattern = self.rules[id as usize].pattern();
        match role {
            Role::Start => pattern.start.as_ref(),
            Role::End => pattern.end.as_ref(),
            Role::Cancel(number) => pattern.cancel.get(number),
        }
    }

    /// The subject of a call event.
    pub(crate) fn subject(&self, id: u32, role: Role) -> Option<&Subject> {
        match self.event(id, role)? {
            Event::Call { subject, .. } => Some(subject),
            Event::Use(_) => None,
        }
    }
}

/// The syntax crate's word for an entry's language.
pub(crate) fn language_of(language: kb_schema::Language) -> syntax::Language {
    match language {
        kb_schema::Language::Python => syntax::Language::Python,
        kb_schema::Language::C => syntax::Language::C,
    }
}
