//! `getent`: entries of the host's databases.

use serde_json::json;

use crate::{
    options,
    protocol::{Json, Map},
    remote::{Module, Plan, Planned, Probe, Stop},
};

options! {
    /// Reads users, groups, hosts and other databases as the host sees them.
    ///
    /// ## Example
    /// ```yaml
    /// - getent:
    ///     database: passwd
    ///     key: root
    /// ```
    ///
    /// ## Returns
    /// `ansible_facts` with `getent_DATABASE`: for each key the list of its other fields; `null` for a key that is missing.
    pub struct Getent {
        /// passwd, group, hosts, services …
        database: String,
        /// One entry; all when left out.
        key: Option<String>,
        /// Ask this source instead of the configured ones.
        service: Option<String>,
        /// What separates fields; the database's own when left out.
        split: Option<String>,
        /// Fail when the key is missing.
        fail_key: bool = true,
    }
}

const MISSING: i32 = 2;

impl Module for Getent {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let mut argv = vec!["getent"];
        if let Some(service) = &self.service {
            argv.extend(["-s", service]);
        }
        argv.push(&self.database);
        argv.extend(self.key.as_deref());
        let output = probe.query(&argv)?;
        let mut entries = Map::new();
        match (output.code, &self.key) {
            (0, _) => {
                for line in output.stdout.lines() {
                    let mut fields = self.fields(line).into_iter();
                    let Some(key) = fields.next() else { continue };
                    let fields: Vec<String> = fields.collect();
                    // A key that comes again (services, hosts) collects lists.
                    match entries.get_mut(&key) {
                        Some(Json::Array(there)) if there.first().is_some_and(Json::is_array) => {
                            there.push(fields.into());
                        }
                        Some(there) => *there = json!([there.take(), fields]),
                        None => {
                            entries.insert(key, fields.into());
                        }
                    }
                }
            }
            (MISSING, Some(key)) if !self.fail_key => {
                entries.insert(key.clone(), Json::Null);
            }
            (MISSING, _) => {
                let stop = Stop::failed("one or more supplied key could not be found in the database");
                return Err(probe.lacks(stop));
            }
            (1, _) => return Err(Stop::failed(format!("the database {} is unknown", self.database))),
            (3, _) => return Err(Stop::failed(format!("the database {} cannot be listed", self.database))),
            _ => return Err(Stop::failed(format!("getent failed: {}", output.stderr.trim()))),
        }
        let mut plan = Plan::new();
        plan.set("ansible_facts", json!({ (format!("getent_{}", self.database)): entries }));
        Ok(plan)
    }
}

impl Getent {
    fn fields(&self, line: &str) -> Vec<String> {
        let colon = matches!(self.database.as_str(), "passwd" | "shadow" | "group" | "gshadow");
        match &self.split {
            Some(split) => line.split(split.as_str()).map(str::to_owned).collect(),
            None if colon => line.split(':').map(str::to_owned).collect(),
            None => line.split_whitespace().map(str::to_owned).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::remote::{
        machine::fake::Fake,
        modules::trial::{Trial, failure},
    };

    #[test]
    fn entries_become_facts_and_missing_ones_fail_only_if_they_should() {
        let host = Fake::new().command(&["getent", "passwd", "root"], 0, "root:x:0:0:root:/root:/bin/bash\n").command(
            &["getent", "passwd", "nosuch"],
            2,
            "",
        );
        let mut trial = Trial::new(host);
        let outcome = trial.check("getent", json!({"database": "passwd", "key": "root"}));
        let expected = json!({"getent_passwd": {"root": ["x", "0", "0", "root", "/root", "/bin/bash"]}});
        assert_eq!(outcome.result["ansible_facts"], expected);
        failure(&trial.apply("getent", json!({"database": "passwd", "key": "nosuch"})));
        let soft = trial.apply("getent", json!({"database": "passwd", "key": "nosuch", "fail_key": false}));
        assert_eq!(soft.result["ansible_facts"], json!({"getent_passwd": {"nosuch": null}}));
    }
}
