//! `iptables`: rules of the kernel's packet filter.

use crate::{
    choices, options,
    protocol::{Change, Map, Run},
    remote::{Choice, Module, Plan, Planned, Probe, Stop, machine::probe::Found},
};

use super::user::State;

mod rule;

options! {
    /// Adds and removes rules, chains and policies of iptables and ip6tables; rules are not kept over a restart.
    ///
    /// ## Example
    /// ```yaml
    /// - iptables:
    ///     chain: INPUT
    ///     protocol: tcp
    ///     destination_port: "8080"
    ///     jump: ACCEPT
    /// ```
    ///
    /// ## Returns
    /// `rule`, `table`, `chain`, `state`, `flush`, `ip_version`, `chain_management`.
    pub struct Iptables {
        /// The table.
        table: Table = Table::Filter,
        /// Whether the rule, or the chain, should be there.
        state: State = State::Present,
        /// Where a new rule goes: the end of the chain or its beginning.
        action: Action = Action::Append,
        /// Where to insert the rule.
        rule_num: Option<String>,
        /// Which of the two filters.
        ip_version: IpVersion = IpVersion::V4,
        /// The chain.
        chain: Option<String>,
        /// Protocol; `!` in front negates, as in other options.
        protocol: Option<String>,
        /// Where packets come from.
        source: Option<String>,
        /// Where packets go.
        destination: Option<String>,
        /// `flags` to look at and `flags_set` of them that are set.
        tcp_flags: Map,
        /// Extensions to load.
        r#match: Vec<String>,
        /// What becomes of the packet.
        jump: Option<String>,
        /// Where TEE sends its copy.
        gateway: Option<String>,
        /// What LOG writes in front.
        log_prefix: Option<String>,
        /// How urgent LOG finds it.
        log_level: Option<String>,
        /// The chain to go on in.
        goto: Option<String>,
        /// The interface packets come in by.
        in_interface: Option<String>,
        /// The interface packets leave by.
        out_interface: Option<String>,
        /// Only later fragments.
        fragment: Option<String>,
        /// What the counters start with.
        set_counters: Option<String>,
        /// Port or range packets come from.
        source_port: Option<String>,
        /// Port or range packets go to.
        destination_port: Option<String>,
        /// Several ports packets go to.
        destination_ports: Vec<String>,
        /// Ports of REDIRECT and others.
        to_ports: Option<String>,
        /// New destination, with DNAT.
        to_destination: Option<String>,
        /// New source, with SNAT.
        to_source: Option<String>,
        /// Packets that open a TCP connection.
        syn: Syn = Syn::Ignore,
        /// The DSCP mark to set.
        set_dscp_mark: Option<String>,
        /// The class of the DSCP mark to set.
        set_dscp_mark_class: Option<String>,
        /// A remark.
        comment: Option<String>,
        /// States of the connection.
        ctstate: Vec<String>,
        /// Addresses packets come from.
        src_range: Option<String>,
        /// Addresses packets go to.
        dst_range: Option<String>,
        /// A set of addresses.
        match_set: Option<String>,
        /// What is looked up in the set: `src`, `dst` or two of them.
        match_set_flags: Option<String>,
        /// How often the rule may hold.
        limit: Option<String>,
        /// How often it may hold at once.
        limit_burst: Option<String>,
        /// Who sends the packet.
        uid_owner: Option<String>,
        /// Which group sends the packet.
        gid_owner: Option<String>,
        /// What REJECT answers.
        reject_with: Option<String>,
        /// The kind of ICMP message.
        icmp_type: Option<String>,
        /// Remove all rules of the chain, or of the table.
        flush: bool = false,
        /// What becomes of packets that no rule of the chain decided.
        policy: Option<Policy>,
        /// Seconds to wait for others who change rules.
        wait: Option<String>,
        /// Make and remove the chain itself.
        chain_management: bool = false,
        /// Do not look up names while listing.
        numeric: bool = false,
    }
}

choices! {
    /// The table.
    pub enum Table {
        /// What passes.
        Filter = "filter",
        /// Addresses are rewritten.
        Nat = "nat",
        /// Packets are altered.
        Mangle = "mangle",
        /// Before connections are tracked.
        Raw = "raw",
        /// Mandatory access control.
        Security = "security",
    }
}

choices! {
    /// Where a new rule goes.
    pub enum Action {
        /// To the end.
        Append = "append",
        /// To the beginning.
        Insert = "insert",
    }
}

choices! {
    /// Which filter.
    pub enum IpVersion {
        /// That of IPv4.
        V4 = "ipv4",
        /// That of IPv6.
        V6 = "ipv6",
        /// Both, one after the other.
        Both = "both",
    }
}

choices! {
    /// Whether packets open a TCP connection.
    pub enum Syn {
        /// Either.
        Ignore = "ignore",
        /// They do.
        Match = "match",
        /// They do not.
        Negate = "negate",
    }
}

choices! {
    /// What becomes of packets that no rule decided.
    pub enum Policy {
        /// They pass.
        Accept = "ACCEPT",
        /// They are lost.
        Drop = "DROP",
        /// They go to a program.
        Queue = "QUEUE",
        /// The chain before goes on.
        Return = "RETURN",
    }
}

