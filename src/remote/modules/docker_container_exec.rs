//! `docker_container_exec`: runs a command in a container.

use serde_json::json;

use crate::{
    options,
    protocol::{Change, Failure, Json, Map},
    remote::{
        Applied, Module, Plan, Planned, Probe, Stop,
        docker::{Connection, Engine, engine::encode, stream::tail},
    },
};

options! {
    /// Runs a command in a running container of the host's Docker engine. Without standard input.
    ///
    /// ## Example
    /// ```yaml
    /// - docker_container_exec:
    ///     container: database
    ///     argv: [pg_isready, -U, postgres]
    /// ```
    ///
    /// ## Returns
    /// `rc`, `stdout`, `stderr`, and `stdout_lines`, `stderr_lines`.
    pub struct DockerContainerExec {
        /// Name or id of the container.
        container: String,
        /// The command as list.
        argv: Vec<String>,
        /// The command as text, split as a shell would.
        command: Option<String>,
        /// Where in the container it starts.
        chdir: Option<String>,
        /// As whom.
        user: Option<String>,
        /// Variables of its environment.
        env: Map,
        /// With a terminal.
        tty: bool = false,
        /// Remove empty lines at the end of the output.
        strip_empty_ends: bool = true,
        ..connection: Connection,
    }
}

impl Module for DockerContainerExec {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let engine = Engine::connect(probe, &self.connection)?;
        let argv = match (&self.command, self.argv.is_empty()) {
            (Some(command), true) => {
                super::words::split(command).map_err(|problem| Stop::failed(format!("{problem}: {command}")))?
            }
            (None, false) => self.argv.clone(),
            _ => return Err(Stop::failed("give one of `command` and `argv`")),
        };
        let name = &self.container;
        let Some(container) = engine.container(name)? else {
            return Err(Stop::failed(format!("there is no container {name}")));
        };
        if container.value["State"]["Running"] != true {
            return Err(Stop::failed(format!("container {name} does not run")).hint("start it with docker_container"));
        }
        let mut env = Vec::new();
        for (key, value) in &self.env {
            match value {
                Json::String(text) => env.push(format!("{key}={text}")),
                Json::Number(number) => env.push(format!("{key}={number}")),
                _ => {
                    return Err(
                        Stop::failed(format!("the value of {key} in env is no text")).hint("write it in quotes")
                    );
                }
            }
        }
        let mut body = json!({
            "AttachStdout": true, "AttachStderr": true, "Tty": self.tty, "Cmd": argv, "Env": env,
        });
        for (field, text) in [("WorkingDir", &self.chdir), ("User", &self.user)] {
            if let Some(text) = text {
                body[field] = json!(text);
            }
        }
        let path = format!("/containers/{}/exec", encode(name));
        let mut request = engine.request("EXEC", &path, format!("run a command in container {name}"));
        request.body = Some(body);
        let mut plan = Plan::new();
        plan.push(Change::Http(request));
        Ok(plan)
    }

    fn report(&self, plan: &mut Plan, applied: &[Applied], _probe: &Probe<'_>) -> Result<(), Stop> {
        let Some(applied) = applied.first() else { return Ok(()) };
        for (name, text) in [("stdout", &applied.stdout), ("stderr", &applied.stderr)] {
            let text = if self.strip_empty_ends { text.trim_end_matches(['\r', '\n']) } else { text };
            plan.set(name, text);
            plan.set(&format!("{name}_lines"), text.lines().map(Json::from).collect::<Vec<_>>());
        }
        plan.set("rc", applied.code);
        if applied.code == 0 {
            return Ok(());
        }
        let said = [&applied.stderr, &applied.stdout].into_iter().find(|text| !text.trim().is_empty());
        let said = said.map_or_else(String::new, |said| format!(": {}", tail(said.trim())));
        let message = format!("the command in container {} ended with {}{said}", self.container, applied.code);
        Err(Stop::Failed(Failure::new(message), Map::new()))
    }
}
