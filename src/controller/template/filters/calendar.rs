//! Dates and times of day by themselves, as YAML, TOML and moments give them.

use std::{cmp::Ordering, fmt, sync::Arc};

use jiff::{
    civil::{Date, DateTime, Time},
    tz::Offset,
};
use minijinja::{
    Error, ErrorKind, State, Value,
    value::{DynObject, Object, ObjectRepr, from_args},
};

use super::moment::{Moment, format_civil};

type Outcome = Result<Value, Error>;

/// A day, as Python's `date`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub Date);

/// A time of day, as Python's `time`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Clock(pub Time);

/// A date, a time of day or both, with or without an offset, from Python's way to write it; other text stays text.
#[must_use]
pub fn written(text: &str) -> Value {
    if let Ok(date) = Date::strptime("%Y-%m-%d", text) {
        return Value::from_object(Day(date));
    }
    if let Ok(time) = Time::strptime("%H:%M:%S%.f", text) {
        return Value::from_object(Clock(time));
    }
    // The offset is the sign behind the time and what follows it.
    let sign = text.char_indices().skip("YYYY-MM-DD".len()).find(|(_, letter)| matches!(letter, '+' | '-'));
    let (civil, offset) = sign.map_or((text, None), |(at, _)| (&text[..at], offset(&text[at..])));
    match DateTime::strptime("%Y-%m-%d %H:%M:%S%.f", civil) {
        Ok(_) if sign.is_some() && offset.is_none() => Value::from(text),
        Ok(time) => Value::from_object(Moment::new(time, offset)),
        Err(_) => Value::from(text),
    }
}

/// `+02:00` as an offset.
fn offset(text: &str) -> Option<Offset> {
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    let seconds = hours.parse::<i32>().ok()? * 3600 + minutes.parse::<i32>().ok()? * 60;
    Offset::from_seconds(if text.starts_with('-') { -seconds } else { seconds }).ok()
}

impl Day {
    /// Year, month or day by its name.
    #[must_use]
    pub fn part(self, name: &str) -> Option<Value> {
        Some(match name {
            "year" => Value::from(self.0.year()),
            "month" => Value::from(self.0.month()),
            "day" => Value::from(self.0.day()),
            _ => return None,
        })
    }
}

impl Clock {
    /// Hour, minute, second or microsecond by its name.
    #[must_use]
    pub fn part(self, name: &str) -> Option<Value> {
        Some(match name {
            "hour" => Value::from(self.0.hour()),
            "minute" => Value::from(self.0.minute()),
            "second" => Value::from(self.0.second()),
            "microsecond" => Value::from(self.0.subsec_nanosecond() / 1000),
            _ => return None,
        })
    }
}

impl Object for Day {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.part(key.as_str()?)
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Outcome {
        match method {
            "strftime" => {
                let (format,): (String,) = from_args(args)?;
                format_civil(&format, self.0.to_datetime(Time::midnight()))
            }
            "isoformat" => Ok(Value::from(self.0.to_string())),
            "weekday" => Ok(Value::from(self.0.weekday().to_monday_zero_offset())),
            "isoweekday" => Ok(Value::from(self.0.weekday().to_monday_one_offset())),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        other.downcast_ref::<Self>().map(|other| self.as_ref().cmp(other))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl Object for Clock {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.part(key.as_str()?)
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Outcome {
        match method {
            "strftime" => {
                let (format,): (String,) = from_args(args)?;
                format_civil(&format, Date::constant(1900, 1, 1).to_datetime(self.0))
            }
            "isoformat" => Ok(Value::from(self.to_string())),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        other.downcast_ref::<Self>().map(|other| self.as_ref().cmp(other))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micro = self.0.subsec_nanosecond() / 1000;
        write!(f, "{:02}:{:02}:{:02}", self.0.hour(), self.0.minute(), self.0.second())?;
        if micro == 0 { Ok(()) } else { write!(f, ".{micro:06}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_comes_back_as_python_writes_it() {
        for text in [
            "2020-01-02",
            "12:42:42",
            "12:42:42.500000",
            "2020-01-01 12:42:42",
            "2020-01-01 12:42:42.250000",
            "2020-01-01 12:42:42-07:00",
            "2020-01-01 12:42:42+00:00",
        ] {
            let value = written(text);
            assert!(value.as_object().is_some(), "{text}");
            assert_eq!(value.to_string(), text);
        }
        assert_eq!(written("2020-13-01").as_str(), Some("2020-13-01"));
    }

    #[test]
    fn the_same_moment_is_equal_whatever_its_offset() {
        assert_eq!(written("2020-01-01 12:00:00+02:00"), written("2020-01-01 10:00:00+00:00"));
        assert_ne!(written("2020-01-01 12:00:00+02:00"), written("2020-01-01 12:00:00"));
        assert_ne!(written("2020-01-01"), written("2020-01-02"));
    }
}
