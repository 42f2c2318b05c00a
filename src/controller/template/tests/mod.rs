//! The catalogue of tests: every name of `ansible.builtin` and of Jinja, short and qualified.

mod files;
mod outcomes;
mod patterns;
mod types;
pub mod version;

use minijinja::value::{Rest, ValueOrKwargs};
use minijinja::{Environment, Error, State, Value};

use super::filters::arguments::Arguments;

/// What runs a test.
pub type Run = fn(&mut State<'_, '_>, &Arguments) -> Result<bool, Error>;

/// One test.
#[derive(Clone, Copy, Debug)]
pub struct Test {
    /// Its names; the first is the one to show.
    pub names: &'static [&'static str],
    /// Its parameters, the tested value first.
    pub signature: &'static str,
    /// Whether it takes undefined values.
    pub lenient: bool,
    /// Its body.
    pub run: Run,
}

impl Test {
    const fn new(names: &'static [&'static str], signature: &'static str, run: Run) -> Self {
        Self { names, signature, lenient: false, run }
    }

    const fn lenient(names: &'static [&'static str], signature: &'static str, run: Run) -> Self {
        Self { names, signature, lenient: true, run }
    }
}

const FAMILIES: &[&[Test]] = &[types::ALL, outcomes::ALL, patterns::ALL, files::ALL];

/// Every test.
pub fn catalog() -> impl Iterator<Item = &'static Test> {
    FAMILIES.iter().copied().flatten()
}

/// Adds every test under its short names, as `ansible.builtin.` and as `ansible.legacy.`.
pub fn register(env: &mut Environment<'static>) {
    for test in catalog() {
        for short in test.names {
            for name in [(*short).to_owned(), format!("ansible.builtin.{short}"), format!("ansible.legacy.{short}")] {
                env.add_test(name, move |state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>| call(state, test, args));
            }
        }
    }
}

fn call(state: &mut State<'_, '_>, test: &'static Test, args: Rest<ValueOrKwargs>) -> Result<bool, Error> {
    let args = Arguments::bind(test.names[0], test.signature, &args.into_values())?;
    if !test.lenient {
        args.refuse_undefined()?;
    }
    (test.run)(state, &args)
}

/// The entry of a mapping by name; `None` if there is none.
fn entry(value: &Value, name: &str) -> Option<Value> {
    value.get_item(&Value::from(name)).ok().filter(|found| !found.is_undefined())
}
