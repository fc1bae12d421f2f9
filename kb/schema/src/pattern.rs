//! The pattern language: what an entry flags, as data over facts.
//! It knows no syntax tree; a fact's meaning is defined here, its computation in analysis.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{NamePattern, Severity, Shape};

/// The kind of fact a pattern looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum On {
    /// A call; `callee`, `args`, `receiver`.
    Call,
    /// A value bound to a name: a variable, an attribute, a dictionary key, a keyword argument,
    /// a parameter's default; `target`, `value`, and `base` for what an attribute or key is of.
    Assign,
    /// An element taken from an array or written to it; `base`, `index`.
    Index,
    /// A value given back by a function; `value`.
    Return,
    /// A comparison of two values; `value` for one side, `other` for the other.
    Compare,
    /// A division or a remainder; `value` is the divisor.
    Divide,
    /// A resolved name mentioned anywhere; `callee` holds the names.
    Mention,
    /// What an `assert` demands; `value`, and `other` where it compares two values.
    Assert,
    /// A call whose error is caught and then dropped or only logged; `callee`, `args`.
    Ignored,
    /// Two events on one value along one path; `start`, `end`, `cancel`.
    Events,
    /// The escape hatch: a raw tree-sitter query whose `@finding` capture is reported.
    Query,
}

/// An operator of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub enum Op {
    /// Equal.
    #[serde(rename = "==")]
    Equal,
    /// Not equal.
    #[serde(rename = "!=")]
    NotEqual,
    /// Less.
    #[serde(rename = "<")]
    Less,
    /// Less or equal.
    #[serde(rename = "<=")]
    LessEqual,
    /// Greater.
    #[serde(rename = ">")]
    Greater,
    /// Greater or equal.
    #[serde(rename = ">=")]
    GreaterEqual,
}

impl Op {
    /// The operator that says the same with its sides exchanged.
    #[must_use]
    pub fn flipped(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessEqual => Self::GreaterEqual,
            Self::Greater => Self::Less,
            Self::GreaterEqual => Self::LessEqual,
            same => same,
        }
    }
}

/// A constant of the analysed language.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub enum Literal {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Text; the words `None` and `NULL` stand for the null value.
    Text(String),
}

/// Which argument of a call: by position, by keyword, or either (`0|args`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
pub enum ArgKey {
    /// Position from 0, the receiver of a method not counted.
    Position(usize),
    /// Keyword.
    Keyword(String),
    /// Position, or keyword when it is passed by name.
    Either(usize, String),
    /// Any argument from a position on (`2..`); the test holds when it holds for one of them.
    From(usize),
    /// Every argument, positional or keyword (`*`); holds when it holds for one of them.
    Each,
}

impl ArgKey {
    /// Reads `0`, `shell`, `0|args`, `2..` or `*`.
    ///
    /// # Errors
    /// Says which form was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let is_word =
            |word: &str| !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || c == '_');
        if text == "*" {
            return Ok(Self::Each);
        }
        if let Some(start) = text.strip_suffix("..") {
            return start.parse().map(Self::From).map_err(|_| bad_key(text));
        }
        if let Some((position, word)) = text.split_once('|') {
            return match position.parse() {
                Ok(position) if is_word(word) => Ok(Self::Either(position, word.to_owned())),
                _ => Err(bad_key(text)),
            };
        }
        if let Ok(position) = text.parse() {
            return Ok(Self::Position(position));
        }
        if is_word(text) {
            Ok(Self::Keyword(text.to_owned()))
        } else {
            Err(bad_key(text))
        }
    }
}

fn bad_key(text: &str) -> String {
    format!("argument `{text}` must be a position, a keyword, `0|name`, `2..` or `*`")
}

/// A condition that dominates a point and makes a value safe there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub enum Guard {
    /// Compared for equality with a constant.
    Equality,
    /// Tested for membership in a collection of one's own (`in ALLOWED`).
    Membership,
    /// Tested to begin with, or to lie under, something (`startswith`, `commonpath`, `strncmp`).
    Prefix,
    /// Tested by a pattern or a character class (`re.fullmatch`, `isalnum`).
    Pattern,
    /// Tested against null.
    Null,
    /// Compared with an upper limit.
    Upper,
    /// Compared with a lower limit.
    Lower,
    /// Compared with a lower limit other than nought or one.
    Above,
    /// Passed to a predicate of that name.
    Call(NamePattern),
    /// Passed to a predicate of that name, which said yes.
    Yes(NamePattern),
    /// Passed to a predicate of that name, which said no.
    No(NamePattern),
    /// Mentioned in any condition at all.
    Any,
}

impl Guard {
    /// Reads `equality`, `membership`, `prefix`, `pattern`, `null`, `upper`, `lower`, `above`, `any`, a
    /// callee's name, or `yes` or `no` and a callee's name.
    ///
    /// # Errors
    /// Says what is wrong with a name.
    pub fn parse(text: &str) -> Result<Self, String> {
        Ok(match text {
            "equality" => Self::Equality,
            "membership" => Self::Membership,
            "prefix" => Self::Prefix,
            "pattern" => Self::Pattern,
            "null" => Self::Null,
            "upper" => Self::Upper,
            "lower" => Self::Lower,
            "above" => Self::Above,
            "any" => Self::Any,
            name => match (name.strip_prefix("yes "), name.strip_prefix("no ")) {
                (Some(name), _) => Self::Yes(NamePattern::parse(name)?),
                (_, Some(name)) => Self::No(NamePattern::parse(name)?),
                _ => Self::Call(NamePattern::parse(name)?),
            },
        })
    }
}

