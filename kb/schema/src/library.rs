//! What analysis must be told about a language's libraries, as data: where data comes from, what
//! makes it harmless, what a bare name usually means. One `library.toml` in each language's folder.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Language, NamePattern};

/// One named source of data (`http`, `argv`), which patterns refer to in `tainted`.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Source {
    /// Its name.
    pub id: String,
    /// What a trace calls it: `data of the HTTP request`.
    pub about: String,
    /// Names whose value, or whose result when called, is such data.
    pub names: Vec<NamePattern>,
    /// Functions that write such data into an argument (`fgets(buf, …)`): name and position.
    pub fills: Vec<(NamePattern, usize)>,
    /// Whether the data is harmless to every pattern that does not name this source: the text of
    /// an exception, a signature.
    pub quiet: bool,
    /// Whether the parameters of route handlers are such data.
    pub handler_params: bool,
    /// Names of a handler's parameters that are no such data: objects that the framework hands over.
    pub not_params: Vec<String>,
    /// Names of parameters that are such data by convention (`argv`).
    pub params: Vec<String>,
}

/// A language's library model.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Library {
    /// The language.
    pub language: Language,
    /// Sources by name; the name `param` (any parameter) is always known beside them.
    pub sources: Vec<Source>,
    /// Groups of sanitizers by name, which patterns refer to as `@name`.
    pub sanitizers: BTreeMap<String, Vec<NamePattern>>,
    /// Decorators of route handlers.
    pub handlers: Vec<NamePattern>,
    /// Classes whose subclasses answer requests: `tornado.web.RequestHandler`.
    pub handler_classes: Vec<NamePattern>,
    /// What the methods are called by which they do: `get`, `do_POST`.
    pub handler_methods: Vec<String>,
    /// What a name that is bound nowhere usually means: `redirect` → `flask.redirect`.
    pub usual: BTreeMap<String, String>,
    /// Other names of one thing: `flask.ext.login` → `flask_login`; the longest prefix wins.
    pub aliases: BTreeMap<String, String>,
    /// Functions whose result cannot carry text of their arguments (numbers, flags, fresh ids).
    pub inert: Vec<NamePattern>,
    /// Functions whose result is a number that their argument decides: `int`, `float`.
    pub numeric: Vec<NamePattern>,
    /// Names and calls that the program's own owner controls: settings, its own directory.
    pub trusted: Vec<NamePattern>,
    /// Functions whose result carries their arguments' data. Methods of data always do.
    pub carries: Vec<NamePattern>,
    /// Functions that never come back.
    pub never_return: Vec<NamePattern>,
    /// Functions that read through an argument: name and position, for null and lifetime events.
    pub reads: Vec<(NamePattern, usize)>,
    /// Functions that copy data between arguments: name, destination, source.
    pub copies: Vec<(NamePattern, usize, usize)>,
    /// Functions that write formatted text into an argument: name, destination, format; the
    /// formatted values follow the format.
    pub formats: Vec<(NamePattern, usize, usize)>,
    /// Whole numbers that libraries give a name: `stat.S_IWOTH` is 2.
    pub constants: BTreeMap<String, i64>,
    /// Where it was read from.
    pub path: String,
}

impl Library {
    /// A library that models nothing.
    #[must_use]
    pub fn empty(language: Language) -> Self {
        Self {
            language,
            sources: Vec::new(),
            sanitizers: BTreeMap::new(),
            handlers: Vec::new(),
            handler_classes: Vec::new(),
            handler_methods: Vec::new(),
            usual: BTreeMap::new(),
            aliases: BTreeMap::new(),
            inert: Vec::new(),
            numeric: Vec::new(),
            trusted: Vec::new(),
            carries: Vec::new(),
            never_return: Vec::new(),
            reads: Vec::new(),
            copies: Vec::new(),
            formats: Vec::new(),
            constants: BTreeMap::new(),
            path: String::new(),
        }
    }
}
