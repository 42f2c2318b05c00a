//! `serial` and `order`: which hosts do a play together.

use minijinja::Value;

use crate::controller::{
    playbook::Play,
    source::{Diagnostic, Diagnostics, Node, Shape},
    template,
};

/// Divides hosts into batches. Source: Ansible's `serial`: a number, a percentage, or a list of them of which the last repeats.
///
/// # Errors
/// When it is none of these.
pub(super) fn batches(play: &Play, hosts: &[String], context: &Value) -> Result<Vec<Vec<String>>, Diagnostics> {
    let hosts = ordered(play, hosts, context)?;
    let Some(node) = play.get("serial").filter(|node| !node.is_null()) else { return Ok(vec![hosts]) };
    let wrong = |node: &Node, message: String| Diagnostics { found: vec![Diagnostic::error(&node.span, message)] };
    let single = std::slice::from_ref(node);
    let entries = match &node.shape {
        Shape::List(items) => items,
        _ => single,
    };
    let mut sizes = Vec::new();
    for entry in entries {
        let value = template::lazy::value(entry, context)
            .map_err(|error| wrong(entry, format!("cannot work out serial: {error}")))?;
        let items: Vec<String> = match value.try_iter() {
            _ if template::special::is_omit(&value) => Vec::new(),
            Ok(items) if value.as_str().is_none() => items.map(|item| item.to_string()).collect(),
            _ => vec![value.to_string()],
        };
        for text in items.into_iter().filter(|text| !text.is_empty()) {
            sizes.push(
                size(&text, hosts.len())
                    .ok_or_else(|| wrong(entry, format!("serial must be numbers or percentages, not {text}")))?,
            );
        }
    }
    let mut rest = hosts.as_slice();
    let mut batches = Vec::new();
    let mut at = 0;
    while !rest.is_empty() {
        let size = sizes.get(at).or(sizes.last()).copied().unwrap_or(rest.len());
        let size = if size == 0 { rest.len() } else { size.min(rest.len()) };
        let (batch, behind) = rest.split_at(size);
        batches.push(batch.to_vec());
        rest = behind;
        at += 1;
    }
    Ok(batches)
}

/// A number, or a share of all that is at least one.
pub(super) fn size(text: &str, all: usize) -> Option<usize> {
    match text.trim().strip_suffix('%') {
        Some(share) => {
            let share: f64 = share.trim().parse().ok().filter(|share| *share >= 0.0)?;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a count of hosts"
            )]
            let count = (share / 100.0 * all as f64) as usize;
            Some(count.max(1))
        }
        None => text.trim().parse().ok(),
    }
}

/// What a play says of a keyword, rendered, and where.
pub(super) fn word(play: &Play, name: &str, context: &Value) -> Result<Option<(Node, String)>, Diagnostics> {
    let Some(node) = play.get(name).filter(|node| !node.is_null()) else { return Ok(None) };
    let value = template::lazy::value(node, context).and_then(|value| template::resolve(&value)).map_err(|error| {
        Diagnostics { found: vec![Diagnostic::error(&node.span, format!("cannot work out {name}: {error}"))] }
    })?;
    Ok(Some((node.clone(), value.to_string())))
}

fn ordered(play: &Play, hosts: &[String], context: &Value) -> Result<Vec<String>, Diagnostics> {
    let mut hosts = hosts.to_vec();
    let order = word(play, "order", context)?;
    match order.as_ref().map(|(node, word)| (node, word.as_str())) {
        None | Some((_, "inventory" | "" | "None")) => {}
        Some((_, "reverse_inventory")) => hosts.reverse(),
        Some((_, "sorted")) => hosts.sort(),
        Some((_, "reverse_sorted")) => {
            hosts.sort();
            hosts.reverse();
        }
        Some((_, "shuffle")) => {
            use rand::seq::SliceRandom;
            hosts.shuffle(&mut rand::rng());
        }
        Some((node, other)) => {
            let message = format!("unknown order `{other}`");
            let hint = "use inventory, reverse_inventory, sorted, reverse_sorted or shuffle";
            return Err(Diagnostics { found: vec![Diagnostic::error(&node.span, message).hint(hint)] });
        }
    }
    Ok(hosts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_numbers_or_shares() {
        assert_eq!(size("2", 10), Some(2));
        assert_eq!(size("30%", 10), Some(3));
        assert_eq!(size("1%", 10), Some(1));
        assert_eq!(size("x", 10), None);
    }
}
