//! Points in time: `strftime`, `to_datetime` and the objects they give.

use std::fmt;
use std::sync::Arc;

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ZonedDateTime};
use minijinja::value::{DynObject, Object, ObjectRepr, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};

use super::super::emit::python;
use super::arguments::{Arguments, invalid, number};
use super::basics::parse_float;
use super::calendar::{Clock, Day};

type Outcome = Result<Value, Error>;

/// A date and time, as Python's `datetime`: without a zone, or with an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(DateTime, Option<Offset>);

/// A span of time in microseconds, as the difference of two datetimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub i128);

impl Moment {
    /// From a calendar and a clock.
    #[must_use]
    pub const fn new(time: DateTime, offset: Option<Offset>) -> Self {
        Self(time, offset)
    }

    /// The span from another moment to this one.
    pub fn since(self, other: Self) -> Span {
        Span((self.nanoseconds() - other.nanoseconds()) / 1000)
    }

    /// The moment that a span lies before this one.
    fn before(self, span: Span) -> Result<Self, Error> {
        let out_of_range = || invalid("date value out of range");
        let microseconds = i64::try_from(span.0).map_err(|_| out_of_range())?;
        let time = self.0.checked_sub(jiff::SignedDuration::from_micros(microseconds)).map_err(|_| out_of_range())?;
        Ok(Self(time, self.1))
    }

    fn nanoseconds(self) -> i128 {
        let zone = self.1.map_or(TimeZone::UTC, TimeZone::fixed);
        zone.to_timestamp(self.0).map_or(0, Timestamp::as_nanosecond)
    }

    fn iso(self, separator: char) -> String {
        let micro = self.0.subsec_nanosecond() / 1000;
        let mut text = self.0.strftime(&format!("%Y-%m-%d{separator}%H:%M:%S")).to_string();
        if micro != 0 {
            text = format!("{text}.{micro:06}");
        }
        if let Some(offset) = self.1 {
            let minutes = offset.seconds().abs() / 60;
            let sign = if offset.seconds() < 0 { '-' } else { '+' };
            text = format!("{text}{sign}{:02}:{:02}", minutes / 60, minutes % 60);
        }
        text
    }
}

impl Object for Moment {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "tzinfo" => Some(Value::from(())),
            name => Day(self.0.date()).part(name).or_else(|| Clock(self.0.time()).part(name)),
        }
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Outcome {
        match method {
            "strftime" => {
                let (format,): (String,) = from_args(args)?;
                format_civil(&format, self.0)
            }
            "isoformat" => Ok(Value::from(self.iso('T'))),
            "timestamp" => {
                let zone = self.1.map_or_else(TimeZone::system, TimeZone::fixed);
                let time = zone.to_timestamp(self.0).map_err(|error| invalid(error.to_string()))?;
                Ok(Value::from(seconds(time.as_nanosecond() / 1000)))
            }
            "weekday" => Ok(Value::from(self.0.weekday().to_monday_zero_offset())),
            "isoweekday" => Ok(Value::from(self.0.weekday().to_monday_one_offset())),
            "date" => Ok(Value::from_object(Day(self.0.date()))),
            "time" => Ok(Value::from_object(Clock(self.0.time()))),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<std::cmp::Ordering> {
        let other = other.downcast_ref::<Self>()?;
        // Without an offset nobody knows when it is, so it is never the same moment as one with an offset.
        let order = |moment: &Self| (moment.1.is_some(), moment.nanoseconds());
        Some(order(self).cmp(&order(other)))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iso(' '))
    }
}

impl Object for Span {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let (day, second) = (86_400_000_000, 1_000_000);
        let whole = match key.as_str()? {
            "days" => self.0.div_euclid(day),
            "seconds" => self.0.rem_euclid(day) / second,
            "microseconds" => self.0.rem_euclid(second),
            _ => return None,
        };
        Some(super::arguments::integer(whole))
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, _: &[Value]) -> Outcome {
        match method {
            "total_seconds" => Ok(Value::from(seconds(self.0))),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<std::cmp::Ordering> {
        other.downcast_ref::<Self>().map(|other| self.as_ref().cmp(other))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, rest) = (self.0.div_euclid(86_400_000_000), self.0.rem_euclid(86_400_000_000));
        if days != 0 {
            write!(f, "{days} day{}, ", if days.abs() == 1 { "" } else { "s" })?;
        }
        let (second, micro) = (rest / 1_000_000, rest % 1_000_000);
        write!(f, "{}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)?;
        if micro == 0 { Ok(()) } else { write!(f, ".{micro:06}") }
    }
}

/// Python's `-`: of numbers, and of points in time.
///
/// # Errors
/// When the two cannot be taken from each other.
pub(in super::super) fn minus(left: &Value, right: &Value) -> Outcome {
    let moments = || Some((left.downcast_object_ref::<Moment>()?, right.downcast_object_ref::<Moment>()?));
    let spans = || Some((left.downcast_object_ref::<Span>()?, right.downcast_object_ref::<Span>()?));
    let earlier = || Some((left.downcast_object_ref::<Moment>()?, right.downcast_object_ref::<Span>()?));
    let days = || Some((left.downcast_object_ref::<Day>()?, right.downcast_object_ref::<Day>()?));
    if let Some((later, sooner)) = moments() {
        return Ok(Value::from_object(later.since(*sooner)));
    }
    if let Some((longer, shorter)) = spans() {
        return Ok(Value::from_object(Span(longer.0 - shorter.0)));
    }
    if let Some((moment, span)) = earlier() {
        return moment.before(*span).map(Value::from_object);
    }
    if let Some((later, sooner)) = days() {
        let midnight = |day: &Day| Moment::new(day.0.to_datetime(jiff::civil::Time::midnight()), None);
        return Ok(Value::from_object(midnight(later).since(midnight(sooner))));
    }
    let whole = |value: &Value| match value.kind() {
        ValueKind::Bool => Some(i128::from(value.is_true())),
        _ if value.is_integer() => i128::try_from(value.clone()).ok(),
        _ => None,
    };
    if let Some(rest) = whole(left).zip(whole(right)).and_then(|(a, b)| a.checked_sub(b)) {
        return Ok(super::arguments::integer(rest));
    }
    match number(left).zip(number(right)) {
        Some((a, b)) => Ok(Value::from(a - b)),
        None => {
            let (a, b) = (python::type_name(left), python::type_name(right));
            Err(invalid(format!("unsupported operand type(s) for -: '{a}' and '{b}'")))
        }
    }
}

fn seconds(microseconds: i128) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "Python's floats lose the same digits")]
    let whole = microseconds as f64;
    whole / 1e6
}

