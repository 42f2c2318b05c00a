//! The words of a rule as iptables takes them.

use crate::{protocol::Json, remote::Choice};

use super::{Iptables, Syn};

/// A rule as it comes together.
#[derive(Default)]
struct Words(Vec<String>);

impl Words {
    /// A flag and its value; `!` in front of the value negates.
    fn pair(&mut self, flag: &str, value: Option<&String>) {
        let Some(value) = value else { return };
        let plain = match value.strip_prefix('!') {
            Some(rest) => {
                self.0.push("!".to_owned());
                rest.trim_start()
            }
            None => value,
        };
        self.0.extend([flag.to_owned(), plain.to_owned()]);
    }

    fn list(&mut self, flag: &str, values: &[String]) {
        if !values.is_empty() {
            self.pair(flag, Some(&values.join(",")));
        }
    }

    /// Loads an extension, unless the task names it itself.
    fn extension(&mut self, needed: bool, name: &str, named: &[String]) {
        if needed && !named.iter().any(|other| other == name) {
            self.0.extend(["-m".to_owned(), name.to_owned()]);
        }
    }
}

impl Iptables {
    /// The rule, without table, chain and verb.
    pub(super) fn rule(&self) -> Vec<String> {
        let named = &self.r#match;
        let mut words = Words::default();
        words.pair("-p", self.protocol.as_ref());
        words.pair("-s", self.source.as_ref());
        words.pair("-d", self.destination.as_ref());
        for name in named {
            words.0.extend(["-m".to_owned(), name.clone()]);
        }
        let flags = |name: &str| match self.tcp_flags.get(name) {
            Some(Json::Array(items)) => items.iter().filter_map(Json::as_str).collect::<Vec<_>>().join(","),
            Some(Json::String(text)) => text.clone(),
            _ => String::new(),
        };
        if self.tcp_flags.contains_key("flags") && self.tcp_flags.contains_key("flags_set") {
            words.0.extend(["--tcp-flags".to_owned(), flags("flags"), flags("flags_set")]);
        }
        let logs = self.log_prefix.is_some() || self.log_level.is_some();
        let log = logs.then(|| "LOG".to_owned());
        words.pair("-j", self.jump.as_ref().or(log.as_ref()));
        words.pair("--gateway", self.gateway.as_ref().filter(|_| self.jump.as_deref() == Some("TEE")));
        words.pair("--log-prefix", self.log_prefix.as_ref());
        words.pair("--log-level", self.log_level.as_ref());
        words.pair("--to-destination", self.to_destination.as_ref());
        if !self.destination_ports.is_empty() {
            words.extension(true, "multiport", named);
            words.list("--dports", &self.destination_ports);
        }
        words.pair("--to-source", self.to_source.as_ref());
        words.pair("-g", self.goto.as_ref());
        words.pair("-i", self.in_interface.as_ref());
        words.pair("-o", self.out_interface.as_ref());
        words.pair("-f", self.fragment.as_ref());
        words.pair("-c", self.set_counters.as_ref());
        words.pair("--source-port", self.source_port.as_ref());
        words.pair("--destination-port", self.destination_port.as_ref());
        words.pair("--to-ports", self.to_ports.as_ref());
        words.pair("--set-dscp", self.set_dscp_mark.as_ref());
        words.pair("--set-dscp-class", self.set_dscp_mark_class.as_ref());
        match self.syn {
            Syn::Ignore => {}
            Syn::Match => words.0.push("--syn".to_owned()),
            Syn::Negate => words.0.extend(["!".to_owned(), "--syn".to_owned()]),
        }
        if !self.ctstate.is_empty() {
            let old = named.iter().any(|name| name == "state");
            words.extension(!old, "conntrack", named);
            words.list(if old { "--state" } else { "--ctstate" }, &self.ctstate);
        }
        words.extension(self.src_range.is_some() || self.dst_range.is_some(), "iprange", named);
        words.pair("--src-range", self.src_range.as_ref());
        words.pair("--dst-range", self.dst_range.as_ref());
        if let (Some(set), Some(flags)) = (&self.match_set, &self.match_set_flags) {
            words.extension(true, "set", named);
            words.pair("--match-set", Some(set));
            words.0.push(flags.clone());
        }
        words.extension(self.limit.is_some() || self.limit_burst.is_some(), "limit", named);
        words.pair("--limit", self.limit.as_ref());
        words.pair("--limit-burst", self.limit_burst.as_ref());
        words.extension(self.uid_owner.is_some() || self.gid_owner.is_some(), "owner", named);
        words.pair("--uid-owner", self.uid_owner.as_ref());
        words.pair("--gid-owner", self.gid_owner.as_ref());
        if self.reject_with.is_some() && self.jump.is_none() {
            words.0.extend(["-j".to_owned(), "REJECT".to_owned()]);
        }
        words.pair("--reject-with", self.reject_with.as_ref());
        let icmp = if self.ip_version.word() == "ipv6" { "--icmpv6-type" } else { "--icmp-type" };
        words.pair(icmp, self.icmp_type.as_ref());
        if let Some(comment) = &self.comment {
            words.extension(true, "comment", named);
            words.0.extend(["--comment".to_owned(), comment.clone()]);
        }
        words.0
    }
}
