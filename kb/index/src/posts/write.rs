//! Writing an installed index: one writer at a time, and readers see a commit whole or not at all.
//! It knows posts and folders, nothing of what is worth keeping.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kb_schema::Post;
use tantivy::directory::MmapDirectory;
use tantivy::indexer::IndexWriterOptions;
use tantivy::schema::Field;
use tantivy::{Index, IndexWriter, TantivyDocument, Term};

use super::merge::SmallMerges;
use super::queue::{Room, Waiting};
use super::{
    BM25, HASH, ID, IndexError, LANGUAGES, LOCK, Manifest, POST, POSTS_FORMAT, STAMP, Stamp,
};
use super::{POST_FIELDS, folder, languages, schema};
use crate::hash;
use crate::index::tokenizers;

/// Memory for documents that are not yet written, in bytes.
const WRITE_BYTES: usize = 48 << 20;
/// Where an index that is new grows.
const NEW: &str = "bm25.new";
/// Where one that is replaced stands for a moment.
const OLD: &str = "bm25.old";

/// What became of a post that was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// There was none of that number.
    Added,
    /// It replaces another form of it.
    Changed,
    /// It is there in this form.
    Unchanged,
}

/// The right to write one index. Nothing that it does is seen before [`PostWriter::commit`].
pub struct PostWriter {
    path: PathBuf,
    name: String,
    index: Index,
    /// Made by the first change, because it takes memory that other steps of an import need.
    writer: Option<IndexWriter<Waiting>>,
    room: Arc<Room>,
    fields: Vec<Field>,
    key: Field,
    revision: u64,
    /// Where an index that is new grows until its first commit.
    aside: Option<PathBuf>,
    _lock: File,
}

impl PostWriter {
    /// Takes the right to write the index of that name, which is made where there is none.
    /// `rebuild` replaces one that is damaged or of another format; it is gone from then on.
    ///
    /// # Errors
    /// Somebody else writes it, it is of another format or damaged, or the folder cannot be written.
    pub fn open(index_dir: &Path, name: &str, rebuild: bool) -> Result<Self, IndexError> {
        let path = folder(index_dir, name)?;
        fs::create_dir_all(&path).map_err(IndexError::io(&path))?;
        let lock = lock(&path, name)?;
        let there = !rebuild && super::read::stamp(&path)?.is_some();
        let aside = (!there).then(|| path.join(NEW));
        let mut index = match &aside {
            None => super::read::index(&path)?,
            Some(aside) => create(aside, &path)?,
        };
        index.set_tokenizers(tokenizers());
        let revision = super::read::manifest(&path, &index)?.map_or(0, |it| it.revision);
        let schema = index.schema();
        let field = |name: &str| {
            schema.get_field(name).map_err(|error| IndexError::Damaged {
                path: path.clone(),
                reason: error.to_string(),
            })
        };
        let fields = POST_FIELDS
            .iter()
            .map(|(name, _)| field(name))
            .chain([ID, HASH, LANGUAGES, POST].into_iter().map(field))
            .collect::<Result<Vec<_>, _>>()?;
        let key = field("key")?;
        Ok(Self {
            name: name.to_owned(),
            index,
            writer: None,
            room: Arc::default(),
            fields,
            key,
            revision,
            aside,
            _lock: lock,
            path,
        })
    }

    /// The index's folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The index's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number and fingerprint of every post that is there now, sorted by number.
    ///
    /// # Errors
    /// The index is damaged.
    pub fn known(&self) -> Result<Vec<(u64, u64)>, IndexError> {
        super::read::known(&self.path, &self.index)
    }

    /// A number for something that has a name instead.
    #[must_use]
    pub fn number_of(name: &str) -> u64 {
        hash::of(name.as_bytes())
    }

    /// Adds a post, in the place of the one of its number whose fingerprint, as
    /// [`PostWriter::known`] gives it, is `known`; leaves that one alone where it is the same.
    ///
    /// # Errors
    /// The disk is full, or the index cannot be written.
    pub fn put(&mut self, post: &Post, known: Option<u64>) -> Result<Put, IndexError> {
        let json = serde_json::to_vec(post).unwrap_or_default();
        let new = hash::of(&json);
        let put = match known {
            Some(old) if old == new => return Ok(Put::Unchanged),
            Some(_) => {
                self.remove(post.id)?;
                Put::Changed
            }
            None => Put::Added,
        };
        let texts = [
            post.code.join("\n"),
            post.markers.join("\n"),
            post.title.clone(),
            post.prose.clone(),
            post.tags.join(" "),
        ];
        let bytes = json.len() + texts.iter().map(String::len).sum::<usize>();
        let mut document = TantivyDocument::default();
        for (field, text) in self.fields.iter().zip(texts) {
            if !text.is_empty() {
                document.add_text(*field, text);
            }
        }
        let rest = &self.fields[POST_FIELDS.len()..];
        document.add_text(self.key, post.id.to_string());
        let [id, fingerprint, language, whole] = rest else {
            return Ok(put);
        };
        document.add_u64(*id, post.id);
        document.add_u64(*fingerprint, new);
        document.add_u64(*language, languages(post));
        document.add_bytes(*whole, &json);
        let path = self.path.clone();
        let _place = self.room.enter(bytes);
        let added = self.writer()?.add_document(Waiting { document, _place });
        added.map_err(|error| IndexError::Write { path, error })?;
        Ok(put)
    }

