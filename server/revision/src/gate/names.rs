//! Every name that a revision uses must mean something: models call helpers that nobody wrote.
//! Knows Python's builtins and where C's library declares its functions; knows no entries.

use std::collections::HashSet;
use std::ops::Range;

use syntax::{Descend, Language, Node, NodeNames, walk};

use super::tree::{Side, contains};
use crate::imports;

/// Python's builtin names that code of a fix uses.
const BUILTINS: &[&str] = &[
    "ArithmeticError",
    "AttributeError",
    "BaseException",
    "ConnectionError",
    "EOFError",
    "Ellipsis",
    "Exception",
    "False",
    "FileExistsError",
    "FileNotFoundError",
    "IOError",
    "ImportError",
    "IndexError",
    "IsADirectoryError",
    "KeyError",
    "KeyboardInterrupt",
    "LookupError",
    "MemoryError",
    "NameError",
    "None",
    "NotADirectoryError",
    "NotImplemented",
    "NotImplementedError",
    "OSError",
    "OverflowError",
    "PermissionError",
    "RuntimeError",
    "StopIteration",
    "SyntaxError",
    "SystemExit",
    "TimeoutError",
    "True",
    "TypeError",
    "UnicodeDecodeError",
    "UnicodeEncodeError",
    "UnicodeError",
    "ValueError",
    "Warning",
    "ZeroDivisionError",
    "__file__",
    "__name__",
    "abs",
    "all",
    "any",
    "ascii",
    "bin",
    "bool",
    "bytearray",
    "bytes",
    "callable",
    "chr",
    "classmethod",
    "complex",
    "dict",
    "dir",
    "divmod",
    "enumerate",
    "filter",
    "float",
    "format",
    "frozenset",
    "hasattr",
    "hash",
    "hex",
    "id",
    "input",
    "int",
    "isinstance",
    "issubclass",
    "iter",
    "len",
    "list",
    "map",
    "max",
    "memoryview",
    "min",
    "next",
    "object",
    "oct",
    "open",
    "ord",
    "pow",
    "print",
    "property",
    "range",
    "repr",
    "reversed",
    "round",
    "set",
    "slice",
    "sorted",
    "staticmethod",
    "str",
    "sum",
    "super",
    "tuple",
    "type",
    "zip",
];

/// Modules of Python that fixes need and that a reviser may import when a model forgot to.
const MODULES: &[&str] = &[
    "ast",
    "base64",
    "contextlib",
    "copy",
    "hashlib",
    "hmac",
    "html",
    "io",
    "ipaddress",
    "json",
    "logging",
    "math",
    "os",
    "pathlib",
    "re",
    "secrets",
    "shlex",
    "shutil",
    "socket",
    "ssl",
    "string",
    "subprocess",
    "sys",
    "tempfile",
    "time",
    "urllib",
    "uuid",
];

