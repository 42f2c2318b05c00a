//! Owner, group and permissions, as every module that makes files takes, compares and returns them.

use std::path::Path;

use super::{
    accounts::{self, Account},
    flags,
};
use crate::{
    options,
    protocol::{Attributes, Change},
    remote::{
        Mode, Plan, Probe, Stop,
        machine::{
            predict::placeholder,
            probe::Found,
            system::{FileKind, Stat},
        },
    },
};

options! {
    /// Attributes that a file or directory should have.
    pub struct FileAttributes {
        /// Permissions: octal in quotes (`'0644'`), symbolic (`u=rw,g=r`), or `preserve` for those of the source where there is one.
        mode: Option<Mode>,
        /// Name or number of the owner.
        owner: Option<String>,
        /// Name or number of the group.
        group: Option<String>,
        /// Attributes of the file system as `chattr` takes them: `+i`, `-a`, `=e`; without a sign they are all there are.
        attributes: Option<String> [attr],
        /// User of the `SELinux` context; not looked at where `SELinux` is off.
        seuser: Option<String>,
        /// Role of the `SELinux` context, likewise.
        serole: Option<String>,
        /// Type of the `SELinux` context, likewise.
        setype: Option<String>,
        /// Level of the `SELinux` context, likewise.
        selevel: Option<String>,
        /// Write into the existing file when it cannot be replaced atomically, as with a file that is mounted into a container.
        unsafe_writes: bool = false,
    }
}

impl FileAttributes {
    /// Asks for nothing.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            mode: None,
            owner: None,
            group: None,
            attributes: None,
            seuser: None,
            serole: None,
            setype: None,
            selevel: None,
            unsafe_writes: false,
        }
    }

    /// What something new gets: `bits` unless a mode is asked for; symbolic modes start from `bits`.
    ///
    /// # Errors
    /// When the owner or group does not exist.
    pub fn fresh(&self, probe: &Probe<'_>, bits: u32, directory: bool) -> Found<Attributes> {
        let mode = match &self.mode {
            Some(mode) => mode.bits(bits, directory, probe.umask()).map_err(Stop::failed)?,
            None => bits,
        };
        let mut attributes = Attributes { mode: Some(mode), ..Attributes::default() };
        self.ownership(probe, &mut attributes)?;
        Ok(attributes)
    }

    /// What has to change on something that is there; all `None` when nothing has to.
    ///
    /// # Errors
    /// When the owner or group does not exist.
    pub fn differing(&self, probe: &Probe<'_>, stat: &Stat) -> Found<Attributes> {
        let mut attributes = Attributes::default();
        // A symbolic link has no permissions of its own.
        if let Some(mode) = &self.mode
            && stat.kind != FileKind::Symlink
        {
            let bits = mode.bits(stat.mode, stat.kind == FileKind::Directory, probe.umask()).map_err(Stop::failed)?;
            attributes.mode = (bits != stat.mode).then_some(bits);
        }
        self.ownership(probe, &mut attributes)?;
        attributes.uid = attributes.uid.filter(|uid| *uid != stat.uid);
        attributes.gid = attributes.gid.filter(|gid| *gid != stat.gid);
        attributes.owner = attributes.owner.filter(|name| placeholder(name) != stat.uid);
        attributes.group = attributes.group.filter(|name| placeholder(name) != stat.gid);
        Ok(attributes)
    }

    /// What a prediction can do without: owners and groups that nobody knows, with what is to be said of them.
    pub fn without_strangers(&self, probe: &Probe<'_>) -> (Self, Vec<String>) {
        let (mut known, mut warnings) = (self.clone(), Vec::new());
        if !probe.predicting() {
            return (known, warnings);
        }
        let number = |name: &Option<String>| name.as_deref().and_then(|name| name.parse::<u32>().ok());
        if let Some(uid) = number(&self.owner) {
            if accounts::user_name(probe, uid).is_none() {
                warnings.push(format!("failed to look up user with uid {uid}"));
            }
        } else if let Some(Err(Stop::Failed(failure, _))) =
            self.owner.as_deref().map(|name| accounts::user(probe, name))
        {
            warnings.push(failure.message);
            known.owner = None;
        }
        if let Some(gid) = number(&self.group) {
            if accounts::group_name(probe, gid).is_none() {
                warnings.push(format!("failed to look up group with gid {gid}"));
            }
        } else if let Some(Err(Stop::Failed(failure, _))) =
            self.group.as_deref().map(|name| accounts::group(probe, name))
        {
            warnings.push(failure.message);
            known.group = None;
        }
        (known, warnings)
    }

    fn ownership(&self, probe: &Probe<'_>, attributes: &mut Attributes) -> Found<()> {
        match self
            .owner
            .as_deref()
            .filter(|name| !name.is_empty())
            .map(|name| accounts::user(probe, name))
            .transpose()?
        {
            Some(Account::Id(uid)) => attributes.uid = Some(uid),
            Some(Account::Predicted(name)) => attributes.owner = Some(name),
            None => {}
        }
        match self
            .group
            .as_deref()
            .filter(|name| !name.is_empty())
            .map(|name| accounts::group(probe, name))
            .transpose()?
        {
            Some(Account::Id(gid)) => attributes.gid = Some(gid),
            Some(Account::Predicted(name)) => attributes.group = Some(name),
            None => {}
        }
        Ok(())
    }

    /// The same with another mode.
    #[must_use]
    pub fn with_mode(&self, mode: Option<Mode>) -> Self {
        Self { mode, ..self.clone() }
    }
}

