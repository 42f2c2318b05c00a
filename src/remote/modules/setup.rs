//! `setup`: gathers facts.

use std::path::PathBuf;

use crate::{
    options,
    protocol::Map,
    remote::{
        Module, Plan, Planned, Probe, Stop,
        facts::{self, wildcard},
    },
};

options! {
    /// Gathers facts about the host: distribution, kernel, network, hardware, date and time, what manages packages and services.
    ///
    /// ## Example
    /// ```yaml
    /// - setup:
    ///     gather_subset: ["!all", network]
    ///     filter: ansible_default_ipv4
    /// ```
    ///
    /// ## Returns
    /// `ansible_facts`: the facts under their `ansible_*` names.
    pub struct Setup {
        /// Subsets to gather, `!` in front excludes; `min` is there unless it is excluded.
        gather_subset: Vec<String> = vec!["all".to_owned()],
        /// Seconds that one question may take.
        gather_timeout: i64 = 10,
        /// Taken for `gather_facts`: several modules that tell facts are asked one after the other, which is quick.
        parallel: Option<bool>,
        /// Names to return, with wildcards; all when empty. `ansible_` may be left out.
        filter: Vec<String>,
        /// The directory of the host's own `*.fact` files.
        fact_path: PathBuf = "/etc/ansible/facts.d",
    }
}

impl Module for Setup {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let subsets = facts::select(&self.gather_subset).map_err(Stop::failed)?;
        let timeout = u64::try_from(self.gather_timeout).unwrap_or_default().max(1);
        let mut gathered = facts::gather(probe, &subsets, timeout, &self.fact_path);
        gathered.insert("gather_subset".to_owned(), self.gather_subset.clone().into());
        gathered.insert("module_setup".to_owned(), true.into());
        let mut plan = Plan::new();
        plan.set("ansible_facts", self.filtered(gathered));
        Ok(plan)
    }
}

impl Setup {
    fn filtered(&self, gathered: Map) -> Map {
        let patterns: Vec<&str> =
            self.filter.iter().map(String::as_str).filter(|pattern| !pattern.is_empty()).collect();
        if patterns.is_empty() || patterns.contains(&"*") {
            return gathered;
        }
        gathered
            .into_iter()
            .filter(|(name, _)| {
                let short = name.strip_prefix("ansible_").unwrap_or(name);
                patterns.iter().any(|pattern| wildcard::matches(pattern, name) || wildcard::matches(pattern, short))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::remote::{
        machine::fake::Fake,
        modules::trial::{Trial, failure},
    };

    fn debian() -> Fake {
        Fake::new()
            .file(
                "/etc/os-release",
                "NAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nID=debian\n",
            )
            .file("/etc/debian_version", "12.12\n")
            .file("/usr/bin/apt-get", "")
            .file("/run/systemd/system/x", "")
            .file("/proc/meminfo", "MemTotal:  2097152 kB\nMemFree:  1048576 kB\n")
            .file("/proc/cpuinfo", "processor\t: 0\nmodel name\t: Z\n\nprocessor\t: 1\nmodel name\t: Z\n")
    }

    #[test]
    fn facts_have_the_names_playbooks_use() {
        let outcome = Trial::new(debian()).check("setup", json!({}));
        let facts = &outcome.result["ansible_facts"];
        assert_eq!(facts["ansible_distribution"], "Debian");
        assert_eq!(facts["ansible_distribution_version"], "12.12");
        assert_eq!(facts["ansible_distribution_major_version"], "12");
        assert_eq!(facts["ansible_distribution_release"], "bookworm");
        assert_eq!(facts["ansible_os_family"], "Debian");
        assert_eq!(facts["ansible_pkg_mgr"], "apt");
        assert_eq!(facts["ansible_service_mgr"], "systemd");
        assert_eq!(facts["ansible_memtotal_mb"], 2048);
        assert_eq!(facts["ansible_processor_vcpus"], 2);
        assert_eq!(facts["ansible_user_id"], "root");
    }

    #[test]
    fn filters_and_subsets_leave_out_the_rest() {
        let options = json!({"gather_subset": "!all,!min,distribution", "filter": "*family"});
        let outcome = Trial::new(debian()).apply("setup", options);
        assert_eq!(outcome.result["ansible_facts"], json!({"ansible_os_family": "Debian"}));
        let outcome = Trial::new(debian()).apply("setup", json!({"gather_subset": ["nosuch"]}));
        assert!(failure(&outcome).contains("Bad subset 'nosuch'"));
    }

    #[test]
    fn local_facts_are_json_or_ini() {
        let host = debian()
            .file("/etc/ansible/facts.d/a.fact", "{\"role\": \"db\"}")
            .file("/etc/ansible/facts.d/b.fact", "[s]\nk=v\n");
        let outcome = Trial::new(host).apply("setup", json!({"gather_subset": ["!all", "!min", "local"]}));
        assert_eq!(
            outcome.result["ansible_facts"]["ansible_local"],
            json!({"a": {"role": "db"}, "b": {"s": {"k": "v"}}})
        );
    }
}
