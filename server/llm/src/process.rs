//! The co-decoding program as a process: found, started with a socket of its own, watched, ended. Its end of the
//! bargain is to end when its standard input closes, so that none is left behind however this program ends.
//! It knows nothing of questions.

use std::collections::VecDeque;
use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use revision::{ModelError, State, Watch};
use serde_json::Value;

use crate::LocalSetup;
use crate::client::Door;
use crate::key::Key;

/// What the program is called.
const PROGRAM: &str = "secondlook-codecode";

/// How long it may take until it accepts requests; it reads models later.
const START: Duration = Duration::from_secs(60);

/// How often somebody is asked whether it is still wanted.
const GLANCE: Duration = Duration::from_millis(50);

/// How long it may take to end by itself.
const END: Duration = Duration::from_millis(1_000);

/// How long after its connection broke a process may still be there.
const LAST_BREATH: Duration = Duration::from_millis(300);

/// Lines of its errors that are remembered.
const LAST_LINES: usize = 8;

/// The longest line that is read of it, in bytes.
const LINE: u64 = 4 << 10;

/// What the program says that it is doing.
#[derive(Debug, Default)]
pub(crate) struct Doing {
    news: Mutex<Option<State>>,
}

impl Doing {
    /// What changed since the last look.
    pub(crate) fn news(&self) -> Option<State> {
        self.news
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn hear(&self, line: &str) {
        let said: Value = serde_json::from_str(line).unwrap_or_default();
        let state = match said.get("state").and_then(Value::as_str) {
            Some("loading") => State::Loading,
            Some("decoding") => State::Waiting,
            _ => return,
        };
        *self.news.lock().unwrap_or_else(PoisonError::into_inner) = Some(state);
    }
}

/// A started program. Dropping it ends it.
pub(crate) struct Running {
    setup: LocalSetup,
    door: Door,
    child: Child,
    /// Open as long as the program is wanted.
    stdin: Option<ChildStdin>,
    /// Holds the socket; nobody else may enter.
    _folder: tempfile::TempDir,
    doing: Arc<Doing>,
    errors: Arc<Mutex<VecDeque<String>>>,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("setup", &self.setup)
            .finish_non_exhaustive()
    }
}

impl Running {
    pub(crate) fn start(setup: &LocalSetup, watch: &dyn Watch) -> Result<Self, ModelError> {
        let program = find(setup)?;
        let folder = private_folder()?;
        let socket = folder.path().join("socket");
        let mut command = Command::new(&program);
        command.arg("serve").arg("--base").arg(&setup.base);
        if let Some(security) = &setup.security {
            command.arg("--security").arg(security);
        }
        if let Some(adapter) = &setup.adapter {
            command.arg("--adapter").arg(adapter);
        }
        command.args(["--context", &setup.context.to_string(), "--follow-stdin"]);
        command.arg("--socket").arg(&socket);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let spawned = command.spawn();
        let mut child = spawned.map_err(|error| ModelError::Setup {
            problem: format!("`{}` does not start ({})", program.display(), error.kind()),
        })?;
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (doing, errors) = (
            Arc::<Doing>::default(),
            Arc::<Mutex<VecDeque<String>>>::default(),
        );
        let mut running = Self {
            setup: setup.clone(),
            door: Door {
                socket,
                token: Arc::new(Key(String::new())),
            },
            child,
            stdin,
            _folder: folder,
            doing: Arc::clone(&doing),
            errors: Arc::clone(&errors),
        };
        let (first, ready) = channel();
        if let Some(stdout) = stdout {
            thread::spawn(move || {
                let mut first = Some(first);
                lines(stdout, |line| match first.take() {
                    Some(first) => {
                        // Nobody waits any more when the start was given up.
                        let _ = first.send(line.to_owned());
                    }
                    None => doing.hear(line),
                });
            });
        }
        if let Some(stderr) = stderr {
            thread::spawn(move || lines(stderr, |line| remember(&errors, line)));
        }
        let token = running.wait(&ready, watch)?;
        running.door.token = Arc::new(Key(token));
        Ok(running)
    }

