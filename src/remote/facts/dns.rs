//! How names are resolved.

use crate::protocol::{Json, Map};

use super::Gathering;

/// The facts that come from here.
pub(super) const GIVES: &[&str] = &["dns"];

pub(super) fn gather(facts: &mut Gathering<'_, '_>) {
    let mut dns = Map::new();
    for line in facts.text("/etc/resolv.conf").unwrap_or_default().lines() {
        let mut words = line.split_whitespace();
        let Some(keyword) = words.next() else { continue };
        let words: Vec<&str> = words.collect();
        match keyword {
            "nameserver" => {
                let list = dns.entry("nameservers").or_insert_with(|| Json::Array(Vec::new()));
                if let Json::Array(list) = list {
                    list.extend(words.iter().map(|word| Json::from(*word)));
                }
            }
            "domain" => {
                dns.insert("domain".to_owned(), words.first().copied().into());
            }
            "search" | "sortlist" => {
                dns.insert(keyword.to_owned(), words.into());
            }
            "options" => {
                let options: Map = words
                    .iter()
                    .map(|word| match word.split_once(':') {
                        Some((name, value)) => (name.to_owned(), Json::from(value)),
                        None => ((*word).to_owned(), Json::Bool(true)),
                    })
                    .collect();
                dns.insert("options".to_owned(), options.into());
            }
            _ => {}
        }
    }
    facts.set("dns", dns);
}
