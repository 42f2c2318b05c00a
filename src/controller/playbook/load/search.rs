//! Where roles are: beside the playbook, in configured folders, beside the role that asks, in collections.

use std::path::{Path, PathBuf};

use super::{Loader, Surroundings};
use crate::controller::{
    playbook::{Keywords, keywords::innermost},
    source::Node,
};

/// A role that was found.
pub(super) struct Found {
    /// Its name as it is shown.
    pub name: String,
    /// `namespace.collection`, in one.
    pub collection: Option<String>,
    /// Its folder.
    pub path: PathBuf,
}

impl Loader {
    /// The folders in which a role is looked for, in their order.
    pub(super) fn role_folders(&self, around: &Surroundings) -> Vec<PathBuf> {
        let mut folders = vec![around.base.join("roles")];
        if let Some(role) = &around.role {
            folders.extend(role.path.parent().map(Path::to_owned));
        }
        folders.push(around.folder.join("roles"));
        // `playbooks/x.yaml` with `roles/` beside `playbooks/` is how projects are laid out.
        folders.extend(around.base.parent().map(|above| above.join("roles")));
        folders.extend(self.roles_path.iter().cloned());
        folders.push(around.base.clone());
        let mut known = std::collections::HashSet::new();
        folders.retain(|folder| known.insert(folder.clone()));
        folders
    }

    /// The role of a name: a path, `namespace.collection.role`, or a name in one of the folders.
    pub(super) fn find_role(&self, name: &str, around: &Surroundings) -> Option<Found> {
        let last =
            || Path::new(name).file_name().map_or_else(|| name.to_owned(), |name| name.to_string_lossy().into_owned());
        if Path::new(name).is_absolute() {
            return Path::new(name).is_dir().then(|| Found {
                name: last(),
                collection: None,
                path: PathBuf::from(name),
            });
        }
        if let [namespace, collection, role] = name.split('.').collect::<Vec<_>>()[..]
            && let Some(found) = self.in_collection(&format!("{namespace}.{collection}"), role, around)
        {
            return Some(found);
        }
        let said = innermost(around.levels.iter().map(|level| -> &Keywords { level }), "collections");
        let own = around.role.as_ref().and_then(|role| role.collection.clone());
        let said =
            said.and_then(Node::as_list).unwrap_or_default().iter().filter_map(|node| Some(node.as_str()?.to_owned()));
        for collection in own.into_iter().chain(said) {
            if let Some(found) = self.in_collection(&collection, name, around) {
                return Some(found);
            }
        }
        let found = self.role_folders(around).iter().map(|folder| folder.join(name)).find(|path| path.is_dir());
        found.map(|path| Found { name: name.to_owned(), collection: None, path }).or_else(|| {
            let path = PathBuf::from(name);
            path.is_dir().then(|| Found { name: last(), collection: None, path })
        })
    }

    fn in_collection(&self, collection: &str, role: &str, around: &Surroundings) -> Option<Found> {
        let path = self.collection_path(collection, &around.base)?.join("roles").join(role);
        path.is_dir().then(|| Found {
            name: format!("{collection}.{role}"),
            collection: Some(collection.to_owned()),
            path,
        })
    }

    /// The folder of an installed collection, `namespace.collection`.
    pub(super) fn collection_path(&self, collection: &str, base: &Path) -> Option<PathBuf> {
        let (namespace, name) = collection.split_once('.')?;
        let beside = base.join("collections");
        std::iter::once(&beside)
            .chain(&self.collections_path)
            .map(|folder| folder.join("ansible_collections").join(namespace).join(name))
            .find(|path| path.is_dir())
    }
}
