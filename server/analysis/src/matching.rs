//! Whether a value passes a test, and which data made it so.
//! It knows values, guards and one rule; it walks no code.

use std::cell::RefCell;

use kb_schema::{ArgKey, Guard, Literal, Shape, Test};

use crate::env::Fact;
use crate::ir::ExprId;
use crate::rules::{LangRules, Rule};
use crate::scanf::conversions;
use crate::value::{Const, Kind, Origin, Place, Root, Seg, Value};

/// An argument as the matcher sees it.
pub(crate) struct Given<'a> {
    pub(crate) value: &'a Value,
    /// The expression's own last name.
    pub(crate) name: Option<&'a str>,
    /// The variable or member it mentions, as a path.
    pub(crate) path: Option<&'a str>,
    /// The last names of what else it is put together from.
    pub(crate) others: &'a [&'a str],
    /// The expression, where it stands in the function that is evaluated.
    pub(crate) expr: Option<ExprId>,
    /// How far an index goes, for the parts of an element.
    pub(crate) reach: Option<&'a Reach>,
}

/// How far the index of an element may go.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    /// It is a constant, and that is the number of the array's elements or more.
    pub(crate) past: bool,
    /// It is moved on by its use, and nothing was compared with it.
    pub(crate) stepped: bool,
    /// It was compared, and may still be the number of the array's elements or more.
    pub(crate) past_bound: bool,
    /// A loop counted it up to the number of the array's elements, and the zero byte goes there.
    pub(crate) past_loop: bool,
    /// A loop that nothing keeps within the array writes there.
    pub(crate) overrun: bool,
    /// The member beside the array that it may be as large as.
    pub(crate) count: Option<String>,
    /// The length that was passed with the buffer and that nothing has looked at.
    pub(crate) unmeasured: Option<String>,
}

impl<'a> Given<'a> {
    /// A value and its expression's last name.
    pub(crate) fn of(value: &'a Value, name: Option<&'a str>) -> Self {
        Self {
            value,
            name,
            path: None,
            others: &[],
            expr: None,
            reach: None,
        }
    }

    /// The same, written as that expression.
    pub(crate) fn at(self, expr: ExprId) -> Self {
        Self {
            expr: Some(expr),
            ..self
        }
    }
}

/// Looks an argument up.
pub(crate) enum Found<'a> {
    There(Given<'a>),
    Absent,
    /// `*args` or `**kwargs` may hold it.
    Maybe,
}

/// The arguments of the matched call.
pub(crate) trait Arguments {
    fn find(&self, key: &ArgKey) -> Found<'_>;
    fn each(&self, from: usize, keywords: bool) -> Vec<Given<'_>>;
}

/// How the function that is evaluated writes its expressions.
pub(crate) trait Written {
    /// The arguments of a call.
    fn call(&self, expr: ExprId) -> Option<Box<dyn Arguments + '_>>;
    /// The elements of a list that is written out.
    fn elements(&self, expr: ExprId) -> Option<Vec<ExprId>>;
    /// An expression's own last name.
    fn last(&self, expr: ExprId) -> Option<&str>;
    /// The text that stands at a place; empty where that is another function.
    fn text(&self, place: Place) -> &str;
    /// Whether a divisor counts what may be nothing, and nobody asks.
    fn tallied(&self, expr: ExprId) -> bool;
    /// Whether a length is what a buffer says of itself.
    fn claimed(&self, expr: ExprId, value: &Value) -> bool;
}

/// No call: nothing to find.
pub(crate) struct NoArguments;

impl Arguments for NoArguments {
    fn find(&self, _key: &ArgKey) -> Found<'_> {
        Found::Absent
    }

    fn each(&self, _from: usize, _keywords: bool) -> Vec<Given<'_>> {
        Vec::new()
    }
}

/// What the tests of one match found out.
#[derive(Default)]
pub(crate) struct Evidence {
    /// The roots that made a test hold.
    pub(crate) roots: Vec<Root>,
    /// Parameters that were taken to carry source data.
    pub(crate) params: Vec<u16>,
    /// The sources that those would have to come from.
    pub(crate) sources: Vec<u16>,
    /// Whether a number was what was looked at.
    pub(crate) amount: bool,
    /// The built text.
    pub(crate) built: Option<Value>,
}

