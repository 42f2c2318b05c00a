//! Roles: read with their dependencies, and turned into items.

use std::{collections::HashSet, path::Path, sync::Arc};

use super::{Items, Loader, Surroundings, error, expected_list};
use crate::controller::{
    playbook::{
        Arguments, Keywords, Role, RoleUse,
        keywords::{ADDED, INHERITED},
        role::{RoleFiles, Wanted, layer, role_file, variable_files},
    },
    source::{Diagnostic, Diagnostics, Mapping, Node, Shape, yaml},
    template::{self, context},
    variables::{Layer, Var},
};

/// How deep roles may depend on roles.
const DEPENDENCIES_MAX: usize = 50;

/// Options of `import_role` and `include_role` that name files of the role.
const FILES: [&str; 4] = ["tasks_from", "vars_from", "defaults_from", "handlers_from"];

impl Loader {
    /// Reads `roles:` of a play; gives also the handlers of all of them.
    pub(super) fn play_roles(
        &self,
        node: Option<&Node>,
        around: &Surroundings,
        diagnostics: &mut Diagnostics,
    ) -> (Vec<RoleUse>, Items) {
        let mut seen = HashSet::new();
        let mut uses = Vec::new();
        let mut handlers = Vec::new();
        for item in node.map(|node| expected_list(node, "roles", diagnostics)).unwrap_or_default() {
            let Some(mut used) = self.role_use(item, around, &[], &mut seen, diagnostics) else { continue };
            handlers.append(&mut used.handlers);
            uses.push(used);
        }
        (uses, handlers)
    }

    /// Reads a role by name, for `include_role` and `import_role`.
    pub fn role(&self, wanted: Wanted, around: &Surroundings, diagnostics: &mut Diagnostics) -> Option<RoleUse> {
        let used = self.read_role(wanted, around, &[], &mut HashSet::new(), diagnostics)?;
        if let Some(outer) = &around.role {
            let _ = used.role.includer.set(outer.clone());
        }
        Some(used)
    }

    pub(super) fn import_role(
        &self,
        arguments: &Arguments,
        own: &Arc<Keywords>,
        node: &Node,
        around: &Surroundings,
        items: &mut Items,
        diagnostics: &mut Diagnostics,
    ) {
        let inner = around.with(own.clone());
        let scope = context(&self.scope_of(&inner.levels));
        let value = |name: &str| {
            let node = arguments.get(name).filter(|node| !node.is_null())?;
            Some(template::lazy::value(node, &scope).map_err(|problem| (node, problem)))
        };
        let mut wrong = Vec::new();
        let mut text = |name: &str| match value(name)? {
            Ok(value) => Some(value.to_string()),
            Err(problem) => {
                wrong.push(problem);
                None
            }
        };
        let name = text("name").or_else(|| text("role"));
        let mut file = |name: &str| text(name).unwrap_or_else(|| "main".to_owned());
        let files = RoleFiles {
            tasks: file("tasks_from"),
            vars: file("vars_from"),
            defaults: file("defaults_from"),
            handlers: file("handlers_from"),
        };
        if !wrong.is_empty() {
            for (node, problem) in wrong {
                let message = format!("cannot work out which role this imports: {problem}");
                let hint = "imports are resolved before the run: use include_role for names that are known later";
                diagnostics.push(error(&node.span, message).hint(hint));
            }
            return;
        }
        let Some(name) = name else {
            return diagnostics.push(error(&node.span, "import_role does not say which role"));
        };
        let flag = |name: &str| value(name).and_then(Result::ok).map(|value| is_true(&value.to_string()));
        let wanted = Wanted {
            files,
            validate: flag("rolespec_validate").unwrap_or(true),
            public: flag("public").unwrap_or(true),
            allow_duplicates: Some(flag("allow_duplicates").unwrap_or(true)),
            ..Wanted::new(&name, &node.span)
        };
        if let Some(used) = self.role(wanted, &inner, diagnostics) {
            items.extend(used.items);
            around.add_handlers(used.handlers);
        }
    }

    /// Checks the words of an `import_role` or `include_role` that must be names.
    pub(super) fn role_words(arguments: &Arguments, diagnostics: &mut Diagnostics) {
        for word in FILES {
            if let Some(node) = arguments.get(word)
                && !matches!(node.shape, Shape::Str(_) | Shape::Null)
            {
                diagnostics.push(error(&node.span, format!("{word} must be a string, not {}", node.kind())));
            }
        }
    }

