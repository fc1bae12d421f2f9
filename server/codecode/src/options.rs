//! What can be said on the command line about models, the law and the plan, once for every subcommand.
//! Knows defaults and places of files, does nothing itself.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};

use crate::{
    decode::Plan,
    engine::Load,
    law::{Law, Mode, Warp},
};

/// Which models, and what they may take.
#[derive(Args, Clone, Debug)]
pub struct Models {
    /// The base model: a GGUF file, or a folder with config.json and safetensors.
    #[arg(long, value_name = "PATH")]
    pub base: PathBuf,
    /// The security model, smaller and of the same family; without one the base runs alone.
    #[arg(long, value_name = "PATH")]
    pub security: Option<PathBuf>,
    /// A LoRA adapter (a PEFT folder) for the security model.
    #[arg(long, value_name = "FOLDER", requires = "security")]
    pub adapter: Option<PathBuf>,
    /// Compute all logits of the security model from its weights as they are stored; without this, those far below the
    /// highest come from four bits a weight, and a token costs a sixth less; for temperatures above 1.
    #[arg(long, requires = "security")]
    pub exact: bool,
    /// Tokens of prompt and answer together.
    #[arg(long, default_value_t = 4096, value_name = "TOKENS")]
    pub context: usize,
    /// Where prepared weights are kept between runs [default: secondlook/codecode in the user's cache folder].
    #[arg(long, value_name = "FOLDER")]
    pub cache: Option<PathBuf>,
    /// Keep no prepared weights.
    #[arg(long, conflicts_with = "cache")]
    pub no_cache: bool,
}

impl Models {
    /// How to load the base and, if any, the security model.
    ///
    /// # Errors
    /// When an address is given where a file is due.
    pub fn loads(&self) -> Result<(Load, Option<Load>)> {
        for path in [Some(&self.base), self.security.as_ref()]
            .into_iter()
            .flatten()
        {
            if path.to_string_lossy().contains("://") {
                bail!(
                    "{} is an address, and a model behind an API cannot be co-decoded: its provider gives no \
                     probabilities for tokens it did not choose; use it through `secondlook revise` with that provider, \
                     whose prompts carry the same advice, or co-decode a model file here",
                    path.display()
                );
            }
        }
        let (base, security) = (
            found(&self.base)?,
            self.security.as_deref().map(found).transpose()?,
        );
        let cache = if self.no_cache {
            None
        } else {
            self.cache.clone().or_else(cache_folder)
        };
        let load = |model: PathBuf| Load {
            model,
            adapter: None,
            context: self.context,
            cache: cache.clone(),
            rough: false,
        };
        let security = security.map(|path| Load {
            adapter: self.adapter.clone(),
            rough: !self.exact,
            ..load(path)
        });
        Ok((load(base), security))
    }
}

/// How the base's scores are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Reading {
    /// As the paper says: temperature and top-p on both models.
    Paper,
    /// As its published code does: the base raw.
    Code,
}

/// The law's numbers.
#[derive(Args, Clone, Debug)]
pub struct Laws {
    /// Which reading of the base's scores.
    #[arg(long, value_enum, default_value_t = Reading::Paper)]
    pub mode: Reading,
    /// A proposal stands where the base gives it more than this times its own probability.
    #[arg(long, default_value_t = 0.3, value_name = "A")]
    pub threshold: f64,
    /// Temperature of the base, in the paper's mode.
    #[arg(long, default_value_t = 0.4, value_name = "T")]
    pub temperature: f64,
    /// Temperature of the security model [default: the base's].
    #[arg(long, value_name = "T")]
    pub security_temperature: Option<f64>,
    /// Probability mass kept of either model, in the paper's mode of both.
    #[arg(long, default_value_t = 0.95, value_name = "P")]
    pub top_p: f64,
}

impl Laws {
    /// The law they make.
    ///
    /// # Errors
    /// When a number is out of its range.
    pub fn law(&self) -> Result<Law> {
        let base = Warp {
            temperature: self.temperature,
            top_p: self.top_p,
        };
        let draft = Warp {
            temperature: self.security_temperature.unwrap_or(self.temperature),
            ..base
        };
        let mode = match self.mode {
            Reading::Paper => Mode::Paper,
            Reading::Code => Mode::Code,
        };
        checked(Law {
            mode,
            threshold: self.threshold,
            draft,
            base,
        })
    }
}

/// Refuses numbers outside their ranges.
///
/// # Errors
/// Names the first.
pub fn checked(law: Law) -> Result<Law> {
    ensure!(
        (0.0..=1.0).contains(&law.threshold),
        "the threshold must be between 0 and 1"
    );
    for warp in [law.draft, law.base] {
        ensure!(
            (0.0..=10.0).contains(&warp.temperature),
            "a temperature must be between 0 and 10"
        );
        ensure!(
            (0.0..=1.0).contains(&warp.top_p),
            "top-p must be between 0 and 1"
        );
    }
    Ok(law)
}

/// How far ahead to work; changes what it costs, never what comes out.
#[derive(Args, Clone, Copy, Debug)]
pub struct Plans {
    /// The most tokens to draft before the base verifies; 1 is step by step [default: 8, with --lookup 6].
    #[arg(long, value_name = "K")]
    pub ahead: Option<usize>,
    /// Stop drafting after a token less likely than this [default: 0.8, with --lookup 0.9].
    #[arg(long, value_name = "P")]
    pub doubt: Option<f64>,
    /// Read ahead what stood in the text before: for revisions of given code.
    #[arg(long)]
    pub lookup: bool,
}

impl Plans {
    /// The plan they make.
    #[must_use]
    pub fn plan(&self) -> Plan {
        let plan = if self.lookup {
            Plan::revision()
        } else {
            Plan::AHEAD
        };
        Plan {
            ahead: self.ahead.unwrap_or(plan.ahead).clamp(1, 16),
            doubt: self.doubt.unwrap_or(plan.doubt),
            ..plan
        }
    }
}

/// The model itself, or the one of that name among those that were pulled.
fn found(path: &Path) -> Result<PathBuf> {
    if path.exists() {
        return Ok(path.to_owned());
    }
    let pulled = models_folder().zip(path.file_name()).map(|(folder, name)| {
        let whole = folder.join(name);
        let mut with_ending = whole.clone().into_os_string();
        with_ending.push(".gguf");
        [whole, PathBuf::from(with_ending)]
    });
    let pulled = pulled.into_iter().flatten().find(|it| it.exists());
    pulled.with_context(|| {
        format!(
            "{} is not there, and no model of that name was taken by `secondlook-codecode pull` or \
             `secondlook model pull`",
            path.display()
        )
    })
}

/// `secondlook/codecode` in the user's cache folder.
#[must_use]
pub fn cache_folder() -> Option<PathBuf> {
    Some(home_folder("XDG_CACHE_HOME", ".cache")?.join("secondlook/codecode"))
}

/// `secondlook/models` in the user's data folder.
#[must_use]
pub fn models_folder() -> Option<PathBuf> {
    Some(home_folder("XDG_DATA_HOME", ".local/share")?.join("secondlook/models"))
}

fn home_folder(variable: &str, fallback: &str) -> Option<PathBuf> {
    let set = std::env::var_os(variable)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    set.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(fallback)))
}
