//! Logins that a `.netrc` file keeps by the names of servers.

use std::path::PathBuf;

/// The controller's own: from the file that `NETRC` names, else from the one in the home folder.
#[must_use]
pub fn login_here(host: &str) -> Option<(String, String)> {
    let file = std::env::var_os("NETRC").filter(|name| !name.is_empty()).map(PathBuf::from);
    let file = file.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".netrc")))?;
    login(&std::fs::read_to_string(file).ok()?, host)
}

/// Name and password for a server: those of its own entry, else of `default`.
#[must_use]
pub fn login(text: &str, host: &str) -> Option<(String, String)> {
    let mut words = words(text).into_iter().peekable();
    let mut fallback = None;
    while let Some(word) = words.next() {
        let ours = match word.as_str() {
            "machine" => words.next().is_some_and(|name| name == host),
            "default" => false,
            _ => continue,
        };
        let (mut name, mut password) = (None, None);
        while let Some(kind) = words.next_if(|word| !matches!(word.as_str(), "machine" | "default")) {
            match kind.as_str() {
                "login" | "user" => name = words.next(),
                "password" => password = words.next(),
                "account" => drop(words.next()),
                _ => {}
            }
        }
        let Some(login) = name.zip(password) else { continue };
        match (ours, word.as_str()) {
            (true, _) => return Some(login),
            (false, "default") => fallback = Some(login),
            _ => {}
        }
    }
    fallback
}

/// The words without comments and without macros, which reach to the next empty line.
fn words(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut macro_open = false;
    for line in text.lines() {
        if macro_open {
            macro_open = !line.trim().is_empty();
            continue;
        }
        for word in line.split_whitespace() {
            if word == "macdef" {
                macro_open = true;
                break;
            }
            if word.starts_with('#') && found.last().is_none_or(|last| last != "password") {
                break;
            }
            found.push(word.trim_matches('"').to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_of_the_server_counts_before_the_default() {
        let text = "# mine\nmachine a.example\n  login foo\n  password b#r # comment\nmacdef init\n  machine c login x\n\n\
                    machine b.example login only\ndefault login anyone password p\n";
        let login = |host: &str| login(text, host).map(|(name, password)| format!("{name}:{password}"));
        assert_eq!(login("a.example").as_deref(), Some("foo:b#r"));
        assert_eq!(login("b.example").as_deref(), Some("anyone:p"));
        assert_eq!(login("c").as_deref(), Some("anyone:p"));
        assert_eq!(super::login("machine a login x", "a"), None);
    }
}
