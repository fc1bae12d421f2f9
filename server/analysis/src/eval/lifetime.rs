//! What becomes of objects across calls and names: what a function of this file does to what it is
//! given, who keeps a value, and variables that nothing was written to.
//! It knows events and their order; which of them matter is the entries' business.

use kb_schema::{Event, Use};
use syntax::Language;

use super::call::CallFact;
use super::report::Summary;
use super::{Eval, Local};
use crate::env::{Env, Fact, Open};
use crate::ir::{ExprId, ExprKind, Type};
use crate::rules::Role;
use crate::value::{self, Kind, Origin, Value};

/// What a function surely does to something that it is given, as an event of a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Touch {
    pub(crate) pattern: u32,
    pub(crate) param: u16,
    /// The member of what the parameter points at; the object itself without one.
    pub(crate) member: Option<Box<str>>,
    /// It begins the pattern; otherwise it ends one.
    pub(crate) starts: bool,
}

/// What callers have to know of the objects that a C function handles.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Handling {
    pub(crate) touches: Vec<Touch>,
    /// The events that have happened to what it gives back.
    pub(crate) gives: Vec<u32>,
    /// It gives back null on some way.
    pub(crate) may_be_null: bool,
    /// The parameters that somebody may still hold when it has returned.
    pub(crate) keeps: Vec<u16>,
}

/// The most events that one function passes on.
const MAX_TOUCHES: usize = 24;

/// C functions that keep nothing of what they are given, beside those that are known to read or
/// write through it.
const KEEPS_NOTHING: [&str; 26] = [
    "printf",
    "fprintf",
    "dprintf",
    "snprintf",
    "vsnprintf",
    "syslog",
    "write",
    "send",
    "sendto",
    "fwrite",
    "fputs",
    "puts",
    "qsort",
    "bsearch",
    "perror",
    "open",
    "fopen",
    "strtol",
    "strtoul",
    "strtod",
    "assert",
    "system",
    "popen",
    "connect",
    "bind",
    "memset",
];

impl<'a> Eval<'a> {
    fn is_c(&self) -> bool {
        self.around.language == Language::C
    }

    /// The parameter that an object is, as it was passed.
    pub(super) fn param_of(&self, obj: u64) -> Option<u16> {
        let params = self.func.params.iter();
        let at = params
            .enumerate()
            .find(|(_, it)| value::id_of(&it.name) == obj)?;
        u16::try_from(at.0).ok()
    }

    /// Whether what happens here happens whenever the function is called.
    pub(super) fn is_unconditional(&self) -> bool {
        self.is_c() && !self.branched && !self.func.params.is_empty()
    }

    /// An event that would end a pattern happens to what a parameter is: callers may have begun it.
    pub(super) fn note_end(&mut self, pattern: u32, obj: u64) {
        if !self.is_unconditional() {
            return;
        }
        let rule = self.around.rules.rules[pattern as usize].pattern();
        // Two calls that differ, such as a look at a file and its opening, belong together only
        // where one reads them together.
        let by_call = match (&rule.start, &rule.end) {
            (Some(Event::Call { callee: a, .. }), Some(Event::Call { callee: b, .. })) => a
                .iter()
                .any(|it| b.iter().any(|other| it.as_str() == other.as_str())),
            (Some(Event::Call { .. } | Event::Use(Use::NullResult)), _) => true,
            _ => false,
        };
        let Some(param) = self.param_of(obj).filter(|_| by_call) else {
            return;
        };
        self.note(Touch {
            pattern,
            param,
            member: None,
            starts: false,
        });
    }

    fn note(&mut self, touch: Touch) {
        let touches = &mut self.handling.touches;
        if touches.len() < MAX_TOUCHES && !touches.contains(&touch) {
            touches.push(touch);
        }
    }

