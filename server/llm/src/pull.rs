//! Fetching a file of a model from a hub: resumed where it broke off, checked against the hash that
//! the hub names. It runs only when somebody asks for a model by command, and sends nothing but the
//! file's name.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::{CONTENT_RANGE, ETAG, HeaderMap, LOCATION, RANGE};
use reqwest::{Client, Response, StatusCode, Url};
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};

/// How often a file may be somewhere else.
const MAX_REDIRECTS: usize = 8;
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(20);
/// How long nothing may come.
const PATIENCE: Duration = Duration::from_secs(60);
/// How much is read from a disk at once, in bytes.
const CHUNK: usize = 1 << 16;
/// What stands behind the name of a file that is not whole yet.
const PART: &str = ".part";

/// One file to fetch.
#[derive(Debug, Clone)]
pub struct Fetch {
    /// Its address.
    pub url: String,
    /// Where it shall lie. Until it is whole and checked, it lies beside, and is resumed from there.
    pub path: PathBuf,
    /// The most bytes that it may have.
    pub limit: u64,
    /// Its SHA-256 in hexadecimal digits, where the caller knows it.
    pub sha256: Option<String>,
}

/// Why a file could not be fetched. What came is kept for the next try, unless its hash is wrong.
#[derive(Debug)]
pub enum FetchError {
    /// The address cannot be used.
    Address(String),
    /// There is no such file.
    Missing(String),
    /// The server refused.
    Refused {
        /// The address.
        url: String,
        /// The status.
        status: u16,
    },
    /// The connection failed or broke.
    Broken {
        /// The server.
        server: String,
        /// What happened.
        reason: String,
    },
    /// The file is larger than it may be.
    TooLarge {
        /// The address.
        url: String,
        /// The limit, in bytes.
        limit: u64,
    },
    /// What came is not what was named; it has been deleted.
    Hash {
        /// The address.
        url: String,
        /// The hash that was named.
        expected: String,
        /// The hash of what came.
        found: String,
    },
    /// Nobody says what the file's hash is.
    NoHash(String),
    /// Somebody ended it.
    Interrupted,
    /// A file of ours could not be read or written.
    Io(PathBuf, io::Error),
}

impl std::fmt::Display for FetchError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(url) => write!(out, "`{url}` is no address of a hub"),
            Self::Missing(url) => write!(out, "{url}: there is no such file"),
            Self::Refused { url, status } => write!(out, "{url}: the server answers {status}"),
            Self::Broken { server, reason } => write!(
                out,
                "{server}: {reason}; what has come is kept, and the same command goes on from there"
            ),
            Self::TooLarge { url, limit } => write!(out, "{url}: larger than {limit} bytes"),
            Self::Hash {
                url,
                expected,
                found,
            } => write!(
                out,
                "{url}: its hash should be {expected} and is {found}; it was deleted"
            ),
            Self::NoHash(url) => write!(
                out,
                "{url}: the server names no hash, so nothing tells whether the file is whole"
            ),
            Self::Interrupted => write!(out, "interrupted; the same command goes on from there"),
            Self::Io(path, error) => write!(out, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for FetchError {}

/// Fetches a file and gives its SHA-256. `progress` is told how many bytes there are, and of how
/// many; it ends the matter by saying `false`.
///
/// # Errors
/// Says what went wrong; the file at `path` is then as it was before.
pub fn fetch(
    want: &Fetch,
    progress: &mut dyn FnMut(u64, Option<u64>) -> bool,
) -> Result<String, FetchError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| FetchError::Io(want.path.clone(), error))?;
    let part = want.path.with_file_name(format!(
        "{}{PART}",
        want.path.file_name().unwrap_or_default().to_string_lossy()
    ));
    let named = runtime.block_on(download(want, &part, progress))?;
    let found = hashes(&part)?;
    let wrong = |expected: &str, found: &str| FetchError::Hash {
        url: want.url.clone(),
        expected: expected.to_owned(),
        found: found.to_owned(),
    };
    let checked = match (&want.sha256, named) {
        (Some(sha), _) if !sha.eq_ignore_ascii_case(&found.sha256) => {
            Err(wrong(sha, &found.sha256))
        }
        (_, Some(Named::Sha256(sha))) if sha != found.sha256 => Err(wrong(&sha, &found.sha256)),
        (_, Some(Named::GitBlob(sha))) if sha != found.git_blob => {
            Err(wrong(&sha, &found.git_blob))
        }
        (None, None) => Err(FetchError::NoHash(want.url.clone())),
        _ => Ok(()),
    };
    if let Err(error) = checked {
        let _ = fs::remove_file(&part);
        return Err(error);
    }
    fs::rename(&part, &want.path).map_err(|error| FetchError::Io(want.path.clone(), error))?;
    Ok(found.sha256)
}

/// The hash that a hub names for a file.
enum Named {
    Sha256(String),
    /// SHA-1 of the file as git stores it.
    GitBlob(String),
}

/// The hash in a hub's headers: that of a large file, else the entity's tag, which is git's.
fn named(headers: &HeaderMap) -> Option<Named> {
    let large = headers.get("x-linked-etag");
    let tag = large.or_else(|| headers.get(ETAG))?.to_str().ok()?;
    let tag = tag
        .trim()
        .trim_start_matches("W/")
        .trim_matches('"')
        .to_ascii_lowercase();
    let hexadecimal = tag.bytes().all(|it| it.is_ascii_hexdigit());
    match tag.len() {
        64 if hexadecimal => Some(Named::Sha256(tag)),
        40 if hexadecimal => Some(Named::GitBlob(tag)),
        _ => None,
    }
}