/// Permissions of a new file before anyone asks for others.
pub fn new_file_bits(probe: &Probe<'_>) -> u32 {
    0o666 & !probe.umask()
}

/// Permissions of a new directory before anyone asks for others.
pub fn new_directory_bits(probe: &Probe<'_>) -> u32 {
    0o777 & !probe.umask()
}

/// Whether there is nothing to set.
pub fn nothing(attributes: &Attributes) -> bool {
    Attributes { follow: false, ..attributes.clone() } == Attributes::default()
}

/// What a replaced file had, with `wanted` on top: everything that a new file in its place has to be given.
pub fn kept(stat: &Stat, wanted: Attributes) -> Attributes {
    Attributes {
        mode: wanted.mode.or(Some(stat.mode)),
        uid: wanted.uid.or_else(|| wanted.owner.is_none().then_some(stat.uid)),
        gid: wanted.gid.or_else(|| wanted.group.is_none().then_some(stat.gid)),
        ..wanted
    }
}

/// Plans what has to change on something that is there, with its diff.
///
/// # Errors
/// When the owner or group does not exist.
pub fn adjust(plan: &mut Plan, probe: &Probe<'_>, path: &Path, stat: &Stat, wanted: &FileAttributes) -> Found<()> {
    let attributes = wanted.differing(probe, stat)?;
    if !nothing(&attributes) {
        show_difference(plan, probe, path, stat, &attributes);
        plan.push(Change::Attributes { path: path.to_owned(), attributes });
    }
    flags::adjust(plan, probe, path, wanted.attributes.as_deref())
}

/// Adds the difference that setting attributes makes.
pub fn show_difference(plan: &mut Plan, probe: &Probe<'_>, path: &Path, stat: &Stat, wanted: &Attributes) {
    let mut before = String::new();
    let mut after = String::new();
    let mut row = |name: &str, old: String, new: String| {
        before.extend([name, ": ", &old, "\n"]);
        after.extend([name, ": ", &new, "\n"]);
    };
    if let Some(mode) = wanted.mode {
        row("mode", format!("'{:04o}'", stat.mode), format!("'{mode:04o}'"));
    }
    let user = |uid| accounts::user_name(probe, uid).unwrap_or_else(|| uid.to_string());
    let group = |gid| accounts::group_name(probe, gid).unwrap_or_else(|| gid.to_string());
    if let Some(name) = wanted.owner.clone().or_else(|| wanted.uid.map(user)) {
        row("owner", user(stat.uid), name);
    }
    if let Some(name) = wanted.group.clone().or_else(|| wanted.gid.map(group)) {
        row("group", group(stat.gid), name);
    }
    if wanted.atime.is_some() {
        row("atime", stat.atime.to_string(), wanted.atime.unwrap_or_default().to_string());
    }
    if wanted.mtime.is_some() {
        row("mtime", stat.mtime.to_string(), wanted.mtime.unwrap_or_default().to_string());
    }
    plan.diff(path.to_string_lossy(), before, after);
}

/// Ansible's word for what is at a path.
pub fn state_word(stat: Option<&Stat>) -> &'static str {
    match stat {
        None => "absent",
        Some(stat) => match stat.kind {
            FileKind::Directory => "directory",
            FileKind::Symlink => "link",
            _ if stat.links > 1 => "hard",
            _ => "file",
        },
    }
}

/// Returns `uid`, `gid`, `owner`, `group`, `mode`, `size` and `state` of what is at a path.
///
/// # Errors
/// When it cannot be looked at.
pub fn describe(plan: &mut Plan, probe: &Probe<'_>, path: &Path) -> Found<()> {
    describe_stat(plan, probe, probe.stat(path)?.as_ref());
    Ok(())
}

/// The same of something that was looked at before.
pub fn describe_stat(plan: &mut Plan, probe: &Probe<'_>, stat: Option<&Stat>) {
    plan.set("state", state_word(stat));
    if let Some(stat) = stat {
        plan.set("uid", stat.uid);
        plan.set("gid", stat.gid);
        plan.set("owner", accounts::user_name(probe, stat.uid).unwrap_or_else(|| stat.uid.to_string()));
        plan.set("group", accounts::group_name(probe, stat.gid).unwrap_or_else(|| stat.gid.to_string()));
        plan.set("mode", format!("0{:03o}", stat.mode));
        plan.set("size", stat.size);
    }
}

/// What something that is there will look like once attributes are set.
#[must_use]
pub fn once_set(stat: &Stat, attributes: &Attributes) -> Stat {
    Stat {
        mode: attributes.mode.unwrap_or(stat.mode),
        uid: attributes.uid.unwrap_or(stat.uid),
        gid: attributes.gid.unwrap_or(stat.gid),
        ..*stat
    }
}
