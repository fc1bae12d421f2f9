//! How well a discussion must fit code: measured on programs that it cannot be about.
//! It knows an index and questions; where the questions come from is not its business.

use std::fs;
use std::path::Path;

use kb_schema::{Language, Query};
use serde::{Deserialize, Serialize};

use super::{IndexError, Installed};
use crate::hash;

/// The file of an index's calibration, in its folder.
pub(super) const CALIBRATION: &str = "calibration.json";
/// The largest one that is read, in bytes.
const MAX_FILE: u64 = 4096;
/// Of 100 unrelated programs so many are to get no discussion.
const SILENT: usize = 95;
/// With fewer unrelated programs that found anything there is nothing to go by.
const FEWEST: usize = 20;

/// What a calibration found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Discussions that cover less of some code than this, from 0 to 1, are not shown with it.
    pub threshold: f32,
    /// How many unrelated programs found anything at all.
    pub unrelated: usize,
    /// How many of the index's posts were there.
    pub posts: u64,
}

/// The calibration that lies beside an index; none where there is no good one.
pub(super) fn read(folder: &Path) -> Option<Calibration> {
    let path = folder.join(CALIBRATION);
    if fs::metadata(&path).ok()?.len() > MAX_FILE {
        return None;
    }
    let read: Calibration = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    (0.0..=1.0).contains(&read.threshold).then_some(read)
}

impl Installed {
    /// Asks for discussions with programs in another language than theirs, and sets the threshold
    /// where all but a few of them would get none.
    ///
    /// # Errors
    /// The result cannot be written.
    pub fn calibrate(&self, programs: &[(Language, &str)]) -> Result<Calibration, IndexError> {
        let mut best: Vec<f32> = Vec::new();
        for (language, program) in programs {
            for other in Language::ALL.into_iter().filter(|it| it != language) {
                let query = Query {
                    text: (*program).to_owned(),
                    language: Some(other),
                    limit: 5,
                };
                let hits = self.search(&query).unwrap_or_default();
                best.extend(hits.iter().map(|it| it.coverage).max_by(f32::total_cmp));
            }
        }
        best.sort_by(f32::total_cmp);
        let at = best.len() * SILENT / 100;
        let threshold = if best.len() < FEWEST {
            0.0
        } else {
            best[at.min(best.len() - 1)]
        };
        let calibration = Calibration {
            threshold,
            unrelated: best.len(),
            posts: self.manifest.posts,
        };
        let path = self.path.join(CALIBRATION);
        let aside = self.path.join(format!(
            "{CALIBRATION}.{:x}",
            hash::of(&std::process::id().to_le_bytes())
        ));
        let text = serde_json::to_vec(&calibration).unwrap_or_default();
        let written = fs::write(&aside, text).and_then(|()| fs::rename(&aside, &path));
        written.map_err(|error| {
            let _ = fs::remove_file(&aside);
            IndexError::io(&path)(error)
        })?;
        Ok(calibration)
    }
}