/// One attempt to match one rule at one point.
pub(crate) struct Matcher<'a> {
    pub(crate) rules: &'a LangRules,
    pub(crate) rule: &'a Rule,
    pub(crate) guards: &'a [(u64, Fact)],
    pub(crate) args: &'a dyn Arguments,
    pub(crate) written: &'a dyn Written,
    /// Take parameters for source data: what would be found if a caller passed it.
    pub(crate) assume: bool,
    pub(crate) evidence: RefCell<Evidence>,
}

impl Matcher<'_> {
    pub(crate) fn args_hold<'t>(
        &self,
        tests: impl IntoIterator<Item = (&'t ArgKey, &'t Test)>,
    ) -> bool {
        tests
            .into_iter()
            .all(|(key, test)| self.arg_holds(key, test))
    }

    fn arg_holds(&self, key: &ArgKey, test: &Test) -> bool {
        let some = |given: Vec<Given<'_>>| given.into_iter().any(|it| self.holds(test, &it));
        match key {
            ArgKey::From(start) => return some(self.args.each(*start, false)),
            ArgKey::Each => return some(self.args.each(0, true)),
            _ => {}
        }
        match self.args.find(key) {
            Found::There(given) => self.holds(test, &given),
            Found::Absent => self.absent_holds(test, true),
            Found::Maybe => self.absent_holds(test, false),
        }
    }

    /// Whether a test holds of an argument that is not written.
    fn absent_holds(&self, test: &Test, surely: bool) -> bool {
        if let Some(absent) = test.absent {
            return absent && surely;
        }
        if !test.any.is_empty() {
            return test
                .any
                .iter()
                .any(|inner| self.absent_holds(inner, surely));
        }
        // `not = {…}` alone holds of nothing.
        test.not.is_some() && surely && !asks_for_something(test)
    }

    pub(crate) fn holds(&self, test: &Test, given: &Given<'_>) -> bool {
        let value = given.value;
        if test.absent == Some(true) {
            return false;
        }
        (test.constant.is_empty() || surely_in(value, &test.constant))
            && (test.not_const.is_empty() || !maybe_in(value, &test.not_const))
            && test.named.as_ref().is_none_or(|it| {
                given
                    .name
                    .iter()
                    .chain(given.others)
                    .any(|name| it.is_match(name))
            })
            && test
                .not_named
                .as_ref()
                .is_none_or(|it| !given.name.is_some_and(|name| it.is_match(name)))
            && test.kind.as_deref().is_none_or(|kind| is_kind(value, kind))
            && (test.names.is_empty() || self.is_named(value, &test.names))
            && test
                .text
                .as_ref()
                .is_none_or(|it| self.texts(value).iter().any(|text| it.is_match(text)))
            && test
                .not_text
                .as_ref()
                .is_none_or(|it| !self.texts(value).iter().any(|text| it.is_match(text)))
            && test.local.is_none_or(|wanted| value.local == wanted)
            && test.signed.is_none_or(|wanted| value.signed == wanted)
            && test.minus.is_none_or(|wanted| value.minus == wanted)
            && reaches(test, given.reach)
            && test.tallied.is_none_or(|wanted| {
                given.expr.is_some_and(|it| self.written.tallied(it)) == wanted
            })
            && test.claimed.is_none_or(|wanted| {
                given.expr.is_some_and(|it| self.written.claimed(it, value)) == wanted
            })
            && (test.checked.is_empty() || self.was_checked(value, &test.checked))
            && test
                .element
                .as_ref()
                .is_none_or(|inner| self.has_element(given, inner))
            && test
                .part
                .as_ref()
                .is_none_or(|inner| self.has_part(value, inner))
            && (test.given.is_empty() || self.was_given(given, test))
            && test
                .entry
                .iter()
                .all(|(key, inner)| self.entry_holds(value, key, inner))
            && test.sizeof_pointer.is_none_or(|wanted| {
                value.size_of.as_ref().is_some_and(|(_, pointer)| *pointer) == wanted
            })
            && test
                .same_as
                .as_ref()
                .is_none_or(|key| self.is_same(given, key))
            && self.has_room(test, value)
            && test.factors.is_none_or(|least| value.factors >= least)
            && test
                .wraps
                .is_none_or(|wanted| (value.arithmetic && self.live(value).any(|_| true)) == wanted)
            && test
                .dynamic
                .is_none_or(|wanted| self.is_dynamic(value) == wanted)
            && test
                .built
                .is_none_or(|wanted| self.is_built(value) == wanted)
            && (test.tainted.is_empty() || self.is_tainted(value, &test.tainted, false))
            && (test.amount.is_empty() || self.is_tainted(value, &test.amount, true))
            && test
                .not
                .as_ref()
                .is_none_or(|inner| !self.holds(inner, given))
            && (test.any.is_empty() || test.any.iter().any(|inner| self.holds(inner, given)))
    }

    fn entry_holds(&self, value: &Value, key: &str, test: &Test) -> bool {
        let Some(entries) = &value.entries else {
            return false;
        };
        // Any of them, or one under a key that nobody knows.
        if key == "*" || key == crate::value::ANY_KEY {
            return entries.iter().any(|(name, value)| {
                (key == "*" || &**name == key) && self.holds(test, &Given::of(value, Some(name)))
            });
        }
        match entries.iter().find(|(name, _)| &**name == key) {
            Some((name, value)) => self.holds(test, &Given::of(value, Some(name))),
            None => {
                let surely = entries
                    .iter()
                    .all(|(name, _)| **name != *crate::value::ANY_KEY);
                self.absent_holds(test, surely)
            }
        }
    }

    fn has_element(&self, given: &Given<'_>, test: &Test) -> bool {
        let Some(items) = &given.value.items else {
            return false;
        };
        let written = given.expr.and_then(|it| self.written.elements(it));
        let written = written.filter(|it| it.len() == items.len());
        items.iter().enumerate().any(|(index, item)| {
            let expr = written.as_ref().map(|it| it[index]);
            let name = match expr {
                Some(expr) => self.written.last(expr),
                None => plain_name(item),
            };
            let mut given = Given::of(item, name);
            given.expr = expr;
            self.holds(test, &given)
        })
    }

    /// Whether some part that is no constant fits.
    fn has_part(&self, value: &Value, test: &Test) -> bool {
        value.text.iter().flat_map(|it| it.iter()).any(|seg| {
            let Seg::Hole(part, place) = seg else {
                return false;
            };
            let names = names_in(self.written.text(*place));
            let mut given = Given::of(part, None);
            given.name = match names.as_slice() {
                [] => plain_name(part),
                [only] => Some(only),
                _ => None,
            };
            given.others = &names;
            self.holds(test, &given)
        })
    }

    fn was_given(&self, given: &Given<'_>, test: &Test) -> bool {
        let call = given.expr.and_then(|it| self.written.call(it));
        call.is_some_and(|args| {
            let inner = Matcher {
                args: &*args,
                evidence: RefCell::default(),
                ..*self
            };
            inner.args_hold(&test.given)
        })
    }

    fn is_named(&self, value: &Value, names: &[kb_schema::NamePattern]) -> bool {
        value
            .path
            .as_deref()
            .is_some_and(|path| names.iter().any(|it| it.matches(path)))
    }

    fn is_same(&self, given: &Given<'_>, key: &ArgKey) -> bool {
        let Found::There(other) = self.args.find(key) else {
            return false;
        };
        let mine = given
            .value
            .size_of
            .as_ref()
            .map(|(path, _)| &**path)
            .or(given.path);
        mine.is_some() && mine == other.path
    }

    fn fits(&self, value: &Value, key: &ArgKey) -> bool {
        let Found::There(target) = self.args.find(key) else {
            return false;
        };
        match (value.as_str(), target.value.array_len) {
            (Some(text), Some(len)) => (text.len() as u64) < len,
            _ => false,
        }
    }

    /// What a test asks of sizes and of the arrays that they are for.
    fn has_room(&self, test: &Test, value: &Value) -> bool {
        test.fits.as_ref().is_none_or(|key| self.fits(value, key))
            && test
                .exceeds
                .as_ref()
                .is_none_or(|key| self.exceeds(value, key))
            && test
                .smaller
                .as_ref()
                .is_none_or(|key| self.is_smaller(value, key))
            && test.shorter.is_none_or(|least| {
                let whole = value.kind == Kind::Array && !value.moved;
                whole && value.bytes.is_some_and(|it| 1 < it && it < least)
            })
            && test
                .too_wide
                .as_ref()
                .is_none_or(|key| self.is_too_wide(value, key))
    }

    /// Whether a whole array fits into another one together with the rest of the call: a format's
    /// own letters, other arrays and texts, and digits. What is of unknown size counts for itself.
    fn is_smaller(&self, value: &Value, key: &ArgKey) -> bool {
        const DIGITS: u64 = 20;
        let array = |it: &Value| {
            let whole = it.kind == Kind::Array && !it.moved;
            it.bytes.filter(|bytes| whole && *bytes > 1)
        };
        let Found::There(target) = self.args.find(key) else {
            return false;
        };
        let (Some(_), Some(room)) = (array(value), array(target.value)) else {
            return false;
        };
        let size = |it: &Value| match (array(it), it.as_str()) {
            (Some(bytes), _) => bytes - 1,
            (None, Some(text)) => text.len() as u64,
            (None, None) if it.kind == Kind::Number => DIGITS,
            (None, None) => 0,
        };
        let others = (0..).map(ArgKey::Position).filter(|it| it != key);
        let sizes = others.map_while(|key| match self.args.find(&key) {
            Found::There(given) => Some(size(given.value)),
            Found::Absent | Found::Maybe => None,
        });
        sizes.fold(0, u64::saturating_add) < room
    }

    fn exceeds(&self, value: &Value, key: &ArgKey) -> bool {
        let Found::There(target) = self.args.find(key) else {
            return false;
        };
        // One element at a structure's end stands for as many as were allocated.
        let room = target.value.bytes.filter(|it| *it > 1);
        let whole = target.value.kind == Kind::Array && !target.value.moved;
        let asked = value.as_int().and_then(|it| u64::try_from(it).ok());
        whole && room.is_some_and(|room| asked.is_some_and(|asked| asked > room))
    }

    /// Whether a `%20s` of a scan meets an array of at most 20 bytes.
    fn is_too_wide(&self, value: &Value, key: &ArgKey) -> bool {
        let (Some(format), ArgKey::Position(first)) = (value.as_str(), key) else {
            return false;
        };
        let mut texts = conversions(format).into_iter().zip(*first..);
        texts.any(|(conversion, at)| {
            let Found::There(target) = self.args.find(&ArgKey::Position(at)) else {
                return false;
            };
            let room = target.value.bytes.filter(|_| {
                conversion.is_text && target.value.kind == Kind::Array && !target.value.moved
            });
            room.zip(conversion.width)
                .is_some_and(|(room, width)| room <= width)
        })
    }

    /// Whether some data of a value met one of these conditions.
    fn was_checked(&self, value: &Value, wanted: &[Guard]) -> bool {
        let accepts = |fact: &Fact| wanted.iter().any(|guard| accepts(guard, fact));
        let own = value.constant_id().is_some_and(|own| {
            let mut known = self.guards.iter();
            known.any(|(id, fact)| *id == own && accepts(fact))
        });
        own || value.roots.iter().any(|root| {
            root.checked.iter().any(accepts)
                || self
                    .guards
                    .iter()
                    .any(|(id, fact)| *id == root.id && accepts(fact))
        })
    }

    /// Every text it may be; parts that are not dynamic for this rule read as `_`.
    fn texts(&self, value: &Value) -> Vec<String> {
        value.texts(&|part| part.kind == Kind::Number || self.live(part).next().is_some())
    }

    fn is_dynamic(&self, value: &Value) -> bool {
        let mut live = self.live(value).filter(|it| !self.is_quiet(it)).peekable();
        let any = live.peek().is_some();
        crate::value::add_roots(
            &mut self.evidence.borrow_mut().roots,
            &live.cloned().collect::<Vec<_>>(),
        );
        any
    }

    fn is_built(&self, value: &Value) -> bool {
        let Some(text) = &value.text else {
            return false;
        };
        let words = text.iter().any(|seg| match seg {
            Seg::Lit(text) => !text.trim().is_empty(),
            // A constant that is defined elsewhere.
            Seg::Hole(value, _) => value.is_constant(),
        });
        let mut live = Vec::new();
        for seg in text.iter() {
            if let Seg::Hole(value, _) = seg {
                live.extend(self.live(value).filter(|it| !self.is_quiet(it)).cloned());
            }
        }
        if !words || live.is_empty() {
            return false;
        }
        let mut evidence = self.evidence.borrow_mut();
        crate::value::add_roots(&mut evidence.roots, &live);
        evidence.built = Some(value.clone());
        true
    }

    /// Whether data of a wanted source is in a value or, for an amount, decides how large it is.
    fn is_tainted(&self, value: &Value, wanted: &[String], amount: bool) -> bool {
        let any_param = wanted.iter().any(|it| it == "param");
        let ids: Vec<u16> = wanted
            .iter()
            .filter_map(|it| self.rules.source(it))
            .collect();
        let mut evidence = self.evidence.borrow_mut();
        let mut hit = false;
        let amounts = value
            .amounts
            .iter()
            .filter(|root| amount && self.is_live(root));
        for root in self.live(value).chain(amounts) {
            match root.origin {
                Origin::Source(id) if ids.contains(&id) => {}
                Origin::Param(_) if any_param => {}
                Origin::Param(index) if self.assume => {
                    evidence.params.push(index);
                    for id in &ids {
                        if !evidence.sources.contains(id) {
                            evidence.sources.push(*id);
                        }
                    }
                }
                _ => continue,
            }
            hit = true;
            evidence.amount |= amount;
            crate::value::add_roots(&mut evidence.roots, std::slice::from_ref(root));
        }
        hit
    }

    /// The roots of a value that no sanitizer and no guard made harmless for this rule.
    fn live<'v>(&'v self, value: &'v Value) -> impl Iterator<Item = &'v Root> {
        value.roots.iter().filter(move |root| self.is_live(root))
    }

    /// Whether a root matters only to patterns that name its source.
    fn is_quiet(&self, root: &Root) -> bool {
        matches!(root.origin, Origin::Source(id) if self.rules.is_quiet(id))
    }

    pub(crate) fn is_live(&self, root: &Root) -> bool {
        let cleaned = root
            .via
            .iter()
            .any(|name| self.rule.sanitizers.iter().any(|it| it.matches(name)));
        let accepted = &self.rule.pattern().guards;
        !cleaned
            && !root.checked.iter().any(|fact| guards(accepted, fact))
            && !self
                .guards
                .iter()
                .any(|(id, fact)| *id == root.id && guards(accepted, fact))
    }
}

