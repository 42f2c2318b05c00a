//! Every filter, test and method against what Ansible gives for the same expression.

use minijinja::value::ValueKind;
use minijinja::{Environment, Value};

use super::emit::python;
use super::{filters, methods, tests};

fn environment() -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(minijinja::UndefinedBehavior::Chainable);
    filters::register(&mut env);
    tests::register(&mut env);
    methods::register(&mut env);
    env
}

/// An undefined value is an error wherever it leaves a template.
fn holds_undefined(value: &Value) -> bool {
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => value.try_iter().unwrap().any(|item| holds_undefined(&item)),
        _ => value.is_undefined(),
    }
}

/// Tuples leave a template as lists.
fn listed(value: &Value) -> Value {
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => value.try_iter().unwrap().map(|item| listed(&item)).collect(),
        ValueKind::Map => Value::from_pairs(python::pairs(value).into_iter().map(|(key, item)| (key, listed(&item)))),
        _ => value.clone(),
    }
}

#[test]
fn expressions_give_what_ansible_gives() {
    let env = environment();
    let mut wrong = Vec::new();
    for line in include_str!("probes.tsv").lines() {
        let (expression, expected) = line.split_once('\t').unwrap();
        let result = env.compile_expression(expression).and_then(|compiled| compiled.eval(()));
        let got = match &result {
            Ok(value) if holds_undefined(value) => "ERROR".to_owned(),
            Ok(value) => python::repr(&listed(value)).replace('\t', "\\t"),
            Err(_) => "ERROR".to_owned(),
        };
        if got != expected {
            let reason = result.err().map(|error| error.to_string()).unwrap_or_default();
            wrong.push(format!("{expression}\n  wanted {expected}\n  got    {got} {reason}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn qualified_names_work() {
    let env = environment();
    let value =
        env.compile_expression("'a' | ansible.builtin.upper is ansible.builtin.match('A')").unwrap().eval(()).unwrap();
    assert!(value.is_true());
}
