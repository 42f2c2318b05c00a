//! `user`: user accounts, their groups, passwords and keys.

use std::path::PathBuf;

use crate::{
    choices, options,
    protocol::{Attributes, Change, Content, Effect, Json, Run},
    remote::{Applied, Choice, Module, Plan, Planned, Probe, Stop, machine::probe::Found, machine::system::FileKind},
};

pub mod accounts;
mod key;
mod shadow;

pub use accounts::{Account, Group};
use shadow::Shadow;

options! {
    /// Makes, changes and removes a user account with useradd, usermod and userdel.
    ///
    /// A password is a hash as for `/etc/shadow` and reaches the host's tools through their standard input.
    ///
    /// ## Example
    /// ```yaml
    /// - user:
    ///     name: deploy
    ///     groups: [docker]
    ///     append: true
    ///     shell: /bin/bash
    /// ```
    ///
    /// ## Returns
    /// `name`, `state`, `uid`, `group`, `groups`, `home`, `shell`, `comment`, `append`, `move_home`, `create_home`, `system`;
    /// with a key also `ssh_key_file`, `ssh_public_key` and `ssh_fingerprint`.
    pub struct User {
        /// Login name.
        name: String [user],
        /// Whether it should exist.
        state: State = State::Present,
        /// Number.
        uid: Option<i64>,
        /// Allow a number that another user has.
        non_unique: bool = false,
        /// Main group, by name or number.
        group: Option<String>,
        /// Further groups; an empty list removes it from all, unless `append`.
        groups: Option<Vec<String>>,
        /// Keep the further groups that are not named.
        append: bool = false,
        /// Comment, usually the full name.
        comment: Option<String>,
        /// Home directory.
        home: Option<PathBuf>,
        /// Make the home directory.
        create_home: bool [createhome] = true,
        /// Move the content of the old home directory when `home` changes.
        move_home: bool = false,
        /// What a new home directory holds.
        skeleton: Option<PathBuf>,
        /// Umask for the new home directory.
        umask: Option<String>,
        /// Login shell.
        shell: Option<PathBuf>,
        /// A system account; only matters when it is made.
        system: bool = false,
        /// Hash of the password.
        password: Option<String>,
        /// Whether an existing password is replaced.
        update_password: UpdatePassword = UpdatePassword::Always,
        /// Whether logging in by password is locked.
        password_lock: Option<bool>,
        /// Days after which the password must be changed.
        password_expire_max: Option<i64>,
        /// Days before which it may not be changed.
        password_expire_min: Option<i64>,
        /// Days of warning before it must be changed.
        password_expire_warn: Option<i64>,
        /// Days after that until the account is disabled.
        password_expire_account_disable: Option<i64>,
        /// When the account expires, in seconds since 1970; negative: never.
        expires: Option<f64>,
        /// Remove the home directory and mail too.
        remove: bool = false,
        /// Remove the account even if it is in use.
        force: bool = false,
        /// Make a key pair for SSH if there is none.
        generate_ssh_key: bool = false,
        /// Its length in bits; the type's default when left out.
        ssh_key_bits: Option<i64>,
        /// Its type.
        ssh_key_type: String = "rsa",
        /// Where, below the home directory unless absolute; `.ssh/id_TYPE` when left out.
        ssh_key_file: Option<PathBuf>,
        /// Its comment; `ansible-generated on HOST` when left out.
        ssh_key_comment: Option<String>,
        /// A passphrase for it.
        ssh_key_passphrase: Option<String>,
        /// The lowest number for a new account.
        uid_min: Option<i64>,
        /// The highest number for a new account.
        uid_max: Option<i64>,
        /// `SELinux` user.
        seuser: Option<String>,
        /// Accepted for Ansible's sake; local tools are always used.
        local: bool = false,
    }
}

choices! {
    /// Whether something should exist.
    pub enum State {
        /// It exists.
        Present = "present",
        /// It does not.
        Absent = "absent",
    }
}

choices! {
    /// When passwords are set.
    pub enum UpdatePassword {
        /// Whenever they differ.
        Always = "always",
        /// Only for new accounts.
        OnCreate = "on_create",
    }
}

