//! Which facts a text can read: those it names.
//!
//! Facts that nobody names need not be gathered. A text that may name one without spelling it (`hostvars | to_json`, `lookup('vars', …)`,
//! `'ansible_' ~ name`) counts as one that names all.

use std::collections::BTreeSet;

/// Variables that begin like facts and are none, without `ansible_` in front.
const OTHERS: &[&str] = &[
    "async_dir",
    "check_mode",
    "collection_name",
    "common_remote_group",
    "config_file",
    "connection",
    "connection_user",
    "delegated_vars",
    "dependent_role_names",
    "diff_mode",
    "facts_modules",
    "failed_result",
    "failed_task",
    "forks",
    "group_priority",
    "host",
    "index_var",
    "inventory_sources",
    "job_id",
    "limit",
    "local_tmp",
    "loop",
    "loop_var",
    "managed",
    "module",
    "no_log",
    "parent_role_names",
    "parent_role_paths",
    "password",
    "pipelining",
    "play_batch",
    "play_hosts",
    "play_hosts_all",
    "play_name",
    "play_role_names",
    "playbook_python",
    "port",
    "private_key_file",
    "python_interpreter",
    "remote_tmp",
    "role_name",
    "role_names",
    "run_tags",
    "search_path",
    "shell_executable",
    "shell_type",
    "skip_tags",
    "timeout",
    "user",
    "verbosity",
    "version",
    "builtin",
];

/// Beginnings of such names.
const FAMILIES: &[&str] = &[
    "become",
    "scp_",
    "sftp_",
    "ssh_common_",
    "ssh_extra_",
    "ssh_args",
    "ssh_executable",
    "ssh_host_key_checking",
    "ssh_pass",
    "ssh_pipelining",
    "ssh_port",
    "ssh_private_key",
    "ssh_retries",
    "ssh_timeout",
    "ssh_transfer",
    "ssh_user",
    "su_",
    "sudo_",
];

/// Methods of dictionaries that give one value for one name.
const GETTERS: &[&str] = &["get"];

/// What has been named so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mentions {
    names: BTreeSet<String>,
    all: bool,
}

impl Mentions {
    /// The names of facts, without `ansible_`; `None` where any may be read.
    #[must_use]
    pub fn names(&self) -> Option<&BTreeSet<String>> {
        (!self.all).then_some(&self.names)
    }

    /// Takes it that any fact may be read.
    pub fn everything(&mut self) {
        self.all = true;
    }

    /// Looks through a text.
    pub fn note(&mut self, text: &str) {
        for (start, word) in words(text) {
            if self.all {
                return;
            }
            let behind = &text[start + word.len()..];
            match word {
                "ansible_facts" => match member(behind) {
                    Some((name, _)) => self.fact(name),
                    None => self.everything(),
                },
                "hostvars" if host(behind).and_then(member).is_none() => self.everything(),
                "vars" if reads_all(text[..start].trim_end(), behind.trim_start()) => self.everything(),
                "template" if leads_out(text[..start].trim_end(), behind) => self.everything(),
                _ if word.ends_with("varnames") || word == "with_template" => self.everything(),
                _ => {
                    if let Some(name) = word.strip_prefix("ansible_") {
                        self.fact(name);
                    }
                }
            }
        }
    }

    fn fact(&mut self, name: &str) {
        if !OTHERS.contains(&name) && !FAMILIES.iter().any(|family| name.starts_with(family)) {
            self.names.insert(name.to_owned());
        }
    }
}

/// The words of a text and where they begin.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + text[at..].find(is_letter)?;
        let end = text[start..].find(|letter| !is_letter(letter)).map_or(text.len(), |length| start + length);
        at = end;
        Some((start, &text[start..end]))
    })
}

fn is_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

/// The name that is taken out of what stands before, `.name`, `['name']` or `.get('name'`, and what follows it.
fn member(text: &str) -> Option<(&str, &str)> {
    if let Some(rest) = text.strip_prefix('[') {
        return quoted(rest.trim_start());
    }
    let rest = text.strip_prefix('.')?;
    let (_, name) = words(rest).next().filter(|(start, _)| *start == 0)?;
    match rest[name.len()..].strip_prefix('(') {
        Some(inside) if GETTERS.contains(&name) => quoted(inside.trim_start()),
        Some(_) => None,
        None => Some((name, &rest[name.len()..])),
    }
}