    /// What this function's end tells its callers.
    pub(super) fn settle(&mut self, end: &Env) {
        if !self.is_c() || self.func.params.is_empty() {
            return;
        }
        let begun = end.open.iter().filter(|it| !it.partial && !it.everywhere);
        for open in begun {
            if let Some(param) = self.param_of(open.obj) {
                self.note(Touch {
                    pattern: open.pattern,
                    param,
                    member: None,
                    starts: true,
                });
                continue;
            }
            let member = end.vars.iter().find_map(|(name, value)| {
                let (base, member) = name.split_once('.')?;
                let is_it = value.obj == open.obj
                    && open.obj == value::id_of(&format!("{}.{member}", value::id_of(base)));
                let param = self.param_of(value::id_of(base)).filter(|_| is_it)?;
                Some((param, member))
            });
            if let Some((param, member)) = member {
                self.note(Touch {
                    pattern: open.pattern,
                    param,
                    member: Some(member.into()),
                    starts: true,
                });
            }
        }
        self.handling.touches.sort_by(|a, b| {
            (a.pattern, a.param, &a.member, a.starts)
                .cmp(&(b.pattern, b.param, &b.member, b.starts))
        });
    }

    /// What the function gives back, for those who call it.
    pub(super) fn note_given_back(&mut self, result: &Value) {
        if !self.is_c() {
            return;
        }
        if result.kind == Kind::Null {
            self.handling.may_be_null = true;
            return;
        }
        let obj = result.obj;
        let here = self
            .env
            .open
            .iter()
            .filter(|open| obj != 0 && open.obj == obj && !open.partial && !open.everywhere);
        let here: Vec<u32> = here.map(|open| open.pattern).collect();
        match &mut self.given_back {
            Some(known) => known.retain(|it| here.contains(it)),
            unknown => *unknown = Some(here),
        }
        if self.param_of(obj).is_none() {
            self.keep_roots(result);
        }
    }

    /// What a function of this file does to the objects that it is given, and what it gives back.
    pub(super) fn local_events(&mut self, call: &CallFact<'a>, result: &Value) {
        let Some(summary) = self.callee_summary(call) else {
            return;
        };
        let active = self.around.active;
        for touch in &summary.handling.touches {
            if !active.has(touch.pattern) {
                continue;
            }
            let Some(obj) = self.touched(call, touch) else {
                continue;
            };
            if !touch.starts {
                self.end_event(touch.pattern, obj, call.span, Some(call));
                self.note_end(touch.pattern, obj);
                continue;
            }
            self.open(touch.pattern, obj, call, 0);
        }
        let root = result.roots.first().map_or(0, |it| it.id);
        for pattern in &summary.handling.gives {
            if active.has(*pattern) && result.obj != 0 {
                self.open(*pattern, result.obj, call, root);
            }
        }
        // What was asked for comes from outside, so that it may well not be there.
        let asked = call.args.iter().flat_map(|it| &it.value.roots);
        let outside = asked
            .into_iter()
            .any(|it| matches!(it.origin, Origin::Source(id) if !self.around.rules.is_quiet(id)));
        // So it may where the caller of this function named it.
        let named = || {
            let name = kb_schema::last_segment(&call.path).to_ascii_lowercase();
            let searches = ["find", "lookup", "search"]
                .iter()
                .any(|it| name.contains(it));
            let mut roots = call.args.iter().flat_map(|it| &it.value.roots);
            searches && roots.any(|it| matches!(it.origin, Origin::Param(_)))
        };
        if summary.handling.may_be_null && result.obj != 0 && (outside || named()) {
            for pattern in &active.null_results {
                self.open(*pattern, result.obj, call, root);
            }
        }
    }

    fn callee_summary(&self, call: &CallFact<'a>) -> Option<std::sync::Arc<Summary>> {
        let inside = self.is_c() && !self.func.name.is_empty();
        let name = call.path.strip_prefix("~.").filter(|_| inside)?;
        match (self.around.summary)(None, name) {
            Local::Known(summary) => Some(summary),
            _ => None,
        }
    }

    /// The object of this function that a callee's event is about.
    fn touched(&self, call: &CallFact<'a>, touch: &Touch) -> Option<u64> {
        let arg = call.positional(usize::from(touch.param))?;
        let Some(member) = &touch.member else {
            return Self::object(&arg.value);
        };
        let base = match self.address_taken(arg.expr) {
            Some(inner) => {
                let path = self.path_of(inner)?;
                self.env.get(&path)?.obj
            }
            None => arg.value.obj,
        };
        (base != 0).then(|| value::id_of(&format!("{base}.{member}")))
    }

