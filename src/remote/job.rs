//! Jobs in the background (`async`): a call that outlives the helper, and the file that tells what became of it.

use std::{
    collections::HashMap,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::mpsc,
    time::{Duration, Instant},
};

use serde_json::json;

use super::{
    execute::{execute, home_of},
    machine::{apply::Blobs, detach, overlay::Overlay, real::Real, system::System},
    options::expand_path,
};
use crate::protocol::{Attributes, Background, Blob, Call, Json, Map, Outcome, ToHost, Verdict, frame};

/// The first word of a helper that is a job.
pub const WORD: &str = "job";

/// How long a job whose time is up may take to end its commands.
const ENDING_LIMIT: Duration = Duration::from_secs(5);

/// Digits of the random part of a job's name.
const NAME_DIGITS: i128 = 1_000_000_000_000;

/// Starts a call in the background; the answer is what Ansible gives for a task that was started.
pub fn start(system: &dyn System, call: &Call, background: &Background, body: &[u8]) -> Outcome {
    match begin(system, call, background, body) {
        Ok(result) => Outcome { result, ..Outcome::new(Verdict::Changed) },
        Err(error) => Outcome::failed(format!("could not start the task in the background: {error}")),
    }
}

fn begin(system: &dyn System, call: &Call, background: &Background, body: &[u8]) -> io::Result<Map> {
    let variable = |name: &str| call.environment.get(name).cloned().or_else(|| system.variable(name));
    let folder = expand_path(&background.folder, |user| home_of(system, user), variable);
    let folder = PathBuf::from(folder);
    make_folder(system, &folder)?;
    let name = format!("j{}.{}", system.now().rem_euclid(NAME_DIGITS), std::process::id());
    let path = folder.join(&name);
    let mut state = Map::new();
    state.insert("started".to_owned(), json!(true));
    state.insert("finished".to_owned(), json!(false));
    state.insert("ansible_job_id".to_owned(), json!(name));
    write(system, &path, &state)?;
    let mut frame = Vec::new();
    frame::encode(&ToHost::Call(call.clone()), body, &mut frame)?;
    if let Err(error) = detach::start(&[WORD, &path.to_string_lossy()], &frame) {
        system.remove(&path)?;
        return Err(error);
    }
    state.insert("results_file".to_owned(), json!(path));
    Ok(state)
}

fn make_folder(system: &dyn System, folder: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = folder.ancestors().take_while(|path| matches!(system.stat(path), Ok(None))).collect();
    for path in missing.into_iter().rev() {
        system.make_dir(path, &Attributes { mode: Some(0o700), ..Attributes::default() })?;
    }
    Ok(())
}

fn write(system: &dyn System, path: &Path, state: &Map) -> io::Result<()> {
    let text = serde_json::to_vec(state)?;
    let attributes = Attributes { mode: Some(0o600), ..Attributes::default() };
    system.write(path, &mut text.as_slice(), &attributes)
}

/// Is a job: reads its call, leaves the session it was started in, and writes how it ended to `path`.
///
/// # Errors
/// When it cannot be read or its end not be written.
pub fn run(path: &Path, input: &mut impl Read, output: &mut dyn Write) -> io::Result<()> {
    let Some((ToHost::Call(call), body)) = frame::read(input)? else {
        return Err(io::ErrorKind::UnexpectedEof.into());
    };
    detach::settle(output)?;
    let limit = Duration::from_secs(call.background.as_ref().map_or(0, |background| background.seconds));
    let inline = inline(&call, &body);
    let (ended, end) = mpsc::channel();
    let deadline = Instant::now().checked_add(limit);
    std::thread::spawn(move || {
        let system = Real::until(deadline);
        let outcome = execute(&system, &mut Overlay::default(), &call, &mut Inline(inline), &mut |_, _| {});
        // Whoever gave up waiting has said so in the file.
        let _ = ended.send(outcome);
    });
    let system = Real::new();
    match end.recv_timeout(limit) {
        Ok(outcome) => write(&system, path, &told(&outcome)),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            write(&system, path, &told(&Outcome::failed("the module broke off")))
        }
        Err(mpsc::RecvTimeoutError::Timeout) => {
            let mut outcome = Outcome::failed("Timeout exceeded");
            outcome.result.insert("child_pid".to_owned(), json!(std::process::id()));
            write(&system, path, &told(&outcome))?;
            // Its commands are asked to end first; what waits in this program ends with it.
            let _ = end.recv_timeout(ENDING_LIMIT);
            Ok(())
        }
    }
}

/// An outcome as the file of a finished job holds it: Ansible's result of a module.
fn told(outcome: &Outcome) -> Map {
    let mut state = outcome.result.clone();
    state.insert("changed".to_owned(), json!(outcome.verdict == Verdict::Changed));
    let mut say = |name: &str, value: Json| {
        state.entry(name).or_insert(value);
    };
    match &outcome.verdict {
        Verdict::Failed(failure) => {
            say("failed", json!(true));
            say("msg", json!(failure.message));
        }
        Verdict::Skipped(reason) | Verdict::Unknown(reason) => {
            say("skipped", json!(true));
            say("msg", json!(reason));
        }
        Verdict::Changed | Verdict::Unchanged => {}
    }
    if !outcome.warnings.is_empty() {
        say("warnings", json!(outcome.warnings));
    }
    state
}

/// The contents that came in the same frame as a call.
pub(super) fn inline(call: &Call, body: &[u8]) -> HashMap<String, Vec<u8>> {
    let mut rest = body;
    let mut inline = HashMap::new();
    for blob in &call.inline {
        let length = usize::try_from(blob.size).unwrap_or(usize::MAX).min(rest.len());
        let (content, behind) = rest.split_at(length);
        inline.insert(blob.sha256.clone(), content.to_vec());
        rest = behind;
    }
    inline
}

/// What a job has taken along: there is nobody to ask for more.
struct Inline(HashMap<String, Vec<u8>>);

impl Blobs for Inline {
    fn open<'s>(&'s mut self, blob: &Blob) -> io::Result<Box<dyn Read + 's>> {
        match self.0.get(&blob.sha256) {
            Some(content) => Ok(Box::new(content.as_slice())),
            None => Err(io::Error::other("a task in the background cannot ask the controller for large content")),
        }
    }
}
