//! The arguments of a matched call as a list that can be changed: set, taken out, put in.

use std::ops::Range;

use analysis::{Finding, PartKey};
use kb_schema::ArgKey;

use crate::edit::{Edit, indentation, line_ending};

/// One argument as written.
#[derive(Debug, Clone)]
pub(crate) struct Argument {
    pub(crate) keyword: Option<String>,
    /// The value.
    pub(crate) value: Range<usize>,
    /// The value with its keyword.
    pub(crate) whole: Range<usize>,
}

impl Argument {
    /// Whether it is `*value` or `**value`, which stands for any number of arguments.
    fn is_starred(&self) -> bool {
        self.keyword.is_none() && self.whole != self.value
    }
}

/// The call's arguments and what is to happen to them.
#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) list: Vec<Argument>,
    /// Everything between the brackets.
    between: Option<Range<usize>>,
    removed: Vec<bool>,
    added: Vec<String>,
    edits: Vec<Edit>,
}

impl Arguments {
    pub(crate) fn of(finding: &Finding) -> Self {
        let mut list = Vec::new();
        let mut between = None;
        for part in &finding.parts {
            match &part.key {
                PartKey::Arg {
                    position,
                    keyword,
                    whole,
                } => list.push((
                    *position,
                    Argument {
                        keyword: keyword.clone(),
                        value: part.range.clone(),
                        whole: whole.clone(),
                    },
                )),
                PartKey::Args => between = Some(part.range.clone()),
                _ => {}
            }
        }
        list.sort_by_key(|(position, _)| *position);
        let list: Vec<Argument> = list.into_iter().map(|(_, it)| it).collect();
        Self {
            removed: vec![false; list.len()],
            list,
            between,
            added: Vec::new(),
            edits: Vec::new(),
        }
    }

    /// The index of an argument that is there.
    pub(crate) fn find(&self, key: &ArgKey) -> Option<usize> {
        let at = |position: usize| {
            let free = |it: &Argument| it.keyword.is_none() && !it.is_starred();
            // A keyword or a starred argument before it makes its position unknown.
            (position < self.list.len() && self.list[..=position].iter().all(free))
                .then_some(position)
        };
        let named = |word: &str| {
            let is = |it: &Argument| it.keyword.as_deref() == Some(word);
            self.list.iter().position(is)
        };
        match key {
            ArgKey::Position(position) => at(*position),
            ArgKey::Keyword(word) => named(word),
            ArgKey::Either(position, word) => at(*position).or_else(|| named(word)),
            ArgKey::From(_) | ArgKey::Each => None,
        }
    }

    fn positional(&self) -> bool {
        self.list
            .iter()
            .all(|it| it.keyword.is_none() && !it.is_starred())
    }

    /// Whether an argument is surely not there, neither as written nor within a starred one.
    fn lacks(&self, key: &ArgKey) -> bool {
        if self.list.iter().any(Argument::is_starred) {
            return false;
        }
        let positional = self.list.iter().filter(|it| it.keyword.is_none()).count();
        let named = |word: &str| {
            let is = |it: &Argument| it.keyword.as_deref() == Some(word);
            self.list.iter().any(is)
        };
        match key {
            // A keyword may stand for any position.
            ArgKey::Position(position) => self.list.len() <= *position,
            ArgKey::Keyword(word) => !named(word),
            ArgKey::Either(position, word) => positional <= *position && !named(word),
            ArgKey::From(_) | ArgKey::Each => false,
        }
    }

    pub(crate) fn set(&mut self, key: &ArgKey, new: String) -> Option<()> {
        if let Some(index) = self.find(key) {
            self.edits
                .push(Edit::new(self.list[index].value.clone(), new));
            return Some(());
        }
        match key {
            ArgKey::Keyword(word) | ArgKey::Either(_, word) => {
                self.added.push(format!("{word}={new}"));
            }
            ArgKey::Position(position) if *position == self.list.len() && self.positional() => {
                self.added.push(new);
            }
            _ => return None,
        }
        Some(())
    }

    /// Takes an argument out; one that is not there is out already.
    pub(crate) fn remove(&mut self, key: &ArgKey) -> Option<()> {
        match self.find(key) {
            Some(index) => self.removed[index] = true,
            None if self.lacks(key) => {}
            None => return None,
        }
        Some(())
    }

    pub(crate) fn insert(&mut self, position: usize, new: &str) -> Option<()> {
        if position == self.list.len() && self.positional() {
            self.added.push(new.to_owned());
            return Some(());
        }
        let before = self.list.get(position)?;
        let plain = |it: &Argument| it.keyword.is_none() && !it.is_starred();
        if !self.list[..position].iter().all(plain) {
            return None;
        }
        let at = before.whole.start;
        self.edits.push(Edit::insertion(at, format!("{new}, ")));
        Some(())
    }

    /// Everything as edits. `None` when something was to be added and no brackets are known.
    pub(crate) fn finish(mut self, text: &str) -> Option<Vec<Edit>> {
        self.take_out();
        if !self.added.is_empty() {
            let kept = self.removed.iter().any(|it| !it);
            let edit = match self.list.last() {
                Some(last) if kept => {
                    let comma = self.separator(text, last);
                    let added: String =
                        self.added.iter().map(|it| format!("{comma}{it}")).collect();
                    Edit::insertion(last.whole.end, added)
                }
                Some(last) => Edit::insertion(last.whole.end, self.added.join(", ")),
                None => Edit::insertion(self.between.as_ref()?.start, self.added.join(", ")),
            };
            self.edits.push(edit);
        }
        Some(self.edits)
    }

    /// Takes runs of removed arguments out, each with the comma that it leaves without use.
    fn take_out(&mut self) {
        let mut index = 0;
        while index < self.list.len() {
            if !self.removed[index] {
                index += 1;
                continue;
            }
            let first = index;
            while index < self.list.len() && self.removed[index] {
                index += 1;
            }
            let range = match (first.checked_sub(1), self.list.get(index)) {
                (_, Some(next)) => self.list[first].whole.start..next.whole.start,
                (Some(previous), None) => {
                    self.list[previous].whole.end..self.list[index - 1].whole.end
                }
                // Nothing is left: a trailing comma goes too, unless something is added.
                (None, None) => match &self.between {
                    Some(between) if self.added.is_empty() => between.clone(),
                    _ => self.list[first].whole.start..self.list[index - 1].whole.end,
                },
            };
            self.edits.push(Edit::new(range, ""));
        }
    }

    /// A new argument gets a line of its own where the last one has one.
    fn separator(&self, text: &str, last: &Argument) -> String {
        let indent = indentation(text, last.whole.start);
        let line = text[..last.whole.start].rfind('\n').map_or(0, |at| at + 1);
        let alone = line + indent.len() == last.whole.start
            && self.between.as_ref().is_some_and(|it| it.start < line);
        if alone {
            format!(",{}{indent}", line_ending(text))
        } else {
            ", ".to_owned()
        }
    }
}
