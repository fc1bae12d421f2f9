//! The binary `secondlook-codecode`: arguments in, answers out.
//! Knows arguments and printing, nothing of decoding.
#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::{
    io::{Read, Write},
    net::SocketAddr,
    ops::ControlFlow,
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use secondlook_codecode::{
    bench,
    draws::Draws,
    engine::{Load, Need},
    notice,
    options::{Laws, Models, Plans},
    pull,
    serve::{Place, Serve, fresh_token, serve},
    session::{Ask, Finish, Hearer, Piece, Session, Traced},
    template::{self, Message, Role},
};

/// A small security model drafts, a bigger base model verifies, both on this machine.
#[derive(Parser)]
#[command(name = "secondlook-codecode", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Generate text once and print it.
    Generate(Generate),
    /// Answer requests on a loopback address or a Unix socket, in the shape of OpenAI's completions.
    Serve(ServeOptions),
    /// Measure what co-decoding costs beside the base alone, and that every plan emits the same tokens.
    Bench(Bench),
    /// Say what models would take of memory, without loading them.
    Inspect(Models),
    /// Put a model file where it is found by name: `secondlook/models` in your data folder.
    Pull(Pull),
}

#[derive(clap::Args)]
struct Generate {
    #[command(flatten)]
    models: Models,
    #[command(flatten)]
    law: Laws,
    #[command(flatten)]
    plan: Plans,
    /// The prompt; `-` reads it from standard input.
    #[arg(long, default_value = "-")]
    prompt: String,
    /// What stands after the gap: fills it, where the model can.
    #[arg(long, conflicts_with = "chat")]
    suffix: Option<String>,
    /// The prompt is what a user says to a chat model.
    #[arg(long)]
    chat: bool,
    /// What holds for the whole chat.
    #[arg(long, requires = "chat")]
    system: Option<String>,
    /// The most tokens to generate.
    #[arg(long, default_value_t = 256)]
    max_tokens: usize,
    /// How many samples.
    #[arg(long, default_value_t = 1)]
    samples: u32,
    /// The seed; the same one gives the same text.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// End before this text; may be given more than once.
    #[arg(long)]
    stop: Vec<String>,
    /// Leave the security model out.
    #[arg(long)]
    base_only: bool,
    /// Print one JSON object for each sample, with counts and, for every token, who decided it.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct Pull {
    /// What it will be called.
    name: String,
    /// The GGUF file to take.
    #[arg(long, value_name = "PATH")]
    from_file: PathBuf,
    /// The SHA-256 that the file must have.
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
}

#[derive(clap::Args)]
struct Bench {
    #[command(flatten)]
    models: Models,
    #[command(flatten)]
    law: Laws,
    /// Prompts: one JSON object a line with `kind` (`code` or `revision`) and `text`.
    #[arg(long, value_name = "FILE")]
    prompts: PathBuf,
    /// The most tokens for each prompt and way.
    #[arg(long, default_value_t = 96)]
    max_tokens: usize,
    /// The seed of all.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Also draft 2 and 4 ahead, to compare tokens.
    #[arg(long)]
    identity: bool,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct ServeOptions {
    #[command(flatten)]
    models: Models,
    #[command(flatten)]
    law: Laws,
    #[command(flatten)]
    plan: Plans,
    /// The loopback address to listen on; port 0 takes a free one.
    #[arg(
        long,
        default_value = "127.0.0.1:0",
        value_name = "ADDRESS",
        conflicts_with = "socket"
    )]
    listen: SocketAddr,
    /// A Unix socket to listen on instead, in a folder that only you can enter.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Let everyone in who reaches the address.
    #[arg(long)]
    no_token: bool,
    /// Requests that may wait while one is worked on.
    #[arg(long, default_value_t = 8, value_name = "REQUESTS")]
    queue: usize,
    /// Seconds without a request after which the models leave memory.
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    idle: u64,
    /// Stop when standard input closes: for programs that start this one.
    #[arg(long)]
    follow_stdin: bool,
}

/// The variable that may hold the bearer token; without it a fresh one is made for each run.
const TOKEN: &str = "SECONDLOOK_CODECODE_TOKEN";

