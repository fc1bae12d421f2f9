//! `secondlook config`: the settings that hold somewhere, and the schema that describes them.
//! It reads settings and changes none.

use std::fmt::Write;

use config::{OPTIONS, Resolver, Settings};

use crate::args::Config;
use crate::{EXIT_ERROR, options, output};

pub(crate) fn run(command: &Config) -> anyhow::Result<u8> {
    let path = match command {
        Config::Schema => {
            output::out(&config::schema());
            return Ok(0);
        }
        Config::Show { path } => path,
    };
    let resolver = Resolver::new(options::user_file().as_deref(), Vec::new());
    let settings = if path.is_dir() {
        resolver.of_folder(path)
    } else {
        resolver.of_file(path)
    };
    output::out(&listed(&settings));
    let problems = resolver.take_problems();
    for problem in &problems {
        output::error(&problem.to_string());
    }
    Ok(if problems.is_empty() { 0 } else { EXIT_ERROR })
}

/// Every option as a line of TOML, with its source behind it.
fn listed(settings: &Settings) -> String {
    let mut out = String::new();
    for option in OPTIONS {
        let value = settings.json(option.name).unwrap_or_default();
        let from: Vec<String> = settings
            .origins(option.name)
            .iter()
            .map(ToString::to_string)
            .collect();
        let from = if from.is_empty() {
            "default".to_owned()
        } else {
            from.join(", ")
        };
        let _ = if value.is_null() {
            writeln!(out, "# {} is not set", option.name)
        } else {
            writeln!(
                out,
                "{} = {}  # {from}",
                option.name,
                config::toml_of(&value)
            )
        };
    }
    out
}