/// The name of a variable or an attribute that is known by nothing else.
fn plain_name(value: &Value) -> Option<&str> {
    let path = value.path.as_deref()?.strip_prefix('?')?;
    let name = kb_schema::last_segment(path);
    (!name.ends_with([')', ']'])).then_some(name)
}

/// The last names in the text of an expression, or of each part of a tuple: a variable, an
/// attribute, a constant key.
fn names_in(text: &str) -> Vec<&str> {
    let text = text.trim();
    let inner = text.strip_prefix('(').and_then(|it| it.strip_suffix(')'));
    let parts = inner.map_or_else(|| vec![text], |inner| inner.split(',').collect());
    parts.into_iter().filter_map(name_in).collect()
}

fn name_in(text: &str) -> Option<&str> {
    let text = text.trim();
    let key = text.strip_suffix("\"]").or_else(|| text.strip_suffix("']"));
    let whole = || text.strip_suffix(']').and_then(|it| it.rsplit_once('['));
    let text = key.or_else(|| Some(whole()?.0)).unwrap_or(text);
    let start = text
        .char_indices()
        .rev()
        .take_while(|(_, c)| c.is_alphanumeric() || *c == '_')
        .last()?
        .0;
    Some(&text[start..])
}

/// Whether a condition of that kind is one that the pattern accepts. A value that equals a
/// constant or is a member of one's own list is harmless to every pattern.
fn guards(accepted: &[Guard], fact: &Fact) -> bool {
    matches!(fact, Fact::Equality | Fact::Membership)
        || accepted.iter().any(|guard| accepts(guard, fact))
}

