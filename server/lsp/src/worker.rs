//! Analysis off the reader's thread: one task for each document, one analysis at a time, the
//! latest text wins. Knows no protocol types.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use analysis::{Analysis, Finding, Host, Memo, Snapshot, Source};
use kb_schema::EntrySet;
use revision::Proposal;
use syntax::Document;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use crate::publish;
use crate::session::Session;
use crate::state::{Following, Job};

/// One text with everything that was found out about it.
#[derive(Debug)]
pub(crate) struct Analyzed {
    pub(crate) version: i32,
    pub(crate) stamp: u64,
    /// With a tree of its own text.
    pub(crate) document: Document,
    /// The document's text in one piece.
    pub(crate) text: String,
    pub(crate) analysis: Analysis,
    rules: Option<Snapshot>,
    fixes: Mutex<HashMap<usize, Arc<Vec<Proposal>>>>,
}

impl Analyzed {
    /// A text about which nothing is said.
    pub(crate) fn empty(job: Job) -> Self {
        Self {
            version: job.version,
            stamp: job.stamp,
            text: job.document.text.to_string(),
            document: job.document,
            analysis: Analysis::default(),
            rules: None,
            fixes: Mutex::default(),
        }
    }

    /// The gated fixes of a finding. The gate analyses the text again, so the first call for each
    /// finding takes its time.
    pub(crate) fn fixes(&self, finding: usize) -> Arc<Vec<Proposal>> {
        let known = |fixes: &HashMap<usize, Arc<Vec<Proposal>>>| fixes.get(&finding).cloned();
        let lock = || self.fixes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fixes) = known(&lock()) {
            return fixes;
        }
        let found = self.rules.as_ref().zip(self.analysis.findings.get(finding));
        let fixes = Arc::new(found.map_or_else(Vec::new, |(rules, it)| self.prove(rules, it)));
        lock().insert(finding, Arc::clone(&fixes));
        fixes
    }

    fn prove(&self, rules: &Snapshot, finding: &Finding) -> Vec<Proposal> {
        let language = self.document.language;
        let found = revision::fixes(rules, language, &self.text, &self.analysis, finding);
        for (title, rejection) in &found.rejected {
            tracing::debug!(entry = finding.entry.id, title, %rejection, "fix refused");
        }
        found.proposals
    }

    /// The end of the last place that its diagnostics name.
    pub(crate) fn reach(&self) -> Option<usize> {
        let findings = self.analysis.findings.iter();
        let places = findings.flat_map(|it| {
            let steps = it.trace.iter().map(|step| step.range.end);
            steps.chain([it.range.end])
        });
        places.max()
    }

    fn source(&self) -> Source<'_> {
        Source {
            language: self.document.language,
            text: &self.text,
            tree: &self.document.tree,
        }
    }
}

/// Follows one document until it is closed: analyses its latest text and announces the result.
pub(crate) async fn follow(session: Arc<Session>, uri: String, mut following: Following) {
    let mut rules = session.rules.subscribe();
    let mut memo = Memo::default();
    let mut settled = None;
    while following.wanted.has_changed().is_ok() {
        if rules.wait_for(Option::is_some).await.is_err() {
            break;
        }
        if !session.options.debounce.is_zero() {
            tokio::time::sleep(session.options.debounce).await;
        }
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
        let worked = spawn_blocking(move || {
            let cancelled = || current.load(Ordering::Acquire) != stamp;
            let analyzed = analyze(job, &ready, &mut memo, &cancelled);
            (memo, analyzed)
        });
        let analyzed = match worked.await {
            Ok((kept, analyzed)) => {
                memo = kept;
                analyzed
            }
            Err(error) => {
                // Waiting requests must still get an answer; the next edit tries again.
                tracing::error!(%uri, version, panicked = error.is_panic(), "analysis failed");
                memo = Memo::default();
                Some(Analyzed::empty(Job {
                    version,
                    stamp,
                    document,
                }))
            }
        };
        drop(permit);
        let analyzed = analyzed.map(Arc::new);
        let replaced = analyzed.and_then(|it| session.documents.settle(&uri, &it));
        if let Some(replaced) = replaced {
            settled = Some(stamp);
            publish::announce(&session, &uri).await;
            drop(replaced);
        }
        if following.wanted.changed().await.is_err() {
            break;
        }
    }
    publish::clear(&session, &uri).await;
}

fn analyze(
    mut job: Job,
    rules: &Snapshot,
    memo: &mut Memo,
    cancelled: &dyn Fn() -> bool,
) -> Option<Analyzed> {
    let start = std::time::Instant::now();
    if !job.document.reparse_unless(cancelled) {
        return None;
    }
    let mut analyzed = Analyzed::empty(job);
    analyzed.analysis = rules.analyze(&analyzed.source(), memo, cancelled)?;
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