    fn open(&mut self, pattern: u32, obj: u64, call: &CallFact<'a>, root: u64) {
        let place = self.place(call.span);
        self.env
            .open
            .retain(|open| !(open.pattern == pattern && open.obj == obj));
        self.env.open.push(Open {
            pattern,
            obj,
            place,
            under: Vec::new(),
            everywhere: false,
            name: None,
            root,
            depth: 0,
            partial: false,
        });
    }

    /// Who is handed a value by a call may keep it.
    pub(super) fn escape_arguments(&mut self, call: &CallFact<'a>) {
        if !self.is_c() || !self.asks_who_keeps() {
            return;
        }
        let rules = self.around.rules;
        let name = kb_schema::last_segment(&call.path);
        let summary = self.callee_summary(call);
        let known = KEEPS_NOTHING.contains(&name)
            || rules.effects.has(&call.path)
            || rules.inert.has(&call.path)
            || rules.carries.has(&call.path);
        if known && !call.path.starts_with("~.") {
            return;
        }
        for (position, arg) in call.args.iter().enumerate() {
            let position = u16::try_from(position).unwrap_or(u16::MAX);
            let kept = summary
                .as_ref()
                .is_none_or(|it| it.handling.keeps.contains(&position));
            if kept {
                self.escape(&arg.value.clone());
            }
        }
    }

    /// Whether it matters here who keeps what.
    fn asks_who_keeps(&self) -> bool {
        !self.around.active.escapes.is_empty()
            && (!self.env.open.is_empty() || !self.func.params.is_empty())
    }

    /// Somebody else holds the value from here on.
    pub(super) fn escape(&mut self, value: &Value) {
        if !self.is_c() || !self.asks_who_keeps() {
            return;
        }
        let escapes = &self.around.active.escapes;
        let is_part = |root: u64| root != 0 && value.roots.iter().any(|it| it.id == root);
        self.env.open.retain(|open| {
            let same = open.obj == value.obj || is_part(open.root);
            !(same && escapes.contains(&open.pattern))
        });
        self.keep_roots(value);
    }

    fn keep_roots(&mut self, value: &Value) {
        for root in &value.roots {
            if let Origin::Param(index) = root.origin
                && !self.handling.keeps.contains(&index)
            {
                self.handling.keeps.push(index);
            }
        }
    }

    /// A value is stored: what it is stored in may outlive the function.
    pub(super) fn escape_into(&mut self, target: ExprId, value: &Value) {
        if !self.is_c() || value.roots.is_empty() && value.obj == 0 {
            return;
        }
        let stays = match &self.func.expr(target).kind {
            ExprKind::Name(name) => {
                let is_param = self.func.params.iter().any(|it| it.name == *name);
                let ty = self.types.get(name);
                is_param || ty.is_some_and(|ty| !ty.is_static && ty.array.is_none())
            }
            _ => false,
        };
        if !stays {
            self.escape(value);
        }
    }

    /// What is null is not lost.
    pub(super) fn forget_null(&mut self, obj: u64) {
        let escapes = &self.around.active.escapes;
        self.env
            .open
            .retain(|open| open.obj != obj || !escapes.contains(&open.pattern));
    }

    /// A variable that nothing was written to yet.
    pub(super) fn declare_unset(&mut self, name: &str, ty: &Type, at: crate::ir::Span) {
        let single = ty.is_number() || ty.pointers > 0 || ty.base.starts_with("enum ");
        let tracked = single && ty.array.is_none() && !ty.is_static;
        if !self.is_c() || !tracked || self.func.name.is_empty() {
            return;
        }
        let obj = unset_id(name);
        let place = self.place(at);
        self.env.open.retain(|open| open.obj != obj);
        for pattern in &self.around.active.declares {
            self.env.open.push(Open {
                pattern: *pattern,
                obj,
                place,
                under: Vec::new(),
                everywhere: true,
                name: None,
                root: 0,
                depth: self.depth,
                partial: false,
            });
        }
    }

