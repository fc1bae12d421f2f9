//! Looks at the files of the workspace that are not open. It asks the same engine, and leaves
//! finding and reading files to whoever started the server.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use analysis::Snapshot;
use config::{Resolver, Size};
use serde::Serialize;
use serde_json::{Value, json};
use syntax::Language;
use tokio::sync::mpsc::{Sender, channel};
use tokio::task::spawn_blocking;
use tower_lsp::gen_lsp_types as types;
use tower_lsp::{Bounded, Cancellable, OngoingProgress};
use types::{Diagnostic, ProgressToken, Registration};

use crate::capabilities::Profile;
use crate::guard::caught;
use crate::judge::Judge;
use crate::session::Session;
use crate::state::View;
use crate::worker::Analyzed;
use crate::{scanned, to_proto, uri};

/// The stack of a thread that analyses files; deep nesting is cut off long before it is used up.
const STACK_BYTES: usize = 16 << 20;

/// The least time between two reports of progress, so that they cost nothing.
const REPORT: Duration = Duration::from_millis(100);

/// How long a client may take to agree to a progress bar; the scan starts without one then.
const AGREE: Duration = Duration::from_secs(2);

/// One file of the workspace.
#[derive(Debug, Clone)]
pub struct WorkspaceFile {
    /// Where it is, from the root.
    pub path: PathBuf,
    /// What it is written in.
    pub language: Language,
}

/// Which files a folder has and what stands in them: the same for the command line and the server,
/// so that both look at the same code.
pub trait Files: Send + Sync + std::fmt::Debug {
    /// The files below a folder that are looked at, in order of path.
    fn find(&self, folder: &Path, resolver: &Arc<Resolver>) -> Vec<WorkspaceFile>;

    /// A file's bytes.
    ///
    /// # Errors
    /// Says why it is not read.
    fn read(&self, path: &Path, limit: Size) -> Result<Vec<u8>, String>;
}

/// What a scan comes to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Summary {
    /// Files that were looked at.
    files: usize,
    /// Files that could not be.
    skipped: usize,
    /// Files in which something was found.
    with_findings: usize,
    /// Everything that was found.
    findings: usize,
    /// Somebody stopped it before its end.
    cancelled: bool,
}

/// What became of one file.
enum Done {
    Skipped,
    Looked(PathBuf, Vec<Diagnostic>),
}

/// What the threads of a scan share.
struct Work {
    files: Vec<WorkspaceFile>,
    next: AtomicUsize,
    rules: Snapshot,
    resolver: Arc<Resolver>,
    disk: Arc<dyn Files>,
    profile: Profile,
    session: Arc<Session>,
    cancelled: Arc<AtomicBool>,
}

/// Stops a scan when nobody waits for it any more.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Looks at the whole workspace; returns when it has been shown. One scan runs at a time.
pub(crate) async fn run(session: &Arc<Session>, token: Option<ProgressToken>) -> Summary {
    let cancelled = Arc::new(AtomicBool::new(false));
    let _stop = StopOnDrop(Arc::clone(&cancelled));
    let _turn = session.scanned.turn.lock().await;
    let (Some(profile), Some(disk)) = (session.profile().copied(), session.files.clone()) else {
        return Summary::default();
    };
    let progress = begin(session, &profile, token).await;
    let name = progress
        .as_ref()
        .map(|it| serde_json::to_value(it.token()).unwrap_or_default());
    if let Some(name) = &name {
        session.scanned.can_cancel(name, Arc::clone(&cancelled));
    }
    let summary = look(session, profile, disk, &cancelled, progress.as_ref()).await;
    if let Some(name) = &name {
        session.scanned.has_ended(name);
    }
    if let Some(progress) = progress {
        let Summary {
            files, findings, ..
        } = summary;
        progress
            .finish_with_message(format!("{findings} findings in {files} files"))
            .await;
    }
    session.scanned.announce();
    tracing::info!(?summary, "scanned");
    summary
}

