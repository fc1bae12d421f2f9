//! Runs other programs and waits for them: a case's tests on a text, and judges. What runs here may
//! be code that a model wrote, so nothing does unless somebody asked for it.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use eval::Case;
use eval::revise::Trial;

use crate::progress;

/// How long a case's tests may take, and how long a compiler.
const TESTS: Duration = Duration::from_secs(30);
const COMPILER: Duration = Duration::from_secs(120);

/// How often a running program is looked at.
const GLANCE: Duration = Duration::from_millis(20);

/// What a program left.
#[derive(Debug)]
pub(super) struct Done {
    /// `None` when it took too long, printed too much, or was killed.
    pub(super) code: Option<i32>,
    pub(super) out: String,
    pub(super) err: String,
}

/// Runs a case's tests on a text: `sample` is the text, and the tests pass when they end with 0.
pub(super) fn run(case: &Case, text: &str) -> anyhow::Result<Trial> {
    let Some(tests) = &case.tests else {
        bail!("{}: no tests", case.id);
    };
    let folder = tempfile::tempdir().context("a folder for tests")?;
    let at = |name: &str| folder.path().join(name);
    let write = |name: &str, text: &str| std::fs::write(at(name), text).context("tests");
    let command = |program: &Path| {
        let mut command = Command::new(program);
        let path = std::env::var_os("PATH").unwrap_or_default();
        command
            .current_dir(folder.path())
            .env_clear()
            .env("PATH", path)
            .env("HOME", folder.path())
            .env("LANG", "C.UTF-8")
            .env("PYTHONDONTWRITEBYTECODE", "1");
        command
    };
    let done = if case.lang == "c" {
        write("sample.c", text)?;
        write("tests.c", tests)?;
        let mut compiler = command(Path::new("cc"));
        compiler.args(["-w", "-o", "tests", "tests.c", "-lm"]);
        let compiled = wait(compiler, COMPILER, 1 << 20).context("the C compiler `cc`")?;
        if compiled.code != Some(0) {
            return Ok(Trial::Failed);
        }
        wait(command(&at("tests")), TESTS, 1 << 20)?
    } else {
        write("sample.py", text)?;
        write("tests.py", tests)?;
        let mut python = command(Path::new("python3"));
        python.arg("tests.py");
        wait(python, TESTS, 1 << 20).context("python3")?
    };
    Ok(if done.code == Some(0) {
        Trial::Passed
    } else {
        Trial::Failed
    })
}

/// Waits for a program, with its output up to a limit in bytes. One that takes too long, or that
/// nobody waits for any more, is killed with whatever it started.
pub(super) fn wait(mut command: Command, patience: Duration, most: usize) -> anyhow::Result<Done> {
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt as _;
        command.process_group(0);
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| {
            let program = command.get_program().to_string_lossy().into_owned();
            anyhow::anyhow!("{program} does not start: {}", crate::files::plain(&error))
        })?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        let out = scope.spawn(|| gather(stdout, most));
        let err = scope.spawn(|| gather(stderr, 64 << 10));
        let began = Instant::now();
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break Some(status),
                Ok(None) if began.elapsed() > patience || progress::interrupted() => break None,
                Ok(None) => std::thread::sleep(GLANCE),
                Err(_) => break None,
            }
        };
        // Also after its end: what it started may still hold the pipes.
        end(&mut child);
        let text = |it: std::thread::Result<(Vec<u8>, bool)>| it.unwrap_or_default();
        let ((out, whole), (err, _)) = (text(out.join()), text(err.join()));
        Ok(Done {
            code: status.and_then(|it| it.code()).filter(|_| whole),
            out: String::from_utf8_lossy(&out).into_owned(),
            err: String::from_utf8_lossy(&err).into_owned(),
        })
    })
}

/// Kills a program with its group.
fn end(child: &mut Child) {
    #[cfg(unix)]
    if let Some(group) = i32::try_from(child.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw)
    {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// Everything that comes, up to a limit; whether that was all.
fn gather(from: Option<impl Read>, most: usize) -> (Vec<u8>, bool) {
    let Some(from) = from else {
        return (Vec::new(), true);
    };
    let mut out = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX);
    let mut from = from.take(limit + 1);
    let whole = from.read_to_end(&mut out).is_ok() && out.len() <= most;
    (out, whole)
}
