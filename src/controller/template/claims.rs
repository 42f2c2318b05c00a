//! What a template says about results that are not back yet, put so that the host can decide it; nothing where it says more than that.

use minijinja::machinery::{
    ast::{BinOpKind, CallArg, Expr, Stmt, UnaryOpKind},
    parse, parse_expr,
};

use super::engine::is_template;
use crate::{
    controller::source::{Node, Shape},
    protocol::{
        Claim, Json,
        claim::{Operation, Relation},
    },
};

/// What a variable is: a value, or part of what is to come. Nothing where it is neither.
pub type Names<'n> = dyn Fn(&str) -> Option<Claim> + 'n;

/// That a condition holds.
#[must_use]
pub fn condition(node: &Node, names: &Names<'_>) -> Option<Claim> {
    match &node.shape {
        Shape::Bool(value) => Some(Claim::Value((*value).into())),
        Shape::Str(text) if !is_template(&text.value) && !text.value.trim().is_empty() => {
            expression(&text.value, names)
        }
        Shape::List(items) => {
            items.iter().map(|item| condition(item, names)).collect::<Option<Vec<_>>>().map(Claim::All)
        }
        _ => None,
    }
}

/// What a scalar is rendered to.
#[must_use]
pub fn value(node: &Node, names: &Names<'_>) -> Option<Claim> {
    match &node.shape {
        Shape::Str(text) if text.trusted && is_template(&text.value) => template(&text.value, names),
        Shape::List(_) | Shape::Map(_) => None,
        _ => Some(Claim::Value(node.to_json())),
    }
}

/// That something can be rendered, with all it holds.
#[must_use]
pub fn renders(node: &Node, names: &Names<'_>) -> Option<Claim> {
    let all = |claims: Option<Vec<Claim>>| claims.map(Claim::All);
    match &node.shape {
        Shape::List(items) => all(items.iter().map(|item| renders(item, names)).collect()),
        Shape::Map(map) => {
            let parts = map.entries.iter().flat_map(|(key, value)| [key, value]);
            all(parts.map(|part| renders(part, names)).collect())
        }
        _ => value(node, names).map(|value| folded(Claim::Defined(Box::new(value)))),
    }
}

fn expression(source: &str, names: &Names<'_>) -> Option<Claim> {
    of(&parse_expr(source).ok()?, names)
}

fn template(source: &str, names: &Names<'_>) -> Option<Claim> {
    // In a playbook's strings a backslash stands for itself, which is not how they are parsed here.
    if source.contains('\\') {
        return None;
    }
    let parsed = parse(source, "<template>", minijinja::syntax::SyntaxConfig::default()).ok()?;
    let Stmt::Template(root) = &parsed else { return None };
    if let [Stmt::EmitExpr(only)] = root.children.as_slice()
        && source.starts_with("{{")
        && source.ends_with("}}")
    {
        return of(&only.expr, names);
    }
    let parts = root.children.iter().map(|part| match part {
        Stmt::EmitRaw(raw) => Some(Claim::Value(raw.raw.into())),
        Stmt::EmitExpr(shown) => of(&shown.expr, names),
        _ => None,
    });
    parts.collect::<Option<Vec<_>>>().map(|parts| folded(Claim::Text(parts)))
}