async fn look(
    session: &Arc<Session>,
    profile: Profile,
    disk: Arc<dyn Files>,
    cancelled: &Arc<AtomicBool>,
    progress: Option<&OngoingProgress<Bounded, Cancellable>>,
) -> Summary {
    let mut summary = Summary::default();
    let mut rules = session.rules.subscribe();
    let Some(rules) = rules
        .wait_for(Option::is_some)
        .await
        .ok()
        .and_then(|it| it.clone())
    else {
        return summary;
    };
    let resolver = session.config.current();
    let (folders, finder) = (session.config.folders(), Arc::clone(&disk));
    let (asked, stop) = (Arc::clone(&resolver), Arc::clone(cancelled));
    let found = spawn_blocking(move || find(&folders, &*finder, &asked, &stop)).await;
    let files = found.unwrap_or_default();
    let total = files.len();
    let work = Arc::new(Work {
        files,
        next: AtomicUsize::new(0),
        rules,
        resolver,
        disk,
        profile,
        session: Arc::clone(session),
        cancelled: Arc::clone(cancelled),
    });
    // One is left for whoever types meanwhile.
    let threads = std::thread::available_parallelism().map_or(1, |it| (it.get() - 1).max(1));
    let (sender, mut results) = channel(64);
    for _ in 0..threads {
        let (work, sender) = (Arc::clone(&work), sender.clone());
        let thread = std::thread::Builder::new()
            .name("scan".into())
            .stack_size(STACK_BYTES);
        if let Err(error) = thread.spawn(move || work.run(&sender)) {
            tracing::error!(kind = ?error.kind(), "no thread to scan with");
        }
    }
    drop(sender);
    let mut shown = HashSet::new();
    let (mut looked, mut reported) = (0_usize, Instant::now());
    while let Some(done) = results.recv().await {
        looked += 1;
        match done {
            Done::Skipped => summary.skipped += 1,
            Done::Looked(path, diagnostics) => {
                summary.files += 1;
                summary.findings += diagnostics.len();
                summary.with_findings += usize::from(!diagnostics.is_empty());
                scanned::set(session, &path, diagnostics).await;
                shown.insert(path);
            }
        }
        if let Some(progress) = progress.filter(|_| reported.elapsed() >= REPORT) {
            reported = Instant::now();
            let percent = u32::try_from(looked * 100 / total.max(1)).unwrap_or(100);
            let message = format!("{looked} of {total} files");
            progress.report_with_message(message, percent, None).await;
        }
    }
    summary.cancelled = cancelled.load(Ordering::Acquire);
    if !summary.cancelled {
        // What was found in files that are gone, or not looked at any more.
        for path in session.scanned.paths() {
            if !shown.contains(&path) {
                scanned::set(session, &path, Vec::new()).await;
            }
        }
        session.scanned.know(&work.files);
        session.scanned.complete.store(true, Ordering::Release);
        watch_code(session, &profile);
    }
    summary
}

fn find(
    folders: &[PathBuf],
    disk: &dyn Files,
    resolver: &Arc<Resolver>,
    cancelled: &AtomicBool,
) -> Vec<WorkspaceFile> {
    let folders = folders
        .iter()
        .filter(|_| !cancelled.load(Ordering::Acquire));
    let mut files: Vec<WorkspaceFile> = folders
        .flat_map(|folder| caught(|| disk.find(folder, resolver)).unwrap_or_default())
        .collect();
    // One workspace folder may lie within another.
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup_by(|a, b| a.path == b.path);
    files
}

impl Work {
    fn run(&self, results: &Sender<Done>) {
        let stopped =
            || self.cancelled.load(Ordering::Acquire) || self.session.ended.load(Ordering::Acquire);
        while !stopped() {
            let Some(file) = self.files.get(self.next.fetch_add(1, Ordering::Relaxed)) else {
                return;
            };
            let done = if self.session.documents.is_open_at(&file.path) {
                Done::Looked(file.path.clone(), Vec::new())
            } else {
                caught(|| self.check(file)).unwrap_or(Done::Skipped)
            };
            if results.blocking_send(done).is_err() {
                return;
            }
        }
    }

    fn check(&self, file: &WorkspaceFile) -> Done {
        let judge = Judge {
            path: Some(file.path.clone()),
            settings: self.resolver.of_file(&file.path),
        };
        let found = diagnostics(file, judge, &*self.disk, &self.rules, &self.profile);
        found.map_or(Done::Skipped, |it| Done::Looked(file.path.clone(), it))
    }
}

/// What is found in one file; `None` when it cannot be read.
fn diagnostics(
    file: &WorkspaceFile,
    judge: Judge,
    disk: &dyn Files,
    rules: &Snapshot,
    profile: &Profile,
) -> Option<Vec<Diagnostic>> {
    let bytes = disk.read(&file.path, judge.settings.max_file_size).ok()?;
    let text = syntax::decode(&bytes).ok()?.text;
    let Some(analyzed) = Analyzed::of_file(file.language, text, rules, judge) else {
        return Some(Vec::new());
    };
    let view = View::of_file(analyzed);
    let uri = uri::uri(&file.path)?;
    Some(to_proto::diagnostics(&view, &uri, profile))
}

