//! A folder of Markdown notes as an index: a company's own guidelines and what its people wrote.
//! It knows just enough Markdown to tell code from prose; it follows no link out of the folder.

use std::fs;
use std::path::{Path, PathBuf};

use kb_index::{IndexKind, Manifest, PostWriter, Step};
use kb_schema::{Language, Post};

use crate::clean::clean;
use crate::dump::{compiled, now};
use crate::error::ImportError;
use crate::html::Text;
use crate::options::{Progress, Report};
use crate::post::{languages, quoted};
use crate::update::Update;

/// The longest note that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;
/// The most notes of one folder.
const MAX_NOTES: usize = 100_000;
/// How deep folders are followed.
const MAX_DEPTH: usize = 16;
/// So many notes that cannot be read are told of by name.
const SAMPLES: usize = 5;

/// One import of notes.
#[derive(Debug, Clone)]
pub struct NotesOptions {
    /// The folder.
    pub folder: PathBuf,
    /// Where indexes live.
    pub index_dir: PathBuf,
    /// The index that is made or brought up to date.
    pub name: String,
    /// Whether an index that is damaged or of another format is replaced.
    pub rebuild: bool,
}

/// Brings an index up to date with a folder of notes.
///
/// # Errors
/// The folder cannot be read, somebody else writes the index, the disk is full. In every case the
/// index that stood before still stands.
pub fn import_notes(
    options: &NotesOptions,
    progress: &mut dyn Progress,
) -> Result<Report, ImportError> {
    fs::read_dir(&options.folder).map_err(ImportError::io(&options.folder))?;
    let mut writer = PostWriter::open(&options.index_dir, &options.name, options.rebuild)?;
    let mut skipped = Skipped::default();
    let notes = find(&options.folder, &mut skipped);
    progress.phase("notes", notes.len() as u64);
    let mut report = Report::of(manifest(options, &notes));
    let security = compiled(&crate::expression())?;
    let mut known = Update::of(&writer)?;
    for (done, path) in (0_u64..).zip(&notes) {
        progress.at(done);
        if progress.interrupted() {
            return Err(ImportError::Interrupted);
        }
        let relative = path.strip_prefix(&options.folder).unwrap_or(path);
        let relative = relative.display().to_string();
        let text = match read(path) {
            Ok(text) => text,
            Err(reason) => {
                skipped.add(&relative, &reason);
                continue;
            }
        };
        let mut post = note(&relative, &text);
        post.warns = security.is_match(post.prose.as_bytes());
        known.put(&mut writer, &post, &mut report)?;
    }
    let count = known.finish(&mut writer, &mut report)?;
    report.manifest.steps.push(Step {
        name: "notes".to_owned(),
        kept: count,
        dropped: skipped.count,
    });
    report.manifest = writer.commit(report.manifest, count)?;
    report.skipped = (skipped.count, skipped.samples);
    Ok(report)
}

fn manifest(options: &NotesOptions, notes: &[PathBuf]) -> Manifest {
    let folder = options.folder.display().to_string();
    Manifest {
        kind: IndexKind::Notes,
        site: folder.clone(),
        sources: vec![folder],
        written: now(),
        posts: notes.len() as u64,
        revision: 0,
        steps: Vec::new(),
        options: Vec::new(),
    }
}

#[derive(Default)]
struct Skipped {
    count: u64,
    samples: Vec<String>,
}

impl Skipped {
    fn add(&mut self, name: &str, reason: &str) {
        self.count += 1;
        if self.samples.len() < SAMPLES {
            self.samples.push(format!("{name}: {reason}"));
        }
    }
}

/// Every note below the folder. Links are left out: they may lead anywhere.
fn find(folder: &Path, skipped: &mut Skipped) -> Vec<PathBuf> {
    let mut notes = Vec::new();
    let mut open = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = open.pop() {
        let items = match fs::read_dir(&folder) {
            Ok(items) => items,
            Err(error) => {
                skipped.add(&folder.display().to_string(), &error.to_string());
                continue;
            }
        };
        for item in items.flatten() {
            let path = item.path();
            let hidden = item.file_name().as_encoded_bytes().starts_with(b".");
            let is_note = path.extension().is_some_and(|it| {
                it.eq_ignore_ascii_case("md") || it.eq_ignore_ascii_case("markdown")
            });
            let Ok(kind) = item.file_type() else { continue };
            if hidden {
                continue;
            }
            if kind.is_symlink() {
                if is_note {
                    skipped.add(
                        &path.display().to_string(),
                        "it is a link, which may lead out of the folder",
                    );
                }
            } else if kind.is_dir() && depth < MAX_DEPTH {
                open.push((path, depth + 1));
            } else if kind.is_file() && is_note {
                if notes.len() == MAX_NOTES {
                    skipped.add(
                        &path.display().to_string(),
                        "the folder has more than 100000 notes",
                    );
                    return notes;
                }
                notes.push(path);
            }
        }
    }
    notes.sort();
    notes
}