fn main() -> ExitCode {
    take_large_pages();
    let outcome = match Cli::parse().command {
        Command::Generate(options) => generate(&options),
        Command::Serve(options) => start(options),
        Command::Bench(options) => measure(&options),
        Command::Inspect(models) => inspect(&models),
        Command::Pull(options) => take(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            notice(&format!("{problem:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Lets weights lie in pages of megabytes, also where the language server, which does without, is our parent.
fn take_large_pages() {
    // Where the system knows none, all works as well.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(false);
}

fn start(options: ServeOptions) -> Result<()> {
    let (base, security) = options.models.loads()?;
    let set = std::env::var(TOKEN).ok().filter(|token| !token.is_empty());
    let token = match (options.no_token, &set) {
        (true, _) => None,
        (false, Some(token)) => Some(token.clone()),
        (false, None) => Some(fresh_token()?),
    };
    // A token that was given is not shown again.
    let shown = if set.is_some() { None } else { token.clone() };
    let serve_options = Serve {
        base,
        security,
        law: options.law.law()?,
        plans: options.plan,
        place: options
            .socket
            .map_or(Place::Address(options.listen), Place::Socket),
        token,
        queue: options.queue,
        idle: Duration::from_secs(options.idle.max(1)),
        follow_stdin: options.follow_stdin,
        states: options.follow_stdin.then_some(tell_state),
    };
    serve(serve_options, |place| {
        println!("{}", serde_json::json!({ "ready": place, "token": shown }));
        std::io::stdout().flush().context("standard output")
    })
}

/// A program that follows reads it; one that does not any more needs it no more.
fn tell_state(state: &'static str) {
    let line = serde_json::json!({ "state": state });
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn measure(options: &Bench) -> Result<()> {
    let (base, security) = options.models.loads()?;
    let prompts = bench::prompts(&options.prompts)?;
    let mut session = Session::load(&base, security.as_ref())?;
    let law = options.law.law()?;
    let rows = bench::run(
        &mut session,
        &prompts,
        law,
        options.max_tokens,
        options.seed,
        options.identity,
        notice,
    )?;
    if options.json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        print!("{}", bench::table(&rows));
    }
    Ok(())
}

fn take(options: &Pull) -> Result<()> {
    let told = |done: u64, size: u64| {
        notice(&format!(
            "{} of {} MB",
            done / 1_000_000,
            size.div_ceil(1_000_000)
        ));
    };
    let (place, sum) = pull::from_file(
        &options.from_file,
        &options.name,
        options.sha256.as_deref(),
        told,
    )?;
    println!("{sum}  {}", place.display());
    Ok(())
}

fn inspect(models: &Models) -> Result<()> {
    let (base, security) = models.loads()?;
    let show = |load: &Load, role: &str| -> Result<Need> {
        let need = load.need()?;
        let mb = |bytes: u64| bytes.div_ceil(1_000_000);
        println!(
            "{role}: {} MB weights, {} MB cache for {} tokens, {} MB work",
            mb(need.weights),
            mb(need.cache),
            load.context,
            mb(need.work)
        );
        Ok(need)
    };
    show(&base, "base")?;
    security
        .as_ref()
        .map(|load| show(load, "security model"))
        .transpose()?;
    Ok(())
}

fn generate(options: &Generate) -> Result<()> {
    let (base, security) = options.models.loads()?;
    let law = options.law.law()?;
    let text = if options.prompt == "-" {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("standard input")?;
        text
    } else {
        options.prompt.clone()
    };
    let mut session = Session::load(&base, security.as_ref())?;
    let prompt = if options.chat {
        let system = options.system.iter().map(|said| Message {
            role: Role::System,
            content: said.clone(),
        });
        let messages: Vec<Message> = system
            .chain([Message {
                role: Role::User,
                content: text,
            }])
            .collect();
        template::chat(session.tokens(), &messages)?
    } else if let Some(suffix) = &options.suffix {
        template::gap(session.tokens(), &text, suffix)?
    } else {
        template::plain(session.tokens(), &text)?
    };
    let ask = Ask {
        prompt: &prompt,
        law,
        plan: options.plan.plan(),
        draws: Draws {
            seed: options.seed,
            lane: 0,
        },
        limit: options.max_tokens,
        stops: &options.stop,
        base_only: options.base_only,
        endless: false,
    };
    let lanes: Vec<u32> = (0..options.samples.max(1)).collect();
    for some in lanes.chunks(session.beside(&ask)) {
        let several = some.len() > 1;
        let mut papers: Vec<Paper> = some
            .iter()
            .map(|_| Paper {
                live: !options.json && !several,
                trace: Vec::new(),
            })
            .collect();
        let answers = match (some, papers.as_mut_slice()) {
            ([lane], [paper]) => {
                let mut one = ask.clone();
                one.draws.lane = *lane;
                vec![session.answer(&one, paper)?]
            }
            _ => {
                let mut hearers: Vec<&mut dyn Hearer> = papers
                    .iter_mut()
                    .map(|paper| paper as &mut dyn Hearer)
                    .collect();
                session.answers(&ask, some, &mut hearers)?
            }
        };
        for (answer, paper) in answers.iter().zip(papers) {
            if options.json {
                let line = serde_json::json!({
                    "text": answer.text, "finish": answer.finish, "counts": answer.counts, "trace": paper.trace,
                    "prompt_tokens": prompt.len(), "tokens": answer.tokens,
                });
                println!("{line}");
            } else if several {
                println!("{}", answer.text);
            } else {
                println!("{}", answer.rest);
            }
        }
        if answers
            .iter()
            .any(|answer| answer.finish == Finish::Cancelled)
        {
            break;
        }
    }
    Ok(())
}

/// What the terminal or the JSON line gets to know of a sample.
struct Paper {
    live: bool,
    trace: Vec<Traced>,
}

impl Hearer for Paper {
    fn piece(&mut self, piece: &Piece<'_>) -> ControlFlow<()> {
        if self.live {
            print!("{}", piece.text);
            if std::io::stdout().flush().is_err() {
                return ControlFlow::Break(());
            }
        } else {
            self.trace.push(piece.token.clone());
        }
        ControlFlow::Continue(())
    }
}