pub(super) fn to_datetime(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let text = args.text("string")?;
    let format = args.text_or("format", "%Y-%m-%d %H:%M:%S");
    let wrong =
        || invalid(format!("time data {} does not match format {}", python::quoted(&text), python::quoted(&format)));
    let parsed = jiff::fmt::strtime::parse(&format, &text).map_err(|_| wrong())?;
    let date = match parsed.to_date() {
        Ok(date) => date,
        Err(_) => jiff::civil::Date::new(
            parsed.year().unwrap_or(1900),
            parsed.month().unwrap_or(1),
            parsed.day().unwrap_or(1),
        )
        .map_err(|_| wrong())?,
    };
    let time = parsed.to_time().unwrap_or_else(|_| jiff::civil::Time::midnight());
    Ok(Value::from_object(Moment::new(date.to_datetime(time), None)))
}

/// The function `now`: the time as a moment, or as text in a format.
pub(super) fn now(args: &Arguments) -> Value {
    let zone = if args.flag("utc") { TimeZone::UTC } else { TimeZone::system() };
    let now = Timestamp::now().to_zoned_datetime(zone);
    match args.some("fmt") {
        Some(format) => format_time(&python::text(format), &now),
        None => Value::from_object(Moment::new(now.datetime(), None)),
    }
}

pub(super) fn strftime(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let zone = if args.flag("utc") { TimeZone::UTC } else { TimeZone::system() };
    let now = match args.some("second") {
        None => Timestamp::now(),
        Some(second) => {
            let parsed = number(second)
                .or_else(|| if second.kind() == ValueKind::String { parse_float(second.as_str()?) } else { None });
            let wrong = || invalid(format!("Invalid value for epoch value ({})", python::text(second)));
            let epoch = parsed.filter(|epoch| epoch.is_finite() && epoch.abs() < 2e11).ok_or_else(wrong)?;
            #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
            Timestamp::from_second(epoch.floor() as i64).map_err(|_| wrong())?
        }
    };
    Ok(format_time(&args.text("string_format")?, &now.to_zoned_datetime(zone)))
}

/// A date and time in a format, whatever its zone.
pub(super) fn format_civil(format: &str, time: DateTime) -> Outcome {
    let time = TimeZone::UTC.to_timestamp(time).map_err(|error| invalid(error.to_string()))?;
    Ok(format_time(format, &time.to_zoned_datetime(TimeZone::UTC)))
}

/// `time.strftime`: unknown directives stay as they are.
fn format_time(format: &str, time: &ZonedDateTime) -> Value {
    let mut out = String::new();
    let mut rest = format;
    while let Some(percent) = rest.find('%') {
        out.push_str(&rest[..percent]);
        let mut tail = rest[percent + 1..].chars();
        let mut directive = tail.next();
        let mut flag = None;
        if let Some(found @ ('-' | '_' | '0' | '^' | '#')) = directive {
            flag = Some(found);
            directive = tail.next();
        }
        let Some(letter) = directive else {
            out.push_str(&rest[percent..]);
            return Value::from(out);
        };
        let flag = flag.map(String::from).unwrap_or_default();
        match letter {
            '%' => out.push('%'),
            'f' => out.extend([format!("{:06}", time.subsec_nanosecond() / 1000)]),
            'Z' if time.time_zone() == &TimeZone::UTC => out.push_str("GMT"),
            'c' => out.push_str(&time.strftime("%a %b %e %H:%M:%S %Y").to_string()),
            'x' => out.push_str(&time.strftime("%m/%d/%y").to_string()),
            'X' => out.push_str(&time.strftime("%H:%M:%S").to_string()),
            'r' => out.push_str(&time.strftime("%I:%M:%S %p").to_string()),
            _ => {
                let pattern = format!("%{flag}{letter}");
                match jiff::fmt::strtime::format(pattern.as_bytes(), time) {
                    Ok(text) => out.push_str(&text),
                    Err(_) => out.push_str(&pattern),
                }
            }
        }
        rest = tail.as_str();
    }
    Value::from(out + rest)
}
