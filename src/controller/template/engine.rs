//! The engine: one environment for the process, and every template compiled once.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use minijinja::{Environment, Expression, State, UndefinedBehavior, Value, syntax::SyntaxConfig, value::Rest};

use super::{
    error::{TemplateError, Trouble},
    files, filters, lazy, lookup, methods,
    rewrite::{self, Parsed},
    special, tests,
};
use crate::controller::{
    source::{Node, Shape},
    variables::Scope,
};

/// How deep variables may refer to variables before it is called a loop.
const DEPTH_MAX: u32 = 60;

/// A template as the engine runs it.
enum Compiled {
    /// Exactly one expression: its value is kept as it is.
    Expression(Expression<'static, 'static>),
    /// The name under which the environment keeps it.
    Template(String),
}

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// What the expressions of the templates being rendered have put out, the innermost last.
    static PUT_OUT: RefCell<Vec<PutOut>> = const { RefCell::new(Vec::new()) };
}

/// What the expressions of a template have put out so far.
#[derive(Default)]
pub(super) struct PutOut {
    count: usize,
    last: Value,
}

/// What a template comes to that put out nothing but one value, or nothing at all; `None` where it is text.
/// Source: Ansible, which keeps the type of a single node and makes nothing out of none.
fn single(rendered: &str, put_out: &PutOut) -> Option<Value> {
    match put_out.count {
        0 if rendered.is_empty() => Some(Value::from(())),
        1 if put_out.last.as_str().is_none() && written(&put_out.last) == rendered => Some(put_out.last.clone()),
        _ => None,
    }
}

/// Renders, and tells what the expressions have put out besides.
pub(super) fn recorded<T>(render: impl FnOnce() -> T) -> (T, PutOut) {
    PUT_OUT.with_borrow_mut(|all| all.push(PutOut::default()));
    let result = render();
    let put_out = PUT_OUT.with_borrow_mut(Vec::pop).unwrap_or_default();
    (result, put_out)
}

/// A value as it is put out.
fn written(value: &Value) -> String {
    match super::value::float(value) {
        _ if value.is_none() => String::new(),
        Some(number) => super::emit::python::float(number),
        None => value.to_string(),
    }
}

/// The environment with everything registered.
pub(super) fn environment() -> &'static Environment<'static> {
    static ENVIRONMENT: OnceLock<Environment<'static>> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let mut env = Environment::new();
        // Looking into something undefined is fine; using it is caught by what `rewrite` puts in.
        env.set_undefined_behavior(UndefinedBehavior::Chainable);
        env.set_debug(false);
        env.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        env.set_formatter(format);
        files::register(&mut env);
        filters::register(&mut env);
        tests::register(&mut env);
        methods::register(&mut env);
        lookup::register(&mut env);
        register(&mut env);
        env
    })
}

/// Whether there is anything to render in a text.
#[must_use]
pub fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// Renders what was written, lists and mappings with all they hold.
///
/// # Errors
/// The first thing that cannot be rendered, with its place.
pub fn render(node: &Node, scope: &Scope) -> Result<Value, TemplateError> {
    let value = lazy::value(node, &lazy::context(scope))?;
    super::value::resolve(&value).map_err(|error| error.at(&node.span))
}

/// Renders trusted text to a native value; plain text is itself.
///
/// # Errors
/// When it is no template or uses something it cannot.
pub fn render_text(text: &str, context: &Value) -> Result<Value, TemplateError> {
    if !is_template(text) {
        return Ok(Value::from(text));
    }
    guarded(text, || match &*compiled(text)? {
        Compiled::Expression(expression) => {
            let value = expression.eval(context.clone())?;
            // The line break behind an expression is no text beside it, and still there where the expression gives text.
            Ok(match value.as_str() {
                Some(line) if text.ends_with('\n') => Value::from(restore_newlines(text, line.to_owned())),
                _ => value,
            })
        }
        Compiled::Template(name) => {
            let template = environment().get_template(name)?;
            let (rendered, put_out) = recorded(|| template.render(context.clone()));
            let rendered = rendered?;
            Ok(single(&rendered, &put_out).unwrap_or_else(|| Value::from(restore_newlines(text, rendered))))
        }
    })
}

