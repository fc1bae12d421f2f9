//! Completions in the line, written by a local model within a budget of time. A newer request ends an
//! older one, and a text that moved on gets none. It judges no completion itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use config::Provider;
use revision::{ModelError, State, Target, Task, Watch};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};
use tower_lsp::gen_lsp_types as types;
use types::{InlineCompletionItem, InlineCompletionParams};

use crate::capabilities::Profile;
use crate::from_proto;
use crate::session::Session;
use crate::state::View;

/// How long after the budget proving may take.
const SLACK: Duration = Duration::from_millis(250);

/// The requests of one connection: one is worked on, the newest.
#[derive(Debug)]
pub(crate) struct Inline {
    newest: Mutex<Arc<AtomicBool>>,
    turn: Arc<Semaphore>,
}

impl Default for Inline {
    fn default() -> Self {
        Self {
            newest: Mutex::default(),
            turn: Arc::new(Semaphore::new(1)),
        }
    }
}

impl Inline {
    /// Ends the request before this one; gives what ends this one.
    fn begin(&self) -> Arc<AtomicBool> {
        let new = Arc::<AtomicBool>::default();
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *newest, Arc::clone(&new));
        old.store(true, Ordering::Release);
        new
    }
}

/// Ends the work when nobody waits for the answer any more, as after `$/cancelRequest`.
struct EndOnDrop(Arc<AtomicBool>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// What is offered for a place; `None` where nothing is, for whatever reason: nobody asked for this
/// by name, so nobody is told.
pub(crate) async fn at(
    session: &Arc<Session>,
    view: View,
    params: InlineCompletionParams,
    profile: &Profile,
) -> Option<Vec<InlineCompletionItem>> {
    let began = Instant::now();
    let settings = view.analyzed.settings();
    if !settings.inline_completion || settings.model_provider != Some(Provider::Codecode) {
        return None;
    }
    let budget = settings.inline_completion_budget.duration();
    let place = params.text_document_position_params;
    let (uri, position) = (place.text_document.uri, place.position);
    let here = types::Range::new(position, position);
    let byte = from_proto::range(here, &view.analyzed.document.text, profile.encoding).start;
    let version = view.analyzed.version;
    let ended = session.inline.begin();
    let _end = EndOnDrop(Arc::clone(&ended));
    let turn = Arc::clone(&session.inline.turn).acquire_owned();
    let turn = timeout(budget, turn).await.ok()?.ok()?;
    let watch = Typing {
        session: Arc::clone(session),
        uri: uri.to_string(),
        version,
        ended,
        starting: AtomicBool::new(false),
    };
    let left = budget.saturating_sub(began.elapsed());
    let work = spawn_blocking(move || {
        let _turn = turn;
        complete(&view, byte, left, &watch)
    });
    // A program that is only being started goes on with that, for the next time.
    let texts = timeout(left + SLACK, work).await.ok()?.ok()??;
    let item = |text: String| InlineCompletionItem {
        insert_text: text.into(),
        filter_text: None,
        range: Some(here),
        command: None,
    };
    let items = texts.into_iter().map(item).collect();
    let unmoved = session.documents.version(uri.as_ref()) == Some(version);
    unmoved.then_some(items)
}

/// Waits on behalf of a place where somebody is typing.
struct Typing {
    session: Arc<Session>,
    uri: String,
    version: i32,
    ended: Arc<AtomicBool>,
    /// A program that is being started is not ended by the next key: it would never be ready.
    starting: AtomicBool,
}

impl Watch for Typing {
    fn cancelled(&self) -> bool {
        let over = self.ended.load(Ordering::Acquire)
            || self.session.documents.version(&self.uri) != Some(self.version);
        self.session.ended.load(Ordering::Acquire) || over && !self.starting.load(Ordering::Acquire)
    }

    fn state(&self, state: State) {
        let starting = state == State::Starting;
        self.starting.store(starting, Ordering::Release);
    }
}

fn complete(view: &View, at: usize, budget: Duration, watch: &Typing) -> Option<Vec<String>> {
    let analyzed = &view.analyzed;
    let models = watch.session.models.as_ref()?;
    let model = models.model(analyzed.settings()).ok()??;
    let place = at..at;
    let task = Task {
        snapshot: analyzed.rules()?,
        language: analyzed.document.language,
        text: &analyzed.text,
        before: &analyzed.analysis,
        target: Target::Block(&place, &[]),
    };
    match revision::complete(&task, at, budget, &*model, watch) {
        Ok(texts) => Some(texts),
        Err(ModelError::Cancelled) => None,
        Err(error) => {
            // A message at every key would be worse than none.
            tracing::debug!(%error, "no inline completion");
            None
        }
    }
}
