//! A base and its security model as one thing that answers: prompts in, text out as it comes.
//! Knows tokens, stop sequences and counts, no protocol.

use std::ops::ControlFlow;

use anyhow::{Result, bail};
use serde::Serialize;

use crate::{
    decode::{Counts, Listener, Plan, Run, alone, alone_all, together, together_all},
    draws::Draws,
    engine::{Load, Model, Need},
    law::{Emission, Law, Source},
    model::LanguageModel,
    tokens::Tokens,
};

/// Two models that share a vocabulary, or a base alone, with what they have read last.
pub struct Session {
    base: Model,
    draft: Option<Model>,
    read: Vec<u32>,
}

/// One sample to generate.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// The prompt's tokens.
    pub prompt: &'a [u32],
    /// The law.
    pub law: Law,
    /// How far ahead to work.
    pub plan: Plan,
    /// Seed and sample number.
    pub draws: Draws,
    /// The most tokens to emit.
    pub limit: usize,
    /// The answer ends before the first of these texts.
    pub stops: &'a [String],
    /// Leave the security model out.
    pub base_only: bool,
    /// Emit what would end an answer like any other token: for measuring.
    pub endless: bool,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The model ended it, or a stop sequence did.
    Stop,
    /// The limit, or the end of the context.
    Length,
    /// Whoever asked no longer listens.
    Cancelled,
}

/// One token of an answer and who decided it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Traced {
    /// The token's text, with what is not UTF-8 replaced.
    pub text: String,
    /// The token.
    pub token: u32,
    /// Natural logarithm of its probability under the base, after warping.
    pub logprob: f64,
    /// Whether the base put it in the place of the security model's proposal.
    pub base_took_over: bool,
    /// That proposal's text, where it was another token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proposed: Option<String>,
}

/// A piece of an answer as it comes.
#[derive(Debug)]
pub struct Piece<'a> {
    /// New text; may be empty while bytes of a character or a possible stop sequence are held back.
    pub text: &'a str,
    /// The token that came.
    pub token: &'a Traced,
}

