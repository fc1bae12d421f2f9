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

    /// The folder of installed indexes (default: `indexes` in the data folder)
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) index: Option<PathBuf>,

    /// When to use colour
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
}

const EXAMPLES: &str = "Examples:
  secondlook check                     look at every Python and C file below this folder
  secondlook check app.py --explain    with the reasons, the scores and the slice
  secondlook check --fix src           apply the fixes that keep behaviour
  cat new.py | secondlook check --stdin-filename new.py -
  secondlook explain B608              what a finding means, by any of its names
  secondlook kb search 'shell=True'    ask the knowledge base
  secondlook kb import --notes notes   teach it what your people wrote
  secondlook config show               the settings here, and where each comes from
  secondlook lsp                       serve an editor on standard input and output
  secondlook revise app.py:12          a safer version of the code on line 12, proven first

Nothing leaves this machine unless you configure a model; then `revise` asks it.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Look at files and folders
    ///
    /// Folders are searched for Python, C and Jupyter notebooks, honouring `.gitignore`. Settings
    /// come from `secondlook.toml`, or `[tool.secondlook]` in `pyproject.toml`, nearest to each
    /// file; what stands here on the command line is stronger.
    Check(Box<Check>),
    /// Ask for a safer version of code, and prove it before it is shown
    ///
    /// The entry's own fix comes first; a model is asked for the rest, where one is configured, and
    /// nothing it says is believed before the gate has proven it. Without a model nothing is sent.
    Revise(Box<Revise>),
    /// The model that revisions are asked of, and the one that finds demonstrations by meaning
    #[command(subcommand)]
    Model(Model),
    /// Say what a finding means and what to do about it
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain {
        /// An entry (py/sql-built, or sql-built), a weakness (CWE-89), or a rule of Bandit or ruff (B608, S608)
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Serve an editor: the language server protocol on standard input and output
    Lsp(Lsp),
    /// Read the knowledge base
    #[command(subcommand)]
    Kb(Kb),
    /// Show settings and describe them
    #[command(subcommand)]
    Config(Config),
    /// Print a script that completes this command's options in a shell
    #[command(after_help = COMPLETION_EXAMPLES)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Measure against labelled code
    #[command(subcommand)]
    Eval(Eval),
}

const EXPLAIN_EXAMPLES: &str = "Examples:
  secondlook explain py/sql-built
  secondlook explain CWE-89            every entry about this weakness
  secondlook explain S608              what we have on what ruff calls S608";

const COMPLETION_EXAMPLES: &str = "Examples:
  secondlook completions bash > ~/.local/share/bash-completion/completions/secondlook
  secondlook completions zsh > ~/.zfunc/_secondlook
  secondlook completions fish > ~/.config/fish/completions/secondlook.fish";

