//! What one connection shares between its handlers and its workers. Decides nothing.

use std::collections::{BTreeSet, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use analysis::Snapshot;
use config::Settings;
use kb_schema::{Discussion, HitKind, Knowledge, Language, Lead, Post, Query};
use rustc_hash::FxHasher;
use tokio::sync::{Notify, Semaphore, watch};
use tower_lsp::Client;

use crate::ServerOptions;
use crate::capabilities::Profile;
use crate::inline::Inline;
use crate::parent;
use crate::revise::Models;
use crate::scan::Files;
use crate::scanned::Scanned;
use crate::settings::Config;
use crate::state::Documents;

/// How many discussions of other entries a hover adds.
const RELATED: usize = 2;

/// How many slices' related discussions are kept.
const RELATED_CACHE: usize = 256;

/// How many texts' leads are kept.
const LEADS_CACHE: usize = 16;

/// How many hits are asked for; the finding's own discussions come first among them.
const RELATED_HITS: usize = 12;

/// What others say of code like a finding's.
#[derive(Default)]
pub(crate) struct Related {
    /// Sources of other entries.
    pub(crate) discussions: Vec<Discussion>,
    /// Imported discussions.
    pub(crate) posts: Vec<Arc<Post>>,
}

/// One connection.
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) knowledge: Arc<dyn Knowledge>,
    /// How long after a change analysis starts, where no settings say.
    pub(crate) debounce: Duration,
    pub(crate) documents: Documents,
    /// The compiled entries, once there are any.
    pub(crate) rules: watch::Sender<Option<Snapshot>>,
    /// How many analyses may run at once.
    pub(crate) permits: Semaphore,
    /// The settings.
    pub(crate) config: Arc<Config>,
    /// Set when the settings may have changed.
    pub(crate) reconfigure: Notify,
    /// Set with it when they have to be read although no file looks changed.
    pub(crate) forced: AtomicBool,
    /// When the connection began, and how many seconds later the files were last looked at while
    /// somebody typed.
    pub(crate) started: Instant,
    pub(crate) looked: AtomicU64,
    /// The open documents that are configuration files.
    pub(crate) open_configs: Mutex<BTreeSet<String>>,
    /// Finds and reads the files of a workspace; without it none is scanned.
    pub(crate) files: Option<Arc<dyn Files>>,
    /// Whoever has models; without it none is asked.
    pub(crate) models: Option<Arc<dyn Models>>,
    /// The inline completions that are worked on.
    pub(crate) inline: Inline,
    /// What scans found.
    pub(crate) scanned: Scanned,
    /// How many scans have begun.
    pub(crate) scans: AtomicU64,
    /// Whether the client was asked to watch code.
    pub(crate) watches_code: AtomicBool,
    /// How long a request waits, in milliseconds.
    patience: AtomicU64,
    /// Set when a client that pulls should pull again.
    pub(crate) refresh: Notify,
    /// Held while diagnostics are chosen and sent, so that an older set never overtakes a newer.
    pub(crate) publishing: tokio::sync::Mutex<()>,
    /// Whether the client asked us to shut down.
    pub(crate) shut_down: AtomicBool,
    /// Whether nobody listens any more.
    pub(crate) ended: AtomicBool,
    profile: OnceLock<Profile>,
    parent: watch::Sender<Option<i32>>,
    related: Mutex<HashMap<u64, Arc<Related>>>,
    /// The leads of the texts that somebody hovered over last.
    leads: Mutex<HashMap<u64, Arc<Vec<Lead>>>>,
}

