//! Which functions of a text a scan has to read: those where some rule's fact may stand, those that
//! use them, and all that these use in turn. The bodies of others are left out before parsing.
//! It knows words and layout; it parses nothing.

use std::ops::Range;

use kb_schema::Shape;
use rustc_hash::FxHashMap;
use syntax::{Language, NodeNames};

use crate::layout::{self, Layout, Part, words};
use crate::unit::MAX_NAMESAKES;
use crate::words::{Lengths, Lies, Marks, Words};

/// What of a text has to be read.
#[derive(Debug)]
pub(crate) enum Focus {
    /// Nothing can be found.
    Nothing,
    /// All of it, by these rules.
    Whole(Vec<usize>),
    /// What is left of it, by these rules: as long as it was, some bodies blank.
    Parts(Reduced, Vec<usize>),
}

/// A text without the bodies of some functions.
#[derive(Debug)]
pub(crate) struct Reduced {
    pub(crate) text: String,
    /// Name and body of each function that lost its own.
    left_out: Vec<(Range<usize>, Range<usize>)>,
}

impl Reduced {
    /// Whether a parser sees the functions where the layout does.
    pub(crate) fn agrees(&self, language: Language, root: tree_sitter::Node<'_>) -> bool {
        self.left_out.iter().all(|(name, body)| {
            let inside = match language {
                Language::Python => body.start..body.start + 1,
                Language::C => body.start - 1..body.end + 1,
            };
            let mut node = root.descendant_for_byte_range(inside.start, inside.end);
            // From what stands for the body up to the function.
            for _ in 0..4 {
                match node {
                    Some(it) if it.kind_name() == "function_definition" => break,
                    other => node = other.and_then(|it| it.parent()),
                }
            }
            node.is_some_and(|it| {
                it.kind_name() == "function_definition"
                    && it.start_byte() <= name.start
                    && it.end_byte() >= inside.end
                    && it.end_byte() <= body.end + 1
            })
        })
    }
}

/// How many functions a text may have for its calls to be followed one by one.
const MAX_PARTS: usize = 2000;

/// Says what of a text has to be read for every rule to find what it would find in all of it.
pub(crate) fn focus(rules: &Words, language: Language, text: &str) -> Focus {
    let bytes = text.as_bytes();
    let pieces = rules.find_pieces(bytes);
    let layout = layout::layout(language, bytes).filter(|it| it.parts.len() <= MAX_PARTS);
    let (Some(found), Some(layout)) = (&pieces, layout) else {
        let active = rules.active(&rules.marks(bytes, pieces.as_deref()));
        return match active.is_empty() {
            true => Focus::Nothing,
            false => Focus::Whole(active),
        };
    };
    let mut survey = Survey::new(rules, language, bytes, &layout, found);
    let active = survey.active();
    if active.is_empty() {
        return Focus::Nothing;
    }
    // Handlers of signals are looked for in all of a text.
    if rules.registers(bytes) || active.iter().any(|it| rules.is_whole(*it)) {
        return Focus::Whole(active);
    }
    survey.spread_bindings();
    let wanted = survey.wanted(&active);
    match reduce(language, text, &layout.parts, &wanted) {
        Some(reduced) => Focus::Parts(reduced, active),
        None => Focus::Whole(active),
    }
}

/// Leaves out what is not wanted; nothing where all of it is.
fn reduce(language: Language, text: &str, parts: &[Part], wanted: &[bool]) -> Option<Reduced> {
    let left_out: Vec<(Range<usize>, Range<usize>)> = parts
        .iter()
        .zip(&wanted[1..])
        .filter(|(_, wanted)| !**wanted)
        .filter_map(|(part, _)| Some((part.name.clone(), part.body.clone()?)))
        .collect();
    if left_out.is_empty() {
        return None;
    }
    let mut bytes = text.as_bytes().to_vec();
    for (_, body) in &left_out {
        layout::blank(language, &mut bytes[body.clone()]);
    }
    // Bodies begin and end at bytes of ASCII, so nothing is cut.
    let text = String::from_utf8(bytes).ok()?;
    Some(Reduced { text, left_out })
}

/// What each part of a text shows; the first part is all that lies outside of functions.
struct Survey<'a> {
    rules: &'a Words,
    language: Language,
    text: &'a [u8],
    layout: &'a Layout,
    /// The ranges of each part in the order of the text, without what is idle.
    ranges: Vec<(Range<usize>, usize)>,
    marks: Vec<Marks>,
    /// What the functions of each part are called.
    names: Vec<Vec<&'a str>>,
    /// Where pieces of the rules' expressions stand.
    pieces: Vec<(usize, usize)>,
}

