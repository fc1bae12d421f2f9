//! Layers of settings, what they come to together, and the questions that fronts ask.
//! It reads no files and does not know what a finding is beyond its entry's id, numbers and weight.

use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use kb_schema::Severity;

use crate::table::{OPTIONS, Partial, Values};
use crate::value::Base;
use crate::{Problem, Selector, nearest};

/// Where settings came from, the weakest first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// The user's own file.
    User(PathBuf),
    /// The project's file.
    Project(PathBuf),
    /// The editor.
    Client,
    /// The command line.
    CommandLine,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(path) | Self::Project(path) => write!(f, "{}", path.display()),
            Self::Client => f.write_str("the client"),
            Self::CommandLine => f.write_str("the command line"),
        }
    }
}

/// What one source says.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// The source.
    pub origin: Origin,
    /// What it says.
    pub values: Partial,
}

/// The settings of one folder. Dereferences to the value of each option.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The folder of the project's file, or the folder that was asked about.
    pub root: PathBuf,
    values: Values,
    /// For each option in the order of the table, who set it last or added to it.
    origins: Vec<Vec<Origin>>,
    withheld: Vec<&'static str>,
}

impl Deref for Settings {
    type Target = Values;

    fn deref(&self) -> &Values {
        &self.values
    }
}

/// Whether somebody other than a project trusts the folder of a project's file.
fn trusts(layers: &[&Layer], file: &Path) -> bool {
    let own = layers
        .iter()
        .filter(|it| !matches!(it.origin, Origin::Project(_)));
    let mut folders = own
        .filter_map(|it| it.values.trusted_folders.as_ref())
        .flatten();
    folders.any(|folder| folder.0.is_absolute() && file.starts_with(&folder.0))
}

