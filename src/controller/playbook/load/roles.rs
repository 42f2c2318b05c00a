//! Roles: found, read with their dependencies, and turned into items.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Items, Loader, Surroundings, error, expected_list};
use crate::controller::{
    playbook::{
        Arguments, Keywords, Role, RoleUse,
        keywords::{ADDED, INHERITED},
        role::{RoleFiles, layer, role_file},
    },
    source::{Diagnostics, Mapping, Node, Span, yaml},
    variables::{Layer, Var},
};

/// How deep roles may depend on roles.
const DEPENDENCIES_MAX: usize = 50;

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
    pub fn role(
        &self,
        name: &str,
        span: &Span,
        files: &RoleFiles,
        parameters: Layer,
        around: &Surroundings,
        diagnostics: &mut Diagnostics,
    ) -> Option<RoleUse> {
        let mut seen = HashSet::new();
        self.read_role(name, span, files, parameters, Arc::default(), around, &[], &mut seen, diagnostics)
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
        let text = |name: &str| arguments.get(name).and_then(Node::as_str).map(str::to_owned);
        let Some(name) = text("name").or_else(|| text("role")) else {
            return diagnostics.push(error(&node.span, "import_role does not say which role"));
        };
        let main = || "main".to_owned();
        let files = RoleFiles {
            tasks: text("tasks_from").unwrap_or_else(main),
            vars: text("vars_from").unwrap_or_else(main),
            defaults: text("defaults_from").unwrap_or_else(main),
            handlers: text("handlers_from").unwrap_or_else(main),
        };
        let inner = around.with(own.clone());
        if let Some(used) = self.role(&name, &node.span, &files, Layer::new(), &inner, diagnostics) {
            items.extend(used.items);
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
        let (name, map) = match (node.as_str(), node.as_map()) {
            (Some(name), _) => (name.to_owned(), &empty),
            (_, Some(map)) => match map.get("role").or_else(|| map.get("name")).and_then(Node::as_str) {
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
            |word: &str| matches!(word, "role" | "name") || INHERITED.contains(&word) || ADDED.contains(&word);
        let parameters: Layer = map
            .iter()
            .filter(|(word, _, _)| !keyword(word))
            .map(|(word, _, value)| (Arc::from(word), Var::Node(value.clone())))
            .collect();
        let keywords = Arc::new(Keywords::of(map));
        self.read_role(
            &name,
            &node.span,
            &RoleFiles::default(),
            parameters,
            keywords,
            around,
            parents,
            seen,
            diagnostics,
        )
    }

    #[expect(clippy::too_many_arguments, reason = "what a role is made of; a struct would only rename them")]
    fn read_role(
        &self,
        name: &str,
        span: &Span,
        files: &RoleFiles,
        parameters: Layer,
        keywords: Arc<Keywords>,
        around: &Surroundings,
        parents: &[Arc<Role>],
        seen: &mut HashSet<String>,
        diagnostics: &mut Diagnostics,
    ) -> Option<RoleUse> {
        let Some(path) = self.find_role(name, around) else {
            let searched: Vec<String> =
                self.role_folders(around).iter().map(|folder| folder.display().to_string()).collect();
            diagnostics.push(
                error(span, format!("there is no role `{name}`")).hint(format!("looked in {}", searched.join(", "))),
            );
            return None;
        };
        if parents.len() > DEPENDENCIES_MAX {
            diagnostics.push(error(span, format!("role {name} depends on itself")));
            return None;
        }
        let mut read = |folder: &str, file: &str| {
            let found = role_file(&path.join(folder), file)?;
            yaml::load_one(&found, &self.keyring, diagnostics)
        };
        let meta = read("meta", "main");
        let specs = read("meta", "argument_specs");
        let specs = specs.as_ref().or(meta.as_ref()).and_then(|node| node.as_map()?.get("argument_specs").cloned());
        let (defaults, vars) = (read("defaults", &files.defaults), read("vars", &files.vars));
        let flag = |name: &str| {
            meta.as_ref()
                .and_then(|meta| meta.as_map()?.get(name).cloned())
                .is_some_and(|node| matches!(node.shape, crate::controller::source::Shape::Bool(true)))
        };
        let mut own_vars = Layer::new();
        for parent in parents.iter().rev() {
            own_vars.extend(parent.parameters.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        own_vars.extend(parameters);
        let mut role = Role {
            name: name.rsplit('/').next().unwrap_or(name).to_owned(),
            path: path.clone(),
            defaults: Arc::new(layer(defaults.as_ref())),
            vars: Arc::new(layer(vars.as_ref())),
            parameters: Arc::new(own_vars),
            allow_duplicates: flag("allow_duplicates"),
            meta: meta.clone(),
            argument_specs: specs,
            parents: parents.to_vec(),
            dependencies: Vec::new(),
        };
        let key = format!("{} {:?} {:?}", path.display(), role.parameters, keywords);
        let repeated = !seen.insert(key) && !role.allow_duplicates;
        let around = around.with(keywords.clone());
        let (mut items, mut handlers) = (Vec::new(), Vec::new());
        let dependencies = meta.as_ref().and_then(|meta| meta.as_map()?.get("dependencies").cloned());
        // Dependencies know who uses them; the role itself is only whole once it knows them.
        let mut chain = vec![Arc::new(role.clone())];
        chain.extend(parents.iter().cloned());
        for dependency in dependencies.iter().flat_map(|list| list.as_list().unwrap_or_default()) {
            if let Some(mut used) = self.role_use(dependency, &around, &chain, seen, diagnostics) {
                items.append(&mut used.items);
                handlers.append(&mut used.handlers);
                role.dependencies.push(used.role);
            }
        }
        let role = Arc::new(role);
        let inside = Surroundings { folder: path.join("tasks"), role: Some(role.clone()), ..around };
        match role_file(&path.join("tasks"), &files.tasks) {
            Some(_) if repeated => {}
            Some(file) => items.extend(self.task_file(&file, &inside, diagnostics)),
            None if files.tasks != "main" => {
                diagnostics.push(error(span, format!("role {name} has no tasks/{}", files.tasks)));
            }
            None => {}
        }
        if let Some(file) = role_file(&path.join("handlers"), &files.handlers)
            && !repeated
        {
            let inside = Surroundings { folder: path.join("handlers"), handler: true, ..inside };
            handlers.extend(self.task_file(&file, &inside, diagnostics));
        }
        Some(RoleUse { role, items, handlers, keywords, span: span.clone() })
    }

    fn role_folders(&self, around: &Surroundings) -> Vec<PathBuf> {
        let mut folders = vec![around.folder.join("roles")];
        if let Some(role) = &around.role {
            folders.extend(role.path.parent().map(Path::to_owned));
        }
        // `playbooks/x.yaml` with `roles/` beside `playbooks/` is how projects are laid out.
        folders.extend(around.folder.parent().map(|above| above.join("roles")));
        folders.push(around.folder.clone());
        folders.extend(self.roles_path.iter().cloned());
        folders
    }

    fn find_role(&self, name: &str, around: &Surroundings) -> Option<PathBuf> {
        if Path::new(name).is_absolute() {
            return Path::new(name).is_dir().then(|| PathBuf::from(name));
        }
        self.role_folders(around).iter().map(|folder| folder.join(name)).find(|path| path.is_dir())
    }
}
