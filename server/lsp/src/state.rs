//! The open documents: text, marks and the last analysis of each. Everything here is quick, so that
//! it can happen on the reader's thread; it knows neither the client nor how analysis is run.

use std::collections::VecDeque;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use analysis::Finding;
use dashmap::DashMap;
use origin::{Confidence, Mark, Origins};
use syntax::{Change, Document, Encoding, Language, Step, Text};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::ext::MarkInserted;
use crate::late::{self, Past};
use crate::worker::Analyzed;
use crate::{from_proto, uri};

/// How many changes back a mark may point: a tool learns of its insertion a little later than we.
const HISTORY: usize = 64;

/// The stamp of a document that was closed; no text ever has it.
const CLOSED: u64 = u64::MAX;

/// Every open document that we have something to say about.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    open: DashMap<String, OpenDocument>,
    last_stamp: AtomicU64,
    /// Text that arrives in one go is not taken for an AI's.
    takes_text_as_typed: AtomicBool,
}

#[derive(Debug)]
struct OpenDocument {
    version: i32,
    /// Names this text under these entries, across all documents and reopenings.
    stamp: u64,
    document: Document,
    origins: Origins,
    history: VecDeque<Past>,
    /// The stamp again, for a running analysis to see that it is superseded.
    current: Arc<AtomicU64>,
    /// How far the places reach that the last analysis named; beyond, an edit moves none of them.
    reach: Option<usize>,
    /// Counts the edits that may have moved a place that a client shows, from a number that no
    /// other opening starts from.
    moves: u64,
    /// What the client was sent last.
    sent: Option<Shown>,
    /// Told whenever the stamp changes; dropping it ends the document's worker.
    wanted: watch::Sender<u64>,
    analyzed: watch::Sender<Option<Arc<Analyzed>>>,
}

/// Names a set of diagnostics together with where a client that follows edits by itself has moved
/// them: when both are as they were, the client shows the right thing already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shown {
    /// A hash of the diagnostics; `None` when there are none, which nothing moves.
    pub(crate) hash: Option<u64>,
    /// How often an edit may have moved one.
    pub(crate) moves: u64,
}

/// What a worker needs to follow one document.
#[derive(Debug)]
pub(crate) struct Following {
    pub(crate) wanted: watch::Receiver<u64>,
    pub(crate) current: Arc<AtomicU64>,
}

/// One text to analyse.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) version: i32,
    pub(crate) stamp: u64,
    pub(crate) document: Document,
}

/// The analysis of a document's current text, with the origin of each finding.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) analyzed: Arc<Analyzed>,
    /// One for each finding that is shown, in their order.
    origins: Vec<Option<Mark>>,
    /// How often an edit may have moved a place that a client shows.
    pub(crate) moves: u64,
}

impl View {
    /// A file that is not open.
    pub(crate) fn of_file(analyzed: Analyzed) -> Self {
        Self {
            origins: vec![None; analyzed.shown().count()],
            analyzed: Arc::new(analyzed),
            moves: 0,
        }
    }

    /// Every finding that is shown, with its place among all findings and its origin.
    pub(crate) fn findings(&self) -> impl Iterator<Item = (usize, &Finding, Option<&Mark>)> {
        let shown = self.analyzed.shown().zip(&self.origins);
        shown.map(|((index, finding), origin)| (index, finding, origin.as_ref()))
    }
}

/// What an analysis took the place of.
#[derive(Debug)]
pub(crate) struct Replaced {
    _document: Document,
    _analyzed: Option<Arc<Analyzed>>,
}

/// The outcome of waiting for a [`View`].
#[derive(Debug)]
pub(crate) enum Awaited {
    /// It is there.
    Ready(View),
    /// The document is not open, or not in a language we read.
    NotOpen,
    /// It took too long.
    Late,
}

/// Why a mark was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MarkError {
    /// The document is not open, or not in a language we read.
    NotOpen,
    /// The version has not arrived.
    Ahead {
        /// The version we have.
        have: i32,
    },
    /// The version is too long ago, or never was.
    Forgotten {
        /// The version we have.
        have: i32,
        /// The oldest that we remember.
        oldest: i32,
    },
}

