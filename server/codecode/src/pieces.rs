//! Vocabularies of SentencePiece, as CodeLlama and the older Llama models have them, from pieces and their scores.
//! Knows spelling only; marks and bytes of a whole vocabulary are in [`crate::tokens`].
//!
//! Such a vocabulary writes a space as `▁`, joins the two neighbours whose union has the best score until none is
//! left, and spells what it has no piece for byte by byte. A literal `▁` is spelled in bytes too: SentencePiece would
//! give a space back for it, and text has to come back as it went in.

use std::collections::HashSet;

use anyhow::{Result, anyhow, ensure};
use tokenizers::{Tokenizer, models::bpe::BPE};

/// What stands for a space.
pub(crate) const SPACE: char = '▁';

/// What a piece is, in GGUF's numbers.
mod kind {
    pub(super) const NORMAL: i64 = 1;
    pub(super) const BYTE: i64 = 6;
}

/// How texts are spelled in such a vocabulary.
pub(crate) struct Pieces {
    /// The token of every byte.
    bytes: [u32; 256],
    /// Whether a text begins with a space that is not its own.
    pub(crate) leading_space: bool,
}

impl Pieces {
    /// Finds the tokens of all bytes.
    pub(crate) fn new(names: &[String], leading_space: bool) -> Result<Self> {
        let mut bytes = [None; 256];
        for (id, name) in names.iter().enumerate() {
            if let Some(byte) = byte(name) {
                bytes[usize::from(byte)].get_or_insert(id as u32);
            }
        }
        let mut found = [0; 256];
        for (to, from) in found.iter_mut().zip(bytes) {
            *to = from.ok_or_else(|| {
                anyhow!("its vocabulary cannot spell every byte; such models are not supported")
            })?;
        }
        Ok(Self {
            bytes: found,
            leading_space,
        })
    }

    /// The tokens of a text; `own` spells a stretch that is free of the sign for spaces but for real ones.
    pub(crate) fn encode(
        &self,
        text: &str,
        leading_space: bool,
        own: impl Fn(&str) -> Result<Vec<u32>>,
    ) -> Result<Vec<u32>> {
        let mut tokens = Vec::new();
        for (index, stretch) in text.split(SPACE).enumerate() {
            let mut spelled = stretch.replace(' ', "▁");
            if index > 0 {
                let mut sign = [0; 4];
                let sign = SPACE.encode_utf8(&mut sign);
                tokens.extend(sign.bytes().map(|byte| self.bytes[usize::from(byte)]));
            } else if leading_space && !text.is_empty() {
                spelled.insert(0, SPACE);
            }
            if !spelled.is_empty() {
                tokens.extend(own(&spelled)?);
            }
        }
        Ok(tokens)
    }
}

/// Whether a `tokenizer.json` puts a space before a text: by its normaliser, or by how it cuts.
pub(crate) fn leading_space(file: &serde_json::Value) -> bool {
    let parts = |part: &str, list: &str| -> Vec<serde_json::Value> {
        let one = &file[part];
        let more = one[list].as_array().cloned().unwrap_or_default();
        std::iter::once(one.clone()).chain(more).collect()
    };
    parts("normalizer", "normalizers")
        .iter()
        .any(|part| part["type"] == "Prepend")
        || parts("pre_tokenizer", "pretokenizers").iter().any(|part| {
            part["type"] == "Metaspace"
                && (part["prepend_scheme"] == "first"
                    || part["prepend_scheme"] == "always"
                    || part["add_prefix_space"] == true)
        })
}

/// The byte that a piece such as `<0x0A>` stands for.
pub(crate) fn byte(name: &str) -> Option<u8> {
    let digits = name.strip_prefix("<0x")?.strip_suffix('>')?;
    (digits.len() == 2)
        .then(|| u8::from_str_radix(digits, 16).ok())
        .flatten()
}

/// The bytes that a piece stands for.
pub(crate) fn spelled(name: &str) -> Box<[u8]> {
    match byte(name) {
        Some(byte) => [byte].into(),
        None => name.replace(SPACE, " ").into_bytes().into(),
    }
}

/// The tokenizer that joins by scores: every way of making a piece of two others becomes a merge, best score first.
pub(crate) fn tokenizer(names: &[String], scores: &[f32], kinds: &[i64]) -> Result<Tokenizer> {
    ensure!(
        names.len() == scores.len() && names.len() == kinds.len(),
        "its vocabulary has {} tokens, {} scores and {} kinds",
        names.len(),
        scores.len(),
        kinds.len()
    );
    let joinable: HashSet<&str> = names
        .iter()
        .zip(kinds)
        .filter(|(_, kind)| **kind == kind::NORMAL)
        .map(|(name, _)| name.as_str())
        .collect();
    let mut merges: Vec<(f32, &str, &str)> = Vec::new();
    for ((name, &score), &kind) in names.iter().zip(scores).zip(kinds) {
        if kind != kind::NORMAL {
            continue;
        }
        for (at, _) in name.char_indices().skip(1) {
            let (left, right) = name.split_at(at);
            if joinable.contains(left) && joinable.contains(right) {
                merges.push((score, left, right));
            }
        }
    }
    // Stable: equal scores keep the vocabulary's order.
    merges.sort_by(|a, b| b.0.total_cmp(&a.0));
    let merges = merges
        .into_iter()
        .map(|(_, left, right)| (left.to_owned(), right.to_owned()))
        .collect();
    let vocabulary = names
        .iter()
        .zip(kinds)
        .enumerate()
        .filter(|(_, (_, kind))| matches!(**kind, kind::NORMAL | kind::BYTE))
        .map(|(id, (name, _))| (name.clone(), id as u32));
    let bpe = BPE::builder()
        .vocab_and_merges(
            vocabulary.collect::<tokenizers::models::bpe::Vocab>(),
            merges,
        )
        .byte_fallback(true)
        .build()
        .map_err(|problem| anyhow!("its vocabulary is damaged: {problem}"))?;
    Ok(Tokenizer::new(bpe))
}
