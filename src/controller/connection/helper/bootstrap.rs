//! Brings the helper to a host and starts it: one command, one round trip when it is cached there.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use super::{Helper, SessionError};
use crate::controller::connection::{
    Connection, Process,
    escalation::{self, Become, quote},
};

/// What runs on the host until the helper does.
const SCRIPT: &str = include_str!("bootstrap.sh");

/// Bytes of the script's own lines: a path and a sentence.
const LINE_BYTES_MAX: usize = 16 << 10;

/// Seconds in which the script must say its next word, a slow upload's last packets included.
const WORD_LIMIT: Duration = Duration::from_mins(2);

/// Bytes sent at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// Starts the helper with these words; what it says comes next on standard output.
pub(super) async fn start(
    connection: &Connection,
    how: Option<&Become>,
    helpers: &[Helper],
    words: &[String],
) -> Result<Process, SessionError> {
    if helpers.is_empty() {
        return Err(SessionError::HelperRefused { reason: "this program was built without one".into() });
    }
    let mark = format!("deployer-{}", uuid::Uuid::new_v4().simple());
    // A service user's home is often a data folder: leave no trace there while another place does.
    let home = if how.is_none_or(|how| how.user == "root") { "first" } else { "last" };
    let words: String = words.iter().map(|word| format!(" {}", quote(word))).collect();
    let hashes: Vec<&str> = helpers.iter().map(|helper| helper.sha256.as_ref()).collect();
    let mut script =
        format!("start() {{ say run \"$1\"; exec \"$1\"{words}; }}\nset -- {mark} {home} '{}'", hashes.join(" "));
    for helper in helpers {
        use std::fmt::Write;
        let _ = write!(script, " {} {} {} {}", quote(helper.arch), helper.sha256, helper.size, helper.packed.len());
    }
    script.push('\n');
    script.push_str(SCRIPT);
    let Process { mut stdin, stdout, stderr, exit } = escalation::start(connection, how, &script, true).await?;
    let mut stdout = BufReader::new(stdout);
    loop {
        let mut line = Vec::new();
        let read = tokio::time::timeout(WORD_LIMIT, read_line(&mut stdout, &mut line)).await;
        let word = String::from_utf8_lossy(&line).trim().to_owned();
        match read {
            Err(_) => return Err(lost("the host did not answer in time while the helper was brought there")),
            Ok(Err(error)) => return Err(lost(&error.to_string())),
            Ok(Ok(0)) => return Err(lost("the shell on the host ended before the helper started")),
            Ok(Ok(_)) => {}
        }
        let Some(word) = word.strip_prefix(&mark).map(str::trim) else { continue };
        match word.split_once(' ') {
            Some(("run", _path)) => return Ok(Process { stdin, stdout: Box::new(stdout), stderr, exit }),
            Some(("upload", asked)) => {
                let (form, arch) = asked.split_once(' ').unwrap_or((asked, ""));
                let helper = helpers.iter().find(|helper| helper.arch == arch).ok_or_else(|| lost("confused"))?;
                let bytes = match form {
                    "packed" => helper.packed.clone(),
                    _ => helper.program().map_err(|error| lost(&error.to_string()))?.into(),
                };
                for chunk in bytes.chunks(CHUNK_BYTES) {
                    stdin.write_all(chunk).await.map_err(|error| lost(&error.to_string()))?;
                }
                stdin.flush().await.map_err(|error| lost(&error.to_string()))?;
            }
            Some(("refused", reason)) => return Err(SessionError::HelperRefused { reason: reason.to_owned() }),
            _ => return Err(lost(&format!("unexpected words from the host: {word}"))),
        }
    }
}

async fn read_line(from: &mut (impl AsyncBufReadExt + Unpin), line: &mut Vec<u8>) -> std::io::Result<usize> {
    use tokio::io::AsyncReadExt;
    from.take(LINE_BYTES_MAX as u64).read_until(b'\n', line).await
}

fn lost(reason: &str) -> SessionError {
    SessionError::Lost { reason: reason.to_owned() }
}
