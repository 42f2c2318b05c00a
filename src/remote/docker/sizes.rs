//! Sizes and times as people write them.

/// Bytes of `512m`, `2G`, `64MiB`, `1024`; powers of 1024 as the engine counts.
///
/// # Errors
/// When it is no size.
pub fn bytes(text: &str) -> Result<i64, String> {
    let bad = || format!("`{text}` is no size; write 512M, 2G or a number of bytes");
    let trimmed = text.trim();
    let end = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(end);
    let number: f64 = number.parse().map_err(|_| bad())?;
    let unit = unit.trim().to_ascii_lowercase();
    let power = match unit.trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return Err(bad()),
    };
    let bytes = number * 1024_f64.powi(power);
    #[expect(clippy::cast_possible_truncation, reason = "checked to be in range")]
    if bytes < 9e18 { Ok(bytes as i64) } else { Err(bad()) }
}

/// Nanoseconds of `1m30s`, `500ms`, or a number of seconds.
///
/// # Errors
/// When it is no time.
pub fn nanoseconds(text: &str) -> Result<i64, String> {
    let bad = || format!("`{text}` is no time; write 30s, 1m30s or 500ms");
    let mut rest = text.trim();
    if let Ok(seconds) = rest.parse::<i64>() {
        return seconds.checked_mul(1_000_000_000).ok_or_else(bad);
    }
    let mut total = 0_f64;
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(bad)?;
        let number: f64 = rest[..end].parse().map_err(|_| bad())?;
        rest = &rest[end..];
        let units = [("ms", 1e6), ("us", 1e3), ("h", 3.6e12), ("m", 6e10), ("s", 1e9)];
        let (unit, factor) = units.into_iter().find(|(unit, _)| rest.starts_with(unit)).ok_or_else(bad)?;
        rest = &rest[unit.len()..];
        total += number * factor;
    }
    #[expect(clippy::cast_possible_truncation, reason = "checked to be in range")]
    if total < 9e18 { Ok(total.round() as i64) } else { Err(bad()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_count_in_powers_of_1024() {
        assert_eq!(bytes("512m"), Ok(512 << 20));
        assert_eq!(bytes("1.5G"), Ok(3 << 29));
        assert_eq!(bytes("64MiB"), Ok(64 << 20));
        assert_eq!(bytes("100"), Ok(100));
        assert!(bytes("many").is_err());
    }

    #[test]
    fn times_add_up() {
        assert_eq!(nanoseconds("1m30s"), Ok(90_000_000_000));
        assert_eq!(nanoseconds("500ms"), Ok(500_000_000));
        assert_eq!(nanoseconds("5"), Ok(5_000_000_000));
        assert!(nanoseconds("soon").is_err() && nanoseconds("").is_err());
    }
}