/// Looks again at files that changed on disk, where the workspace has been scanned.
pub(crate) async fn look_again(session: Arc<Session>, paths: Vec<PathBuf>) {
    if !session.scanned.complete.load(Ordering::Acquire) {
        return;
    }
    let (Some(profile), Some(disk)) = (session.profile().copied(), session.files.clone()) else {
        return;
    };
    let Some(rules) = session.rules.borrow().clone() else {
        return;
    };
    let _turn = session.scanned.turn.lock().await;
    let resolver = session.config.current();
    if paths
        .iter()
        .any(|it| session.scanned.language(it).is_none())
    {
        // Only a search tells whether a new file is one that git ignores.
        let (folders, finder) = (session.config.folders(), Arc::clone(&disk));
        let asked = Arc::clone(&resolver);
        let found =
            spawn_blocking(move || find(&folders, &*finder, &asked, &AtomicBool::new(false)));
        session.scanned.know(&found.await.unwrap_or_default());
    }
    for path in paths {
        let Some(language) = session.scanned.language(&path) else {
            continue;
        };
        if session.documents.is_open_at(&path) {
            continue;
        }
        let file = WorkspaceFile { path, language };
        let (disk, rules) = (Arc::clone(&disk), rules.clone());
        let (asked, resolver) = (file.clone(), Arc::clone(&resolver));
        let found = spawn_blocking(move || {
            let judge = Judge {
                path: Some(asked.path.clone()),
                settings: resolver.of_file(&asked.path),
            };
            diagnostics(&asked, judge, &*disk, &rules, &profile)
        });
        // A file that is gone or cannot be read has nothing to say.
        let found = found.await.ok().flatten().unwrap_or_default();
        scanned::set(&session, &file.path, found).await;
    }
    session.scanned.announce();
}

/// Takes back what was found in folders that left the workspace.
pub(crate) async fn leave(session: Arc<Session>, folders: Vec<PathBuf>) {
    let remaining = session.config.folders();
    let within = |path: &Path, folders: &[PathBuf]| folders.iter().any(|it| path.starts_with(it));
    for path in session.scanned.paths() {
        if within(&path, &folders) && !within(&path, &remaining) {
            scanned::set(&session, &path, Vec::new()).await;
        }
    }
    session.scanned.announce();
}

/// Starts a scan by itself where the settings ask for one.
pub(crate) fn start_if_wanted(session: &Arc<Session>) {
    let session = Arc::clone(session);
    tokio::spawn(async move {
        if wanted(&session).await {
            run(&session, None).await;
        }
    });
}

/// Whether the settings want files looked at that are not open.
pub(crate) async fn wanted(session: &Arc<Session>) -> bool {
    let config = Arc::clone(&session.config);
    let settings = spawn_blocking(move || config.of_workspace()).await;
    settings.is_ok_and(|it| it.scan_workspace)
}

/// Has the client tell of changed code, from the first scan on.
fn watch_code(session: &Arc<Session>, profile: &Profile) {
    if !profile.registers_watchers || session.watches_code.swap(true, Ordering::AcqRel) {
        return;
    }
    let session = Arc::clone(session);
    tokio::spawn(async move {
        let wish = Registration {
            id: "secondlook code".to_owned(),
            method: "workspace/didChangeWatchedFiles".to_owned(),
            register_options: Some(json!({ "watchers": [{ "globPattern": "**/*.{py,pyi,c,h}" }] })),
        };
        if let Err(error) = session.client.register_capability(vec![wish]).await {
            tracing::warn!(code = ?error.code, "the client does not watch code");
        }
    });
}

/// A progress bar: the client's own where it gave one, or a new one where it can have one.
async fn begin(
    session: &Session,
    profile: &Profile,
    token: Option<ProgressToken>,
) -> Option<OngoingProgress<Bounded, Cancellable>> {
    let token = match token {
        Some(token) => token,
        None if profile.progress => {
            let number = session.scans.fetch_add(1, Ordering::Relaxed);
            let token = ProgressToken::String(format!("secondlook scan {number}"));
            let agreed = session.client.create_work_done_progress(token.clone());
            let agreed = tokio::time::timeout(AGREE, agreed).await;
            agreed.ok()?.ok()?;
            token
        }
        None => return None,
    };
    let progress = session.client.progress(token, "Looking at the workspace");
    let progress = progress.with_percentage(0).with_cancel_button();
    Some(progress.begin().await)
}

/// What `window/workDoneProgress/cancel` names.
pub(crate) fn cancel(session: &Session, params: &Value) {
    if let Some(token) = params.get("token") {
        session.scanned.cancel(token);
    }
}
