//! Who may come in: bearer tokens, and a socket that only its owner can open.
//! Knows nothing of what is asked.

use std::{
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, bail, ensure};
use axum::{
    extract::{Request, State},
    http::{StatusCode, header::AUTHORIZATION},
    middleware::Next,
    response::Response,
};
use sha2::{Digest, Sha256};

use super::{Shared, api};

/// What is kept of a token; comparing digests says nothing about how far a guess was right.
pub(super) fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// A new token of 32 random bytes as hexadecimal digits.
///
/// # Errors
/// When the system has no random numbers.
pub fn fresh_token() -> Result<String> {
    use std::io::Read;
    let mut bytes = [0_u8; 32];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .context("/dev/urandom")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

pub(super) async fn guard(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    if let Some(due) = shared.token {
        let given = request
            .headers()
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "))
            .map(|token| digest(token.trim()));
        if given != Some(due) {
            return api::problem(
                StatusCode::UNAUTHORIZED,
                "authentication_error",
                "the bearer token is missing or wrong; the server printed it when it started",
            );
        }
    }
    next.run(request).await
}

/// Binds a socket in a folder that belongs to this user alone, with mode 0600.
pub(super) async fn private_socket(path: &Path) -> Result<tokio::net::UnixListener> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let about = std::fs::metadata(folder).with_context(|| format!("{}", folder.display()))?;
    ensure!(
        about.uid() == rustix::process::geteuid().as_raw() && about.mode() & 0o077 == 0,
        "{} can be opened by others; put the socket in a folder of your own with mode 700",
        folder.display()
    );
    if let Ok(old) = std::fs::symlink_metadata(path) {
        ensure!(
            old.file_type().is_socket(),
            "{} is there and is not a socket",
            path.display()
        );
        if tokio::net::UnixStream::connect(path).await.is_ok() {
            bail!("another server listens on {}", path.display());
        }
        std::fs::remove_file(path).with_context(|| format!("{}", path.display()))?;
    }
    let listener = tokio::net::UnixListener::bind(path)
        .with_context(|| format!("cannot listen on {}", path.display()))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Takes the socket away when the server ends.
pub(super) struct Remover(pub(super) PathBuf);

impl Drop for Remover {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
