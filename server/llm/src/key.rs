//! The key of a provider: read when it is needed, sent in one header, shown nowhere.

use std::fmt;
use std::time::Duration;

use revision::ModelError;
use tokio::io::AsyncReadExt;

use crate::KeyFrom;

/// How long a command may take to print a key; somebody may have to unlock a store for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest key, in bytes.
const LIMIT: u64 = 16 << 10;

/// A key. It is in no `Debug` and no `Display`.
pub(crate) struct Key(pub(crate) String);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

/// Reads the key; `None` when the server wants none.
pub(crate) async fn read(from: &KeyFrom) -> Result<Option<Key>, ModelError> {
    let problem = |problem: String| ModelError::Key { problem };
    match from {
        KeyFrom::Nowhere => Ok(None),
        KeyFrom::Environment(name) => match std::env::var(name) {
            Ok(key) if !key.trim().is_empty() => valid(&key).map(Some),
            _ => Err(problem(format!(
                "the environment variable {name} is not set"
            ))),
        },
        KeyFrom::Command(words) => {
            let Some((program, arguments)) = words.split_first() else {
                return Err(problem("the command that prints it is empty".to_owned()));
            };
            let child = tokio::process::Command::new(program)
                .args(arguments)
                .stdin(std::process::Stdio::null())
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::null())
                .kill_on_drop(true)
                .spawn();
            let mut child = child.map_err(|error| {
                problem(format!("`{program}` does not start ({})", error.kind()))
            })?;
            let mut out = Vec::new();
            let reading = async {
                if let Some(stdout) = child.stdout.take() {
                    let _ = stdout.take(LIMIT).read_to_end(&mut out).await;
                }
                child.wait().await
            };
            let status = tokio::time::timeout(PATIENCE, reading).await;
            match status {
                Ok(Ok(status)) if status.success() => {
                    let text = String::from_utf8_lossy(&out);
                    let first = text.lines().next().unwrap_or("");
                    if first.trim().is_empty() {
                        return Err(problem(format!("`{program}` printed nothing")));
                    }
                    valid(first).map(Some)
                }
                Ok(_) => Err(problem(format!("`{program}` failed"))),
                Err(_) => {
                    let _ = child.start_kill();
                    Err(problem(format!(
                        "`{program}` printed nothing within {} s",
                        PATIENCE.as_secs()
                    )))
                }
            }
        }
    }
}

fn valid(key: &str) -> Result<Key, ModelError> {
    let key = key.trim();
    if key.chars().any(|c| !c.is_ascii_graphic()) {
        return Err(ModelError::Key {
            problem: "it holds characters that no header can".to_owned(),
        });
    }
    Ok(Key(key.to_owned()))
}
