//! Lines and columns of a fixed text as people count them: from 1, in Unicode characters. Knows no
//! rope and no edits.

/// A place as shown to people: both parts count from 1, the column in Unicode characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineColumn {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// The lines of a text. They end at `\n`, `\r\n` and a lone `\r`.
#[derive(Debug, Clone)]
pub struct LineIndex<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> LineIndex<'t> {
    /// Finds the lines of a text.
    #[must_use]
    pub fn new(text: &'t str) -> Self {
        let bytes = text.as_bytes();
        let mut starts = vec![0];
        starts.extend(bytes.iter().enumerate().filter_map(|(index, byte)| {
            let ends = match byte {
                b'\n' => true,
                b'\r' => bytes.get(index + 1) != Some(&b'\n'),
                _ => false,
            };
            ends.then_some(index + 1)
        }));
        Self { text, starts }
    }

    /// How many lines there are; a text that ends in a line break has an empty last line.
    #[must_use]
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Never: even an empty text has one line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }

    /// A line without its terminator, counted from 1; empty where there is no such line.
    #[must_use]
    pub fn line(&self, line: usize) -> &'t str {
        let Some(start) = line.checked_sub(1).and_then(|line| self.starts.get(line)) else {
            return "";
        };
        let end = self.starts.get(line).copied().unwrap_or(self.text.len());
        self.text[*start..end].trim_end_matches(['\n', '\r'])
    }

    /// The place of a byte. One past the end means the end, one inside a character its start, one
    /// inside a terminator the line's end.
    #[must_use]
    pub fn line_column(&self, byte: usize) -> LineColumn {
        let line = self
            .starts
            .partition_point(|start| *start <= byte.min(self.text.len()));
        let start = self.starts[line - 1];
        let column = self
            .line(line)
            .char_indices()
            .take_while(|(index, char)| start + index + char.len_utf8() <= byte)
            .count();
        LineColumn {
            line,
            column: column + 1,
        }
    }

    /// The byte at a place. A column past the end of its line means the line's end, a line past the
    /// last the end of the text.
    #[must_use]
    pub fn byte_of(&self, place: LineColumn) -> usize {
        let Some(start) = self.starts.get(place.line.saturating_sub(1)) else {
            return self.text.len();
        };
        let line = self.line(place.line.max(1));
        let column = place.column.saturating_sub(1);
        start
            + line
                .char_indices()
                .nth(column)
                .map_or(line.len(), |(index, _)| index)
    }
}
