//! Lines of an `authorized_keys` file.

/// A key with its options and comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) options: String,
    pub(super) kind: String,
    pub(super) blob: String,
    pub(super) comment: String,
}

const KINDS: &[&str] = &[
    "ssh-rsa",
    "ssh-dss",
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "sk-ssh-ed25519@openssh.com",
    "ssh-rsa-cert-v01@openssh.com",
    "ssh-ed25519-cert-v01@openssh.com",
];

impl Key {
    /// Reads a line; `None` for comments and whatever else is no key.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let (first, rest) = word(line);
        let (options, kind, rest) = if KINDS.contains(&first) {
            ("", first, rest)
        } else {
            let (kind, rest) = word(rest);
            (first, kind, rest)
        };
        let (blob, comment) = word(rest);
        (KINDS.contains(&kind) && !blob.is_empty()).then(|| Self {
            options: options.to_owned(),
            kind: kind.to_owned(),
            blob: blob.to_owned(),
            comment: comment.trim().to_owned(),
        })
    }

    /// Whether it lets the same person in.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.kind == other.kind && self.blob == other.blob
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = [&self.options, &self.kind, &self.blob, &self.comment];
        let parts: Vec<&str> = parts.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        f.write_str(&parts.join(" "))
    }
}

/// The first word and what is behind it; blanks inside double quotes belong to the word.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let (mut quoted, mut escaped) = (false, false);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            letter if letter.is_whitespace() && !quoted => return (&text[..at], &text[at..]),
            _ => {}
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_may_hold_blanks_in_quotes() {
        let line = "command=\"echo \\\"a b\\\"\",no-pty ssh-ed25519 AAAA ann at home";
        let key = Key::parse(line).unwrap();
        assert_eq!(key.options, "command=\"echo \\\"a b\\\"\",no-pty");
        assert_eq!((key.blob.as_str(), key.comment.as_str()), ("AAAA", "ann at home"));
        assert_eq!(key.to_string(), line);
        assert_eq!(Key::parse("# ssh-rsa AAAA"), None);
        assert_eq!(Key::parse("nonsense"), None);
    }
}
