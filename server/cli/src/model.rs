//! From settings to a model that can be asked, and `secondlook model`. It puts no question about
//! anybody's code.

use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

use config::{Provider, Settings};
use llm::{KeyFrom, Local, LocalSetup, Protocol, Setup};
use revision::{Effort, Message, Model, ModelError, Question, Role, State, Watch};

use crate::{EXIT_ERROR, args, embedding, gguf, options, output, progress};

/// The model that settings name; `None` when they name none. A program that it starts ends with it.
pub(crate) fn of(settings: &Settings) -> Result<Option<Box<dyn Model>>, ModelError> {
    with(settings, &Arc::default())
}

/// The same, where a program that serves it lives on with its owner.
pub(crate) fn with(
    settings: &Settings,
    owner: &Arc<Local>,
) -> Result<Option<Box<dyn Model>>, ModelError> {
    match settings.model_provider {
        None => Ok(None),
        Some(Provider::Codecode) => Ok(Some(llm::local(local(settings)?, Arc::clone(owner)))),
        Some(provider) => llm::connect(setup(settings, provider)?).map(Some),
    }
}

fn missing(name: &str) -> ModelError {
    ModelError::Setup {
        problem: format!("`{name}` is not set"),
    }
}

fn local(settings: &Settings) -> Result<LocalSetup, ModelError> {
    let path = |it: &Option<config::FilePath>| it.as_ref().map(|it| it.0.clone());
    Ok(LocalSetup {
        program: path(&settings.codecode_program),
        base: path(&settings.codecode_base).ok_or_else(|| missing("codecode-base"))?,
        security: path(&settings.codecode_security),
        adapter: path(&settings.codecode_adapter),
        context: settings.codecode_context.0,
        patience: settings.model_timeout.duration(),
    })
}

fn setup(settings: &Settings, provider: Provider) -> Result<Setup, ModelError> {
    let (protocol, url) = match provider {
        Provider::OpenaiChat | Provider::Codecode => {
            (Protocol::OpenAiChat, "https://api.openai.com/v1")
        }
        Provider::OpenaiCompletions => (Protocol::OpenAiCompletions, "https://api.openai.com/v1"),
        Provider::Anthropic => (Protocol::Anthropic, "https://api.anthropic.com"),
    };
    let said = settings.model_url.as_ref();
    let key = match (&settings.model_key_env, &settings.model_key_command) {
        (Some(_), Some(_)) => {
            return Err(ModelError::Setup {
                problem: "`model-key-env` and `model-key-command` are both set; keep one".into(),
            });
        }
        (Some(name), None) => KeyFrom::Environment(name.0.clone()),
        (None, Some(command)) => KeyFrom::Command(command.0.clone()),
        (None, None) => KeyFrom::Nowhere,
    };
    Ok(Setup {
        protocol,
        url: said.map_or_else(|| url.to_owned(), |it| it.0.clone()),
        model: settings
            .model_name
            .as_ref()
            .map(|it| it.0.clone())
            .ok_or_else(|| missing("model-name"))?,
        key,
        ca_file: settings.model_ca_file.as_ref().map(|it| it.0.clone()),
        proxy: settings.model_proxy.as_ref().map(|it| it.0.clone()),
        patience: settings.model_timeout.duration(),
        retries: settings.model_retries.0,
    })
}

/// How hard settings want it tried.
pub(crate) fn effort(settings: &Settings) -> Effort {
    // More would only cost more: a model that failed ten times does not get better.
    const MOST: u32 = 10;
    Effort {
        samples: settings.model_samples.0.clamp(1, MOST),
        repairs: settings.model_repairs.0.min(MOST),
        max_tokens: settings.model_max_tokens.0.max(1),
        prompt_bytes: usize::try_from(settings.model_prompt_size.0).unwrap_or(usize::MAX),
    }
}

/// Waits until somebody interrupts, and tells the terminal what is going on.
#[derive(Debug, Default)]
pub(crate) struct Terminal {
    last: Mutex<Option<State>>,
}

impl Watch for Terminal {
    fn cancelled(&self) -> bool {
        progress::interrupted()
    }

    fn state(&self, state: State) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // Only what a person can do something about; the rest is quick.
        if let State::Retrying { .. } = state
            && *last != Some(state)
        {
            output::note(&state.to_string());
        }
        *last = Some(state);
    }
}

pub(crate) fn run(command: &args::Model) -> anyhow::Result<u8> {
    match command {
        args::Model::Test { settings } => test(settings),
        args::Model::Pull {
            model,
            file,
            from_file,
            revision,
            hub,
            sha256,
            name,
        } => {
            let on_hub = embedding::OnHub {
                hub,
                model,
                revision,
                sha256: sha256.as_deref(),
            };
            if let Some(file) = file {
                return gguf::pull(&on_hub, file, name.as_deref());
            }
            let name = name.as_deref().unwrap_or("embedding");
            match from_file {
                Some(folder) => embedding::install_from(folder, name),
                None => embedding::pull(&on_hub, name),
            }
        }
        args::Model::Show => embedding::show(),
    }
}

fn test(settings: &args::Chosen) -> anyhow::Result<u8> {
    let resolver = options::chosen(settings)?;
    let settings = resolver.of_folder(&options::here()?);
    for problem in resolver.take_problems() {
        output::error(&problem.to_string());
    }
    tell_withheld(&settings);
    let model = match of(&settings) {
        Ok(Some(model)) => model,
        Ok(None) => {
            output::error("no model is configured; set model-provider, model-url and model-name");
            return Ok(EXIT_ERROR);
        }
        Err(error) => {
            output::error(&error.to_string());
            return Ok(EXIT_ERROR);
        }
    };
    progress::watch_interrupts();
    output::note(&format!("asking {}", model.name()));
    let question = Question {
        messages: vec![Message {
            role: Role::User,
            text: "Answer with the one word: ready".to_owned(),
        }],
        max_tokens: 16,
        temperature: 0.0,
        seed: 0,
    };
    match model.ask(&question, &Terminal::default()) {
        Ok(answer) => {
            let cost = answer.cost;
            let mut out = String::new();
            let _ = writeln!(out, "model     {}", model.name());
            let _ = writeln!(out, "answer    {} bytes", answer.text.len());
            let whole = if answer.cut {
                "no: it broke off"
            } else {
                "yes"
            };
            let _ = writeln!(out, "whole     {whole}");
            let _ = writeln!(
                out,
                "tokens    {} asked, {} answered",
                cost.asked_tokens, cost.answered_tokens
            );
            let _ = writeln!(out, "time      {:.2} s", cost.time.as_secs_f32());
            output::out(&out);
            Ok(0)
        }
        Err(error) => {
            output::error(&error.to_string());
            Ok(EXIT_ERROR)
        }
    }
}

/// Says which options of a project's file do not count.
pub(crate) fn tell_withheld(settings: &Settings) {
    if !settings.withheld().is_empty() {
        output::warning(&format!(
            "{}: {} of its configuration {} not followed; name the folder in `trusted-folders` of your own configuration if you trust it",
            settings.root.display(),
            settings.withheld().join(", "),
            if settings.withheld().len() == 1 {
                "is"
            } else {
                "are"
            },
        ));
    }
}