impl<'a> Survey<'a> {
    fn new(
        rules: &'a Words,
        language: Language,
        text: &'a [u8],
        layout: &'a Layout,
        found: &[(usize, usize)],
    ) -> Self {
        let mut survey = Self {
            rules,
            language,
            text,
            layout,
            ranges: ranges(layout, text.len()),
            marks: vec![Marks::of(rules); layout.parts.len() + 1],
            names: vec![Vec::new(); layout.parts.len() + 1],
            pieces: Vec::with_capacity(found.len()),
        };
        survey.take_pieces(found);
        let mut pieces = survey.pieces.iter().peekable();
        for (range, part) in &survey.ranges {
            let marks = &mut survey.marks[*part];
            let mut defines = false;
            for word in words(&text[range.clone()]) {
                rules.mark(word, marks);
                if defines {
                    survey.names[*part].extend(std::str::from_utf8(word));
                }
                defines = language == Language::Python && word == b"def";
            }
            while pieces.next_if(|(at, _)| *at < range.start).is_some() {}
            while let Some((_, piece)) = pieces.next_if(|(at, _)| *at < range.end) {
                rules.mark_piece(*piece, marks);
            }
            marks.handler = marks.handler || rules.has_handler(&text[range.clone()]);
        }
        if language == Language::C {
            for (part, names) in layout.parts.iter().zip(&mut survey.names[1..]) {
                names.extend(std::str::from_utf8(&text[part.name.clone()]));
            }
        }
        // Who is a handler of signals may be said anywhere.
        survey.marks[0].handler |= rules.registers(text);
        // So may be what a class is made from.
        survey.marks[0].handler |= survey.marks.iter().any(|it| rules.has_handler_class(it));
        survey
    }

    /// Takes in the pieces that lie where they must. Those that may lie anywhere in a function, in
    /// what is idle too, are marked at once.
    fn take_pieces(&mut self, found: &[(usize, usize)]) {
        let parts = &self.layout.parts;
        let strings = self.layout.strings.as_deref();
        for (at, piece) in found {
            // The string that a place lies in, or else the last one before it.
            let string = || {
                let after = strings?.partition_point(|it| it.range.start <= *at);
                Some(&strings?[after.checked_sub(1)?])
            };
            let inside = || string().is_some_and(|it| it.range.contains(at));
            let lies = match self.rules.lies(*piece) {
                Lies::InText => strings.is_none() || inside(),
                Lies::InCode => string().is_none_or(|it| match self.text.get(it.range.end..*at) {
                    // What a percent sign puts into a string is no remainder.
                    Some(between) => !between.trim_ascii().is_empty(),
                    None => it.formatted,
                }),
                Lies::InName => inside() || self.rules.fits(*piece, self.text, *at),
                Lies::InBody => {
                    let after = parts.partition_point(|it| it.whole.start <= *at);
                    let inside = after
                        .checked_sub(1)
                        .filter(|it| parts[*it].whole.contains(at));
                    let part = inside.map_or(0, |it| it + 1);
                    self.rules.mark_piece(*piece, &mut self.marks[part]);
                    false
                }
                Lies::Anywhere => true,
            };
            if lies {
                self.pieces.push((*at, *piece));
            }
        }
    }

    /// Whether the fact that a rule reports may stand in a part.
    fn may_stand(&self, rule: usize, part: usize) -> bool {
        let named = |shape: &Shape| {
            // What has no name has an empty one.
            let mut names = self.names[part].iter().chain(&[""]);
            let unclear = part == 0 && self.language == Language::C;
            unclear || names.any(|it| shape.is_match(it))
        };
        self.rules.may_stand(rule, &self.marks[part]) && self.rules.function(rule).is_none_or(named)
    }

    /// The rules that could find something.
    fn active(&self) -> Vec<usize> {
        let mut all = Marks::of(self.rules);
        self.marks.iter().for_each(|it| all.add(it));
        self.rules.active(&all)
    }

