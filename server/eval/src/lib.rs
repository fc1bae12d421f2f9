//! The measures of the papers, over labelled code.
//! It knows files' contents and findings; it reads no file and prints nothing.

mod cwe;
mod detect;
mod retrieve;
pub mod revise;

pub use cwe::{family, same_family};
pub use detect::{Case, CaseError, Detection, Judged, Label, Row, detect, read_cases};
pub use retrieve::{Pool, Question, Rate, RetrievalRow, Vectors, retrieve};
