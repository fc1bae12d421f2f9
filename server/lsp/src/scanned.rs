//! What a scan found in files that are not open, and how a client is told of it. Scans nothing.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use syntax::Language;
use tokio::sync::watch;
use tower_lsp::gen_lsp_types::Diagnostic;

use crate::capabilities::Delivery;
use crate::scan::WorkspaceFile;
use crate::session::Session;
use crate::{to_proto, uri};

/// The results of scans, of this session.
#[derive(Debug)]
pub(crate) struct Scanned {
    files: Mutex<BTreeMap<PathBuf, Outcome>>,
    /// What the last search found, with its language.
    known: Mutex<HashMap<PathBuf, Language>>,
    /// Counts the changes, for those who wait for one.
    changes: watch::Sender<u64>,
    /// Whether a scan has gone through to its end.
    pub(crate) complete: AtomicBool,
    /// Whether the client asks for the workspace's diagnostics; it is not pushed to then.
    asked: AtomicBool,
    /// Held while one scan runs.
    pub(crate) turn: tokio::sync::Mutex<()>,
    /// The running scans that a client may cancel by their token, as JSON.
    cancels: Mutex<HashMap<String, Arc<AtomicBool>>>,
}

/// What was found in one file.
#[derive(Debug, Clone)]
struct Outcome {
    uri: String,
    id: String,
    diagnostics: Vec<Diagnostic>,
    pushed: bool,
}

impl Default for Scanned {
    fn default() -> Self {
        Self {
            files: Mutex::default(),
            known: Mutex::default(),
            changes: watch::Sender::new(0),
            complete: AtomicBool::new(false),
            asked: AtomicBool::new(false),
            turn: tokio::sync::Mutex::new(()),
            cancels: Mutex::default(),
        }
    }
}

impl Scanned {
    fn files(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Outcome>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cancels(&self) -> MutexGuard<'_, HashMap<String, Arc<AtomicBool>>> {
        self.cancels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a client cancel a scan by its token.
    pub(crate) fn can_cancel(&self, token: &Value, cancelled: Arc<AtomicBool>) {
        self.cancels().insert(token.to_string(), cancelled);
    }

    /// Forgets a token whose scan has ended.
    pub(crate) fn has_ended(&self, token: &Value) {
        self.cancels().remove(&token.to_string());
    }

    /// Cancels the scan of a token, if there is one.
    pub(crate) fn cancel(&self, token: &Value) {
        if let Some(cancelled) = self.cancels().get(&token.to_string()) {
            cancelled.store(true, Ordering::Release);
        }
    }

    /// Keeps which files are looked at.
    pub(crate) fn know(&self, files: &[WorkspaceFile]) {
        let files = files.iter().map(|it| (it.path.clone(), it.language));
        let files = files.collect();
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = files;
    }

    /// The language of a file, if it is one that is looked at.
    pub(crate) fn language(&self, path: &Path) -> Option<Language> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(path).copied()
    }

    /// The files that something was found in.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        self.files().keys().cloned().collect()
    }

    /// Says that the results have changed.
    pub(crate) fn announce(&self) {
        self.changes.send_modify(|it| *it += 1);
    }
}

/// Takes in what was found in a file and shows it; an empty list takes back what was shown.
pub(crate) async fn set(session: &Session, path: &Path, diagnostics: Vec<Diagnostic>) {
    let Some(uri) = uri::uri(path) else {
        return;
    };
    let _turn = session.publishing.lock().await;
    // Opened meanwhile: its own worker speaks for it now.
    if !diagnostics.is_empty() && session.documents.is_open_at(path) {
        return;
    }
    let pushes = !session.scanned.asked.load(Ordering::Acquire);
    let id = to_proto::result_id(&diagnostics, None);
    let result = Outcome {
        uri: uri.to_string(),
        id,
        diagnostics,
        pushed: pushes,
    };
    let old = {
        let mut files = session.scanned.files();
        let known = files.get(path);
        if known.map(|it| &it.id) == Some(&result.id) && known.is_some_and(|it| it.pushed == pushes)
        {
            return;
        }
        if result.diagnostics.is_empty() {
            files.remove(path)
        } else {
            files.insert(path.to_owned(), result.clone())
        }
    };
    if old.is_none() && result.diagnostics.is_empty() {
        return;
    }
    if pushes {
        let client = &session.client;
        client
            .publish_diagnostics(uri, result.diagnostics, None)
            .await;
    } else if let Some(old) = old.filter(|it| it.pushed) {
        let address = old.uri.as_str().into();
        session
            .client
            .publish_diagnostics(address, Vec::new(), None)
            .await;
    }
}

/// Forgets a file that is open now, and takes back what was pushed for it where nothing else will.
pub(crate) fn opened(session: &Arc<Session>, name: &str) {
    let Some(path) = uri::path(name) else {
        return;
    };
    let Some(old) = session.scanned.files().remove(&path) else {
        return;
    };
    let push = session
        .profile()
        .is_some_and(|it| it.delivery == Delivery::Push);
    // The document's own worker replaces what stands under its own address.
    if old.pushed && !(push && old.uri == name) {
        let session = Arc::clone(session);
        tokio::spawn(async move {
            let address = old.uri.as_str().into();
            session
                .client
                .publish_diagnostics(address, Vec::new(), None)
                .await;
        });
    }
    session.scanned.announce();
}

/// The answer to `workspace/diagnostic`: what has changed since the client's last answer. It waits
/// until there is something to say, as the protocol has it, except the first time.
pub(crate) async fn report(session: &Arc<Session>, previous: HashMap<String, String>) -> Value {
    let scanned = &session.scanned;
    let first = !scanned.asked.swap(true, Ordering::AcqRel);
    let mut changes = scanned.changes.subscribe();
    if first {
        take_back(session).await;
    }
    loop {
        changes.borrow_and_update();
        let items = items(scanned, &previous);
        let news = items.iter().any(|it| it["kind"] == "full");
        if first || news || changes.changed().await.is_err() {
            return json!({ "items": items });
        }
    }
}

fn items(scanned: &Scanned, previous: &HashMap<String, String>) -> Vec<Value> {
    let files = scanned.files();
    let mut items = Vec::new();
    for file in files.values() {
        let is_known = previous.get(&file.uri) == Some(&file.id);
        let mut item = json!({ "uri": file.uri, "version": null, "resultId": file.id });
        if is_known {
            item["kind"] = "unchanged".into();
        } else {
            item["kind"] = "full".into();
            item["items"] = serde_json::to_value(&file.diagnostics).unwrap_or_default();
        }
        items.push(item);
    }
    let empty = to_proto::result_id(&[], None);
    let gone = previous
        .iter()
        .filter(|(uri, id)| **id != empty && !files.values().any(|it| it.uri == **uri));
    for (uri, _) in gone {
        items.push(json!({
            "uri": uri, "version": null, "resultId": empty, "kind": "full", "items": [],
        }));
    }
    items
}

/// Takes back what was pushed before the client asked, so that nothing is shown twice.
async fn take_back(session: &Session) {
    let pushed: Vec<String> = {
        let mut files = session.scanned.files();
        let pushed = files.values_mut().filter(|it| it.pushed);
        pushed
            .map(|it| {
                it.pushed = false;
                it.uri.clone()
            })
            .collect()
    };
    for uri in pushed {
        session
            .client
            .publish_diagnostics(uri.as_str().into(), Vec::new(), None)
            .await;
    }
}