/// Evaluates a bare expression.
///
/// # Errors
/// When it does not parse or uses something it cannot.
pub fn evaluate(expression: &str, context: &Value) -> Result<Value, TemplateError> {
    static CACHE: Mutex<Option<HashMap<String, Arc<Expression<'static, 'static>>>>> = Mutex::new(None);
    let known = CACHE.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default().get(expression).cloned();
    let compiled = match known {
        Some(compiled) => compiled,
        None => {
            let rewritten = rewrite::expression(expression, false)?;
            let compiled = Arc::new(environment().compile_expression_owned(rewritten)?);
            CACHE
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get_or_insert_default()
                .insert(expression.to_owned(), compiled.clone());
            compiled
        }
    };
    guarded(expression, || Ok(compiled.eval(context.clone())?))
}

/// Checks that text is a template, without rendering it.
///
/// # Errors
/// When it is not.
pub fn check_syntax(text: &str) -> Result<(), TemplateError> {
    if is_template(text) { compiled(text).map(drop) } else { Ok(()) }
}

/// Checks that text is an expression.
///
/// # Errors
/// When it is not.
pub fn check_expression(text: &str) -> Result<(), TemplateError> {
    let rewritten = rewrite::expression(text, false)?;
    environment().compile_expression_owned(rewritten).map(drop).map_err(TemplateError::from)
}

fn compiled(text: &str) -> Result<Arc<Compiled>, TemplateError> {
    static CACHE: Mutex<Option<HashMap<String, Arc<Compiled>>>> = Mutex::new(None);
    let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = cache.get_or_insert_default().get(text) {
        return Ok(known.clone());
    }
    let one_line = text.strip_suffix('\n').filter(|line| line.ends_with("}}")).unwrap_or(text);
    let mut parsed = rewrite::template(one_line, &syntax(), true)?;
    if one_line.len() < text.len() && matches!(parsed, Parsed::Template(_)) {
        parsed = rewrite::template(text, &syntax(), true)?;
    }
    let compiled = Arc::new(match parsed {
        Parsed::Expression(expression) => Compiled::Expression(environment().compile_expression_owned(expression)?),
        Parsed::Template(template) => {
            let name = files::inline(&template);
            // Compiles it, so that what is wrong with it is found now.
            environment().get_template(&name)?;
            Compiled::Template(name)
        }
    });
    cache.get_or_insert_default().insert(text.to_owned(), compiled.clone());
    Ok(compiled)
}

/// Playbook strings: `trim_blocks` as Ansible sets it.
pub(super) fn syntax() -> SyntaxConfig {
    SyntaxConfig::builder().trim_blocks(true).keep_trailing_newline(false).build().unwrap_or_default()
}

/// Jinja drops the last line break of a source, and Ansible gives back as many as the source had, no more: where the end is an
/// empty value, the break before it is the one.
pub(super) fn restore_newlines(source: &str, mut rendered: String) -> String {
    let breaks = |text: &str| text.len() - text.trim_end_matches('\n').len();
    let missing = breaks(source).saturating_sub(breaks(&rendered));
    rendered.extend(std::iter::repeat_n('\n', missing));
    rendered
}

fn guarded<T>(text: &str, run: impl FnOnce() -> Result<T, TemplateError>) -> Result<T, TemplateError> {
    let depth = DEPTH.get();
    if depth >= DEPTH_MAX {
        let text: String = text.chars().take(80).collect();
        return Err(TemplateError::new(Trouble::Failed, format!("recursive loop detected in template: {text}")));
    }
    DEPTH.set(depth + 1);
    let result = run();
    DEPTH.set(depth);
    result
}

fn format(out: &mut minijinja::Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), minijinja::Error> {
    PUT_OUT.with_borrow_mut(|all| {
        if let Some(put_out) = all.last_mut() {
            put_out.count += 1;
            put_out.last = value.clone();
        }
    });
    if value.is_none() {
        return Ok(());
    }
    special::used(value, "template").map_err(TemplateError::into_engine)?;
    if let Some(number) = super::value::float(value) {
        return out.write_str(&super::emit::python::float(number)).map_err(minijinja::Error::from);
    }
    minijinja::escape_formatter(out, state, value)
}

