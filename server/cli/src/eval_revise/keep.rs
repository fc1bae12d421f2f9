//! What a run remembers for the next one: one JSON object a line, added to and never rewritten, so
//! that an interrupted run loses at most its last line. It knows nothing of what it keeps.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use revision::{Answer, Cost, Model, ModelError, Question, Watch};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Values by name, on disk.
#[derive(Debug)]
pub(super) struct Keep<T> {
    values: HashMap<String, T>,
    file: File,
    path: String,
}

#[derive(Serialize)]
struct Written<'a, T> {
    name: &'a str,
    value: &'a T,
}

#[derive(Deserialize)]
struct Line<T> {
    name: String,
    value: T,
}

impl<T: Serialize + DeserializeOwned + Clone> Keep<T> {
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let named = || path.display().to_string();
        let text = match std::fs::read(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(named),
        };
        let mut values = HashMap::new();
        // A line that cannot be read is one that was being written when a run ended.
        for line in text.lines() {
            if let Ok(line) = serde_json::from_str::<Line<T>>(line) {
                values.insert(line.name, line.value);
            }
        }
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        let mut file = options.open(path).with_context(named)?;
        if !text.is_empty() && !text.ends_with('\n') {
            file.write_all(b"\n").with_context(named)?;
        }
        Ok(Self {
            values,
            file,
            path: named(),
        })
    }

    pub(super) fn get(&self, name: &str) -> Option<&T> {
        self.values.get(name)
    }

    pub(super) fn put(&mut self, name: &str, value: &T) -> anyhow::Result<()> {
        let line = serde_json::to_string(&Written { name, value })? + "\n";
        let written = self.file.write_all(line.as_bytes());
        written.with_context(|| self.path.clone())?;
        self.values.insert(name.to_owned(), value.clone());
        Ok(())
    }
}

/// An answer as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    text: String,
    cut: bool,
    asked: u64,
    answered: u64,
    seconds: f32,
}

/// A model whose answers are asked for once.
pub(super) struct Remembering {
    model: Box<dyn Model>,
    answers: Mutex<Keep<Kept>>,
}

impl Remembering {
    pub(super) fn new(model: Box<dyn Model>, path: &Path) -> anyhow::Result<Self> {
        let answers = Mutex::new(Keep::open(path)?);
        Ok(Self { model, answers })
    }
}

fn name_of(model: &str, question: &Question) -> String {
    let limits = format!(
        "{} {} {}",
        question.max_tokens, question.temperature, question.seed
    );
    let mut parts = vec![model, &limits];
    for message in &question.messages {
        parts.push(message.role.id());
        parts.push(&message.text);
    }
    eval::revise::digest(&parts)
}

impl Model for Remembering {
    fn name(&self) -> &str {
        self.model.name()
    }

    fn ask(&self, question: &Question, watch: &dyn Watch) -> Result<Answer, ModelError> {
        let name = name_of(self.model.name(), question);
        {
            let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(kept) = answers.get(&name) {
                return Ok(Answer {
                    text: kept.text.clone(),
                    cut: kept.cut,
                    cost: Cost {
                        calls: 1,
                        asked_tokens: kept.asked,
                        answered_tokens: kept.answered,
                        time: Duration::try_from_secs_f32(kept.seconds).unwrap_or_default(),
                    },
                });
            }
        }
        let answer = self.model.ask(question, watch)?;
        let kept = Kept {
            text: answer.text.clone(),
            cut: answer.cut,
            asked: answer.cost.asked_tokens,
            answered: answer.cost.answered_tokens,
            seconds: answer.cost.time.as_secs_f32(),
        };
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        // An answer that cannot be kept is still an answer; the next run asks again.
        let _ = answers.put(&name, &kept);
        Ok(answer)
    }
}