impl Module for User {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let mut plan = Plan::new();
        plan.set("name", self.name.as_str());
        plan.set("state", self.state.word());
        let account = Account::find(probe, &self.name)?;
        if self.state == State::Absent {
            plan.set("force", self.force);
            plan.set("remove", self.remove);
            if let Some(account) = account {
                plan.push(Change::Run(self.userdel(&account)));
                plan.diff(&*self.name, format!("{}\n", self.name), "");
            }
            return Ok(plan);
        }
        self.check_groups(probe)?;
        let after = match &account {
            None => self.plan_creation(probe, &mut plan)?,
            Some(before) => self.plan_modification(probe, before, &mut plan)?,
        };
        self.plan_password(probe, account.is_none(), &mut plan)?;
        if self.generate_ssh_key {
            self.plan_key(probe, &after, &mut plan)?;
        }
        self.describe(&mut plan, &after);
        Ok(plan)
    }

    fn report(&self, plan: &mut Plan, _applied: &[Applied], probe: &Probe<'_>) -> Result<(), Stop> {
        if self.state == State::Present
            && let Some(account) = Account::find(probe, &self.name)?
        {
            self.describe(plan, &account);
            if self.generate_ssh_key {
                self.describe_key(probe, plan, &account)?;
            }
        }
        Ok(())
    }
}

impl User {
    fn check_groups(&self, probe: &Probe<'_>) -> Found<()> {
        for name in self.group.iter().chain(self.groups.iter().flatten()) {
            // By convention packages bring the groups that they need.
            if !probe.awaits_packages() && Group::find(probe, name)?.is_none() {
                return Err(Stop::failed(format!("group {name} does not exist"))
                    .hint("make it first with `group`, or install what brings it"));
            }
        }
        Ok(())
    }

    fn userdel(&self, account: &Account) -> Run {
        let mut argv = vec!["userdel"];
        argv.extend(self.force.then_some("-f"));
        argv.extend(self.remove.then_some("-r"));
        argv.push(&self.name);
        let mut run = Run::new(argv).effect(Effect::new("user", &self.name, Json::Null));
        if self.remove {
            run.effects.push(Effect::new("file", &account.home.to_string_lossy(), Json::Null));
        }
        run
    }

    fn plan_creation(&self, probe: &Probe<'_>, plan: &mut Plan) -> Found<Account> {
        let mut argv = vec!["useradd".to_owned()];
        let mut option = |flag: &str, value: String| argv.extend([flag.to_owned(), value]);
        if let Some(uid) = self.uid {
            option("-u", uid.to_string());
        }
        // useradd refuses to make a group that is there already under the user's name.
        let own_group = Group::find(probe, &self.name)?;
        let main = self.group.clone().or_else(|| own_group.map(|group| group.name));
        if let Some(group) = &main {
            option("-g", group.clone());
        }
        let groups = self.groups.clone().unwrap_or_default();
        if !groups.is_empty() {
            option("-G", groups.join(","));
        }
        if let Some(comment) = &self.comment {
            option("-c", comment.clone());
        }
        if let Some(home) = &self.home {
            option("-d", home.to_string_lossy().into_owned());
        }
        if let Some(shell) = &self.shell {
            option("-s", shell.to_string_lossy().into_owned());
        }
        if let Some(expires) = self.expires {
            option("-e", if expires < 0.0 { String::new() } else { shadow::date(days(expires)) });
        }
        for (name, value) in [("UID_MIN", self.uid_min), ("UID_MAX", self.uid_max)] {
            if let Some(value) = value {
                option("-K", format!("{name}={value}"));
            }
        }
        if let Some(umask) = &self.umask {
            option("-K", format!("UMASK={umask}"));
        }
        if let (true, Some(skeleton)) = (self.create_home, &self.skeleton) {
            option("-k", skeleton.to_string_lossy().into_owned());
        }
        if let Some(user) = &self.seuser {
            option("-Z", user.clone());
        }
        let flags = [
            (self.non_unique && self.uid.is_some(), "-o"),
            (self.system, "-r"),
            (self.create_home, "-m"),
            (!self.create_home, "-M"),
        ];
        argv.extend(flags.iter().filter(|(set, _)| *set).map(|(_, flag)| (*flag).to_owned()));
        argv.push(self.name.clone());

        let gid = match &main {
            Some(group) => Group::find(probe, group)?.and_then(|group| group.gid),
            None => None,
        };
        let mut account = Account {
            name: self.name.clone(),
            uid: self.uid.and_then(|uid| u32::try_from(uid).ok()),
            gid,
            comment: self.comment.clone().unwrap_or_default(),
            home: self.home.clone().unwrap_or_else(|| PathBuf::from("/home").join(&self.name)),
            shell: self.shell.as_ref().map_or_else(|| "/bin/sh".to_owned(), |s| s.to_string_lossy().into_owned()),
            groups,
        };
        account.groups.sort();
        let mut run = Run::new(argv).effect(account.effect());
        if main.is_none() {
            run.effects.push(Group { name: self.name.clone(), ..Group::default() }.effect());
        }
        if self.create_home && !probe.exists(&account.home)? {
            run.effects.push(Effect::new("file", &account.home.to_string_lossy(), "directory".into()));
        }
        plan.diff(&*self.name, "", format!("{}\n", self.name));
        plan.push(Change::Run(run));
        Ok(account)
    }

