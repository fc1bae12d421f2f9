//! Between file names and their addresses. Looks at no disk.

use std::path::{Path, PathBuf};

use tower_lsp::gen_lsp_types::Uri;

/// The file that an address names; `None` for other addresses and what is not UTF-8.
pub(crate) fn path(uri: &str) -> Option<PathBuf> {
    let rest = uri.strip_prefix("file://")?;
    let rest = rest.strip_prefix("localhost").unwrap_or(rest);
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let decoded = decode(&rest[..end])?;
    let drive = decoded.as_bytes().get(2) == Some(&b':') && decoded.starts_with('/');
    let path = if drive { &decoded[1..] } else { &decoded };
    (path.starts_with('/') || drive).then(|| PathBuf::from(path))
}

/// The address of a file, spelt as most clients spell it.
pub(crate) fn uri(path: &Path) -> Option<Uri> {
    let text = path.to_str()?;
    let mut out = String::from(if text.starts_with('/') {
        "file://"
    } else {
        "file:///"
    });
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            b'\\' if cfg!(windows) => out.push('/'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    Some(out.into())
}

fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let value = digit(bytes.next()?)? * 16 + digit(bytes.next()?)?;
        out.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_the_way_there_and_back() {
        for name in ["/a/b.py", "/a b/ü%/#?.py", "/[漢]/x@y.py"] {
            let uri = uri(Path::new(name));
            let back = uri.as_ref().and_then(|it| path(it.as_ref()));
            assert_eq!(back, Some(PathBuf::from(name)));
        }
    }

    #[test]
    fn what_names_no_file_is_none() {
        for uri in [
            "untitled:Untitled-1",
            "file://",
            "file:///%zz",
            "file:///%ff",
            "file:///%4",
        ] {
            assert_eq!(path(uri), None, "{uri}");
        }
        assert_eq!(path("file:///c%3A/x.py"), Some(PathBuf::from("c:/x.py")));
        assert_eq!(path("file:///x@y.py"), Some(PathBuf::from("/x@y.py")));
    }
}
