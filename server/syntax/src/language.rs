//! The languages we read, and how to tell them apart. Knows names and first lines, not files.

/// A language that has a grammar here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Language {
    /// Python, 2 as far as its grammar allows, and 3.
    Python,
    /// C, headers included.
    C,
}

impl Language {
    /// Every language, in a fixed order.
    pub const ALL: [Self; 2] = [Self::Python, Self::C];

    /// The lower-case name used in entries, options and messages.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::C => "c",
        }
    }

    /// The language whose [`id`](Self::id) this is.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.id() == id)
    }

    /// The language that a path's extension names.
    ///
    /// The C extensions are matched in lower case only: by long habit `.C` and `.H` are C++.
    #[must_use]
    pub fn from_path(path: &str) -> Option<Self> {
        let name = path.rsplit(['/', '\\']).next()?;
        let (stem, extension) = name.rsplit_once('.')?;
        if stem.is_empty() {
            return None;
        }
        match extension {
            "c" | "h" => Some(Self::C),
            _ if ["py", "pyi", "pyw"]
                .iter()
                .any(|known| extension.eq_ignore_ascii_case(known)) =>
            {
                Some(Self::Python)
            }
            _ => None,
        }
    }

    /// The language by extension, or, for a name without one, by an interpreter line such as
    /// `#!/usr/bin/env python3`. `first_bytes` may be any prefix of the content.
    #[must_use]
    pub fn detect(path: &str, first_bytes: &[u8]) -> Option<Self> {
        let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
        let has_extension = name
            .rsplit_once('.')
            .is_some_and(|(stem, _)| !stem.is_empty());
        if has_extension {
            return Self::from_path(path);
        }
        let bytes = first_bytes
            .strip_prefix(b"\xEF\xBB\xBF")
            .unwrap_or(first_bytes);
        let line = bytes
            .strip_prefix(b"#!")?
            .split(|byte| matches!(byte, b'\n' | b'\r'))
            .next()?;
        let line = std::str::from_utf8(line).ok()?;
        let mut words = line
            .split_whitespace()
            .map(|word| word.rsplit('/').next().unwrap_or(word));
        let mut program = words.next()?;
        if program == "env" {
            program = words.find(|word| !word.starts_with('-') && !word.contains('='))?;
        }
        program.starts_with("python").then_some(Self::Python)
    }

    /// The tree-sitter grammar.
    #[must_use]
    pub fn grammar(self) -> tree_sitter::Language {
        match self {
            Self::Python => tree_sitter_python::LANGUAGE.into(),
            Self::C => tree_sitter_c::LANGUAGE.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_name_languages() {
        for (path, expected) in [
            ("a.py", Some(Language::Python)),
            ("a/b.pyi", Some(Language::Python)),
            ("A.PYW", Some(Language::Python)),
            ("x.c", Some(Language::C)),
            ("include\\x.h", Some(Language::C)),
            ("x.C", None),
            ("x.cpp", None),
            ("dir.py/readme", None),
            (".py", None),
            ("", None),
        ] {
            assert_eq!(Language::from_path(path), expected, "{path}");
        }
    }

    #[test]
    fn an_interpreter_line_speaks_only_where_no_extension_does() {
        let python = Some(Language::Python);
        for (path, bytes, expected) in [
            ("tool", "#!/usr/bin/python", python),
            ("tool", "#!/usr/bin/env python3.12\nimport os", python),
            (
                "tool",
                "#! /usr/bin/env -S PYTHONPATH=. python3 -u\r\n",
                python,
            ),
            (".hidden", "\u{feff}#!/usr/bin/env python", python),
            ("tool", "#!/bin/sh\n# python", None),
            ("tool", "#!/usr/bin/env\n", None),
            ("tool", "#!", None),
            ("tool", "", None),
            ("tool.txt", "#!/usr/bin/python", None),
            ("tool.c", "#!/usr/bin/python", Some(Language::C)),
        ] {
            assert_eq!(
                Language::detect(path, bytes.as_bytes()),
                expected,
                "{path}: {bytes:?}"
            );
        }
        assert_eq!(Language::detect("tool", b"#!\xff\xfe python"), None);
    }

    #[test]
    fn ids_lead_back() {
        for language in Language::ALL {
            assert_eq!(Language::from_id(language.id()), Some(language));
        }
        assert_eq!(Language::from_id("Python"), None);
    }
}