fn register(env: &mut Environment<'static>) {
    env.add_filter("__used", |value: Value, name: String| -> Result<Value, minijinja::Error> {
        special::used(&value, &name).map_err(TemplateError::into_engine)?;
        Ok(value)
    });
    env.add_filter("__named", |value: Value, name: String| {
        if value.is_undefined() {
            lazy::remember(name);
        }
        value
    });
    env.add_filter("__rendered", |state: &mut State<'_, '_>, text: String| -> Result<Value, minijinja::Error> {
        let context = state.lookup("__scope").unwrap_or_default();
        render_text(&text, &context).map_err(TemplateError::into_engine)
    });
    env.add_filter("__mod", super::value::percent);
    env.add_filter("__minus", super::filters::moment::minus);
    env.add_global("omit", special::omit());
    env.add_test("defined", |value: &Value| !value.is_undefined());
    env.add_test("undefined", |value: &Value| value.is_undefined());
    env.add_function("undef", |arguments: Rest<Value>| {
        let hint = arguments
            .first()
            .map(|hint| hint.get_attr("hint").ok().filter(|hint| !hint.is_undefined()).unwrap_or_else(|| hint.clone()));
        let message =
            hint.map_or_else(|| "Mandatory variable has not been overridden".to_owned(), |hint| hint.to_string());
        lazy::remember_undef(message);
        Value::UNDEFINED
    });
}

/// The node's own text, when it is a string that is rendered.
#[must_use]
pub fn template_text(node: &Node) -> Option<&str> {
    match &node.shape {
        Shape::Str(text) if text.trusted && is_template(&text.value) => Some(&text.value),
        _ => None,
    }
}

#[cfg(test)]
mod engine_tests {
    use super::*;
    use crate::controller::{
        source::{Diagnostics, SourceFile, Span, yaml},
        template::lazy::context,
        variables::{Layer, Var},
        vault::Keyring,
    };

    fn scope(variables: &[(&str, &str)]) -> Value {
        let layer: Layer = variables
            .iter()
            .map(|(name, text)| ((*name).into(), Var::Node(Node::text(Span::synthetic("test", text), text))))
            .collect();
        context(&Scope::default().over(layer))
    }

    /// Every expectation is what ansible-core writes for the same text.
    #[test]
    fn line_breaks_at_the_end_are_as_many_as_in_the_source() {
        let context = scope(&[("e", ""), ("y", "x\n")]);
        let (folder, layout) = (tempfile::tempdir().unwrap(), files::Layout::default());
        std::fs::write(folder.path().join("part"), "p\n").unwrap();
        let path = folder.path().join("whole");
        for (text, expected) in [
            ("x\n\n{{ e }}\n", "x\n\n"),
            ("x\n{{ e }}\n\n", "x\n\n"),
            ("x{{ e }}\n", "x\n"),
            ("x{% if 1 %}\ny\n{% endif %}\n", "xy\n"),
            ("{{ y }}\n", "x\n"),
            ("a{{ y }}\n\n", "ax\n\n"),
            ("\n{{ e }}", "\n"),
        ] {
            assert_eq!(render_text(text, &context).unwrap(), Value::from(expected), "{text:?}");
            assert_eq!(files::render_file(text, &path, &layout, &context).unwrap(), expected, "{text:?} as a file");
        }
        let included = files::render_file("{% include 'part' %}\nb\n", &path, &layout, &context).unwrap();
        assert_eq!(included, "pb\n");
    }

    #[test]
    fn one_expression_keeps_its_type_and_anything_else_is_text() {
        let context = scope(&[("n", "{{ 1 + 1 }}")]);
        assert_eq!(render_text("{{ n }}", &context).unwrap(), Value::from(2));
        assert_eq!(render_text("n={{ n }}", &context).unwrap(), Value::from("n=2"));
        assert_eq!(render_text("{{ none }}-", &context).unwrap(), Value::from("-"));
        let list = Value::from(vec![1, 2]);
        assert_eq!(render_text("{% if n == 2 %}{{ [1, n] }}{% else %}x{% endif %}", &context).unwrap(), list);
        assert_eq!(render_text("{% for x in [7] %}{{ x }}{% endfor %}", &context).unwrap(), Value::from(7));
        assert_eq!(render_text("{% for x in [7, 8] %}{{ x }}{% endfor %}", &context).unwrap(), Value::from("78"));
        assert_eq!(render_text("{% if n == 2 %} {{ n }}{% endif %}", &context).unwrap(), Value::from(" 2"));
        assert!(render_text("{% if n == 1 %}x{% endif %}", &context).unwrap().is_none());
    }

