//! Lookups where plays use them: `with_NAME`, `lookup()`, `query()` and `q()`.

use std::path::{Path, PathBuf};

use minijinja::{
    Environment, Error, ErrorKind, State, Value,
    value::{Kwargs, Rest, ValueKind},
};

use super::{
    error::TemplateError,
    files::{Layout, render_file},
    hosts, lazy,
    lookups::{self, Options, Surroundings},
    value::resolve,
};
use crate::controller::{
    source::Node,
    variables::{Layer, Scope, Var},
};

/// The play around a lookup, as the variables tell of it.
struct Around<'s> {
    scope: &'s Scope,
    context: Value,
    looping: bool,
}

impl Around<'_> {
    fn data(&self, name: &str) -> Option<Value> {
        match self.scope.get(name)? {
            Var::Data(value) => Some(value.clone()),
            Var::Node(node) => lazy::value(node, &self.context).ok(),
        }
    }
}

fn failed(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

impl Surroundings for Around<'_> {
    fn search_path(&self) -> Vec<PathBuf> {
        let folders = self.data("ansible_search_path");
        folders
            .iter()
            .flat_map(minijinja::Value::try_iter)
            .flatten()
            .map(|folder| PathBuf::from(folder.to_string()))
            .collect()
    }

    fn base_directory(&self) -> PathBuf {
        self.data("playbook_dir").map_or_else(|| PathBuf::from("."), |folder| PathBuf::from(folder.to_string()))
    }

    fn variable(&self, name: &str) -> Result<Option<Value>, Error> {
        match self.scope.get(name) {
            None => Ok(None),
            Some(Var::Data(value)) => Ok(Some(value.clone())),
            Some(Var::Node(node)) => lazy::value(node, &self.context).map(Some).map_err(TemplateError::into_engine),
        }
    }

    fn variable_names(&self) -> Vec<String> {
        self.scope.names().iter().map(ToString::to_string).collect()
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, Error> {
        match self.data("hostvars").as_ref().and_then(hosts::everyone) {
            Some(everyone) => everyone.read(path).map_err(failed),
            None => std::fs::read(path).map_err(|error| failed(format!("cannot read {}: {error}", path.display()))),
        }
    }

    fn render(&self, path: &Path, source: &str, options: &Options) -> Result<Value, Error> {
        let mut layout = Layout {
            trim_blocks: options.flag("trim_blocks", true),
            lstrip_blocks: options.flag("lstrip_blocks", false),
            ..Layout::default()
        };
        for (name, place) in [
            ("variable_start_string", &mut layout.variable.0),
            ("variable_end_string", &mut layout.variable.1),
            ("comment_start_string", &mut layout.comment.0),
            ("comment_end_string", &mut layout.comment.1),
        ] {
            if let Some(text) = options.text(name) {
                *place = text;
            }
        }
        let mut layer = Layer::new();
        for key in options.get("template_vars").iter().flat_map(|vars| vars.try_iter()).flatten() {
            if let Some(value) = options.get("template_vars").and_then(|vars| vars.get_item(&key).ok()) {
                layer.insert(key.to_string().into(), Var::Data(value));
            }
        }
        if self.scope.get("ansible_managed").is_none() {
            layer.entry("ansible_managed".into()).or_insert_with(|| Var::data("Ansible managed"));
        }
        let context = lazy::context(&self.scope.over(layer));
        let rendered = render_file(source, path, &layout, &context).map_err(TemplateError::into_engine)?;
        // What puts nothing out is nothing, as in any other template.
        Ok(if rendered.is_empty() && !source.is_empty() { Value::from(()) } else { Value::from(rendered) })
    }

    fn hosts(&self, pattern: &str) -> Result<Vec<String>, Error> {
        match self.data("hostvars").as_ref().and_then(hosts::everyone) {
            Some(everyone) => everyone.select(pattern).map_err(failed),
            None => Ok(Vec::new()),
        }
    }

    fn setting(&self, name: &str, plugin: Option<(&str, &str)>) -> Option<Value> {
        let everyone = || self.data("hostvars").as_ref().and_then(hosts::everyone);
        let Some(plugin) = plugin else { return everyone()?.setting(name) };
        // What a plugin is set to: its variables first, then the run's settings, then what it does by itself.
        let (variables, setting, default): (&[&str], &str, Option<&str>) = match (plugin, name) {
            (("become", "sudo"), "become_flags") => {
                (&["ansible_sudo_flags", "ansible_become_flags"], "", Some("-H -S -n"))
            }
            (("become", "su"), "become_flags") => (&["ansible_su_flags", "ansible_become_flags"], "", Some("")),
            (("become", method @ ("sudo" | "su" | "doas")), "become_exe") => {
                (&["ansible_become_exe"], "", Some(method))
            }
            (("become", "sudo" | "su" | "doas"), "become_user") => {
                (&["ansible_become_user"], "DEFAULT_BECOME_USER", None)
            }
            (("connection", "ssh"), "remote_user") => {
                (&["ansible_ssh_user", "ansible_user"], "DEFAULT_REMOTE_USER", None)
            }
            (("connection", "ssh"), "port") => (&["ansible_ssh_port", "ansible_port"], "DEFAULT_REMOTE_PORT", None),
            (("shell", "sh"), "remote_tmp") => (&["ansible_remote_tmp"], "", Some("~/.ansible/tmp")),
            _ => return None,
        };
        let said = variables.iter().find_map(|name| self.data(name));
        said.or_else(|| everyone()?.setting(setting)).or_else(|| default.map(Value::from))
    }

    fn fetch(&self, url: &str, options: &Options) -> Result<Vec<u8>, Error> {
        let mut options = options.clone();
        for option in lookups::find("url").into_iter().flat_map(|lookup| lookup.options.split(' ')) {
            let name = match option {
                "http_agent" => "agent",
                "unredirected_headers" => "unredir_headers",
                name => name,
            };
            let said = || std::env::var(format!("ANSIBLE_LOOKUP_URL_{}", name.to_uppercase())).ok().map(Value::from);
            if options.get(option).is_none()
                && let Some(value) = self.data(&format!("ansible_lookup_url_{name}")).or_else(said)
            {
                options.set(option, value);
            }
        }
        match self.data("hostvars").as_ref().and_then(hosts::everyone) {
            Some(everyone) => everyone.fetch(url, &options).map_err(failed),
            None => Err(failed(format!("{url} can only be asked for while a playbook runs"))),
        }
    }

    fn looping_action(&self) -> Option<String> {
        self.looping.then(|| self.data("__action").map_or_else(String::new, |action| action.to_string()))
    }
}

/// The items that `with_NAME` gives.
///
/// # Errors
/// When there is no such lookup or it does not work.
pub fn looked_up(name: &str, items: &Node, scope: &Scope, context: &Value) -> Result<Vec<Value>, TemplateError> {
    let value = lazy::value(items, context).and_then(|value| resolve(&value)).map_err(|error| error.at(&items.span))?;
    let terms: Vec<Value> = match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => value.try_iter()?.collect(),
        _ => vec![value],
    };
    let around = Around { scope, context: context.clone(), looping: true };
    lookups::call(name, &around, &terms, &Options::default())
        .map_err(|error| TemplateError::from(error).at(&items.span))
}

