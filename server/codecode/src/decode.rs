//! Draft, verify, accept: runs the law over two models, step by step or ahead in one piece, with the same tokens.
//! Knows no weights and no text, only [`LanguageModel`] and token numbers.

use std::ops::ControlFlow;

use anyhow::{Result, ensure};

use crate::{
    draws::Draws,
    law::{Emission, Law, Proposal, Source},
    lookup::Lookup,
    model::LanguageModel,
};

/// How far to draft ahead. None of it changes a token; it only changes what it costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// The most tokens the security model drafts before the base verifies; 1 is step by step.
    pub ahead: usize,
    /// Stop drafting after a token whose probability was below this; it is rarely right to go on.
    pub doubt: f64,
    /// Read ahead what was written before; `None` does not.
    pub lookup: Option<Lookup>,
    /// Tokens of a long prompt read at once.
    pub chunk: usize,
}

impl Plan {
    /// One token at a time, as the paper does it.
    pub const STEPWISE: Self = Self {
        ahead: 1,
        doubt: 0.0,
        lookup: None,
        chunk: 256,
    };

    /// Drafts of at most eight tokens that end at the first doubtful one.
    pub const AHEAD: Self = Self {
        ahead: 8,
        doubt: 0.5,
        lookup: None,
        chunk: 256,
    };

    /// Drafting ahead and reading ahead what stands in the prompt: for revisions of given code.
    #[must_use]
    pub fn revision() -> Self {
        Self {
            lookup: Some(Lookup::default()),
            ..Self::AHEAD
        }
    }
}

/// What one generation did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Tokens emitted.
    pub emitted: u64,
    /// Of them, proposals of the security model that stood.
    pub accepted: u64,
    /// Of them, those the base put in a proposal's place.
    pub rejected: u64,
    /// Proposals that were never judged because an earlier one was replaced.
    pub dropped: u64,
    /// Forward passes of the security model, the prompt's not counted.
    pub draft_passes: u64,
    /// Forward passes of the base model, the prompt's not counted.
    pub base_passes: u64,
    /// Tokens read ahead because they stood in the text before.
    pub looked_up: u64,
    /// Of them, those that turned out as guessed.
    pub guessed: u64,
}

impl Counts {
    /// Adds what another generation did.
    pub fn add(&mut self, other: &Self) {
        self.emitted += other.emitted;
        self.accepted += other.accepted;
        self.rejected += other.rejected;
        self.dropped += other.dropped;
        self.draft_passes += other.draft_passes;
        self.base_passes += other.base_passes;
        self.looked_up += other.looked_up;
        self.guessed += other.guessed;
    }

    /// The share of judged proposals that stood; `None` before the first.
    #[must_use]
    pub fn acceptance(&self) -> Option<f64> {
        let judged = self.accepted + self.rejected;
        (judged > 0).then(|| self.accepted as f64 / judged as f64)
    }
}

/// One run: the text so far, the draws of its lane, the law and the plan.
pub struct Run<'a> {
    /// The law.
    pub law: Law,
    /// How far ahead.
    pub plan: Plan,
    /// The random numbers of this sample.
    pub draws: Draws,
    /// The most tokens to emit.
    pub limit: usize,
    /// The prompt. At least one token.
    pub prompt: &'a [u32],
}

/// Who hears of every token, and of the time between: breaking ends the run.
pub trait Listener {
    /// A token was emitted.
    fn token(&mut self, emission: &Emission) -> ControlFlow<()>;

