//! `sysctl`: settings of the kernel.

use std::path::{Path, PathBuf};

use crate::{
    options,
    protocol::{Attributes, Change, Content, Effect, Run},
    remote::{Module, Plan, Planned, Probe, Stop, machine::probe::Found},
};

use super::user::State;

options! {
    /// Sets a parameter of the kernel in a file that is read at boot, and now if asked.
    ///
    /// ## Example
    /// ```yaml
    /// - sysctl:
    ///     name: net.ipv4.ip_forward
    ///     value: "1"
    ///     sysctl_set: true
    /// ```
    ///
    /// ## Returns
    /// Nothing of its own.
    pub struct Sysctl {
        /// The parameter, with dots or slashes.
        name: String [key],
        /// Its value.
        value: Option<String> [val],
        /// Whether the file should name it.
        state: State = State::Present,
        /// Have the kernel read the file again when it changed.
        reload: bool = true,
        /// Compare with what the kernel has and set it there.
        sysctl_set: bool = false,
        /// The file.
        sysctl_file: PathBuf = "/etc/sysctl.conf",
        /// Ignore parameters that the kernel does not know.
        ignoreerrors: bool = false,
    }
}

impl Module for Sysctl {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let value = match (&self.value, self.state) {
            (None, State::Present) => return Err(Stop::failed("state=present needs a value")),
            (value, _) => value.as_deref().map(written).unwrap_or_default(),
        };
        let mut plan = Plan::new();
        let there = probe.exists(&self.sysctl_file)?;
        let before = if there { probe.read_text(&self.sysctl_file)? } else { String::new() };
        let after = self.merged(&before, &value);
        if self.sysctl_set && self.state == State::Present {
            let current = self.current(probe)?;
            if current.as_deref().map(words) != Some(words(&value)) {
                let mut run = Run::new(["sysctl"]);
                run.argv.extend(self.ignoreerrors.then(|| "-e".to_owned()));
                run.argv.extend(["-w".to_owned(), format!("{}={value}", self.name)]);
                plan.push(Change::Run(run.effect(self.effect(&value))));
            }
        }
        if after != before {
            plan.diff(self.sysctl_file.to_string_lossy(), before, &*after);
            plan.push(Change::Write {
                path: self.sysctl_file.clone(),
                content: Content::Text(after),
                attributes: Attributes { mode: (!there).then_some(0o644), ..Attributes::default() },
                in_place: false,
            });
            if self.reload {
                let file = self.sysctl_file.to_string_lossy().into_owned();
                let mut run = Run::new(["sysctl"]);
                run.argv.extend(self.ignoreerrors.then(|| "-e".to_owned()));
                run.argv.extend(["-p".to_owned(), file]);
                if self.state == State::Present {
                    run.effects.push(self.effect(&value));
                }
                plan.push(Change::Run(run));
            }
        }
        Ok(plan)
    }
}

impl Sysctl {
    fn effect(&self, value: &str) -> Effect {
        Effect::new("sysctl", &dotted(&self.name), value.into())
    }

    fn current(&self, probe: &Probe<'_>) -> Found<Option<String>> {
        if let Some(value) = probe.assumed("sysctl", &dotted(&self.name)).and_then(|value| value.as_str()) {
            return Ok(Some(value.to_owned()));
        }
        let path = Path::new("/proc/sys").join(slashed(&self.name));
        if !probe.exists(&path)? {
            return Ok(None);
        }
        Ok(Some(probe.read_text(&path)?.trim().to_owned()))
    }

    fn merged(&self, before: &str, value: &str) -> String {
        let setting_now = format!("{}={value}", self.name);
        let mut after = String::new();
        let mut found = false;
        for line in before.lines() {
            let setting = line.split_once('=').filter(|_| !line.trim_start().starts_with(['#', ';']));
            match setting {
                Some((name, old)) if dotted(name.trim().trim_start_matches('-')) == dotted(&self.name) => {
                    if self.state == State::Present && !found {
                        let kept = words(old) == words(value);
                        let kept = if kept { line } else { setting_now.as_str() };
                        after.extend([kept, "\n"]);
                    }
                    found = true;
                }
                _ => {
                    after.push_str(line);
                    after.push('\n');
                }
            }
        }
        if self.state == State::Present && !found {
            after.extend([setting_now.as_str(), "\n"]);
        }
        if after.trim_end() == before.trim_end() { before.to_owned() } else { after }
    }
}

/// YAML's booleans are numbers to the kernel.
fn written(value: &str) -> String {
    match value.trim() {
        "True" | "true" | "yes" | "on" => "1".to_owned(),
        "False" | "false" | "no" | "off" => "0".to_owned(),
        other => other.to_owned(),
    }
}

fn words(value: &str) -> Vec<&str> {
    value.split_whitespace().collect()
}

/// The path below `/proc/sys`: where slashes separate, dots belong to names.
fn slashed(name: &str) -> String {
    match (name.find('/'), name.find('.')) {
        (Some(slash), Some(dot)) if slash < dot => name.to_owned(),
        (Some(_), None) => name.to_owned(),
        _ => name
            .chars()
            .map(|c| {
                if c == '.' {
                    '/'
                } else if c == '/' {
                    '.'
                } else {
                    c
                }
            })
            .collect(),
    }
}

fn dotted(name: &str) -> String {
    slashed(name)
        .chars()
        .map(|c| {
            if c == '/' {
                '.'
            } else if c == '.' {
                '/'
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{
        protocol::Verdict,
        remote::{machine::fake::Fake, modules::trial::Trial},
    };

    #[test]
    fn file_and_kernel_are_set_where_they_differ() {
        let host = Fake::new()
            .file("/etc/sysctl.conf", "# c\nnet.ipv4.ip_forward = 0\nvm.swappiness=10\n")
            .file("/proc/sys/net/ipv4/ip_forward", "0\n")
            .command(&["sysctl"], 0, "");
        let mut trial = Trial::new(host);
        let options = json!({"name": "net.ipv4.ip_forward", "value": true, "sysctl_set": true});
        assert_eq!(trial.check("sysctl", options.clone()).verdict, Verdict::Changed);
        assert_eq!(trial.check("sysctl", options).verdict, Verdict::Unchanged);
        let forget = json!({"name": "vm/swappiness", "state": "absent"});
        assert_eq!(trial.check("sysctl", forget).verdict, Verdict::Changed);
    }

    #[test]
    fn a_setting_with_other_blanks_is_the_same() {
        let host = Fake::new().file("/etc/sysctl.conf", "net.ipv4.ip_local_port_range = 1024\t65000\n");
        let options = json!({"name": "net.ipv4.ip_local_port_range", "value": "1024 65000"});
        assert_eq!(Trial::new(host).apply("sysctl", options).verdict, Verdict::Unchanged);
    }
}
