//! The table: each option's name, type, default, scope and words stand here and nowhere else.
//! Everything else that speaks of options is made from it.

use std::sync::LazyLock;

use kb_schema::Severity;
use serde::Deserializer;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::value::{Base, Value};
use crate::{CommandLine, Count, FilePath, Glob, Millis, PerFile, Provider, Selector, Size, Words};

/// Who listens to an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everything that looks at code; each file follows the settings nearest to it.
    File,
    /// Everything that looks at code; read once, from the settings of the working folder.
    Run,
    /// The language server only; read once, from the client and the settings of its folder.
    Server,
}

impl Scope {
    /// Its name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Run => "run",
            Self::Server => "server",
        }
    }
}

/// One option, as documentation needs it.
#[derive(Debug, Clone, Copy)]
pub struct OptionSpec {
    /// Its name in every source of settings.
    pub name: &'static str,
    /// What it does; the first sentence stands alone.
    pub doc: &'static str,
    /// Who listens to it.
    pub scope: Scope,
    /// A stronger source adds to what a weaker one said, instead of replacing it.
    pub adds: bool,
    /// Its type in words.
    pub kind: fn() -> String,
    /// Its default.
    pub default: fn() -> Json,
    /// Its part of the schema.
    pub schema: fn() -> Json,
}

impl OptionSpec {
    /// The option of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        OPTIONS.iter().find(|it| it.name == name)
    }
}