/// Adds the functions.
pub(super) fn register(env: &mut Environment<'static>) {
    env.add_function("lookup", |state: &mut State<'_, '_>, name: String, terms: Rest<Value>, options: Kwargs| {
        call(state, &name, &terms, &options, false)
    });
    for function in ["query", "q"] {
        env.add_function(function, |state: &mut State<'_, '_>, name: String, terms: Rest<Value>, options: Kwargs| {
            call(state, &name, &terms, &options, true)
        });
    }
}

fn call(state: &State<'_, '_>, name: &str, terms: &[Value], keywords: &Kwargs, list: bool) -> Result<Value, Error> {
    let context = state.lookup("__scope").unwrap_or_default();
    let nothing = Scope::default();
    let scope = lazy::scope_of(&context).unwrap_or(&nothing);
    let mut options = Options::default();
    let (mut wantlist, mut errors) = (list, "strict".to_owned());
    for key in keywords.args() {
        let value: Value = keywords.get(key)?;
        match key {
            "wantlist" => wantlist = value.is_true(),
            "errors" => errors = value.to_string(),
            _ => options.set(key, value),
        }
    }
    keywords.assert_all_used()?;
    let lenient = lookups::find(name).is_some_and(|lookup| lookup.lenient);
    let terms = terms
        .iter()
        .map(|term| if lenient { Ok(term.clone()) } else { resolve(term).map_err(TemplateError::into_engine) })
        .collect::<Result<Vec<_>, _>>()?;
    let around = Around { scope, context: context.clone(), looping: false };
    let found = match lookups::call(name, &around, &terms, &options) {
        Ok(found) => found,
        Err(error) if errors == "strict" => return Err(error),
        Err(_) if wantlist => return Ok(Value::from(Vec::<Value>::new())),
        Err(_) => return Ok(Value::from(())),
    };
    if wantlist {
        return Ok(Value::from(found));
    }
    if found.is_empty() {
        return Ok(Value::from(found));
    }
    if found.iter().all(|item| item.as_str().is_some()) {
        let texts: Vec<&str> = found.iter().filter_map(Value::as_str).collect();
        return Ok(Value::from(texts.join(",")));
    }
    Ok(if found.len() == 1 { found.into_iter().next().unwrap_or_default() } else { Value::from(found) })
}
