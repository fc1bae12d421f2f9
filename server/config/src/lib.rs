//! Every option, once: one table, and from it reading, merging, the published schema and the
//! questions that fronts ask. It knows no editor protocol, no analysis and no knowledge base.

mod discover;
mod glob;
mod nearest;
mod problem;
mod read;
mod schema;
mod selector;
mod settings;
mod table;
mod value;

pub use discover::{FILE_NAMES, Resolver, absolute, user_file};
pub use glob::Glob;
pub use nearest::nearest;
pub use problem::Problem;
pub use read::{read_file, read_json, read_option, read_pyproject, read_toml};
pub use schema::{page, schema, toml_of};
pub use selector::Selector;
pub use settings::{Layer, Origin, Settings};
pub use table::{OPTIONS, OWN, OptionSpec, Partial, Scope, Values};
pub use value::{CommandLine, Count, FilePath, Millis, PerFile, Provider, Size, Words};
