//! The `secondlook` binary: arguments, wiring, printing, nothing else.
//! It holds no security knowledge and no analysis.

mod args;
mod check;
mod eval_cmd;
mod files;
mod kb;
mod lsp_cmd;
mod output;
mod report;
mod text;

use std::process::ExitCode;

use clap::Parser;

/// Findings exist.
const EXIT_FINDINGS: u8 = 1;
/// Something could not be done.
const EXIT_ERROR: u8 = 2;

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
        args::Command::Lsp(_) => lsp_cmd::run(&args),
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
