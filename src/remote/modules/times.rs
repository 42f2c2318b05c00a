//! Access and modification times as the `file` module takes them.

use super::clock;
use crate::{
    options,
    protocol::Attributes,
    remote::{
        Probe, Stop,
        machine::{probe::Found, system::Stat},
    },
};

options! {
    /// Times that a file should have.
    pub struct Times {
        /// When the content last changed: a time in `modification_time_format`, `now`, or `preserve`.
        modification_time: Option<String>,
        /// How `modification_time` is written, with the letters of strftime(3).
        modification_time_format: String = "%Y%m%d%H%M.%S",
        /// When it was last read: a time in `access_time_format`, `now`, or `preserve`.
        access_time: Option<String>,
        /// How `access_time` is written.
        access_time_format: String = "%Y%m%d%H%M.%S",
    }
}

/// Times to set, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WantedTimes {
    atime: Option<i128>,
    mtime: Option<i128>,
}

impl WantedTimes {
    /// Adds the times to other attributes.
    pub fn put_into(self, attributes: &mut Attributes) {
        attributes.atime = self.atime;
        attributes.mtime = self.mtime;
    }
}

impl Times {
    /// The times that differ from those of `stat`; a touch means now where nothing else is said.
    ///
    /// # Errors
    /// A time that is not written as its format says.
    pub fn wanted(&self, probe: &Probe<'_>, stat: Option<&Stat>, touch: bool) -> Found<WantedTimes> {
        let now = probe.now();
        let time = |given: &Option<String>, format: &str| -> Found<Option<i128>> {
            match given.as_deref() {
                None if touch => Ok(Some(now)),
                None | Some("" | "preserve") => Ok(None),
                Some("now") => Ok(Some(now)),
                Some(text) => local(probe, text, format).map(Some),
            }
        };
        let mtime = time(&self.modification_time, &self.modification_time_format)?;
        let atime = time(&self.access_time, &self.access_time_format)?;
        Ok(WantedTimes {
            atime: atime.filter(|atime| stat.is_none_or(|stat| stat.atime != *atime)),
            mtime: mtime.filter(|mtime| stat.is_none_or(|stat| stat.mtime != *mtime)),
        })
    }
}

/// A time as the host's clock on the wall shows it.
fn local(probe: &Probe<'_>, text: &str, format: &str) -> Found<i128> {
    let wrong = || Stop::failed(format!("cannot read the time {text} with the format {format}"));
    let fields = parse(text, format).ok_or_else(wrong)?;
    let [year, month, day, hour, minute, second] = fields;
    let utc = clock::since_1970(year, month, day, hour, minute, second).ok_or_else(wrong)?;
    let civil = format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}");
    // Only the host knows its time zone and its history.
    let asked = probe.query(&["date", "-d", &civil, "+%s"]).ok().filter(|output| output.code == 0);
    let seconds = asked.and_then(|output| output.stdout.trim().parse::<i128>().ok());
    Ok(seconds.map_or(utc, |seconds| seconds * 1_000_000_000))
}

fn parse(text: &str, format: &str) -> Option<[i128; 6]> {
    let mut fields = [1900, 1, 1, 0, 0, 0];
    let mut rest = text;
    let mut pattern = format.chars();
    while let Some(character) = pattern.next() {
        if character != '%' {
            rest = rest.strip_prefix(character)?;
            continue;
        }
        let (index, width) = match pattern.next()? {
            'Y' => (0, 4),
            'y' => (0, 2),
            'm' => (1, 2),
            'd' => (2, 2),
            'H' => (3, 2),
            'M' => (4, 2),
            'S' => (5, 2),
            '%' => {
                rest = rest.strip_prefix('%')?;
                continue;
            }
            _ => return None,
        };
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()).min(width);
        let number: i128 = rest.get(..end)?.parse().ok()?;
        fields[index] = match (index, width) {
            (0, 2) if number < 69 => 2000 + number,
            (0, 2) => 1900 + number,
            _ => number,
        };
        rest = &rest[end..];
    }
    rest.is_empty().then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_their_format_says() {
        assert_eq!(parse("202602031405.06", "%Y%m%d%H%M.%S"), Some([2026, 2, 3, 14, 5, 6]));
        assert_eq!(parse("3/2/26", "%d/%m/%y"), Some([2026, 2, 3, 0, 0, 0]));
        assert_eq!(parse("2026", "%Y-%m"), None);
        assert_eq!(parse("2026x", "%Y"), None);
    }
}
