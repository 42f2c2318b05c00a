//! Block devices and their partitions.

use serde_json::json;

use crate::protocol::{Json, Map};

use super::Gathering;

const SECTOR: u64 = 512;

/// The facts that come from here.
pub(super) const GIVES: &[&str] = &["devices"];

pub(super) fn gather(facts: &mut Gathering<'_, '_>) {
    let mut devices = Map::new();
    for name in facts.names("/sys/block") {
        let directory = format!("/sys/block/{name}");
        let read = |file: &str| facts.line(format!("{directory}/{file}"));
        let sectors: u64 = read("size").and_then(|size| size.parse().ok()).unwrap_or_default();
        let mut partitions = Map::new();
        for part in facts.names(&directory).into_iter().filter(|part| part.starts_with(&name)) {
            let size: u64 = read(&format!("{part}/size")).and_then(|size| size.parse().ok()).unwrap_or_default();
            let partition = json!({
                "start": read(&format!("{part}/start")), "sectors": size.to_string(),
                "sectorsize": SECTOR, "size": human(size * SECTOR),
            });
            partitions.insert(part, partition);
        }
        let device = json!({
            "virtual": u8::from(!facts.exists(format!("{directory}/device"))),
            "model": read("device/model"),
            "vendor": read("device/vendor"),
            "removable": read("removable"),
            "rotational": read("queue/rotational"),
            "sectors": sectors.to_string(),
            "sectorsize": read("queue/logical_block_size"),
            "size": human(sectors * SECTOR),
            "holders": facts.names(format!("{directory}/holders")),
            "partitions": partitions,
        });
        devices.insert(name, device);
    }
    facts.set("devices", Json::Object(devices));
}

/// Bytes in the largest binary unit that leaves a whole part, with two digits behind the point.
fn human(bytes: u64) -> String {
    for (shift, unit) in [(40, "TB"), (30, "GB"), (20, "MB"), (10, "KB")] {
        if bytes >> shift > 0 {
            let hundredths = (u128::from(bytes) * 100) >> shift;
            return format!("{}.{:02} {unit}", hundredths / 100, hundredths % 100);
        }
    }
    format!("{bytes}.00 Bytes")
}