    /// Whoever gets the address of a part of something can get at all of it.
    pub(super) fn escape_address(&mut self, of: ExprId, value: &Value) {
        if !self.is_c() || !self.asks_who_keeps() {
            return;
        }
        self.escape(value);
        let func = self.func;
        let mut current = of;
        for _ in 0..8 {
            match &func.expr(current).kind {
                ExprKind::Attr { base, .. } | ExprKind::Index { base, .. } => current = *base,
                ExprKind::Name(name) => {
                    if let Some(whole) = self.env.get(name).cloned() {
                        self.escape(&whole);
                    }
                    return;
                }
                _ => return,
            }
        }
    }

    /// Something may have been written to a variable.
    pub(super) fn is_set(&mut self, name: &str) {
        if !self.around.active.declares.is_empty() && !self.env.open.is_empty() {
            let obj = unset_id(name);
            self.env.open.retain(|open| open.obj != obj);
        }
    }

    /// The same for a variable that an expression is, as an argument of a macro may be assigned to.
    pub(super) fn may_be_set(&mut self, id: ExprId) {
        if self.env.open.is_empty() || self.around.active.declares.is_empty() {
            return;
        }
        let func = self.func;
        match &func.expr(id).kind {
            ExprKind::Name(name) => self.is_set(name),
            ExprKind::Carry(inner)
            | ExprKind::AddrOf(inner)
            | ExprKind::Deref(inner)
            | ExprKind::Cast { value: inner, .. } => self.may_be_set(*inner),
            _ => {}
        }
    }

    /// A variable is read: nothing may have been written to it.
    pub(super) fn read_name(&mut self, id: ExprId, name: &str) {
        if self.env.open.is_empty() || self.around.active.declares.is_empty() {
            return;
        }
        if self.addressed == Some(id) {
            self.is_set(name);
            return;
        }
        let obj = unset_id(name);
        let span = self.span(id);
        // Inside of a condition the value may be there whenever that holds.
        let open = self.env.open.iter();
        let open = open.filter(|it| it.obj == obj && it.depth == self.depth);
        let patterns: Vec<u32> = open.map(|it| it.pattern).collect();
        for pattern in patterns {
            self.end_event(pattern, obj, span, None);
        }
    }

    /// Arguments of what may be a macro are not read for sure.
    pub(super) fn arguments_may_be_set(&mut self, callee: ExprId, args: &[crate::ir::Arg]) {
        if !self.is_c() || self.env.open.is_empty() || self.around.active.declares.is_empty() {
            return;
        }
        let rules = self.around.rules;
        let known = match &self.func.expr(callee).kind {
            ExprKind::Name(name) => {
                !matches!((self.around.summary)(None, name), Local::Unknown)
                    || KEEPS_NOTHING.contains(&&**name)
                    || rules.effects.has(name)
                    || rules.inert.has(name)
                    || rules.carries.has(name)
            }
            _ => false,
        };
        if !known {
            for arg in args {
                self.may_be_set(arg.value);
            }
        }
    }

    /// What is still open at the function's end and held by nobody else.
    pub(super) fn lost(&self, pattern: u32, result: Option<&Value>) -> Vec<Open> {
        let goes_on = |open: &Open| {
            result.is_some_and(|value| {
                open.obj == value.obj
                    || open.root != 0 && value.roots.iter().any(|it| it.id == open.root)
            })
        };
        let is_null = |open: &Open| self.env.guards.contains(&(open.obj, Fact::Nought));
        let open = self.env.open.iter().filter(|open| open.pattern == pattern);
        open.filter(|it| !it.partial && !goes_on(it) && !is_null(it))
            .cloned()
            .collect()
    }
}

/// The identity of a variable's own memory, which no value has.
fn unset_id(name: &str) -> u64 {
    value::id_of(name) ^ 0x0dec_1a4e
}

/// Whether an event's end is the end of its function.
pub(super) fn ends_with_scope(role: Role, kind: Use) -> bool {
    role == Role::End && kind == Use::ScopeEnd
}