/// Headers of C with what fixes use of them.
const HEADERS: &[(&str, &[&str])] = &[
    (
        "ctype.h",
        &[
            "isalnum", "isalpha", "isdigit", "isprint", "isspace", "isxdigit", "tolower", "toupper",
        ],
    ),
    (
        "errno.h",
        &[
            "EINVAL",
            "ENOMEM",
            "ERANGE",
            "EOVERFLOW",
            "EINTR",
            "ENOENT",
            "EEXIST",
            "errno",
        ],
    ),
    (
        "fcntl.h",
        &[
            "O_CLOEXEC",
            "O_CREAT",
            "O_EXCL",
            "O_NOFOLLOW",
            "O_RDONLY",
            "O_RDWR",
            "O_TRUNC",
            "O_WRONLY",
            "fcntl",
            "open",
            "openat",
        ],
    ),
    (
        "limits.h",
        &[
            "CHAR_MAX",
            "INT_MAX",
            "INT_MIN",
            "LONG_MAX",
            "LONG_MIN",
            "PATH_MAX",
            "SHRT_MAX",
            "UCHAR_MAX",
            "UINT_MAX",
            "ULONG_MAX",
            "USHRT_MAX",
        ],
    ),
    ("stdbool.h", &["bool", "false", "true"]),
    (
        "stdint.h",
        &[
            "INT32_MAX",
            "INT64_MAX",
            "SIZE_MAX",
            "UINT16_MAX",
            "UINT32_MAX",
            "UINT64_MAX",
            "UINT8_MAX",
        ],
    ),
    (
        "stdio.h",
        &[
            "BUFSIZ",
            "EOF",
            "FILE",
            "fclose",
            "fdopen",
            "feof",
            "ferror",
            "fflush",
            "fgetc",
            "fgets",
            "fopen",
            "fprintf",
            "fputs",
            "fread",
            "fscanf",
            "fseek",
            "ftell",
            "fwrite",
            "getc",
            "getchar",
            "getline",
            "perror",
            "printf",
            "putchar",
            "puts",
            "remove",
            "rename",
            "snprintf",
            "sscanf",
            "stderr",
            "stdin",
            "stdout",
            "vsnprintf",
        ],
    ),
    (
        "stdlib.h",
        &[
            "EXIT_FAILURE",
            "EXIT_SUCCESS",
            "abort",
            "atoi",
            "calloc",
            "exit",
            "free",
            "getenv",
            "malloc",
            "mkdtemp",
            "mkstemp",
            "realloc",
            "reallocarray",
            "realpath",
            "strtol",
            "strtoll",
            "strtoul",
            "strtoull",
        ],
    ),
    (
        "string.h",
        &[
            "memchr",
            "memcmp",
            "memcpy",
            "memmove",
            "memset",
            "strcat",
            "strchr",
            "strcmp",
            "strcpy",
            "strcspn",
            "strdup",
            "strerror",
            "strlen",
            "strncat",
            "strncmp",
            "strncpy",
            "strndup",
            "strnlen",
            "strrchr",
            "strspn",
            "strstr",
            "strtok_r",
            "explicit_bzero",
            "strlcpy",
            "strlcat",
        ],
    ),
    (
        "sys/stat.h",
        &[
            "S_IRUSR", "S_IWUSR", "S_ISREG", "chmod", "fchmod", "fstat", "stat", "umask",
        ],
    ),
    (
        "sys/wait.h",
        &["WEXITSTATUS", "WIFEXITED", "wait", "waitpid"],
    ),
    (
        "time.h",
        &["clock_gettime", "gmtime_r", "localtime_r", "time"],
    ),
    (
        "unistd.h",
        &[
            "_exit", "access", "close", "execl", "execle", "execlp", "execv", "execve", "execvp",
            "fork", "getuid", "read", "setgid", "setuid", "unlink", "write",
        ],
    ),
    ("sys/random.h", &["getentropy", "getrandom"]),
];

/// Names of C that need no header, or that every one brings.
const C_WORDS: &[&str] = &[
    "NULL", "sizeof", "offsetof", "__func__", "__FILE__", "__LINE__", "nullptr",
];

/// The module of Python, or the header of C, that would give a name its meaning.
pub(crate) fn provider(language: Language, name: &str) -> Option<&'static str> {
    match language {
        Language::Python => MODULES.iter().find(|it| **it == name).copied(),
        Language::C => {
            let found = HEADERS.iter().find(|(_, names)| names.contains(&name));
            found.map(|(header, _)| *header)
        }
    }
}

