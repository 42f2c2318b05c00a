//! What can be said of a task without any host: its module, its options, its templates.

use super::{Catalog, Task, arguments::VARIABLE_WORDS, support::refused_module};
use crate::{
    controller::{
        source::{Diagnostic, Diagnostics, Mapping, Node, Shape, suggest::suggest},
        template::{condition, engine},
    },
    remote::{Kind, OptionSpec},
};

/// Checks module, options and templates of a task. Options of a `tolerated` one are left for the run: a playbook that
/// expects the failure is right as it stands.
pub fn task(task: &Task, catalog: &dyn Catalog, tolerated: bool, diagnostics: &mut Diagnostics) {
    for condition in [&task.until, &task.changed_when, &task.failed_when].into_iter().flatten() {
        conditions(condition, diagnostics);
    }
    if !tolerated {
        task.arguments.options.iter().for_each(|(_, value)| templates(value, diagnostics));
        task.arguments.free_form.iter().for_each(|text| templates(text, diagnostics));
    }
    if let Some(name) = task.register.as_ref().filter(|name| !is_variable(name)) {
        let message = format!(
            "`{}` is no name of a variable",
            name.to_json().as_str().map_or_else(|| name.to_json().to_string(), str::to_owned)
        );
        diagnostics
            .push(Diagnostic::error(&name.span, message).hint("use letters, digits and underscores, no digit first"));
    }
    if engine::is_template(&task.module) || task.custom.is_some() {
        return;
    }
    let Some(spec) = catalog.options(&task.module) else {
        // What only hosts of another kind would do is written in many playbooks, and never comes to pass here.
        if refused_module(&task.module).is_some() && (tolerated || task.levels.iter().any(|level| level.when.is_some()))
        {
            return;
        }
        let mut diagnostic = Diagnostic::error(&task.module_span, format!("there is no module `{}`", task.module));
        diagnostic = match (refused_module(&task.module), suggest(&task.module, catalog.names())) {
            (Some(reason), _) => diagnostic.hint(reason),
            (None, Some(near)) => diagnostic.hint(format!("did you mean `{near}`?")),
            (None, None) => diagnostic.hint("`deployer doc` lists the modules there are"),
        };
        return diagnostics.push(diagnostic);
    };
    if !tolerated {
        options(task, &spec, diagnostics);
    }
}

