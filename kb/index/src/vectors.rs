//! Vectors in one file: read whole, searched exactly, written aside and moved into place.
//! It knows keys and numbers; it knows neither the texts nor the model.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use crate::hash;

/// The first bytes of a file of vectors; the digit is the form's number.
const MAGIC: &[u8; 8] = b"SLVECT-1";
/// Magic, stamp of the model, dimension, count, checksum: eight bytes each.
const HEADER: usize = 40;
/// The largest file that is read, in bytes: 300,000 vectors of 768 numbers.
const MAX_FILE: u64 = 1 << 30;
/// The most numbers one vector has.
const MAX_DIMENSION: u64 = 1 << 16;

/// Vectors of one model, by the fingerprint of the text that each is of.
#[derive(Debug, Default)]
pub(crate) struct Vectors {
    /// Names the model.
    stamp: u64,
    dimension: usize,
    places: HashMap<u64, usize>,
    keys: Vec<u64>,
    /// Row after row.
    rows: Vec<f32>,
}

impl Vectors {
    pub(crate) fn new(stamp: u64, dimension: usize) -> Self {
        Self {
            stamp,
            dimension,
            ..Self::default()
        }
    }

    /// The vectors in a file. None of them when it is missing, cut short, or of another model:
    /// they are made anew then.
    pub(crate) fn read(path: &Path, stamp: u64, dimension: usize) -> Self {
        Self::parse(path, stamp, dimension).unwrap_or_else(|| Self::new(stamp, dimension))
    }

    fn parse(path: &Path, stamp: u64, dimension: usize) -> Option<Self> {
        if fs::metadata(path).ok()?.len() > MAX_FILE {
            return None;
        }
        let bytes = fs::read(path).ok()?;
        let number = |place: usize| {
            let bytes = bytes.get(place * 8..place * 8 + 8)?;
            Some(u64::from_le_bytes(bytes.try_into().ok()?))
        };
        if bytes.get(..8)? != MAGIC || number(1)? != stamp || number(2)? != dimension as u64 {
            return None;
        }
        if dimension as u64 > MAX_DIMENSION {
            return None;
        }
        let count = usize::try_from(number(3)?).ok()?;
        let body = bytes.get(HEADER..)?;
        let each = 8 + dimension * 4;
        if body.len() != count.checked_mul(each)? || hash::of(body) != number(4)? {
            return None;
        }
        let (keys, rows) = body.split_at(count * 8);
        let mut out = Self::new(stamp, dimension);
        out.rows = rows
            .as_chunks::<4>()
            .0
            .iter()
            .map(|it| f32::from_le_bytes(*it))
            .collect();
        for key in keys.as_chunks::<8>().0 {
            let key = u64::from_le_bytes(*key);
            out.places.insert(key, out.keys.len());
            out.keys.push(key);
        }
        Some(out)
    }

    /// Writes the file beside its place and moves it there, so that nobody reads half of it.
    pub(crate) fn write(&self, path: &Path) -> std::io::Result<()> {
        let mut body = Vec::with_capacity(self.keys.len() * (8 + self.dimension * 4));
        for key in &self.keys {
            body.extend_from_slice(&key.to_le_bytes());
        }
        for value in &self.rows {
            body.extend_from_slice(&value.to_le_bytes());
        }
        let numbers = [
            self.stamp,
            self.dimension as u64,
            self.keys.len() as u64,
            hash::of(&body),
        ];
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let aside = path.with_extension(format!("tmp-{}", std::process::id()));
        let written = fs::File::create(&aside).and_then(|mut file| {
            file.write_all(MAGIC)?;
            for number in numbers {
                file.write_all(&number.to_le_bytes())?;
            }
            file.write_all(&body)?;
            file.sync_all()?;
            fs::rename(&aside, path)
        });
        if written.is_err() {
            let _ = fs::remove_file(&aside);
        }
        written
    }

    /// Adds a vector; one of another length, or of a key that is there, is ignored.
    pub(crate) fn add(&mut self, key: u64, vector: &[f32]) {
        if vector.len() == self.dimension && !self.places.contains_key(&key) {
            self.places.insert(key, self.keys.len());
            self.keys.push(key);
            self.rows.extend_from_slice(vector);
        }
    }

    /// The vector of a text.
    pub(crate) fn get(&self, key: u64) -> Option<&[f32]> {
        let place = *self.places.get(&key)?;
        self.rows
            .get(place * self.dimension..(place + 1) * self.dimension)
    }

    /// Lets go of the vectors that are not among the keys. Says whether there were any.
    pub(crate) fn retain(&mut self, wanted: &dyn Fn(u64) -> bool) -> bool {
        if self.keys.iter().all(|key| wanted(*key)) {
            return false;
        }
        let mut kept = Self::new(self.stamp, self.dimension);
        for key in &self.keys {
            if let (true, Some(vector)) = (wanted(*key), self.get(*key)) {
                kept.add(*key, vector);
            }
        }
        *self = kept;
        true
    }
}

/// The dot product; the cosine where both have length one.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    // Eight sums side by side are what the machine adds at once.
    let (a_eights, a_rest) = a.as_chunks::<8>();
    let (b_eights, b_rest) = b.as_chunks::<8>();
    let mut sums = [0.0_f32; 8];
    for (a, b) in a_eights.iter().zip(b_eights) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}
