//! An import from its first byte to the commit: the order of the readings, the filter, the update.
//! It knows the steps; rows, text and the index are the business of others.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kb_index::{IndexKind, Manifest, PostWriter, Step};
use regex::bytes::{Regex, RegexBuilder};
use roaring::RoaringBitmap;

use crate::error::ImportError;
use crate::gather::{Gathered, Wish, gather};
use crate::options::{DumpOptions, Filter, Progress, Report};
use crate::post::{self, Context, MAX_COMMENTS, Sources};
use crate::row::{Bad, Fields, Place, Rows};
use crate::state::{Phase, State};
use crate::update::Update;
use crate::{comments, posts};

/// How long a run works before it saves what it knows.
const SAVE_EVERY: Duration = Duration::from_secs(10);
/// The largest compiled expression of security words, in bytes.
const MAX_EXPRESSION: usize = 16 << 20;
/// How many posts are indexed between two looks at the stop sign.
const STRIDE: u64 = 256;

/// What every reading shares.
pub(crate) struct Run<'r> {
    pub(crate) options: &'r DumpOptions,
    /// Where an unfinished import keeps what it needs.
    pub(crate) folder: PathBuf,
    pub(crate) security: Regex,
    /// Words of denial, and those that take it back.
    pub(crate) denial: (Regex, Regex),
    progress: &'r mut dyn Progress,
    /// What went wrong where only a row's mistake could be told.
    pub(crate) failed: Option<ImportError>,
    saved: Instant,
}

impl Run<'_> {
    /// Shows how far it is, and stops where somebody wants that.
    pub(crate) fn go_on(&mut self, at: Place) -> Result<(), ImportError> {
        self.progress.at(at.consumed);
        if self.progress.interrupted() {
            return Err(ImportError::Interrupted);
        }
        Ok(())
    }

    pub(crate) fn wants_save(&self, _at: Place) -> bool {
        self.saved.elapsed() > SAVE_EVERY || self.progress.interrupted()
    }

    pub(crate) fn save(&mut self, state: &mut State, at: Place) -> Result<(), ImportError> {
        state.head.offset = at.offset;
        state.head.line = at.line;
        state.save(&self.folder)?;
        self.saved = Instant::now();
        Ok(())
    }

    fn phase(&mut self, name: &str, path: &Path) {
        let bytes = fs::metadata(path).map_or(0, |it| it.len());
        self.progress.phase(name, bytes);
    }
}

/// Brings an index up to date with a dump: what the filter keeps of it is what the index holds
/// afterwards.
///
/// # Errors
/// A file cannot be read or is no dump, the options cannot be meant, somebody else writes the
/// index, the disk is full. In every case the index that stood before still stands.
pub fn import(options: &DumpOptions, progress: &mut dyn Progress) -> Result<Report, ImportError> {
    let security = check(options)?;
    let fingerprint = fingerprint(options)?;
    let mut writer = PostWriter::open(&options.index_dir, &options.name, options.rebuild)?;
    let folder = writer.path().join("import");
    fs::create_dir_all(&folder).map_err(ImportError::io(&folder))?;
    let mut run = Run {
        options,
        folder,
        security,
        denial: denial()?,
        progress,
        failed: None,
        saved: Instant::now(),
    };
    let loaded = State::load(&run.folder, &fingerprint);
    let resumed = loaded.as_ref().map(told);
    let mut state = loaded.unwrap_or_else(|| State::new(fingerprint));
    read_posts(&mut run, &mut state)?;
    read_comments(&mut run, &mut state)?;
    let (kept, steps) = filtered(&options.filter, &state);
    let mut fetched = fetch(&mut run, &state, kept)?;
    let mut bad = state.head.bad.clone();
    let mut report = update(&mut run, &mut writer, &mut fetched, &mut bad)?;
    report.manifest.steps = steps;
    let held = report.added + report.changed + report.unchanged;
    report.manifest = writer.commit(report.manifest, held)?;
    report.resumed = resumed;
    report.skipped = (bad.count, bad.samples);
    State::remove(&run.folder);
    Ok(report)
}