/// What must hold of one value. All given conditions must hold; an empty test always does.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
pub struct Test {
    /// The argument is not there (and no `*args` could hold it), or is.
    pub absent: Option<bool>,
    /// The value is surely one of these constants.
    pub constant: Vec<Literal>,
    /// The value may not be one of these constants.
    pub not_const: Vec<Literal>,
    /// Some part of it is not constant, has not passed a sanitizer and is not guarded.
    pub dynamic: Option<bool>,
    /// It is text put together from literal parts and at least one dynamic part.
    pub built: Option<bool>,
    /// It carries data from one of these named sources.
    pub tainted: Vec<String>,
    /// It is a number that one of these named sources decides, or data of such a source.
    pub amount: Vec<String>,
    /// It is, or is the result of, one of these names.
    pub names: Vec<NamePattern>,
    /// Its known text fits; dynamic parts read as `{}`.
    pub text: Option<Shape>,
    /// Its known text does not fit.
    pub not_text: Option<Shape>,
    /// The expression's own last name (variable, attribute, key) fits.
    pub named: Option<Shape>,
    /// The expression's own last name does not fit.
    pub not_named: Option<Shape>,
    /// Its kind: `string`, `bytes`, `number`, `bool`, `none`, `list`, `dict`, `array`, `pointer`,
    /// `function`.
    pub kind: Option<String>,
    /// One of the elements of the list fits.
    pub element: Option<Box<Test>>,
    /// It is text put together with such a part.
    pub part: Option<Box<Test>>,
    /// It is what a call written here gives back that was given such arguments.
    pub given: BTreeMap<ArgKey, Test>,
    /// The element under that key of the dictionary literal fits; under `*` any of them, under
    /// `**` one whose key nobody knows.
    pub entry: BTreeMap<String, Test>,
    /// It is a product or sum of unguarded, non-constant whole numbers that can wrap around.
    pub wraps: Option<bool>,
    /// It is a product of at least so many factors that are not constant.
    pub factors: Option<u8>,
    /// It is a variable of a signed type (C).
    pub signed: Option<bool>,
    /// It is a difference from which a constant is taken (C).
    pub minus: Option<bool>,
    /// It is a constant index that is the number of the array's elements, or more (C).
    pub past: Option<bool>,
    /// It is an index that its own use moves on, as in `items[count++]`, and that nothing in the
    /// function was compared with (C).
    pub stepped: Option<bool>,
    /// It is an index whose limit, by `<=`, is the number of the array's elements or more (C).
    pub past_bound: Option<bool>,
    /// It is an index that a loop counted up to the number of the array's elements, where the zero
    /// byte is stored (C).
    pub past_loop: Option<bool>,
    /// It is an index that a loop raises as often as a caller's number or a text says, where an
    /// array of known length is written to and nothing looks at how often that is (C).
    pub overrun: Option<bool>,
    /// It is a divisor that begins as nought and is raised only where something fits or is read,
    /// and that nothing compares with nought (C).
    pub tallied: Option<bool>,
    /// It is a length that was read out of a buffer, and the length that the buffer was passed with
    /// is compared with nothing but constants (C).
    pub claimed: Option<bool>,
    /// It is an index whose limit, by `<=`, is the member of such a name beside the array (C).
    pub past_count: Option<Shape>,
    /// It is a buffer passed in with a length of such a name, which nothing has looked at (C).
    pub unmeasured: Option<Shape>,
    /// Some of its data was checked in such a way, `upper` or `lower`.
    pub checked: Vec<Guard>,
    /// It is the address of something local to the function.
    pub local: Option<bool>,
    /// Whether its length is known to fit into the array in that argument.
    pub fits: Option<ArgKey>,
    /// It is a known number of bytes, more than the array in that argument takes (C).
    pub exceeds: Option<ArgKey>,
    /// It is an array that, with all else that is passed, takes no more than the array in that
    /// argument.
    pub smaller: Option<ArgKey>,
    /// It is an array of fewer bytes than that (C).
    pub shorter: Option<u64>,
    /// It is a scan's format with a width for which one of the arrays from that argument on has no
    /// room (C).
    pub too_wide: Option<ArgKey>,
    /// It is `sizeof` of the thing itself where that thing is a pointer.
    pub sizeof_pointer: Option<bool>,
    /// It mentions the same variable as that argument.
    pub same_as: Option<ArgKey>,
    /// One of these holds.
    pub any: Vec<Test>,
    /// This does not hold.
    pub not: Option<Box<Test>>,
}