fn read(path: &Path) -> Result<String, String> {
    let length = fs::metadata(path).map_err(|it| it.to_string())?.len();
    if length > MAX_BYTES {
        return Err(format!("it is longer than {MAX_BYTES} bytes"));
    }
    let bytes = fs::read(path).map_err(|it| it.to_string())?;
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
}

/// One note as a post.
fn note(relative: &str, text: &str) -> Post {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (head, body) = head(text);
    let mut post = Post {
        id: PostWriter::number_of(relative),
        source: relative.to_owned(),
        ..Post::default()
    };
    for line in head.lines() {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim().trim_matches(['"', '\'']).trim().to_owned();
        if value.is_empty() {
            continue;
        }
        match key.trim().to_ascii_lowercase().as_str() {
            "title" => post.title = value,
            "author" => post.author = Some(value),
            "date" => post.date = Some(value),
            "licence" | "license" => post.licence = Some(value),
            "link" | "url" if value.starts_with("https://") || value.starts_with("http://") => {
                post.link = Some(value);
            }
            "tags" => {
                let tags = value.split([',', '[', ']', ' ']);
                post.tags = tags
                    .map(|it| it.trim_matches(['"', '\'']))
                    .filter(|it| !it.is_empty())
                    .map(str::to_owned)
                    .collect();
            }
            _ => {}
        }
    }
    let mut parts = Text::default();
    let fenced = split(body, &mut parts, &mut post.title);
    post.languages = languages(&post.tags);
    for language in fenced {
        if !post.languages.contains(&language) {
            post.languages.push(language);
        }
    }
    if post.title.is_empty() {
        let name = Path::new(relative).file_stem().unwrap_or_default();
        post.title = name.to_string_lossy().replace(['-', '_'], " ");
    }
    post.title = clean(&post.title).into_owned();
    post.prose = clean(&parts.prose).trim().to_owned();
    post.code = parts.code;
    post.markers = parts.markers;
    post
}

/// The lines between `---` at the beginning, and what follows them.
fn head(text: &str) -> (&str, &str) {
    let none = ("", text);
    let Some(rest) = text
        .strip_prefix("---")
        .and_then(|it| it.strip_prefix("\r\n").or_else(|| it.strip_prefix('\n')))
    else {
        return none;
    };
    match rest.find("\n---") {
        Some(end) => {
            let body = &rest[end + 4..];
            (&rest[..end], body.split_once('\n').map_or("", |it| it.1))
        }
        None => none,
    }
}

/// Code blocks apart from prose. Gives the languages that fences name.
fn split(body: &str, parts: &mut Text, title: &mut String) -> Vec<Language> {
    let mut languages = Vec::new();
    let mut fence: Option<(&str, String)> = None;
    for line in body.lines() {
        let begin = line.trim_start();
        if let Some((mark, code)) = &mut fence {
            if begin.starts_with(*mark) && begin.trim_end().chars().all(|it| mark.starts_with(it)) {
                parts.code.push(std::mem::take(code));
                fence = None;
            } else {
                code.push_str(line);
                code.push('\n');
            }
            continue;
        }
        if let Some(mark) = ["```", "~~~"].into_iter().find(|it| begin.starts_with(it)) {
            let word = begin[3..].trim().to_ascii_lowercase();
            languages.extend(match word.split([' ', '{', ',']).next() {
                Some("python" | "py" | "python3") => Some(Language::Python),
                Some("c" | "h" | "cpp" | "c++") => Some(Language::C),
                _ => None,
            });
            fence = Some((mark, String::new()));
            continue;
        }
        if let Some(heading) = begin.strip_prefix('#') {
            let heading = heading.trim_start_matches('#').trim();
            if title.is_empty() && !heading.is_empty() {
                heading.clone_into(title);
            }
        }
        for marker in quoted(line) {
            parts.mark(marker);
        }
        parts.prose.push_str(line);
        parts.prose.push('\n');
    }
    // A fence that is never closed runs to the end.
    parts.code.extend(fence.map(|(_, code)| code));
    languages
}