fn check(options: &DumpOptions) -> Result<Regex, ImportError> {
    let filter = &options.filter;
    let wrong = |reason: String| Err(ImportError::Options { reason });
    if options.comments.is_none() && (filter.comment || filter.security.is_some()) {
        return wrong(
            "give --comments Comments.xml, or leave out the steps that need it with --skip comment,security"
                .to_owned(),
        );
    }
    if !options.site.starts_with("https://") && !options.site.starts_with("http://") {
        return wrong(format!(
            "--site {}: an address begins with https://",
            options.site
        ));
    }
    if let Some(tag) = filter.tags.iter().find(|it| it.trim().is_empty()) {
        return wrong(format!("--tags: `{tag}` is no tag"));
    }
    let expression = filter.security.clone().unwrap_or_else(crate::expression);
    compiled(&expression)
}

/// An expression over the bytes of a dump, letter case apart.
pub(crate) fn compiled(expression: &str) -> Result<Regex, ImportError> {
    let built = RegexBuilder::new(expression)
        .case_insensitive(true)
        .unicode(false)
        .size_limit(MAX_EXPRESSION)
        .build();
    built.map_err(|error| ImportError::Options {
        reason: format!("the expression of security words: {error}"),
    })
}

/// The words of denial, and those that take it back.
pub(crate) fn denial() -> Result<(Regex, Regex), ImportError> {
    let (denial, hedge) = crate::security::denial();
    Ok((compiled(&denial)?, compiled(&hedge)?))
}

/// Everything that a saved state depends on.
fn fingerprint(options: &DumpOptions) -> Result<String, ImportError> {
    let mut parts = vec![format!("{:?} {}", options.filter, options.site)];
    let files = [Some(&options.posts), options.comments.as_ref()];
    for path in files.into_iter().flatten() {
        let meta = fs::metadata(path).map_err(ImportError::io(path))?;
        let modified = meta.modified().unwrap_or(UNIX_EPOCH);
        let modified = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        let whole = fs::canonicalize(path).map_err(ImportError::io(path))?;
        parts.push(format!(
            "{} {} {}",
            whole.display(),
            meta.len(),
            modified.as_nanos()
        ));
    }
    Ok(parts.join("\n"))
}

/// Where an earlier run is taken up.
fn told(state: &State) -> String {
    let mib = state.head.offset >> 20;
    match state.head.phase {
        Phase::Posts => format!("at {mib} MiB of the posts"),
        Phase::Comments => format!("at {mib} MiB of the comments"),
        Phase::Fetch => "after the posts and comments were read".to_owned(),
    }
}

fn read_posts(run: &mut Run<'_>, state: &mut State) -> Result<(), ImportError> {
    if state.head.phase != Phase::Posts {
        return Ok(());
    }
    let path = run.options.posts.clone();
    let mut rows = Rows::open(&path, "posts")?;
    rows.resume(state.head.offset, state.head.line)?;
    rows.bad = state.head.bad.clone();
    run.phase("posts", &path);
    let mut reading = posts::Reading::new(run, state)?;
    let read = rows.each(&mut reading);
    reading.finish()?;
    state.head.bad = rows.bad;
    read?;
    next_phase(run, state, Phase::Comments)
}

fn read_comments(run: &mut Run<'_>, state: &mut State) -> Result<(), ImportError> {
    if state.head.phase != Phase::Comments {
        return Ok(());
    }
    if let Some(path) = run.options.comments.clone() {
        let mut rows = Rows::open(&path, "comments")?;
        rows.resume(state.head.offset, state.head.line)?;
        rows.bad = state.head.bad.clone();
        run.phase("comments", &path);
        let mut reading = comments::Reading { run, state };
        let read = rows.each(&mut reading);
        state.head.bad = rows.bad;
        read?;
    }
    next_phase(run, state, Phase::Fetch)
}