/// Who hears of an answer; asked also between pieces whether to go on.
pub trait Hearer {
    /// New text.
    fn piece(&mut self, piece: &Piece<'_>) -> ControlFlow<()>;
    /// Asked before every forward pass.
    fn go_on(&mut self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

impl<F: FnMut(&Piece<'_>) -> ControlFlow<()>> Hearer for F {
    fn piece(&mut self, piece: &Piece<'_>) -> ControlFlow<()> {
        self(piece)
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The text.
    pub text: String,
    /// Text that was held back and belongs at the end, after the last piece.
    pub rest: String,
    /// Its tokens, the one that ended it included.
    pub tokens: Vec<u32>,
    /// Why it ended.
    pub finish: Finish,
    /// What was counted.
    pub counts: Counts,
}

impl Session {
    /// Loads a base and, where given, its security model.
    ///
    /// # Errors
    /// When a file is damaged, the two do not share a vocabulary, or they do not fit into memory together.
    pub fn load(base: &Load, draft: Option<&Load>) -> Result<Self> {
        let mut needs = vec![base.need()?];
        if let Some(draft) = draft {
            needs.push(draft.need()?);
        }
        let all = needs.iter().fold(
            Need {
                weights: 0,
                cache: 0,
                work: 0,
            },
            |sum, need| Need {
                weights: sum.weights + need.weights,
                cache: sum.cache + need.cache,
                work: sum.work + need.work,
            },
        );
        all.check(&base.model)?;
        let base_model = base.load()?;
        let draft_model = draft.map(Load::load).transpose()?;
        if let (Some(model), Some(load)) = (&draft_model, draft) {
            same_vocabulary(&base_model, model, load, base)?;
        }
        Ok(Self {
            base: base_model,
            draft: draft_model,
            read: Vec::new(),
        })
    }

    /// The base's vocabulary, which both share.
    #[must_use]
    pub fn tokens(&self) -> &Tokens {
        &self.base.tokens
    }

    /// What the base calls itself.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.base.name
    }

    /// How many tokens prompt and answer may have together.
    #[must_use]
    pub fn context(&self) -> usize {
        let base = self.base.network.context();
        self.draft
            .as_ref()
            .map_or(base, |draft| draft.network.context().min(base))
    }

    /// Whether a security model is there.
    #[must_use]
    pub fn is_pair(&self) -> bool {
        self.draft.is_some()
    }

    /// Generates one sample.
    ///
    /// # Errors
    /// When the prompt is too long or a model fails.
    pub fn answer(&mut self, ask: &Ask<'_>, hearer: &mut dyn Hearer) -> Result<Answer> {
        let common = self.forget_but(ask.prompt);
        let run = ask.run();
        let mut writer = Writer::new(&self.base.tokens, ask, hearer);
        let outcome = match &mut self.draft {
            Some(draft) if !ask.base_only => together(
                &run,
                &mut draft.network,
                &mut self.base.network,
                &mut writer,
            ),
            _ => alone(&run, &mut self.base.network, &mut writer),
        };
        let answer = writer.done(outcome?);
        // Both caches hold no more than this; a shorter one reads the rest again.
        self.read = [ask.prompt, &answer.tokens].concat();
        self.forget_unread_draft(ask, common);
        Ok(answer)
    }

    /// How many samples of such an answer are generated side by side; 1 where they come one after another.
    #[must_use]
    pub fn beside(&self, ask: &Ask<'_>) -> usize {
        let context = self.context();
        let taken = ask.prompt.len().saturating_sub(1).min(context);
        let room = ask.limit.min(context - taken).max(1);
        let drafts = match &self.draft {
            Some(draft) if !ask.base_only => draft.network.fits_after(taken, room),
            _ => usize::MAX,
        };
        self.base
            .network
            .fits_after(taken, room)
            .min(drafts)
            .min(ROWS_AT_ONCE / ask.plan.rows())
            .clamp(1, BESIDE)
    }

    /// Generates the samples `lanes` of one question side by side: for each the tokens that [`Self::answer`] gives
    /// it with that lane. At most as many as [`Self::beside`] says.
    ///
    /// # Errors
    /// As [`Self::answer`]; and when there are too many of them.
    pub fn answers(
        &mut self,
        ask: &Ask<'_>,
        lanes: &[u32],
        hearers: &mut [&mut dyn Hearer],
    ) -> Result<Vec<Answer>> {
        let common = self.forget_but(ask.prompt);
        let run = ask.run();
        let samples: Vec<Draws> = lanes
            .iter()
            .map(|&lane| Draws { lane, ..ask.draws })
            .collect();
        let mut writers: Vec<Writer<'_>> = hearers
            .iter_mut()
            .map(|hearer| Writer::new(&self.base.tokens, ask, &mut **hearer))
            .collect();
        let mut listeners: Vec<&mut dyn Listener> = writers
            .iter_mut()
            .map(|writer| writer as &mut dyn Listener)
            .collect();
        let outcome = match &mut self.draft {
            Some(draft) if !ask.base_only => together_all(
                &run,
                &samples,
                &mut draft.network,
                &mut self.base.network,
                &mut listeners,
            ),
            _ => alone_all(&run, &samples, &mut self.base.network, &mut listeners),
        };
        let counts = outcome?;
        let answers = writers.into_iter().zip(counts);
        let answers = answers
            .map(|(writer, counts)| writer.done(counts))
            .collect();
        self.read = ask.prompt.to_vec();
        self.forget_unread_draft(ask, common);
        Ok(answers)
    }

    /// Goes back to where the prompt is what was read last, and says how far that is.
    fn forget_but(&mut self, prompt: &[u32]) -> usize {
        let both = self.read.iter().zip(prompt);
        let common = both.take_while(|(a, b)| a == b).count();
        self.base.network.truncate(common);
        if let Some(draft) = &mut self.draft {
            draft.network.truncate(common);
        }
        // Until the end is known, nothing may be taken for read.
        self.read.truncate(common);
        common
    }

    /// A security model that was left out has not read what the base has.
    fn forget_unread_draft(&mut self, ask: &Ask<'_>, common: usize) {
        if ask.base_only
            && let Some(draft) = &mut self.draft
        {
            draft.network.truncate(common);
        }
    }
}

/// The most samples side by side: what they read at once has to stay cheap beside the weights.
const BESIDE: usize = 8;

/// The most rows of logits that a pass of several samples may give, each as wide as the vocabulary.
pub(crate) const ROWS_AT_ONCE: usize = 128;

impl Ask<'_> {
    fn run(&self) -> Run<'_> {
        Run {
            law: self.law,
            plan: self.plan,
            draws: self.draws,
            limit: self.limit,
            prompt: self.prompt,
        }
    }
}

fn same_vocabulary(base: &Model, draft: &Model, draft_load: &Load, base_load: &Load) -> Result<()> {
    let (wide, narrow) = (base.network.vocabulary(), draft.network.vocabulary());
    let differs = base.tokens.differs(&draft.tokens);
    if wide != narrow || differs.is_some() || base.tokens.len() != draft.tokens.len() {
        let where_ = differs.map_or_else(String::new, |token| {
            format!(
                "; token {token} is {:?} in one and {:?} in the other",
                String::from_utf8_lossy(base.tokens.bytes(token)),
                String::from_utf8_lossy(draft.tokens.bytes(token))
            )
        });
        bail!(
            "{} and {} do not share a vocabulary ({wide} and {narrow} tokens{where_}); co-decoding needs two models of one \
             family",
            base_load.model.display(),
            draft_load.model.display()
        );
    }
    Ok(())
}

/// Turns tokens into text: whole characters only, and nothing that may become a stop sequence.
struct Writer<'a> {
    tokens: &'a Tokens,
    stops: &'a [String],
    endless: bool,
    hearer: &'a mut dyn Hearer,
    bytes: Vec<u8>,
    text: String,
    shown: usize,
    emitted: Vec<u32>,
    finish: Finish,
}

