//! `deployer`: sets up the process and hands over to the command line.

use std::{io::IsTerminal, process::ExitCode, time::Duration};

use deployer::controller::cli::{self, Context, Driver, Exit};
use tracing_subscriber::EnvFilter;

/// Where bugs are reported.
const ISSUES: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/issues");
/// How long work that was interrupted may take to let go.
const SHUTDOWN: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| report_bug(&panic.to_string())));
    // The hook has said what there is to say.
    std::panic::catch_unwind(run).unwrap_or(Exit::Unexpected).into()
}

fn run() -> Exit {
    let line = match cli::parse(std::env::args_os()) {
        Ok(line) => line,
        Err(exit) => return exit,
    };
    log();
    let context = match Context::of_process() {
        Ok(context) => context,
        Err(problem) => return cli::show(problem, false),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return cli::show(cli::Problem::World(format!("cannot start: {error}")), false),
    };
    let exit = runtime.block_on(line.execute(&context, &Driver));
    runtime.shutdown_timeout(SHUTDOWN);
    exit
}

/// Logs for developers, where `DEPLOYER_LOG` asks for them.
fn log() {
    let filter = EnvFilter::try_from_env("DEPLOYER_LOG").unwrap_or_else(|_| EnvFilter::new("off"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}

#[expect(clippy::print_stderr, reason = "the last words of the process")]
fn report_bug(panic: &str) {
    eprintln!(
        "\nThis is a bug in deployer {version}, not a mistake of yours:\n\n  {panic}\n\n\
         Please report it at {ISSUES} with the command you gave, these lines,\n\
         and what DEPLOYER_LOG=debug says when you run it again (look for secrets before you post it).",
        version = env!("CARGO_PKG_VERSION"),
    );
}
