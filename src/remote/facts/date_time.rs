//! The host's clock, in its own time zone and in UTC.

use crate::protocol::{Json, Map};

use super::Gathering;

const LOCAL: &[(&str, &str)] = &[
    ("year", "%Y"),
    ("month", "%m"),
    ("weekday", "%A"),
    ("weekday_number", "%w"),
    ("weeknumber", "%W"),
    ("day", "%d"),
    ("hour", "%H"),
    ("minute", "%M"),
    ("second", "%S"),
    ("epoch", "%s"),
    ("epoch_int", "%s"),
    ("date", "%Y-%m-%d"),
    ("time", "%H:%M:%S"),
    ("iso8601_basic_short", "%Y%m%dT%H%M%S"),
    ("tz", "%Z"),
    ("tz_dst", "%Z"),
    ("tz_offset", "%z"),
];

/// The facts that come from here.
pub(super) const GIVES: &[&str] = &["date_time"];

pub(super) fn gather(facts: &mut Gathering<'_, '_>) {
    let now = facts.probe.now();
    let seconds = (now / 1_000_000_000).to_string();
    let micros = now / 1000 % 1_000_000;
    let formats: Vec<&str> = LOCAL.iter().map(|(_, format)| *format).collect();
    let at = format!("@{seconds}");
    let local = facts.says(&["date", "-d", &at, &format!("+{}", formats.join("|"))]);
    let utc = facts.says(&["date", "-u", "-d", &at, "+%Y-%m-%dT%H:%M:%S"]);
    let mut time = Map::new();
    for ((name, _), value) in LOCAL.iter().zip(local.unwrap_or_default().trim().split('|')) {
        time.insert((*name).to_owned(), Json::from(value));
    }
    if let (Some(Json::String(date)), Some(Json::String(clock))) = (time.get("date"), time.get("time")) {
        let basic = format!("{}T{}{micros:06}", date.replace('-', ""), clock.replace(':', ""));
        time.insert("iso8601_basic".to_owned(), basic.into());
    }
    if let Some(utc) = utc {
        time.insert("iso8601".to_owned(), format!("{}Z", utc.trim()).into());
        time.insert("iso8601_micro".to_owned(), format!("{}.{micros:06}Z", utc.trim()).into());
    }
    facts.set("date_time", time);
}