/// Whether a result can be kept under a name.
fn is_variable(node: &Node) -> bool {
    match &node.shape {
        Shape::Str(text) => {
            engine::is_template(&text.value)
                || (!text.value.starts_with(|first: char| first.is_ascii_digit())
                    && text.value.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_'))
        }
        Shape::Null => true,
        _ => false,
    }
}

/// Checks options against what the module takes. A module without declared options takes any.
fn options(task: &Task, spec: &[OptionSpec], diagnostics: &mut Diagnostics) {
    if spec.is_empty() {
        return;
    }
    let option = |name: &str| spec.iter().find(|option| option.is_called(name));
    for (key, value) in &task.arguments.options {
        let Some(name) = key.as_str() else { continue };
        if engine::is_template(name) {
            continue;
        }
        match option(name) {
            None if name == VARIABLE_WORDS => {
                let words = value.as_str().unwrap_or_default();
                let message = format!("{} takes options as key=value words; `{words}` is none", task.module);
                diagnostics.push(Diagnostic::error(&value.span, message));
            }
            None => {
                let visible = spec.iter().filter(|option| !option.name.starts_with('_') && option.kind != Kind::Blob);
                let message = format!("`{}` has no option `{name}`", task.module);
                let names =
                    visible.flat_map(|option| std::iter::once(option.name).chain(option.aliases.iter().copied()));
                let mut diagnostic = Diagnostic::error(&key.span, message);
                if let Some(near) = suggest(name, names) {
                    diagnostic = diagnostic.hint(format!("did you mean `{near}`?"));
                }
                diagnostics.push(diagnostic);
            }
            Some(option) => literal(option, value, diagnostics),
        }
    }
    if task.arguments.template.is_some() || task.levels.iter().any(|level| level.module_defaults.is_some()) {
        return;
    }
    for option in spec.iter().filter(|option| option.required) {
        let given = |name: &str| task.arguments.get(name).is_some();
        let free = option.name == "_raw_params" || option.aliases.contains(&"_raw_params");
        let raw = free && task.arguments.free_form.is_some();
        if !raw
            && option.kind != Kind::Blob
            && !given(option.name)
            && !option.aliases.iter().any(|alias| given(alias))
            && !option.name.starts_with('_')
        {
            let message = format!("`{}` needs the option `{}`", task.module, option.name);
            diagnostics.push(Diagnostic::error(&task.module_span, message));
        }
    }
}

/// Checks a value that needs no template against what the option takes.
fn literal(option: &OptionSpec, value: &Node, diagnostics: &mut Diagnostics) {
    let problem = match (option.kind, &value.shape) {
        (_, Shape::Str(text)) if engine::is_template(&text.value) => return,
        (Kind::Choice(words), Shape::Str(text)) if !words.contains(&&*text.value) => {
            format!("must be one of {}", words.join(", "))
        }
        (Kind::Int, Shape::Str(text)) if text.value.trim().parse::<i64>().is_err() => {
            "must be a whole number".to_owned()
        }
        (Kind::Bool, Shape::Str(text))
            if <bool as crate::remote::OptionType>::read(&text.value.to_string().into()).is_err() =>
        {
            "must be a boolean (yes, no, true, false …)".to_owned()
        }
        (Kind::Bool | Kind::Int | Kind::Float | Kind::Choice(_) | Kind::Mode, Shape::Map(_) | Shape::List(_)) => {
            format!("cannot be {}", value.kind())
        }
        (Kind::Mode, Shape::Int(bits)) if *bits > 0o7777 => {
            "is no file mode: write it in quotes with a leading zero, '0644'".to_owned()
        }
        _ => return,
    };
    let mut diagnostic = Diagnostic::error(&value.span, format!("option `{}` {problem}", option.name));
    if let (Kind::Choice(words), Some(text)) = (option.kind, value.as_str())
        && let Some(near) = suggest(text, words.iter().copied())
    {
        diagnostic = diagnostic.hint(format!("did you mean `{near}`?"));
    }
    diagnostics.push(diagnostic);
}

/// Checks the keywords of a task or block that hold conditions and templates.
pub(super) fn keywords(map: &Mapping, diagnostics: &mut Diagnostics) {
    map.get("when").into_iter().for_each(|node| conditions(node, diagnostics));
    for name in ["name", "vars", "environment", "delegate_to", "become_user", "tags", "register", "notify"] {
        map.get(name).into_iter().for_each(|node| templates(node, diagnostics));
    }
}

/// Checks that every trusted string under a node is a template that parses.
pub(super) fn templates(node: &Node, diagnostics: &mut Diagnostics) {
    match &node.shape {
        Shape::Str(text) if text.trusted => {
            if let Err(error) = engine::check_syntax(&text.value) {
                diagnostics.push(Diagnostic::error(&node.span, error.message));
            }
        }
        Shape::List(items) => items.iter().for_each(|item| templates(item, diagnostics)),
        Shape::Map(map) => map.entries.iter().for_each(|(_, value)| templates(value, diagnostics)),
        _ => {}
    }
}

/// Checks that every condition under a node is an expression.
fn conditions(node: &Node, diagnostics: &mut Diagnostics) {
    match &node.shape {
        Shape::Str(text) if !text.value.trim().is_empty() && !condition::is_whole_template(&text.value) => {
            if let Err(error) = engine::check_expression(&text.value) {
                let message = error.message.replace("in template", "in this condition");
                diagnostics.push(Diagnostic::error(&node.span, message));
            }
        }
        Shape::Str(_) => templates(node, diagnostics),
        Shape::List(items) => items.iter().for_each(|item| conditions(item, diagnostics)),
        _ => {}
    }
}