impl<'a> Writer<'a> {
    fn new(tokens: &'a Tokens, ask: &Ask<'a>, hearer: &'a mut dyn Hearer) -> Self {
        Self {
            tokens,
            stops: ask.stops,
            endless: ask.endless,
            hearer,
            bytes: Vec::new(),
            text: String::new(),
            shown: 0,
            emitted: Vec::new(),
            finish: Finish::Length,
        }
    }

    fn done(mut self, counts: Counts) -> Answer {
        self.take_whole_characters(true);
        let rest = self.text.get(self.shown..).unwrap_or_default().to_owned();
        Answer {
            text: self.text,
            rest,
            tokens: self.emitted,
            finish: self.finish,
            counts,
        }
    }
}

impl Listener for Writer<'_> {
    fn token(&mut self, emission: &Emission) -> ControlFlow<()> {
        let token = emission.token;
        self.emitted.push(token);
        if self.tokens.ends(token) && !self.endless {
            self.finish = Finish::Stop;
            return ControlFlow::Break(());
        }
        let piece = self.tokens.bytes(token);
        let own = String::from_utf8_lossy(piece).into_owned();
        if !self.tokens.is_mark(token) {
            self.bytes.extend_from_slice(piece);
        }
        let searched = self.text.len();
        self.take_whole_characters(false);
        let stopped = self.cut_at_stop(searched);
        let ready = if stopped {
            self.text.len()
        } else {
            self.text.len() - self.held()
        };
        let traced = Traced {
            text: own,
            token,
            logprob: emission.base_probability.ln(),
            base_took_over: emission.source == Source::Base && token != emission.proposal.token,
            proposed: (token != emission.proposal.token).then(|| {
                String::from_utf8_lossy(self.tokens.bytes(emission.proposal.token)).into_owned()
            }),
        };
        let text = self.text.get(self.shown..ready).unwrap_or_default();
        let told = self.hearer.piece(&Piece {
            text,
            token: &traced,
        });
        self.shown = self.shown.max(ready);
        if stopped {
            self.finish = Finish::Stop;
            return ControlFlow::Break(());
        }
        if told.is_break() {
            self.finish = Finish::Cancelled;
        }
        told
    }

    fn go_on(&mut self) -> ControlFlow<()> {
        let told = self.hearer.go_on();
        if told.is_break() {
            self.finish = Finish::Cancelled;
        }
        told
    }
}

impl Writer<'_> {
    /// Moves what is valid UTF-8 to the text; bytes that can never become a character are replaced.
    fn take_whole_characters(&mut self, all: bool) {
        loop {
            match std::str::from_utf8(&self.bytes) {
                Ok(valid) => {
                    self.text.push_str(valid);
                    self.bytes.clear();
                    return;
                }
                Err(problem) => {
                    let valid = problem.valid_up_to();
                    self.text
                        .push_str(&String::from_utf8_lossy(&self.bytes[..valid]));
                    let bad = match problem.error_len() {
                        Some(bad) => bad,
                        None if all => self.bytes.len() - valid,
                        None => {
                            self.bytes.drain(..valid);
                            return;
                        }
                    };
                    self.text.push(char::REPLACEMENT_CHARACTER);
                    self.bytes.drain(..valid + bad);
                }
            }
        }
    }

    /// Ends the text before the first stop sequence that reaches into what is new.
    fn cut_at_stop(&mut self, searched: usize) -> bool {
        let longest = self.stops.iter().map(String::len).max().unwrap_or(0);
        let mut from = searched.saturating_sub(longest);
        while !self.text.is_char_boundary(from) {
            from -= 1;
        }
        let found = self
            .stops
            .iter()
            .filter(|stop| !stop.is_empty())
            .filter_map(|stop| self.text[from..].find(stop.as_str()))
            .min();
        if let Some(at) = found {
            self.text.truncate(from + at);
        }
        found.is_some()
    }

    /// Bytes at the end that may be the start of a stop sequence.
    fn held(&self) -> usize {
        self.stops
            .iter()
            .flat_map(|stop| {
                (1..stop.len())
                    .filter(|&end| stop.is_char_boundary(end))
                    .map(move |end| &stop[..end])
            })
            .filter(|start| self.text.ends_with(start))
            .map(str::len)
            .max()
            .unwrap_or(0)
    }
}
