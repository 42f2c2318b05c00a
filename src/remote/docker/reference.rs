//! Names of images as people write them, and the one form they are compared in.

/// A repository with a tag or a digest, or an image id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Name with registry, without tag; an id as it is.
    pub repository: String,
    /// What stands behind the colon; empty for ids and digests.
    pub tag: String,
    /// `sha256:…` behind an `@`.
    pub digest: Option<String>,
}

impl Reference {
    /// Reads a name; `tag` is used where the name has none.
    #[must_use]
    pub fn parse(name: &str, tag: &str) -> Self {
        if is_id(name) {
            return Self { repository: name.to_owned(), tag: String::new(), digest: None };
        }
        if let Some((repository, digest)) = name.split_once('@') {
            return Self { repository: repository.to_owned(), tag: String::new(), digest: Some(digest.to_owned()) };
        }
        match name.rsplit_once(':') {
            // A colon before a slash belongs to the port of a registry.
            Some((repository, tag)) if !tag.contains('/') => {
                Self { repository: repository.to_owned(), tag: tag.to_owned(), digest: None }
            }
            _ if tag.starts_with("sha256:") => {
                Self { repository: name.to_owned(), tag: String::new(), digest: Some(tag.to_owned()) }
            }
            _ => Self { repository: name.to_owned(), tag: tag.to_owned(), digest: None },
        }
    }

    /// Name with tag or digest, as written.
    #[must_use]
    pub fn full(&self) -> String {
        match &self.digest {
            Some(digest) => format!("{}@{digest}", self.repository),
            None if self.tag.is_empty() => self.repository.clone(),
            None => format!("{}:{}", self.repository, self.tag),
        }
    }

    /// The same for every way to write the same image.
    #[must_use]
    pub fn canonical(&self) -> String {
        let full = self.full();
        let short = full.strip_prefix("docker.io/").or_else(|| full.strip_prefix("index.docker.io/")).unwrap_or(&full);
        short.strip_prefix("library/").unwrap_or(short).to_owned()
    }

    /// Whether it is an id, not a name.
    #[must_use]
    pub fn is_id(&self) -> bool {
        is_id(&self.repository)
    }

    /// The registry that it is pulled from, as the configuration of logins names it.
    #[must_use]
    pub fn registry(&self) -> &str {
        match self.repository.split_once('/') {
            Some((registry, _)) if registry.contains(['.', ':']) || registry == "localhost" => registry,
            _ => "docker.io",
        }
    }
}

fn is_id(name: &str) -> bool {
    let digits = name.strip_prefix("sha256:").unwrap_or(name);
    let hex = digits.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    hex && (digits.len() == 64 || (name.starts_with("sha256:") && digits.len() >= 12))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_ports_and_digests_are_told_apart() {
        let full = |name: &str| Reference::parse(name, "latest").full();
        assert_eq!(full("postgres"), "postgres:latest");
        assert_eq!(full("postgres:9.6"), "postgres:9.6");
        assert_eq!(full("host:5000/app"), "host:5000/app:latest");
        assert_eq!(full("host:5000/app:1"), "host:5000/app:1");
        assert_eq!(full("app@sha256:ab"), "app@sha256:ab");
        let id = format!("sha256:{}", "0a".repeat(32));
        assert_eq!(full(&id), id);
        assert_eq!(full("cafe"), "cafe:latest");
    }

    #[test]
    fn one_image_has_one_canonical_name() {
        let canonical = |name: &str| Reference::parse(name, "latest").canonical();
        assert_eq!(canonical("docker.io/library/postgres"), canonical("postgres:latest"));
        assert_ne!(canonical("ghcr.io/postgres"), canonical("postgres"));
        assert_eq!(Reference::parse("ghcr.io/x/y", "1").registry(), "ghcr.io");
        assert_eq!(Reference::parse("x/y", "1").registry(), "docker.io");
    }
}