    /// Takes a whole index away.
    ///
    /// # Errors
    /// It is not there, somebody writes it, or its folder cannot be removed.
    pub fn remove_index(index_dir: &Path, name: &str) -> Result<(), IndexError> {
        remove(index_dir, name)
    }

    /// Takes the post of that number away.
    ///
    /// # Errors
    /// The index cannot be written.
    pub fn remove(&mut self, id: u64) -> Result<(), IndexError> {
        let term = Term::from_field_text(self.key, &id.to_string());
        self.writer()?.delete_term(term);
        Ok(())
    }

    fn writer(&mut self) -> Result<&mut IndexWriter<Waiting>, IndexError> {
        if self.writer.is_none() {
            let options = IndexWriterOptions::builder()
                .num_worker_threads(1)
                .memory_budget_per_thread(WRITE_BYTES)
                .num_merge_threads(1)
                .build();
            let writer = self.index.writer_with_options(options);
            let writer = writer.map_err(|error| IndexError::Write {
                path: self.path.clone(),
                error,
            })?;
            // A writer that was killed may have left a list of what it deleted. This one counts its
            // steps from where that one began, and so will want to make a file of the same name.
            let swept = writer.garbage_collect_files().wait();
            swept.map_err(|error| IndexError::Write {
                path: self.path.clone(),
                error,
            })?;
            let place = self.path.join(BM25);
            writer.set_merge_policy(Box::new(SmallMerges {
                folder: self.aside.clone().unwrap_or(place),
            }));
            self.writer = Some(writer);
        }
        // It was made a moment ago.
        Ok(self
            .writer
            .as_mut()
            .expect("made above where it was missing"))
    }

    /// Makes everything since the last commit visible, in one step. `posts` and `revision` are
    /// filled in here.
    ///
    /// # Errors
    /// The disk is full, or the index cannot be written; then the old state still stands.
    pub fn commit(mut self, mut manifest: Manifest, posts: u64) -> Result<Manifest, IndexError> {
        manifest.posts = posts;
        manifest.revision = self.revision + 1;
        let path = self.path.clone();
        let refused = |error| IndexError::Write {
            path: path.clone(),
            error,
        };
        let payload = serde_json::to_string(&manifest).unwrap_or_default();
        self.writer()?;
        let Some(mut writer) = self.writer.take() else {
            return Ok(manifest);
        };
        let mut prepared = writer.prepare_commit().map_err(refused)?;
        prepared.set_payload(&payload);
        prepared.commit().map_err(refused)?;
        // What merging leaves undone costs time at the next search, not truth.
        let _ = writer.wait_merging_threads();
        if let Some(aside) = self.aside.take() {
            drop(self.index);
            let place = self.path.join(BM25);
            let old = self.path.join(OLD);
            remove_folder(&old)?;
            if place.exists() {
                fs::rename(&place, &old).map_err(IndexError::io(&place))?;
            }
            fs::rename(&aside, &place).map_err(IndexError::io(&place))?;
            write_stamp(&self.path)?;
            let _ = remove_folder(&old);
        }
        Ok(manifest)
    }
}

/// Makes an index in a folder of its own, over what a dead process left there.
fn create(aside: &Path, path: &Path) -> Result<Index, IndexError> {
    remove_folder(aside)?;
    fs::create_dir_all(aside).map_err(IndexError::io(aside))?;
    MmapDirectory::open(aside)
        .map_err(tantivy::TantivyError::from)
        .and_then(|files| Index::create(files, schema(), tantivy::IndexSettings::default()))
        .map_err(|error| IndexError::Write {
            path: path.to_owned(),
            error,
        })
}

fn remove_folder(path: &Path) -> Result<(), IndexError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(IndexError::io(path)(error))
        }
        _ => Ok(()),
    }
}

fn write_stamp(path: &Path) -> Result<(), IndexError> {
    let stamp = serde_json::to_string(&Stamp {
        format: POSTS_FORMAT,
    })
    .unwrap_or_default();
    let place = path.join(STAMP);
    let new = path.join("stamp.json.new");
    fs::write(&new, stamp)
        .and_then(|()| fs::rename(&new, &place))
        .map_err(IndexError::io(&place))
}

/// Takes the lock, and leaves the process's number in it for the one who comes second.
fn lock(path: &Path, name: &str) -> Result<File, IndexError> {
    let place = path.join(LOCK);
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&place)
        .map_err(IndexError::io(&place))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let _ = (&mut file).take(32).read_to_string(&mut text);
            let number = text.trim();
            let by = if number.is_empty() {
                String::new()
            } else {
                format!(" (process {number})")
            };
            return Err(IndexError::Locked {
                name: name.to_owned(),
                by,
                path: place,
            });
        }
        Err(TryLockError::Error(error)) => return Err(IndexError::io(&place)(error)),
    }
    // Only a hint for people: a full disk must not keep anybody from reading what is there.
    let _ = file
        .set_len(0)
        .and_then(|()| write!(file, "{}", std::process::id()));
    Ok(file)
}

/// Takes an index away.
///
/// # Errors
/// It is not there, somebody writes it, or its folder cannot be removed.
pub(super) fn remove(index_dir: &Path, name: &str) -> Result<(), IndexError> {
    let path = folder(index_dir, name)?;
    if !path.is_dir() {
        return Err(IndexError::Unknown {
            name: name.to_owned(),
        });
    }
    let _lock = lock(&path, name)?;
    fs::remove_dir_all(&path).map_err(IndexError::io(&path))
}
