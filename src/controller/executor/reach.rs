//! The way to a host: which connection, as whom, and the helper over it.

use std::{path::PathBuf, sync::Arc, time::Duration};

use minijinja::Value;

use crate::{
    controller::{
        connection::{
            Connection, HostKeyChecking, Kind, Secret, Target,
            escalation::Become,
            helper::{Session, SessionError, without_helper_hint},
            plain::Plain,
            shell::ShellSystem,
        },
        playbook::Task,
        settings::Settings,
        state::{Link, Run},
        template::{self, TemplateError},
    },
    protocol::Failure,
};

/// How a host is reached at a task, and as whom things are done there.
#[derive(Clone, Debug)]
pub struct Way {
    /// The inventory's name: one connection each.
    pub host: String,
    /// Where it goes.
    pub target: Target,
    /// Who does it, if not who logs in.
    pub escalation: Option<Become>,
    /// The kind of connection that was asked for where there is none of its name; a task that needs the host fails.
    pub unknown: Option<String>,
}

/// Why a host could not be asked.
#[derive(Clone, Debug)]
pub enum Lost {
    /// It cannot be reached: it leaves the run.
    Unreachable(Failure),
    /// It can, but not as asked for: the task fails.
    Refused(Failure),
    /// It can, but who is to act does not exist there: the task fails.
    NoUser(Failure),
    /// No helper runs there; plain `sh` may do.
    NoHelper(String),
}

impl Lost {
    /// The same as a failure; `what` needs a helper of its own.
    #[must_use]
    pub fn failure(self, what: &str) -> Failure {
        match self {
            Self::Unreachable(failure) | Self::Refused(failure) | Self::NoUser(failure) => failure,
            Self::NoHelper(reason) => Failure::new(format!("{what} needs a helper on the host: {reason}")),
        }
    }
}