    #[test]
    fn undefined_values_may_be_looked_into_but_not_used() {
        let context = scope(&[("bad", "{{ nope }}")]);
        for template in
            ["{{ nope }}", "{{ nope == 1 }}", "x{{ a.b }}", "{{ bad }}", "{{ nope | upper }}", "{{ [nope] }}"]
        {
            let error = render_text(template, &context).unwrap_err();
            assert!(error.is_undefined(), "{template}: {error:?}");
        }
        assert_eq!(render_text("{{ a.b.c | default('x') }}", &context).unwrap(), Value::from("x"));
        assert_eq!(render_text("{{ bad is defined }}", &context).unwrap(), Value::from(false));
        assert_eq!(render_text("{{ bad | default('y') }}", &context).unwrap(), Value::from("y"));
        assert!(render_text("{{ bad }}", &context).unwrap_err().message.contains("'nope' is undefined"));
    }

    #[test]
    fn a_variable_that_refers_to_itself_is_named_instead_of_overflowing() {
        let context = scope(&[("a", "{{ b }}"), ("b", "{{ a }}")]);
        let error = render_text("{{ a }}", &context).unwrap_err();
        assert!(error.message.contains("recursive loop"), "{error}");
    }

    #[test]
    fn what_is_wrong_inside_a_mapping_is_named_wherever_the_mapping_is_used() {
        let file =
            SourceFile::new("test", "{a: '{{ b }}_x', b: '{{ a }}', m: {KEY: '{{ a }}'}, n: {KEY: '{{ port }}'}}");
        let node = yaml::parse(&file, &Keyring::default(), &mut Diagnostics::default()).unwrap().remove(0);
        let layer: Layer =
            node.as_map().unwrap().iter().map(|(key, _, node)| (key.into(), Var::Node(node.clone()))).collect();
        let context = context(&Scope::default().over(layer));
        for (template, expected) in [
            ("{{ m }}", "recursive loop"),
            ("{{ {'X': 1} | combine(m) }}", "recursive loop"),
            ("{{ {'X': 1} | combine(n) }}", "'port' is undefined"),
        ] {
            let error = render_text(template, &context)
                .and_then(|value| crate::controller::template::resolve(&value))
                .unwrap_err();
            assert!(error.message.contains(expected), "{template}: {error}");
        }
    }

    #[test]
    fn what_check_mode_does_not_know_spreads() {
        let layer: Layer = [("u".into(), Var::Data(special::unknown("known after apply")))].into_iter().collect();
        let context = context(&Scope::default().over(layer));
        for template in ["{{ u }}", "{{ u.stdout == 'x' }}", "a{{ u | upper }}"] {
            assert_eq!(render_text(template, &context).unwrap_err().kind, Trouble::Unknown, "{template}");
        }
    }

    #[test]
    fn percent_formats_text_and_divides_numbers() {
        let context = scope(&[]);
        assert_eq!(render_text("{{ -7 % 3 }}", &context).unwrap(), Value::from(2));
        assert_eq!(render_text("(+1) {{ [-2, +2, 1 +2] }} '+", &context).unwrap(), Value::from("(+1) [-2, 2, 3] '+"));
        assert!(render_text("{{ 1 + }}", &context).is_err());
        let spans =
            "{{ (('2016-08-14 20:00:12' | to_datetime) - ('2015-12-25' | to_datetime('%Y-%m-%d'))).total_seconds() }}";
        assert_eq!(render_text(spans, &context).unwrap(), Value::from(20_203_212.0));
        let numbers = "{% set a = 7 %}{% set b = 2 %}{{ a - b }} {{ a - -b * 2 - b }} {{ [b - a, (a - b) - b] }}";
        assert_eq!(render_text(numbers, &context).unwrap(), Value::from("5 9 [-5, 3]"));
        assert!(render_text("{% set a = 'x' %}{% set b = 'y' %}{{ a - b }}", &context).is_err());
    }
}