fn accepts(guard: &Guard, fact: &Fact) -> bool {
    match (guard, fact) {
        (Guard::Any, _)
        | (Guard::Prefix, Fact::Prefix)
        | (Guard::Pattern, Fact::Pattern)
        | (Guard::Null, Fact::Null)
        | (Guard::Upper, Fact::Upper)
        | (Guard::Lower, Fact::Lower | Fact::Above)
        | (Guard::Above, Fact::Above) => true,
        (Guard::Call(name), Fact::Call(path))
        | (Guard::Yes(name), Fact::Yes(path))
        | (Guard::No(name), Fact::No(path)) => name.matches(path),
        _ => false,
    }
}

/// Whether a test demands something that only a value can have.
pub(crate) fn asks_for_something(test: &Test) -> bool {
    !test.constant.is_empty()
        || !test.tainted.is_empty()
        || !test.amount.is_empty()
        || !test.names.is_empty()
        || !test.entry.is_empty()
        || test.dynamic == Some(true)
        || test.built == Some(true)
        || test.text.is_some()
        || test.named.is_some()
        || test.kind.is_some()
        || test.element.is_some()
        || test.part.is_some()
        || !test.given.is_empty()
        || test.wraps == Some(true)
        || test.factors.is_some()
        || test.local == Some(true)
        || test.signed == Some(true)
        || test.minus == Some(true)
        || test.past == Some(true)
        || test.past_bound == Some(true)
        || test.past_loop == Some(true)
        || test.overrun == Some(true)
        || test.tallied == Some(true)
        || test.claimed == Some(true)
        || test.past_count.is_some()
        || test.unmeasured.is_some()
        || !test.checked.is_empty()
        || test.sizeof_pointer == Some(true)
        || test.same_as.is_some()
        || test.exceeds.is_some()
        || test.smaller.is_some()
        || test.shorter.is_some()
        || test.too_wide.is_some()
}