impl Session {
    pub(crate) fn new(
        client: Client,
        knowledge: Arc<dyn Knowledge>,
        options: &ServerOptions,
    ) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            client,
            knowledge,
            debounce: options.debounce,
            documents: Documents::default(),
            rules: watch::Sender::new(None),
            permits: Semaphore::new(threads),
            config: Arc::new(Config::new(options.user_config.clone())),
            reconfigure: Notify::new(),
            forced: AtomicBool::new(false),
            started: Instant::now(),
            looked: AtomicU64::new(0),
            open_configs: Mutex::default(),
            files: options.files.clone(),
            models: options.models.clone(),
            inline: Inline::default(),
            scanned: Scanned::default(),
            scans: AtomicU64::new(0),
            watches_code: AtomicBool::new(false),
            patience: AtomicU64::new(millis(options.patience)),
            refresh: Notify::new(),
            publishing: tokio::sync::Mutex::new(()),
            shut_down: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            profile: OnceLock::new(),
            parent: watch::Sender::new(None),
            related: Mutex::default(),
            leads: Mutex::default(),
        }
    }

    /// Keeps what `initialize` said; a second one changes nothing.
    pub(crate) fn begin(&self, profile: Profile, parent: Option<i32>) {
        if self.profile.set(profile).is_ok() {
            self.parent.send_replace(parent);
        }
    }

    /// Takes on the settings that hold for the server as a whole, as an analysis met them.
    pub(crate) fn adopt(&self, settings: &Settings) {
        if !settings.origins("patience").is_empty() {
            let patience = millis(settings.patience.duration());
            self.patience.store(patience, Ordering::Relaxed);
        }
        self.documents.detect_origin(settings.detect_origin);
    }

    /// How long a request waits for the analysis of the text as it stands.
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_millis(self.patience.load(Ordering::Relaxed))
    }

    /// How long after a change analysis starts.
    pub(crate) fn debounce(&self, settings: &Settings) -> Duration {
        if settings.origins("debounce").is_empty() {
            self.debounce
        } else {
            settings.debounce.duration()
        }
    }

    /// The client's abilities; `None` before `initialize`.
    pub(crate) fn profile(&self) -> Option<&Profile> {
        self.profile.get()
    }

    /// Returns when the process that the client named has gone.
    pub(crate) async fn orphaned(&self) {
        let mut parent = self.parent.subscribe();
        let named = parent.wait_for(Option::is_some).await;
        match named.ok().and_then(|it| *it) {
            Some(id) => parent::gone(id).await,
            None => std::future::pending().await,
        }
    }

    /// What imported discussions alone suggest to look at in a text. The first call for a text
    /// searches.
    pub(crate) fn leads(&self, text: &str, language: Language) -> Arc<Vec<Lead>> {
        let key = {
            let mut hasher = FxHasher::default();
            (text, language.id(), self.knowledge.generation()).hash(&mut hasher);
            hasher.finish()
        };
        let lock = || self.leads.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().get(&key).cloned();
        if let Some(known) = known {
            return known;
        }
        let found = Arc::new(self.knowledge.leads(text, language));
        let mut cache = lock();
        if cache.len() >= LEADS_CACHE {
            cache.clear();
        }
        cache.insert(key, Arc::clone(&found));
        found
    }

    /// The best discussions for a slice besides those already known to the reader. The first call
    /// for a slice searches.
    pub(crate) fn related(&self, slice: String, own: &kb_schema::Entry) -> Arc<Related> {
        let key = {
            let mut hasher = FxHasher::default();
            (&slice, &own.id, self.knowledge.generation()).hash(&mut hasher);
            hasher.finish()
        };
        let lock = || self.related.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().get(&key).cloned();
        if let Some(known) = known {
            return known;
        }
        let query = Query {
            text: slice,
            language: Some(own.language),
            limit: RELATED_HITS,
        };
        let mut found: Vec<Discussion> = Vec::new();
        for hit in self.knowledge.search(&query) {
            let HitKind::Discussion(discussion) = hit.kind else {
                continue;
            };
            let same = |other: &Discussion| other.url() == discussion.url();
            if !own.discussions.iter().chain(&found).any(same) {
                found.push(discussion);
            }
            if found.len() == RELATED {
                break;
            }
        }
        let posts = self.knowledge.fitting(&Query {
            limit: RELATED,
            ..query
        });
        let found = Arc::new(Related {
            discussions: found,
            posts: posts.into_iter().map(|it| it.post).collect(),
        });
        let mut cache = lock();
        if cache.len() >= RELATED_CACHE {
            cache.clear();
        }
        cache.insert(key, Arc::clone(&found));
        found
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
