//! Revisions by a model: offered as commands, carried out beside all requests, with progress that
//! can be cancelled, and applied only to the text that they were computed for. It puts no question
//! itself and judges no answer.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use analysis::Finding;
use config::{Provider, Settings};
use kb_schema::{Entry, Query};
use revision::{
    Advice, Checks, Effort, Failure, Mode, Model, ModelError, Outcome, State, Target, Task, Watch,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::spawn_blocking;
use tower_lsp::gen_lsp_types as types;
use tower_lsp::{Cancellable, OngoingProgress, Unbounded};
use types::{
    ApplyWorkspaceEditParams, ApplyWorkspaceEditRequest, CodeAction, CodeActionKind, CodeActionTag,
    Command, MessageType, ProgressToken, ShowDocumentParams, Uri,
};

use crate::capabilities::Profile;
use crate::session::Session;
use crate::state::View;
use crate::worker::Analyzed;
use crate::{actions, ext, from_proto, uri};

/// How many discussions a question quotes beside the entry's own.
const ADVICE: usize = 5;

/// How long a client may take to agree to a progress bar.
const AGREE: Duration = Duration::from_secs(2);

/// The least time between two reports of progress.
const REPORT: Duration = Duration::from_millis(200);

/// The kind of the action that revises a block.
pub(crate) const REWRITE: &str = "refactor.rewrite.secondlook";

/// Whoever has models and a place to show what they are asked.
pub trait Models: Send + Sync + fmt::Debug {
    /// The model that settings name; `None` when they name none.
    ///
    /// # Errors
    /// Says in one sentence which setting cannot be used.
    fn model(&self, settings: &Settings) -> Result<Option<Box<dyn Model>>, String>;

    /// How hard it is tried.
    fn effort(&self, settings: &Settings) -> Effort;

    /// The user's own checks of a file, where there are any.
    fn checks(&self, settings: &Settings, path: &Path) -> Option<Box<dyn Checks>>;

    /// Writes a question where only the user reads it; gives the file.
    ///
    /// # Errors
    /// Says in one sentence why it could not.
    fn show(&self, prompt: &str) -> Result<std::path::PathBuf, String>;
}

/// What a model is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// To mend code, told what people say about it.
    Revise,
    /// To write a block anew from what stands around it.
    Regenerate,
}

impl Act {
    /// What is said of it while it is done.
    fn title(self) -> &'static str {
        match self {
            Self::Revise => "Revising",
            Self::Regenerate => "Regenerating",
        }
    }
}

/// What a command is about.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Wish {
    uri: Uri,
    version: i32,
    /// Index of the finding in that version's analysis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    finding: Option<usize>,
    /// The block, where no finding is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    block: Option<types::Range>,
}

impl Wish {
    fn of_finding(analyzed: &Analyzed, uri: &Uri, finding: usize) -> Self {
        Self {
            uri: uri.clone(),
            version: analyzed.version,
            finding: Some(finding),
            block: None,
        }
    }

    fn command(&self, title: &str, name: &str) -> Command {
        Command {
            title: title.to_owned(),
            tooltip: None,
            command: name.to_owned(),
            arguments: serde_json::to_value(self).ok().map(|it| vec![it]),
        }
    }
}

/// The actions of a finding: to revise it where there is a model, and to see what would be sent.
pub(crate) fn of_finding(
    analyzed: &Analyzed,
    uri: &Uri,
    index: usize,
    profile: &Profile,
) -> Vec<CodeAction> {
    let wish = Wish::of_finding(analyzed, uri, index);
    let mut out = Vec::new();
    if analyzed.settings().model_provider.is_some() {
        if profile.applies_edits {
            let title = "Revise with community knowledge";
            out.push(action(
                &wish,
                title,
                ext::REVISE,
                CodeActionKind::QuickFix,
                profile,
            ));
        }
        let title = "Show what would be sent to the model";
        out.push(action(
            &wish,
            title,
            ext::SHOW_PROMPT,
            CodeActionKind::QuickFix,
            profile,
        ));
    } else if analyzed.fixes(index).proposals.is_empty() {
        let title = "Copy the revision prompt";
        out.push(action(
            &wish,
            title,
            ext::COPY_PROMPT,
            CodeActionKind::QuickFix,
            profile,
        ));
    }
    out
}

