//! Passwords and their ages, which only root may see.

use std::path::Path;

use crate::remote::{Probe, machine::probe::Found};

/// A user's line of `/etc/shadow`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shadow {
    pub(super) hash: String,
    pub(super) min: Option<i64>,
    pub(super) max: Option<i64>,
    pub(super) warn: Option<i64>,
    pub(super) inactive: Option<i64>,
    /// Days since 1970.
    pub(super) expires: Option<i64>,
}

impl Shadow {
    pub(super) fn find(probe: &Probe<'_>, name: &str) -> Found<Option<Self>> {
        let path = Path::new("/etc/shadow");
        if !probe.exists(path)? {
            return Ok(None);
        }
        let text = probe.read_text(path)?;
        let fields = text.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|f| f.first() == Some(&name));
        Ok(fields.map(|fields| {
            let number = |at: usize| fields.get(at).and_then(|field| field.parse().ok());
            Self {
                hash: fields.get(1).copied().unwrap_or_default().to_owned(),
                min: number(3),
                max: number(4),
                warn: number(5),
                inactive: number(6),
                expires: number(7),
            }
        }))
    }

    pub(super) fn locked(&self) -> bool {
        self.hash.starts_with('!')
    }
}

/// `YYYY-MM-DD` of a number of days since 1970, by the calendar's 400-year cycle.
pub(super) fn date(days: i64) -> String {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months are counted from March, so that the leap day is the last of its year.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn days_become_dates() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(19_782), "2024-02-29");
        assert_eq!(date(20_454), "2026-01-01");
    }
}