async fn download(
    want: &Fetch,
    part: &Path,
    progress: &mut dyn FnMut(u64, Option<u64>) -> bool,
) -> Result<Option<Named>, FetchError> {
    let io = |error| FetchError::Io(part.to_owned(), error);
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .connect_timeout(CONNECT)
        .user_agent(concat!("secondlook/", env!("CARGO_PKG_VERSION")))
        // Redirects are followed by hand: the hash stands in the answer that redirects.
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| broken(&want.url, &error))?;
    let mut have = fs::metadata(part).map_or(0, |it| it.len());
    let (mut response, mut hash) = ask(&client, want, have).await?;
    if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
        // Either it is whole already, which its hash will say, or it never was this file.
        let whole = total(response.headers());
        if whole == Some(have) {
            return Ok(hash);
        }
        have = 0;
        (response, hash) = ask(&client, want, 0).await?;
    }
    let resumed = response.status() == StatusCode::PARTIAL_CONTENT && begins_at(&response, have);
    if !resumed {
        have = 0;
    }
    let size = response.content_length().map(|it| it + have);
    if size.is_some_and(|it| it > want.limit) {
        return Err(too_large(want));
    }
    let mut file = OpenOptions::new()
        .create(true)
        .append(resumed)
        .write(true)
        .truncate(!resumed)
        .open(part)
        .map_err(io)?;
    loop {
        if !progress(have, size) {
            return Err(FetchError::Interrupted);
        }
        let chunk = tokio::time::timeout(PATIENCE, response.chunk()).await;
        let chunk = match chunk {
            Ok(Ok(Some(chunk))) => chunk,
            Ok(Ok(None)) => break,
            Ok(Err(error)) => return Err(broken(&want.url, &error)),
            Err(_) => {
                return Err(FetchError::Broken {
                    server: server(&want.url),
                    reason: format!("nothing came for {} seconds", PATIENCE.as_secs()),
                });
            }
        };
        have += chunk.len() as u64;
        if have > want.limit {
            return Err(too_large(want));
        }
        file.write_all(&chunk).map_err(io)?;
    }
    file.sync_all().map_err(io)?;
    if size.is_some_and(|it| it != have) {
        return Err(FetchError::Broken {
            server: server(&want.url),
            reason: "the connection ended early".to_owned(),
        });
    }
    Ok(hash)
}

/// Asks for the file from a place on, wherever it has moved to.
async fn ask(
    client: &Client,
    want: &Fetch,
    from: u64,
) -> Result<(Response, Option<Named>), FetchError> {
    let mut url = Url::parse(&want.url).map_err(|_| FetchError::Address(want.url.clone()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(FetchError::Address(want.url.clone()));
    }
    let mut hash = None;
    for _ in 0..MAX_REDIRECTS {
        let mut request = client.get(url.clone());
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        let sent = tokio::time::timeout(PATIENCE, request.send()).await;
        let response = match sent {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(broken(url.as_str(), &error)),
            Err(_) => {
                return Err(FetchError::Broken {
                    server: server(url.as_str()),
                    reason: format!("no answer for {} seconds", PATIENCE.as_secs()),
                });
            }
        };
        // The first to name a hash is the hub; those behind it only store.
        hash = hash.or_else(|| named(response.headers()));
        let status = response.status();
        if status.is_redirection() {
            let next = response.headers().get(LOCATION);
            let next = next.and_then(|it| url.join(it.to_str().ok()?).ok());
            let refused = FetchError::Refused {
                url: want.url.clone(),
                status: status.as_u16(),
            };
            let next = next.ok_or(refused)?;
            if url.scheme() == "https" && next.scheme() != "https" {
                return Err(FetchError::Address(next.to_string()));
            }
            url = next;
            continue;
        }
        return match status {
            StatusCode::NOT_FOUND => Err(FetchError::Missing(want.url.clone())),
            StatusCode::RANGE_NOT_SATISFIABLE => Ok((response, hash)),
            it if it.is_success() => Ok((response, hash)),
            it => Err(FetchError::Refused {
                url: want.url.clone(),
                status: it.as_u16(),
            }),
        };
    }
    Err(FetchError::Broken {
        server: server(&want.url),
        reason: format!("it moved the file more than {MAX_REDIRECTS} times"),
    })
}

fn begins_at(response: &Response, have: u64) -> bool {
    let range = response.headers().get(CONTENT_RANGE);
    let range = range.and_then(|it| it.to_str().ok());
    range.is_some_and(|it| it.starts_with(&format!("bytes {have}-")))
}

/// The whole length that a range names.
fn total(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    range.rsplit('/').next()?.parse().ok()
}

fn too_large(want: &Fetch) -> FetchError {
    FetchError::TooLarge {
        url: want.url.clone(),
        limit: want.limit,
    }
}

fn server(url: &str) -> String {
    let parsed = Url::parse(url).ok();
    let host = parsed.as_ref().and_then(|it| it.host_str());
    host.unwrap_or(url).to_owned()
}

fn broken(url: &str, error: &reqwest::Error) -> FetchError {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    FetchError::Broken {
        server: server(url),
        reason: deepest.to_string(),
    }
}

struct Hashes {
    sha256: String,
    git_blob: String,
}

fn hashes(path: &Path) -> Result<Hashes, FetchError> {
    let io = |error| FetchError::Io(path.to_owned(), error);
    let mut file = File::open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    let mut sha = Context::new(&SHA256);
    let mut git = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    git.update(format!("blob {length}\0").as_bytes());
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = file.read(&mut buffer).map_err(io)?;
        if read == 0 {
            break;
        }
        sha.update(&buffer[..read]);
        git.update(&buffer[..read]);
    }
    let hexadecimal = |it: Context| -> String {
        let digest = it.finish();
        digest
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    };
    Ok(Hashes {
        sha256: hexadecimal(sha),
        git_blob: hexadecimal(git),
    })
}
