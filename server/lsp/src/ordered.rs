//! The service around the service: whatever changes or reads a document's state does so here, in
//! [`Service::call`], before the next message is looked at. The service inside polls its handlers
//! concurrently and promises no order. Analyses nothing.

use std::future::{Ready, ready};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tower_lsp::gen_lsp_types as types;
use tower_lsp::jsonrpc::{Error, ErrorCode, Id, Request, Response};
use tower_lsp::{ExitedError, LspService};
use tower_service::Service;

use crate::capabilities::Profile;
use crate::ext::{self, About, MarkInserted, OriginAnswer, TextAnswer};
use crate::guard::{Caught, caught};
use crate::server::Server;
use crate::session::Session;
use crate::state::MarkError;
use crate::{from_proto, publish, reconfigure, scan, scanned, settings, to_proto, uri, worker};

pub(crate) type Answer = Result<Option<Response>, ExitedError>;
pub(crate) type Reply = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// Applies what must happen in wire order and passes the rest on.
pub(crate) struct Ordered {
    inner: LspService<Server>,
    session: Arc<Session>,
}

impl Ordered {
    pub(crate) fn new(inner: LspService<Server>, session: Arc<Session>) -> Self {
        Self { inner, session }
    }
}

impl Service<Request> for Ordered {
    type Response = Option<Response>;
    type Error = ExitedError;
    type Future = Reply;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let (id, method) = (request.id().cloned(), request.method().to_owned());
        let document = changes_text(&method)
            .then(|| document_of(&request))
            .flatten();
        let Some(future) = caught(|| self.route(request)) else {
            if let Some(uri) = document {
                // A text that missed a change is not the client's text: better none than that.
                self.session.documents.close(&uri);
            }
            return done(id.map(broken));
        };
        Box::pin(async move {
            match Caught::new(future).await {
                Ok(answer) => answer,
                Err(_) => {
                    tracing::error!(%method, "a request failed");
                    Ok(id.map(broken))
                }
            }
        })
    }
}

/// Whether a message brings text that later ones build on.
fn changes_text(method: &str) -> bool {
    matches!(method, "textDocument/didOpen" | "textDocument/didChange")
}

fn broken(id: Id) -> Response {
    Response::from_error(id, Error::internal_error())
}

impl Ordered {
    /// Does what must be done in wire order, and gives the rest to the service inside.
    fn route(&mut self, request: Request) -> Reply {
        let session = &self.session;
        if request.method() == "initialize" {
            begin(session, request.params());
            return self.inner.call(request);
        }
        let Some(profile) = session.profile() else {
            return self.inner.call(request);
        };
        if session.shut_down.load(Ordering::Acquire) {
            return self.inner.call(request);
        }
        match request.method() {
            // The service inside leaves these without an answer, which the protocol allows for
            // notifications only.
            method if method.starts_with("$/") && request.id().is_some() => {
                answer(request, |_| Err::<Value, _>(Error::method_not_found()))
            }
            "shutdown" => {
                session.shut_down.store(true, Ordering::Release);
                self.inner.call(request)
            }
            "textDocument/didOpen" => {
                note(request, |it| open(session, it));
                done(None)
            }
            "textDocument/didChange" => {
                let uri = document_of(&request);
                let read = note(request, |it| change(session, profile, it));
                if !read && let Some(uri) = uri {
                    // A text that missed a change is not the client's text: better none than that.
                    session.documents.close(&uri);
                }
                done(None)
            }
            "initialized" => {
                tokio::spawn(reconfigure::begin(Arc::clone(session)));
                self.inner.call(request)
            }
            "textDocument/didSave" => {
                reconfigure::look(session);
                done(None)
            }
            "window/workDoneProgress/cancel" => {
                note(request, |it: Value| scan::cancel(session, &it));
                done(None)
            }
            "workspace/didChangeConfiguration" => {
                note(request, |it: Value| change_settings(session, &it));
                done(None)
            }
            "workspace/didChangeWatchedFiles" => {
                note(request, |it: Value| change_files(session, &it));
                done(None)
            }
            "workspace/didChangeWorkspaceFolders" => {
                note(request, |it: Value| change_folders(session, &it));
                done(None)
            }
            "textDocument/didClose" => {
                note(request, |it| close(session, &it));
                done(None)
            }
            ext::MARK_INSERTED_NOTE => {
                note(request, |it: MarkInserted| {
                    if let Err(error) = mark(session, profile, &it) {
                        tracing::warn!(uri = %it.uri, version = it.version, %error, "mark ignored");
                    }
                });
                done(None)
            }
            ext::NOT_INSERTED => {
                note(request, |it: MarkInserted| {
                    match session.documents.unmark(&it, profile.encoding) {
                        Ok(()) => shown_anew(session, &it.uri),
                        Err(error) => {
                            tracing::warn!(uri = %it.uri, version = it.version, ?error, "not unmarked");
                        }
                    }
                });
                done(None)
            }
            "workspace/executeCommand" if is_mark(&request) => answer(request, |it| {
                let it: MarkInserted = first_argument(it)?;
                mark(session, profile, &it).map(|()| Value::Null)
            }),
            // It has no parameters; those of clients that send an empty object or list are dropped.
            ext::STATUS if request.params().is_some() => {
                let id = request.id().cloned();
                let bare = Request::build(ext::STATUS);
                self.inner.call(match id {
                    Some(id) => bare.id(id).finish(),
                    None => bare.finish(),
                })
            }
            ext::TEXT => answer(request, |it| text(session, &parse(it)?)),
            ext::ORIGINS => answer(request, |it| origins(session, profile, &parse(it)?)),
            _ => self.inner.call(request),
        }
    }
}