    fn plan_modification(&self, probe: &Probe<'_>, before: &Account, plan: &mut Plan) -> Found<Account> {
        let mut after = before.clone();
        let mut argv = vec!["usermod".to_owned()];
        let mut option = |flag: &str, value: String| argv.extend([flag.to_owned(), value]);
        if let Some(uid) = self.uid.and_then(|uid| u32::try_from(uid).ok()).filter(|uid| before.uid != Some(*uid)) {
            option("-u", uid.to_string());
            after.uid = Some(uid);
        }
        if let Some(name) = &self.group {
            let gid = Group::find(probe, name)?.and_then(|group| group.gid);
            if gid != before.gid {
                option("-g", name.clone());
                after.gid = gid;
            }
        }
        if let Some(groups) = &self.groups {
            let mut wanted = groups.clone();
            if self.append {
                wanted.extend(before.groups.iter().cloned());
            }
            // The main group is no further group, even when it is listed as one.
            let mut further = Vec::new();
            for name in wanted {
                let group = Group::find(probe, &name)?;
                let gid = group.as_ref().and_then(|group| group.gid);
                if gid.is_none() || gid != after.gid {
                    further.push(group.map_or(name, |group| group.name));
                }
            }
            further.sort();
            further.dedup();
            if further != before.groups {
                option("-G", further.join(","));
                after.groups = further;
            }
        }
        if let Some(comment) = self.comment.as_ref().filter(|comment| **comment != before.comment) {
            option("-c", comment.clone());
            after.comment.clone_from(comment);
        }
        if let Some(home) = self.home.as_ref().filter(|home| **home != before.home) {
            option("-d", home.to_string_lossy().into_owned());
            after.home.clone_from(home);
        }
        if let Some(shell) = self.shell.as_ref().map(|shell| shell.to_string_lossy().into_owned())
            && shell != before.shell
        {
            option("-s", shell.clone());
            after.shell = shell;
        }
        if let Some(expires) = self.expires {
            let wanted = (expires >= 0.0).then(|| days(expires));
            let current = Shadow::find(probe, &self.name)?.and_then(|shadow| shadow.expires).filter(|days| *days >= 0);
            if wanted != current {
                option("-e", wanted.map(shadow::date).unwrap_or_default());
            }
        }
        if argv.len() > 1 {
            if self.move_home && after.home != before.home {
                argv.push("-m".to_owned());
            }
            if self.non_unique && after.uid != before.uid {
                argv.push("-o".to_owned());
            }
            argv.push(self.name.clone());
            plan.push(Change::Run(Run::new(argv).effect(after.effect())));
            plan.diff(&*self.name, summary(before), summary(&after));
        }
        if self.create_home && !self.move_home && !probe.exists(&after.home)? {
            self.plan_home(probe, &after, plan)?;
        }
        Ok(after)
    }

