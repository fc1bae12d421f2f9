//! The request handlers. Each is three moves: convert in, ask once, convert out; none waits for
//! the client.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use tower_lsp::gen_lsp_types as types;
use tower_lsp::jsonrpc::{Error, ErrorCode, Result};
use tower_lsp::{Client, LanguageServer};
use types::{
    CodeAction, CodeActionParams, CodeActionResponse, DocumentDiagnosticParams,
    DocumentDiagnosticReport, ExecuteCommandParams, FullDocumentDiagnosticReport, Hover,
    HoverParams, InitializeParams, InitializeResult, InlineCompletionParams,
    InlineCompletionResponse, MessageType, RelatedFullDocumentDiagnosticReport,
    RelatedUnchangedDocumentDiagnosticReport, ShowDocumentParams,
    UnchangedDocumentDiagnosticReport, WorkspaceDiagnosticParams,
};

use crate::capabilities::Profile;
use crate::ext::{self, ActionData, StatusAnswer};
use crate::session::Session;
use crate::state::{Awaited, View};
use crate::{actions, hover, inline, reconfigure, revise, scan, scanned, to_proto};

/// The protocol's code for "ask again": the answer was not ready in time.
const SERVER_CANCELLED: i64 = -32802;

/// The handlers of one connection.
pub(crate) struct Server {
    session: Arc<Session>,
}

impl LanguageServer for Server {
    async fn initialize(&self, params: InitializeParams) -> Result<InitializeResult> {
        let client = params.client_info.map(|it| it.name).unwrap_or_default();
        let profile = self.profile()?;
        tracing::info!(client, ?profile, "initialized");
        Ok(profile.answer())
    }

    async fn shutdown(&self) -> Result<()> {
        Ok(())
    }
}

impl Server {
    pub(crate) fn new(session: Arc<Session>) -> Self {
        Self { session }
    }

    pub(crate) async fn diagnostic(
        &self,
        params: DocumentDiagnosticParams,
    ) -> Result<DocumentDiagnosticReport> {
        let (profile, uri) = (self.profile()?, params.text_document.uri);
        let view = match self.current(&uri).await {
            Awaited::Ready(view) => Some(view),
            Awaited::NotOpen => None,
            Awaited::Late => return Err(late()),
        };
        let items = match &view {
            Some(view) => to_proto::diagnostics(view, &uri, profile),
            None => reconfigure::diagnostics(&self.session, uri.as_ref()),
        };
        let result_id = to_proto::result_id(&items, view.as_ref());
        if params.previous_result_id.as_ref() == Some(&result_id) {
            return Ok(RelatedUnchangedDocumentDiagnosticReport {
                unchanged_document_diagnostic_report: UnchangedDocumentDiagnosticReport {
                    result_id,
                },
                ..Default::default()
            }
            .into());
        }
        Ok(RelatedFullDocumentDiagnosticReport {
            full_document_diagnostic_report: FullDocumentDiagnosticReport {
                result_id: Some(result_id),
                items,
            },
            ..Default::default()
        }
        .into())
    }

    pub(crate) async fn workspace_diagnostic(
        &self,
        params: WorkspaceDiagnosticParams,
    ) -> Result<Value> {
        let complete = self.session.scanned.complete.load(Ordering::Acquire);
        if !complete && scan::wanted(&self.session).await {
            let token = params.work_done_progress_params.work_done_token;
            scan::run(&self.session, token).await;
        }
        let previous = params.previous_result_ids.into_iter();
        let previous = previous.map(|it| (it.uri.to_string(), it.value)).collect();
        Ok(scanned::report(&self.session, previous).await)
    }

    pub(crate) async fn hover(&self, params: HoverParams) -> Result<Option<Hover>> {
        let place = params.text_document_position_params;
        let profile = *self.profile()?;
        let Some(view) = self.view(&place.text_document.uri).await else {
            return Ok(None);
        };
        let session = Arc::clone(&self.session);
        let marks = session.documents.marks(place.text_document.uri.as_ref());
        let marks = marks.map(|it| it.1).unwrap_or_default();
        off_thread(move || hover::at(&session, &view, place.position, &profile, &marks)).await
    }

    pub(crate) async fn inline_completion(
        &self,
        params: InlineCompletionParams,
    ) -> Result<Option<InlineCompletionResponse>> {
        let profile = *self.profile()?;
        let place = &params.text_document_position_params;
        let Some(view) = self.view(&place.text_document.uri).await else {
            return Ok(None);
        };
        let items = inline::at(&self.session, view, params, &profile).await;
        Ok(items.map(Into::into))
    }

    pub(crate) async fn code_action(
        &self,
        params: CodeActionParams,
    ) -> Result<Option<Vec<CodeActionResponse>>> {
        let profile = *self.profile()?;
        let Some(view) = self.view(&params.text_document.uri).await else {
            return Ok(None);
        };
        let marks = self
            .session
            .documents
            .marks(params.text_document.uri.as_ref());
        let marks = marks.map(|it| it.1).unwrap_or_default();
        let actions = off_thread(move || actions::list(&view, &params, &profile, &marks)).await?;
        Ok(Some(actions::answer(actions, &profile)))
    }

