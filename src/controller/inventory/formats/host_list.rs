//! Hosts named on the command line: `-i web1,web2:2222,`.

use super::named_hosts;
use crate::controller::{
    inventory::Inventory,
    source::{Diagnostics, Span},
};

/// Adds each host between the commas.
pub fn read(list: &str, inventory: &mut Inventory, diagnostics: &mut Diagnostics) {
    let whole = Span::synthetic("command line", list);
    let (mut start, mut column) = (0, 1);
    for entry in list.split(',') {
        let span = Span { start, end: start + entry.len(), column, ..whole.clone() };
        start += entry.len() + 1;
        column += u32::try_from(entry.chars().count() + 1).unwrap_or_default();
        let name = entry.trim();
        if !name.is_empty()
            && let Err(finding) = named_hosts(name, &span, None, inventory)
        {
            diagnostics.push(finding);
        }
    }
}