    /// A name that is bound to something shows, wherever it is used, what that showed.
    fn spread_bindings(&mut self) {
        let mut bound: FxHashMap<&[u8], Marks> = FxHashMap::default();
        let mut lengths = Lengths::default();
        for statement in &self.layout.statements {
            let text = &self.text[statement.clone()];
            let Some((names, from)) = binding(self.language, text) else {
                continue;
            };
            let value = statement.start + from.start..statement.start + from.end;
            let mut marks = Marks::of(self.rules);
            for word in words(&self.text[value.clone()]) {
                self.rules.mark(word, &mut marks);
                if let Some(known) = bound.get(word) {
                    marks.add(known);
                }
            }
            let first = self.pieces.partition_point(|(at, _)| *at < value.start);
            let inside = self.pieces[first..].iter();
            for (_, piece) in inside.take_while(|(at, _)| *at < value.end) {
                self.rules.mark_piece(*piece, &mut marks);
            }
            if marks.is_empty() {
                continue;
            }
            for name in names {
                lengths.add(name);
                match bound.get_mut(name) {
                    Some(known) => known.add(&marks),
                    None => drop(bound.insert(name, marks.clone())),
                }
            }
        }
        if bound.is_empty() {
            return;
        }
        for (range, part) in &self.ranges {
            let known = words(&self.text[range.clone()]).filter(|it| lengths.may_have(it));
            for word in known {
                if let Some(known) = bound.get(word) {
                    self.marks[*part].add(known);
                }
            }
        }
        for (index, part) in self.layout.parts.iter().enumerate() {
            // A method may be called what its class was made from.
            let class = part.class.clone().map(|it| &self.text[it]);
            if let Some(known) = class.and_then(|it| bound.get(it)) {
                self.marks[index + 1].add(known);
            }
        }
    }

    /// Which parts have to be read for these rules.
    fn wanted(&self, active: &[usize]) -> Vec<bool> {
        let mut wanted = vec![false; self.marks.len()];
        wanted[0] = true;
        let Calls { mut needs, callers } = self.calls();
        for (index, part) in self.layout.parts.iter().enumerate() {
            if part.class.is_some() {
                needs[index + 1].extend(self.constructors(part));
            }
        }
        let mut reaches: Vec<Option<Reach>> = vec![None; self.marks.len()];
        for rule in active {
            if self.rules.is_about_classes(*rule) {
                let methods = self.layout.parts.iter().zip(&mut wanted[1..]);
                methods.for_each(|(part, wanted)| *wanted |= part.class.is_some());
            }
            let mut grounds: Vec<bool> = (0..self.marks.len())
                .map(|part| self.may_stand(*rule, part))
                .collect();
            // A function's findings depend on nothing but itself and what it uses. Where data counts,
            // who uses it finds something in it too.
            if self.rules.crosses(*rule) {
                spread(&mut grounds, &callers);
            }
            for part in (0..grounds.len()).filter(|it| grounds[*it]) {
                let reach = reaches[part].get_or_insert_with(|| {
                    let mut parts = vec![false; needs.len()];
                    parts[part] = true;
                    spread(&mut parts, &needs);
                    self.reach(&parts)
                });
                if self.rules.may_hold(*rule, &reach.marks) {
                    reach.parts.iter().for_each(|it| wanted[*it] = true);
                }
            }
        }
        wanted
    }

    /// Some parts, and what they and the text outside of functions show together.
    fn reach(&self, parts: &[bool]) -> Reach {
        let parts: Vec<usize> = (0..parts.len()).filter(|it| parts[*it]).collect();
        let mut marks = self.marks[0].clone();
        parts.iter().for_each(|it| marks.add(&self.marks[*it]));
        Reach { parts, marks }
    }

