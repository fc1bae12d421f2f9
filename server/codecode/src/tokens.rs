//! Text to tokens and back, byte for byte, for the vocabularies of GGUF files and `tokenizer.json`.
//! Knows no weights. Special tokens are never read out of text: text is data, and only templates set marks.

use std::{collections::HashMap, path::Path};

use anyhow::{Context, Result, anyhow, bail, ensure};
use candle_core::quantized::gguf_file::{Content, Value};
use tokenizers::{
    Tokenizer,
    models::{ModelWrapper, bpe::BPE},
    pre_tokenizers::{
        PreTokenizerWrapper,
        byte_level::ByteLevel,
        digits::Digits,
        sequence::Sequence,
        split::{Split, SplitPattern},
    },
    tokenizer::{AddedToken, SplitDelimiterBehavior},
};

use crate::pieces::{self, Pieces};

/// A vocabulary with its marks.
pub struct Tokens {
    tokenizer: Tokenizer,
    /// Set for SentencePiece vocabularies; the others are byte-level.
    pieces: Option<Pieces>,
    bytes: Vec<Box<[u8]>>,
    marks: HashMap<String, u32>,
    ends: Vec<u32>,
    begin: Option<u32>,
    template: Option<String>,
}

impl Tokens {
    /// The tokenizer that a GGUF file carries.
    ///
    /// # Errors
    /// When it is neither a byte-level BPE nor SentencePiece's with scores, or is damaged.
    pub fn from_gguf(file: &Content) -> Result<Self> {
        let kind = string(file, "tokenizer.ggml.model").context("the file carries no tokenizer")?;
        let names = strings(file, "tokenizer.ggml.tokens")?;
        let kinds = file.metadata.get("tokenizer.ggml.token_type");
        let (tokenizer, pieces) = match kind {
            "gpt2" => (byte_level(file, &names)?, None),
            "llama" => {
                let kinds: Vec<i64> = kinds
                    .and_then(|kinds| kinds.to_vec().ok())
                    .context("the file lacks `tokenizer.ggml.token_type`")?
                    .iter()
                    .map(|kind| integer(kind).unwrap_or_default())
                    .collect();
                let scores: Vec<f32> = file
                    .metadata
                    .get("tokenizer.ggml.scores")
                    .and_then(|scores| scores.to_vec().ok())
                    .context("the file lacks `tokenizer.ggml.scores`")?
                    .iter()
                    .map(|score| score.to_f32().unwrap_or(f32::NEG_INFINITY))
                    .collect();
                let space = flag(file, "tokenizer.ggml.add_space_prefix").unwrap_or(true);
                (
                    pieces::tokenizer(&names, &scores, &kinds)?,
                    Some(Pieces::new(&names, space)?),
                )
            }
            other => bail!(
                "its tokenizer is of the kind `{other}`, which this program does not know; put the model's \
                 tokenizer.json beside it"
            ),
        };

        let mut marks = HashMap::new();
        if let Some(Value::Array(kinds)) = kinds {
            for (index, kind) in kinds.iter().enumerate() {
                // 3 and 4 are control and user-defined; both stand for themselves, not for pieces of text.
                if matches!(integer(kind), Some(3 | 4))
                    && let Some(name) = names.get(index)
                {
                    marks.insert(name.clone(), index as u32);
                }
            }
        }
        let named = |name: &str| -> Option<u32> {
            let value = file
                .metadata
                .get(&format!("tokenizer.ggml.{name}_token_id"))?;
            u32::try_from(integer(value)?).ok()
        };
        // Marks for gaps are ordinary pieces in some files, and named beside them.
        for name in [
            "prefix", "suffix", "middle", "fim_pre", "fim_suf", "fim_mid",
        ] {
            if let Some(id) = named(name)
                && let Some(spelled) = names.get(id as usize)
            {
                marks.insert(spelled.clone(), id);
            }
        }
        let mut ends: Vec<u32> = ["eos", "eot"].into_iter().filter_map(named).collect();
        // SentencePiece models begin with their mark unless the file says otherwise.
        let begins = flag(file, "tokenizer.ggml.add_bos_token").unwrap_or(pieces.is_some());
        let begin = begins.then(|| named("bos")).flatten();
        add_ends(&mut ends, &marks);
        let template = string(file, "tokenizer.chat_template").ok();
        Self::new(tokenizer, pieces, &names, marks, ends, begin, template)
    }

