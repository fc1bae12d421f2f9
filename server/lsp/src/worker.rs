//! Analysis off the reader's thread: one task for each document, one analysis at a time, the
//! latest text wins. Knows no protocol types.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use analysis::{Analysis, Finding, Host, Idle, Memo, Snapshot, Source};
use config::Settings;
use kb_schema::EntrySet;
use revision::Fixes;
use syntax::{Document, Language, Text};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout_at;

use crate::judge::Judge;
use crate::lines;
use crate::pace::{Pace, Wait};
use crate::session::Session;
use crate::state::{Following, Job};
use crate::{publish, reconfigure, uri};

/// One text with everything that was found out about it.
#[derive(Debug)]
pub(crate) struct Analyzed {
    pub(crate) version: i32,
    pub(crate) stamp: u64,
    /// With the nodes of its own text.
    pub(crate) document: Document,
    /// The document's text in one piece.
    pub(crate) text: String,
    pub(crate) analysis: Analysis,
    /// Says which findings are shown.
    judge: Judge,
    /// The findings that are shown, by their place among all of them.
    shown: Vec<usize>,
    idle: Vec<Idle>,
    rules: Option<Snapshot>,
    fixes: Mutex<HashMap<usize, Arc<Fixes>>>,
}

impl Analyzed {
    /// A text about which nothing is said.
    pub(crate) fn empty(job: Job, judge: Judge) -> Self {
        Self {
            version: job.version,
            stamp: job.stamp,
            text: job.document.text.contents(),
            document: job.document,
            analysis: Analysis::default(),
            judge,
            shown: Vec::new(),
            idle: Vec::new(),
            rules: None,
            fixes: Mutex::default(),
        }
    }

    /// What is to be said of a file that is not open; `None` when there is nothing.
    pub(crate) fn of_file(
        language: Language,
        text: String,
        rules: &Snapshot,
        judge: Judge,
    ) -> Option<Self> {
        let analysis = rules.check(language, &text);
        let shown = places(&judge.shows(&text, &analysis));
        let idle = judge.idle(&text, &analysis);
        if shown.is_empty() && idle.is_empty() {
            return None;
        }
        let mut document = Document::parse(language, "");
        document.text = Text::new(&text);
        Some(Self {
            version: 0,
            stamp: 0,
            document,
            text,
            analysis,
            judge,
            shown,
            idle,
            rules: Some(rules.clone()),
            fixes: Mutex::default(),
        })
    }

    /// The gated fixes of a finding. The gate analyses the text again, so the first call for each
    /// finding takes its time.
    pub(crate) fn fixes(&self, finding: usize) -> Arc<Fixes> {
        let known = |fixes: &HashMap<usize, Arc<Fixes>>| fixes.get(&finding).cloned();
        let lock = || self.fixes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fixes) = known(&lock()) {
            return fixes;
        }
        let found = self.rules.as_ref().zip(self.analysis.findings.get(finding));
        let fixes =
            Arc::new(found.map_or_else(Fixes::default, |(rules, it)| self.prove(rules, it)));
        lock().insert(finding, Arc::clone(&fixes));
        fixes
    }

    fn prove(&self, rules: &Snapshot, finding: &Finding) -> Fixes {
        let language = self.document.language;
        let found = revision::fixes(rules, language, &self.text, &self.analysis, finding);
        for (title, rejection) in &found.rejected {
            tracing::debug!(entry = finding.entry.id, title, %rejection, "fix refused");
        }
        found
    }

    /// The edits that apply every safe fix of what is shown. All of them are proved anew.
    pub(crate) fn fix_all(&self) -> Vec<(Range<usize>, String)> {
        let Some(rules) = &self.rules else {
            return Vec::new();
        };
        let chosen = |text: &str, analysis: &Analysis| self.judge.shows(text, analysis);
        let language = self.document.language;
        let fixed = revision::fix_chosen(rules, language, &self.text, false, &chosen);
        lines::changes(&self.text, &fixed.text)
    }

    /// The rules that the text was analysed with.
    pub(crate) fn rules(&self) -> Option<&Snapshot> {
        self.rules.as_ref()
    }

    /// The settings that were asked which findings are shown.
    pub(crate) fn settings(&self) -> &Settings {
        &self.judge.settings
    }

    /// The comments that silence nothing.
    pub(crate) fn idle(&self) -> &[Idle] {
        &self.idle
    }

    /// The findings that are shown, with their places among all of them.
    pub(crate) fn shown(&self) -> impl Iterator<Item = (usize, &Finding)> {
        let findings = &self.analysis.findings;
        self.shown.iter().map(|index| (*index, &findings[*index]))
    }

    /// The end of the last place that its diagnostics name.
    pub(crate) fn reach(&self) -> Option<usize> {
        let places = self.shown().flat_map(|(_, it)| {
            let steps = it.trace.iter().map(|step| step.range.end);
            steps.chain([it.range.end])
        });
        places.chain(self.idle.iter().map(|it| it.range.end)).max()
    }

    fn source(&self) -> Source<'_> {
        Source {
            language: self.document.language,
            text: &self.text,
            nodes: self.document.nodes(),
        }
    }
}