impl Documents {
    /// Opens a document; one that was open under the name is replaced. Parsing is left to the
    /// worker, which the caller starts.
    pub(crate) fn open(
        &self,
        uri: &str,
        language: Language,
        version: i32,
        text: &str,
    ) -> Following {
        let mut document = Document::parse(language, "");
        let encoding = Encoding::Utf8;
        document.edit(&[Change {
            range: None,
            encoding,
            text: text.to_owned(),
        }]);
        let stamp = self.next_stamp();
        let (wanted, following) = watch::channel(stamp);
        let current = Arc::new(AtomicU64::new(stamp));
        let open = OpenDocument {
            version,
            stamp,
            document,
            origins: Origins::new(),
            history: VecDeque::new(),
            current: Arc::clone(&current),
            reach: None,
            moves: stamp,
            sent: None,
            wanted,
            analyzed: watch::Sender::new(None),
        };
        if let Some(old) = self.open.insert(uri.to_owned(), open) {
            old.current.store(CLOSED, Ordering::Release);
        }
        Following {
            wanted: following,
            current,
        }
    }

    /// Applies changes in the order they came, or, where one came late, in that of their versions.
    /// `false` when the document is not open.
    pub(crate) fn change(&self, uri: &str, version: i32, changes: &[Change]) -> bool {
        let Some(mut open) = self.open.get_mut(uri) else {
            return false;
        };
        let before = open.document.text.clone();
        let current = open.version;
        let late = (version < current)
            .then(|| late::place(&mut open.history, (current, &before), version, changes))
            .flatten();
        let is_late = late.is_some();
        let (version, steps) = match late {
            Some(text) => {
                let whole = Change {
                    range: None,
                    encoding: Encoding::Utf8,
                    text,
                };
                (current, open.document.edit(&[whole]))
            }
            None => (version, open.document.edit(changes)),
        };
        if self.takes_text_as_typed.load(Ordering::Relaxed) {
            for step in &steps {
                open.origins.edit(&step.edit, &step.deleted, &step.inserted);
            }
        } else {
            open.origins.follow(&steps, version);
        }
        // Whoever replaces a whole text keeps no places in it.
        let moves = |it: &Step| it.whole || open.reach.is_some_and(|reach| it.edit.start <= reach);
        if steps.iter().any(moves) {
            open.moves += 1;
        }
        if !is_late {
            if open.history.len() == HISTORY {
                open.history.pop_front();
            }
            let past = Past {
                version: current,
                text: before,
                edits: steps.into_iter().map(|step| step.edit).collect(),
                changes: late::kept(changes),
            };
            open.history.push_back(past);
        }
        open.version = version;
        open.supersede(self.next_stamp());
        true
    }

    /// Closes a document. `false` when it was not open.
    pub(crate) fn close(&self, uri: &str) -> bool {
        let Some((_, open)) = self.open.remove(uri) else {
            return false;
        };
        open.current.store(CLOSED, Ordering::Release);
        true
    }

    /// Closes every document, which ends their workers.
    pub(crate) fn close_all(&self) {
        self.open.retain(|_, open| {
            open.current.store(CLOSED, Ordering::Release);
            false
        });
    }

    /// Marks a range as inserted by an AI, carrying it through what was edited since its version.
    pub(crate) fn mark(&self, mark: &MarkInserted, encoding: Encoding) -> Result<(), MarkError> {
        let mut open = self
            .open
            .get_mut(mark.uri.as_ref())
            .ok_or(MarkError::NotOpen)?;
        for range in open.carried(mark, encoding)? {
            open.origins
                .mark(range, Confidence::Certain, &mark.source, mark.version);
        }
        Ok(())
    }

    /// Takes back what only looked inserted by an AI in a range; what a tool said stays.
    pub(crate) fn unmark(&self, mark: &MarkInserted, encoding: Encoding) -> Result<(), MarkError> {
        let mut open = self
            .open
            .get_mut(mark.uri.as_ref())
            .ok_or(MarkError::NotOpen)?;
        for range in open.carried(mark, encoding)? {
            open.origins.doubt(range);
        }
        Ok(())
    }

    /// Gives every document a new stamp, because the entries changed.
    pub(crate) fn supersede_all(&self) {
        for mut open in self.open.iter_mut() {
            open.supersede(self.next_stamp());
        }
    }

    /// The text to analyse now.
    pub(crate) fn job(&self, uri: &str) -> Option<Job> {
        let open = self.open.get(uri)?;
        Some(Job {
            version: open.version,
            stamp: open.stamp,
            document: open.document.clone(),
        })
    }