    fn role_use(
        &self,
        node: &Node,
        around: &Surroundings,
        parents: &[Arc<Role>],
        seen: &mut HashSet<String>,
        diagnostics: &mut Diagnostics,
    ) -> Option<RoleUse> {
        let empty = Mapping::default();
        let scalar = match &node.shape {
            Shape::Int(number) => Some(number.to_string()),
            _ => node.as_str().map(str::to_owned),
        };
        let (name, map) = match (scalar, node.as_map()) {
            (Some(name), _) => (name, &empty),
            (_, Some(map)) => match ["role", "name", "src"].iter().find_map(|word| map.get(word)?.as_str()) {
                Some(name) => (name.to_owned(), map),
                None => {
                    diagnostics.push(error(&node.span, "this entry names no role").hint("add `role: NAME`"));
                    return None;
                }
            },
            _ => {
                diagnostics.push(error(&node.span, format!("a role is a name or a mapping, not {}", node.kind())));
                return None;
            }
        };
        let keyword =
            |word: &str| matches!(word, "role" | "name" | "src") || INHERITED.contains(&word) || ADDED.contains(&word);
        let parameters: Layer = map
            .iter()
            .filter(|(word, _, _)| !keyword(word))
            .map(|(word, _, value)| (Arc::from(word), Var::Node(value.clone())))
            .collect();
        let keywords = Arc::new(Keywords::of(map));
        let scope = self.scope_of(&around.levels).over(layer(keywords.vars.as_ref())).over(parameters.clone());
        let name = match template::render_text(&name, &context(&scope)) {
            Ok(name) => name.to_string(),
            Err(problem) => {
                diagnostics.push(error(&node.span, format!("cannot work out which role this is: {problem}")));
                return None;
            }
        };
        let wanted = Wanted { parameters, keywords, ..Wanted::new(&name, &node.span) };
        self.read_role(wanted, around, parents, seen, diagnostics)
    }

    fn read_role(
        &self,
        wanted: Wanted,
        around: &Surroundings,
        parents: &[Arc<Role>],
        seen: &mut HashSet<String>,
        diagnostics: &mut Diagnostics,
    ) -> Option<RoleUse> {
        let Wanted { name, span, files, keywords, .. } = &wanted;
        let Some(found) = self.find_role(name, &around.with(keywords.clone())) else {
            if name.contains(',') {
                diagnostics.push(Diagnostic::absent(span, format!("`{name}` is an entry of an old requirements file")));
                return None;
            }
            let searched: Vec<String> =
                self.role_folders(around).iter().map(|folder| folder.display().to_string()).collect();
            diagnostics.push(
                Diagnostic::absent(span, format!("there is no role `{name}`"))
                    .hint(format!("looked in {}", searched.join(", "))),
            );
            return None;
        };
        self.library.add_role(&found.path);
        if parents.len() > DEPENDENCIES_MAX {
            diagnostics.push(error(span, format!("role {name} depends on itself")));
            return None;
        }
        let path = found.path;
        let mut role = self.described(&wanted, found.name, found.collection, &path, parents, diagnostics)?;
        let repeated = !seen.insert(role.key.clone()) && !role.allow_duplicates;
        let around = around.with(keywords.clone());
        let (mut items, mut handlers) = (Vec::new(), Vec::new());
        let dependencies = role.meta.as_ref().and_then(|meta| meta.as_map()?.get("dependencies").cloned());
        // Dependencies know who uses them; the role itself is only whole once it knows them.
        let mut chain = vec![Arc::new(role.clone())];
        chain.extend(parents.iter().cloned());
        let inside = Surroundings { folder: path.join("meta"), role: chain.first().cloned(), ..around.clone() };
        for dependency in dependencies.iter().flat_map(|list| list.as_list().unwrap_or_default()) {
            if let Some(mut used) = self.role_use(dependency, &inside, &chain, seen, diagnostics) {
                items.append(&mut used.items);
                handlers.append(&mut used.handlers);
                role.dependencies.push(used.role);
            }
        }
        let role = Arc::new(role);
        let inside = Surroundings { folder: path.join("tasks"), role: Some(role.clone()), ..around };
        if wanted.validate && !repeated {
            items.extend(super::validation::task(&role, &files.tasks, &wanted.parameters, span, &inside));
        }
        match role_file(&path.join("tasks"), &files.tasks) {
            Some(_) if repeated => {}
            Some(file) => items.extend(self.task_file(&file, &inside, diagnostics)),
            None if files.tasks != "main" => {
                diagnostics.push(error(span, format!("role {name} has no tasks/{}", files.tasks)));
            }
            None => {}
        }
        match role_file(&path.join("handlers"), &files.handlers) {
            Some(_) if repeated => {}
            Some(file) => {
                let inside = Surroundings { folder: path.join("handlers"), handler: true, ..inside };
                handlers.extend(self.task_file(&file, &inside, diagnostics));
            }
            None if files.handlers != "main" => {
                diagnostics.push(error(span, format!("role {name} has no handlers/{}", files.handlers)));
            }
            None => {}
        }
        Some(RoleUse { role, items, handlers, keywords: wanted.keywords, span: wanted.span })
    }

