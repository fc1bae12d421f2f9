//! Patterns over file names, as `.gitignore` reads them: without a slash they mean a name at any
//! depth, with one they mean a path below the folder of their file. Nothing here looks at disks.

use std::path::Path;
use std::sync::Arc;

use globset::{GlobBuilder, GlobMatcher};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One pattern. Each folder has its own, so clones share what they hold.
#[derive(Debug, Clone)]
pub struct Glob {
    text: Arc<str>,
    /// The folder that a pattern with a slash starts from.
    root: Option<Arc<Path>>,
    matcher: Matcher,
}

#[derive(Debug, Clone)]
enum Matcher {
    /// No special letter: comparing is enough, and start-up compiles nothing.
    Plain,
    Compiled(Arc<GlobMatcher>),
}

impl Glob {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let core = text.trim_end_matches('/');
        let core = core.strip_prefix("./").unwrap_or(core);
        if core.is_empty() {
            return Err(format!("`{text}` means no file"));
        }
        let matcher = if core.contains(['*', '?', '[', '{', '\\']) {
            let glob = GlobBuilder::new(core.trim_start_matches('/'))
                .literal_separator(true)
                .build()
                .map_err(|error| {
                    format!("`{text}` is no pattern of file names: {}", error.kind())
                })?;
            Matcher::Compiled(Arc::new(glob.compile_matcher()))
        } else {
            Matcher::Plain
        };
        Ok(Self {
            text: core.into(),
            root: None,
            matcher,
        })
    }

    /// Says which folder a pattern with a slash starts from, unless that is known.
    pub(crate) fn anchor(&mut self, folder: &Arc<Path>) {
        if self.root.is_none() {
            self.root = Some(Arc::clone(folder));
        }
    }

    /// Whether this very file or folder is meant; its parents are not asked.
    #[must_use]
    pub fn matches(&self, path: &Path) -> bool {
        if !self.text.contains('/') {
            return path
                .file_name()
                .is_some_and(|name| self.fits(Path::new(name)));
        }
        let below = self
            .root
            .as_ref()
            .and_then(|root| path.strip_prefix(root).ok());
        if let Some(below) = below {
            return self.fits(below);
        }
        // An absolute pattern means what it says, wherever its file is.
        path.is_absolute() && self.text.starts_with('/') && self.fits(path)
    }

    /// Whether this file or a folder around it, up to `top`, is meant.
    #[must_use]
    pub fn matches_below(&self, path: &Path, top: &Path) -> bool {
        path.ancestors()
            .take_while(|it| *it != top && !it.as_os_str().is_empty())
            .any(|it| self.matches(it))
    }

    fn fits(&self, path: &Path) -> bool {
        let path_text = path.strip_prefix("/").unwrap_or(path);
        match &self.matcher {
            Matcher::Plain => path_text == Path::new(self.text.trim_start_matches('/')),
            Matcher::Compiled(matcher) => matcher.is_match(path_text),
        }
    }

    fn key(&self) -> (&str, Option<&Path>) {
        (&self.text, self.root.as_deref())
    }
}

impl PartialEq for Glob {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Glob {}

impl Serialize for Glob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Glob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::path::Path;

    use super::Glob;

    #[test]
    fn a_pattern_means_names_at_any_depth_or_paths_below_its_folder() {
        let means = |pattern: &str, path: &str| {
            let mut glob = Glob::parse(pattern).unwrap();
            glob.anchor(&Path::new("/p").into());
            glob.matches_below(Path::new(path), Path::new("/p"))
        };
        for (pattern, path) in [
            ("tests", "/p/tests/a.py"),
            ("tests/", "/p/x/tests/a.py"),
            ("test_*.py", "/p/x/test_a.py"),
            ("x/tests", "/p/x/tests/deep/a.py"),
            ("./x/*.py", "/p/x/a.py"),
            ("x/**", "/p/x/y/a.py"),
            ("**/gen/*.py", "/p/x/gen/a.py"),
            ("/x", "/p/x/a.py"),
            ("*.{py,pyi}", "/p/a.pyi"),
        ] {
            assert!(means(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("tests", "/p/mytests/a.py"),
            ("x/tests", "/p/y/x/tests/a.py"),
            ("x/*.py", "/p/x/y/a.py"),
            ("*.py", "/p/a.c"),
        ] {
            assert!(!means(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn a_broken_pattern_is_refused() {
        for pattern in ["", "/", "[a", "{a"] {
            assert!(Glob::parse(pattern).is_err(), "{pattern}");
        }
    }
}
