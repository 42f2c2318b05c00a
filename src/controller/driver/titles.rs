//! What a task is called on a host: its name with what can be rendered of it.

use crate::controller::{
    template,
    variables::{Scope, Var},
};

/// How deep variables in a name are followed.
const DEPTH_MAX: usize = 16;

/// A task's name. What cannot be rendered stands in it as a numbered remark, as Ansible shows it.
pub(super) fn render(name: &str, scope: &Scope) -> String {
    let context = template::context(scope);
    match template::render_text(name, &context) {
        Ok(rendered) => rendered.to_string(),
        Err(_) => Remarks { scope, context, count: 0 }.render(name, 0),
    }
}

struct Remarks<'s> {
    scope: &'s Scope,
    context: minijinja::Value,
    count: usize,
}

impl Remarks<'_> {
    fn render(&mut self, text: &str, depth: usize) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once("{{") {
            out.push_str(before);
            let Some((expression, behind)) = behind.split_once("}}") else {
                rest = &rest[before.len()..];
                break;
            };
            out.push_str(&self.expression(expression.trim(), depth));
            rest = behind;
        }
        out + rest
    }

    fn expression(&mut self, expression: &str, depth: usize) -> String {
        let error = match template::render_text(&format!("{{{{ {expression} }}}}"), &self.context) {
            Ok(rendered) => return rendered.to_string(),
            Err(error) => error,
        };
        // Of a variable that is a text itself, only what is wrong in it is remarked on.
        if depth < DEPTH_MAX
            && let Some(Var::Node(node)) = self.scope.get(expression)
            && let Some(text) = node.as_str().filter(|text| template::is_template(text))
        {
            return self.render(text, depth + 1);
        }
        self.count += 1;
        format!("<< error {} - {} >>", self.count, error.message)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::controller::{
        source::{Node, Span},
        variables::Layer,
    };

    #[test]
    fn what_cannot_be_rendered_is_remarked_on_and_the_rest_is_shown() {
        let text = |text: &str| Var::Node(Node::text(Span::synthetic("test", text), text));
        let layer =
            Layer::from_iter([(Arc::from("top"), text("/srv")), (Arc::from("path"), text("{{ top }}/{{ gone }}"))]);
        let scope = Scope::new(vec![Arc::new(layer)]);
        assert_eq!(render("make {{ top }}", &scope), "make /srv");
        assert_eq!(
            render("make {{ path }} and {{ lost }}", &scope),
            "make /srv/<< error 1 - 'gone' is undefined >> and << error 2 - 'lost' is undefined >>"
        );
    }
}
