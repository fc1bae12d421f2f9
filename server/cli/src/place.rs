//! Where something stands, as people count: a line and a column, and the cell of a notebook.
//! It knows texts and offsets, nothing of findings.

use std::ops::Range;

use syntax::LineIndex;

/// One cell of a notebook, in the text that its cells are joined to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    /// Its number among all cells of the notebook, from 1.
    pub(crate) number: usize,
    pub(crate) range: Range<usize>,
}

/// How a text lies in its file: all of it, or by cells.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layout {
    pub(crate) cells: Vec<Cell>,
}

/// A line and a column from 1; columns count characters. In a notebook, of the cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Layout {
    /// The cell around an offset.
    pub(crate) fn cell(&self, byte: usize) -> Option<&Cell> {
        let at = self.cells.partition_point(|it| it.range.start <= byte);
        self.cells.get(at.checked_sub(1)?)
    }

    /// The stretch of text around an offset that is shown and counted as one.
    pub(crate) fn region(&self, byte: usize, text: &str) -> Range<usize> {
        self.cell(byte).map_or(0..text.len(), |it| it.range.clone())
    }

    /// A path, with the cell where there is one.
    pub(crate) fn name(&self, path: &std::path::Path, byte: usize) -> String {
        match self.cell(byte) {
            Some(cell) => format!("{}:cell {}", path.display(), cell.number),
            None => path.display().to_string(),
        }
    }

    /// The place of an offset.
    pub(crate) fn place(&self, index: &LineIndex<'_>, byte: usize) -> Place {
        let at = index.line_column(byte);
        let before = self
            .cell(byte)
            .map_or(0, |cell| index.line_column(cell.range.start).line - 1);
        Place {
            line: at.line.saturating_sub(before).max(1),
            column: at.column,
        }
    }
}
