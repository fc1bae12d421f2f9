//! The one thread that decodes: loads models when they are first needed, drops them when idle, works requests off in
//! the order of arrival.
//! Knows prompts and answers, nothing of HTTP.

use std::{
    ops::ControlFlow,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use tokio::sync::mpsc;

use crate::{
    decode::{Counts, Plan},
    draws::Draws,
    engine::{Load, give_back},
    law::Law,
    session::{Ask, Finish, Hearer, Piece, Session, Traced},
    template::{self, Message},
};

/// What to answer to.
#[derive(Clone, Debug)]
pub(super) enum Question {
    Chat(Vec<Message>),
    Text(String),
    Gap {
        before: String,
        after: String,
        /// A model that has no marks for gaps goes on from what stands before.
        or_continue: bool,
    },
}

/// One request.
pub(super) struct Job {
    pub(super) question: Question,
    pub(super) law: Law,
    pub(super) plan: Plan,
    pub(super) seed: u64,
    pub(super) samples: u32,
    pub(super) limit: usize,
    pub(super) stops: Vec<String>,
    pub(super) base_only: bool,
    pub(super) to: mpsc::Sender<News>,
}

/// What a request hears, in order; the channel's end is the end.
pub(super) enum News {
    Started {
        prompt: usize,
    },
    Piece {
        sample: u32,
        text: String,
        token: Traced,
    },
    Done {
        sample: u32,
        rest: String,
        finish: Finish,
        counts: Counts,
    },
    Refused(String),
    Failed(String),
}

/// Why a request was not taken.
pub(super) enum Turned {
    Full,
    Gone,
}

/// Numbers since the start.
#[derive(Default)]
pub(super) struct Numbers {
    pub(super) requests: AtomicU64,
    pub(super) turned_away: AtomicU64,
    pub(super) cancelled: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) loads: AtomicU64,
    pub(super) milliseconds: AtomicU64,
    pub(super) waiting: AtomicUsize,
    pub(super) counts: Mutex<Counts>,
    state: Mutex<&'static str>,
    tell: Option<fn(&'static str)>,
}

impl Numbers {
    pub(super) fn state(&self) -> &'static str {
        self.state.lock().map_or("broken", |state| *state)
    }

    fn say(&self, now: &'static str) {
        if let Ok(mut state) = self.state.lock() {
            let before = std::mem::replace(&mut *state, now);
            if let Some(tell) = self.tell.filter(|_| before != now) {
                tell(now);
            }
        }
    }
}

/// How handlers reach the thread.
pub(crate) struct Handle {
    jobs: std::sync::mpsc::SyncSender<Job>,
    pub(super) numbers: Arc<Numbers>,
}

impl Handle {
    pub(super) fn submit(&self, job: Job) -> Result<(), Turned> {
        self.numbers.requests.fetch_add(1, Ordering::Relaxed);
        self.numbers.waiting.fetch_add(1, Ordering::Relaxed);
        self.jobs.try_send(job).map_err(|problem| {
            self.numbers.waiting.fetch_sub(1, Ordering::Relaxed);
            self.numbers.turned_away.fetch_add(1, Ordering::Relaxed);
            match problem {
                std::sync::mpsc::TrySendError::Full(_) => Turned::Full,
                std::sync::mpsc::TrySendError::Disconnected(_) => Turned::Gone,
            }
        })
    }
}