fn next_phase(run: &mut Run<'_>, state: &mut State, phase: Phase) -> Result<(), ImportError> {
    state.head.phase = phase;
    state.head.offset = 0;
    state.head.line = 0;
    state.save(&run.folder)?;
    run.saved = Instant::now();
    Ok(())
}

/// The answers that pass every step, and what each step kept.
fn filtered(filter: &Filter, state: &State) -> (RoaringBitmap, Vec<Step>) {
    let counts = &state.head.counts;
    let mut steps = Vec::new();
    let mut before = counts.rows;
    let mut step = |name: &str, kept: u64| {
        steps.push(Step {
            name: name.to_owned(),
            kept,
            dropped: before.saturating_sub(kept),
        });
        before = kept;
    };
    step("answers", counts.answers);
    if !filter.tags.is_empty() {
        step(&format!("tagged {}", filter.tags.join(", ")), counts.tagged);
    }
    if filter.code {
        step("with a code block", counts.code);
    }
    let mut kept = state.candidates.clone();
    if filter.comment {
        kept &= &state.commented;
        step("with a comment", kept.len());
    }
    if filter.security.is_some() {
        kept &= &state.warned;
        step("with a comment on security", kept.len());
    }
    if let Some(least) = filter.votes {
        kept &= &state.upvoted | &state.voted;
        step(
            &format!(
                "with {least} vote{} on it or on a comment",
                if least == 1 { "" } else { "s" }
            ),
            kept.len(),
        );
    }
    (kept, steps)
}

/// The rows of everything that is kept.
struct Fetched {
    kept: RoaringBitmap,
    posts: Gathered,
    comments: Option<Gathered>,
    users: Option<Gathered>,
}

fn fetch(run: &mut Run<'_>, state: &State, kept: RoaringBitmap) -> Result<Fetched, ImportError> {
    let questions = posts::parents(&run.folder, &kept)?;
    let mut authors = RoaringBitmap::new();
    let options = run.options;
    run.phase("fetching posts", &options.posts);
    let wish = Wish {
        name: "posts",
        key: b"Id",
        author: b"OwnerUserId",
        wanted: &kept | &questions,
    };
    let rows = Rows::open(&options.posts, "posts")?;
    let posts = gather(run, rows, wish, Some(&state.blocks), &mut authors)?;
    let mut comments = None;
    if let Some(path) = &options.comments {
        run.phase("fetching comments", path);
        let wish = Wish {
            name: "comments",
            key: b"PostId",
            author: b"UserId",
            wanted: kept.clone(),
        };
        let rows = Rows::open(path, "comments")?;
        comments = Some(gather(run, rows, wish, None, &mut authors)?);
    }
    let mut users = None;
    if let Some(path) = &options.users {
        run.phase("fetching names", path);
        let wish = Wish {
            name: "users",
            key: b"Id",
            author: b"",
            wanted: std::mem::take(&mut authors),
        };
        let rows = Rows::open(path, "users")?;
        users = Some(gather(run, rows, wish, None, &mut authors)?);
    }
    Ok(Fetched {
        kept,
        posts,
        comments,
        users,
    })
}

