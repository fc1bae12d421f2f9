//! Draft, verify, accept: runs the law over two models, step by step or ahead in one piece, with the same tokens.
//! Knows no weights and no text, only language models and token numbers.

use std::ops::ControlFlow;

use anyhow::{Result, ensure};

use crate::{
    draws::Draws,
    law::{Emission, Law, Proposal, Source},
    lookup::Lookup,
    model::{Branching, LanguageModel, Only, Read, Rows, Texts},
};

/// The most proposals that wait for the base: as many rows of logits are held.
const MOST: usize = 32;

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
        doubt: 0.8,
        lookup: None,
        chunk: 256,
    };

    /// The most rows of logits that a pass gives for one text.
    #[must_use]
    pub fn rows(&self) -> usize {
        match self.lookup {
            Some(_) => MOST,
            None => self.ahead.min(MOST),
        }
    }

    /// Drafting ahead and reading ahead what stands in the prompt: for revisions of given code. What was looked up
    /// costs no pass of its own, so a draft ends sooner where there is nothing to look up.
    #[must_use]
    pub fn revision() -> Self {
        Self {
            ahead: 6,
            doubt: 0.9,
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
    let context = common_context(draft, base)?;
    let mut lanes = [Lane::new(run, run.draws, context)?];
    if read_prompt(run, draft, listener)?.is_break() || read_prompt(run, base, listener)?.is_break()
    {
        return Ok(Counts::default());
    }
    drive(
        run,
        &mut lanes,
        &mut Only(draft),
        &mut Only(base),
        &mut [listener],
    )?;
    let [lane] = lanes;
    Ok(lane.counts)
}

/// Several samples side by side, each with the tokens that [`together`] gives it alone: one pass reads what all of
/// them want read, and a sample that ends leaves the others to go on.
///
/// Afterwards the caches hold the prompt without its last token.
///
/// # Errors
/// As [`together`], and when so many samples do not fit into a cache beside one another.
pub fn together_all(
    run: &Run<'_>,
    samples: &[Draws],
    draft: &mut dyn Branching,
    base: &mut dyn Branching,
    listeners: &mut [&mut dyn Listener],
) -> Result<Vec<Counts>> {
    let context = common_context(draft, base)?;
    let mut lanes = lanes(run, samples, context, listeners)?;
    let Some(first) = listeners.first_mut() else {
        return Ok(Vec::new());
    };
    if read_prompt(run, draft, *first)?.is_continue()
        && read_prompt(run, base, *first)?.is_continue()
    {
        let room = run.limit.min(context - run.prompt.len() + 1);
        let mut drafts = draft.branch(lanes.len(), room)?;
        let mut bases = base.branch(lanes.len(), room)?;
        drive(run, &mut lanes, &mut *drafts, &mut *bases, listeners)?;
    }
    Ok(lanes.into_iter().map(|lane| lane.counts).collect())
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
    let mut lanes = [Lane::new(run, run.draws, base.context())?];
    if read_prompt(run, base, listener)?.is_break() {
        return Ok(Counts::default());
    }
    drive_alone(run, &mut lanes, &mut Only(base), &mut [listener])?;
    let [lane] = lanes;
    Ok(lane.counts)
}

/// Several samples of the base alone side by side, as [`together_all`].
///
/// # Errors
/// As [`together_all`].
pub fn alone_all(
    run: &Run<'_>,
    samples: &[Draws],
    base: &mut dyn Branching,
    listeners: &mut [&mut dyn Listener],
) -> Result<Vec<Counts>> {
    let context = base.context();
    let mut lanes = lanes(run, samples, context, listeners)?;
    let Some(first) = listeners.first_mut() else {
        return Ok(Vec::new());
    };
    if read_prompt(run, base, *first)?.is_continue() {
        let room = run.limit.min(context - run.prompt.len() + 1);
        let mut bases = base.branch(lanes.len(), room)?;
        drive_alone(run, &mut lanes, &mut *bases, listeners)?;
    }
    Ok(lanes.into_iter().map(|lane| lane.counts).collect())
}

fn common_context(draft: &dyn LanguageModel, base: &dyn LanguageModel) -> Result<usize> {
    ensure!(
        draft.vocabulary() == base.vocabulary(),
        "the models do not share a vocabulary: the security model knows {} tokens, the base {}; co-decoding needs two \
         models of one family",
        draft.vocabulary(),
        base.vocabulary()
    );
    Ok(draft.context().min(base.context()))
}

fn lanes(
    run: &Run<'_>,
    samples: &[Draws],
    context: usize,
    listeners: &[&mut dyn Listener],
) -> Result<Vec<Lane>> {
    ensure!(
        samples.len() == listeners.len(),
        "{} samples and {} listeners",
        samples.len(),
        listeners.len()
    );
    samples
        .iter()
        .map(|&draws| Lane::new(run, draws, context))
        .collect()
}

/// One sample on its way.
struct Lane {
    text: Vec<u32>,
    draws: Draws,
    context: usize,
    counts: Counts,
    /// What stands earlier in the text and is read ahead.
    guess: Vec<u32>,
    proposals: Vec<Proposal>,
    /// Proposals that cost no pass of their own.
    along: usize,
    ended: bool,
}

impl Lane {
    fn new(run: &Run<'_>, draws: Draws, context: usize) -> Result<Self> {
        ensure!(!run.prompt.is_empty(), "the prompt is empty");
        ensure!(
            run.prompt.len() < context,
            "the prompt has {} tokens, and the context holds {context}; nothing could follow it",
            run.prompt.len()
        );
        Ok(Self {
            text: run.prompt.to_vec(),
            draws,
            context,
            counts: Counts::default(),
            guess: Vec::new(),
            proposals: Vec::new(),
            along: 0,
            ended: false,
        })
    }

    /// How many tokens may still come.
    fn room(&self, run: &Run<'_>) -> usize {
        run.limit
            .saturating_sub(self.counts.emitted as usize)
            .min(self.context - self.text.len())
    }

    /// Looks up what may come after the proposals, and gives all that the model has to read: what it has not yet, and
    /// the guess.
    fn look_ahead(&mut self, run: &Run<'_>, read: usize) -> Vec<u32> {
        let drafted = self.proposals.iter().map(|it| it.token);
        let mut text: Vec<u32> = self.text.iter().copied().chain(drafted).collect();
        let most = self.room(run).min(MOST);
        let most = most.saturating_sub(self.proposals.len() + 1);
        self.guess = run.plan.lookup.map_or_else(Vec::new, |lookup| {
            lookup.guess(&text).iter().copied().take(most).collect()
        });
        self.counts.looked_up += self.guess.len() as u64;
        let mut unread = text.split_off(read);
        unread.extend(&self.guess);
        unread
    }

    /// Whether another proposal is to follow the last one; the first one always.
    fn wants_more(&self, run: &Run<'_>) -> bool {
        let Some(last) = self.proposals.last() else {
            return true;
        };
        self.proposals.len() < self.room(run).min(MOST)
            && self.proposals.len() < self.along + run.plan.ahead
            && last.probability >= run.plan.doubt
    }

    /// The security model's proposals as far as its own draws come out as guessed, so that every proposal is the
    /// one that step by step would have made.
    fn propose(&mut self, run: &Run<'_>, rows: &Rows) {
        self.counts.draft_passes += 1;
        let before = self.proposals.len();
        for (index, guessed) in self.guess.iter().map(Some).chain([None]).enumerate() {
            let position = self.counts.emitted + self.proposals.len() as u64;
            let proposal = run.law.propose(rows.row(index), self.draws.at(position));
            self.proposals.push(proposal);
            if guessed != Some(&proposal.token) {
                break;
            }
            self.counts.guessed += 1;
        }
        self.along += (self.proposals.len() - before).min(self.guess.len());
    }

    /// What the base has not read yet and all proposals but the last: a row for each proposal.
    fn to_verify(&self, read: usize) -> Vec<u32> {
        let but_last = self.proposals.len() - 1;
        let drafted = self.proposals.iter().take(but_last);
        let unread = self.text[read..].iter().copied();
        unread
            .chain(drafted.map(|proposal| proposal.token))
            .collect()
    }

    fn judge(&mut self, run: &Run<'_>, rows: &Rows, listener: &mut dyn Listener) {
        self.counts.base_passes += 1;
        for (index, &proposal) in self.proposals.iter().enumerate() {
            let at = self.draws.at(self.counts.emitted);
            let emission = run.law.judge(proposal, rows.row(index), at);
            self.text.push(emission.token);
            self.counts.emitted += 1;
            match emission.source {
                Source::Draft => self.counts.accepted += 1,
                Source::Base => self.counts.rejected += 1,
            }
            self.ended = listener.token(&emission).is_break();
            // A replacement that happens to be the proposal leaves what was drafted after it valid.
            if self.ended || emission.token != proposal.token {
                self.counts.dropped += (self.proposals.len() - index - 1) as u64;
                break;
            }
        }
    }

    fn emit_alone(&mut self, run: &Run<'_>, rows: &Rows, listener: &mut dyn Listener) {
        self.counts.base_passes += 1;
        for index in 0..=self.guess.len() {
            let at = self.draws.at(self.counts.emitted);
            let (token, probability) = run.law.base_alone(rows.row(index), at);
            self.text.push(token);
            self.counts.emitted += 1;
            let emission = Emission {
                token,
                source: Source::Base,
                proposal: Proposal { token, probability },
                base_probability: probability,
            };
            self.ended = listener.token(&emission).is_break();
            let right = self.guess.get(index) == Some(&token);
            self.counts.guessed += u64::from(right);
            if self.ended || !right {
                break;
            }
        }
    }
}

/// Ends what is full or not wanted any more; the rest goes on.
fn going_on(run: &Run<'_>, lanes: &mut [Lane], listeners: &mut [&mut dyn Listener]) -> Vec<usize> {
    for (lane, listener) in lanes.iter_mut().zip(listeners) {
        lane.ended = lane.ended || lane.room(run) == 0 || listener.go_on().is_break();
    }
    (0..lanes.len()).filter(|&at| !lanes[at].ended).collect()
}

/// One pass in which each of these texts reads its tokens.
fn pass(model: &mut dyn Texts, unread: &[(usize, Vec<u32>, usize)]) -> Result<Vec<Rows>> {
    let reads: Vec<Read<'_>> = unread
        .iter()
        .map(|(text, tokens, rows)| Read {
            text: *text,
            tokens,
            rows: *rows,
        })
        .collect();
    model.forward(&reads)
}

fn drive(
    run: &Run<'_>,
    lanes: &mut [Lane],
    draft: &mut dyn Texts,
    base: &mut dyn Texts,
    listeners: &mut [&mut dyn Listener],
) -> Result<()> {
    loop {
        let live = going_on(run, lanes, listeners);
        if live.is_empty() {
            return Ok(());
        }
        for &at in &live {
            lanes[at].proposals.clear();
            lanes[at].along = 0;
        }
        loop {
            let mut unread = Vec::new();
            for &at in &live {
                let lane = &mut lanes[at];
                if lane.ended || !lane.wants_more(run) {
                    continue;
                }
                lane.ended = !lane.proposals.is_empty() && listeners[at].go_on().is_break();
                if !lane.ended {
                    let tokens = lane.look_ahead(run, draft.length(at));
                    unread.push((at, tokens, lane.guess.len() + 1));
                }
            }
            if unread.is_empty() {
                break;
            }
            for ((at, ..), rows) in unread.iter().zip(pass(draft, &unread)?) {
                let lane = &mut lanes[*at];
                lane.propose(run, &rows);
                // The model has read the guess; of it holds what it then proposed itself.
                draft.truncate(*at, lane.text.len() + lane.proposals.len() - 1);
            }
        }
        let unread: Vec<_> = live
            .into_iter()
            .filter(|&at| !lanes[at].ended)
            .map(|at| {
                let unread = lanes[at].to_verify(base.length(at));
                (at, unread, lanes[at].proposals.len())
            })
            .collect();
        if unread.is_empty() {
            continue;
        }
        for ((at, ..), rows) in unread.iter().zip(pass(base, &unread)?) {
            let lane = &mut lanes[*at];
            lane.judge(run, &rows, &mut *listeners[*at]);
            // The last emitted token is unread by both, whatever it was: one rule for every case.
            draft.truncate(*at, lane.text.len() - 1);
            base.truncate(*at, lane.text.len() - 1);
        }
    }
}

fn drive_alone(
    run: &Run<'_>,
    lanes: &mut [Lane],
    base: &mut dyn Texts,
    listeners: &mut [&mut dyn Listener],
) -> Result<()> {
    loop {
        let live = going_on(run, lanes, listeners);
        if live.is_empty() {
            return Ok(());
        }
        let unread: Vec<_> = live
            .iter()
            .map(|&at| {
                let unread = lanes[at].look_ahead(run, base.length(at));
                (at, unread, lanes[at].guess.len() + 1)
            })
            .collect();
        for (&at, rows) in live.iter().zip(pass(base, &unread)?) {
            let lane = &mut lanes[at];
            lane.emit_alone(run, &rows, &mut *listeners[at]);
            base.truncate(at, lane.text.len() - 1);
        }
    }
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