macro_rules! options {
    ($($(#[doc = $doc:literal])+ $field:ident, $name:literal, $scope:ident, $merge:ident: $type:ty = $default:expr;)+) => {
        /// What one source says: an option that it does not mention is `None`.
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct Partial {
            $($(#[doc = $doc])+ pub $field: Option<$type>,)+
        }

        /// The value of every option.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Values {
            $($(#[doc = $doc])+ pub $field: $type,)+
        }

        /// Every option, in the order of the documentation.
        pub const OPTIONS: &[OptionSpec] = &[$(OptionSpec {
            name: $name,
            doc: concat!($($doc, "\n"),+),
            scope: Scope::$scope,
            adds: options!(@adds $merge),
            kind: <$type as Value>::name,
            default: || { let value: $type = $default; json(&value) },
            schema: <$type as Value>::schema,
        }),+];

        impl Default for Values {
            fn default() -> Self {
                Self { $($field: $default,)+ }
            }
        }

        impl Values {
            /// Takes in what a stronger source says.
            pub(crate) fn apply(&mut self, over: &Partial) {
                $(if let Some(value) = over.$field.clone() {
                    options!(@merge $merge, self.$field, value);
                })+
            }

            pub(crate) fn anchor(&mut self, base: Base<'_>) {
                $(Value::anchor(&mut self.$field, base);)+
            }

            /// The value of one option.
            #[must_use]
            pub fn json(&self, name: &str) -> Option<Json> {
                match name {
                    $($name => Some(json(&self.$field)),)+
                    _ => None,
                }
            }
        }

        impl Partial {
            /// Reads one option's value. `None` when there is no such option.
            pub(crate) fn read<'de, D: Deserializer<'de>>(
                &mut self,
                name: &str,
                value: D,
            ) -> Option<Result<(), D::Error>> {
                match name {
                    $($name => Some(set(&mut self.$field, value)),)+
                    _ => None,
                }
            }

            /// Reads one option's value from a word of a command line.
            pub(crate) fn read_word(&mut self, name: &str, word: &str) -> Option<Result<(), String>> {
                match name {
                    $($name => Some(<$type as Value>::from_word(word).map(|value| {
                        match &mut self.$field {
                            Some(old) => Value::add(old, value),
                            none => *none = Some(value),
                        }
                    })),)+
                    _ => None,
                }
            }

            /// Makes paths and patterns start from a folder, as those of a command line do.
            pub fn start_from(&mut self, folder: &std::path::Path) {
                self.anchor(Base { paths: folder, globs: Some(&folder.into()) });
            }

            pub(crate) fn anchor(&mut self, base: Base<'_>) {
                $(if let Some(value) = &mut self.$field {
                    Value::anchor(value, base);
                })+
            }

            /// The names of the options that are set.
            pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
                [$(($name, self.$field.is_some())),+]
                    .into_iter()
                    .filter_map(|(name, set)| set.then_some(name))
            }
        }
    };
    (@adds adds) => { true };
    (@adds replaces) => { false };
    (@merge adds, $old:expr, $new:expr) => { Value::add(&mut $old, $new) };
    (@merge replaces, $old:expr, $new:expr) => { $old = $new };
}

fn set<'de, T: DeserializeOwned, D: Deserializer<'de>>(
    field: &mut Option<T>,
    value: D,
) -> Result<(), D::Error> {
    *field = Some(T::deserialize(value)?);
    Ok(())
}

fn json(value: &impl serde::Serialize) -> Json {
    serde_json::to_value(value).unwrap_or_default()
}

/// Options that say whom to send code to and what to run. A project's file, which may come from
/// anybody, sets them only in a folder that `trusted-folders` names.
pub const OWN: &[&str] = &[
    "model-provider",
    "model-url",
    "model-name",
    "model-key-env",
    "model-key-command",
    "model-ca-file",
    "model-proxy",
    "codecode-program",
    "codecode-base",
    "codecode-security",
    "codecode-adapter",
    "gate-commands",
    "trusted-folders",
];

impl Partial {
    /// Forgets the options that a file of an unknown author may not set; gives their names.
    pub(crate) fn withhold(&mut self) -> Vec<&'static str> {
        let said: Vec<&'static str> = self.names().filter(|it| OWN.contains(it)).collect();
        self.model_provider = None;
        self.model_url = None;
        self.model_name = None;
        self.model_key_env = None;
        self.model_key_command = None;
        self.model_ca_file = None;
        self.model_proxy = None;
        self.codecode_program = None;
        self.codecode_base = None;
        self.codecode_security = None;
        self.codecode_adapter = None;
        self.gate_commands = None;
        self.trusted_folders = None;
        said
    }
}

/// Folders that hold other people's code or no code.
const EXCLUDED: &[&str] = &[
    ".bzr",
    ".direnv",
    ".eggs",
    ".git",
    ".hg",
    ".mypy_cache",
    ".nox",
    ".pytest_cache",
    ".ruff_cache",
    ".svn",
    ".tox",
    ".venv",
    "__pycache__",
    "__pypackages__",
    "node_modules",
    "site-packages",
    "venv",
];

/// Read once: every folder of a walk has them.
fn excluded() -> Vec<Glob> {
    static GLOBS: LazyLock<Vec<Glob>> = LazyLock::new(|| {
        let globs = EXCLUDED.iter();
        globs.filter_map(|it| Glob::parse(it).ok()).collect()
    });
    GLOBS.clone()
}

options! {
    /// Which findings are reported.
    /// An id (`py/sql-built`), a pattern over ids (`py/*`), a weakness (`CWE-89`), a severity (`warning`) or `all`.
    select, "select", File, replaces: Vec<Selector> = vec![Selector::All];
    /// Which of the selected findings are left out again, in the words of `select`.
    ignore, "ignore", File, adds: Vec<Selector> = Vec::new();
    /// The least severity that is reported.
    severity, "severity", File, replaces: Severity = Severity::Note;
    /// What is left out in files that fit a pattern, in the words of `select`.
    /// A pattern without a slash means a file or folder of that name at any depth; with one, a path below the folder of the configuration file.
    per_file_ignores, "per-file-ignores", File, adds: PerFile = PerFile::default();
    /// Whether a comment `# nosec`, or `# nosec B608` for one rule of Bandit, silences findings in Python.
    honour_nosec, "honour-nosec", File, replaces: bool = true;
    /// Whether a comment `# noqa: S608` silences the findings in Python that say what this rule of flake8-bandit says.
    /// A `# noqa` without codes silences nothing: it is mostly written for other checkers.
    honour_noqa, "honour-noqa", File, replaces: bool = true;
    /// Whether comments `secondlook: ignore` that silence nothing are reported.
    report_unused_suppressions, "report-unused-suppressions", File, replaces: bool = true;
    /// The file with findings that are known and not reported again; `check --write-baseline` writes it.
    baseline, "baseline", Run, replaces: Option<FilePath> = None;
    /// Which files and folders are not looked at when a folder is searched.
    /// Patterns are those of `per-file-ignores`; files that are named on a command line are always looked at, unless `force-exclude` is on.
    exclude, "exclude", File, replaces: Vec<Glob> = excluded();
    /// More patterns for `exclude`, which keep its defaults.
    extend_exclude, "extend-exclude", File, adds: Vec<Glob> = Vec::new();
    /// Whether `exclude` also holds for files that are named on a command line, as by a commit hook.
    force_exclude, "force-exclude", Run, replaces: bool = false;
    /// Whether files are left out that `.gitignore` and the like leave out.
    respect_gitignore, "respect-gitignore", Run, replaces: bool = true;
    /// The largest file that is read; larger ones are mostly data or generated.
    max_file_size, "max-file-size", File, replaces: Size = Size(5 << 20);
    /// More folders with knowledge entries, beside the one in the user's data folder.
    entries, "entries", Run, adds: Vec<FilePath> = Vec::new();
    /// The folder of installed indexes, instead of `indexes` in the user's data folder.
    /// `kb import` writes there, and everything that shows discussions reads there.
    index, "index", Run, replaces: Option<FilePath> = None;
    /// Whether the links to discussions are shown with findings.
    show_discussions, "show-discussions", Run, replaces: bool = true;
    /// Whether leads are shown: code that no entry knows, but of which several people warn in imported discussions.
    /// The server shows them in a hover over code that an AI inserted, `check` under `--explain`; they are never findings.
    show_leads, "show-leads", Run, replaces: bool = true;
    /// Whether fixes are offered.
    show_fixes, "show-fixes", Run, replaces: bool = true;
    /// Whether a diagnostic says that an AI probably wrote what it is about.
    show_origin, "show-origin", Server, replaces: bool = true;
    /// Whether text that arrives in one go is taken for an AI's; marks that a client sends always count.
    detect_origin, "detect-origin", Server, replaces: bool = true;
    /// Whether the server also looks at files of the workspace that are not open.
    scan_workspace, "scan-workspace", Server, replaces: bool = false;
    /// How long after a change its analysis starts; an analysis that the next change makes useless is ended by it anyway, and a text whose analysis takes long waits for a pause in the typing by itself.
    debounce, "debounce", Server, replaces: Millis = Millis(0);
    /// How long a request waits for the analysis of the text as it stands.
    patience, "patience", Server, replaces: Millis = Millis(2_500);
    /// The protocol of the server that revisions are asked of; without one no connection is ever opened.
    /// `openai-chat` is what llama.cpp, Ollama, vLLM, LM Studio and most gateways speak.
    /// `codecode` asks `secondlook-codecode` on this machine, which is started when it is needed; the options `codecode-*` say with which models, and no other option of a provider is needed.
    model_provider, "model-provider", File, replaces: Option<Provider> = None;
    /// Where the model's server is, such as `http://localhost:8080/v1`.
    model_url, "model-url", File, replaces: Option<Words> = None;
    /// The model's name, as its server knows it.
    model_name, "model-name", File, replaces: Option<Words> = None;
    /// The environment variable that holds the key. The key itself never stands in settings.
    model_key_env, "model-key-env", File, replaces: Option<Words> = None;
    /// The program that prints the key, with its arguments; it is run for each question.
    model_key_command, "model-key-command", File, replaces: Option<CommandLine> = None;
    /// Certificates to trust beside the system's, in PEM.
    model_ca_file, "model-ca-file", File, replaces: Option<FilePath> = None;
    /// The proxy for the model's server; without it those of the environment hold.
    model_proxy, "model-proxy", File, replaces: Option<Words> = None;
    /// The program `secondlook-codecode`; without this it is looked for beside `secondlook`, then on PATH.
    codecode_program, "codecode-program", File, replaces: Option<FilePath> = None;
    /// The base model of co-decoding: a GGUF file, or a folder with config.json, tokenizer.json and safetensors.
    /// A name that is no file there means one in `secondlook/models` of the user's data folder, where `secondlook model pull MODEL --file FILE` and `secondlook-codecode pull NAME --from-file FILE` put them.
    codecode_base, "codecode-base", File, replaces: Option<FilePath> = None;
    /// The security model of co-decoding, smaller and of the same family, found like `codecode-base`; without one the base decodes alone.
    codecode_security, "codecode-security", File, replaces: Option<FilePath> = None;
    /// A LoRA adapter for the security model: a folder in PEFT's layout.
    codecode_adapter, "codecode-adapter", File, replaces: Option<FilePath> = None;
    /// Tokens of question and answer together, for which co-decoding keeps memory.
    codecode_context, "codecode-context", File, replaces: Count = Count(4_096);
    /// How long a model may say nothing before it is given up.
    model_timeout, "model-timeout", File, replaces: Millis = Millis(120_000);
    /// How often a question is put again when the server has too much to do or failed.
    model_retries, "model-retries", File, replaces: Count = Count(3);
    /// The longest answer, in tokens.
    model_max_tokens, "model-max-tokens", File, replaces: Count = Count(2_048);
    /// The longest question, in bytes; discussions are cut to what is left of it.
    model_prompt_size, "model-prompt-size", File, replaces: Size = Size(16 << 10);
    /// How many first answers are asked for; the smallest that passes the gate wins.
    model_samples, "model-samples", File, replaces: Count = Count(1);
    /// How often a refused answer is sent back with the reason.
    model_repairs, "model-repairs", File, replaces: Count = Count(2);
    /// Whether the server completes code inline (a request of version 3.18 of the protocol) with the local model of `codecode`; what would bring a finding is left out.
    inline_completion, "inline-completion", File, replaces: bool = false;
    /// How long an inline completion may take; what a local model has written by then is offered, if anything.
    inline_completion_budget, "inline-completion-budget", File, replaces: Millis = Millis(1_500);
    /// Checks of your own that a revision must pass, each a program with its arguments, run in a copy of the project; `{file}` stands for the changed file.
    gate_commands, "gate-commands", File, replaces: Vec<CommandLine> = Vec::new();
    /// Folders whose own configuration may say which model is asked and what is run; a configuration elsewhere may not.
    trusted_folders, "trusted-folders", Run, adds: Vec<FilePath> = Vec::new();
}
