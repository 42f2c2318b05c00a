//! Moments and durations as the return values of modules write them; always UTC.

const SECOND: i128 = 1_000_000_000;
const DAY: i128 = 86_400;

/// A moment in nanoseconds since 1970 as `2026-01-31 12:00:00.000000`.
pub fn moment(nanoseconds: i128) -> String {
    let (year, month, day, hour, minute, second) = civil(nanoseconds);
    let micro = nanoseconds.rem_euclid(SECOND) / 1000;
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{micro:06}")
}

/// A duration in nanoseconds as `0:00:01.250000`.
pub fn duration(nanoseconds: i128) -> String {
    let seconds = nanoseconds.max(0) / SECOND;
    let micro = nanoseconds.max(0).rem_euclid(SECOND) / 1000;
    format!("{}:{:02}:{:02}.{micro:06}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// The end of a backup file's name: `2026-01-31@12:00:00~`.
pub fn backup_suffix(nanoseconds: i128) -> String {
    let (year, month, day, hour, minute, second) = civil(nanoseconds);
    format!("{year:04}-{month:02}-{day:02}@{hour:02}:{minute:02}:{second:02}~")
}

/// Nanoseconds since 1970 of a civil time; `None` when a field is out of range.
pub fn since_1970(year: i128, month: i128, day: i128, hour: i128, minute: i128, second: i128) -> Option<i128> {
    let valid = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    if !valid {
        return None;
    }
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    Some((days * DAY + hour * 3600 + minute * 60 + second) * SECOND)
}

fn civil(nanoseconds: i128) -> (i128, i128, i128, i128, i128, i128) {
    let seconds = nanoseconds.div_euclid(SECOND);
    let (days, rest) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i128::from(month <= 2);
    (year, month, day, rest / 3600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_survives_being_written_and_read() {
        assert_eq!(moment(0), "1970-01-01 00:00:00.000000");
        assert_eq!(moment(1_709_210_096_123_456_789), "2024-02-29 12:34:56.123456");
        assert_eq!(since_1970(2024, 2, 29, 12, 34, 56), Some(1_709_210_096_000_000_000));
        assert_eq!(since_1970(1969, 12, 31, 23, 59, 59), Some(-1_000_000_000));
        assert_eq!(moment(-1_000_000_000), "1969-12-31 23:59:59.000000");
        assert_eq!(since_1970(2024, 13, 1, 0, 0, 0), None);
    }

    #[test]
    fn durations_count_hours_without_end() {
        assert_eq!(duration(1_250_000_000), "0:00:01.250000");
        assert_eq!(duration(100 * 3600 * 1_000_000_000), "100:00:00.000000");
    }
}