const CHECK_HELP: &str = "Selectors:
  An id (py/sql-built), a pattern over ids (py/*), a weakness (CWE-89), a severity
  (warning) or all. Several are parted by commas.

Silence where it is due:
  eval(x)  # secondlook: ignore[py/eval-of-data]   this finding, here
  ignore = [\"CWE-330\"]                            in secondlook.toml, for a project
  # nosec, # nosec B307, # noqa: S307              are honoured as well

Examples:
  secondlook check --select CWE-89,CWE-78 src      two weaknesses only
  secondlook check --severity error --exit-zero    the worst ones, never failing
  secondlook check --write-baseline known.json     accept what is there today ...
  secondlook check --baseline known.json           ... and see only what is new
  secondlook check --format sarif --output-file out.sarif
  secondlook check --format github                 annotations in GitHub Actions
  secondlook check --statistics                    how many of each

Exit codes:
  0 nothing found, 1 findings, 2 something could not be done, 130 interrupted";

#[derive(Debug, clap::Args)]
#[command(after_help = CHECK_HELP)]
pub(crate) struct Check {
    /// Files and folders; `-` reads standard input
    #[arg(value_name = "PATHS", default_value = ".")]
    pub(crate) paths: Vec<PathBuf>,

    /// The name that standard input would have as a file
    #[arg(long, value_name = "NAME")]
    pub(crate) stdin_filename: Option<PathBuf>,

    /// How many threads (0: as many as there are cores)
    #[arg(long, short, value_name = "N", default_value_t = 0)]
    pub(crate) jobs: usize,

    /// Report these findings only
    #[arg(long, value_name = "SELECTORS", help_heading = "Findings")]
    pub(crate) select: Vec<String>,

    /// Leave these findings out
    #[arg(long, value_name = "SELECTORS", help_heading = "Findings")]
    pub(crate) ignore: Vec<String>,

    /// Report findings of this severity and above: note, warning or error
    #[arg(long, value_name = "SEVERITY", help_heading = "Findings")]
    pub(crate) severity: Option<String>,

    /// Do not report what this file says is known
    #[arg(long, value_name = "FILE", help_heading = "Findings")]
    pub(crate) baseline: Option<PathBuf>,

    /// Write what is found now to a file for --baseline, and end with 0
    #[arg(long, value_name = "FILE", help_heading = "Findings", conflicts_with_all = ["fix", "diff", "baseline"])]
    pub(crate) write_baseline: Option<PathBuf>,

    /// Apply the fixes that keep behaviour, and report what is left
    #[arg(long, conflicts_with = "diff", help_heading = "Fixes")]
    pub(crate) fix: bool,

    /// Print those fixes as a diff and change nothing
    #[arg(long, help_heading = "Fixes")]
    pub(crate) diff: bool,

    /// With --fix or --diff: also the fixes that a person should look at
    #[arg(long, help_heading = "Fixes")]
    pub(crate) unsafe_fixes: bool,

    /// How to print
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        help_heading = "Output"
    )]
    pub(crate) format: Format,

    /// Print to this file instead of standard output
    #[arg(long, short, value_name = "FILE", help_heading = "Output")]
    pub(crate) output_file: Option<PathBuf>,

    /// Show why: the pattern, the slice, and the scores of the discussions found
    #[arg(long, help_heading = "Output")]
    pub(crate) explain: bool,

    /// Count the findings of each entry instead of showing them
    #[arg(long, help_heading = "Output")]
    pub(crate) statistics: bool,

    /// Only findings and errors, no summary
    #[arg(long, short, help_heading = "Output")]
    pub(crate) quiet: bool,

    /// End with 0 even when something is found
    #[arg(long, help_heading = "Output")]
    pub(crate) exit_zero: bool,

    /// Search ignored and hidden files too, and folders that are excluded by default
    #[arg(long, help_heading = "Files")]
    pub(crate) no_ignore: bool,

    /// Do not search files and folders of this pattern, such as tests or 'gen/*.py'
    #[arg(long, value_name = "PATTERNS", help_heading = "Files")]
    pub(crate) extend_exclude: Vec<String>,

    #[command(flatten)]
    pub(crate) settings: Chosen,
}

/// Where settings come from besides the files that are found.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Settings")]
pub(crate) struct Chosen {
    /// Use this configuration file, and no other of the project
    #[arg(long, value_name = "FILE", conflicts_with = "isolated")]
    pub(crate) config: Option<PathBuf>,

    /// Read no configuration files
    #[arg(long)]
    pub(crate) isolated: bool,

    /// Set any option of the configuration, such as max-file-size='1 MiB'
    #[arg(long = "set", value_name = "OPTION=VALUE")]
    pub(crate) set: Vec<String>,
}

const REVISE_EXAMPLES: &str = "Examples:
  secondlook revise app.py:12              the finding on line 12, as a diff
  secondlook revise app.py --all --write   every finding, one after the other
  secondlook revise app.py:12 --print-prompt   what a model would be asked; nothing is sent
  secondlook revise app.py:12 --set model-provider=openai-chat \\
      --set model-url=http://localhost:8080/v1 --set model-name=qwen2.5-coder

Exit codes:
  0 nothing to revise, or everything was revised with --write; 1 findings that are not revised in
  the file; 2 something could not be done, 130 interrupted";

const EVAL_REVISE_EXAMPLES: &str = "\
Examples:
  secondlook eval revise cases.jsonl --out run --modes templates --judge bandit
  secondlook eval revise cases.jsonl --out run --run-tests --judge flawfinder \\
      --judge 'semgrep=semgrep --config rules.yml' --judge 'ruff=ruff check --isolated --select S --output-format concise {folder}'";

#[derive(Debug, clap::Args)]
#[command(after_help = REVISE_EXAMPLES)]
pub(crate) struct Revise {
    /// The file, and the line of the finding where it has several
    #[arg(value_name = "FILE[:LINE]")]
    pub(crate) target: String,

    /// Every finding of the file, one after the other
    #[arg(long)]
    pub(crate) all: bool,

    /// Print what would change as a diff and change nothing (the default)
    #[arg(long, conflicts_with = "write")]
    pub(crate) diff: bool,

    /// Change the file
    #[arg(long)]
    pub(crate) write: bool,

    /// Print what was tried as JSON: docs/revision.md
    #[arg(long)]
    pub(crate) json: bool,

    /// Print the question that a model would be asked, and send nothing
    #[arg(long, conflicts_with_all = ["write", "json"])]
    pub(crate) print_prompt: bool,

    /// How it is asked: templates+community, community, templates, cwe+, cwe, revision-only or prompt-only
    #[arg(long, value_name = "MODE", default_value = "templates+community")]
    pub(crate) mode: String,

    #[command(flatten)]
    pub(crate) settings: Chosen,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Model {
    /// Ask the configured model one short question, and say what works
    Test {
        #[command(flatten)]
        settings: Chosen,
    },
    /// Install an embedding model, or a GGUF file for the local backend, from the official hub
    ///
    /// With `--file` it is that one file of the model, for `secondlook-codecode`; `codecode-base` and
    /// `codecode-security` then take its name. Without, it is an embedding model, whose files are
    /// config.json, tokenizer.json and model.safetensors of a sentence encoder of the BERT family,
    /// and which is opened once before it takes its place. What is fetched is checked against the
    /// hash that the hub names; a fetch that was stopped goes on with the same command.
    Pull {
        /// The model's name on the hub
        #[arg(
            value_name = "MODEL",
            default_value = "sentence-transformers/all-MiniLM-L6-v2"
        )]
        model: String,
        /// Fetch this GGUF file of the model, for the local backend
        #[arg(long, value_name = "FILE", conflicts_with = "from_file")]
        file: Option<String>,
        /// Fetch nothing: the folder that holds the model's files
        #[arg(long, value_name = "DIR")]
        from_file: Option<PathBuf>,
        /// The revision to fetch: a branch, a tag or a commit
        #[arg(
            long,
            value_name = "REVISION",
            default_value = "main",
            conflicts_with = "from_file"
        )]
        revision: String,
        /// Another hub that answers as the official one does
        #[arg(
            long,
            value_name = "URL",
            default_value = "https://huggingface.co",
            conflicts_with = "from_file"
        )]
        hub: String,
        /// The SHA-256 that model.safetensors, or the GGUF file, must have
        #[arg(long, value_name = "HEX", conflicts_with = "from_file")]
        sha256: Option<String>,
        /// The name to keep it under (default: embedding, or the GGUF file's own)
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
    /// Say which model is installed
    Show,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// The settings that hold for a file or folder, each with where it comes from
    Show {
        /// The file or folder
        #[arg(value_name = "PATH", default_value = ".")]
        path: PathBuf,
    },
    /// The JSON schema of secondlook.toml and [tool.secondlook]
    Schema,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Lsp {
    /// Accepted because clients add it; standard input and output is all there is
    #[arg(long, hide = true)]
    pub(crate) stdio: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Kb {
    /// Measure how well imported discussions must fit code before they are shown with it
    ///
    /// Every installed index is asked for discussions with programs in another language than
    /// theirs; what 95 of 100 such programs would not find is shown.
    Calibrate,
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
        #[arg(long, conflicts_with = "safe")]
        explain: bool,
        /// Search the demonstrations instead: safe code, the entries' and your own pairs
        #[arg(long)]
        safe: bool,
        /// Rank demonstrations by shared terms, by an embedding model, or by both (default: bm25)
        #[arg(long, value_name = "RETRIEVER", requires = "safe")]
        by: Option<By>,
    },
    /// How much is known
    Stats,
    /// Bring in discussions: a Stack Exchange dump, or a folder of notes
    #[command(after_help = IMPORT_EXAMPLES)]
    Import(Box<Import>),
    /// Copy entries into the data folder, once each has been found valid; or add fixed functions
    Add {
        /// Entries, or folders of entries
        #[arg(required_unless_present = "pair", value_name = "DIR|FILE")]
        paths: Vec<PathBuf>,
        /// Fixed functions: lines of JSON with language, cwe, before and after, or a text with
        /// the fenced blocks `python before` and `python after`
        #[arg(long, value_name = "FILE", conflicts_with = "paths")]
        pair: Option<PathBuf>,
    },
    /// Take away an installed index, an added entry, or a folder of added entries
    Remove {
        /// Their name, as `kb list` gives it
        name: String,
    },
    /// The installed indexes: what they hold, how they were made, where they lie
    Info,
    /// Look for discussions without attribution, outdated ones, and repeats; ends with 1 if any
    Verify,
    /// Write what the entries know for other programs
    Export {
        /// Vulnerable and secure examples, one pair a line of JSON
        #[arg(long, required = true)]
        pairs: bool,
        /// To this file instead of standard output
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Import {
    /// The posts of the dump; also .gz and .zst
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "notes",
        conflicts_with = "notes"
    )]
    pub(crate) posts: Option<PathBuf>,
    /// The comments of the dump
    #[arg(long, value_name = "FILE", requires = "posts")]
    pub(crate) comments: Option<PathBuf>,
    /// The users of the dump, for the names of authors
    #[arg(long, value_name = "FILE", requires = "posts")]
    pub(crate) users: Option<PathBuf>,
    /// A folder of Markdown notes
    #[arg(long, value_name = "DIR")]
    pub(crate) notes: Option<PathBuf>,
    /// The index to make or bring up to date (default: the site, or the folder)
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Where the posts can be read
    #[arg(long, value_name = "URL", default_value = "https://stackoverflow.com")]
    pub(crate) site: String,
    /// Only answers to questions with one of these tags
    #[arg(
        long,
        value_name = "TAGS",
        value_delimiter = ',',
        requires = "posts",
        help_heading = "Filter"
    )]
    pub(crate) tags: Vec<String>,
    /// Leave out steps of the filter
    #[arg(
        long,
        value_name = "STEPS",
        value_delimiter = ',',
        requires = "posts",
        help_heading = "Filter"
    )]
    pub(crate) skip: Vec<Step>,
    /// How many votes the answer, or one of its comments, must have
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        allow_negative_numbers = true,
        help_heading = "Filter"
    )]
    pub(crate) votes: i64,
    /// A file with one regular expression to use instead of our security words
    #[arg(long, value_name = "FILE", requires = "posts", help_heading = "Filter")]
    pub(crate) keywords: Option<PathBuf>,
    /// Replace an index that is damaged or of another version
    #[arg(long)]
    pub(crate) rebuild: bool,
    /// No progress, no table
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

const IMPORT_EXAMPLES: &str = "Examples:
  secondlook kb import --posts Posts.xml --comments Comments.xml --tags python,c
  secondlook kb import --posts Posts.xml.zst --comments Comments.xml.zst --users Users.xml.zst
  secondlook kb import --notes guidelines --name acme

A run that was stopped goes on where it stood when the same command is given again. A newer dump
brings the index up to date: what is new is added, what changed is replaced, what is gone goes.";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    /// Only answers with a block of code
    Code,
    /// Only answers with a comment
    Comment,
    /// Only answers with a comment that speaks of security
    Security,
    /// Only answers with votes, or with a comment that has
    Votes,
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
        format: EvalFormat,
        /// List single cases
        #[arg(long, value_name = "WHICH")]
        show: Option<Show>,
    },
    /// How often the demonstrations found for vulnerable code fix the same weakness
    ///
    /// The entries' vulnerable examples ask, and the Python functions of labelled files. Nothing
    /// from a query's own entry or commit counts. Rows by BM25, by an embedding model, by both,
    /// and by chance; intervals of 95 % come from drawing commits again.
    Retrieve {
        /// Labelled files, in the form that `eval detect` reads
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The same pairs as published: line n names the commit of rows 2n-1 and 2n
        #[arg(long, value_name = "FILE", requires = "files")]
        pairs: Option<PathBuf>,
        /// The folder of an embedding model (default: the installed one)
        #[arg(long, value_name = "DIR")]
        model: Option<PathBuf>,
        /// How to print
        #[arg(long, value_name = "FORMAT", default_value = "text")]
        format: EvalFormat,
    },
    /// How well revision works: the modes side by side, in the eyes of several judges
    Revise(EvalRevise),
}

#[derive(Debug, clap::Args)]
#[command(after_help = EVAL_REVISE_EXAMPLES)]
pub(crate) struct EvalRevise {
    /// Labelled files, see docs/eval-revise.md
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// Where results and answers are kept and the report is written; a run goes on from there
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: PathBuf,

    /// The modes, such as templates,community [default: all, or templates where no model is set]
    #[arg(long, value_name = "MODE", value_delimiter = ',')]
    pub(crate) modes: Vec<String>,

    /// Judges beside our own checker: bandit, semgrep, flawfinder, or NAME=COMMAND
    #[arg(long = "judge", value_name = "JUDGE")]
    pub(crate) judges: Vec<String>,

    /// Run the cases' tests: this executes the code of the cases and of the model
    #[arg(long)]
    pub(crate) run_tests: bool,

    /// Do not ask a model about code in which nothing was found
    #[arg(long)]
    pub(crate) findings_only: bool,

    /// How to print the measures
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: EvalFormat,

    #[command(flatten)]
    pub(crate) settings: Chosen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// One line each
    Concise,
    /// For programs: docs/json.md
    Json,
    /// SARIF 2.1.0, for code scanning services and viewers
    Sarif,
    /// Annotations of GitHub Actions
    Github,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    /// Shared terms
    Bm25,
    /// Like meaning; needs a model
    Dense,
    /// Both, by reciprocal rank
    Fused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EvalFormat {
    /// For people
    Text,
    /// For programs
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
