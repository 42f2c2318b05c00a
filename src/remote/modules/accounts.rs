//! Users and groups by name and number, predicted ones included.

use std::path::Path;

use super::name_service;
use crate::{
    protocol::Json,
    remote::{Probe, Stop, machine::probe::Found},
};

/// Who a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// This number.
    Id(u32),
    /// A name that another change is going to make.
    Predicted(String),
}

/// The user of that name or number.
///
/// # Errors
/// When there is no such user.
pub fn user(probe: &Probe<'_>, name: &str) -> Found<Account> {
    look_up(probe, "user", "passwd", name)
}

/// The group of that name or number.
///
/// # Errors
/// When there is no such group.
pub fn group(probe: &Probe<'_>, name: &str) -> Found<Account> {
    look_up(probe, "group", "group", name)
}

/// The name of a user, where the host knows one.
pub fn user_name(probe: &Probe<'_>, uid: u32) -> Option<String> {
    line(probe, "passwd", |fields| fields.get(2) == Some(&uid.to_string().as_str()))?.into_iter().next()
}

/// The name of a group, where the host knows one.
pub fn group_name(probe: &Probe<'_>, gid: u32) -> Option<String> {
    line(probe, "group", |fields| fields.get(2) == Some(&gid.to_string().as_str()))?.into_iter().next()
}

/// The home of a user; without a name, of the one that runs this.
pub fn home(probe: &Probe<'_>, user: Option<&str>) -> Option<String> {
    if user.is_none()
        && let Some(home) = probe.variable("HOME")
    {
        return Some(home);
    }
    let uid = probe.uid().to_string();
    let found = |fields: &[&str]| match user {
        Some(user) => fields.first() == Some(&user),
        None => fields.get(2) == Some(&uid.as_str()),
    };
    line(probe, "passwd", found)?.into_iter().nth(5)
}

/// The main group of a user.
pub fn main_group(probe: &Probe<'_>, uid: u32) -> Option<u32> {
    line(probe, "passwd", |fields| fields.get(2) == Some(&uid.to_string().as_str()))?.get(3)?.parse().ok()
}

fn look_up(probe: &Probe<'_>, domain: &str, database: &str, name: &str) -> Found<Account> {
    let missing = || Stop::failed(format!("failed to look up {domain} {name}: the host knows no such {domain}"));
    match probe.assumed(domain, name) {
        Some(Json::Null) => return Err(missing()),
        // A prediction that only changes an account knows its number.
        Some(value) => {
            let id = value.get(if domain == "user" { "uid" } else { "gid" }).and_then(Json::as_u64);
            let id = id.and_then(|id| u32::try_from(id).ok());
            return Ok(id.map_or_else(|| Account::Predicted(name.to_owned()), Account::Id));
        }
        None => {}
    }
    let by_name =
        line(probe, database, |fields| fields.first() == Some(&name)).and_then(|fields| fields.get(2)?.parse().ok());
    if let Some(id) = by_name.or_else(|| name.parse().ok()) {
        return Ok(Account::Id(id));
    }
    let served = name_service::line(probe, database, name).ok().flatten();
    match served.and_then(|line| line.split(':').nth(2)?.trim().parse().ok()) {
        Some(id) => Ok(Account::Id(id)),
        // By convention packages bring the accounts that they need.
        None if probe.awaits_packages() => Ok(Account::Predicted(name.to_owned())),
        None => Err(missing()),
    }
}

fn line(probe: &Probe<'_>, database: &str, wanted: impl Fn(&[&str]) -> bool) -> Option<Vec<String>> {
    let text = probe.read_text(&Path::new("/etc").join(database)).ok()?;
    text.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        wanted(&fields).then(|| fields.into_iter().map(str::to_owned).collect())
    })
}

/// Whether a user is in a group, as its main one or as a member.
pub fn is_member(probe: &Probe<'_>, uid: u32, gid: u32) -> bool {
    if main_group(probe, uid) == Some(gid) {
        return true;
    }
    let Some(name) = user_name(probe, uid) else { return false };
    line(probe, "group", |fields| fields.get(2) == Some(&gid.to_string().as_str()))
        .and_then(|fields| fields.into_iter().nth(3))
        .is_some_and(|members| members.split(',').any(|member| member == name))
}
