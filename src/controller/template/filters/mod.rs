//! The catalogue of filters: every name of `ansible.builtin` and of Jinja, short and qualified.

pub mod arguments;
pub mod basics;
pub mod calendar;
pub mod collections;
pub mod combinatorics;
pub mod crypt;
mod dicts;
pub mod encode;
mod hashes;
mod ipaddr;
mod markup;
mod math;
pub mod moment;
pub mod paths;
pub mod pattern;
pub mod percent;
mod regexes;
mod select;
mod serial;
mod sets;
pub mod strings;
pub mod twister;
mod units;
pub mod wrapping;
pub mod yaml_read;

use minijinja::value::{Rest, ValueOrKwargs};
use minijinja::{Environment, Error, State, Value};

use arguments::Arguments;

/// What runs a filter.
pub type Run = fn(&mut State<'_, '_>, &Arguments) -> Result<Value, Error>;

/// One filter.
#[derive(Clone, Copy, Debug)]
pub struct Filter {
    /// Its short name.
    pub name: &'static str,
    /// Its parameters, the filtered value first.
    pub signature: &'static str,
    /// Whether it takes undefined values; all others fail on them before they run.
    pub lenient: bool,
    /// Its body.
    pub run: Run,
}

impl Filter {
    const fn new(name: &'static str, signature: &'static str, run: Run) -> Self {
        Self { name, signature, lenient: false, run }
    }

    const fn lenient(name: &'static str, signature: &'static str, run: Run) -> Self {
        Self { name, signature, lenient: true, run }
    }
}

const FAMILIES: &[&[Filter]] = &[
    basics::ALL,
    collections::ALL,
    combinatorics::ALL,
    dicts::ALL,
    encode::ALL,
    hashes::ALL,
    markup::ALL,
    math::ALL,
    paths::ALL,
    regexes::ALL,
    select::ALL,
    serial::ALL,
    sets::ALL,
    strings::ALL,
    units::ALL,
    wrapping::ALL,
];

/// Every filter.
pub fn catalog() -> impl Iterator<Item = &'static Filter> {
    FAMILIES.iter().copied().flatten().chain(ipaddr::ALL)
}

/// Adds every filter under its short name, as `ansible.builtin.` and as `ansible.legacy.`, those for addresses as
/// `ansible.utils.` too, and the function `dict`.
pub fn register(env: &mut Environment<'static>) {
    for filter in catalog() {
        for name in [
            filter.name.to_owned(),
            format!("ansible.builtin.{}", filter.name),
            format!("ansible.legacy.{}", filter.name),
        ] {
            env.add_filter(name, move |state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>| call(state, filter, args));
        }
    }
    for filter in ipaddr::ALL {
        for collection in ["ansible.utils", "ansible.netcommon"] {
            let name = format!("{collection}.{}", filter.name);
            env.add_filter(name, move |state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>| call(state, filter, args));
        }
    }
    // Ansible's own tests look at values with it: everything in them is rendered.
    env.add_filter("ansible._protomatter.finalize", |value: Value| {
        super::value::resolve(&value).map_err(super::error::TemplateError::into_engine)
    });
    env.add_function("now", |args: Rest<ValueOrKwargs>| {
        Arguments::bind("now", "utc fmt", &args.into_values()).map(|args| moment::now(&args))
    });
    env.add_function("dict", |args: Rest<ValueOrKwargs>| {
        let args = Arguments::bind("dict", "*source **entries", &args.into_values())?;
        args.refuse_undefined()?;
        dicts::dict(&args)
    });
}

/// Filters that take undefined values in what they are given, but nothing undefined to go through.
const LENIENT_ITERATION: &[&str] = &["map", "select", "reject", "selectattr", "rejectattr"];

fn call(state: &mut State<'_, '_>, filter: &'static Filter, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let args = Arguments::bind(filter.name, filter.signature, &args.into_values())?;
    // What is undefined is passed on: it is where it is used that it matters.
    if !filter.lenient && args.refuse_undefined().is_err() {
        return Ok(Value::UNDEFINED);
    }
    if LENIENT_ITERATION.contains(&filter.name) && args.first_is_undefined() {
        return Ok(Value::UNDEFINED);
    }
    (filter.run)(state, &args)
}

/// Scheme and network location of a URL; `None` if it cannot be taken apart.
pub(super) fn url_parts(text: &str) -> Option<(String, String)> {
    encode::Url::split(text).ok().map(|url| (url.scheme, url.netloc))
}