    /// What a role says of itself, without its tasks and dependencies.
    fn described(
        &self,
        wanted: &Wanted,
        name: String,
        collection: Option<String>,
        path: &Path,
        parents: &[Arc<Role>],
        diagnostics: &mut Diagnostics,
    ) -> Option<Role> {
        let meta = role_file(&path.join("meta"), "main")
            .and_then(|file| yaml::load_one(&file, &self.keyring, diagnostics))
            .filter(|node| !node.is_null());
        if let Some(meta) = &meta
            && meta.as_map().is_none()
        {
            diagnostics.push(error(&meta.span, format!("meta/main must be a mapping, not {}", meta.kind())));
            return None;
        }
        // A file of its own wins over what meta/main has, even if it says nothing.
        let specs = match role_file(&path.join("meta"), "argument_specs") {
            Some(file) => yaml::load_one(&file, &self.keyring, diagnostics),
            None => meta.clone(),
        };
        let argument_specs = specs.and_then(|node| node.as_map()?.get("argument_specs").cloned());
        let mut variables = |folder: &str, file: &str| {
            let found = variable_files(&path.join(folder), file);
            if found.is_empty() && file != "main" {
                let message = format!("role {} has no {folder}/{file}", wanted.name);
                diagnostics.push(error(&wanted.span, message));
            }
            let mut all = Layer::new();
            for file in found {
                if let Some(node) = yaml::load_one(&file, &self.keyring, diagnostics) {
                    if node.as_map().is_none() && !node.is_null() {
                        let message = format!("{folder} of a role must be a mapping, not {}", node.kind());
                        diagnostics.push(error(&node.span, message));
                    }
                    all.extend(layer(Some(&node)));
                }
            }
            Arc::new(all)
        };
        let (defaults, vars) = (variables("defaults", &wanted.files.defaults), variables("vars", &wanted.files.vars));
        let duplicates = meta.as_ref().and_then(|meta| meta.as_map()?.get("allow_duplicates")).is_some_and(said_true);
        let mut parameters = Layer::new();
        for parent in parents.iter().rev() {
            parameters.extend(parent.parameters.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        parameters.extend(wanted.parameters.clone());
        let key = key(path, wanted, &parameters);
        Some(Role {
            name,
            collection,
            path: path.to_owned(),
            defaults,
            vars,
            parameters: Arc::new(parameters),
            allow_duplicates: wanted.allow_duplicates.unwrap_or(duplicates),
            public: wanted.public,
            meta,
            argument_specs,
            parents: parents.to_vec(),
            dependencies: Vec::new(),
            includer: std::sync::OnceLock::new(),
            handlers_key: format!("{} {key}", wanted.files.handlers),
            key: format!("{:?} {key}", wanted.files),
        })
    }
}

fn said_true(node: &Node) -> bool {
    match &node.shape {
        Shape::Bool(set) => *set,
        Shape::Str(text) => is_true(&text.value),
        _ => false,
    }
}

fn is_true(text: &str) -> bool {
    matches!(text.to_lowercase().as_str(), "yes" | "true" | "on" | "1" | "y" | "t")
}

/// Tells uses of a role apart, wherever they stand, but for the files they use.
fn key(path: &Path, wanted: &Wanted, parameters: &Layer) -> String {
    let parameters: Vec<String> = parameters
        .iter()
        .map(|(name, value)| match value {
            Var::Node(node) => format!("{name}={}", node.to_json()),
            Var::Data(value) => format!("{name}={value}"),
        })
        .collect();
    let Keywords { vars, when, tags, environment, .. } = &*wanted.keywords;
    let said: Vec<String> = [vars, when, tags, environment]
        .map(|node| node.as_ref().map(|node| node.to_json().to_string()).unwrap_or_default())
        .to_vec();
    format!("{} {parameters:?} {said:?}", path.display())
}
