//! The helper: the program that runs on a host for the length of a run.

use std::io::{BufReader, stdin, stdout};

use deployer::remote::{
    job,
    machine::{real::Real, terminal},
    relay::relay,
    serve::serve,
};

/// What a shell returns for a command that it cannot start.
const NOT_STARTED: u8 = 127;

fn main() -> std::process::ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some((mode, socket)) = words.split_first()
        && mode == "relay"
    {
        return if relay(socket).is_ok() { std::process::ExitCode::SUCCESS } else { std::process::ExitCode::FAILURE };
    }
    if let Some((mode, command)) = words.split_first()
        && mode == terminal::MODE
    {
        let error = terminal::turn_into(command);
        // Standard error is the terminal, where whoever listens reads why nothing came.
        let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{error}\n").as_bytes());
        return std::process::ExitCode::from(NOT_STARTED);
    }
    if let [word, path] = words.as_slice()
        && word == job::WORD
    {
        let ended = job::run(path.as_ref(), &mut stdin().lock(), &mut stdout().lock());
        return if ended.is_ok() { std::process::ExitCode::SUCCESS } else { std::process::ExitCode::FAILURE };
    }
    let program = std::env::current_exe().unwrap_or_default();
    match serve(&Real::attended(), &mut BufReader::new(stdin().lock()), &mut stdout().lock(), &program) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(_) => std::process::ExitCode::FAILURE,
    }
}
