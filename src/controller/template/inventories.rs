//! Templates in inventories, which know no play and no host yet.

use super::{engine, lazy, resolve, to_json};
use crate::{
    controller::{
        inventory::{Vars, plugins::Templates},
        source::Node,
        variables::{Layer, Scope, Var},
    },
    protocol::Json,
};

/// Works templates in inventories out.
#[derive(Clone, Debug, Default)]
pub struct Inventories {
    /// What all of them may use: the command line's variables.
    pub vars: Layer,
    /// Whether mappings that several sources give are merged.
    pub merge: bool,
}

impl Inventories {
    fn context(&self, vars: &Vars) -> minijinja::Value {
        let layer: Layer = vars.iter().map(|(name, node)| (name.clone(), Var::Node(node.clone()))).collect();
        lazy::context(&Scope::default().over(layer).over(self.vars.clone()))
    }
}

impl Templates for Inventories {
    fn merges(&self) -> bool {
        self.merge
    }

    fn render(&self, node: &Node, vars: &Vars) -> Result<Json, String> {
        let value = lazy::value(node, &self.context(vars)).and_then(|value| resolve(&value));
        value.and_then(|value| to_json(&value)).map_err(|error| error.message)
    }

    fn evaluate(&self, expression: &str, vars: &Vars) -> Result<Json, String> {
        let value = engine::evaluate(expression, &self.context(vars)).and_then(|value| resolve(&value));
        value.and_then(|value| to_json(&value)).map_err(|error| error.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::{inventory::Inventory, source::Diagnostics, vault::Keyring};

    fn groups(files: &[(&str, &str)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let sources: Vec<String> = files
            .iter()
            .map(|(name, text)| {
                let path = folder.path().join(name);
                std::fs::write(&path, text).unwrap();
                path.display().to_string()
            })
            .collect();
        let mut diagnostics = Diagnostics::default();
        let inventory = Inventory::load_with(&sources, &Keyring::default(), &Inventories::default(), &mut diagnostics);
        assert!(!diagnostics.has_errors(), "{:?}", diagnostics.found);
        let hosts = |name: &str| inventory.hosts_of(name).iter().map(|host| host.name.to_string()).collect::<Vec<_>>();
        inventory.groups.keys().map(|name| format!("{name}: {}", hosts(name).join(" "))).collect()
    }

    #[test]
    fn layers_make_hosts_with_groups_above_them() {
        let text = "plugin: generator\nhosts:\n  name: '{{ a }}_{{ b }}'\n  parents:\n    - name: '{{ a }}'\n      parents: [{name: top}]\nlayers: {a: [x, y], b: [1, 2]}\n";
        let all = groups(&[("g.yml", text)]);
        assert!(all.contains(&"x: x_1 x_2".to_owned()) && all.contains(&"top: x_1 x_2 y_1 y_2".to_owned()), "{all:?}");
    }

    #[test]
    fn what_is_known_of_hosts_makes_groups_and_variables() {
        let hosts = "web1 size=2 zone=eu\nweb2 size=5 zone=us\n";
        let text = "plugin: constructed\ncompose: {double: size * 2}\ngroups: {big: double > 5}\nkeyed_groups:\n  - {key: zone, prefix: zone, parent_group: zones}\n  - {key: nothing}\n";
        let all = groups(&[("a.ini", hosts), ("b.yml", text)]);
        for group in ["big: web2", "zone_eu: web1", "zone_us: web2", "zones: web1 web2"] {
            assert!(all.contains(&group.to_owned()), "{group}: {all:?}");
        }
    }

    #[test]
    fn tables_are_groups() {
        let text = "[web]\nchildren = ['front']\n[web.vars]\nport = 80\n[front.hosts]\n\"f[1:2]\" = {}\n";
        let all = groups(&[("i.toml", text)]);
        assert!(all.contains(&"web: f1 f2".to_owned()), "{all:?}");
    }
}