impl Way {
    /// Works out the way to `host`: its variables first, then keywords of the task, then the command line.
    ///
    /// # Errors
    /// When one of them cannot be rendered.
    pub fn find(
        settings: &Settings,
        host: &str,
        delegated: bool,
        task: &Task,
        own: &Value,
        context: &Value,
    ) -> Result<Self, TemplateError> {
        let variable = |name: &str| -> Result<Option<Value>, TemplateError> {
            let value = own.get_attr(name)?;
            if value.is_undefined() || value.is_none() { Ok(None) } else { template::resolve(&value).map(Some) }
        };
        let text = |names: &[&str]| -> Result<Option<String>, TemplateError> {
            for name in names {
                if let Some(value) = variable(name)? {
                    return Ok(Some(value.to_string()));
                }
            }
            Ok(None)
        };
        let keyword =
            |name: &str| -> Result<Option<Value>, TemplateError> { super::keyword::value(task, name, context) };
        let said = |names: &[&str], word: &str, fallback: Option<&str>| -> Result<Option<String>, TemplateError> {
            Ok(match text(names)? {
                Some(value) => Some(value),
                None => keyword(word)?.map(|value| value.to_string()).or_else(|| fallback.map(str::to_owned)),
            })
        };
        // A delegated task is done the way the other host is reached; the play's own connection says nothing of it.
        let connection = if delegated {
            text(&["ansible_connection"])?.or_else(|| settings.connection.clone())
        } else {
            said(&["ansible_connection"], "connection", settings.connection.as_deref())?
        };
        let kind = match connection.as_deref().map(|name| name.rsplit('.').next().unwrap_or(name)) {
            Some("local") => Kind::Local,
            _ => Kind::Ssh,
        };
        let unknown = connection.filter(|name| kind == Kind::Ssh && !is_ssh(name));
        let number = |value: Option<String>| value.and_then(|value| value.parse::<u64>().ok());
        let args = ["ansible_ssh_common_args", "ansible_ssh_extra_args"]
            .iter()
            .map(|name| text(&[name]))
            .collect::<Result<Vec<_>, _>>()?;
        let mut ssh_args: Vec<String> = args.into_iter().flatten().collect();
        ssh_args.extend(settings.ssh_common_args.clone());
        let password = text(&["ansible_password", "ansible_ssh_pass", "ansible_ssh_password"])?
            .or_else(|| settings.password.as_ref().map(|secret| secret.expose().clone()));
        let checking = match text(&["ansible_host_key_checking", "ansible_ssh_host_key_checking"])? {
            Some(word) if matches!(word.to_lowercase().as_str(), "false" | "no" | "0") => Some(HostKeyChecking::Off),
            _ if !settings.host_key_checking => Some(HostKeyChecking::Off),
            _ => None,
        };
        let target = Target {
            alias: host.to_owned(),
            kind,
            // Where nothing is said, the variable is the name itself.
            address: match text(&["ansible_host"])?.filter(|address| address != host) {
                Some(address) => Some(address),
                None => text(&["ansible_ssh_host"])?,
            },
            port: number(said(&["ansible_port", "ansible_ssh_port"], "port", None)?)
                .and_then(|port| u16::try_from(port).ok()),
            user: said(&["ansible_user", "ansible_ssh_user"], "remote_user", settings.user.as_deref())?,
            password: password.map(Secret::new),
            private_key_file: text(&["ansible_ssh_private_key_file", "ansible_private_key_file"])?
                .map(|path| PathBuf::from(expand_home(&path)))
                .or_else(|| settings.private_key.clone()),
            ssh_args: ssh_args.join(" "),
            connect_timeout: number(text(&["ansible_timeout", "ansible_ssh_timeout"])?)
                .or((settings.timeout > 0).then_some(settings.timeout))
                .map(Duration::from_secs),
            host_key_checking: checking,
            home: None,
        };
        let wanted = match variable("ansible_become")? {
            Some(value) => truthy(&value),
            None => keyword("become")?.map_or(settings.escalate, |value| truthy(&value)),
        };
        let user = said(&["ansible_become_user"], "become_user", settings.become_user.as_deref())?;
        let user = user.filter(|user| !user.is_empty()).unwrap_or_else(|| "root".to_owned());
        let already = match kind {
            Kind::Local => user == "root" && rustix::process::geteuid().is_root(),
            Kind::Ssh => target.user.as_deref() == Some(user.as_str()),
        };
        let escalation = if wanted && !already {
            let password = text(&["ansible_become_password", "ansible_become_pass", "ansible_sudo_pass"])?
                .or_else(|| settings.become_password.as_ref().map(|secret| secret.expose().clone()));
            let method = said(&["ansible_become_method"], "become_method", settings.become_method.as_deref())?
                .map_or_else(|| "sudo".to_owned(), |name| name.rsplit('.').next().unwrap_or(&name).to_owned());
            let own = |word: &str| format!("ansible_{method}_{word}");
            let patience = match kind {
                Kind::Local => text(&["ansible_local_become_success_timeout"])?,
                Kind::Ssh => None,
            };
            let prompts = match variable(&own("prompt_l10n"))? {
                Some(value) if value.as_str().is_some() => value.to_string().split(',').map(str::to_owned).collect(),
                Some(value) => value.try_iter()?.map(|prompt| prompt.to_string()).collect(),
                None => Vec::new(),
            };
            Some(Become {
                user,
                password: password.map(Secret::new),
                flags: said(&["ansible_become_flags", &own("flags")], "become_flags", None)?,
                exe: said(&["ansible_become_exe", &own("exe")], "become_exe", None)?,
                chdir: text(&[&own("chdir")])?,
                prompts,
                // Less than a second is no time to wait.
                patience: number(patience).map(|seconds| Duration::from_secs(seconds.max(1))),
                method,
            })
        } else {
            None
        };
        Ok(Self { host: host.to_owned(), target, escalation, unknown })
    }

    /// Names the user of a session.
    #[must_use]
    pub fn key(&self) -> String {
        let Some(how) = &self.escalation else { return String::new() };
        // Who becomes a user with another password or program is somebody else: it has to be shown anew that this works.
        let password = how.password.as_ref().map(|password| password.reveal().to_string());
        let way = serde_json::json!([how.exe, how.flags, how.chdir, how.prompts, password]).to_string();
        format!("{}:{}:{}", how.method, how.user, crate::remote::machine::digest(way.as_bytes()))
    }

    /// The way of root by the same means, to look in place of a user who is not there yet.
    #[must_use]
    pub fn of_root(&self) -> Self {
        let already = match self.target.kind {
            Kind::Local => rustix::process::geteuid().is_root(),
            Kind::Ssh => self.target.user.as_deref() == Some("root"),
        };
        let how = self.escalation.clone().filter(|_| !already);
        Self { escalation: how.map(|how| Become { user: "root".to_owned(), ..how }), ..self.clone() }
    }