impl Settings {
    /// Merges layers, the weakest first, over the defaults.
    #[must_use]
    pub fn resolve<'a>(root: &Path, layers: impl IntoIterator<Item = &'a Layer>) -> Self {
        let mut values = Values::default();
        let mut origins = vec![Vec::new(); OPTIONS.len()];
        let layers: Vec<&Layer> = layers.into_iter().collect();
        let mut withheld = Vec::new();
        for layer in &layers {
            let mut said = layer.values.clone();
            if let Origin::Project(path) = &layer.origin
                && !trusts(&layers, path)
            {
                withheld.extend(said.withhold());
            }
            values.apply(&said);
            for name in said.names() {
                let Some(at) = OPTIONS.iter().position(|it| it.name == name) else {
                    continue;
                };
                if !OPTIONS[at].adds {
                    origins[at].clear();
                }
                origins[at].push(layer.origin.clone());
            }
        }
        values.anchor(Base {
            paths: root,
            globs: Some(&root.into()),
        });
        Self {
            root: root.to_owned(),
            values,
            origins,
            withheld,
        }
    }

    /// What the project's file says and may not say, because nobody trusts its folder.
    #[must_use]
    pub fn withheld(&self) -> &[&'static str] {
        &self.withheld
    }

    /// Who set an option; nobody when it has its default.
    #[must_use]
    pub fn origins(&self, name: &str) -> &[Origin] {
        OPTIONS
            .iter()
            .position(|it| it.name == name)
            .map_or(&[], |at| &self.origins[at])
    }

    /// Whether findings of an entry are reported in a file.
    #[must_use]
    pub fn wants(&self, path: &Path, id: &str, cwe: &[u32], severity: Severity) -> bool {
        let any = |list: &[Selector]| list.iter().any(|it| it.matches(id, cwe, severity));
        severity >= self.severity
            && any(&self.select)
            && !any(&self.ignore)
            && !self
                .per_file_ignores
                .0
                .iter()
                .any(|(glob, list)| any(list) && glob.matches_below(path, &self.root))
    }

    /// Whether this very file or folder is excluded; a search that never enters an excluded folder
    /// need not ask for its parents.
    #[must_use]
    pub fn excludes_entry(&self, path: &Path) -> bool {
        let mut globs = self.exclude.iter().chain(&self.extend_exclude);
        globs.any(|it| it.matches(path))
    }

    /// Whether a file or a folder around it, below the root of the settings, is excluded.
    #[must_use]
    pub fn excludes(&self, path: &Path) -> bool {
        if !path.starts_with(&self.root) {
            return self.excludes_entry(path);
        }
        let mut globs = self.exclude.iter().chain(&self.extend_exclude);
        globs.any(|it| it.matches_below(path, &self.root))
    }

    /// Selectors that mean no entry there is, with what was probably meant. Misspelling one costs
    /// nothing else, so these are warnings.
    #[must_use]
    pub fn strangers<'a>(&self, known: &(impl Iterator<Item = &'a str> + Clone)) -> Vec<Problem> {
        let lists = [("select", &self.select), ("ignore", &self.ignore)];
        let per_file = self
            .per_file_ignores
            .0
            .iter()
            .map(|(_, list)| ("per-file-ignores", list));
        let mut out: Vec<Problem> = Vec::new();
        for (name, list) in lists.into_iter().chain(per_file) {
            for selector in list {
                let exists = match selector {
                    Selector::Id(id) => known.clone().any(|it| it == id),
                    Selector::Pattern(_) => known
                        .clone()
                        .any(|it| selector.matches(it, &[], Severity::Note)),
                    Selector::All | Selector::Cwe(_) | Selector::Severity(_) => true,
                };
                if exists {
                    continue;
                }
                let word = selector.to_string();
                let meant = match nearest(&word, known.clone()) {
                    Some(near) => format!("; did you mean `{near}`?"),
                    None => "; `secondlook kb list` names them all".to_owned(),
                };
                let problem = Problem {
                    source: self
                        .origins(name)
                        .last()
                        .map_or_else(String::new, ToString::to_string),
                    line: None,
                    message: format!("{name}: no entry is called `{word}`{meant}"),
                };
                if !out.contains(&problem) {
                    out.push(problem);
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::path::Path;

    use kb_schema::Severity;

    use super::{Layer, Origin, Settings};
    use crate::read_toml;

    fn layer(origin: Origin, text: &str) -> Layer {
        let (values, problems) = read_toml("test", text);
        assert_eq!(problems, []);
        Layer { origin, values }
    }

    fn resolve(layers: &[Layer]) -> Settings {
        Settings::resolve(Path::new("/p"), layers)
    }

    #[test]
    fn stronger_layers_replace_values_and_add_to_what_is_left_out() {
        let user = layer(
            Origin::User("/u".into()),
            "select = [\"py/*\"]\nignore = [\"CWE-22\"]\nseverity = \"error\"",
        );
        let line = layer(
            Origin::CommandLine,
            "select = [\"c/*\"]\nignore = [\"CWE-89\"]",
        );
        let settings = resolve(&[user, line]);
        let wants = |id, cwe, severity| settings.wants(Path::new("/p/a"), id, &[cwe], severity);
        assert!(wants("c/x", 1, Severity::Error));
        assert!(!wants("py/x", 1, Severity::Error));
        assert!(!wants("c/x", 22, Severity::Error));
        assert!(!wants("c/x", 89, Severity::Error));
        assert!(!wants("c/x", 1, Severity::Warning));
        assert_eq!(settings.origins("select"), [Origin::CommandLine]);
        assert_eq!(settings.origins("ignore").len(), 2);
        assert!(settings.origins("exclude").is_empty());
    }

    #[test]
    fn a_project_chooses_no_model_unless_its_folder_is_trusted() {
        let project = || {
            let text = "model-url = \"http://elsewhere\"\nseverity = \"error\"\ntrusted-folders = [\"/p\"]";
            layer(Origin::Project("/p/a/secondlook.toml".into()), text)
        };
        let settings = resolve(&[project()]);
        assert_eq!(settings.model_url, None);
        assert_eq!(settings.withheld(), ["model-url", "trusted-folders"]);
        assert_eq!(settings.severity, Severity::Error);

        let user = layer(Origin::User("/u".into()), "trusted-folders = [\"/p\"]");
        let settings = resolve(&[user, project()]);
        assert!(settings.model_url.is_some());
        assert!(settings.withheld().is_empty());
    }

    #[test]
    fn files_are_matched_below_the_root() {
        let settings = resolve(&[layer(
            Origin::Project("/p/secondlook.toml".into()),
            "extend-exclude = [\"gen/*.py\"]\n[per-file-ignores]\n\"tests/**\" = [\"all\"]",
        )]);
        let wants = |path: &str| settings.wants(Path::new(path), "py/x", &[], Severity::Note);
        assert!(!wants("/p/tests/a.py"));
        assert!(wants("/p/src/a.py"));
        assert!(settings.excludes(Path::new("/p/gen/a.py")));
        assert!(settings.excludes(Path::new("/p/x/.venv/lib/a.py")));
        assert!(!settings.excludes(Path::new("/p/src/a.py")));
        assert!(!settings.excludes_entry(Path::new("/p/gen")));
        assert!(!settings.excludes(Path::new("/q/venv/a.py")));
    }

    #[test]
    fn a_selector_that_means_no_entry_is_named_with_the_nearest() {
        let settings = resolve(&[layer(
            Origin::Client,
            "ignore = [\"py/sql-bilt\", \"rb/*\", \"py/*\"]",
        )]);
        let said = settings.strangers(&["py/sql-built", "c/gets"].into_iter());
        let said: Vec<String> = said.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].contains("did you mean `py/sql-built`?"), "{said:?}");
        let first = said.first().unwrap();
        assert!(first.starts_with("the client: ignore"), "{first}");
    }
}