/// Follows one document until it is closed: analyses its latest text and announces the result.
pub(crate) async fn follow(session: Arc<Session>, uri: String, mut following: Following) {
    let mut rules = session.rules.subscribe();
    let mut memo = Memo::default();
    let mut settled = None;
    let mut debounce = session.debounce;
    let mut pace = Pace::default();
    while following.wanted.has_changed().is_ok() {
        if rules.wait_for(Option::is_some).await.is_err() {
            break;
        }
        let asked = Wait {
            quiet: debounce,
            most: debounce,
        };
        settle_down(&mut following.wanted, asked.max(pace.wait(Instant::now()))).await;
        let Ok(permit) = session.permits.acquire().await else {
            break;
        };
        following.wanted.borrow_and_update();
        let Some(job) = session.documents.job(&uri) else {
            break;
        };
        if settled == Some(job.stamp) {
            // The change that woke us was already in the text that we took last time.
            drop(permit);
            if following.wanted.changed().await.is_err() {
                break;
            }
            continue;
        }
        // Read after the stamp: new rules are in place before stamps change on their account, so
        // no text with a new stamp is ever analysed under old rules.
        let Some(ready) = rules.borrow().clone() else {
            break;
        };
        let current = Arc::clone(&following.current);
        let stamp = job.stamp;
        let (version, document) = (job.version, job.document.clone());
        let (config, name) = (Arc::clone(&session.config), uri.clone());
        let worked = spawn_blocking(move || {
            let cancelled = || current.load(Ordering::Acquire) != stamp;
            let judge = Judge {
                path: uri::path(&name),
                settings: config.of(&name),
            };
            let began = Instant::now();
            let analyzed = analyze(job, judge, &ready, &mut memo, &cancelled);
            (memo, analyzed, began.elapsed())
        });
        let analyzed = match worked.await {
            Ok((kept, analyzed, took)) => {
                memo = kept;
                pace.note(took, analyzed.is_some(), Instant::now());
                analyzed
            }
            Err(error) => {
                // Waiting requests must still get an answer; the next edit tries again.
                tracing::error!(%uri, version, panicked = error.is_panic(), "analysis failed");
                memo = Memo::default();
                let job = Job {
                    version,
                    stamp,
                    document,
                };
                Some(Analyzed::empty(job, Judge::lenient()))
            }
        };
        drop(permit);
        let analyzed = analyzed.map(Arc::new);
        if let Some(analyzed) = &analyzed {
            debounce = session.debounce(analyzed.settings());
            session.adopt(analyzed.settings());
        }
        let replaced = analyzed.and_then(|it| session.documents.settle(&uri, &it));
        if let Some(replaced) = replaced {
            settled = Some(stamp);
            publish::announce(&session, &uri).await;
            drop(replaced);
            reconfigure::tell(&session).await;
        }
        if following.wanted.changed().await.is_err() {
            break;
        }
    }
    publish::clear(&session, &uri).await;
}

/// Waits until nothing has changed for a while, or for as long as is waited at most.
async fn settle_down(wanted: &mut watch::Receiver<u64>, wait: Wait) {
    let most = tokio::time::Instant::now() + wait.most;
    loop {
        let until = most.min(tokio::time::Instant::now() + wait.quiet);
        if tokio::time::Instant::now() >= until {
            break;
        }
        if !matches!(timeout_at(until, wanted.changed()).await, Ok(Ok(()))) {
            break;
        }
    }
}

fn analyze(
    mut job: Job,
    judge: Judge,
    rules: &Snapshot,
    memo: &mut Memo,
    cancelled: &dyn Fn() -> bool,
) -> Option<Analyzed> {
    let start = Instant::now();
    if !judge.wants_text(job.document.text.len_bytes()) {
        return Some(Analyzed::empty(job, judge));
    }
    if !job.document.reparse_unless(cancelled) {
        return None;
    }
    let mut analyzed = Analyzed::empty(job, judge);
    analyzed.analysis = rules.analyze(&analyzed.source(), memo, cancelled)?;
    analyzed.shown = places(&analyzed.judge.shows(&analyzed.text, &analyzed.analysis));
    analyzed.idle = analyzed.judge.idle(&analyzed.text, &analyzed.analysis);
    analyzed.rules = Some(rules.clone());
    tracing::debug!(
        version = analyzed.version,
        bytes = analyzed.text.len(),
        findings = analyzed.analysis.findings.len(),
        elapsed = ?start.elapsed(),
        "analysed"
    );
    Some(analyzed)
}

/// Where `true` stands.
fn places(shows: &[bool]) -> Vec<usize> {
    let shown = shows.iter().enumerate().filter(|(_, it)| **it);
    shown.map(|(index, _)| index).collect()
}

/// Compiles the entries now and whenever they change, and has the open documents analysed again.
pub(crate) async fn follow_knowledge(session: Arc<Session>, mut changed: watch::Receiver<()>) {
    loop {
        changed.borrow_and_update();
        let entries = session.knowledge.entries();
        let host = spawn_blocking(move || Host::new(&entries))
            .await
            .unwrap_or_else(|error| {
                // Requests wait for rules, so there must be some.
                tracing::error!(
                    panicked = error.is_panic(),
                    "the entries could not be compiled"
                );
                Host::new(&EntrySet::default())
            });
        for problem in host.problems() {
            tracing::warn!(%problem, "refused in the knowledge base");
        }
        let before = session.rules.send_replace(Some(host.snapshot()));
        if before.is_some() {
            session.documents.supersede_all();
            session.refresh.notify_one();
        }
        if changed.changed().await.is_err() {
            break;
        }
    }
}