fn same(literal: &Literal, value: &Const) -> bool {
    match (literal, value) {
        (Literal::Bool(a), Const::Bool(b)) => a == b,
        (Literal::Int(a), Const::Int(b)) => a == b,
        // A language without booleans writes them as numbers.
        (Literal::Bool(a), Const::Int(b)) => i64::from(*a) == *b,
        (Literal::Text(a), Const::Null) => a == "None" || a == "NULL",
        (Literal::Text(a), Const::Str(b)) => a.as_str() == &**b,
        _ => false,
    }
}

fn surely_in(value: &Value, wanted: &[Literal]) -> bool {
    value.is_constant()
        && value
            .consts
            .iter()
            .all(|it| wanted.iter().any(|literal| same(literal, it)))
}

fn maybe_in(value: &Value, wanted: &[Literal]) -> bool {
    value
        .consts
        .iter()
        .any(|it| wanted.iter().any(|literal| same(literal, it)))
}

fn is_kind(value: &Value, kind: &str) -> bool {
    match kind {
        "string" => value.kind == Kind::Str,
        "bytes" => value.kind == Kind::Bytes,
        "number" => value.kind == Kind::Number,
        "bool" => value.kind == Kind::Bool,
        "none" => value.kind == Kind::Null,
        "list" => value.kind == Kind::List,
        "dict" => value.kind == Kind::Dict,
        "array" => value.kind == Kind::Array,
        "array-start" => value.is_array_s_start(),
        "pointer" => value.kind == Kind::Pointer,
        "function" => value.kind == Kind::Function,
        _ => false,
    }
}

/// What a test asks of how far an index goes.
fn reaches(test: &Test, reach: Option<&Reach>) -> bool {
    let is = |wanted: Option<bool>, of: fn(&Reach) -> bool| {
        wanted.is_none_or(|wanted| reach.is_some_and(of) == wanted)
    };
    let fits = |wanted: Option<&Shape>, of: fn(&Reach) -> Option<&str>| {
        wanted.is_none_or(|it| reach.and_then(of).is_some_and(|name| it.is_match(name)))
    };
    is(test.stepped, |it| it.stepped)
        && is(test.past, |it| it.past)
        && is(test.past_bound, |it| it.past_bound)
        && is(test.past_loop, |it| it.past_loop)
        && is(test.overrun, |it| it.overrun)
        && fits(test.past_count.as_ref(), |it| it.count.as_deref())
        && fits(test.unmeasured.as_ref(), |it| it.unmeasured.as_deref())
}
