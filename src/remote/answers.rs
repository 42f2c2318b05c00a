//! Answers on their way to the controller: each leaves in its turn, once the disk has what it tells of.

use std::{
    fs::File,
    io::{self, Write},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
};

use crate::protocol::{FromHost, Outcome, frame};

/// Answers that wait at the most; a piece of a file is the largest of them.
const WAITING_MAX: usize = 16;

/// Where answers are given to be sent.
pub(super) struct Answers(SyncSender<Answer>);

/// Answers that are to be sent.
pub(super) struct Queue(Receiver<Answer>);

struct Answer {
    message: FromHost,
    body: Vec<u8>,
    /// What must be on the disk before it may be said.
    files: Vec<File>,
}

/// Both ends.
pub(super) fn answers() -> (Answers, Queue) {
    let (sender, receiver) = sync_channel(WAITING_MAX);
    (Answers(sender), Queue(receiver))
}

impl Answers {
    pub(super) fn send(&self, message: FromHost, body: Vec<u8>) -> io::Result<()> {
        self.give(Answer { message, body, files: Vec::new() })
    }

    /// Tells how a call ended, once these files are on the disk. Meanwhile the next call may begin.
    pub(super) fn done(&self, id: u64, outcome: Outcome, files: Vec<File>) -> io::Result<()> {
        self.give(Answer { message: FromHost::Done { id, outcome }, body: Vec::new(), files })
    }

    fn give(&self, answer: Answer) -> io::Result<()> {
        self.0.send(answer).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Queue {
    /// Sends all that comes until nobody can give more. What waits leaves together.
    ///
    /// # Errors
    /// When the controller does not take it.
    pub(super) fn drain(self, output: &mut dyn Write) -> io::Result<()> {
        let mut bytes = Vec::new();
        while let Ok(first) = self.0.recv() {
            for answer in std::iter::once(first).chain(self.0.try_iter().take(WAITING_MAX)) {
                if !answer.files.is_empty() {
                    write(output, &mut bytes)?;
                }
                let message = match (answer.files.iter().try_for_each(File::sync_all), answer.message) {
                    (Err(error), FromHost::Done { id, .. }) => {
                        let outcome = Outcome::failed(format!("cannot bring what was written to the disk: {error}"));
                        FromHost::Done { id, outcome }
                    }
                    (_, message) => message,
                };
                frame::encode(&message, &answer.body, &mut bytes)?;
            }
            write(output, &mut bytes)?;
        }
        Ok(())
    }
}

fn write(output: &mut dyn Write, bytes: &mut Vec<u8>) -> io::Result<()> {
    output.write_all(bytes)?;
    bytes.clear();
    output.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Verdict;

    fn told(bytes: &[u8]) -> Vec<FromHost> {
        let mut bytes = bytes;
        std::iter::from_fn(|| frame::read(&mut bytes).unwrap().map(|(message, _)| message)).collect()
    }

    #[test]
    fn answers_leave_in_their_order_and_with_what_they_carry() {
        let (answers, queue) = answers();
        answers.done(1, Outcome::new(Verdict::Changed), vec![tempfile::tempfile().unwrap()]).unwrap();
        answers.send(FromHost::Data { id: 2 }, b"content".to_vec()).unwrap();
        answers.done(3, Outcome::new(Verdict::Unchanged), Vec::new()).unwrap();
        drop(answers);
        let mut output = Vec::new();
        queue.drain(&mut output).unwrap();
        let told = told(&output);
        assert!(matches!(&told[0], FromHost::Done { id: 1, outcome } if outcome.verdict == Verdict::Changed));
        assert!(matches!(told[1], FromHost::Data { id: 2 }));
        assert!(matches!(told[2], FromHost::Done { id: 3, .. }));
        assert!(output.windows(7).any(|window| window == b"content"));
    }

    #[test]
    fn what_the_disk_does_not_take_has_failed() {
        let (answers, queue) = answers();
        // A pipe cannot be brought to a disk.
        let (_reader, writer) = io::pipe().unwrap();
        let file = File::from(std::os::fd::OwnedFd::from(writer));
        answers.done(1, Outcome::new(Verdict::Changed), vec![file]).unwrap();
        drop(answers);
        let mut output = Vec::new();
        queue.drain(&mut output).unwrap();
        let told = told(&output);
        let [FromHost::Done { id: 1, outcome }] = told.as_slice() else { panic!("one answer") };
        assert!(matches!(&outcome.verdict, Verdict::Failed(failure) if failure.message.contains("to the disk")));
    }
}
