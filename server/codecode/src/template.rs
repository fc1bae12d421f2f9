//! Lays out chats and gaps in code the way each family was trained on.
//! Knows marks and roles. What users and documents say is spelled as text, so it can never close a turn.

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::tokens::Tokens;

/// Who says a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// What holds for the whole chat.
    #[serde(alias = "developer")]
    System,
    /// The one who asks.
    User,
    /// The model.
    Assistant,
}

/// One turn of a chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: String,
}

/// The tokens of a chat, ending where the model's turn begins.
///
/// # Errors
/// When the model has no chat template this program knows.
pub fn chat(tokens: &Tokens, messages: &[Message]) -> Result<Vec<u32>> {
    ensure!(!messages.is_empty(), "the chat has no messages");
    let template = tokens.template().unwrap_or_default();
    let mut out = Prompt::new(tokens);
    if tokens.mark("<|im_start|>").is_some() {
        for message in messages {
            out.mark("<|im_start|>")?;
            out.text(&format!("{}\n{}", name(message.role), message.content))?;
            out.mark("<|im_end|>")?;
            out.text("\n")?;
        }
        out.mark("<|im_start|>")?;
        out.text("assistant\n")?;
    } else if tokens.mark("<|start_header_id|>").is_some() {
        for (role, content) in messages
            .iter()
            .map(|message| (message.role, Some(&message.content)))
            .chain([(Role::Assistant, None)])
        {
            out.mark("<|start_header_id|>")?;
            out.text(name(role))?;
            out.mark("<|end_header_id|>")?;
            out.text("\n\n")?;
            if let Some(content) = content {
                out.text(content)?;
                out.mark("<|eot_id|>")?;
            }
        }
    } else if template.contains("### Instruction:") {
        for message in messages {
            match message.role {
                Role::System => out.text(&format!("{}\n", message.content))?,
                Role::User => out.text(&format!("### Instruction:\n{}\n", message.content))?,
                Role::Assistant => {
                    out.text(&format!("### Response:\n{}\n", message.content))?;
                    out.mark("<|EOT|>")?;
                    out.text("\n")?;
                }
            }
        }
        out.text("### Response:\n")?;
    } else if template.contains("[INST]") {
        let mut system = String::new();
        for message in messages {
            match message.role {
                Role::System => system = format!("<<SYS>>\n{}\n<</SYS>>\n\n", message.content),
                Role::User => out.text(&format!(
                    "[INST] {}{} [/INST]",
                    std::mem::take(&mut system),
                    message.content
                ))?,
                Role::Assistant => {
                    out.text(&format!(" {} ", message.content))?;
                    out.mark("</s>")?;
                }
            }
        }
    } else {
        bail!(
            "this model came without a chat template that is known here; it can complete text, not chat"
        );
    }
    Ok(out.tokens)
}

/// The tokens that ask for what stands between two pieces of code.
///
/// # Errors
/// When the model was not trained to fill gaps.
pub fn gap(tokens: &Tokens, before: &str, after: &str) -> Result<Vec<u32>> {
    const FAMILIES: [[&str; 3]; 4] = [
        ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"],
        ["<fim_prefix>", "<fim_suffix>", "<fim_middle>"],
        ["<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"],
        ["▁<PRE>", "▁<SUF>", "▁<MID>"],
    ];
    let family = FAMILIES
        .iter()
        .find(|names| names.iter().all(|name| tokens.mark(name).is_some()))
        .context("this model has no marks for filling a gap; leave `suffix` out to continue from the prefix")?;
    let mut out = Prompt::new(tokens);
    out.mark(family[0])?;
    out.text(before)?;
    out.mark(family[1])?;
    out.text_on(after)?;
    out.mark(family[2])?;
    Ok(out.tokens)
}

/// The tokens of a text to go on with.
///
/// # Errors
/// When the tokenizer cannot spell it.
pub fn plain(tokens: &Tokens, text: &str) -> Result<Vec<u32>> {
    let mut out = Prompt::new(tokens);
    out.text(text)?;
    if out.tokens.is_empty() {
        // A model needs something to read; the end of a text is also the start of the next.
        out.mark("<|endoftext|>").context("the prompt is empty")?;
    }
    Ok(out.tokens)
}

fn name(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    }
}

struct Prompt<'a> {
    vocabulary: &'a Tokens,
    tokens: Vec<u32>,
}

impl<'a> Prompt<'a> {
    fn new(vocabulary: &'a Tokens) -> Self {
        Self {
            vocabulary,
            tokens: vocabulary.begin().into_iter().collect(),
        }
    }

    fn mark(&mut self, name: &str) -> Result<()> {
        let mark = self
            .vocabulary
            .mark(name)
            .with_context(|| format!("the vocabulary lacks `{name}`"))?;
        self.tokens.push(mark);
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<()> {
        self.tokens.extend(self.vocabulary.encode(text)?);
        Ok(())
    }

    /// Text that is a stretch of another one.
    fn text_on(&mut self, text: &str) -> Result<()> {
        self.tokens.extend(self.vocabulary.encode_on(text)?);
        Ok(())
    }
}