/// The actions of a block that an AI inserted: to revise it, and to write it anew where the model is
/// one that fills gaps.
pub(crate) fn of_block(
    analyzed: &Analyzed,
    uri: &Uri,
    block: types::Range,
    profile: &Profile,
) -> Vec<CodeAction> {
    let provider = analyzed.settings().model_provider;
    if provider.is_none() || !profile.applies_edits {
        return Vec::new();
    }
    let wish = Wish {
        uri: uri.clone(),
        version: analyzed.version,
        finding: None,
        block: Some(block),
    };
    let mut acts = vec![(
        "Revise this AI-inserted block with community knowledge",
        ext::REVISE,
    )];
    if provider == Some(Provider::Codecode) {
        acts.push(("Regenerate securely (local)", ext::REGENERATE));
    }
    let acts = acts.into_iter();
    acts.map(|(title, command)| action(&wish, title, command, REWRITE.into(), profile))
        .collect()
}

fn action(
    wish: &Wish,
    title: &str,
    command: &str,
    kind: CodeActionKind,
    profile: &Profile,
) -> CodeAction {
    let generated = matches!(command, ext::REVISE | ext::REGENERATE) && profile.action_tags;
    CodeAction {
        title: title.to_owned(),
        kind: Some(kind),
        command: Some(wish.command(title, command)),
        tags: generated.then(|| vec![CodeActionTag::LLMGenerated]),
        ..Default::default()
    }
}

/// What the model of the workspace is called, where one is configured.
pub(crate) fn model_name(session: &Session) -> Option<String> {
    let settings = session.config.of_workspace();
    settings.model_provider.as_ref()?;
    let name = settings.model_name.as_ref().map(|it| it.0.clone());
    Some(name.unwrap_or_else(|| "without a name".to_owned()))
}

/// Reads the one argument of the commands here.
pub(crate) fn wish(arguments: Option<Vec<Value>>) -> Option<Wish> {
    let first = arguments?.into_iter().next()?;
    serde_json::from_value(first).ok()
}

/// Everything that one revision needs, away from the connection.
struct Work {
    view: View,
    finding: Option<usize>,
    block: Range<usize>,
    advice: Vec<Advice>,
    entries: Vec<Arc<Entry>>,
}

impl Work {
    /// `None` when the text is no longer the one that was meant.
    fn of(session: &Session, wish: &Wish, act: Act) -> Option<Self> {
        let view = session.documents.view(wish.uri.as_ref())?;
        let analyzed = &view.analyzed;
        if analyzed.version != wish.version {
            return None;
        }
        let finding = match wish.finding {
            Some(index) => Some(analyzed.analysis.findings.get(index)?),
            None => None,
        };
        let profile = session.profile()?;
        let block = match (finding, wish.block) {
            (Some(finding), _) => finding.range.clone(),
            (None, Some(range)) => {
                from_proto::range(range, &analyzed.document.text, profile.encoding)
            }
            (None, None) => return None,
        };
        let (advice, entries) = match act {
            Act::Revise => advice(session, analyzed, finding, &block),
            Act::Regenerate => (Vec::new(), Vec::new()),
        };
        Some(Self {
            finding: wish.finding,
            block,
            advice,
            entries,
            view,
        })
    }

