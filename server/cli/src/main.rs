//! The `secondlook` binary: arguments, wiring, printing, nothing else.
//! It holds no security knowledge and no analysis.

mod args;
mod baseline;
mod change;
mod check;
mod checks;
mod config_cmd;
mod embedding;
mod eval_cmd;
mod eval_revise;
mod explain;
mod files;
mod gguf;
mod install;
mod judge;
mod kb;
mod lines;
mod lsp_cmd;
mod memory;
mod model;
mod notebook;
mod options;
mod output;
mod place;
mod progress;
mod report;
mod retrieve_cmd;
mod revise;
mod sarif;
mod text;

use std::process::ExitCode;

use clap::Parser;

/// An edit frees and takes many small pieces, and parsing does little else: with the C library's
/// allocator an edit of a long file takes twice as long.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Findings exist.
const EXIT_FINDINGS: u8 = 1;
/// Something could not be done.
const EXIT_ERROR: u8 = 2;
/// Somebody ended the run; the number is that of shells.
const EXIT_INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let args = match args::Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version are answers; everything else is a mistake of the caller.
            let code = if error.use_stderr() { EXIT_ERROR } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let result = match &args.command {
        args::Command::Check(check) => check::run(&args, check),
        args::Command::Revise(wish) => revise::run(&args, wish),
        args::Command::Model(command) => model::run(command),
        args::Command::Lsp(_) => lsp_cmd::run(&args),
        args::Command::Explain { id } => explain::run(&args, id),
        args::Command::Config(config) => config_cmd::run(config),
        args::Command::Completions { shell } => {
            let mut script = Vec::new();
            let mut command = <args::Args as clap::CommandFactory>::command();
            clap_complete::generate(*shell, &mut command, "secondlook", &mut script);
            output::bytes(&script);
            Ok(0)
        }
        args::Command::Kb(kb) => kb::run(&args, kb),
        args::Command::Eval(eval) => eval_cmd::run(&args, eval),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            output::error(&format!("{error:#}"));
            ExitCode::from(EXIT_ERROR)
        }
    }
}
