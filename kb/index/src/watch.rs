//! Watching a user's folders by looking at them: the same on every system and network drive.
//! It knows only that a store can be refreshed.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::Store;

/// The usual time between two looks.
pub const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// The stop sign that watcher and guard share.
#[derive(Default)]
struct Stop {
    asked: Mutex<bool>,
    bell: Condvar,
}

/// Keeps a store watched; dropping it ends the watch.
#[must_use = "the watch ends when this is dropped"]
pub struct WatchGuard {
    stop: Arc<Stop>,
    thread: Option<JoinHandle<()>>,
}

impl Store {
    /// Refreshes the store every `interval` and calls `on_change` after each change.
    pub fn watch(
        self: Arc<Self>,
        interval: Duration,
        on_change: impl Fn() + Send + 'static,
    ) -> WatchGuard {
        let stop = Arc::new(Stop::default());
        let seen = Arc::clone(&stop);
        // Where no thread can be had the store still serves what it holds.
        let thread = thread::Builder::new()
            .name("knowledge-watch".into())
            .spawn(move || {
                while !seen.wait(interval) {
                    if self.refresh() {
                        on_change();
                    }
                }
            })
            .ok();
        WatchGuard { stop, thread }
    }
}

impl Stop {
    /// Waits for the time or the bell; says whether it is over.
    fn wait(&self, interval: Duration) -> bool {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let (asked, _) = self
            .bell
            .wait_timeout_while(asked, interval, |asked| !*asked)
            .unwrap_or_else(PoisonError::into_inner);
        *asked
    }
}

impl Drop for WatchGuard {
    fn drop(&mut self) {
        *self
            .stop
            .asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = true;
        self.stop.bell.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            let _ = thread.join();
        }
    }
}