    fn with<T>(&self, ask: impl FnOnce(&Task<'_>) -> T) -> Option<T> {
        let analyzed = &self.view.analyzed;
        let target = match self.finding {
            Some(index) => Target::Finding(analyzed.analysis.findings.get(index)?),
            None => Target::Block(&self.block, &self.entries),
        };
        Some(ask(&Task {
            snapshot: analyzed.rules()?,
            language: analyzed.document.language,
            text: &analyzed.text,
            before: &analyzed.analysis,
            target,
        }))
    }
}

fn advice(
    session: &Session,
    analyzed: &Analyzed,
    finding: Option<&Finding>,
    block: &Range<usize>,
) -> (Vec<Advice>, Vec<Arc<Entry>>) {
    let language = match analyzed.document.language {
        syntax::Language::Python => kb_schema::Language::Python,
        syntax::Language::C => kb_schema::Language::C,
    };
    let code = match finding {
        Some(finding) => finding.slice_text(&analyzed.text),
        None => analyzed.text.get(block.clone()).unwrap_or("").to_owned(),
    };
    let mut entries: Vec<Arc<Entry>> = finding
        .map(|it| Arc::clone(&it.entry))
        .into_iter()
        .collect();
    let query = Query {
        text: code,
        language: Some(language),
        limit: ADVICE,
    };
    let posts = session.knowledge.fitting(&query);
    let hits = session.knowledge.search(&query);
    for hit in hits {
        if !entries.iter().any(|it| it.id == hit.entry.id) {
            entries.push(hit.entry);
        }
    }
    // The entry of the finding first, then what people said, then what else is known.
    let own = usize::from(finding.is_some());
    let of_entry = |it: &Arc<Entry>| match finding {
        Some(_) => revision::guideline(it),
        None => revision::entry_advice(it),
    };
    let mut advice: Vec<Advice> = entries
        .iter()
        .take(own)
        .map(|it| revision::voices(it))
        .collect();
    let best = session.knowledge.demonstrations(&Query {
        limit: 1,
        ..query.clone()
    });
    advice.extend(revision::demonstration_advice(&best));
    let quoted = posts.iter().take(ADVICE);
    advice.extend(quoted.map(|it| revision::post_advice(&it.post)));
    advice.extend(entries.iter().skip(own).map(of_entry));
    (advice, entries)
}

/// Shows, or gives for copying, what a model would be asked. Sends nothing.
pub(crate) async fn prompt(session: Arc<Session>, wish: Wish, opens: bool) -> Option<String> {
    let asked = Arc::clone(&session);
    let made = spawn_blocking(move || {
        let work = Work::of(&asked, &wish, Act::Revise)?;
        let effort = asked
            .models
            .as_ref()
            .map(|it| it.effort(work.view.analyzed.settings()));
        let bytes = effort.unwrap_or_default().prompt_bytes;
        work.with(|task| revision::prompt(task, Mode::Community, &work.advice, bytes))
    });
    let prompt = match made.await.ok().flatten() {
        Some(Ok(prompt)) => prompt.text(),
        Some(Err(error)) => {
            tell(&session, MessageType::Warning, &error.to_string());
            return None;
        }
        None => {
            moved_on(&session);
            return None;
        }
    };
    if opens && let Some(models) = session.models.clone() {
        let (session, text) = (Arc::clone(&session), prompt.clone());
        tokio::spawn(async move { open(&session, &*models, &text).await });
    }
    Some(prompt)
}

async fn open(session: &Session, models: &dyn Models, text: &str) {
    let path = match models.show(text) {
        Ok(path) => path,
        Err(problem) => {
            session
                .client
                .show_message(MessageType::Warning, problem)
                .await;
            return;
        }
    };
    if session.profile().is_some_and(|it| it.show_document)
        && let Some(uri) = uri::uri(&path)
    {
        let params = ShowDocumentParams {
            uri,
            external: None,
            take_focus: Some(true),
            selection: None,
        };
        if matches!(session.client.show_document(params).await, Ok(true)) {
            return;
        }
    }
    let message = format!("What would be sent stands in {}", path.display());
    session
        .client
        .show_message(MessageType::Info, message)
        .await;
}

/// Begins a revision and returns at once.
pub(crate) fn begin(session: &Arc<Session>, wish: Wish, act: Act, token: Option<ProgressToken>) {
    let session = Arc::clone(session);
    tokio::spawn(async move { run(session, wish, act, token).await });
}

async fn run(session: Arc<Session>, wish: Wish, act: Act, token: Option<ProgressToken>) {
    let Some(models) = session.models.clone() else {
        tell(
            &session,
            MessageType::Warning,
            "this server was started without models",
        );
        return;
    };
    let cancelled = Arc::new(AtomicBool::new(false));
    let progress = progress(&session, act, token).await;
    let name = progress
        .as_ref()
        .map(|it| serde_json::to_value(it.token()).unwrap_or_default());
    match &name {
        Some(name) => session.scanned.can_cancel(name, Arc::clone(&cancelled)),
        // Somebody who sees no progress should know that something is being done.
        None => {
            let text = format!("{}: asking the model; an edit ends it", act.title());
            tell(&session, MessageType::Info, &text);
        }
    }
    let (states, mut news) = unbounded_channel();
    let work = {
        let (session, wish, cancelled) =
            (Arc::clone(&session), wish.clone(), Arc::clone(&cancelled));
        let watching = (cancelled, states);
        spawn_blocking(move || revise(&session, &*models, &wish, act, watching))
    };
    // The channel closes when the work has ended, whatever became of it.
    let mut reported = None;
    while let Some(state) = news.recv().await {
        let now = tokio::time::Instant::now();
        let soon = matches!(state, State::Answering { .. })
            && reported.is_some_and(|last| now.duration_since(last) < REPORT);
        if let Some(progress) = progress.as_ref().filter(|_| !soon) {
            if matches!(state, State::Answering { .. }) {
                reported = Some(now);
            }
            progress.report_with_message(state.to_string(), None).await;
        }
    }
    let done = work.await.unwrap_or_else(|error| {
        tracing::error!(panicked = error.is_panic(), "a revision failed");
        Done::Message(
            MessageType::Error,
            "the revision failed inside the server".to_owned(),
        )
    });
    if let Some(name) = &name {
        session.scanned.has_ended(name);
    }
    let last = match &done {
        Done::Edit { .. } if act == Act::Regenerate => "regenerated".to_owned(),
        Done::Edit { .. } => "revised".to_owned(),
        Done::Cancelled => "cancelled".to_owned(),
        Done::Moved => "the text changed meanwhile".to_owned(),
        Done::Message(_, text) => text.clone(),
    };
    if let Some(progress) = progress {
        progress.finish_with_message(last).await;
    }
    finish(&session, &wish, done).await;
}

/// What a revision came to.
enum Done {
    Edit {
        title: String,
        description: String,
        edits: Vec<(Range<usize>, String)>,
        analyzed: Arc<Analyzed>,
    },
    /// Somebody said so.
    Cancelled,
    /// The text is no longer the one that was meant.
    Moved,
    Message(MessageType, String),
}

async fn finish(session: &Arc<Session>, wish: &Wish, done: Done) {
    match done {
        Done::Cancelled => {}
        Done::Moved => moved_on(session),
        Done::Message(kind, text) => session.client.show_message(kind, text).await,
        Done::Edit {
            title,
            description,
            edits,
            analyzed,
        } => {
            let Some(profile) = session.profile().copied() else {
                return;
            };
            // Looked at last, so that as little time as can be lies between looking and applying;
            // the client looks once more, at the version that the edit names.
            let current = session.documents.version(wish.uri.as_ref());
            if current != Some(wish.version) {
                moved_on(session);
                return;
            }
            let note = profile.annotations.then(|| (title.clone(), description));
            let edit = actions::annotated_edit(edits, &analyzed, &wish.uri, &profile, note);
            let params = ApplyWorkspaceEditParams {
                label: Some(title),
                edit,
                metadata: None,
            };
            let answer = session
                .client
                .send_request::<ApplyWorkspaceEditRequest>(params)
                .await;
            let refused = match answer {
                Ok(it) if it.applied => false,
                // Whoever looked at it and left it need not be told.
                Ok(it) => it.failure_reason.as_deref() != Some(ext::DISCARDED),
                Err(_) => true,
            };
            if refused {
                let text = "the editor did not apply the revision; nothing was changed";
                session
                    .client
                    .show_message(MessageType::Warning, text)
                    .await;
            }
        }
    }
}

fn moved_on(session: &Arc<Session>) {
    let text = "the text changed before the revision was ready, so nothing was applied; ask again";
    tell(session, MessageType::Info, text);
}

fn tell(session: &Arc<Session>, kind: MessageType, text: &str) {
    let (client, text) = (session.client.clone(), text.to_owned());
    tokio::spawn(async move { client.show_message(kind, text).await });
}

/// Waits for the model on behalf of one document.
struct Following<'a> {
    session: &'a Session,
    wish: &'a Wish,
    cancelled: Arc<AtomicBool>,
    states: UnboundedSender<State>,
}

