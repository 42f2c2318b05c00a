//! `cron`: jobs and variables in crontabs.

use std::path::{Path, PathBuf};

use crate::{
    choices, options,
    protocol::{Attributes, Change, Content, Effect, Run},
    remote::{Choice, Module, Plan, Planned, Probe, Stop, machine::probe::Found},
};

use super::user::State;

mod table;

use table::{Place, Table};

options! {
    /// Adds, changes and removes a job or variable in a user's crontab or in a file of `/etc/cron.d`.
    ///
    /// ## Example
    /// ```yaml
    /// - cron:
    ///     name: back up the rates
    ///     minute: "0"
    ///     hour: "3"
    ///     job: /usr/local/bin/backup
    /// ```
    ///
    /// ## Returns
    /// `jobs` and `envs`, the names of all jobs and variables; `cron_file`, `state`, and `backup_file` when one was kept.
    pub struct Cron {
        /// What the job or variable is called.
        name: String,
        /// Whose crontab; in a file the user that runs the job (root when left out).
        user: Option<String>,
        /// The command, or the variable's value.
        job: Option<String> [value],
        /// A file instead of a crontab: a name in `/etc/cron.d` or an absolute path.
        cron_file: Option<PathBuf>,
        /// Whether it should be there.
        state: State = State::Present,
        /// Keep a copy of what is replaced.
        backup: bool = false,
        /// When.
        minute: String = "*",
        /// When.
        hour: String = "*",
        /// When.
        day: String [dom] = "*",
        /// When.
        month: String = "*",
        /// When.
        weekday: String [dow] = "*",
        /// A name instead of the five fields.
        special_time: Option<Special>,
        /// Comment the job out.
        disabled: bool = false,
        /// `name` is a variable, `job` its value.
        env: bool = false,
        /// Put a new variable behind this one.
        insertafter: Option<String>,
        /// Put a new variable in front of this one.
        insertbefore: Option<String>,
    }
}

choices! {
    /// Names for points in time.
    pub enum Special {
        /// At boot.
        Reboot = "reboot",
        /// Once a year.
        Yearly = "yearly",
        /// Once a year.
        Annually = "annually",
        /// Once a month.
        Monthly = "monthly",
        /// Once a week.
        Weekly = "weekly",
        /// Once a day.
        Daily = "daily",
        /// Once an hour.
        Hourly = "hourly",
    }
}

impl Module for Cron {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        self.validate()?;
        let mut plan = Plan::new();
        let file = self.cron_file.as_ref().map(|file| Path::new("/etc/cron.d").join(file));
        let before = match &file {
            Some(file) if probe.exists(file)? => Some(probe.read_text(file)?),
            Some(_) => None,
            None => self.crontab(probe)?,
        };
        let mut table = Table::parse(before.as_deref().unwrap_or_default());
        self.edit(&mut table)?;
        let after = table.text();
        plan.set("jobs", table.jobs());
        plan.set("envs", table.variables());
        plan.set("state", self.state.word());
        if let Some(file) = &file {
            plan.set("cron_file", file.to_string_lossy().into_owned());
        }
        // Compared as parsed, so that a header that crontab adds is no difference.
        if after == Table::parse(before.as_deref().unwrap_or_default()).text() {
            return Ok(plan);
        }
        let name = file.as_ref().map_or_else(|| "crontab".to_owned(), |file| file.to_string_lossy().into_owned());
        plan.diff(name, before.as_deref().unwrap_or_default(), &*after);
        if self.backup
            && let Some(before) = &before
        {
            let copy = PathBuf::from(format!("/tmp/crontab.{}", probe.now() / 1_000_000_000));
            plan.set("backup_file", copy.to_string_lossy().into_owned());
            plan.push(write(copy, before, Some(0o600)));
        }
        if let Some(file) = file {
            // A file without a job left in it has no purpose.
            if self.state == State::Absent && !self.env && after.trim().is_empty() {
                plan.push(Change::Remove { path: file });
                return Ok(plan);
            }
            let mode = before.is_none().then_some(0o644);
            plan.push(write(file, &after, mode));
        } else {
            let mut run = Run::new(self.command(&[]));
            run.argv.push("-".to_owned());
            let effect = Effect::new("crontab", self.user.as_deref().unwrap_or_default(), after.as_str().into());
            run.stdin = Some(after);
            plan.push(Change::Run(run.effect(effect)));
        }
        Ok(plan)
    }
}

impl Cron {
    fn validate(&self) -> Result<(), Stop> {
        let times = [&self.minute, &self.hour, &self.day, &self.month, &self.weekday];
        if self.special_time.is_some() && times.iter().any(|field| *field != "*") {
            return Err(Stop::failed("you must specify time and date fields or special time"));
        }
        if self.state == State::Present && self.job.is_none() {
            return Err(Stop::failed("you must specify 'job' to install a new cron job or variable"));
        }
        if !self.env && (self.insertafter.is_some() || self.insertbefore.is_some()) {
            return Err(Stop::failed("insertafter and insertbefore parameters are valid only with env=yes"));
        }
        if self
            .cron_file
            .as_deref()
            .is_some_and(|file| Path::new("/etc/cron.d").join(file) == Path::new("/etc/crontab"))
        {
            return Err(Stop::failed("Will not manage /etc/crontab via cron_file, see documentation."));
        }
        if self.name.contains('\n') || self.job.as_ref().is_some_and(|job| job.trim_end().contains(['\n', '\r'])) {
            return Err(Stop::failed("name and job must be one line each"));
        }
        Ok(())
    }

