//! Writing to the terminal, in one place. A closed pipe ends the output quietly.

use std::io::{IsTerminal, Write};

use crate::args::Color;

/// Prints to standard output.
pub(crate) fn out(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// Prints bytes as they are to standard output.
pub(crate) fn bytes(bytes: &[u8]) {
    let _ = std::io::stdout().lock().write_all(bytes);
}

/// Prints a line to standard error.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Prints an error as the last word of a failed command, or one of several.
pub(crate) fn error(text: &str) {
    note(&format!("error: {text}"));
}

/// Prints something the user should know and can live with.
pub(crate) fn warning(text: &str) {
    note(&format!("warning: {text}"));
}

/// Whether to colour what goes to standard output.
pub(crate) fn coloured(color: Color) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            std::io::stdout().is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty())
        }
    }
}