impl Following<'_> {
    fn moved(&self) -> bool {
        self.session.documents.version(self.wish.uri.as_ref()) != Some(self.wish.version)
    }
}

impl Watch for Following<'_> {
    fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
            || self.session.ended.load(Ordering::Acquire)
            || self.moved()
    }

    fn state(&self, state: State) {
        let _ = self.states.send(state);
    }
}

fn revise(
    session: &Session,
    models: &dyn Models,
    wish: &Wish,
    act: Act,
    (cancelled, states): (Arc<AtomicBool>, UnboundedSender<State>),
) -> Done {
    let Some(work) = Work::of(session, wish, act) else {
        return Done::Moved;
    };
    let settings = work.view.analyzed.settings();
    let model = match models.model(settings) {
        Ok(Some(model)) => model,
        Ok(None) => {
            let text = "no model is configured: set model-provider, model-url and model-name";
            return Done::Message(MessageType::Warning, text.to_owned());
        }
        Err(problem) => return Done::Message(MessageType::Error, problem),
    };
    let watch = Following {
        session,
        wish,
        cancelled,
        states,
    };
    let path = uri::path(wish.uri.as_ref());
    let checks = path.and_then(|it| models.checks(settings, &it));
    let effort = models.effort(settings);
    let asked = work.with(|task| {
        let (advice, checks) = (&work.advice, checks.as_deref());
        let mode = Mode::Community;
        match act {
            Act::Revise => revision::revise(task, mode, advice, &effort, &*model, checks, &watch),
            Act::Regenerate => revision::regenerate(task, &effort, &*model, checks, &watch),
        }
    });
    match asked {
        None => Done::Moved,
        Some(Ok(outcome)) => outcome_of(outcome, &work, model.name()),
        Some(Err(Failure::Model(ModelError::Cancelled))) if watch.moved() => Done::Moved,
        Some(Err(Failure::Model(ModelError::Cancelled))) => Done::Cancelled,
        Some(Err(error)) => Done::Message(MessageType::Error, error.to_string()),
    }
}