    /// The tokenizer of a `tokenizer.json`, with `tokenizer_config.json` and `generation_config.json` beside it
    /// where they are.
    ///
    /// # Errors
    /// When the file cannot be read, or its tokenizer is neither byte-level nor SentencePiece's with bytes.
    pub fn from_folder(folder: &Path) -> Result<Self> {
        let file = folder.join("tokenizer.json");
        let mut tokenizer = Tokenizer::from_file(&file)
            .map_err(|problem| anyhow!("{}: {problem}", file.display()))?;
        let size = tokenizer.get_vocab_size(true);
        let names: Vec<String> = (0..size)
            .map(|id| tokenizer.id_to_token(id as u32).unwrap_or_default())
            .collect();
        let marks: HashMap<String, u32> = tokenizer
            .get_added_tokens_decoder()
            .into_iter()
            .map(|(id, token)| (token.content, id))
            .collect();
        let falls_back =
            matches!(tokenizer.get_model(), ModelWrapper::BPE(bpe) if bpe.byte_fallback);
        let pieces = if falls_back {
            // Its way with spaces is followed by our own code, which gives a literal sign for one back.
            let way = std::fs::read_to_string(&file)?;
            let space = pieces::leading_space(&serde_json::from_str(&way)?);
            tokenizer.with_pre_tokenizer(None::<PreTokenizerWrapper>);
            Some(Pieces::new(&names, space)?)
        } else {
            None
        };
        let json = |name: &str| -> Option<serde_json::Value> {
            serde_json::from_slice(&std::fs::read(folder.join(name)).ok()?).ok()
        };
        let config = json("tokenizer_config.json").unwrap_or_default();
        let named = |key: &str| {
            let value = &config[key];
            let name = value.as_str().or_else(|| value["content"].as_str())?;
            marks.get(name).copied()
        };
        let mut ends: Vec<u32> = named("eos_token").into_iter().collect();
        if let Some(generation) = json("generation_config.json") {
            let listed = &generation["eos_token_id"];
            let one = listed.as_u64().into_iter();
            let more = listed
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(serde_json::Value::as_u64);
            ends.extend(one.chain(more).filter_map(|id| u32::try_from(id).ok()));
        }
        let begin = config["add_bos_token"]
            .as_bool()
            .unwrap_or(false)
            .then(|| named("bos_token"))
            .flatten();
        add_ends(&mut ends, &marks);
        let template = config["chat_template"].as_str();
        Self::new(tokenizer, pieces, &names, marks, ends, begin, template)
    }

    fn new(
        mut tokenizer: Tokenizer,
        pieces: Option<Pieces>,
        names: &[String],
        marks: HashMap<String, u32>,
        ends: Vec<u32>,
        begin: Option<u32>,
        template: Option<&str>,
    ) -> Result<Self> {
        let table = byte_table();
        let mut bytes: Vec<Box<[u8]>> = names
            .iter()
            .map(|name| {
                if marks.contains_key(name) {
                    return name.as_bytes().into();
                }
                if pieces.is_some() {
                    return pieces::spelled(name);
                }
                spelled(name, &table).unwrap_or_else(|| name.as_bytes().into())
            })
            .collect();
        for (name, &id) in &marks {
            if let Some(slot) = bytes.get_mut(id as usize) {
                *slot = name.as_bytes().into();
            }
        }
        let single: std::collections::HashSet<u8> = bytes
            .iter()
            .filter(|piece| piece.len() == 1)
            .map(|piece| piece[0])
            .collect();
        ensure!(
            single.len() > 200,
            "its tokenizer is not byte-level ({} single bytes); such models are not supported",
            single.len()
        );
        tokenizer
            .add_special_tokens(
                marks
                    .keys()
                    .map(|name| AddedToken::from(name.clone(), true))
                    .collect::<Vec<_>>(),
            )
            .map_err(|problem| anyhow!("its special tokens are damaged: {problem}"))?;
        tokenizer.with_post_processor(None::<tokenizers::PostProcessorWrapper>);
        tokenizer
            .with_normalizer(None::<tokenizers::NormalizerWrapper>)
            .map_err(|problem| anyhow!("{problem}"))?;
        // What looks like a mark in text stays text.
        tokenizer.set_encode_special_tokens(true);
        Ok(Self {
            tokenizer,
            pieces,
            bytes,
            marks,
            ends,
            begin,
            template: template.map(str::to_owned),
        })
    }

