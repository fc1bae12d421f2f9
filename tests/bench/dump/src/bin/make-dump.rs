//! Makes a Stack Exchange dump of any size in the real schema: seeded, so that it can be made again.
//! It knows nothing of the program that reads it; its words and code are made up.
//!
//! Of every thousand posts one is an answer that the published filter keeps, whether or not tags
//! are asked for; `--keep-all` lets every answer pass, for measuring an index.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

/// One question in so many is tagged `python`.
const PYTHON_EVERY: u64 = 20;
/// Of the answers to those, one in so many is warned of.
const WARNED_EVERY: u64 = 30;
/// How many bodies are made; each post takes one and a few words of its own.
const BODIES: usize = 4_000;
/// How many names code is made of.
const NAMES: usize = 40_000;

/// A small generator of numbers (xorshift); its quality does not matter here.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 11) % limit
    }

    /// A place in a list whose first items are far more frequent, as names in code are.
    fn skewed(&mut self, limit: usize) -> usize {
        let unit = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        (((limit as f64).powf(unit) - 1.0) as usize).min(limit - 1)
    }
}

const SYLLABLES: [&str; 24] = [
    "ba", "con", "de", "fer", "gra", "hol", "in", "jo", "ka", "lim", "mor", "net", "or", "par",
    "qui", "ren", "sto", "tar", "ul", "ver", "wid", "xi", "yon", "zet",
];

fn name(number: usize) -> String {
    let mut name = String::new();
    let mut rest = number + 24;
    while rest > 0 {
        name.push_str(SYLLABLES[rest % 24]);
        rest /= 24;
    }
    name
}

fn sentence(dice: &mut Dice, names: &[String], words: u64) -> String {
    let words: Vec<&str> = (0..words)
        .map(|_| names[dice.skewed(names.len())].as_str())
        .collect();
    words.join(" ")
}

/// A body as it stands in the file: HTML with its signs escaped.
fn body(dice: &mut Dice, names: &[String]) -> String {
    let mut out = String::new();
    for _ in 0..1 + dice.below(3) {
        let words = 20 + dice.below(40);
        out.push_str("&lt;p&gt;");
        out.push_str(&sentence(dice, names, words));
        out.push_str(".&lt;/p&gt;&#xA;&#xA;");
    }
    if dice.below(10) < 7 {
        out.push_str("&lt;pre&gt;&lt;code&gt;");
        for _ in 0..3 + dice.below(12) {
            let (a, b, c) = (
                &names[dice.skewed(names.len())],
                &names[dice.skewed(names.len())],
                &names[dice.skewed(names.len())],
            );
            out.push_str(&format!("{a} = {b}.{c}(&quot;{c}&quot;, {a}={b})&#xA;"));
        }
        out.push_str("&lt;/code&gt;&lt;/pre&gt;&#xA;");
    }
    out
}

