//! Waits for the end of the process that started the client. Knows nothing else.

use std::time::Duration;

/// How often we look where the system cannot wake us.
const INTERVAL: Duration = Duration::from_secs(3);

/// Returns when the process has gone; never, when it was not there to begin with: such a process
/// lives in a world that we cannot see into, as on the other side of a container.
pub(crate) async fn gone(id: i32) {
    if !is_alive(id) {
        return std::future::pending().await;
    }
    #[cfg(target_os = "linux")]
    if let Ok(watch) = pidfd::Watch::start(id) {
        return watch.gone().await;
    }
    while is_alive(id) {
        tokio::time::sleep(INTERVAL).await;
    }
}

#[cfg(unix)]
fn is_alive(id: i32) -> bool {
    use rustix::io::Errno;
    use rustix::process::{Pid, test_kill_process};
    // Only "no such process" means gone: one that we may not signal is there.
    Pid::from_raw(id).is_some_and(|pid| test_kill_process(pid) != Err(Errno::SRCH))
}

#[cfg(not(unix))]
fn is_alive(_id: i32) -> bool {
    // There the client's end of standard input closes with it, which ends the server as well.
    true
}

#[cfg(target_os = "linux")]
mod pidfd {
    //! A thread that sleeps in the kernel until the process ends, so that nobody wakes to look.

    use std::io;
    use std::os::fd::OwnedFd;

    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::io::Errno;
    use rustix::pipe::{PipeFlags, pipe_with};
    use rustix::process::{Pid, PidfdFlags, pidfd_open};
    use tokio::sync::oneshot;

    pub(super) struct Watch {
        gone: oneshot::Receiver<()>,
        /// The thread ends when this is closed.
        _stop: OwnedFd,
    }

    impl Watch {
        pub(super) fn start(id: i32) -> io::Result<Self> {
            let pid = Pid::from_raw(id).ok_or(io::ErrorKind::InvalidInput)?;
            let process = pidfd_open(pid, PidfdFlags::empty())?;
            let (stopped, stop) = pipe_with(PipeFlags::CLOEXEC)?;
            let (sender, gone) = oneshot::channel();
            std::thread::Builder::new()
                .name("client-watch".into())
                .stack_size(64 << 10)
                .spawn(move || {
                    let mut fds = [
                        PollFd::new(&process, PollFlags::IN),
                        PollFd::new(&stopped, PollFlags::empty()),
                    ];
                    while poll(&mut fds, None) == Err(Errno::INTR) {}
                    if !fds[0].revents().is_empty() {
                        let _ = sender.send(());
                    }
                })?;
            Ok(Self { gone, _stop: stop })
        }

        pub(super) async fn gone(self) {
            if self.gone.await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}