/// Negotiates before the handler runs, so that a client that does not wait for the answer is read
/// with the right encoding. What cannot be read here, the handler refuses.
fn begin(session: &Session, params: Option<&Value>) {
    if session.profile().is_some() {
        // The service inside refuses a second one.
        return;
    }
    let params = params.cloned().unwrap_or_default();
    session.config.begin(&params);
    if let Ok(params) = serde_json::from_value::<types::InitializeParams>(params) {
        session.begin(Profile::negotiate(&params), params.process_id);
    }
}

fn open(session: &Arc<Session>, params: types::DidOpenTextDocumentParams) {
    let item = params.text_document;
    let uri: &str = item.uri.as_ref();
    let Some(language) = from_proto::language(&item) else {
        reconfigure::opened(session, uri);
        return;
    };
    let following = session
        .documents
        .open(uri, language, item.version, &item.text);
    scanned::opened(session, uri);
    tracing::debug!(
        uri,
        version = item.version,
        bytes = item.text.len(),
        "opened"
    );
    tokio::spawn(worker::follow(
        Arc::clone(session),
        uri.to_owned(),
        following,
    ));
}

fn change(session: &Session, profile: &Profile, params: types::DidChangeTextDocumentParams) {
    let document = params.text_document;
    let changes = from_proto::changes(params.content_changes, profile.encoding);
    let uri = document.text_document_identifier.uri;
    session
        .documents
        .change(uri.as_ref(), document.version, &changes);
    if !profile.registers_watchers {
        reconfigure::look_now_and_then(session);
    }
}

fn close(session: &Arc<Session>, params: &types::DidCloseTextDocumentParams) {
    let uri = params.text_document.uri.as_ref();
    session.documents.close(uri);
    reconfigure::closed(session, uri);
}

/// Takes in settings that come along, and asks for them where the client only says that they
/// changed.
fn change_settings(session: &Arc<Session>, params: &Value) {
    if session.profile().is_some_and(|it| it.configuration) {
        let session = Arc::clone(session);
        tokio::spawn(async move { reconfigure::ask_client(&session).await });
    } else if let Some(settings) = params.get("settings") {
        session.config.client_says(settings);
        reconfigure::look(session);
    }
}

fn change_files(session: &Arc<Session>, params: &Value) {
    let changes = params.get("changes").and_then(Value::as_array);
    let names = changes
        .into_iter()
        .flatten()
        .filter_map(|it| it.get("uri")?.as_str());
    let (configs, code): (Vec<&str>, Vec<&str>) = names.partition(|it| settings::is_config(it));
    if !configs.is_empty() {
        reconfigure::read_again(session);
    }
    let paths: Vec<PathBuf> = code.into_iter().filter_map(uri::path).collect();
    if !paths.is_empty() {
        tokio::spawn(scan::look_again(Arc::clone(session), paths));
    }
}