    fn name(&self, range: &Range<usize>) -> &'a [u8] {
        &self.text[range.clone()]
    }

    /// The constructors of the class around a function.
    fn constructors(&self, of: &Part) -> Vec<usize> {
        let class = of.class.as_ref().map(|it| self.name(it));
        let parts = self.layout.parts.iter().enumerate();
        parts
            .filter(|(_, part)| self.name(&part.name) == b"__init__")
            .filter(|(_, part)| part.class.as_ref().map(|it| self.name(it)) == class)
            .map(|(index, _)| index + 1)
            .collect()
    }

    /// The functions that each part may use, by their names.
    fn calls(&self) -> Calls {
        let mut named: FxHashMap<&[u8], Vec<usize>> = FxHashMap::default();
        let mut methods: FxHashMap<&[u8], usize> = FxHashMap::default();
        for (index, part) in self.layout.parts.iter().enumerate() {
            let name = self.name(&part.name);
            match &part.class {
                // Making an object runs its constructor.
                Some(class) if name == b"__init__" => {
                    named.entry(self.name(class)).or_default().push(index + 1);
                }
                Some(_) => *methods.entry(name).or_default() += 1,
                None => {}
            }
            named.entry(name).or_default().push(index + 1);
        }
        let mut lengths = Lengths::default();
        named.keys().for_each(|it| lengths.add(it));
        let class_of = |part: usize| {
            let class = part
                .checked_sub(1)
                .and_then(|it| self.layout.parts[it].class.as_ref());
            class.map(|it| self.name(it))
        };
        let count = self.layout.parts.len() + 1;
        let (mut needs, mut callers) = (vec![Vec::new(); count], vec![Vec::new(); count]);
        for (range, part) in &self.ranges {
            let known = words(&self.text[range.clone()]).filter(|it| lengths.may_have(it));
            for word in known {
                let Some(found) = named.get(word) else {
                    continue;
                };
                // Methods that many classes have are followed within their class only.
                let shared = methods.get(word).is_some_and(|it| *it > MAX_NAMESAKES);
                let of_class = class_of(*part);
                let followed = found.iter().filter(|it| {
                    **it != *part
                        && (!shared || class_of(**it).is_none() || class_of(**it) == of_class)
                });
                needs[*part].extend(followed.clone());
                if self.is_called(word) {
                    followed.for_each(|it| callers[*it].push(*part));
                }
            }
        }
        for parts in needs.iter_mut().chain(&mut callers) {
            parts.sort_unstable();
            parts.dedup();
        }
        Calls { needs, callers }
    }

    /// Whether a function's name stands where it is called, or gets another name.
    fn is_called(&self, word: &[u8]) -> bool {
        let start = word.as_ptr() as usize - self.text.as_ptr() as usize;
        let after = self.text[start + word.len()..].trim_ascii_start();
        let before = self.text[..start].trim_ascii_end();
        after.starts_with(b"(") || before.ends_with(b"=")
    }
}

/// Which functions each part may use, and which parts call each.
struct Calls {
    needs: Vec<Vec<usize>>,
    callers: Vec<Vec<usize>>,
}

/// The parts that what is found in one of them depends on.
#[derive(Clone)]
struct Reach {
    parts: Vec<usize>,
    marks: Marks,
}

/// Marks everything that can be reached from what is marked.
fn spread(marked: &mut [bool], next: &[Vec<usize>]) {
    let mut open: Vec<usize> = (0..marked.len()).filter(|it| marked[*it]).collect();
    while let Some(at) = open.pop() {
        for other in &next[at] {
            if !std::mem::replace(&mut marked[*other], true) {
                open.push(*other);
            }
        }
    }
}

/// The text of each part (0 for what lies outside of functions), what is idle taken out.
fn ranges(layout: &Layout, len: usize) -> Vec<(Range<usize>, usize)> {
    let mut out = Vec::with_capacity(2 * layout.parts.len() + layout.idle.len() + 1);
    let mut idle = layout.idle.iter().peekable();
    let mut push = |range: Range<usize>, part: usize| {
        let mut from = range.start;
        while let Some(gap) = idle.next_if(|it| it.start < range.end) {
            if gap.start > from {
                out.push((from..gap.start, part));
            }
            from = from.max(gap.end);
        }
        if range.end > from {
            out.push((from..range.end, part));
        }
    };
    let mut from = 0;
    for (index, part) in layout.parts.iter().enumerate() {
        push(from..part.whole.start, 0);
        push(part.whole.clone(), index + 1);
        from = part.whole.end;
    }
    push(from..len, 0);
    out
}

/// The names that a statement binds, and the range of what it binds them to.
fn binding(language: Language, text: &[u8]) -> Option<(Vec<&[u8]>, Range<usize>)> {
    let all = 0..text.len();
    let names = |text| -> Vec<&[u8]> { words(text).collect() };
    let first = words(text).next()?;
    match language {
        Language::C if text.starts_with(b"#") => {
            let mut rest = words(text);
            (rest.next()? == b"define").then_some(())?;
            return Some((vec![rest.next()?], all));
        }
        Language::Python => match first {
            b"import" | b"from" => {
                let mut renamed = Vec::new();
                let mut rest = words(text);
                while let Some(word) = rest.next() {
                    if word == b"as" {
                        renamed.extend(rest.next());
                    }
                }
                return (!renamed.is_empty()).then_some((renamed, all));
            }
            b"class" | b"for" | b"with" | b"async" => return Some((names(text), all)),
            _ => {}
        },
        Language::C => {}
    }
    let equals = memchr::memchr_iter(b'=', text).find(|at| {
        let before = at.checked_sub(1).and_then(|it| text.get(it));
        let compares = matches!(before, Some(b'=' | b'!' | b'<' | b'>'));
        !compares && text.get(at + 1) != Some(&b'=')
    })?;
    Some((names(&text[..equals]), equals..text.len()))
}
