//! Facts that are kept from one run to the next: a JSON file for each host, as Ansible's `jsonfile` cache has them.

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
    time::{Duration, SystemTime},
};

use crate::protocol::{Json, Map};

/// Where facts are kept, and how long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FactCache {
    /// The folder.
    pub folder: PathBuf,
    /// What file names begin with.
    pub prefix: String,
    /// Seconds after which facts count no more; 0 for never.
    pub timeout: u64,
}

impl FactCache {
    /// The file of a host; none for a name that would lead elsewhere.
    fn path(&self, host: &str) -> Option<PathBuf> {
        let name = format!("{}{host}", self.prefix);
        (!name.contains('/') && !name.starts_with('.')).then(|| self.folder.join(name))
    }

    /// What is known of a host, unless it is too old.
    #[must_use]
    pub fn load(&self, host: &str) -> Option<Map> {
        let path = self.path(host)?;
        let written = fs::metadata(&path).ok()?.modified().ok()?;
        let age = SystemTime::now().duration_since(written).unwrap_or_default();
        if self.timeout > 0 && age > Duration::from_secs(self.timeout) {
            return None;
        }
        match serde_json::from_slice(&fs::read(path).ok()?).ok()? {
            Json::Object(facts) => Some(facts),
            _ => None,
        }
    }

    /// Keeps what is known of a host.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep(&self, host: &str, facts: &Map) -> io::Result<()> {
        let Some(path) = self.path(host) else { return Ok(()) };
        fs::create_dir_all(&self.folder)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(&serde_json::to_vec_pretty(facts)?)?;
        file.persist(path).map(drop).map_err(|error| error.error)
    }

    /// Forgets a host.
    pub fn forget(&self, host: &str) {
        if let Some(path) = self.path(host) {
            // What is not there is forgotten already.
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn facts_come_back_until_they_are_too_old_or_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let cache = FactCache { folder: folder.path().join("facts"), prefix: "p_".to_owned(), timeout: 60 };
        let facts = Map::from_iter([("ansible_a".to_owned(), json!([1]))]);
        assert_eq!(cache.load("web"), None);
        cache.keep("web", &facts).unwrap();
        assert_eq!(cache.load("web"), Some(facts));
        assert!(folder.path().join("facts/p_web").is_file());
        let old = SystemTime::now() - Duration::from_secs(61);
        fs::File::options().write(true).open(folder.path().join("facts/p_web")).unwrap().set_modified(old).unwrap();
        assert_eq!(cache.load("web"), None);
        cache.forget("web");
        assert!(!folder.path().join("facts/p_web").exists());
    }

    #[test]
    fn no_name_of_a_host_leads_out_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let cache = FactCache { folder: folder.path().join("in"), ..FactCache::default() };
        cache.keep("../out", &Map::new()).unwrap();
        assert!(!folder.path().join("out").exists());
    }
}
