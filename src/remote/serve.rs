//! The helper's loop: requests in, answers out, one call after the other.

use std::{
    cell::RefCell,
    io::{self, Read, Write},
    path::Path,
};

use super::{
    answers::{Answers, answers},
    burst::{Admission, Burst},
    contents::{FromController, Requests},
    execute::execute,
    job,
    machine::{overlay::Overlay, system::System},
};
use crate::protocol::{FromHost, Outcome, Ready, ToHost, Verdict, call::PROTOCOL, frame::CHUNK_BYTES};

/// Serves a controller until it closes its side.
///
/// # Errors
/// When the connection breaks or carries something that is no frame.
pub fn serve(
    system: &dyn System,
    input: &mut dyn Read,
    output: &mut (dyn Write + Send),
    program: &Path,
) -> io::Result<()> {
    let (answers, queue) = answers();
    std::thread::scope(|scope| {
        let sending = scope.spawn(move || queue.drain(output));
        let served = requests(system, &mut Requests::new(input), &answers, program);
        drop(answers);
        let sent = sending.join().unwrap_or_else(|_| Err(io::Error::other("answers cannot be sent any more")));
        // An answer that could not be sent says why nothing more was done.
        sent.and(served)
    })
}

fn requests(system: &dyn System, requests: &mut Requests<'_>, answers: &Answers, program: &Path) -> io::Result<()> {
    let user = user_name(system);
    answers.send(FromHost::Ready(Ready { protocol: PROTOCOL, uid: system.uid(), user }), Vec::new())?;
    let mut overlay = Overlay::default();
    let mut burst = Burst::default();
    while let Some((request, body)) = requests.next()? {
        match request {
            ToHost::Call(call) => {
                let id = call.id;
                match burst.admits(&call) {
                    Admission::Go => {}
                    Admission::LeftOut => {
                        answers.send(FromHost::LeftOut { id }, Vec::new())?;
                        continue;
                    }
                    Admission::Stopped => {
                        answers.send(FromHost::NotRun { id }, Vec::new())?;
                        continue;
                    }
                }
                if let Some(background) = &call.background {
                    let outcome = job::start(system, &call, background, &body);
                    answers.done(id, outcome, Vec::new())?;
                    continue;
                }
                let inline = job::inline(&call, &body);
                let requests = RefCell::new(&mut *requests);
                let mut blobs = FromController::new(&requests, answers, id, inline);
                let mut progress = |text: &str, amount: Option<(u64, u64)>| {
                    let shown = FromHost::Progress { id, text: text.to_owned(), amount };
                    // A broken connection is found by the next answer that matters.
                    let _ = answers.send(shown, Vec::new());
                };
                let outcome = execute(system, &mut overlay, &call, &mut blobs, &mut progress);
                burst.note(&call, &outcome);
                answers.done(id, outcome, system.unsettled())?;
            }
            ToHost::Fence { place, claim } => burst.fence(place, &claim),
            ToHost::Assume { changes } => changes.iter().for_each(|change| overlay.predict(change, system)),
            ToHost::Read { id, path } => {
                let outcome = match send_file(system, answers, id, &path) {
                    Ok(()) => Outcome::new(Verdict::Unchanged),
                    Err(error) => Outcome::failed(format!("cannot read {path}: {error}")),
                };
                answers.done(id, outcome, Vec::new())?;
            }
            ToHost::Forget => return system.remove(program),
            // Contents that came too late for the call that asked.
            ToHost::Blob { .. } | ToHost::Blobs { .. } => {}
        }
    }
    Ok(())
}

fn send_file(system: &dyn System, answers: &Answers, id: u64, path: &str) -> io::Result<()> {
    let (mut file, _) = system.open(Path::new(path))?;
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            n => answers.send(FromHost::Data { id }, buffer[..n].to_vec())?,
        }
    }
}

fn user_name(system: &dyn System) -> String {
    let passwd = system.read(Path::new("/etc/passwd")).unwrap_or_default();
    let uid = system.uid().to_string();
    String::from_utf8_lossy(&passwd)
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.get(2) == Some(&uid.as_str()))
        .and_then(|fields| fields.first().map(|&name| name.to_owned()))
        .unwrap_or(uid)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        protocol::{Blob, Call, frame, packing},
        remote::machine::{digest, real::Real},
    };

    #[test]
    fn contents_of_a_tree_are_asked_for_together() {
        let folder = tempfile::tempdir().unwrap();
        let content = |at: usize| format!("content {at}\n").repeat(20_000).into_bytes();
        let blobs: Vec<Blob> =
            (0..2).map(|at| Blob { sha256: digest(&content(at)), size: content(at).len() as u64 }).collect();
        let file = |at: usize| json!({"kind": "file", "path": format!("f{at}"), "mode": 0o644, "blob": blobs[at]});
        let options = json!({"dest": folder.path(), "_tree": [file(0), file(1)]});
        let call =
            Call { id: 7, module: "copy".to_owned(), options: options.as_object().unwrap().clone(), ..Call::default() };
        let mut input = Vec::new();
        frame::encode(&ToHost::Call(call), b"", &mut input).unwrap();
        let both = [content(0), content(1)].concat();
        let packed = packing::pack(&both, packing::Effort::Quick).unwrap();
        frame::encode(&ToHost::Blobs { blobs: blobs.clone(), packed: true }, &packed, &mut input).unwrap();
        let mut output = Vec::new();
        serve(&Real::new(), &mut input.as_slice(), &mut output, Path::new("/nonexistent")).unwrap();
        let mut said = output.as_slice();
        let mut needs = Vec::new();
        let outcome = loop {
            match frame::read::<FromHost>(&mut said).unwrap().unwrap().0 {
                FromHost::Need { id: 7, blobs } => needs.push(blobs),
                FromHost::Done { id: 7, outcome } => break outcome,
                _ => {}
            }
        };
        assert_eq!(outcome.verdict, Verdict::Changed);
        assert_eq!(needs, [blobs]);
        assert_eq!(std::fs::read(folder.path().join("f1")).unwrap(), content(1));
    }
}
