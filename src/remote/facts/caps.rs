//! What the user's processes may do, in the kernel's own names for it.

use super::Gathering;

/// The facts that come from here.
pub(super) const GIVES: &[&str] = &["system_capabilities_enforced", "system_capabilities"];

pub(super) fn gather(facts: &mut Gathering<'_, '_>) {
    let said = facts.says(&["capsh", "--print"]).unwrap_or_default();
    let current = said.lines().find_map(|line| line.strip_prefix("Current:")).map(str::trim);
    let (enforced, list) = match current {
        None => ("N/A", Vec::new()),
        Some(list) if list.starts_with("=ep") => ("False", Vec::new()),
        Some(list) => {
            let names = list.trim_start_matches("= ").split(['+', '=']).next().unwrap_or_default();
            ("True", names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect())
        }
    };
    facts.set("system_capabilities_enforced", enforced);
    facts.set("system_capabilities", list);
}