struct Options {
    folder: PathBuf,
    bytes: u64,
    posts: u64,
    seed: u64,
    keep_all: bool,
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        folder: PathBuf::new(),
        bytes: u64::MAX,
        posts: u64::MAX,
        seed: 1,
        keep_all: false,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || -> Result<u64, String> {
            let value = words.next().unwrap_or_default();
            value
                .parse()
                .map_err(|_| format!("{word}: `{value}` is no number"))
        };
        match word.as_str() {
            "--megabytes" => options.bytes = number()? * 1_000_000,
            "--posts" => options.posts = number()?,
            "--seed" => options.seed = number()?.max(1),
            "--keep-all" => options.keep_all = true,
            _ if options.folder.as_os_str().is_empty() => options.folder = word.into(),
            _ => return Err(format!("`{word}` is not known")),
        }
    }
    if options.folder.as_os_str().is_empty()
        || (options.bytes, options.posts) == (u64::MAX, u64::MAX)
    {
        return Err(
            "usage: make-dump FOLDER (--megabytes N | --posts N) [--seed N] [--keep-all]".into(),
        );
    }
    Ok(options)
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let options = options()?;
    let mut dice = Dice(options.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let names: Vec<String> = (0..NAMES).map(name).collect();
    let bodies: Vec<String> = (0..BODIES).map(|_| body(&mut dice, &names)).collect();
    let remarks: Vec<String> = (0..BODIES)
        .map(|_| {
            let words = 10 + dice.below(40);
            sentence(&mut dice, &names, words)
        })
        .collect();
    let create = |name: &str| File::create(options.folder.join(name));
    std::fs::create_dir_all(&options.folder)?;
    let mut posts = BufWriter::with_capacity(1 << 20, create("Posts.xml")?);
    let mut comments = BufWriter::with_capacity(1 << 20, create("Comments.xml")?);
    posts.write_all(b"<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<posts>\r\n")?;
    comments.write_all(b"<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<comments>\r\n")?;
    let (mut written, mut comment) = (0_u64, 0_u64);
    let mut questions: Vec<u64> = Vec::new();
    let mut line: Vec<u8> = Vec::new();
    let mut id = 0;
    while written < options.bytes && id < options.posts {
        id += 1;
        let body = &bodies[dice.below(BODIES as u64) as usize];
        let extra = &names[dice.below(NAMES as u64) as usize];
        let score = dice.below(12) as i64 - 1;
        let year = 2009 + dice.below(15);
        let day = 1 + dice.below(28);
        let is_question = questions.is_empty() || dice.below(10) < 4;
        line.clear();
        if is_question {
            let is_python = dice.below(PYTHON_EVERY) == 0;
            // The lowest bit carries the tag, so that answers know it without a table.
            let remembered = id * 2 + u64::from(is_python);
            if questions.len() < 5_000 {
                questions.push(remembered);
            } else {
                questions[(id % 5_000) as usize] = remembered;
            }
            let tag = if is_python { "python" } else { "java" };
            write!(
                line,
                "  <row Id=\"{id}\" PostTypeId=\"1\" CreationDate=\"{year}-03-{day:02}T10:11:12.130\" Score=\"{score}\" ViewCount=\"7\" Body=\"{body}&lt;p&gt;{extra}&lt;/p&gt;&#xA;\" OwnerUserId=\"{}\" LastActivityDate=\"{year}-04-{day:02}T10:11:12.130\" Title=\"{extra} with {}\" Tags=\"|{tag}|{extra}|\" AnswerCount=\"1\" CommentCount=\"0\" ContentLicense=\"CC BY-SA 4.0\" />\r\n",
                1 + id % 90_000,
                names[dice.skewed(NAMES)]
            )?;
        } else {
            let parent = questions[dice.below(questions.len() as u64) as usize];
            let (parent, of_python) = (parent / 2, parent % 2 == 1);
            let warned = options.keep_all || (of_python && dice.below(WARNED_EVERY) == 0);
            let code = if warned && !body.contains("&lt;pre") {
                "&lt;pre&gt;&lt;code&gt;pass&#xA;&lt;/code&gt;&lt;/pre&gt;"
            } else {
                ""
            };
            write!(
                line,
                "  <row Id=\"{id}\" PostTypeId=\"2\" ParentId=\"{parent}\" CreationDate=\"{year}-03-{day:02}T10:11:12.130\" Score=\"{score}\" Body=\"{body}{code}&lt;p&gt;{extra}&lt;/p&gt;&#xA;\" OwnerUserId=\"{}\" LastActivityDate=\"{year}-04-{day:02}T10:11:12.130\" CommentCount=\"2\" ContentLicense=\"CC BY-SA 4.0\" />\r\n",
                1 + id % 90_000
            )?;
            let count = if warned { 2 } else { dice.below(4) };
            for number in 0..count {
                comment += 1;
                let text = &remarks[dice.below(BODIES as u64) as usize];
                let (votes, warning) = if warned && number == 0 {
                    (
                        3,
                        "This is not secure: anybody can send `shell=True` here. ",
                    )
                } else {
                    (dice.below(2), "")
                };
                write!(
                    comments,
                    "  <row Id=\"{comment}\" PostId=\"{id}\" Score=\"{votes}\" Text=\"{warning}{text}\" CreationDate=\"{year}-05-{day:02}T10:11:12.130\" UserId=\"{}\" ContentLicense=\"CC BY-SA 4.0\" />\r\n",
                    1 + comment % 90_000
                )?;
            }
        }
        posts.write_all(&line)?;
        written += line.len() as u64;
    }
    posts.write_all(b"</posts>\r\n")?;
    comments.write_all(b"</comments>\r\n")?;
    posts.flush()?;
    comments.flush()?;
    println!("{id} posts, {comment} comments, {written} bytes of posts");
    Ok(())
}

fn main() -> std::process::ExitCode {
    match run() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("make-dump: {error}");
            std::process::ExitCode::from(2)
        }
    }
}
