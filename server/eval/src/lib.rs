//! The measures of the papers, over labelled code.