    /// usermod does not make home directories, so it is done file by file.
    fn plan_home(&self, probe: &Probe<'_>, account: &Account, plan: &mut Plan) -> Found<()> {
        let umask = self.umask.as_deref().and_then(|umask| u32::from_str_radix(umask, 8).ok()).unwrap_or(0o022);
        plan.push(Change::Directory { path: account.home.clone(), attributes: account.owns(0o777 & !umask) });
        let skeleton = self.skeleton.clone().unwrap_or_else(|| "/etc/skel".into());
        if !probe.exists(&skeleton)? {
            return Ok(());
        }
        let mut left: Vec<PathBuf> = probe.read_dir(&skeleton)?.into_iter().map(PathBuf::from).collect();
        while let Some(name) = left.pop() {
            let (from, to) = (skeleton.join(&name), account.home.join(&name));
            let Some(stat) = probe.stat(&from)? else { continue };
            let attributes = Attributes { mode: Some(stat.mode), ..account.owns(stat.mode) };
            match stat.kind {
                FileKind::Directory => {
                    plan.push(Change::Directory { path: to, attributes });
                    left.extend(probe.read_dir(&from)?.into_iter().map(|below| name.join(below)));
                }
                FileKind::Symlink => plan.push(Change::Symlink { path: to, target: probe.read_link(&from)? }),
                FileKind::File => {
                    plan.push(Change::Write { path: to, content: Content::CopyOf(from), attributes, in_place: false });
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn plan_password(&self, probe: &Probe<'_>, new: bool, plan: &mut Plan) -> Found<()> {
        let ages = [
            ("-m", self.password_expire_min),
            ("-M", self.password_expire_max),
            ("-W", self.password_expire_warn),
            ("-I", self.password_expire_account_disable),
        ];
        let asked =
            self.password.is_some() || self.password_lock.is_some() || ages.iter().any(|(_, age)| age.is_some());
        if !asked {
            return Ok(());
        }
        // Whether this was predicted cannot be read back from a file that was not written.
        let known = probe.assumed("password", &self.name).cloned();
        let shadow = if new { None } else { Shadow::find(probe, &self.name)? };
        let current = shadow.clone().unwrap_or_default();
        if let Some(hash) = &self.password {
            let set = known.is_none() && current.hash.trim_start_matches('!') != hash.trim_start_matches('!');
            if set && (new || self.update_password == UpdatePassword::Always) {
                let mut run = Run::new(["chpasswd", "-e"]);
                run.stdin = Some(format!("{}:{hash}\n", self.name));
                plan.push(Change::Run(run.effect(Effect::new("password", &self.name, true.into()))));
            }
        }
        if let Some(lock) = self.password_lock
            && lock != current.locked()
            && known.is_none()
        {
            plan.push(Change::Run(Run::new(["usermod", if lock { "-L" } else { "-U" }, &self.name])));
        }
        let now = [current.min, current.max, current.warn, current.inactive];
        let mut argv = vec!["chage".to_owned()];
        for ((flag, wanted), now) in ages.into_iter().zip(now) {
            if let Some(wanted) = wanted.filter(|wanted| now != Some(*wanted)) {
                argv.extend([flag.to_owned(), wanted.to_string()]);
            }
        }
        if argv.len() > 1 {
            argv.push(self.name.clone());
            plan.push(Change::Run(Run::new(argv)));
        }
        Ok(())
    }

    fn describe(&self, plan: &mut Plan, account: &Account) {
        for (name, number) in [("uid", account.uid), ("group", account.gid)] {
            match number {
                Some(number) => plan.set(name, number),
                None => {
                    plan.later.get_or_insert_with(|| format!("the numbers of {} are known after apply", self.name));
                }
            }
        }
        plan.set("groups", account.groups.join(","));
        plan.set("home", account.home.to_string_lossy().into_owned());
        plan.set("shell", account.shell.as_str());
        plan.set("comment", account.comment.as_str());
        plan.set("append", self.append);
        plan.set("move_home", self.move_home);
        plan.set("create_home", self.create_home);
        plan.set("system", self.system);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "whole days of a date are far inside the range")]
fn days(seconds: f64) -> i64 {
    (seconds / 86_400.0).floor() as i64
}

fn summary(account: &Account) -> String {
    format!(
        "uid: {}\ngid: {}\ngroups: {}\ncomment: {}\nhome: {}\nshell: {}\n",
        account.uid.map(|uid| uid.to_string()).unwrap_or_default(),
        account.gid.map(|gid| gid.to_string()).unwrap_or_default(),
        account.groups.join(","),
        account.comment,
        account.home.display(),
        account.shell,
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{
        protocol::Verdict,
        remote::{
            machine::fake::Fake,
            modules::trial::{Trial, failure},
        },
    };

    fn host() -> Fake {
        Fake::new()
            .file("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000:Ann:/home/ann:/bin/bash\n")
            .file("/etc/group", "root:x:0:\nann:x:1000:\ndocker:x:998:\nadm:x:4:ann\n")
            .file("/etc/shadow", "ann:$6$old:1:0:99999:7:::\n")
            .file("/home/ann/x", "")
            .command(&["useradd"], 0, "")
            .command(&["usermod"], 0, "")
            .command(&["chpasswd"], 0, "")
            .command(&["userdel"], 0, "")
    }

    #[test]
    fn a_user_as_described_is_left_alone() {
        let options = json!({"name": "ann", "shell": "/bin/bash", "groups": "adm", "uid": 1000});
        assert_eq!(Trial::new(host()).apply("user", options).verdict, Verdict::Unchanged);
    }

    #[test]
    fn appending_keeps_other_groups() {
        let mut trial = Trial::new(host());
        let options = json!({"name": "ann", "groups": ["docker"], "append": true});
        assert_eq!(trial.apply("user", options).verdict, Verdict::Changed);
        assert_eq!(trial.commands().last().unwrap(), "usermod -G adm,docker ann");
    }

    #[test]
    fn a_predicted_user_is_there_for_later_tasks() {
        let mut trial = Trial::new(host());
        let options = json!({"name": "bob", "groups": ["docker"]});
        assert_eq!(trial.check("user", options.clone()).verdict, Verdict::Changed);
        assert_eq!(trial.check("user", options).verdict, Verdict::Unchanged);
        let gone = json!({"name": "ann", "state": "absent", "remove": true});
        assert_eq!(trial.check("user", gone.clone()).verdict, Verdict::Changed);
        assert_eq!(trial.check("user", gone).verdict, Verdict::Unchanged);
        assert!(trial.commands().is_empty());
    }

    #[test]
    fn a_password_never_stands_in_a_command_line() {
        let mut trial = Trial::new(host());
        let outcome = trial.apply("user", json!({"name": "ann", "password": "$6$new"}));
        assert_eq!(outcome.verdict, Verdict::Changed);
        assert!(trial.commands().iter().all(|line| !line.contains("$6$new")));
        assert_eq!(trial.host.ran().last().unwrap().stdin.as_deref(), Some("ann:$6$new\n"));
        let kept = json!({"name": "ann", "password": "$6$new", "update_password": "on_create"});
        assert_eq!(trial.apply("user", kept).verdict, Verdict::Unchanged);
    }

    #[test]
    fn files_of_a_user_that_is_predicted_to_change_stay_theirs() {
        let mut trial = Trial::new(host());
        trial.apply("file", json!({"path": "/home/ann/x", "owner": "1000"}));
        assert_eq!(trial.check("user", json!({"name": "ann", "comment": "A"})).verdict, Verdict::Changed);
        let owned = trial.check("file", json!({"path": "/home/ann/x", "owner": "ann"}));
        assert_eq!(owned.verdict, Verdict::Unchanged);
    }

    #[test]
    fn a_key_that_would_be_made_is_known_later() {
        let mut trial = Trial::new(host());
        let options = json!({"name": "bob", "generate_ssh_key": true});
        for _ in 0..2 {
            let outcome = trial.check("user", options.clone());
            assert!(outcome.later.is_some(), "{outcome:?}");
            let known = ["ssh_public_key", "ssh_fingerprint", "uid"].map(|name| outcome.result.contains_key(name));
            assert_eq!(known, [false; 3], "{outcome:?}");
            assert_eq!(outcome.result["ssh_key_file"], "/home/bob/.ssh/id_rsa");
        }
        let known = trial.check("user", json!({"name": "ann"}));
        assert_eq!((known.later, known.result["uid"].clone()), (None, json!(1000)));
    }

    #[test]
    fn a_group_that_a_package_may_bring_is_expected() {
        let mut rehearsal = crate::remote::modules::rehearsal::Rehearsal::on(host());
        let options = json!({"name": "ann", "groups": "nosuch", "append": true});
        assert!(matches!(rehearsal.check("user", options.clone()).verdict, Verdict::Failed(_)));
        rehearsal.assume("package", "docker.io", json!("20.10"));
        assert_eq!(rehearsal.check("user", options.clone()).verdict, Verdict::Changed);
        assert_eq!(rehearsal.check("user", options).verdict, Verdict::Unchanged);
    }

    #[test]
    fn a_missing_group_is_named() {
        let outcome = Trial::new(host()).apply("user", json!({"name": "bob", "groups": "nosuch"}));
        assert_eq!(failure(&outcome), "group nosuch does not exist");
    }
}