fn of(expr: &Expr<'_>, names: &Names<'_>) -> Option<Claim> {
    let inner = |expr: &Expr<'_>| of(expr, names).map(Box::new);
    let claim = match expr {
        Expr::Var(var) => return names(var.id),
        Expr::Const(constant) => Claim::Value(serde_json::to_value(&constant.value).ok()?),
        Expr::List(list) => {
            let items: Option<Vec<Json>> = list
                .items
                .iter()
                .map(|item| match of(item, names)? {
                    Claim::Value(value) => Some(value),
                    _ => None,
                })
                .collect();
            Claim::Value(items?.into())
        }
        Expr::UnaryOp(op) if matches!(op.op, UnaryOpKind::Not) => Claim::Not(inner(&op.expr)?),
        Expr::BinOp(op) => {
            let (left, right) = (inner(&op.left)?, inner(&op.right)?);
            let compare = |relation, left, right| Claim::Compare(relation, left, right);
            match op.op {
                BinOpKind::Eq => compare(Relation::Equal, left, right),
                BinOpKind::Ne => Claim::Not(Box::new(compare(Relation::Equal, left, right))),
                BinOpKind::Lt => compare(Relation::Less, left, right),
                BinOpKind::Lte => compare(Relation::LessOrEqual, left, right),
                BinOpKind::Gt => compare(Relation::Less, right, left),
                BinOpKind::Gte => compare(Relation::LessOrEqual, right, left),
                BinOpKind::In => compare(Relation::In, left, right),
                BinOpKind::ScAnd => Claim::All(vec![*left, *right]),
                BinOpKind::ScOr => Claim::Any(vec![*left, *right]),
                BinOpKind::Add => Claim::Calculate(Operation::Plus, left, right),
                BinOpKind::Sub => Claim::Calculate(Operation::Minus, left, right),
                BinOpKind::Mul => Claim::Calculate(Operation::Times, left, right),
                BinOpKind::Concat => Claim::Text(vec![*left, *right]),
                _ => return None,
            }
        }
        Expr::GetAttr(get) => Claim::Part(inner(&get.expr)?, Box::new(Claim::Value(get.name.into()))),
        Expr::GetItem(get) => Claim::Part(inner(&get.expr)?, inner(&get.subscript_expr)?),
        Expr::Filter(filter) => {
            let input = inner(filter.expr.as_ref()?)?;
            match (filter.name, filter.args.as_slice()) {
                ("int", []) => Claim::Int(input),
                ("length" | "count", []) => Claim::Length(input),
                ("default" | "d", [CallArg::Pos(fallback)]) => Claim::Default(input, inner(fallback)?),
                _ => return None,
            }
        }
        Expr::Test(test) if test.args.is_empty() => {
            let input = inner(&test.expr)?;
            let flag = |name: &str| {
                let part = Claim::Part(input.clone(), Box::new(Claim::Value(name.into())));
                Claim::Default(Box::new(part), Box::new(Claim::Value(false.into())))
            };
            match test.name {
                "defined" => Claim::Defined(input),
                "undefined" => Claim::Not(Box::new(Claim::Defined(input))),
                "changed" | "change" => flag("changed"),
                "failed" | "failure" => flag("failed"),
                "succeeded" | "success" | "successful" => Claim::Not(Box::new(flag("failed"))),
                "skipped" | "skip" => flag("skipped"),
                _ => return None,
            }
        }
        _ => return None,
    };
    Some(folded(claim))
}

/// The same claim, decided as far as it can be here.
#[must_use]
pub fn folded(claim: Claim) -> Claim {
    claim.decide(&|_| None).map_or(claim, Claim::Value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(name: &str) -> Option<Claim> {
        match name {
            "seen" => Some(Claim::Result(1)),
            "limit" => Some(Claim::Value(json!(100))),
            "settings" => Some(Claim::Value(json!({"port": 80}))),
            _ => None,
        }
    }

    #[track_caller]
    fn decides(source: &str, result: &Json, expected: Option<Json>) {
        let claim = expression(source, &names).unwrap_or_else(|| panic!("no claim of {source}"));
        assert_eq!(claim.decide(&|step| (step == 1).then(|| result.clone())).ok(), expected, "{source}: {claim:?}");
    }

    #[test]
    fn conditions_on_results_become_claims() {
        let result =
            json!({"stat": {"exists": true, "size": 412}, "rc": 0, "stdout_lines": ["a", "b"], "changed": true});
        for (source, expected) in [
            ("seen.stat.exists", json!(true)),
            ("not seen.stat.exists", json!(false)),
            ("seen.stat['size'] | int > limit", json!(true)),
            ("seen.stat.size + 1 >= settings.port", json!(true)),
            ("seen.rc == 0 and seen is changed", json!(true)),
            ("seen is failed or seen.rc in [1, 2]", json!(false)),
            ("seen is not skipped", json!(true)),
            ("seen.stdout_lines | length == 2", json!(true)),
            ("'a' in seen.stdout_lines", json!(true)),
            ("'c' not in seen.stdout_lines", json!(true)),
            ("seen.stat.owner is defined", json!(false)),
            ("seen.stat.owner | default('root') == 'root'", json!(true)),
        ] {
            decides(source, &result, Some(expected));
        }
        decides("seen.stat.owner == 'root'", &result, None);
    }

    #[test]
    fn what_says_more_is_left_to_the_controller() {
        for source in
            ["seen.stdout | regex_search('x')", "lookup('env', 'X')", "other", "seen is match('a')", "a < b < c"]
        {
            assert_eq!(expression(source, &names), None, "{source}");
        }
        assert_eq!(template("{% if seen %}x{% endif %}", &names), None);
        assert_eq!(template("{{ seen.stdout ~ '\\n' }}", &names), None);
    }

    #[test]
    fn what_is_known_is_decided_at_once() {
        assert_eq!(expression("settings.port + 1", &names), Some(Claim::Value(json!(81))));
        assert_eq!(template("port {{ settings.port }}", &names), Some(Claim::Value(json!("port 80"))));
    }
}