    /// The tokens of a text, in which nothing is a mark. Some vocabularies put a space before it.
    ///
    /// # Errors
    /// When the tokenizer cannot spell the text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        match &self.pieces {
            Some(pieces) => pieces.encode(text, pieces.leading_space, |own| self.raw(own)),
            None => self.raw(text),
        }
    }

    /// The tokens of a text that goes on where another one ended: nothing is put before it.
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn encode_on(&self, text: &str) -> Result<Vec<u32>> {
        match &self.pieces {
            Some(pieces) => pieces.encode(text, false, |own| self.raw(own)),
            None => self.raw(text),
        }
    }

    fn raw(&self, text: &str) -> Result<Vec<u32>> {
        let encoding = self
            .tokenizer
            .encode_fast(text, false)
            .map_err(|problem| anyhow!("tokenizing: {problem}"))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The bytes a token stands for; nothing for an unknown number.
    #[must_use]
    pub fn bytes(&self, token: u32) -> &[u8] {
        self.bytes.get(token as usize).map_or(&[], |bytes| bytes)
    }

    /// The bytes of several tokens.
    #[must_use]
    pub fn decode(&self, tokens: &[u32]) -> Vec<u8> {
        tokens
            .iter()
            .flat_map(|&token| self.bytes(token))
            .copied()
            .collect()
    }

    /// The number of a mark such as `<|im_start|>`.
    #[must_use]
    pub fn mark(&self, name: &str) -> Option<u32> {
        self.marks.get(name).copied()
    }

    /// Whether the token ends an answer.
    #[must_use]
    pub fn ends(&self, token: u32) -> bool {
        self.ends.contains(&token)
    }

    /// Whether the token is a mark, which no text should show.
    #[must_use]
    pub fn is_mark(&self, token: u32) -> bool {
        self.marks.values().any(|&mark| mark == token)
    }

    /// The token that every text of this model starts with, if any.
    #[must_use]
    pub fn begin(&self) -> Option<u32> {
        self.begin
    }

    /// The chat template the model came with, by which its family is told.
    #[must_use]
    pub fn template(&self) -> Option<&str> {
        self.template.as_deref()
    }

    /// How many tokens there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The first token that the two vocabularies spell differently, where both have it; `None` is a fit.
    #[must_use]
    pub fn differs(&self, other: &Self) -> Option<u32> {
        (0..self.len().min(other.len()) as u32)
            .find(|&token| self.bytes(token) != other.bytes(token))
    }
}

/// The tokenizer of a GGUF file with merges.
fn byte_level(file: &Content, names: &[String]) -> Result<Tokenizer> {
    let merges = strings(file, "tokenizer.ggml.merges")?
        .into_iter()
        .map(|merge| {
            merge
                .split_once(' ')
                .map(|(left, right)| (left.to_owned(), right.to_owned()))
                .ok_or_else(|| anyhow!("the merge `{merge}` does not name two tokens"))
        })
        .collect::<Result<Vec<_>>>()?;
    let vocabulary = names
        .iter()
        .enumerate()
        .map(|(index, name)| (name.clone(), index as u32));
    let bpe = BPE::builder()
        .vocab_and_merges(
            vocabulary.collect::<tokenizers::models::bpe::Vocab>(),
            merges,
        )
        .ignore_merges(flag(file, "tokenizer.ggml.ignore_merges").unwrap_or(false))
        .build()
        .map_err(|problem| anyhow!("its vocabulary is damaged: {problem}"))?;
    let mut tokenizer = Tokenizer::new(bpe);
    tokenizer.with_pre_tokenizer(Some(splitter(
        string(file, "tokenizer.ggml.pre").unwrap_or("gpt2"),
    )?));
    Ok(tokenizer)
}

