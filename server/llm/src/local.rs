//! A model behind the co-decoding program: asks it, and when the program died meanwhile, has it started again and
//! asks once more. It knows no weights and keeps no text.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use revision::{Answer, Gap, Model, ModelError, Question, State, Watch};

use crate::LocalSetup;
use crate::client::{Door, Http};
use crate::process::{Doing, Running};

/// How often one question starts the program: one that dies of the question must not be started for ever.
const STARTS: u32 = 2;

/// The owner of the program: at most one runs, and it ends when the owner does.
#[derive(Debug, Default)]
pub struct Local {
    running: Mutex<Option<Running>>,
}

impl Local {
    /// The way to a running program with these settings, and whether it was just started; one with others is ended.
    fn open(
        &self,
        setup: &LocalSetup,
        watch: &dyn Watch,
    ) -> Result<(Door, Arc<Doing>, bool), ModelError> {
        let mut slot = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = &mut *slot
            && running.serves(setup)
            && running.fate().is_none()
        {
            return Ok((running.door(), running.doing(), false));
        }
        // The old one leaves memory before the new one asks for it.
        *slot = None;
        watch.state(State::Starting);
        let running = Running::start(setup, watch)?;
        let opened = (running.door(), running.doing(), true);
        *slot = Some(running);
        Ok(opened)
    }

    /// How the program ended; `None` while it runs.
    fn fate(&self, door: &Door) -> Option<String> {
        let mut slot = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *slot {
            Some(running) if running.door().socket == door.socket => running.fate_soon(),
            _ => Some("it was ended, because other settings came".to_owned()),
        }
    }
}

/// A model that a program on this machine serves.
pub(crate) struct LocalModel {
    setup: LocalSetup,
    owner: Arc<Local>,
    name: String,
}

impl LocalModel {
    pub(crate) fn new(setup: LocalSetup, owner: Arc<Local>) -> Self {
        let stem = |path: &Path| path.file_stem().map(|it| it.to_string_lossy().into_owned());
        let names = [
            Some(&setup.base),
            setup.security.as_ref(),
            setup.adapter.as_ref(),
        ];
        let names: Vec<String> = names
            .into_iter()
            .flatten()
            .filter_map(|it| stem(it))
            .collect();
        let name = format!("{} on this machine", names.join(" with "));
        Self { setup, owner, name }
    }
}

impl LocalModel {
    /// Asks the program, and once more when it died of something else than the asking.
    fn through<T>(
        &self,
        watch: &dyn Watch,
        ask: impl Fn(&Http, &dyn Watch) -> Result<T, ModelError>,
        broke: impl Fn(&Result<T, ModelError>) -> bool,
    ) -> Result<T, ModelError> {
        let mut starts = 0;
        loop {
            if watch.cancelled() {
                return Err(ModelError::Cancelled);
            }
            let (door, doing, fresh) = self.owner.open(&self.setup, watch)?;
            starts += u32::from(fresh);
            let model = Http::behind(door.clone(), &self.name, self.setup.patience)?;
            let answer = ask(&model, &Following { watch, doing });
            match broke(&answer).then(|| self.owner.fate(&door)).flatten() {
                None => return answer,
                Some(_) if starts < STARTS => {
                    tracing::warn!("the local model's program ended; it is started again");
                }
                Some(problem) => return Err(ModelError::Local { problem }),
            }
        }
    }
}

impl Model for LocalModel {
    fn name(&self) -> &str {
        &self.name
    }

    fn ask(&self, question: &Question, watch: &dyn Watch) -> Result<Answer, ModelError> {
        self.through(
            watch,
            |model, watch| model.ask(question, watch),
            |answer| match answer {
                Ok(answer) => answer.cut,
                Err(error) => *error != ModelError::Cancelled,
            },
        )
    }

    fn fill(&self, gap: &Gap, watch: &dyn Watch) -> Result<Vec<Answer>, ModelError> {
        // Within a budget most fillings are cut, and lateness is no sign of death.
        let hurries = gap.budget.is_some();
        self.through(
            watch,
            |model, watch| model.fill(gap, watch),
            |answers| match answers {
                Ok(answers) => !hurries && answers.iter().any(|it| it.cut),
                Err(ModelError::Cancelled) => false,
                Err(ModelError::Slow { .. }) => !hurries,
                Err(_) => true,
            },
        )
    }
}

/// Passes on what the program says of itself, as often as somebody looks.
struct Following<'a> {
    watch: &'a dyn Watch,
    doing: Arc<Doing>,
}

impl Watch for Following<'_> {
    fn cancelled(&self) -> bool {
        if let Some(news) = self.doing.news() {
            self.watch.state(news);
        }
        self.watch.cancelled()
    }

    fn state(&self, state: State) {
        self.watch.state(state);
    }
}