/// Names that the text afterwards uses in its region and that mean nothing there.
pub(super) fn unknown(
    before: &Side<'_>,
    after: &Side<'_>,
    region: &(Range<usize>, Range<usize>),
) -> Vec<String> {
    let known = before.name_set(&region.0);
    let used = after.names(&region.1);
    let new: Vec<(&str, Node<'_>)> = used
        .into_iter()
        .filter(|(name, node)| !known.contains(name) && !is_imported(*node))
        .collect();
    let mut members = match after.language {
        Language::Python => strange_members(before, after, &region.1),
        Language::C => Vec::new(),
    };
    if after.language == Language::Python {
        members.extend(escaped(before, after, region));
    }
    if new.is_empty() {
        return members;
    }
    let bound = match after.language {
        Language::Python => bound_python(after, &region.1),
        Language::C => bound_c(after),
    };
    let means = |name: &str| {
        bound.contains(name)
            // What a file of C speaks of already means something, if only in a header of its own.
            || after.language == Language::C && before.count_name(name) > 0
            || match after.language {
                Language::Python => BUILTINS.contains(&name),
                Language::C => C_WORDS.contains(&name) || declared(after, name),
            }
    };
    let mut out = members;
    for (name, _) in new {
        if !means(name) && !out.iter().any(|it| it == name) {
            out.push(name.to_owned());
        }
    }
    out
}

/// Members of an object of one's own that its class never gives it: read through `self` in a class
/// that stands for itself, and named nowhere before.
fn strange_members(before: &Side<'_>, after: &Side<'_>, region: &Range<usize>) -> Vec<String> {
    let mut read: Vec<&str> = Vec::new();
    let mut given: HashSet<&str> = HashSet::new();
    after.within(region, |node| {
        let object = node.field("object");
        let name = node.field("attribute");
        let (Some(object), Some(name)) = (object, name) else {
            return;
        };
        if node.kind_name() != "attribute" || after.of(object) != "self" {
            return;
        }
        let assigned = node
            .parent()
            .is_some_and(|it| it.field("left") == Some(node));
        if assigned {
            given.insert(after.of(name));
        } else if alone(node) {
            read.push(after.of(name));
        }
    });
    let named = |name: &str| {
        let mut words = before
            .text
            .split(|c: char| !c.is_alphanumeric() && c != '_');
        words.any(|it| it == name)
    };
    let strange = |name: &&str| !given.contains(name) && !name.starts_with("__") && !named(name);
    let mut out: Vec<String> = read
        .into_iter()
        .filter(strange)
        .map(|it| format!("self.{it}"))
        .collect();
    out.dedup();
    out
}

/// Names that only comprehensions bind, read outside of them.
fn escaped(
    before: &Side<'_>,
    after: &Side<'_>,
    region: &(Range<usize>, Range<usize>),
) -> Vec<String> {
    let inner = before.names(&region.0).into_iter();
    let bound: HashSet<&str> = inner
        .filter(|(name, node)| in_comprehension(before, name, *node))
        .map(|(name, _)| name)
        .collect();
    if bound.is_empty() {
        return Vec::new();
    }
    // What the revision itself binds outside of one means something.
    let given = outside(after, &region.1);
    let strays = |name: &str, node: Node<'_>| {
        bound.contains(name)
            && !given.contains(name)
            && !BUILTINS.contains(&name)
            && !in_comprehension(after, name, node)
    };
    let mut out: Vec<&str> = Vec::new();
    for (name, node) in after.names(&region.1) {
        if strays(name, node) && !out.contains(&name) {
            out.push(name);
        }
    }
    // Neither is one that the text spoke of elsewhere.
    let all = |name: &&str| {
        let mut places = before
            .leaves(name)
            .filter(|it| it.kind_name() == "identifier");
        places.all(|it| in_comprehension(before, name, it))
    };
    out.retain(all);
    out.into_iter().map(str::to_owned).collect()
}

/// Whether a comprehension around a node binds a name.
fn in_comprehension(side: &Side<'_>, name: &str, mut node: Node<'_>) -> bool {
    while let Some(parent) = node.parent() {
        let kind = parent.kind_name();
        // A comprehension is part of a statement.
        if kind.ends_with("_statement") || matches!(kind, "block" | "module") {
            return false;
        }
        if kind.ends_with("_comprehension") || kind == "generator_expression" {
            let mut cursor = parent.walk();
            let mut parts = parent.named_children(&mut cursor);
            let binds = |clause: Node<'_>| {
                let target = clause.field("left").map_or("", |it| side.of(it));
                let mut words = target.split(|c: char| !c.is_alphanumeric() && c != '_');
                clause.kind_name() == "for_in_clause" && words.any(|it| it == name)
            };
            if parts.any(binds) {
                return true;
            }
        }
        node = parent;
    }
    false
}