/// Ways to end an answer that files often leave out of their metadata.
fn add_ends(ends: &mut Vec<u32>, marks: &HashMap<String, u32>) {
    const NAMES: [&str; 6] = [
        "<|im_end|>",
        "<|endoftext|>",
        "<|eot_id|>",
        "<|end_of_text|>",
        "<|EOT|>",
        "<｜end▁of▁sentence｜>",
    ];
    ends.extend(NAMES.iter().filter_map(|name| marks.get(*name)));
    ends.sort_unstable();
    ends.dedup();
}

/// How each family cuts text before merging. Normal forms are left alone: text must come back as it went in.
fn splitter(kind: &str) -> Result<PreTokenizerWrapper> {
    let digits = |most: &str| {
        format!(
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{most}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
        )
    };
    let split = |pattern: &str| -> Result<PreTokenizerWrapper> {
        Split::new(
            SplitPattern::Regex(pattern.to_owned()),
            SplitDelimiterBehavior::Isolated,
            false,
        )
        .map(Into::into)
        .map_err(|problem| anyhow!("{problem}"))
    };
    let bytes = ByteLevel::new(false, false, false).into();
    let words = ByteLevel::new(false, false, true).into();
    let parts: Vec<PreTokenizerWrapper> = match kind {
        "qwen2" => vec![split(&digits(""))?, bytes],
        "llama3" | "llama-bpe" | "smaug-bpe" => vec![split(&digits("{1,3}"))?, bytes],
        "smollm" | "starcoder" | "refact" | "command-r" => vec![Digits::new(true).into(), words],
        "deepseek-coder" => vec![
            split(r"[\r\n]")?,
            split(r"\s?\p{L}+")?,
            split(r"\s?\p{P}+")?,
            split(r"[一-龥ࠀ-一가-퟿]+")?,
            Digits::new(true).into(),
            bytes,
        ],
        "gpt2" | "gpt-2" | "default" => vec![words],
        other => bail!(
            "its tokenizer cuts text in a way this program does not know (`{other}`); put the model's tokenizer.json beside it"
        ),
    };
    Ok(Sequence::new(parts).into())
}

/// GPT-2's spelling of bytes as printable characters, reversed.
fn byte_table() -> HashMap<char, u8> {
    let mut table = HashMap::new();
    let mut next = 256_u32;
    for byte in 0..=255_u8 {
        let printable = matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
        let shown = if printable {
            u32::from(byte)
        } else {
            next += 1;
            next - 1
        };
        if let Some(shown) = char::from_u32(shown) {
            table.insert(shown, byte);
        }
    }
    table
}

fn spelled(name: &str, table: &HashMap<char, u8>) -> Option<Box<[u8]>> {
    name.chars()
        .map(|shown| table.get(&shown).copied())
        .collect()
}

fn string<'a>(file: &'a Content, key: &str) -> Result<&'a str> {
    let value = file
        .metadata
        .get(key)
        .ok_or_else(|| anyhow!("the file lacks `{key}`"))?;
    value
        .to_string()
        .map(String::as_str)
        .with_context(|| format!("`{key}`"))
}

fn strings(file: &Content, key: &str) -> Result<Vec<String>> {
    let value = file
        .metadata
        .get(key)
        .ok_or_else(|| anyhow!("the file lacks `{key}`"))?;
    let list = value.to_vec().with_context(|| format!("`{key}`"))?;
    list.iter()
        .map(|item| {
            Ok(item
                .to_string()
                .with_context(|| format!("`{key}`"))?
                .clone())
        })
        .collect()
}

