//! Logins that a person keeps for machines in `~/.netrc`.

use std::path::PathBuf;

/// The login for a host: from the file that `NETRC` names, else from the one in the home folder.
#[must_use]
pub fn login(host: &str) -> Option<(String, String)> {
    let file = std::env::var_os("NETRC").filter(|name| !name.is_empty()).map(PathBuf::from);
    let file = file.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".netrc")))?;
    find(&std::fs::read_to_string(file).ok()?, host)
}

fn find(text: &str, host: &str) -> Option<(String, String)> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let mut words = lines.flat_map(str::split_whitespace);
    let (mut found, mut default) = (None::<(String, String)>, None);
    let mut entry = None::<(bool, String, String)>;
    let mut keep = |entry: Option<(bool, String, String)>| match entry {
        Some((true, user, password)) => drop(found.get_or_insert((user, password))),
        Some((false, user, password)) => default = Some((user, password)),
        None => {}
    };
    while let Some(word) = words.next() {
        match word {
            "machine" => {
                keep(entry.take());
                entry = (words.next() == Some(host)).then(|| (true, String::new(), String::new()));
            }
            "default" => {
                keep(entry.take());
                entry = Some((false, String::new(), String::new()));
            }
            "login" | "user" | "password" | "account" => {
                let value = words.next().unwrap_or_default().trim_matches('"').to_owned();
                match (&mut entry, word) {
                    (Some((_, user, _)), "login" | "user") => *user = value,
                    (Some((_, _, password)), "password") => *password = value,
                    _ => {}
                }
            }
            _ => {}
        }
    }
    keep(entry);
    found.or(default)
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn the_machine_counts_before_the_default() {
        let text = "# mine\nmachine a login one password p1\nmachine b\n  login two\n  password \"p2\"\ndefault login any password p3\n";
        let found = |host| find(text, host).map(|(user, password)| format!("{user}:{password}"));
        assert_eq!(found("a").as_deref(), Some("one:p1"));
        assert_eq!(found("b").as_deref(), Some("two:p2"));
        assert_eq!(found("c").as_deref(), Some("any:p3"));
        assert_eq!(find("machine a login x password y\n", "b"), None);
    }
}