pub(super) fn start(
    base: Load,
    security: Option<Load>,
    queue: usize,
    idle: Duration,
    tell: Option<fn(&'static str)>,
) -> Result<Handle> {
    let (jobs, incoming) = std::sync::mpsc::sync_channel(queue.max(1));
    let numbers = Arc::new(Numbers {
        state: Mutex::new("unloaded"),
        tell,
        ..Numbers::default()
    });
    let own = Arc::clone(&numbers);
    thread::Builder::new()
        .name("decode".to_owned())
        .spawn(move || {
            let mut session: Option<Session> = None;
            loop {
                let wait = if session.is_some() {
                    idle
                } else {
                    Duration::from_secs(3600)
                };
                let job: Job = match incoming.recv_timeout(wait) {
                    Ok(job) => job,
                    Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                        session = None;
                        give_back();
                        own.say("unloaded");
                        continue;
                    }
                    Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return,
                };
                own.waiting.fetch_sub(1, Ordering::Relaxed);
                if job.to.is_closed() {
                    own.cancelled.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                let started = Instant::now();
                if let Err(problem) = work(&mut session, &base, security.as_ref(), &own, &job) {
                    own.failed.fetch_add(1, Ordering::Relaxed);
                    // Nobody may be listening any more; then nobody needs to know.
                    let _ = job.to.blocking_send(News::Failed(format!("{problem:#}")));
                }
                let took = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
                own.milliseconds.fetch_add(took, Ordering::Relaxed);
                own.say(if session.is_some() {
                    "ready"
                } else {
                    "unloaded"
                });
            }
        })?;
    Ok(Handle { jobs, numbers })
}

fn work(
    session: &mut Option<Session>,
    base: &Load,
    security: Option<&Load>,
    numbers: &Numbers,
    job: &Job,
) -> Result<()> {
    if session.is_none() {
        numbers.say("loading");
        numbers.loads.fetch_add(1, Ordering::Relaxed);
        *session = Some(Session::load(base, security)?);
    }
    let Some(session) = session else {
        return Ok(());
    };
    numbers.say("decoding");
    let prompt = match &job.question {
        Question::Chat(messages) => template::chat(session.tokens(), messages),
        Question::Text(text) => template::plain(session.tokens(), text),
        Question::Gap {
            before,
            after,
            or_continue,
        } => match template::gap(session.tokens(), before, after) {
            Err(_) if *or_continue => template::plain(session.tokens(), before),
            asked => asked,
        },
    };
    let prompt = match prompt {
        Ok(prompt) if prompt.len() >= session.context() => {
            refuse(
                job,
                format!(
                    "the prompt has {} tokens, and the context holds {}; shorten it, or start the server with a larger --context",
                    prompt.len(),
                    session.context()
                ),
            );
            return Ok(());
        }
        Ok(prompt) => prompt,
        Err(problem) => {
            refuse(job, format!("{problem:#}"));
            return Ok(());
        }
    };
    let _ = job.to.blocking_send(News::Started {
        prompt: prompt.len(),
    });
    let ask = Ask {
        prompt: &prompt,
        law: job.law,
        plan: job.plan,
        draws: Draws {
            seed: job.seed,
            lane: 0,
        },
        limit: job.limit,
        stops: &job.stops,
        base_only: job.base_only,
        endless: false,
    };
    let lanes: Vec<u32> = (0..job.samples).collect();
    for some in lanes.chunks(session.beside(&ask)) {
        let mut wires: Vec<Wire<'_>> = some
            .iter()
            .map(|&sample| Wire {
                sample,
                to: &job.to,
            })
            .collect();
        let answers = match (some, wires.as_mut_slice()) {
            ([lane], [wire]) => {
                let mut one = ask.clone();
                one.draws.lane = *lane;
                vec![session.answer(&one, wire)?]
            }
            _ => {
                let mut hearers: Vec<&mut dyn Hearer> = wires
                    .iter_mut()
                    .map(|wire| wire as &mut dyn Hearer)
                    .collect();
                session.answers(&ask, some, &mut hearers)?
            }
        };
        for (&sample, answer) in some.iter().zip(answers) {
            if let Ok(mut all) = numbers.counts.lock() {
                all.add(&answer.counts);
            }
            if answer.finish == Finish::Cancelled {
                numbers.cancelled.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
            let _ = job.to.blocking_send(News::Done {
                sample,
                rest: answer.rest,
                finish: answer.finish,
                counts: answer.counts,
            });
        }
    }
    Ok(())
}

fn refuse(job: &Job, why: String) {
    let _ = job.to.blocking_send(News::Refused(why));
}

/// Hands pieces to the request; when nobody takes them any more, decoding stops.
struct Wire<'a> {
    sample: u32,
    to: &'a mpsc::Sender<News>,
}

impl Hearer for Wire<'_> {
    fn piece(&mut self, piece: &Piece<'_>) -> ControlFlow<()> {
        let news = News::Piece {
            sample: self.sample,
            text: piece.text.to_owned(),
            token: piece.token.clone(),
        };
        match self.to.blocking_send(news) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }

    fn go_on(&mut self) -> ControlFlow<()> {
        if self.to.is_closed() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}
