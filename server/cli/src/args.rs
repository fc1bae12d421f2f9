//! The command line, as clap reads it. Every word of help stands here.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// A second look at code that an AI has just written: insecure patterns in Python and C, with the
/// people who explained them and a safer patch.
#[derive(Debug, Parser)]
#[command(name = "secondlook", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Read entries from this folder too (may be given more than once)
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) entries: Vec<PathBuf>,

    /// When to use colour
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
}

const EXAMPLES: &str = "Examples:
  secondlook check                     look at every Python and C file below this folder
  secondlook check app.py --explain    with the reasons, the scores and the slice
  secondlook check --fix src           apply the fixes that keep behaviour
  cat new.py | secondlook check --stdin-filename new.py -
  secondlook kb search 'shell=True'    ask the knowledge base
  secondlook lsp                       serve an editor on standard input and output

Nothing leaves this machine: no command here opens a connection.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Look at files and folders
    Check(Check),
    /// Serve an editor: the language server protocol on standard input and output
    Lsp(Lsp),
    /// Read the knowledge base
    #[command(subcommand)]
    Kb(Kb),
    /// Measure against labelled code
    #[command(subcommand)]
    Eval(Eval),
}

/// Look at files and folders.
///
/// Folders are searched for Python and C, `.gitignore` honoured. A finding can be silenced where it
/// stands with a comment `secondlook: ignore[id]`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 nothing found, 1 findings, 2 something could not be done.")]
pub(crate) struct Check {
    /// Files and folders; `-` reads standard input
    #[arg(value_name = "PATHS", default_value = ".")]
    pub(crate) paths: Vec<PathBuf>,

    /// How to print
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: Format,

    /// Apply the fixes that keep behaviour, and report what is left
    #[arg(long, conflicts_with = "diff")]
    pub(crate) fix: bool,

    /// Print those fixes as a diff and change nothing
    #[arg(long)]
    pub(crate) diff: bool,

    /// With --fix or --diff: also the fixes that a person should look at
    #[arg(long)]
    pub(crate) unsafe_fixes: bool,

    /// The name that standard input would have as a file
    #[arg(long, value_name = "NAME")]
    pub(crate) stdin_filename: Option<PathBuf>,

    /// Show why: the pattern, the slice, and the scores of the discussions found
    #[arg(long)]
    pub(crate) explain: bool,

    /// Search ignored and hidden files too
    #[arg(long)]
    pub(crate) no_ignore: bool,

    /// How many threads (0: as many as there are cores)
    #[arg(long, short, value_name = "N", default_value_t = 0)]
    pub(crate) jobs: usize,

    /// Only findings and errors, no summary
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Lsp {
    /// Accepted because clients add it; standard input and output is all there is
    #[arg(long, hide = true)]
    pub(crate) stdio: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Kb {
    /// One entry a line: id, severity, CWE, title
    List,
    /// One entry as a page: why, guideline, examples, discussions
    Show {
        /// Such as py/sql-built
        id: String,
    },
    /// The best entries and discussions for code or words
    Search {
        /// Code or words
        #[arg(required = true, value_name = "TEXT")]
        text: Vec<String>,
        /// Only of this language
        #[arg(long, value_name = "LANGUAGE")]
        language: Option<Language>,
        /// At most so many
        #[arg(long, short = 'k', value_name = "N", default_value_t = 5)]
        limit: usize,
        /// Show which words made the score
        #[arg(long)]
        explain: bool,
    },
    /// How much is known
    Stats,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Eval {
    /// Found on vulnerable code, alarms on secure code, pairs told apart
    ///
    /// One case a line of JSON: id, suite, lang, cwe, code, label, and optionally lines and pair.
    Detect {
        /// Labelled files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// How to print
        #[arg(long, value_name = "FORMAT", default_value = "text")]
        format: Format,
        /// List single cases
        #[arg(long, value_name = "WHICH")]
        show: Option<Show>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs: docs/json.md
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// When printing to a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Show {
    /// Vulnerable cases without a same-CWE finding
    Misses,
    /// Secure cases with a same-CWE finding
    Alarms,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// Python
    Python,
    /// C
    C,
}
