//! A claim about results that are not back yet, in a form that the host can decide where they come to be.
//!
//! It is a small and strict part of what templates can say. Where a claim would need more than that to be decided (other types than
//! expected, a number out of range) it stays undecided, and whoever asked goes the long way, through the controller.

use serde::{Deserialize, Serialize};

use super::{Json, Map};

/// An expression over results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    /// A value that is known.
    Value(Json),
    /// What `register` keeps of a step of the same burst.
    Result(u64),
    /// A key or index of something.
    Part(Box<Claim>, Box<Claim>),
    /// The opposite of a boolean.
    Not(Box<Claim>),
    /// Whether all of these are true; nothing behind a false one is looked at.
    All(Vec<Claim>),
    /// Whether one of these is true; nothing behind a true one is looked at.
    Any(Vec<Claim>),
    /// A comparison.
    Compare(Relation, Box<Claim>, Box<Claim>),
    /// A calculation with whole numbers, or two texts or lists put together.
    Calculate(Operation, Box<Claim>, Box<Claim>),
    /// Parts of a text: texts and whole numbers.
    Text(Vec<Claim>),
    /// The filter `int`.
    Int(Box<Claim>),
    /// The filter `length`.
    Length(Box<Claim>),
    /// The filter `default`.
    Default(Box<Claim>, Box<Claim>),
    /// Whether something is there.
    Defined(Box<Claim>),
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// `==`
    Equal,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// The left one in the right one.
    In,
}

/// How two values are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// `+`
    Plus,
    /// `-`
    Minus,
    /// `*`
    Times,
}

/// It cannot be decided here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undecided;

/// A value; nothing where something undefined was asked for.
type Found = Result<Option<Json>, Undecided>;

impl Claim {
    /// Its value, given the results of steps.
    ///
    /// # Errors
    /// When it cannot be decided, what is undefined and used included.
    pub fn decide(&self, results: &dyn Fn(u64) -> Option<Json>) -> Result<Json, Undecided> {
        self.find(results)?.ok_or(Undecided)
    }

    /// Whether it is true.
    ///
    /// # Errors
    /// When it cannot be decided, or is no boolean.
    pub fn holds(&self, results: &dyn Fn(u64) -> Option<Json>) -> Result<bool, Undecided> {
        self.decide(results)?.as_bool().ok_or(Undecided)
    }

    fn find(&self, results: &dyn Fn(u64) -> Option<Json>) -> Found {
        let decide = |claim: &Self| claim.decide(results);
        let some = |value: Json| Ok(Some(value));
        match self {
            Self::Value(value) => some(value.clone()),
            Self::Result(step) => results(*step).map(Some).ok_or(Undecided),
            Self::Part(whole, key) => part(decide(whole)?, &decide(key)?),
            Self::Not(inner) => some((!inner.holds(results)?).into()),
            Self::All(parts) => {
                for part in parts {
                    if !part.holds(results)? {
                        return some(false.into());
                    }
                }
                some(true.into())
            }
            Self::Any(parts) => {
                for part in parts {
                    if part.holds(results)? {
                        return some(true.into());
                    }
                }
                some(false.into())
            }
            Self::Compare(relation, left, right) => some(compare(*relation, &decide(left)?, &decide(right)?)?.into()),
            Self::Calculate(operation, left, right) => some(calculate(*operation, decide(left)?, decide(right)?)?),
            Self::Text(parts) => {
                let mut text = String::new();
                for part in parts {
                    text.push_str(&words(&decide(part)?)?);
                }
                some(text.into())
            }
            Self::Int(inner) => some(int(&decide(inner)?)?.into()),
            Self::Length(inner) => some(length(&decide(inner)?)?.into()),
            Self::Default(inner, fallback) => match inner.find(results)? {
                Some(value) => some(value),
                None => fallback.find(results),
            },
            Self::Defined(inner) => some(inner.find(results)?.is_some().into()),
        }
    }
}

