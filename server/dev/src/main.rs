//! `cargo run -p dev`: writes anew what is made from other files. It decides nothing about them.

use std::process::ExitCode;

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a chore talks to its terminal"
)]
fn main() -> ExitCode {
    let files = match dev::generated() {
        Ok(files) => files,
        Err(problem) => {
            eprintln!("error: {problem}");
            return ExitCode::FAILURE;
        }
    };
    for file in files.iter().filter(|it| it.behind) {
        if let Err(problem) = std::fs::write(&file.path, &file.wanted) {
            eprintln!("error: {}: {problem}", file.path.display());
            return ExitCode::FAILURE;
        }
        println!("wrote {}", file.path.display());
    }
    ExitCode::SUCCESS
}