fn quoted(text: &str) -> Option<(&str, &str)> {
    let mark = text.chars().next().filter(|mark| matches!(mark, '\'' | '"'))?;
    let (name, rest) = text[1..].split_once(mark)?;
    // More than a literal inside the brackets makes another name of it.
    rest.trim_start().starts_with([']', ',', ')']).then_some((name, rest))
}

/// What follows the choice of a host in `hostvars[…]` or `hostvars.name`.
fn host(text: &str) -> Option<&str> {
    if !text.starts_with('[') {
        return member(text).map(|(_, rest)| rest);
    }
    let mut depth = 0_usize;
    for (at, letter) in text.char_indices() {
        match letter {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(&text[at + 1..]);
        }
    }
    None
}

/// Whether `vars` means all variables here: `vars[name]`, `vars | dict2items`, `lookup('vars', …)`, `debug: var=vars`.
fn reads_all(before: &str, behind: &str) -> bool {
    let looked_up = before.ends_with(['\'', '"']) && behind.starts_with(['\'', '"']);
    let shown = before.ends_with("var=") || before.ends_with("var:");
    let picked = behind.strip_prefix('[').is_some_and(|inside| quoted(inside.trim_start()).is_none());
    looked_up || shown || picked || behind.starts_with(['|', ')', '}'])
}

/// Whether a lookup reads a template that may be anywhere: `lookup('template', path)`.
fn leads_out(before: &str, behind: &str) -> bool {
    let Some(mark) = before.chars().next_back().filter(|mark| matches!(mark, '\'' | '"')) else { return false };
    let Some(rest) = behind.strip_prefix(mark) else { return false };
    let name = rest.trim_start().strip_prefix(',').and_then(|rest| quoted(rest.trim_start()));
    name.is_none_or(|(name, _)| name.starts_with(['/', '~']) || name.contains(".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Option<Vec<String>> {
        let mut mentions = Mentions::default();
        mentions.note(text);
        mentions.names().map(|names| names.iter().cloned().collect())
    }

    #[test]
    fn facts_are_found_under_all_their_names() {
        let text = "when: ansible_os_family == 'Debian' and ansible_facts['pkg_mgr'] == \"apt\"\nmsg: {{ ansible_facts.mounts | length }}
            {{ hostvars[groups['db'][0]]['ansible_default_ipv4'].address }} {{ ansible_facts.get('lsb', {}) }} {{ hostvars.web1.port }}";
        assert_eq!(named(text).unwrap(), ["default_ipv4", "lsb", "mounts", "os_family", "pkg_mgr"]);
    }

    #[test]
    fn other_variables_are_no_facts() {
        let text = "ansible_host: 10.0.0.1\nansible_become_password: x\nansible_ssh_private_key_file: k\n# {{ ansible_managed }}
            my_ansible_os: x\nansible.builtin.copy: {}\nvars: {a: 1}\ny: {{ lookup('template', 'x.j2') }}\nvars_files: [vars/main.yml]\nx: {{ vars['a'] }}\nansible_user: me";
        assert_eq!(named(text).unwrap(), Vec::<String>::new());
        assert_eq!(named("ansible_user_id ansible_ssh_host_key_rsa_public").unwrap().len(), 2);
    }

    #[test]
    fn what_may_read_any_fact_counts_as_all() {
        for text in [
            "{{ hostvars | to_json }}",
            "{{ hostvars[host] | combine(x) }}",
            "{{ hostvars[host][name] }}",
            "{{ ansible_facts | dict2items }}",
            "debug: var=ansible_facts",
            "{{ ansible_facts[item] }}",
            "{{ ansible_facts['a' ~ b] }}",
            "{{ ansible_facts.keys() }}",
            "{{ lookup('vars', 'ansible_' ~ name) }}",
            "{{ query(\"varnames\", '^ansible') }}",
            "{{ vars[name] }}",
            "debug: {var: vars}",
            "{{ vars | length }}",
            "{{ lookup('template', path) }}",
            "{{ lookup('template', '../x.j2') }}",
        ] {
            assert_eq!(named(text), None, "{text}");
        }
        // Which then is a name that nobody gives.
        assert_eq!(named("{{ x['ansible_' ~ name] }}").unwrap(), [""]);
    }
}
