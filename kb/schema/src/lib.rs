//! The knowledge entry and the discussion record: types, parser, validator, and the search trait.
//! It knows no files, no network, no syntax trees and no editor: text in, types or problems out.

mod body;
mod demonstration;
mod discussion;
mod entry;
mod expressions;
mod knowledge;
mod lead;
mod library;
mod name;
mod needs;
mod parse;
mod pattern;
mod peer;
mod post;
mod problem;
mod shape;

pub use body::{Body, Example, ExampleKind};
pub use demonstration::Demonstration;
pub use discussion::{Discussion, Site};
pub use entry::{Applicability, Entry, Fix, Language, Severity};
pub use expressions::{fill_expression, open_expression};
pub use knowledge::{EntrySet, Hit, HitKind, Knowledge, Query, Term};
pub use lead::{Lead, LeadSource};
pub use library::{Library, Source};
pub use name::{NamePattern, last_segment};
pub use needs::{Need, Then};
pub use parse::{parse_bundled, parse_entry, parse_library};
pub use pattern::{ArgKey, Event, Guard, Literal, On, Op, Pattern, Subject, Test, Use};
pub use peer::{PEER_RULES, PeerRule};
pub use post::{Comment, Post, PostHit};
pub use problem::Problem;
pub use shape::Shape;
