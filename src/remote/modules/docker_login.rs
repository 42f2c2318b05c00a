//! `docker_login`: keeps a login to a registry on the host.

use std::path::PathBuf;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use crate::{
    choices, options,
    protocol::{Attributes, Change, Content, Json},
    remote::{
        Module, Plan, Planned, Probe, Stop,
        docker::{Connection, Engine, registry},
    },
};

choices! {
    /// Whether there is to be a login.
    pub enum State {
        /// There is.
        Present = "present",
        /// There is none.
        Absent = "absent",
    }
}

options! {
    /// Logs in to a registry: the host's Docker engine tries user and password, then they are kept in `config.json` (mode
    /// 0600), where pulls and pushes of later tasks find them. The password is never returned or shown.
    ///
    /// ## Example
    /// ```yaml
    /// - docker_login:
    ///     registry_url: registry.example.com
    ///     username: deploy
    ///     password: "{{ registry_password }}"
    /// ```
    ///
    /// ## Returns
    /// `login_result`: registry and user.
    pub struct DockerLogin {
        /// The registry.
        registry_url: String [registry url] = registry::HUB,
        /// Who logs in.
        username: Option<String>,
        /// With which password.
        password: Option<String>,
        /// Try the login even where the same is kept already.
        reauthorize: bool [reauth] = false,
        /// Where it is kept.
        config_path: Option<PathBuf> [dockercfg_path],
        /// Whether there is to be a login.
        state: State = State::Present,
        ..connection: Connection,
    }
}

impl Module for DockerLogin {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let path = self.config_path.clone().unwrap_or_else(|| registry::config_path(probe));
        let mut config = registry::config(probe, &path)?;
        let key = registry::key(&self.registry_url);
        let kept = registry::login(&config, &key);
        let mut plan = Plan::new();
        let auths = config.entry("auths").or_insert_with(|| json!({}));
        if !auths.is_object() {
            *auths = json!({});
        }
        if self.state == State::Absent {
            let Some(auths) = auths.as_object_mut() else { return Ok(plan) };
            let before = auths.len();
            auths.retain(|name, _| registry::key(name) != key);
            if auths.len() < before {
                plan.diff(format!("login {key}"), "present\n", "absent\n");
                plan.push(write(path, &config.into()));
            }
            return Ok(plan);
        }
        let (Some(username), Some(password)) = (&self.username, &self.password) else {
            return Err(Stop::failed("docker_login needs `username` and `password`"));
        };
        let same = kept.as_ref().is_some_and(|(user, kept)| user == username && kept == password);
        plan.set("login_result", json!({"registry": key, "username": username}));
        if same && !self.reauthorize {
            return Ok(plan);
        }
        let engine = Engine::connect(probe, &self.connection)?;
        let mut request = engine.request("POST", "/auth", format!("log in to {key} as {username}"));
        request.body = Some(json!({"username": username, "password": password, "serveraddress": key}));
        plan.push(Change::Http(request));
        if same {
            plan.changed = Some(false);
            return Ok(plan);
        }
        auths[&key] = json!({"auth": STANDARD.encode(format!("{username}:{password}"))});
        let before = kept.map_or_else(|| "absent\n".to_owned(), |(user, _)| format!("{user}\n"));
        plan.diff(format!("login {key}"), before, format!("{username} (new password)\n"));
        if let Some(folder) = path.parent()
            && !probe.exists(folder)?
        {
            let attributes = Attributes { mode: Some(0o700), ..Attributes::default() };
            plan.push(Change::Directory { path: folder.to_owned(), attributes });
        }
        plan.push(write(path, &config.into()));
        Ok(plan)
    }
}

fn write(path: PathBuf, config: &Json) -> Change {
    let text = serde_json::to_string_pretty(config).unwrap_or_default() + "\n";
    let attributes = Attributes { mode: Some(0o600), ..Attributes::default() };
    Change::Write { path, content: Content::Text(text), attributes, in_place: false }
}
