//! Bytes of a source file to text. Knows encodings, not languages.

use std::fmt;

/// How many bytes are looked through for a NUL, which no source text has.
const BINARY_PROBE: usize = 8 * 1024;

/// A source file as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The text, without a byte order mark.
    pub text: String,
    /// Set where the file is not UTF-8, so that offsets into `text` are not offsets into the file.
    pub note: Option<DecodeNote>,
    /// The length of the byte order mark that stood in front. Without a `note`, an offset into
    /// `text` plus this is the offset in the file.
    pub bom_len: usize,
}

/// What a file that is not UTF-8 was read as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecodeNote {
    /// UTF-16, little end first, as its byte order mark says.
    Utf16Le,
    /// UTF-16, big end first, as its byte order mark says.
    Utf16Be,
    /// Latin-1, as the file declares.
    Latin1,
    /// Windows code page 1252, as the file declares.
    Cp1252,
    /// Not UTF-8, and either nothing is declared or we do not know it: read as Latin-1, which is
    /// right for everything in ASCII.
    Guessed {
        /// The encoding that the file declares, if it does.
        declared: Option<String>,
    },
}

impl fmt::Display for DecodeNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Utf16Le | Self::Utf16Be => "UTF-16",
            Self::Latin1 => "Latin-1",
            Self::Cp1252 => "Windows-1252",
            Self::Guessed {
                declared: Some(declared),
            } => {
                return write!(
                    f,
                    "not UTF-8; its declared encoding {declared} is not supported, so it was read \
                     as Latin-1; byte offsets are those of the text in UTF-8"
                );
            }
            Self::Guessed { declared: None } => "unknown encoding, as Latin-1",
        };
        write!(
            f,
            "not UTF-8; read as {name}; byte offsets are those of the text in UTF-8"
        )
    }
}

/// Why a file is not text for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It has NUL bytes.
    #[error("binary file (it contains NUL bytes)")]
    Binary,
    /// It is longer than a tree can address.
    #[error("file is too large (more than {} bytes)", crate::MAX_BYTES)]
    TooLarge,
}