/// How a value is used, for events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Use {
    /// Read through: `*p`, `p->x`, `p[i]`, or passed to a function that must read through it.
    Dereference,
    /// Any mention except as the target of an assignment or a comparison.
    Any,
    /// Given back by the function.
    Return,
    /// Compared with null, or used as a condition.
    NullCheck,
    /// The function ends while the value is still held by it alone.
    ScopeEnd,
    /// Kept by somebody else: stored where it outlives the function, or handed to a function that
    /// may keep it (C).
    Escape,
    /// A variable that holds a number or a pointer is declared without a value (C).
    Declare,
    /// A variable's own value is read (C).
    Read,
    /// Given back by a function of the same file that gives back null on some way (C).
    NullResult,
    /// Every case of a choice without a default sets the variable, so that it is unset where none
    /// fits (C).
    HalfSet,
}

/// Which value of a call an event is about.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub enum Subject {
    /// What the call gives back.
    Result,
    /// The receiver of the method.
    Receiver,
    /// An argument.
    Argument(ArgKey),
}

/// One event on a value.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub enum Event {
    /// A call in which the value is the subject.
    Call {
        /// Names of the callee.
        callee: Vec<NamePattern>,
        /// Where the value stands in the call.
        subject: Subject,
        /// Conditions on the call's other arguments.
        args: BTreeMap<ArgKey, Test>,
    },
    /// A use of the value.
    Use(Use),
}

/// What an entry flags.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Pattern {
    /// The kind of fact.
    pub on: On,
    /// Overrides the entry's message.
    pub message: Option<String>,
    /// Overrides the entry's severity.
    pub severity: Option<Severity>,
    /// Names of the callee or the mention.
    pub callee: Vec<NamePattern>,
    /// Tests on arguments.
    pub args: BTreeMap<ArgKey, Test>,
    /// Test on the receiver of a method.
    pub receiver: Option<Test>,
    /// Names bound, for `assign`.
    pub target: Option<Shape>,
    /// The bound, returned or compared value.
    pub value: Option<Test>,
    /// The other side of a comparison.
    pub other: Option<Test>,
    /// Operators between `value` and `other`; `==` and `!=` when empty.
    pub op: Vec<Op>,
    /// The key of an assignment to `base[key]`, for `assign`.
    pub key: Option<Test>,
    /// The indexed thing.
    pub base: Option<Test>,
    /// The index.
    pub index: Option<Test>,
    /// The result is thrown away, or is not.
    pub unused: Option<bool>,
    /// For `ignored`: only where the error is logged, or only where it is not.
    pub logged: Option<bool>,
    /// Only inside a route handler, or only outside one.
    pub handler: Option<bool>,
    /// Only in functions with such a name.
    pub function: Option<Shape>,
    /// Only in functions without such a name.
    pub not_function: Option<Shape>,
    /// Only in functions whose own text fits, decorators included.
    pub body: Option<Shape>,
    /// Only in functions whose own text does not fit.
    pub not_body: Option<Shape>,
    /// Names or groups (`@shell`) of functions that make data safe for this sink.
    pub sanitizers: Vec<String>,
    /// Conditions that make data safe when they dominate the sink.
    pub guards: Vec<Guard>,
    /// The part that is underlined; the whole fact when absent.
    pub at: Option<ArgKey>,
    /// The first event.
    pub start: Option<Event>,
    /// The event that is reported when it follows the first.
    pub end: Option<Event>,
    /// Events that make the first one harmless.
    pub cancel: Vec<Event>,
    /// A raw query.
    pub query: Option<String>,
    /// The expressions that text must fit for the query to match, captures left open.
    pub expressions: Vec<Shape>,
}

impl Pattern {
    /// Every test of the pattern, nested ones included.
    pub fn tests(&self) -> Vec<&Test> {
        let mut open: Vec<&Test> = self.args.values().collect();
        open.extend(
            [
                &self.receiver,
                &self.value,
                &self.other,
                &self.base,
                &self.index,
                &self.key,
            ]
            .into_iter()
            .flatten(),
        );
        for event in self.start.iter().chain(&self.end).chain(&self.cancel) {
            if let Event::Call { args, .. } = event {
                open.extend(args.values());
            }
        }
        let mut all = Vec::new();
        while let Some(test) = open.pop() {
            all.push(test);
            open.extend(&test.any);
            open.extend(test.not.as_deref());
            open.extend(test.element.as_deref());
            open.extend(test.part.as_deref());
            open.extend(test.entry.values());
            open.extend(test.given.values());
        }
        all
    }
}

impl Test {
    /// The expressions of this test itself, nested tests apart.
    pub fn shapes(&self) -> impl Iterator<Item = &Shape> {
        [
            &self.text,
            &self.not_text,
            &self.named,
            &self.not_named,
            &self.past_count,
            &self.unmeasured,
        ]
        .into_iter()
        .flatten()
    }
}

impl Pattern {
    /// Every expression of the pattern.
    pub fn shapes(&self) -> Vec<&Shape> {
        let own = [
            &self.target,
            &self.function,
            &self.not_function,
            &self.body,
            &self.not_body,
        ]
        .into_iter()
        .flatten();
        own.chain(self.tests().into_iter().flat_map(Test::shapes))
            .collect()
    }
}
