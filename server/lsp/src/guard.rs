//! Keeps a defect from ending the server and from writing a document into the log. Knows neither
//! documents nor the protocol's types.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll};

/// A future that ends in an error when the one inside panics.
pub(crate) struct Caught<F>(F);

impl<F: Future + Unpin> Caught<F> {
    pub(crate) fn new(inner: F) -> Self {
        Self(inner)
    }
}

impl<F: Future + Unpin> Future for Caught<F> {
    type Output = Result<F::Output, Box<dyn Any + Send>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let inner = Pin::new(&mut self.0);
        // What it shares with others is behind locks that outlive a panic, and it is not polled
        // again.
        match panic::catch_unwind(AssertUnwindSafe(|| inner.poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

/// Runs something that must not end the thread it runs on. `None` after a panic.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Option<T> {
    panic::catch_unwind(AssertUnwindSafe(work)).ok()
}

/// Has panics logged by their place alone, for the whole process: their messages quote what was
/// worked on, and that is the user's code.
pub(crate) fn keep_panics_quiet() {
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let thread = std::thread::current();
        tracing::error!(
            thread = thread.name().unwrap_or("unnamed"),
            "panicked at {}",
            place.as_deref().unwrap_or("an unknown place")
        );
    }));
}
