//! Leads: where imported discussions alone suggest a look at code. The evidence must be strong, and
//! whatever an entry knows is left to the entry.
//! It knows posts and names in code; who asks, and how a lead is shown, is not its business.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use kb_schema::{EntrySet, Language, Lead, LeadSource, Post};

use crate::hash;
use crate::posts::Installed;
use crate::signs::{Sign, last_word, qualifier, signs};
use crate::tokens::tokenize;

/// So many people must warn of a sign.
pub const LEAD_WARNERS: usize = 2;
/// A sign that more discussions of an index hold is no rare one, in small indexes ...
const RARE_POSTS: u64 = 50;
/// ... and in large ones, where one in so many may hold it.
const RARE_SHARE: u64 = 100;
/// The most signs of one text whose discussions are read: the rarest.
const MAX_READ: usize = 64;
/// The most discussions that are read for one sign, from each index.
const MAX_POSTS: usize = 16;
/// The most leads of one text.
const MAX_LEADS: usize = 64;
/// The most discussions that one lead names.
const MAX_SOURCES: usize = 5;
/// A discussion of at most so many signs is about each of them.
const FEW_SIGNS: usize = 6;
/// A last word of so many letters names its sign in prose.
const SPEAKING: usize = 4;

/// Every term that some entry shows: what entries know, they judge themselves, and what their safe
/// examples hold is ordinary.
pub(crate) fn known_terms(set: &EntrySet) -> HashSet<String> {
    let mut known = HashSet::new();
    for entry in &set.entries {
        let examples = entry.body().examples.iter().map(|it| it.code.as_str());
        let signs = entry.markers.iter().chain(&entry.apis).map(String::as_str);
        for text in examples.chain(signs) {
            known.extend(tokenize(text));
        }
    }
    known
}

/// The leads of a text, in its order.
pub(crate) fn leads(
    installed: &[Arc<Installed>],
    known: &HashSet<String>,
    text: &str,
    language: Language,
) -> Vec<Lead> {
    if installed.is_empty() {
        return Vec::new();
    }
    let found = signs(text, Some(language));
    let words: HashSet<String> = tokenize(text).into_iter().collect();
    let mut places: HashMap<&str, Vec<&Sign>> = HashMap::new();
    for sign in &found {
        if !known.contains(&sign.term) {
            places.entry(&sign.term).or_default().push(sign);
        }
    }
    let mut rare: Vec<(u64, &str)> = places
        .keys()
        .filter_map(|term| Some((rarity(installed, term)?, *term)))
        .collect();
    rare.sort_unstable();
    rare.truncate(MAX_READ);
    // Best evidence first: a qualified name says more than its last word.
    rare.sort_by_key(|(posts, term)| (places[term][0].plain, *posts, *term));
    let mut leads: Vec<Lead> = Vec::new();
    for (_, term) in rare {
        let evidence = gather(installed, known, &words, places[term][0], language);
        let Some((warners, sources)) = evidence.verdict() else {
            continue;
        };
        for sign in &places[term] {
            let overlaps =
                |it: &Lead| it.range.start < sign.range.end && sign.range.start < it.range.end;
            if leads.len() < MAX_LEADS && !leads.iter().any(overlaps) {
                leads.push(Lead {
                    range: sign.range.clone(),
                    sign: shown(text, &sign.range),
                    warners,
                    sources: sources.clone(),
                });
            }
        }
    }
    leads.sort_by_key(|it| it.range.start);
    leads
}

fn shown(text: &str, range: &Range<usize>) -> String {
    text[range.clone()].chars().take(80).collect()
}

/// How many discussions hold a sign; nothing where none does, or too many do.
fn rarity(installed: &[Arc<Installed>], term: &str) -> Option<u64> {
    let mut all = 0;
    for index in installed {
        let holding = index.holding(term);
        if holding > RARE_POSTS.max(index.manifest.posts / RARE_SHARE) {
            return None;
        }
        all += holding;
    }
    (all > 0).then_some(all)
}

/// What people say of one sign.
#[derive(Default)]
struct Evidence {
    /// Who warns, each once.
    warners: BTreeSet<String>,
    /// Who says that all is well.
    deniers: BTreeSet<String>,
    /// What was said already: repeating it is no second warning.
    said: HashSet<u64>,
    /// Whether somebody names the sign.
    named: bool,
    best_warning: i64,
    best_denial: i64,
    /// By link, so that two indexes of one site do not count twice.
    sources: BTreeMap<String, LeadSource>,
}

impl Evidence {
    /// How many warn and where, if that is strong: several people, the sign named by one of them or
    /// met in several discussions, and nobody credible who says that it is fine. As credible as a
    /// warning is who has as many votes, or as many at their side.
    fn verdict(&self) -> Option<(usize, Vec<LeadSource>)> {
        let agreed = self.warners.len() >= LEAD_WARNERS && (self.named || self.sources.len() > 1);
        let defended = !self.deniers.is_empty()
            && (self.deniers.len() >= self.warners.len()
                || self.best_denial > 0 && self.best_denial >= self.best_warning);
        if !agreed || defended {
            return None;
        }
        let mut sources: Vec<LeadSource> = self.sources.values().cloned().collect();
        sources.sort_by_key(|it| std::cmp::Reverse((it.warnings.len(), it.post.score)));
        sources.truncate(MAX_SOURCES);
        Some((self.warners.len(), sources))
    }