    /// Asked before every forward pass.
    fn go_on(&mut self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

impl<F: FnMut(&Emission) -> ControlFlow<()>> Listener for F {
    fn token(&mut self, emission: &Emission) -> ControlFlow<()> {
        self(emission)
    }
}

/// Generates with both models. What the caches already hold of the prompt is used; what they hold beyond
/// it is forgotten. The caller owes that their common part is the prompt's.
///
/// # Errors
/// When a model fails, the prompt is empty or longer than a context, or the vocabularies differ in size.
pub fn together(
    run: &Run<'_>,
    draft: &mut dyn LanguageModel,
    base: &mut dyn LanguageModel,
    listener: &mut dyn Listener,
) -> Result<Counts> {
    ensure!(
        draft.vocabulary() == base.vocabulary(),
        "the models do not share a vocabulary: the security model knows {} tokens, the base {}; co-decoding needs two \
         models of one family",
        draft.vocabulary(),
        base.vocabulary()
    );
    let context = draft.context().min(base.context());
    let mut text = start(run, context)?;
    let mut counts = Counts::default();
    if read_prompt(run, draft, listener)?.is_break() || read_prompt(run, base, listener)?.is_break()
    {
        return Ok(counts);
    }
    while (counts.emitted as usize) < run.limit && text.len() < context {
        if listener.go_on().is_break() {
            break;
        }
        let room = (run.limit - counts.emitted as usize).min(context - text.len());
        let proposals = propose(
            run,
            draft,
            &text,
            counts.emitted,
            room,
            &mut counts,
            listener,
        )?;
        if proposals.is_empty() {
            break;
        }

        // The base reads what it has not read yet and all proposals but the last: a row for each.
        let mut unread = text[base.length()..].to_vec();
        unread.extend(
            proposals
                .iter()
                .take(proposals.len() - 1)
                .map(|proposal| proposal.token),
        );
        let rows = base.forward(&unread, proposals.len())?;
        counts.base_passes += 1;

        let mut ended = false;
        for (index, &proposal) in proposals.iter().enumerate() {
            let emission = run
                .law
                .judge(proposal, rows.row(index), run.draws.at(counts.emitted));
            text.push(emission.token);
            counts.emitted += 1;
            match emission.source {
                Source::Draft => counts.accepted += 1,
                Source::Base => counts.rejected += 1,
            }
            ended = listener.token(&emission).is_break();
            // A replacement that happens to be the proposal leaves what was drafted after it valid.
            if ended || emission.token != proposal.token {
                counts.dropped += (proposals.len() - index - 1) as u64;
                break;
            }
        }
        // The last emitted token is unread by both, whatever it was: one rule for every case.
        let read = text.len() - 1;
        draft.truncate(read);
        base.truncate(read);
        if ended {
            break;
        }
    }
    Ok(counts)
}

/// Generates with the base alone, as the measure that co-decoding is held against.
///
/// # Errors
/// As [`together`].
pub fn alone(
    run: &Run<'_>,
    base: &mut dyn LanguageModel,
    listener: &mut dyn Listener,
) -> Result<Counts> {
    let context = base.context();
    let mut text = start(run, context)?;
    let mut counts = Counts::default();
    if read_prompt(run, base, listener)?.is_break() {
        return Ok(counts);
    }
    while (counts.emitted as usize) < run.limit && text.len() < context {
        if listener.go_on().is_break() {
            break;
        }
        let room = (run.limit - counts.emitted as usize).min(context - text.len());
        let guess: Vec<u32> = run.plan.lookup.map_or_else(Vec::new, |lookup| {
            lookup.guess(&text).iter().copied().take(room - 1).collect()
        });
        counts.looked_up += guess.len() as u64;
        let mut unread = text[base.length()..].to_vec();
        unread.extend(&guess);
        let rows = base.forward(&unread, guess.len() + 1)?;
        counts.base_passes += 1;
        let mut ended = false;
        for index in 0..=guess.len() {
            let (token, probability) = run
                .law
                .base_alone(rows.row(index), run.draws.at(counts.emitted));
            text.push(token);
            counts.emitted += 1;
            let emission = Emission {
                token,
                source: Source::Base,
                proposal: Proposal { token, probability },
                base_probability: probability,
            };
            ended = listener.token(&emission).is_break();
            let right = guess.get(index) == Some(&token);
            counts.guessed += u64::from(right);
            if ended || !right {
                break;
            }
        }
        base.truncate(text.len() - 1);
        if ended {
            break;
        }
    }
    Ok(counts)
}

fn start(run: &Run<'_>, context: usize) -> Result<Vec<u32>> {
    ensure!(!run.prompt.is_empty(), "the prompt is empty");
    ensure!(
        run.prompt.len() < context,
        "the prompt has {} tokens, and the context holds {context}; nothing could follow it",
        run.prompt.len()
    );
    Ok(run.prompt.to_vec())
}

/// Reads the prompt up to its last token, in pieces.
fn read_prompt(
    run: &Run<'_>,
    model: &mut dyn LanguageModel,
    listener: &mut dyn Listener,
) -> Result<ControlFlow<()>> {
    let end = run.prompt.len() - 1;
    model.truncate(end);
    let from = model.length();
    for piece in run.prompt[from..end].chunks(run.plan.chunk.max(1)) {
        if listener.go_on().is_break() {
            return Ok(ControlFlow::Break(()));
        }
        model.forward(piece, 0)?;
    }
    Ok(ControlFlow::Continue(()))
}

/// The security model's proposals for the next positions: at least one, unless the listener broke.
///
/// What stands earlier in the text is read ahead in one pass; it counts only as far as the model's own draws
/// come out the same, so that every proposal is the one that step by step would have made.
fn propose(
    run: &Run<'_>,
    draft: &mut dyn LanguageModel,
    text: &[u32],
    position: u64,
    room: usize,
    counts: &mut Counts,
    listener: &mut dyn Listener,
) -> Result<Vec<Proposal>> {
    let guess: Vec<u32> = run.plan.lookup.map_or_else(Vec::new, |lookup| {
        lookup
            .guess(text)
            .iter()
            .copied()
            .take(room.saturating_sub(1))
            .collect()
    });
    counts.looked_up += guess.len() as u64;
    let mut unread = text[draft.length()..].to_vec();
    unread.extend(&guess);
    let mut proposals = Vec::with_capacity(guess.len() + run.plan.ahead.max(1));
    let mut rows = draft.forward(&unread, guess.len() + 1)?;
    counts.draft_passes += 1;
    for (index, guessed) in guess.iter().map(Some).chain([None]).enumerate() {
        let proposal = run
            .law
            .propose(rows.row(index), run.draws.at(position + index as u64));
        proposals.push(proposal);
        if guessed != Some(&proposal.token) {
            break;
        }
        counts.guessed += 1;
    }
    // The model has read the guess; of it holds what it then proposed itself.
    draft.truncate(text.len() + proposals.len() - 1);

    let drafted = proposals.len().min(guess.len());
    while proposals.len() < room && proposals.len() < drafted + run.plan.ahead {
        let Some(last) = proposals.last().copied() else {
            break;
        };
        if last.probability < run.plan.doubt {
            break;
        }
        if listener.go_on().is_break() {
            return Ok(Vec::new());
        }
        rows = draft.forward(&[last.token], 1)?;
        counts.draft_passes += 1;
        proposals.push(
            run.law
                .propose(rows.row(0), run.draws.at(position + proposals.len() as u64)),
        );
    }
    Ok(proposals)
}