fn change_folders(session: &Arc<Session>, params: &Value) {
    if let Some(event) = params.get("event") {
        let left = session.config.change_folders(event);
        tokio::spawn(scan::leave(Arc::clone(session), left));
        scan::start_if_wanted(session);
        reconfigure::look(session);
    }
}

fn mark(session: &Arc<Session>, profile: &Profile, mark: &MarkInserted) -> Result<(), Error> {
    session
        .documents
        .mark(mark, profile.encoding)
        .map_err(|error| refusal(mark, &error))?;
    shown_anew(session, &mark.uri);
    Ok(())
}

/// Shows a document's diagnostics again, because its marks changed and its text did not.
fn shown_anew(session: &Arc<Session>, uri: &types::Uri) {
    tokio::spawn(publish::announce_mark(Arc::clone(session), uri.to_string()));
}

fn refusal(mark: &MarkInserted, error: &MarkError) -> Error {
    let MarkInserted { uri, version, .. } = mark;
    let (code, message) = match error {
        MarkError::NotOpen => return not_open(uri),
        MarkError::Ahead { have } => (
            ErrorCode::InvalidParams,
            format!("version {version} of {uri} has not arrived: the server has version {have}"),
        ),
        MarkError::Forgotten { have, oldest } => (
            ErrorCode::ContentModified,
            format!(
                "version {version} of {uri} is stale: the server has version {have} and remembers \
                 back to version {oldest}"
            ),
        ),
    };
    Error {
        code,
        message: message.into(),
        data: None,
    }
}

fn text(session: &Session, about: &About) -> Result<TextAnswer, Error> {
    let found = session.documents.text(about.uri.as_ref());
    let (version, text) = found.ok_or_else(|| not_open(&about.uri))?;
    Ok(TextAnswer {
        version,
        text: text.to_string(),
    })
}

fn origins(
    session: &Session,
    profile: &Profile,
    about: &About,
) -> Result<Vec<OriginAnswer>, Error> {
    let found = session.documents.marks(about.uri.as_ref());
    let (text, marks) = found.ok_or_else(|| not_open(&about.uri))?;
    let answer = |mark: origin::Mark| OriginAnswer {
        range: to_proto::range(&mark.range, &text, profile.encoding),
        confidence: to_proto::confidence(mark.confidence),
        source: mark.source,
    };
    Ok(marks.into_iter().map(answer).collect())
}

fn not_open(uri: &types::Uri) -> Error {
    Error::invalid_params(format!(
        "{uri} is not open here, or not in a language that is read"
    ))
}

fn document_of(request: &Request) -> Option<String> {
    let uri = request.params()?.pointer("/textDocument/uri")?;
    uri.as_str().map(str::to_owned)
}

fn is_mark(request: &Request) -> bool {
    let command = request.params().and_then(|params| params.get("command"));
    command.and_then(Value::as_str) == Some(ext::MARK_INSERTED)
}

fn first_argument<P: DeserializeOwned>(params: Value) -> Result<P, Error> {
    let params: types::ExecuteCommandParams = parse(params)?;
    let argument = params.arguments.and_then(|it| it.into_iter().next());
    parse(argument.unwrap_or_default())
}

fn parse<P: DeserializeOwned>(params: Value) -> Result<P, Error> {
    serde_json::from_value(params).map_err(|error| Error::invalid_params(error.to_string()))
}

/// Handles a notification at once; says whether it could be read.
fn note<P: DeserializeOwned>(request: Request, handle: impl FnOnce(P)) -> bool {
    let (method, _, params) = request.into_parts();
    match serde_json::from_value(params.unwrap_or_default()) {
        Ok(params) => {
            handle(params);
            true
        }
        // The error may quote the document, so it is not logged.
        Err(error) => {
            let kind = error.classify();
            tracing::warn!(%method, ?kind, "a notification that cannot be read was ignored");
            false
        }
    }
}

/// Answers a request at once; the same message without an id gets no answer.
fn answer<R: Serialize>(request: Request, handle: impl FnOnce(Value) -> Result<R, Error>) -> Reply {
    let (_, id, params) = request.into_parts();
    let result = handle(params.unwrap_or_default())
        .and_then(|result| serde_json::to_value(result).map_err(|_| Error::internal_error()));
    done(id.map(|id| Response::from_parts(id, result)))
}

fn done(response: Option<Response>) -> Reply {
    let response: Ready<Answer> = ready(Ok(response));
    Box::pin(response)
}
