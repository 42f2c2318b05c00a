//! Users and groups as the host's files have them and as earlier tasks are predicted to leave them.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::super::name_service;
use crate::{
    protocol::{Attributes, Effect, Json},
    remote::{Probe, machine::probe::Found},
};

/// A user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Login name.
    pub name: String,
    /// Number; not known while the user is only predicted without one.
    pub uid: Option<u32>,
    /// Number of the main group, likewise.
    pub gid: Option<u32>,
    /// The comment field.
    pub comment: String,
    /// Home directory.
    pub home: PathBuf,
    /// Login shell.
    pub shell: String,
    /// Further groups, sorted.
    pub groups: Vec<String>,
}

/// A group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Name.
    pub name: String,
    /// Number; not known while the group is only predicted without one.
    pub gid: Option<u32>,
    /// Its members by name, beyond those whose main group it is.
    pub members: Vec<String>,
}

impl Account {
    /// The user of that name.
    ///
    /// # Errors
    /// When the host's files cannot be read.
    pub fn find(probe: &Probe<'_>, name: &str) -> Found<Option<Self>> {
        match probe.assumed("user", name) {
            Some(Json::Null) => return Ok(None),
            Some(value) => {
                let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
                let number = |key: &str| value[key].as_u64().and_then(|number| u32::try_from(number).ok());
                let groups = value["groups"].as_array().map(Vec::as_slice).unwrap_or_default();
                return Ok(Some(Self {
                    name: name.to_owned(),
                    uid: number("uid"),
                    gid: number("gid"),
                    comment: text("comment"),
                    home: text("home").into(),
                    shell: text("shell"),
                    groups: groups.iter().filter_map(|group| group.as_str().map(str::to_owned)).collect(),
                }));
            }
            None => {}
        }
        let Some(mut account) = entry(probe, "/etc/passwd", "passwd", name)?.and_then(|line| parse(&line)) else {
            return Ok(None);
        };
        account.groups = all_groups(probe)?
            .into_iter()
            .filter(|group| group.members.iter().any(|member| member == name) && group.gid != account.gid)
            .map(|group| group.name)
            .collect();
        account.groups.sort();
        Ok(Some(account))
    }

    /// What a change says of the user afterwards.
    #[must_use]
    pub fn effect(&self) -> Effect {
        let value = json!({
            "uid": self.uid, "gid": self.gid, "comment": self.comment, "home": self.home,
            "shell": self.shell, "groups": self.groups,
        });
        Effect::new("user", &self.name, value)
    }

    /// Ownership by this user and its group; by name where the numbers are only known later.
    #[must_use]
    pub fn owns(&self, mode: u32) -> Attributes {
        Attributes {
            mode: Some(mode),
            uid: self.uid,
            gid: self.gid,
            owner: self.uid.is_none().then(|| self.name.clone()),
            // A new user's own group is called like the user where nothing else was asked for.
            group: self.gid.is_none().then(|| self.name.clone()),
            ..Attributes::default()
        }
    }
}

impl Group {
    /// The group of that name, or of that number written out.
    ///
    /// # Errors
    /// When the host's files cannot be read.
    pub fn find(probe: &Probe<'_>, name: &str) -> Found<Option<Self>> {
        match probe.assumed("group", name) {
            Some(Json::Null) => return Ok(None),
            Some(value) => {
                let gid = value["gid"].as_u64().and_then(|gid| u32::try_from(gid).ok());
                return Ok(Some(Self { name: name.to_owned(), gid, members: Vec::new() }));
            }
            None => {}
        }
        if let Some(line) = entry(probe, "/etc/group", "group", name)? {
            return Ok(parse_group(&line));
        }
        let gid = name.parse().ok();
        Ok(all_groups(probe)?.into_iter().find(|group| gid.is_some() && group.gid == gid))
    }

    /// What a change says of the group afterwards.
    #[must_use]
    pub fn effect(&self) -> Effect {
        Effect::new("group", &self.name, json!({"gid": self.gid}))
    }
}

fn all_groups(probe: &Probe<'_>) -> Found<Vec<Group>> {
    let text = read(probe, "/etc/group")?;
    Ok(text.lines().filter_map(parse_group).collect())
}

fn read(probe: &Probe<'_>, path: &str) -> Found<String> {
    if probe.exists(Path::new(path))? { probe.read_text(Path::new(path)) } else { Ok(String::new()) }
}

/// The line of a name: from the file, else from wherever else the host looks (LDAP, for one).
fn entry(probe: &Probe<'_>, file: &str, database: &str, name: &str) -> Found<Option<String>> {
    let text = read(probe, file)?;
    if let Some(line) = text.lines().find(|line| line.split(':').next() == Some(name)) {
        return Ok(Some(line.to_owned()));
    }
    // Numbers are names there, too; a name that only looks like one is not meant.
    let line = name_service::line(probe, database, name)?;
    Ok(line.filter(|line| line.split(':').next() == Some(name)))
}

fn parse(line: &str) -> Option<Account> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, uid, gid, comment, home, shell] = fields.as_slice() else { return None };
    Some(Account {
        name: (*name).to_owned(),
        uid: uid.parse().ok(),
        gid: gid.parse().ok(),
        comment: (*comment).to_owned(),
        home: home.into(),
        shell: (*shell).to_owned(),
        groups: Vec::new(),
    })
}

fn parse_group(line: &str) -> Option<Group> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, gid, members] = fields.as_slice() else { return None };
    let members = members.split(',').filter(|member| !member.is_empty()).map(str::to_owned).collect();
    Some(Group { name: (*name).to_owned(), gid: gid.parse().ok(), members })
}
