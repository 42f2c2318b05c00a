//! Logging in with a digest of the password, as RFC 7616 has it: the password itself stays here.

use hyper::{HeaderMap, header};

use super::checksum::hasher;
use crate::remote::machine::hex;

/// What a server asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    /// As the server writes it.
    algorithm: Option<String>,
    /// Whether the answer is bound to a number of ours.
    bound: bool,
}

impl Challenge {
    /// The first challenge of this kind that can be answered.
    #[must_use]
    pub fn find(headers: &HeaderMap) -> Option<Self> {
        let values = headers.get_all(header::WWW_AUTHENTICATE).iter();
        values.filter_map(|value| Self::parse(&String::from_utf8_lossy(value.as_bytes()))).find(Self::is_known)
    }

    fn parse(text: &str) -> Option<Self> {
        const SCHEME: &str = "digest ";
        let start = text.to_ascii_lowercase().find(SCHEME)? + SCHEME.len();
        let mut challenge = Self::default();
        let mut asked = Vec::new();
        for (name, value) in parameters(text.get(start..)?) {
            match name.as_str() {
                "realm" => challenge.realm = value,
                "nonce" => challenge.nonce = value,
                "opaque" => challenge.opaque = Some(value),
                "algorithm" => challenge.algorithm = Some(value),
                "qop" => asked = value.split(',').map(|word| word.trim().to_ascii_lowercase()).collect(),
                _ => {}
            }
        }
        challenge.bound = asked.iter().any(|word| word == "auth");
        let protects_bodies = !asked.is_empty() && !challenge.bound;
        (!challenge.nonce.is_empty() && !protects_bodies).then_some(challenge)
    }

    /// The name of the hash, and whether it is hashed once more for the session.
    fn hash(&self) -> (&'static str, bool) {
        let said = self.algorithm.as_deref().unwrap_or("MD5").to_ascii_lowercase();
        let session = said.ends_with("-sess");
        let name = match said.trim_end_matches("-sess") {
            "md5" => "md5",
            "sha" => "sha1",
            "sha-256" => "sha256",
            _ => "",
        };
        (name, session)
    }

    fn is_known(&self) -> bool {
        !self.hash().0.is_empty()
    }

    /// The header that answers it. `own` is a number that nobody foresees.
    #[must_use]
    pub fn answer(&self, method: &str, path: &str, (user, password): &(String, String), own: &str) -> String {
        const COUNT: &str = "00000001";
        let (name, session) = self.hash();
        let sum = |text: String| {
            let mut hasher = hasher(name)?;
            hasher.update(text.as_bytes());
            Some(hex(&hasher.finalize()))
        };
        let sum = |text: String| sum(text).unwrap_or_default();
        let mut who = sum(format!("{user}:{}:{password}", self.realm));
        if session {
            who = sum(format!("{who}:{}:{own}", self.nonce));
        }
        let what = sum(format!("{method}:{path}"));
        let between = if self.bound { format!("{COUNT}:{own}:auth:") } else { String::new() };
        let response = sum(format!("{who}:{}:{between}{what}", self.nonce));
        let mut answer = format!(
            "Digest username=\"{}\", realm=\"{}\", nonce=\"{}\", uri=\"{path}\", response=\"{response}\"",
            quoted(user),
            quoted(&self.realm),
            quoted(&self.nonce)
        );
        if let Some(opaque) = &self.opaque {
            answer.push_str(&format!(", opaque=\"{}\"", quoted(opaque)));
        }
        if let Some(algorithm) = &self.algorithm {
            answer.push_str(&format!(", algorithm={algorithm}"));
        }
        if self.bound {
            answer.push_str(&format!(", qop=auth, nc={COUNT}, cnonce=\"{own}\""));
        }
        answer
    }
}

/// `name=value, name="value"` up to the next scheme.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim().to_ascii_lowercase();
        if name.contains(' ') {
            break;
        }
        let after = after.trim_start();
        let (value, left) = match after.strip_prefix('"') {
            Some(inner) => until_quote(inner),
            None => {
                let end = after.find(',').unwrap_or(after.len());
                (after[..end].trim().to_owned(), &after[end..])
            }
        };
        found.push((name, value));
        rest = left.trim_start().trim_start_matches(',').trim_start();
    }
    found
}

/// The text before the closing quote without backslashes, and what follows the quote.
fn until_quote(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.extend(letters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(text: &str) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        headers.insert(header::WWW_AUTHENTICATE, text.parse().unwrap());
        Challenge::find(&headers)
    }

    #[test]
    fn the_example_of_the_standard_is_answered_as_there() {
        // RFC 7616, 3.9.1.
        let login = ("Mufasa".to_owned(), "Circle of Life".to_owned());
        let own = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        let text = |algorithm: &str| {
            format!(
                "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
                 nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
            )
        };
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let answer = challenge(&text(algorithm)).unwrap().answer("GET", "/dir/index.html", &login, own);
            assert!(answer.contains(&format!("response=\"{response}\"")), "{answer}");
            assert!(answer.contains("qop=auth, nc=00000001, cnonce="), "{answer}");
        }
    }

    #[test]
    fn what_cannot_be_answered_is_none() {
        assert_eq!(challenge("Basic realm=\"x\""), None);
        assert_eq!(challenge("Digest realm=\"x\", nonce=\"n\", algorithm=SHA-512-256"), None);
        assert_eq!(challenge("Digest realm=\"x\", nonce=\"n\", qop=\"auth-int\""), None);
        let old = challenge("Basic realm=\"b\", Digest realm=\"a \\\"b\\\"\", nonce=\"n\", Basic realm=\"c\"").unwrap();
        assert_eq!((old.realm.as_str(), old.bound), ("a \"b\"", false));
    }
}
