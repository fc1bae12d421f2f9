//! From the command line to settings: what is said there is the strongest layer.
//! It decides nothing about findings.

use std::path::PathBuf;

use anyhow::{Context, bail};
pub(crate) use config::absolute;
use config::{Layer, Origin, Partial, Resolver};

use crate::args::{Check, Chosen};

/// The settings of every file of a check.
pub(crate) fn resolver(check: &Check) -> anyhow::Result<Resolver> {
    resolve(values(check)?, &check.settings)
}

/// The settings of what asks models.
pub(crate) fn chosen(settings: &Chosen) -> anyhow::Result<Resolver> {
    let mut values = Partial::default();
    read_set(&mut values, &settings.set)?;
    values.start_from(&here()?);
    resolve(values, settings)
}

/// What the command line says over what files say.
fn resolve(values: Partial, settings: &Chosen) -> anyhow::Result<Resolver> {
    let over = vec![Layer {
        origin: Origin::CommandLine,
        values,
    }];
    if settings.isolated {
        return Ok(Resolver::isolated(over));
    }
    let resolver = Resolver::new(user_file().as_deref(), over);
    Ok(match &settings.config {
        Some(path) => {
            // A file that somebody names must be there; all other mistakes in it are reported with
            // those of files that are found.
            std::fs::metadata(path).map_err(|error| {
                anyhow::anyhow!("{}: {}", path.display(), crate::files::plain(&error))
            })?;
            resolver.with_file(path)
        }
        None => resolver,
    })
}

fn read_set(values: &mut Partial, set: &[String]) -> anyhow::Result<()> {
    for word in set {
        let Some((name, value)) = word.split_once('=') else {
            bail!("--set: `{word}` lacks its equals sign; write OPTION=VALUE");
        };
        config::read_option(values, name.trim(), value.trim())
            .map_err(|message| anyhow::anyhow!("--set {}: {message}", name.trim()))?;
    }
    Ok(())
}

/// The user's own file.
pub(crate) fn user_file() -> Option<PathBuf> {
    config::user_file(|name| std::env::var_os(name))
}

/// The folder that this runs in.
pub(crate) fn here() -> anyhow::Result<PathBuf> {
    std::env::current_dir().context("the working folder")
}

fn values(check: &Check) -> anyhow::Result<Partial> {
    let mut values = Partial::default();
    let mut set = |name: &str, flag: &str, word: &str| {
        config::read_option(&mut values, name, word)
            .map_err(|message| anyhow::anyhow!("{flag}: {message}"))
    };
    for (name, words) in [
        ("select", &check.select),
        ("ignore", &check.ignore),
        ("extend-exclude", &check.extend_exclude),
    ] {
        for word in words {
            set(name, &format!("--{name}"), word)?;
        }
    }
    if let Some(word) = &check.severity {
        set("severity", "--severity", word)?;
    }
    read_set(&mut values, &check.settings.set)?;
    if let Some(path) = &check.baseline {
        values.baseline = Some(Some(config::FilePath(path.clone())));
    }
    if check.no_ignore {
        values.respect_gitignore = Some(false);
        values.exclude = Some(Vec::new());
    }
    values.start_from(&here()?);
    Ok(values)
}
