//! The helper: the program that runs on a host for the length of a run.

use std::io::{BufReader, stdin, stdout};

use deployer::remote::{machine::real::Real, relay::relay, serve::serve};

fn main() -> std::process::ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some((mode, socket)) = words.split_first()
        && mode == "relay"
    {
        return if relay(socket).is_ok() { std::process::ExitCode::SUCCESS } else { std::process::ExitCode::FAILURE };
    }
    let program = std::env::current_exe().unwrap_or_default();
    match serve(&Real::attended(), &mut BufReader::new(stdin().lock()), &mut stdout().lock(), &program) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(_) => std::process::ExitCode::FAILURE,
    }
}