fn outcome_of(outcome: Outcome, work: &Work, model: &str) -> Done {
    for rejection in &outcome.rejected {
        // Its words may hold names of the document, so only its kind is logged.
        tracing::debug!(kind = ?std::mem::discriminant(rejection), "a revision was refused");
    }
    let said = outcome.to_string();
    match outcome.proposal {
        Some(proposal) => Done::Edit {
            title: proposal.title,
            description: format!("by {model}, checked by secondlook"),
            edits: proposal
                .edits
                .into_iter()
                .map(|it| (it.range, it.text))
                .collect(),
            analyzed: Arc::clone(&work.view.analyzed),
        },
        None if outcome.unchanged => Done::Message(MessageType::Info, said),
        None => Done::Message(MessageType::Warning, said),
    }
}

async fn progress(
    session: &Session,
    act: Act,
    token: Option<ProgressToken>,
) -> Option<OngoingProgress<Unbounded, Cancellable>> {
    let token = match token {
        Some(token) => token,
        None if session.profile()?.progress => {
            let number = session.scans.fetch_add(1, Ordering::Relaxed);
            let token = ProgressToken::String(format!("secondlook revision {number}"));
            let agreed = session.client.create_work_done_progress(token.clone());
            tokio::time::timeout(AGREE, agreed).await.ok()?.ok()?;
            token
        }
        None => return None,
    };
    let progress = session.client.progress(token, act.title());
    Some(
        progress
            .with_message("asking")
            .with_cancel_button()
            .begin()
            .await,
    )
}

/// The notes of an edit, in the form of the protocol.
pub(crate) fn annotations(
    label: String,
    description: String,
) -> HashMap<String, types::ChangeAnnotation> {
    let annotation = types::ChangeAnnotation {
        label,
        needs_confirmation: Some(true),
        description: Some(description),
    };
    HashMap::from([(ANNOTATION.to_owned(), annotation)])
}

/// The name of the one annotation of an edit.
pub(crate) const ANNOTATION: &str = "secondlook";