    fn add(&mut self, index: &Arc<str>, post: &Arc<Post>, sign: &Sign, about: bool) {
        let nobody = |text: &str| format!("?{:x}", hash::of(text.as_bytes()));
        let who = |author: &Option<String>, text: &str| {
            author
                .as_ref()
                .map_or_else(|| nobody(text), |it| it.to_lowercase())
        };
        let mut warnings = Vec::new();
        for (place, comment) in post.comments.iter().enumerate() {
            let concerns = match naming(&comment.text, &sign.term) {
                Naming::This => true,
                Naming::Nothing => about,
                Naming::Other => false,
            };
            if !concerns {
                continue;
            }
            if comment.denies {
                self.deniers.insert(who(&comment.author, &comment.text));
                self.best_denial = self.best_denial.max(comment.score);
            } else if comment.warns {
                warnings.push(place);
                self.best_warning = self.best_warning.max(comment.score);
                self.named |= naming(&comment.text, &sign.term) == Naming::This;
                if self.said.insert(hash::of(plain(&comment.text).as_bytes())) {
                    self.warners.insert(who(&comment.author, &comment.text));
                }
            }
        }
        // A note has no comments: it is its author's own warning.
        let warns = post.warns
            && match naming(&post.prose, &sign.term) {
                Naming::This => true,
                Naming::Nothing => about,
                Naming::Other => false,
            };
        if warns && self.said.insert(hash::of(plain(&post.prose).as_bytes())) {
            self.named = true;
            self.warners.insert(who(&post.author, &post.prose));
        }
        if warns || !warnings.is_empty() {
            let key = post
                .link
                .clone()
                .unwrap_or_else(|| format!("{index}/{}", post.id));
            self.sources.entry(key).or_insert_with(|| LeadSource {
                index: Arc::clone(index),
                post: Arc::clone(post),
                warnings,
            });
        }
    }
}

fn gather(
    installed: &[Arc<Installed>],
    known: &HashSet<String>,
    words: &HashSet<String>,
    sign: &Sign,
    language: Language,
) -> Evidence {
    let mut evidence = Evidence::default();
    for index in installed {
        for post in index.posts_with(&sign.term, language, MAX_POSTS) {
            let code = signs(&post.code.join("\n"), Some(language));
            let marked = signs_of(&post.markers);
            if sign.plain && !belongs(&code, &marked, &sign.term, words) {
                continue;
            }
            let own: HashSet<&str> = code.iter().map(|it| it.term.as_str()).collect();
            let telling = own.iter().filter(|it| !known.contains(**it)).count();
            let acting: HashSet<&Range<usize>> = code
                .iter()
                .filter(|it| it.acts && !known.contains(&it.term))
                .map(|it| &it.range)
                .collect();
            // Its markers name it, or there is nothing else that could be meant.
            evidence.named |= marked.contains(&sign.term) || sign.acts && acting.len() == 1;
            let about = marked.contains(&sign.term)
                || sign.acts && own.contains(sign.term.as_str()) && telling <= FEW_SIGNS;
            evidence.add(index.shared_name(), &post, sign, about);
        }
    }
    evidence
}

fn signs_of(markers: &[String]) -> HashSet<String> {
    markers.iter().flat_map(|it| tokenize(it)).collect()
}

/// Whether a name by itself is the one that a discussion uses: either both use it so, or what the
/// discussion takes it from stands in the text as well.
fn belongs(code: &[Sign], marked: &HashSet<String>, name: &str, words: &HashSet<String>) -> bool {
    let terms = code.iter().map(|it| it.term.as_str());
    let terms = terms.chain(marked.iter().map(String::as_str));
    let qualifiers: HashSet<&str> = terms
        .filter(|it| last_word(it) == name)
        .filter_map(qualifier)
        .collect();
    qualifiers.is_empty() || qualifiers.iter().any(|it| words.contains(*it))
}

/// What a remark names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Naming {
    /// The sign, or its last word.
    This,
    /// No code at all.
    Nothing,
    /// Other code only.
    Other,
}

fn naming(text: &str, sign: &str) -> Naming {
    let last = last_word(sign);
    let terms = tokenize(text);
    let names = |it: &String| it == sign || it == last && last.chars().count() >= SPEAKING;
    if terms.iter().any(names) {
        Naming::This
    } else if text.contains('`') || signs(text, None).iter().any(|it| it.plain) {
        Naming::Other
    } else {
        Naming::Nothing
    }
}

/// A text without what two writings of it differ in.
fn plain(text: &str) -> String {
    tokenize(text).join(" ")
}
