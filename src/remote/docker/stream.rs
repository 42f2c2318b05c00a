//! What engines stream: JSON messages of pulls and builds, and the framed output of containers.

use std::io::{self, BufRead, Read};

use crate::{protocol::Json, remote::machine::apply::Progress};

/// The largest frame of container output that is believed, in bytes.
const FRAME_BYTES_MAX: usize = 64 << 20;

/// Reads newline-separated JSON messages to their end; gives the text of the stream, or the error it reports.
///
/// # Errors
/// When the connection breaks, or with the engine's own words when a message is an `error`.
pub fn messages(body: &mut dyn BufRead, progress: Progress<'_>) -> io::Result<Result<String, String>> {
    let mut text = String::new();
    let mut failed = None;
    let mut line = Vec::new();
    loop {
        line.clear();
        if body.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let Ok(message) = serde_json::from_slice::<Json>(line.trim_ascii()) else { continue };
        if let Some(error) = error_of(&message) {
            failed.get_or_insert(error);
            continue;
        }
        if let Some(output) = message["stream"].as_str() {
            text.push_str(output);
            let shown = output.trim();
            if !shown.is_empty() {
                progress(shown.lines().next_back().unwrap_or(shown), None);
            }
        } else if let Some(status) = message["status"].as_str() {
            let shown = match message["id"].as_str() {
                Some(id) if !status.contains(id) => format!("{id}: {status}"),
                _ => status.to_owned(),
            };
            let detail = &message["progressDetail"];
            let amount = detail["current"].as_u64().zip(detail["total"].as_u64()).filter(|(_, total)| *total > 0);
            progress(&shown, amount);
            if amount.is_none() {
                text.push_str(&shown);
                text.push('\n');
            }
        }
    }
    Ok(match failed {
        None => Ok(text),
        // The last lines before the error are what failed, for a build above all.
        Some(error) if text.is_empty() => Err(error),
        Some(error) => Err(format!("{error}\n{}", tail(&text))),
    })
}

fn error_of(message: &Json) -> Option<String> {
    let detail = message["errorDetail"]["message"].as_str();
    detail.or_else(|| message["error"].as_str()).map(|error| error.trim().to_owned())
}

/// The end of a text, as much as helps to see what went wrong.
#[must_use]
pub fn tail(text: &str) -> String {
    const LINES: usize = 20;
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

/// Splits output into standard output and standard error. Output of a container with a terminal has no frames and is
/// given back whole.
///
/// # Errors
/// When the connection breaks.
pub fn output(body: &mut dyn Read, line: &mut dyn FnMut(&str)) -> io::Result<(String, String)> {
    let mut raw = Vec::new();
    let mut streams = [Vec::new(), Vec::new()];
    let mut at = 0;
    let mut buffer = vec![0; 16 << 10];
    let mut framed = true;
    loop {
        let n = match body.read(&mut buffer) {
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        raw.extend_from_slice(&buffer[..n]);
        while framed && let Some(&[stream, a, b, c, s1, s2, s3, s4]) = raw[at..].first_chunk::<8>() {
            let size = u32::from_be_bytes([s1, s2, s3, s4]) as usize;
            if stream > 2 || [a, b, c] != [0; 3] || size > FRAME_BYTES_MAX {
                framed = at != 0;
                if framed {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "the output of the container is garbled"));
                }
                break;
            }
            let Some(piece) = raw.get(at + 8..at + 8 + size) else { break };
            streams[usize::from(stream == 2)].extend_from_slice(piece);
            for shown in String::from_utf8_lossy(piece).lines().filter(|shown| !shown.trim().is_empty()) {
                line(shown);
            }
            at += 8 + size;
        }
        if n == 0 {
            break;
        }
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if framed && at == raw.len() {
        Ok((text(&streams[0]), text(&streams[1])))
    } else if framed && at > 0 {
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the output of the container was cut short"))
    } else {
        Ok((text(&raw), String::new()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(stream: u8, text: &str) -> Vec<u8> {
        let mut bytes = vec![stream, 0, 0, 0];
        bytes.extend_from_slice(&u32::try_from(text.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
        bytes
    }

    #[test]
    fn framed_output_is_split_and_a_terminal_s_is_not() {
        let bytes = [frame(1, "a\n"), frame(2, "oops\n"), frame(1, "b\n")].concat();
        let mut seen = Vec::new();
        let split = output(&mut bytes.as_slice(), &mut |line| seen.push(line.to_owned())).unwrap();
        assert_eq!(split, ("a\nb\n".to_owned(), "oops\n".to_owned()));
        assert_eq!(seen, ["a", "oops", "b"]);
        let raw = output(&mut &b"plain text of a tty"[..], &mut |_| {}).unwrap();
        assert_eq!(raw, ("plain text of a tty".to_owned(), String::new()));
        assert!(output(&mut &bytes[..bytes.len() - 1], &mut |_| {}).is_err());
    }

    #[test]
    fn an_error_in_the_stream_fails_with_the_lines_before_it() {
        let stream =
            b"{\"stream\":\"Step 1/2 : FROM x\\n\"}\n{\"errorDetail\":{\"message\":\"boom\"},\"error\":\"boom\"}\n";
        let mut shown = Vec::new();
        let ended = messages(&mut &stream[..], &mut |text, _| shown.push(text.to_owned())).unwrap();
        assert_eq!(ended, Err("boom\nStep 1/2 : FROM x".to_owned()));
        assert_eq!(shown, ["Step 1/2 : FROM x"]);
    }

    #[test]
    fn pull_progress_has_amounts() {
        let stream = b"{\"status\":\"Downloading\",\"progressDetail\":{\"current\":5,\"total\":10},\"id\":\"abc\"}\n";
        let mut shown = Vec::new();
        messages(&mut &stream[..], &mut |text, amount| shown.push((text.to_owned(), amount))).unwrap().unwrap();
        assert_eq!(shown, [("abc: Downloading".to_owned(), Some((5, 10)))]);
    }
}
