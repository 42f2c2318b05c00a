//! The helper: the program that runs on a host for the length of a run.

use std::{
    fs::File,
    io::{BufReader, Write, stdin, stdout},
    os::fd::AsFd,
};

use deployer::remote::{
    image, job,
    lease::lease,
    machine::{real::Real, terminal},
    relay::relay,
    serve::serve,
};

/// musl's own asks the kernel for memory again and again, and gives it back as often.
#[global_allocator]
static MEMORY: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// What a shell returns for a command that it cannot start.
const NOT_STARTED: u8 = 127;

fn main() -> std::process::ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some((mode, socket)) = words.split_first()
        && mode == "relay"
    {
        return if relay(socket).is_ok() { std::process::ExitCode::SUCCESS } else { std::process::ExitCode::FAILURE };
    }
    if let Some((mode, place)) = words.split_first()
        && mode == image::WORD
    {
        let ended = image::serve(place, &mut BufReader::new(stdin().lock()), &mut stdout().lock());
        return if ended.is_ok() { std::process::ExitCode::SUCCESS } else { std::process::ExitCode::FAILURE };
    }
    if let [mode, path, holder, seconds] = words.as_slice()
        && mode == "lease"
        && let Ok(seconds) = seconds.parse()
    {
        let patience = std::time::Duration::from_secs(seconds);
        // What was read ahead would be no sign of life to whoever waits for one.
        let input = File::from(match stdin().as_fd().try_clone_to_owned() {
            Ok(input) => input,
            Err(_) => return std::process::ExitCode::FAILURE,
        });
        let ended = lease(path.as_ref(), holder, patience, input, &mut stdout().lock());
        return match ended {
            Ok(()) => std::process::ExitCode::SUCCESS,
            Err(error) => {
                // The line that says who has it, or why nobody can.
                let _ = writeln!(stdout(), "{path}: {error}");
                std::process::ExitCode::FAILURE
            }
        };
    }
    if let Some((mode, command)) = words.split_first()
        && mode == terminal::MODE
    {
        let error = terminal::turn_into(command);
        // Standard error is the terminal, where whoever listens reads why nothing came.
        let _ = std::io::stderr().write_all(format!("{error}\n").as_bytes());
        return std::process::ExitCode::from(NOT_STARTED);
    }
    if let [word, path] = words.as_slice()
        && word == job::WORD
    {
        let ended = job::run(path.as_ref(), &mut stdin().lock(), &mut stdout().lock());
        return if ended.is_ok() { std::process::ExitCode::SUCCESS } else { std::process::ExitCode::FAILURE };
    }
    let program = std::env::current_exe().unwrap_or_default();
    // Answers are put together before they go out: the standard library's buffer, which looks for lines, would be in the way.
    let served = stdout().as_fd().try_clone_to_owned().and_then(|output| {
        serve(&Real::attended(), &mut BufReader::new(stdin().lock()), &mut File::from(output), &program)
    });
    match served {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(_) => std::process::ExitCode::FAILURE,
    }
}