impl Module for Iptables {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        self.contradiction().map_or(Ok(()), |message| Err(Stop::failed(message)))?;
        let mut plan = Plan::new();
        let rule = self.rule();
        plan.set("rule", rule.join(" "));
        plan.set("table", self.table.word());
        plan.set("chain", self.chain.clone());
        plan.set("state", self.state.word());
        plan.set("flush", self.flush);
        plan.set("ip_version", self.ip_version.word());
        plan.set("chain_management", self.chain_management);
        let programs: &[&str] = match self.ip_version {
            IpVersion::V4 => &["iptables"],
            IpVersion::V6 => &["ip6tables"],
            IpVersion::Both => &["iptables", "ip6tables"],
        };
        for program in programs {
            if probe.program(program)?.is_none() {
                return Err(Stop::failed(format!("Failed to find required executable \"{program}\" on the host")));
            }
            self.plan_one(probe, program, &rule, &mut plan)?;
        }
        Ok(plan)
    }
}

impl Iptables {
    fn contradiction(&self) -> Option<String> {
        let modes = [self.flush, self.policy.is_some()];
        if self.chain.is_none() && !self.flush {
            return Some("either chain or flush parameter must be specified".to_owned());
        }
        if modes == [true, true] {
            return Some("parameters are mutually exclusive: flush|policy".to_owned());
        }
        let level = self.log_prefix.is_some() || self.log_level.is_some();
        if level && self.jump.as_deref().is_some_and(|jump| jump != "LOG") {
            return Some("Logging options can only be used with the LOG jump target.".to_owned());
        }
        None
    }

    fn plan_one(&self, probe: &Probe<'_>, program: &str, rule: &[String], plan: &mut Plan) -> Found<()> {
        let chain = self.chain.as_deref().unwrap_or_default();
        if self.flush {
            // Ansible calls every flush a change.
            plan.push(self.act(program, "-F", &[]));
            return Ok(());
        }
        if let Some(policy) = self.policy {
            let listed = probe.query_run(&self.command(program, "-L", &[]))?;
            let marked = format!("Chain {chain} (policy ");
            let current = listed.stdout.lines().find_map(|line| line.strip_prefix(&marked));
            let current = current.and_then(|rest| rest.split([' ', ')']).next());
            let Some(current) = current else {
                return Err(Stop::failed("Can't detect current policy"));
            };
            if current != policy.word() {
                plan.push(self.act(program, "-P", &[policy.word().to_owned()]));
            }
            return Ok(());
        }
        let chain_only = self.chain_management && rule.is_empty();
        if chain_only {
            let there = probe.query_run(&self.command(program, "-L", &[]))?.success();
            match self.state {
                State::Present if !there => plan.push(self.act(program, "-N", &[])),
                State::Absent if there => plan.push(self.act(program, "-X", &[])),
                _ => {}
            }
            return Ok(());
        }
        let there = probe.query_run(&self.command(program, "-C", rule))?.success();
        match self.state {
            State::Present if !there => {
                if self.chain_management && !probe.query_run(&self.command(program, "-L", &[]))?.success() {
                    plan.push(self.act(program, "-N", &[]));
                }
                let verb = if self.action == Action::Insert { "-I" } else { "-A" };
                let number = self.rule_num.iter().filter(|_| self.action == Action::Insert).cloned();
                let rest: Vec<String> = number.chain(rule.iter().cloned()).collect();
                plan.push(self.act(program, verb, &rest));
            }
            State::Absent if there => plan.push(self.act(program, "-D", rule)),
            _ => {}
        }
        Ok(())
    }

    fn command(&self, program: &str, verb: &str, rest: &[String]) -> Run {
        let mut run = Run::new([program, "-t", self.table.word(), verb]);
        run.argv.extend(self.chain.clone());
        run.argv.extend(rest.iter().cloned());
        run.argv.extend((self.numeric && verb == "-L").then(|| "--numeric".to_owned()));
        if let Some(wait) = &self.wait {
            run.argv.extend(["-w".to_owned(), wait.clone()]);
        }
        run.environment.insert("LC_ALL".to_owned(), "C".to_owned());
        run
    }

    fn act(&self, program: &str, verb: &str, rest: &[String]) -> Change {
        Change::Run(self.command(program, verb, rest))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{
        protocol::Verdict,
        remote::{machine::fake::Fake, modules::trial::Trial},
    };

    #[test]
    fn a_rule_is_added_when_it_is_missing() {
        let host = Fake::new()
            .program("/usr/sbin/iptables")
            .command(&["iptables", "-t", "filter", "-C"], 1, "")
            .command(&["iptables", "-t", "filter", "-A"], 0, "");
        let mut trial = Trial::new(host);
        let rule = json!({
            "chain": "INPUT", "protocol": "tcp", "destination_port": "!22", "ctstate": ["NEW"], "jump": "DROP", "comment": "no",
        });
        let outcome = trial.apply("iptables", rule);
        assert_eq!(outcome.verdict, Verdict::Changed);
        let written = "-p tcp -j DROP ! --destination-port 22 -m conntrack --ctstate NEW -m comment --comment no";
        assert_eq!(outcome.result["rule"], written);
        assert_eq!(trial.commands().last().unwrap(), &format!("iptables -t filter -A INPUT {written}"));
    }

    #[test]
    fn chains_come_and_go() {
        let host = Fake::new()
            .program("/usr/sbin/iptables")
            .command(&["iptables", "-t", "filter", "-L", "MINE"], 0, "")
            .command(&["iptables", "-t", "filter", "-L", "OTHER"], 1, "");
        let mut trial = Trial::new(host);
        let mut chain = |chain: &str, state: &str| {
            trial.check("iptables", json!({"chain": chain, "chain_management": true, "state": state})).verdict
        };
        assert_eq!(chain("MINE", "present"), Verdict::Unchanged);
        assert_eq!(chain("OTHER", "absent"), Verdict::Unchanged);
        assert_eq!(chain("OTHER", "present"), Verdict::Changed);
        assert_eq!(chain("MINE", "absent"), Verdict::Changed);
    }
}