/// Reads a source file's bytes.
///
/// Bytes that are valid UTF-8 are UTF-8 whatever a coding cookie says: that is how editors open
/// them, and then both see the same text.
pub fn decode(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    if bytes.len() > crate::MAX_BYTES / 2 {
        return Err(DecodeError::TooLarge);
    }
    match bytes {
        // The first is UTF-32, which no compiler reads.
        [0xFF, 0xFE, 0, 0, ..] => return Err(DecodeError::Binary),
        [0xFF, 0xFE, rest @ ..] => return Ok(utf16(rest, DecodeNote::Utf16Le, u16::from_le_bytes)),
        [0xFE, 0xFF, rest @ ..] => return Ok(utf16(rest, DecodeNote::Utf16Be, u16::from_be_bytes)),
        _ => {}
    }
    let content = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let bom_len = bytes.len() - content.len();
    if content[..content.len().min(BINARY_PROBE)].contains(&0) {
        return Err(DecodeError::Binary);
    }
    if let Ok(text) = std::str::from_utf8(content) {
        return Ok(Decoded {
            text: text.to_owned(),
            note: None,
            bom_len,
        });
    }
    let declared = cookie(content).map(|name| name.to_ascii_lowercase().replace('_', "-"));
    let (text, note) = match declared.as_deref() {
        Some("cp1252" | "windows-1252" | "1252") => (
            content.iter().map(|byte| cp1252(*byte)).collect(),
            DecodeNote::Cp1252,
        ),
        Some("latin-1" | "latin1" | "iso-8859-1" | "iso8859-1" | "l1" | "latin") => {
            (latin1(content), DecodeNote::Latin1)
        }
        _ => (latin1(content), DecodeNote::Guessed { declared }),
    };
    Ok(Decoded {
        text,
        note: Some(note),
        bom_len,
    })
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// Code page 1252 differs from Latin-1 only where Latin-1 has control characters; the five holes
/// stay controls.
fn cp1252(byte: u8) -> char {
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž',
        '\u{8f}', '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}',
        'ž', 'Ÿ',
    ];
    match byte {
        0x80..=0x9F => HIGH[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

fn utf16(bytes: &[u8], note: DecodeNote, unit: fn([u8; 2]) -> u16) -> Decoded {
    let (pairs, odd) = bytes.as_chunks::<2>();
    let mut text: String = char::decode_utf16(pairs.iter().map(|pair| unit(*pair)))
        .map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    if !odd.is_empty() {
        text.push(char::REPLACEMENT_CHARACTER);
    }
    Decoded {
        text,
        note: Some(note),
        bom_len: 2,
    }
}

/// The encoding named by a coding cookie: a comment such as `# -*- coding: latin-1 -*-` on the first
/// line, or on the second if the first has no code.
fn cookie(bytes: &[u8]) -> Option<&str> {
    let mut rest = bytes;
    for _ in 0..2 {
        let end = rest
            .iter()
            .position(|byte| matches!(byte, b'\n' | b'\r'))
            .unwrap_or(rest.len());
        let (line, after) = rest.split_at(end);
        let line = line.trim_ascii_start();
        match line.strip_prefix(b"#") {
            Some(comment) => {
                if let Some(name) = cookie_in(comment) {
                    return Some(name);
                }
            }
            None if line.is_empty() => {}
            None => return None,
        }
        rest = after
            .strip_prefix(b"\r\n")
            .or(after.get(1..))
            .unwrap_or_default();
    }
    None
}

fn cookie_in(comment: &[u8]) -> Option<&str> {
    let after = comment
        .windows(7)
        .position(|window| window.starts_with(b"coding") && matches!(window[6], b':' | b'='))?
        + 7;
    let value = comment[after..].trim_ascii_start();
    let end = value
        .iter()
        .position(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'-' | b'_' | b'.'))
        .unwrap_or(value.len());
    std::str::from_utf8(&value[..end])
        .ok()
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> (String, Option<DecodeNote>, usize) {
        let decoded = decode(bytes).expect("it is text");
        (decoded.text, decoded.note, decoded.bom_len)
    }

    #[test]
    fn utf8_is_taken_as_it_is_with_or_without_a_mark() {
        assert_eq!(
            text("x = 'é😀'\r\n".as_bytes()),
            ("x = 'é😀'\r\n".into(), None, 0)
        );
        assert_eq!(text("\u{feff}é".as_bytes()), ("é".into(), None, 3));
        assert_eq!(text(b""), (String::new(), None, 0));
        let cookie = "# coding: latin-1\nx = 'é'\n";
        assert_eq!(text(cookie.as_bytes()), (cookie.into(), None, 0));
    }

    #[test]
    fn utf16_needs_its_mark() {
        assert_eq!(
            text(b"\xFF\xFEh\0\x3D\xD8\0\xDE"),
            ("h😀".into(), Some(DecodeNote::Utf16Le), 2)
        );
        assert_eq!(
            text(b"\xFE\xFF\0h\xD8\x3D\xDE\0"),
            ("h😀".into(), Some(DecodeNote::Utf16Be), 2)
        );
        // Half a pair, then half a unit.
        let (broken, _, _) = text(b"\xFF\xFEh\0\x3D\xD8x\0y");
        assert_eq!(broken, "h\u{fffd}x\u{fffd}");
        assert_eq!(decode(b"h\0i\0"), Err(DecodeError::Binary));
    }

    #[test]
    fn a_cookie_names_the_encoding_of_what_is_not_utf8() {
        for (start, note) in [
            ("# -*- coding: latin-1 -*-\n", DecodeNote::Latin1),
            (
                "#!/usr/bin/python\r\n# vim: set fileencoding=ISO_8859-1 :\r\n",
                DecodeNote::Latin1,
            ),
            ("\n# coding=cp1252\n", DecodeNote::Cp1252),
            ("\x0c# coding: windows-1252", DecodeNote::Cp1252),
            (
                "# coding: koi8-r\n",
                DecodeNote::Guessed {
                    declared: Some("koi8-r".into()),
                },
            ),
            ("# encoding\n", DecodeNote::Guessed { declared: None }),
            (
                "x = 1\n# coding: cp1252\n",
                DecodeNote::Guessed { declared: None },
            ),
            (
                "#\n#\n# coding: cp1252\n",
                DecodeNote::Guessed { declared: None },
            ),
            (
                "#\r\n#\r\n# coding: cp1252\r\n",
                DecodeNote::Guessed { declared: None },
            ),
        ] {
            let bytes = [start.as_bytes(), b"'\x80\xE9'"].concat();
            let euro = if note == DecodeNote::Cp1252 {
                '€'
            } else {
                '\u{80}'
            };
            assert_eq!(
                text(&bytes),
                (format!("{start}'{euro}é'"), Some(note), 0),
                "{start:?}"
            );
        }
    }

    #[test]
    fn binary_files_are_refused() {
        for bytes in [
            &b"\x7fELF\0\0"[..],
            b"\xEF\xBB\xBFx\0",
            b"\xFF\xFE\0\0h\0\0\0",
            b"\0\0\xFE\xFF",
        ] {
            assert_eq!(decode(bytes), Err(DecodeError::Binary), "{bytes:?}");
        }
        let mut late = vec![b' '; BINARY_PROBE];
        late.push(0);
        assert!(
            decode(&late).is_ok(),
            "a NUL far down is the parser's business"
        );
    }

    #[test]
    fn notes_say_that_offsets_are_not_the_files() {
        for note in [
            DecodeNote::Utf16Le,
            DecodeNote::Cp1252,
            DecodeNote::Guessed { declared: None },
            DecodeNote::Guessed {
                declared: Some("koi8-r".into()),
            },
        ] {
            let said = note.to_string();
            assert!(
                said.contains("not UTF-8") && said.contains("byte offsets"),
                "{said}"
            );
        }
    }
}