/// Decodes what was fetched, and writes what is new or different; takes away what is gone.
fn update(
    run: &mut Run<'_>,
    writer: &mut PostWriter,
    fetched: &mut Fetched,
    bad: &mut Bad,
) -> Result<Report, ImportError> {
    let options = run.options;
    let mut known = Update::of(writer)?;
    let name = options.posts.file_name().unwrap_or_default();
    // How a file is packed is no part of what it says: the same posts stay as they are.
    let name = name.to_string_lossy();
    let source = [".gz", ".zst"]
        .iter()
        .find_map(|end| name.strip_suffix(end))
        .unwrap_or(&name)
        .to_owned();
    let mut report = Report::of(manifest(options));
    run.progress.phase("indexing", fetched.kept.len());
    let kept = fetched.kept.clone();
    for (done, id) in (0_u64..).zip(&kept) {
        if done % STRIDE == 0 {
            run.progress.at(done);
            if run.progress.interrupted() {
                return Err(ImportError::Interrupted);
            }
        }
        let sources = match sources(fetched, id)? {
            Ok(sources) => sources,
            Err(reason) => {
                bad.add(&options.posts, 0, &format!("post {id}: {reason}"));
                // A post whose row is broken today is better than none.
                known.leave(u64::from(id), &mut report);
                continue;
            }
        };
        let context = Context {
            site: options.site.trim_end_matches('/'),
            security: &run.security,
            denial: &run.denial,
            source: &source,
        };
        let mut failed = None;
        let mut name = |number: u32| match user(fetched, number) {
            Ok(name) => name,
            Err(error) => {
                failed = Some(error);
                None
            }
        };
        let Some(post) = post::build(&context, &sources, &mut name) else {
            continue;
        };
        if let Some(error) = failed {
            return Err(error);
        }
        known.put(writer, &post, &mut report)?;
    }
    run.progress.at(kept.len());
    known.finish(writer, &mut report)?;
    Ok(report)
}

/// The rows of one post; within, why they cannot be used.
fn sources(fetched: &mut Fetched, id: u32) -> Result<Result<Sources, String>, ImportError> {
    let mut one = |number| -> Result<Option<Result<Fields, String>>, ImportError> {
        let rows = fetched.posts.rows(number, 1)?;
        Ok(rows.first().map(|row| Fields::read(row)))
    };
    let answer = match one(id)? {
        Some(Ok(answer)) => answer,
        Some(Err(reason)) => return Ok(Err(reason)),
        None => return Ok(Err("its row is gone".to_owned())),
    };
    // Without its question a post has no title and no tags, which is no reason to lose it.
    let question = match answer.number("ParentId") {
        Some(parent) => one(parent)?.and_then(Result::ok),
        None => None,
    };
    let mut comments = Vec::new();
    if let Some(found) = &mut fetched.comments {
        let mut rows = found.rows(id, MAX_COMMENTS)?;
        rows.reverse();
        comments.extend(rows.iter().filter_map(|row| Fields::read(row).ok()));
    }
    Ok(Ok(Sources {
        answer,
        question,
        comments,
    }))
}

fn user(fetched: &mut Fetched, number: u32) -> Result<Option<String>, ImportError> {
    let Some(users) = &mut fetched.users else {
        return Ok(None);
    };
    let rows = users.rows(number, 1)?;
    let row = rows.first().and_then(|row| Fields::read(row).ok());
    Ok(row.and_then(|row| row.get("DisplayName").map(str::to_owned)))
}

fn manifest(options: &DumpOptions) -> Manifest {
    let filter = &options.filter;
    let files = [
        Some(&options.posts),
        options.comments.as_ref(),
        options.users.as_ref(),
    ];
    let mut said = Vec::new();
    if !filter.tags.is_empty() {
        said.push(format!("tags {}", filter.tags.join(",")));
    }
    for (step, on) in [
        ("code", filter.code),
        ("comment", filter.comment),
        ("security", filter.security.is_some()),
        ("votes", filter.votes.is_some()),
    ] {
        if !on {
            said.push(format!("without the step {step}"));
        }
    }
    Manifest {
        kind: IndexKind::Dump,
        site: options.site.clone(),
        sources: files
            .into_iter()
            .flatten()
            .map(|it| it.display().to_string())
            .collect(),
        written: now(),
        posts: 0,
        revision: 0,
        steps: Vec::new(),
        options: said,
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |it| it.as_secs())
}

/// A moment in seconds since 1970 as people write it, in universal time.
#[must_use]
pub fn time_of(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // The calendar counted from the first of March, so that leap days end its years.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02} UTC",
        rest / 3_600,
        rest / 60 % 60
    )
}