fn flag(file: &Content, key: &str) -> Option<bool> {
    file.metadata.get(key)?.to_bool().ok()
}

/// Any whole number of the file's metadata.
#[must_use]
pub fn integer(value: &Value) -> Option<i64> {
    Some(match *value {
        Value::U8(n) => n.into(),
        Value::I8(n) => n.into(),
        Value::U16(n) => n.into(),
        Value::I16(n) => n.into(),
        Value::U32(n) => n.into(),
        Value::I32(n) => n.into(),
        Value::U64(n) => i64::try_from(n).ok()?,
        Value::I64(n) => n,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A vocabulary that SentencePiece trained, and how it spells texts itself: tests/pieces.py makes it.
    #[derive(serde::Deserialize)]
    struct Made {
        tokens: Vec<String>,
        scores: Vec<f32>,
        kinds: Vec<i64>,
        cases: Vec<(String, Vec<u32>)>,
    }

    fn made() -> Result<Made> {
        Ok(serde_json::from_str(include_str!("../tests/pieces.json"))?)
    }

    fn list<T>(items: Vec<T>, wrap: fn(T) -> Value) -> Value {
        Value::Array(items.into_iter().map(wrap).collect())
    }

    fn file(made: Made) -> Content {
        let metadata = [
            ("tokenizer.ggml.model", Value::String("llama".to_owned())),
            ("tokenizer.ggml.tokens", list(made.tokens, Value::String)),
            ("tokenizer.ggml.scores", list(made.scores, Value::F32)),
            (
                "tokenizer.ggml.token_type",
                list(made.kinds, |kind| Value::I32(kind as i32)),
            ),
            ("tokenizer.ggml.bos_token_id", Value::U32(1)),
            ("tokenizer.ggml.eos_token_id", Value::U32(2)),
        ];
        Content {
            magic: candle_core::quantized::gguf_file::VersionedMagic::GgufV3,
            metadata: metadata
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect(),
            tensor_infos: HashMap::new(),
            tensor_data_offset: 0,
        }
    }

    #[test]
    fn a_sentencepiece_vocabulary_spells_as_sentencepiece_does() -> Result<()> {
        let made = made()?;
        let cases = made.cases.clone();
        assert!(cases.len() > 40);
        let tokens = Tokens::from_gguf(&file(made))?;
        assert_eq!(tokens.begin(), Some(1));
        assert!(tokens.ends(2));
        for (text, expected) in cases {
            assert_eq!(tokens.encode(&text)?, expected, "{text:?}");
        }
        Ok(())
    }

    #[test]
    fn every_text_comes_back_from_a_sentencepiece_vocabulary() -> Result<()> {
        let tokens = Tokens::from_gguf(&file(made()?))?;
        let own = "the sign ▁ itself ▁▁, and <0x0A> as text";
        let cases = made()?.cases;
        for text in cases.iter().map(|(text, _)| text.as_str()).chain([own]) {
            let inside = tokens.decode(&tokens.encode_on(text)?);
            assert_eq!(String::from_utf8(inside)?, text);
            let first = tokens.decode(&tokens.encode(text)?);
            let space = if text.is_empty() { "" } else { " " };
            assert_eq!(String::from_utf8(first)?, format!("{space}{text}"));
        }
        let control: Vec<u32> = tokens.encode("<s></s>")?;
        assert!(!control.contains(&1) && !control.contains(&2));
        Ok(())
    }

    #[test]
    fn a_vocabulary_that_cannot_spell_every_byte_is_refused() -> Result<()> {
        let mut made = made()?;
        for name in &mut made.tokens {
            if name == "<0x7F>" {
                "gone".clone_into(name);
            }
        }
        let problem = Tokens::from_gguf(&file(made))
            .err()
            .map(|it| it.to_string());
        assert!(problem.is_some_and(|it| it.contains("every byte")));
        Ok(())
    }
}