    /// Waits for the line that says that requests are accepted; gives the token.
    fn wait(&mut self, ready: &Receiver<String>, watch: &dyn Watch) -> Result<String, ModelError> {
        let local = |problem: String| ModelError::Local { problem };
        let started = Instant::now();
        loop {
            if watch.cancelled() {
                return Err(ModelError::Cancelled);
            }
            match ready.recv_timeout(GLANCE) {
                Ok(line) => {
                    let said: Value = serde_json::from_str(&line).unwrap_or_default();
                    let token = said.get("token").and_then(Value::as_str);
                    let foreign = || local(format!("`{PROGRAM}` did not say that it is ready"));
                    return token.map(str::to_owned).ok_or_else(foreign);
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let fate = self.fate_soon();
                    return Err(local(
                        fate.unwrap_or_else(|| "it closed its output".to_owned()),
                    ));
                }
                Err(RecvTimeoutError::Timeout) if started.elapsed() > START => {
                    let waited = START.as_secs();
                    return Err(local(format!("it was not ready within {waited} s")));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    pub(crate) fn serves(&self, setup: &LocalSetup) -> bool {
        // A longer patience needs no other program.
        let same = LocalSetup {
            patience: self.setup.patience,
            ..setup.clone()
        };
        self.setup == same
    }

    pub(crate) fn door(&self) -> Door {
        self.door.clone()
    }

    pub(crate) fn doing(&self) -> Arc<Doing> {
        Arc::clone(&self.doing)
    }

    /// How it ended; `None` while it runs.
    pub(crate) fn fate(&mut self) -> Option<String> {
        match self.child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(self.epitaph(status)),
            Err(error) => Some(format!("it cannot be watched ({})", error.kind())),
        }
    }

    /// The same, where its connection has just broken: the process may need a moment to go.
    pub(crate) fn fate_soon(&mut self) -> Option<String> {
        let started = Instant::now();
        loop {
            let fate = self.fate();
            if fate.is_some() || started.elapsed() > LAST_BREATH {
                return fate;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn epitaph(&self, status: ExitStatus) -> String {
        // Its last words are about something else when it was given no time for them.
        if let Some(killed) = killed_by(status) {
            return killed;
        }
        let errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = errors.iter().rev().find(|it| !it.trim().is_empty()) {
            let said = last.trim();
            return said
                .strip_prefix("secondlook-codecode: ")
                .unwrap_or(said)
                .to_owned();
        }
        format!("`{PROGRAM}` ended ({status})")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let started = Instant::now();
        while started.elapsed() < END {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        // It is stuck, and what it holds is worth nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(unix)]
fn killed_by(status: ExitStatus) -> Option<String> {
    use std::os::unix::process::ExitStatusExt;
    let signal = status.signal()?;
    let guess = if signal == 9 {
        ", perhaps because memory ran out"
    } else {
        ""
    };
    Some(format!("`{PROGRAM}` was killed by signal {signal}{guess}"))
}

#[cfg(not(unix))]
fn killed_by(_status: ExitStatus) -> Option<String> {
    None
}

/// Hands out lines until the stream ends. What comes after the limit of a line is a line of its own.
fn lines(stream: impl Read, mut each: impl FnMut(&str)) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.by_ref().take(LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => each(&String::from_utf8_lossy(&line)),
        }
    }
}

fn remember(errors: &Mutex<VecDeque<String>>, line: &str) {
    let mut errors = errors.lock().unwrap_or_else(PoisonError::into_inner);
    if errors.len() == LAST_LINES {
        errors.pop_front();
    }
    errors.push_back(line.chars().take(400).collect());
}

/// The program that is set, else the one beside this program, else the first on PATH.
fn find(setup: &LocalSetup) -> Result<PathBuf, ModelError> {
    if let Some(program) = &setup.program {
        return Ok(program.clone());
    }
    let here = std::env::current_exe().ok();
    let beside = here
        .as_deref()
        .and_then(Path::parent)
        .map(|it| it.join(PROGRAM));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path)
        .filter(|it| it.is_absolute())
        .map(|it| it.join(PROGRAM));
    let found = beside.into_iter().chain(on_path).find(|it| it.is_file());
    found.ok_or_else(|| ModelError::Setup {
        problem: format!(
            "`{PROGRAM}` is neither beside this program nor on PATH; install it, or name it with `codecode-program`"
        ),
    })
}

/// A folder that only this user can enter, with a path short enough for a socket.
fn private_folder() -> Result<tempfile::TempDir, ModelError> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let places = [
        runtime.filter(|it| it.is_absolute()),
        Some(std::env::temp_dir()),
    ];
    let mut builder = tempfile::Builder::new();
    builder.prefix("secondlook-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o700));
    }
    let made = places
        .into_iter()
        .flatten()
        .find_map(|it| builder.tempdir_in(it).ok());
    made.ok_or_else(|| ModelError::Setup {
        problem: "no folder can be made for the local model's socket".to_owned(),
    })
}