fn part(whole: Json, key: &Json) -> Found {
    match (whole, key) {
        (Json::Object(mut map), Json::String(name)) => Ok(map.shift_remove(name)),
        (Json::Array(mut list), Json::Number(at)) => {
            let at = at.as_u64().and_then(|at| usize::try_from(at).ok()).ok_or(Undecided)?;
            Ok((at < list.len()).then(|| list.swap_remove(at)))
        }
        _ => Err(Undecided),
    }
}

fn compare(relation: Relation, left: &Json, right: &Json) -> Result<bool, Undecided> {
    let order = || match (left, right) {
        (Json::Number(left), Json::Number(right)) => {
            Ok(left.as_i64().ok_or(Undecided)?.cmp(&right.as_i64().ok_or(Undecided)?))
        }
        (Json::String(left), Json::String(right)) => Ok(left.cmp(right)),
        _ => Err(Undecided),
    };
    match (relation, right) {
        (Relation::Equal, _) => equal(left, right),
        (Relation::Less, _) => Ok(order()?.is_lt()),
        (Relation::LessOrEqual, _) => Ok(order()?.is_le()),
        (Relation::In, Json::String(text)) => Ok(text.contains(left.as_str().ok_or(Undecided)?)),
        (Relation::In, Json::Object(map)) => Ok(map.contains_key(left.as_str().ok_or(Undecided)?)),
        (Relation::In, Json::Array(list)) => {
            for item in list {
                if equal(left, item)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        (Relation::In, _) => Err(Undecided),
    }
}

/// Whether two plain values are the same. Numbers and booleans may be equal to each other in Python, so those are left alone.
fn equal(left: &Json, right: &Json) -> Result<bool, Undecided> {
    match (left, right) {
        (Json::Number(left), Json::Number(right)) => {
            Ok(left.as_i64().ok_or(Undecided)? == right.as_i64().ok_or(Undecided)?)
        }
        (Json::String(left), Json::String(right)) => Ok(left == right),
        (Json::Bool(left), Json::Bool(right)) => Ok(left == right),
        (Json::Null, other) | (other, Json::Null) => Ok(other.is_null()),
        (Json::String(_), Json::Number(_) | Json::Bool(_)) | (Json::Number(_) | Json::Bool(_), Json::String(_)) => {
            Ok(false)
        }
        _ => Err(Undecided),
    }
}

fn calculate(operation: Operation, left: Json, right: Json) -> Result<Json, Undecided> {
    match (operation, left, right) {
        (Operation::Plus, Json::String(left), Json::String(right)) => Ok((left + &right).into()),
        (Operation::Plus, Json::Array(left), Json::Array(right)) => Ok(left.into_iter().chain(right).collect()),
        (operation, Json::Number(left), Json::Number(right)) => {
            let (left, right) = (left.as_i64().ok_or(Undecided)?, right.as_i64().ok_or(Undecided)?);
            let result = match operation {
                Operation::Plus => left.checked_add(right),
                Operation::Minus => left.checked_sub(right),
                Operation::Times => left.checked_mul(right),
            };
            result.map(Json::from).ok_or(Undecided)
        }
        _ => Err(Undecided),
    }
}

fn words(value: &Json) -> Result<String, Undecided> {
    match value {
        Json::String(text) => Ok(text.clone()),
        Json::Number(number) => number.as_i64().map(|number| number.to_string()).ok_or(Undecided),
        _ => Err(Undecided),
    }
}

fn int(value: &Json) -> Result<i64, Undecided> {
    match value {
        Json::Number(number) => number.as_i64().ok_or(Undecided),
        Json::String(text) => text.trim().parse().map_err(|_| Undecided),
        _ => Err(Undecided),
    }
}

fn length(value: &Json) -> Result<usize, Undecided> {
    match value {
        Json::String(text) => Ok(text.chars().count()),
        Json::Array(list) => Ok(list.len()),
        Json::Object(map) => Ok(map.len()),
        _ => Err(Undecided),
    }
}

/// What `register` keeps of a step that its own condition has left out.
#[must_use]
pub fn skipped() -> Map {
    Map::from_iter([("changed".to_owned(), Json::Bool(false)), ("skipped".to_owned(), Json::Bool(true))])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[expect(clippy::unnecessary_box_returns, reason = "parts of claims are boxed")]
    fn value(json: Json) -> Box<Claim> {
        Box::new(Claim::Value(json))
    }

    fn first(json: &Json) -> impl Fn(u64) -> Option<Json> + use<> {
        let json = json.clone();
        move |step| (step == 1).then(|| json.clone())
    }

    fn of(keys: &[&str]) -> Claim {
        keys.iter().fold(Claim::Result(1), |whole, key| Claim::Part(Box::new(whole), value(json!(key))))
    }

    #[test]
    fn results_are_looked_into_and_compared() {
        let seen = first(&json!({"stat": {"exists": true, "size": 412}, "stdout": "ok"}));
        assert_eq!(of(&["stat", "exists"]).holds(&seen), Ok(true));
        let larger = Claim::Compare(Relation::Less, value(json!(100)), Box::new(of(&["stat", "size"])));
        assert_eq!(larger.holds(&seen), Ok(true));
        let sum =
            Claim::Calculate(Operation::Plus, Box::new(Claim::Int(Box::new(of(&["stat", "size"])))), value(json!(3)));
        assert_eq!(sum.decide(&seen), Ok(json!(415)));
        let text = Claim::Text(vec![Claim::Value(json!("size ")), of(&["stat", "size"]), of(&["stdout"])]);
        assert_eq!(text.decide(&seen), Ok(json!("size 412ok")));
    }

    #[test]
    fn what_is_not_there_is_undefined_and_what_is_used_so_is_undecided() {
        let seen = first(&json!({"stat": {"exists": false}}));
        assert_eq!(Claim::Defined(Box::new(of(&["stat", "size"]))).holds(&seen), Ok(false));
        assert_eq!(Claim::Default(Box::new(of(&["stat", "size"])), value(json!(0))).decide(&seen), Ok(json!(0)));
        assert_eq!(of(&["stat", "size"]).decide(&seen), Err(Undecided));
        // Looking into something undefined is the template engine's business.
        assert_eq!(Claim::Defined(Box::new(of(&["stat", "checksum", "x"]))).holds(&seen), Err(Undecided));
        assert_eq!(Claim::Result(2).decide(&seen), Err(Undecided));
    }

    #[test]
    fn nothing_behind_what_settles_it_is_looked_at() {
        let seen = |_: u64| None;
        let (yes, no) = (Claim::Value(json!(true)), Claim::Value(json!(false)));
        assert_eq!(Claim::All(vec![no.clone(), Claim::Result(7)]).holds(&seen), Ok(false));
        assert_eq!(Claim::Any(vec![yes.clone(), Claim::Result(7)]).holds(&seen), Ok(true));
        assert_eq!(Claim::All(vec![yes, Claim::Result(7)]).holds(&seen), Err(Undecided));
        assert_eq!(Claim::Not(Box::new(no)).holds(&seen), Ok(true));
    }

    #[test]
    fn types_that_python_would_convert_or_refuse_are_left_alone() {
        let seen = |_: u64| None;
        let same = |left: Json, right: Json| Claim::Compare(Relation::Equal, value(left), value(right)).holds(&seen);
        assert_eq!(same(json!(1), json!(true)), Err(Undecided));
        assert_eq!(same(json!(1.5), json!(1)), Err(Undecided));
        assert_eq!(same(json!("1"), json!(1)), Ok(false));
        assert_eq!(same(json!(null), json!("")), Ok(false));
        assert_eq!(Claim::Value(json!("yes")).holds(&seen), Err(Undecided));
        assert_eq!(Claim::Int(value(json!("4x"))).decide(&seen), Err(Undecided));
        assert_eq!(Claim::Compare(Relation::In, value(json!("b")), value(json!(["a", "b"]))).holds(&seen), Ok(true));
        assert_eq!(
            Claim::Calculate(Operation::Times, value(json!(i64::MAX)), value(json!(2))).decide(&seen),
            Err(Undecided)
        );
    }
}