/// Names that statements of a range bind, comprehensions left out.
fn outside<'a>(side: &Side<'a>, region: &Range<usize>) -> HashSet<&'a str> {
    let mut out = HashSet::new();
    side.within(region, |node| {
        let binder = node.parent().filter(|it| it.kind_name() != "for_in_clause");
        if node.kind_name() == "identifier" && binder.is_some_and(|it| imports::binds(it, node)) {
            out.insert(side.of(node));
        }
    });
    out
}

/// Whether code stands in a class that inherits from none.
fn alone(mut node: Node<'_>) -> bool {
    while let Some(parent) = node.parent() {
        if parent.kind_name() == "class_definition" {
            let bases = parent.field("superclasses");
            return bases.is_none_or(|it| it.named_child_count() == 0);
        }
        node = parent;
    }
    false
}

/// Whether a name only says what is imported.
fn is_imported(mut node: Node<'_>) -> bool {
    while let Some(parent) = node.parent() {
        match parent.kind_name() {
            "import_statement" | "import_from_statement" => return true,
            "dotted_name" | "aliased_import" => node = parent,
            _ => return false,
        }
    }
    false
}

/// Whether C's library gives a name its meaning here. A piece of code without any include is not
/// asked for one.
fn declared(after: &Side<'_>, name: &str) -> bool {
    let Some(header) = provider(Language::C, name) else {
        return false;
    };
    let mut any = false;
    let mut there = false;
    walk(after.root, |node| {
        if node.kind_name() == "preproc_include" {
            any = true;
            let path = node.field("path").map_or("", |it| after.of(it));
            there |= path.trim_matches(['<', '>', '"']) == header;
        }
        Descend::Into
    });
    there || !any
}

fn bound_python<'a>(side: &Side<'a>, region: &Range<usize>) -> HashSet<&'a str> {
    let mut out = HashSet::new();
    walk(side.root, |node| {
        let here = node.byte_range();
        if matches!(node.kind_name(), "function_definition" | "class_definition") {
            if let Some(name) = node.field("name") {
                out.insert(side.of(name));
            }
            let around = contains(&here, region) || contains(region, &here);
            return if around { Descend::Into } else { Descend::Past };
        }
        match node.kind_name() {
            "identifier" if node.parent().is_some_and(|it| imports::binds(it, node)) => {
                out.insert(side.of(node));
            }
            "import_statement" | "import_from_statement" => {
                let mut cursor = node.walk();
                for item in node.children_by_field_name("name", &mut cursor) {
                    let alias = item.field("alias");
                    let text = side.of(alias.unwrap_or(item));
                    out.insert(text.split('.').next().unwrap_or(text));
                }
                return Descend::Past;
            }
            _ => {}
        }
        Descend::Into
    });
    out
}

fn bound_c<'a>(after: &Side<'a>) -> HashSet<&'a str> {
    let mut out = HashSet::new();
    walk(after.root, |node| {
        if node.kind_name() == "identifier"
            && let Some(parent) = node.parent()
        {
            let declares = matches!(
                parent.kind_name(),
                "init_declarator"
                    | "pointer_declarator"
                    | "array_declarator"
                    | "declaration"
                    | "function_declarator"
                    | "parameter_declaration"
                    | "enumerator"
                    | "preproc_def"
                    | "labeled_statement"
            );
            let value = parent.field("value") == Some(node) || parent.field("size") == Some(node);
            if declares && !value {
                out.insert(after.of(node));
            }
        }
        Descend::Into
    });
    out
}