    /// Takes in an analysis and its tree, unless the text has moved on meanwhile. What it replaces
    /// is given back, because letting go of a large tree takes longer than others should wait.
    pub(crate) fn settle(&self, uri: &str, analyzed: &Arc<Analyzed>) -> Option<Replaced> {
        let mut open = self.open.get_mut(uri)?;
        if open.stamp != analyzed.stamp {
            return None;
        }
        open.reach = analyzed.reach();
        let document = std::mem::replace(&mut open.document, analyzed.document.clone());
        let analyzed = open.analyzed.send_replace(Some(Arc::clone(analyzed)));
        Some(Replaced {
            _document: document,
            _analyzed: analyzed,
        })
    }

    /// Notes what the client is sent; says whether it has that already.
    pub(crate) fn has_been_sent(&self, uri: &str, shown: Shown) -> bool {
        let Some(mut open) = self.open.get_mut(uri) else {
            return false;
        };
        open.sent.replace(shown) == Some(shown)
    }

    /// The analysis of the current text, if there is one yet.
    pub(crate) fn view(&self, uri: &str) -> Option<View> {
        self.open.get(uri)?.view()
    }

    /// The analysis of the current text, as soon as there is one.
    pub(crate) async fn current(&self, uri: &str, patience: Duration) -> Awaited {
        let deadline = Instant::now() + patience;
        loop {
            let mut analyzed = {
                let Some(open) = self.open.get(uri) else {
                    return Awaited::NotOpen;
                };
                match open.view() {
                    Some(view) => return Awaited::Ready(view),
                    None => open.analyzed.subscribe(),
                }
            };
            if timeout_at(deadline, analyzed.changed()).await.is_err() {
                return Awaited::Late;
            }
        }
    }

    /// The addresses of all open documents.
    pub(crate) fn uris(&self) -> Vec<String> {
        self.open.iter().map(|it| it.key().clone()).collect()
    }

    /// Whether a file is open, under whatever spelling of its address.
    pub(crate) fn is_open_at(&self, path: &Path) -> bool {
        let mut open = self.open.iter();
        open.any(|it| uri::path(it.key()).is_some_and(|it| it == path))
    }

    /// Says whether text that arrives in one go is taken for an AI's.
    pub(crate) fn detect_origin(&self, detect: bool) {
        self.takes_text_as_typed.store(!detect, Ordering::Relaxed);
    }

    /// Whether a document is open.
    pub(crate) fn is_open(&self, uri: &str) -> bool {
        self.open.contains_key(uri)
    }

    /// The version and the text as they are now.
    pub(crate) fn text(&self, uri: &str) -> Option<(i32, Text)> {
        let open = self.open.get(uri)?;
        Some((open.version, open.document.text.clone()))
    }

    /// The version of a document as it is now.
    pub(crate) fn version(&self, uri: &str) -> Option<i32> {
        self.open.get(uri).map(|it| it.version)
    }

    /// The text and the marks as they are now.
    pub(crate) fn marks(&self, uri: &str) -> Option<(Text, Vec<Mark>)> {
        let open = self.open.get(uri)?;
        Some((
            open.document.text.clone(),
            open.origins.iter().cloned().collect(),
        ))
    }