    /// The open connection, opened where there is none yet.
    ///
    /// # Errors
    /// When the host cannot be reached.
    pub async fn connection(&self, run: &Run, link: &mut Link) -> Result<Connection, Lost> {
        if let Some(name) = &self.unknown {
            let message = format!("there is no connection `{name}`");
            return Err(Lost::Refused(Failure { message, hint: Some("use ssh or local".to_owned()) }));
        }
        if let Some(open) = link.connection.as_ref().filter(|open| open.is_open()) {
            return Ok(open.clone());
        }
        link.sessions.clear();
        link.plain.clear();
        link.told.clear();
        for secret in [self.target.password.as_ref(), self.escalation.as_ref().and_then(|how| how.password.as_ref())] {
            secret.into_iter().for_each(|secret| run.keep_secret(secret.reveal()));
        }
        let opened = run
            .connector
            .open(&self.target)
            .await
            .map_err(|error| Lost::Unreachable(Failure { message: error.to_string(), hint: error.hint() }))?;
        link.connection = Some(opened.clone());
        Ok(opened)
    }

    /// The helper that runs as the user asked for, started where there is none yet, and knowing all predictions.
    ///
    /// # Errors
    /// When the host cannot be reached, the user not be become, or no helper runs there.
    pub async fn session(&self, run: &Run, link: &mut Link) -> Result<Session, Lost> {
        let key = self.key();
        let connection = self.connection(run, link).await?;
        let session = match link.sessions.get(&key).filter(|session| session.is_open()) {
            Some(open) => open.clone(),
            None => {
                if let Some(reason) = link.refused.get(&key) {
                    return Err(Lost::NoHelper(reason.clone()));
                }
                link.told.remove(&key);
                let started = match Session::start(&connection, self.escalation.as_ref()).await {
                    Ok(session) => session,
                    Err(error) => {
                        let lost = lost(error);
                        if let Lost::NoHelper(reason) = &lost {
                            if link.refused.is_empty() {
                                let host = &self.host;
                                run.warn(format!(
                                    "{host}: no helper runs there: {reason}; {}",
                                    without_helper_hint(reason)
                                ));
                            }
                            link.refused.insert(key, reason.clone());
                        }
                        return Err(lost);
                    }
                };
                link.sessions.insert(key.clone(), started.clone());
                started
            }
        };
        let told = link.told.entry(key).or_default();
        if *told < link.predicted.len() {
            session.assume(link.predicted[*told..].to_vec()).await.map_err(lost)?;
            *told = link.predicted.len();
        }
        Ok(session)
    }

    /// The user asked for as plain `sh` shows them, for where no helper runs.
    ///
    /// # Errors
    /// When nothing can be run as that user.
    pub async fn plain(&self, link: &mut Link, connection: &Connection) -> Result<Arc<Plain>, Lost> {
        if let Some(known) = link.plain.get(&self.key()) {
            return Ok(known.clone());
        }
        let system = ShellSystem::start(connection.clone(), self.escalation.clone()).await.map_err(lost)?;
        let plain = Arc::new(Plain::new(system));
        link.plain.insert(self.key(), plain.clone());
        Ok(plain)
    }
}

/// What a lost session means for the host.
#[must_use]
pub fn lost(error: SessionError) -> Lost {
    let hint = error.hint();
    match error {
        SessionError::HelperRefused { reason } => Lost::NoHelper(reason),
        SessionError::NoUser(failure) => Lost::NoUser(failure),
        SessionError::Become(failure) | SessionError::Failed(failure) => Lost::Refused(failure),
        other => Lost::Unreachable(Failure { message: other.to_string(), hint }),
    }
}

/// Whether a connection's name is one of Ansible's for SSH.
fn is_ssh(name: &str) -> bool {
    matches!(name.rsplit('.').next(), Some("" | "ssh" | "smart" | "paramiko" | "paramiko_ssh"))
}

/// Whether a keyword's value means yes.
#[must_use]
pub fn truthy(value: &Value) -> bool {
    match value.as_str() {
        Some(word) => matches!(word.to_lowercase().as_str(), "y" | "yes" | "true" | "on" | "1" | "t"),
        None => value.is_true(),
    }
}

/// A path of the controller with `~` and `$NAME` expanded.
pub(super) fn expand_home(path: &str) -> String {
    let home = |user: Option<&str>| match user {
        None => std::env::var("HOME").ok(),
        Some(user) => home_of(user),
    };
    crate::remote::options::expand_path(path, home, |name| std::env::var(name).ok())
}

/// The home of a user of the controller.
fn home_of(user: &str) -> Option<String> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? == user { fields.nth(4).map(str::to_owned) } else { None }
    })
}

/// The link's sessions that still run, for the end of the run.
pub async fn close(links: Vec<Arc<tokio::sync::Mutex<Link>>>, forget: bool) {
    for link in links {
        let mut link = link.lock().await;
        for (_, session) in link.sessions.drain() {
            if forget {
                // The host may be gone; there is nothing more to do about its cache then.
                let _ = session.forget().await;
            }
        }
        if let Some(connection) = link.connection.take() {
            connection.close().await;
        }
    }
}