    pub(crate) async fn resolve(&self, mut action: CodeAction) -> Result<CodeAction> {
        let profile = *self.profile()?;
        let Some(data) = action.data.clone().filter(|_| action.edit.is_none()) else {
            return Ok(action);
        };
        let data: ActionData = serde_json::from_value(data)
            .map_err(|error| Error::invalid_params(error.to_string()))?;
        let view = self.session.documents.view(data.uri.as_ref());
        let view = view.filter(|view| view.analyzed.version == data.version);
        let view = view.ok_or_else(Error::content_modified)?;
        let edit = off_thread(move || actions::resolve(&view, &data, &profile)).await?;
        action.edit = Some(edit.ok_or_else(Error::content_modified)?);
        Ok(action)
    }

    pub(crate) async fn execute(&self, params: ExecuteCommandParams) -> Result<Value> {
        match params.command.as_str() {
            ext::OPEN_RATIONALE => {
                let argument = params.arguments.unwrap_or_default().into_iter().next();
                let address = argument.as_ref().and_then(Value::as_str);
                let address = address
                    .filter(|it| it.starts_with("https://"))
                    .ok_or_else(|| {
                        Error::invalid_params("the argument must be an address with https://")
                    })?;
                let profile = *self.profile()?;
                // Spawned, because the client may want this answer before it gives its own.
                let client = self.session.client.clone();
                tokio::spawn(open_address(client, profile, address.to_owned()));
                Ok(Value::Null)
            }
            ext::SCAN_WORKSPACE => {
                let token = params.work_done_progress_params.work_done_token;
                let summary = scan::run(&self.session, token).await;
                serde_json::to_value(summary).map_err(|_| Error::internal_error())
            }
            name @ (ext::REVISE | ext::REGENERATE) => {
                let wish = revise::wish(params.arguments).ok_or_else(wish_expected)?;
                let token = params.work_done_progress_params.work_done_token;
                let act = match name {
                    ext::REGENERATE => revise::Act::Regenerate,
                    _ => revise::Act::Revise,
                };
                revise::begin(&self.session, wish, act, token);
                Ok(Value::Null)
            }
            name @ (ext::SHOW_PROMPT | ext::COPY_PROMPT) => {
                let opens = name == ext::SHOW_PROMPT;
                let wish = revise::wish(params.arguments).ok_or_else(wish_expected)?;
                let prompt = revise::prompt(Arc::clone(&self.session), wish, opens).await;
                Ok(prompt.map_or(Value::Null, Value::String))
            }
            ext::APPLY_EDIT => {
                let argument = params.arguments.unwrap_or_default().into_iter().next();
                let edit = serde_json::from_value(argument.unwrap_or_default())
                    .map_err(|_| Error::invalid_params("the argument must be an edit"))?;
                let client = self.session.client.clone();
                tokio::spawn(async move { client.apply_edit(edit).await });
                Ok(Value::Null)
            }
            unknown => Err(Error::invalid_params(format!(
                "there is no command `{unknown}`"
            ))),
        }
    }

    pub(crate) async fn status(&self) -> Result<Value> {
        let session = Arc::clone(&self.session);
        let answer = off_thread(move || StatusAnswer {
            version: env!("CARGO_PKG_VERSION"),
            model: revise::model_name(&session),
            entries: session.knowledge.entries().entries.len(),
            discussions: session.knowledge.imported(),
            scanning: session.scanned.turn.try_lock().is_err(),
        });
        serde_json::to_value(answer.await?).map_err(|_| Error::internal_error())
    }

    fn profile(&self) -> Result<&Profile> {
        self.session
            .profile()
            .ok_or_else(|| Error::invalid_params("`initialize` was not read"))
    }

    async fn current(&self, uri: &types::Uri) -> Awaited {
        self.session
            .documents
            .current(uri.as_ref(), self.session.patience())
            .await
    }

    async fn view(&self, uri: &types::Uri) -> Option<View> {
        match self.current(uri).await {
            Awaited::Ready(view) => Some(view),
            Awaited::NotOpen | Awaited::Late => None,
        }
    }
}

fn wish_expected() -> Error {
    Error::invalid_params("the argument must be one that a code action carries")
}

async fn open_address(client: Client, profile: Profile, address: String) {
    if profile.show_document {
        let params = ShowDocumentParams {
            uri: address.as_str().into(),
            external: Some(true),
            take_focus: Some(true),
            selection: None,
        };
        if matches!(client.show_document(params).await, Ok(true)) {
            return;
        }
    }
    client.show_message(MessageType::Info, address).await;
}

/// Runs the engine away from the reader's thread.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    spawn_blocking(work).await.map_err(|error| {
        // The panic's message may quote the document; the hook has named its place.
        tracing::error!(panicked = error.is_panic(), "a request failed");
        Error::internal_error()
    })
}

fn late() -> Error {
    Error {
        code: ErrorCode::ServerError(SERVER_CANCELLED),
        message: "the analysis of this version is not ready yet".into(),
        data: Some(json!({ "retriggerRequest": true })),
    }
}