    fn next_stamp(&self) -> u64 {
        self.last_stamp.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl OpenDocument {
    /// Where a mark's range is by now; in parts, where it was typed into.
    fn carried(
        &self,
        mark: &MarkInserted,
        encoding: Encoding,
    ) -> Result<Vec<Range<usize>>, MarkError> {
        let have = self.version;
        if mark.version == have {
            let text = &self.document.text;
            return Ok(vec![from_proto::range(mark.range, text, encoding)]);
        }
        if mark.version > have {
            return Err(MarkError::Ahead { have });
        }
        let mut versions = self.history.iter().map(|past| past.version);
        let oldest = versions.clone().next().unwrap_or(have);
        let at = versions.rposition(|version| version == mark.version);
        let at = at.ok_or(MarkError::Forgotten { have, oldest })?;
        let mut carried = Origins::new();
        let range = from_proto::range(mark.range, &self.history[at].text, encoding);
        carried.mark(range, Confidence::Certain, "", mark.version);
        for edit in self.history.range(at..).flat_map(|past| &past.edits) {
            // The texts are gone by now; without them the range is carried by its place alone.
            carried.edit(edit, "", "");
        }
        Ok(carried.iter().map(|part| part.range.clone()).collect())
    }

    fn supersede(&mut self, stamp: u64) {
        self.stamp = stamp;
        self.current.store(stamp, Ordering::Release);
        self.wanted.send_replace(stamp);
    }

    fn view(&self) -> Option<View> {
        let analyzed = self.analyzed.borrow().clone()?;
        if analyzed.stamp != self.stamp {
            return None;
        }
        let tells = analyzed.settings().show_origin;
        let origin = |(_, it): (usize, &Finding)| {
            let mark = tells.then(|| self.origins.at(it.range.clone()))?;
            mark.cloned()
        };
        let origins = analyzed.shown().map(origin).collect();
        Some(View {
            analyzed,
            origins,
            moves: self.moves,
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

    use tower_lsp::gen_lsp_types as types;

    use super::*;

    const URI: &str = "file:///a.py";

    fn range(from: (u32, u32), to: (u32, u32)) -> types::Range {
        let position = |(line, character)| types::Position { line, character };
        types::Range {
            start: position(from),
            end: position(to),
        }
    }

    fn insertion(line: usize, column: usize, text: &str) -> Vec<Change> {
        let at = syntax::Position::new(line, column);
        vec![Change {
            range: Some((at, at)),
            encoding: Encoding::Utf8,
            text: text.to_owned(),
        }]
    }

    fn mark(version: i32, range: types::Range) -> MarkInserted {
        MarkInserted {
            uri: URI.into(),
            version,
            range,
            source: "tool".to_owned(),
        }
    }

    fn marked(documents: &Documents) -> Vec<String> {
        let (text, marks) = documents.marks(URI).unwrap();
        marks
            .iter()
            .map(|mark| text.slice(mark.range.clone()).into_owned())
            .collect()
    }

    #[test]
    fn a_mark_of_an_older_version_finds_its_text() {
        let documents = Documents::default();
        documents.open(URI, Language::Python, 3, "a = 1\nb = 2\nc = 3\n");
        documents.change(URI, 5, &insertion(0, 0, "import os\n"));
        documents.change(URI, 9, &insertion(2, 4, "20 + "));
        documents
            .mark(&mark(3, range((1, 0), (2, 0))), Encoding::Utf8)
            .unwrap();
        assert_eq!(marked(&documents), ["b = ", "2\n"]);
    }

    #[test]
    fn a_mark_of_a_version_that_is_not_known_is_refused() {
        let documents = Documents::default();
        let all = range((0, 0), (9, 0));
        let refused = |version| {
            documents
                .mark(&mark(version, all), Encoding::Utf8)
                .unwrap_err()
        };
        assert_eq!(refused(1), MarkError::NotOpen);

        documents.open(URI, Language::Python, 1, "a = 1\n");
        assert_eq!(refused(2), MarkError::Ahead { have: 1 });

        for version in 2..=i32::try_from(HISTORY).unwrap() + 2 {
            documents.change(URI, version, &insertion(0, 0, "#"));
        }
        let have = i32::try_from(HISTORY).unwrap() + 2;
        assert_eq!(refused(1), MarkError::Forgotten { have, oldest: 2 });
        documents.mark(&mark(2, all), Encoding::Utf8).unwrap();
        assert_eq!(marked(&documents), ["#a = 1\n"]);
    }

    #[test]
    fn what_a_change_inserts_in_one_go_is_likely_an_ais_until_it_is_undone() {
        let documents = Documents::default();
        documents.open(URI, Language::Python, 1, "x = 1\n");
        let block = "def f(a):\n    import os\n    os.system('ls ' + a)\n    return a\n";
        documents.change(URI, 2, &insertion(1, 0, block));
        assert_eq!(marked(&documents), [block]);

        let undo = Change {
            range: Some((syntax::Position::new(1, 0), syntax::Position::new(5, 0))),
            encoding: Encoding::Utf8,
            text: String::new(),
        };
        documents.change(URI, 3, &[undo]);
        assert!(marked(&documents).is_empty());
        documents.change(URI, 4, &insertion(1, 0, block));
        assert_eq!(marked(&documents), [block]);
    }

    #[test]
    fn an_analysis_of_a_superseded_text_is_not_taken_in() {
        let documents = Documents::default();
        documents.open(URI, Language::Python, 1, "x = 1\n");
        let job = documents.job(URI).unwrap();
        documents.change(URI, 2, &insertion(0, 0, "y"));
        let stale = Arc::new(Analyzed::empty(job, crate::judge::Judge::lenient()));
        assert!(documents.settle(URI, &stale).is_none());
        assert!(documents.view(URI).is_none());

        let fresh = Arc::new(Analyzed::empty(
            documents.job(URI).unwrap(),
            crate::judge::Judge::lenient(),
        ));
        assert!(documents.settle(URI, &fresh).is_some());
        assert_eq!(documents.view(URI).unwrap().analyzed.version, 2);
    }
}