    fn edit(&self, table: &mut Table) -> Result<(), Stop> {
        let job = self.job.as_deref().unwrap_or_default().trim_end();
        match (self.env, self.state) {
            (true, State::Absent) => table.remove_variable(&self.name),
            (false, State::Absent) => table.remove_job(&self.name),
            (false, State::Present) => table.set_job(&self.name, &self.line(job)),
            (true, State::Present) => {
                let place = match (&self.insertafter, &self.insertbefore) {
                    (Some(other), _) => Place::After(other),
                    (None, Some(other)) => Place::Before(other),
                    (None, None) => Place::Top,
                };
                if !table.set_variable(&self.name, job, &place) {
                    let other = self.insertafter.as_ref().or(self.insertbefore.as_ref()).cloned().unwrap_or_default();
                    return Err(Stop::failed(format!("variable named '{other}' not found")));
                }
            }
        }
        Ok(())
    }

    fn line(&self, job: &str) -> String {
        let off = if self.disabled { "#" } else { "" };
        let time = match self.special_time {
            Some(special) => format!("@{}", special.word()),
            None => [&self.minute, &self.hour, &self.day, &self.month, &self.weekday].map(String::as_str).join(" "),
        };
        match &self.cron_file {
            Some(_) => format!("{off}{time} {} {job}", self.user.as_deref().unwrap_or("root")),
            None => format!("{off}{time} {job}"),
        }
    }

    fn command(&self, flags: &[&str]) -> Vec<String> {
        let mut argv = vec!["crontab".to_owned()];
        if let Some(user) = &self.user {
            argv.extend(["-u".to_owned(), user.clone()]);
        }
        argv.extend(flags.iter().map(|flag| (*flag).to_owned()));
        argv
    }

    fn crontab(&self, probe: &Probe<'_>) -> Found<Option<String>> {
        let user = self.user.as_deref().unwrap_or_default();
        if let Some(text) = probe.assumed("crontab", user).and_then(|text| text.as_str()) {
            return Ok(Some(text.to_owned()));
        }
        if probe.program("crontab")?.is_none() {
            if probe.predicting() && probe.all_assumed("package").next().is_some() {
                return Ok(None);
            }
            return Err(Stop::failed("crontab is not on this host").hint("install cron, or use cron_file"));
        }
        let output = probe.query_run(&Run::new(self.command(&["-l"])))?;
        match output.code {
            0 => Ok(Some(output.stdout)),
            // Nobody has made one yet.
            1 => Ok(None),
            _ => Err(Stop::failed(format!("unable to read crontab: {}", output.stderr.trim()))),
        }
    }
}

fn write(path: PathBuf, text: &str, mode: Option<u32>) -> Change {
    Change::Write {
        path,
        content: Content::Text(text.to_owned()),
        attributes: Attributes { mode, ..Attributes::default() },
        in_place: false,
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
    fn a_job_is_found_again_by_its_name() {
        let host = Fake::new().program("/usr/bin/crontab").command(&["crontab"], 0, "").command(
            &["crontab", "-l"],
            0,
            "MAILTO=ann\n#Ansible: backup\n0 3 * * * /old\n5 * * * * other\n",
        );
        let mut trial = Trial::new(host);
        let options = json!({"name": "backup", "minute": 0, "hour": "3", "job": "/new"});
        let outcome = trial.check("cron", options.clone());
        assert_eq!(outcome.verdict, Verdict::Changed);
        assert_eq!(outcome.result["jobs"], json!(["backup"]));
        assert_eq!(trial.check("cron", options.clone()).verdict, Verdict::Unchanged);
        let mut trial = Trial::new(trial.host);
        trial.apply("cron", options);
        let stdin = trial.host.ran().last().unwrap().stdin.clone().unwrap();
        assert_eq!(stdin, "MAILTO=ann\n#Ansible: backup\n0 3 * * * /new\n5 * * * * other\n");
    }

    #[test]
    fn a_file_names_the_user_and_keeps_its_variables_on_top() {
        let mut trial = Trial::new(Fake::new().file("/etc/cron.d/x", ""));
        let job = json!({"name": "j", "job": "run", "cron_file": "rates", "special_time": "daily", "disabled": true});
        assert_eq!(trial.apply("cron", job.clone()).verdict, Verdict::Changed);
        trial.apply("cron", json!({"name": "A", "env": true, "job": "b c", "cron_file": "rates"}));
        assert_eq!(trial.host.text("/etc/cron.d/rates").unwrap(), "A=\"b c\"\n#Ansible: j\n#@daily root run\n");
        assert_eq!(trial.apply("cron", job).verdict, Verdict::Unchanged);
        trial.apply("cron", json!({"name": "j", "cron_file": "rates", "state": "absent"}));
        assert_eq!(trial.host.text("/etc/cron.d/rates").unwrap(), "A=\"b c\"\n");
    }

    #[test]
    fn a_file_goes_with_its_last_job_and_the_systems_own_is_left_alone() {
        let mut trial = Trial::new(Fake::new().file("/etc/cron.d/last", "#Ansible: j\n* * * * * root x\n\n  \n"));
        trial.apply("cron", json!({"name": "j", "cron_file": "last", "state": "absent"}));
        assert_eq!(trial.host.text("/etc/cron.d/last"), None);
        let refused = trial.apply("cron", json!({"name": "j", "job": "x", "cron_file": "/etc/crontab"}));
        assert!(matches!(refused.verdict, Verdict::Failed(failure) if failure.message.contains("Will not manage")));
    }
}
