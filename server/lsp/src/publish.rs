//! Sending diagnostics, or asking the client to fetch them. Chooses when, never what.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::capabilities::Delivery;
use crate::session::Session;
use crate::to_proto;

/// How long the client may take to acknowledge a refresh before the next one is sent anyway.
const REFRESH_PATIENCE: Duration = Duration::from_secs(5);

/// Pushes the diagnostics of a document's current version, if it has been analysed.
pub(crate) async fn announce(session: &Session, uri: &str) {
    let Some(profile) = session.profile() else {
        return;
    };
    if profile.delivery != Delivery::Push {
        return;
    }
    let _turn = session.publishing.lock().await;
    let Some(view) = session.documents.view(uri) else {
        return;
    };
    let diagnostics = to_proto::diagnostics(&view, &uri.into(), profile);
    // A client that reads versions may wait for this one.
    let has_it = || {
        let shown = to_proto::shown(&diagnostics, &view);
        session.documents.has_been_sent(uri, shown)
    };
    if !profile.versions && has_it() {
        return;
    }
    let version = Some(view.analyzed.version);
    session
        .client
        .publish_diagnostics(uri.into(), diagnostics, version)
        .await;
}

/// Shows what changed without an edit: a mark.
pub(crate) async fn announce_mark(session: Arc<Session>, uri: String) {
    session.refresh.notify_one();
    announce(&session, &uri).await;
}

/// Takes back what was pushed for a document that was closed.
pub(crate) async fn clear(session: &Session, uri: &str) {
    if session
        .profile()
        .is_none_or(|profile| profile.delivery != Delivery::Push)
    {
        return;
    }
    let _turn = session.publishing.lock().await;
    // Reopened meanwhile: its own worker speaks for it now.
    let silent = session.documents.is_open(uri) || session.ended.load(Ordering::Acquire);
    if !silent {
        session
            .client
            .publish_diagnostics(uri.into(), Vec::new(), None)
            .await;
    }
}

/// Asks a client that pulls to pull again, whenever that was asked for; several wishes become one.
pub(crate) async fn send_refreshes(session: Arc<Session>) {
    loop {
        session.refresh.notified().await;
        let able = session.profile().map(|profile| profile.delivery);
        if able == Some(Delivery::Pull { refresh: true }) {
            let asked = session.client.workspace_diagnostic_refresh();
            if let Ok(Err(error)) = tokio::time::timeout(REFRESH_PATIENCE, asked).await {
                tracing::debug!(%error, "the client did not refresh");
            }
        }
    }
}
