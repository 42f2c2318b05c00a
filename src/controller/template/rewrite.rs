//! Rewrites expressions before they are compiled, where Jinja2 as Ansible runs it asks for what the engine has no switch for.
//!
//! - Using an undefined value is an error, looking into one is not: every use is wrapped in the filter `__used`.
//! - `%` formats text: it becomes the filter `__mod`. `-` between what may be points in time becomes `__minus`.
//! - In playbooks a backslash in a string stands for itself.

use minijinja::{
    machinery::{
        Span,
        ast::{BinOpKind, CallArg, Expr, IfExpr, Stmt},
        parse, parse_expr,
    },
    syntax::SyntaxConfig,
};

/// Filters that may be given something undefined.
const LENIENT_FILTERS: &[&str] = &["default", "d", "mandatory", "type_debug", "__used", "__mod", "__minus"];
/// Tests that may be given something undefined.
const LENIENT_TESTS: &[&str] = &["defined", "undefined"];

/// Rewrites a bare expression (`when`, `until`, the inside of `{{ }}`).
///
/// # Errors
/// When it does not parse.
pub(super) fn expression(source: &str, plain_backslashes: bool) -> Result<String, minijinja::Error> {
    let parsed = match parse_expr(source) {
        Ok(parsed) => parsed,
        Err(error) => {
            return without_plus(source, true).map_or(Err(error), |text| expression(&text, plain_backslashes));
        }
    };
    let mut rewriter = Rewriter { source, plain_backslashes, embedded: true, edits: Vec::new() };
    rewriter.used(&parsed);
    Ok(rewriter.finish())
}

/// What a template is made of.
pub(super) enum Parsed {
    /// Exactly one `{{ expression }}`, rewritten.
    Expression(String),
    /// Anything else, rewritten.
    Template(String),
}

/// Rewrites a template with `{{ }}`, `{% %}` or `{# #}` in it.
///
/// # Errors
/// When it does not parse.
pub(super) fn template(
    source: &str,
    syntax: &SyntaxConfig,
    plain_backslashes: bool,
) -> Result<Parsed, minijinja::Error> {
    let parsed = match parse(source, "<template>", syntax.clone()) {
        Ok(parsed) => parsed,
        Err(error) => {
            return without_plus(source, false).map_or(Err(error), |text| template(&text, syntax, plain_backslashes));
        }
    };
    let Stmt::Template(root) = &parsed else { return Ok(Parsed::Template(source.to_owned())) };
    let mut rewriter = Rewriter { source, plain_backslashes, embedded: false, edits: Vec::new() };
    if let [Stmt::EmitExpr(only)] = root.children.as_slice()
        && is_one_pair(source, syntax)
    {
        rewriter.used(&only.expr);
        let rewritten = rewriter.finish();
        let (start, end) = syntax.variable_delimiters();
        let trimmed = rewritten.trim();
        let body = trimmed.strip_prefix(start).and_then(|rest| rest.strip_suffix(end)).unwrap_or(trimmed);
        let body = body.strip_prefix(['-', '+']).unwrap_or(body);
        let body = body.strip_suffix(['-', '+']).unwrap_or(body);
        return Ok(Parsed::Expression(body.to_owned()));
    }
    rewriter.statements(&root.children);
    Ok(Parsed::Template(rewriter.finish()))
}

/// The same without a plus that is a sign, which the engine does not know; `None` where there is none.
/// Places stay what they are: a blank stands for it.
fn without_plus(source: &str, mut inside: bool) -> Option<String> {
    let mut bytes = source.as_bytes().to_vec();
    let (mut quote, mut before, mut found) = (None, b'(', false);
    for at in 0..bytes.len() {
        let (byte, next) = (bytes[at], bytes.get(at + 1).copied().unwrap_or_default());
        match (byte, next) {
            _ if quote.is_some() => quote = quote.filter(|mark| *mark != byte || before == b'\\'),
            (b'{', b'{' | b'%') if !inside => inside = true,
            (b'}' | b'%', b'}') if inside => inside = false,
            (b'"' | b'\'', _) if inside => quote = Some(byte),
            (b'+', b'0'..=b'9' | b'.' | b'(' | b'_' | b'a'..=b'z' | b'A'..=b'Z')
                if inside && b"([,=:*/%~<>".contains(&before) =>
            {
                bytes[at] = b' ';
                found = true;
            }
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            before = byte;
        }
    }
    found.then(|| String::from_utf8(bytes).ok()).flatten()
}

/// Whether the delimiters are at the very ends of the text.
fn is_one_pair(source: &str, syntax: &SyntaxConfig) -> bool {
    let (start, end) = syntax.variable_delimiters();
    source.starts_with(start) && source.ends_with(end)
}

/// A text to put in at an offset, or instead of a stretch.
struct Edit {
    at: usize,
    until: usize,
    /// Closing edits at an offset come before opening ones.
    opens: bool,
    text: String,
}

struct Rewriter<'s> {
    source: &'s str,
    plain_backslashes: bool,
    /// Whether strings in it are templates themselves, as in `when: "'{{ a }}' == b"`.
    embedded: bool,
    edits: Vec<Edit>,
}

impl Rewriter<'_> {
    fn finish(mut self) -> String {
        // Stable: edits of one kind at one offset keep the order in which the tree was walked.
        self.edits.sort_by_key(|edit| (edit.at, edit.opens));
        let mut out = String::with_capacity(self.source.len() + self.edits.len() * 10);
        let mut at = 0;
        for edit in &self.edits {
            if edit.at < at {
                continue;
            }
            out.push_str(&self.source[at..edit.at]);
            out.push_str(&edit.text);
            at = edit.until;
        }
        out.push_str(&self.source[at..]);
        out
    }

    fn insert(&mut self, at: usize, opens: bool, text: impl Into<String>) {
        self.edits.push(Edit { at, until: at, opens, text: text.into() });
    }

    fn statements(&mut self, statements: &[Stmt<'_>]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &Stmt<'_>) {
        match statement {
            Stmt::EmitExpr(emit) => self.used(&emit.expr),
            Stmt::ForLoop(each) => {
                self.used(&each.iter);
                each.filter_expr.iter().for_each(|filter| self.used(filter));
                self.statements(&each.body);
                self.statements(&each.else_body);
            }
            Stmt::IfCond(cond) => {
                self.used(&cond.expr);
                self.statements(&cond.true_body);
                self.statements(&cond.false_body);
            }
            Stmt::WithBlock(with) => {
                with.assignments.iter().for_each(|(_, value)| self.walk(value));
                self.statements(&with.body);
            }
            Stmt::Set(set) => self.walk(&set.expr),
            Stmt::SetBlock(set) => self.statements(&set.body),
            Stmt::AutoEscape(block) => self.statements(&block.body),
            Stmt::FilterBlock(block) => self.statements(&block.body),
            Stmt::Block(block) => self.statements(&block.body),
            Stmt::Macro(declared) => self.statements(&declared.body),
            Stmt::CallBlock(block) => {
                self.arguments(&block.call.args);
                self.statements(&block.macro_decl.body);
            }
            Stmt::Do(call) => self.arguments(&call.call.args),
            Stmt::Include(include) => self.used(&include.name),
            Stmt::Template(_) | Stmt::EmitRaw(_) | Stmt::Import(_) | Stmt::FromImport(_) | Stmt::Extends(_) => {}
        }
    }

    /// An expression whose value is used here: it must not be undefined.
    fn used(&mut self, expression: &Expr<'_>) {
        let wrap =
            matches!(expression, Expr::Var(_) | Expr::GetAttr(_) | Expr::GetItem(_) | Expr::Filter(_) | Expr::Call(_))
                || matches!(expression, Expr::BinOp(op) if matches!(op.op, BinOpKind::ScOr | BinOpKind::ScAnd))
                || matches!(expression, Expr::IfExpr(choice) if choice.false_expr.is_some());
        if !wrap {
            return self.walk(expression);
        }
        let extent = self.balanced(extent(expression));
        self.insert(extent.0, true, "((");
        self.walk(expression);
        let name = self.source[extent.0..extent.1].replace('"', "'").replace(['\\', '\n'], " ");
        self.insert(extent.1, false, format!(")|__used(\"{name}\"))"));
    }

    /// Spans leave out the parentheses around an operand: what is open or closed inside is balanced by its neighbours.
    fn balanced(&self, (mut start, mut end): (usize, usize)) -> (usize, usize) {
        let bytes = self.source.as_bytes();
        let (mut open, mut unopened, mut quote) = (0_usize, 0_usize, None);
        let mut inner = bytes[start..end].iter();
        while let Some(&byte) = inner.next() {
            match (quote, byte) {
                (Some(_), b'\\') => drop(inner.next()),
                (Some(mark), _) if mark == byte => quote = None,
                (None, b'"' | b'\'') => quote = Some(byte),
                (None, b'(') => open += 1,
                (None, b')') if open == 0 => unopened += 1,
                (None, b')') => open -= 1,
                _ => {}
            }
        }
        while unopened > 0 && start > 0 {
            start -= 1;
            unopened -= usize::from(bytes[start] == b'(');
        }
        while open > 0 && end < bytes.len() {
            open -= usize::from(bytes[end] == b')');
            end += 1;
        }
        (start, end)
    }

    fn walk(&mut self, expression: &Expr<'_>) {
        match expression {
            Expr::Var(_) => {}
            Expr::Const(constant) => self.constant(&constant.value, constant.span()),
            Expr::Slice(slice) => {
                self.used(&slice.expr);
                for part in [&slice.start, &slice.stop, &slice.step].into_iter().flatten() {
                    self.used(part);
                }
            }
            Expr::UnaryOp(op) => self.used(&op.expr),
            Expr::BinOp(op) => match op.op {
                BinOpKind::ScAnd | BinOpKind::ScOr => {
                    self.used(&op.left);
                    self.walk(&op.right);
                }
                BinOpKind::Rem => self.operator('%', "|__mod(", &op.left, &op.right, op.span()),
                // With a number on either side it is the engine's own.
                BinOpKind::Sub if !is_constant(&op.left) && !is_constant(&op.right) => {
                    self.operator('-', "|__minus(", &op.left, &op.right, op.span());
                }
                _ => {
                    self.used(&op.left);
                    self.used(&op.right);
                }
            },
            Expr::Compare(compare) => {
                self.used(&compare.expr);
                compare.ops.iter().for_each(|op| self.used(&op.expr));
            }
            Expr::IfExpr(choice) => self.choice(choice),
            Expr::Filter(filter) => {
                if let Some(input) = &filter.expr {
                    if filter.name == "mandatory" {
                        self.named(input);
                    } else if LENIENT_FILTERS.contains(&filter.name) {
                        self.lenient(input);
                    } else {
                        self.used(input);
                    }
                }
                self.arguments(&filter.args);
            }
            Expr::Test(test) => {
                if LENIENT_TESTS.contains(&test.name) {
                    self.lenient(&test.expr);
                } else {
                    self.used(&test.expr);
                }
                self.arguments(&test.args);
            }
            Expr::GetAttr(get) => self.walk(&get.expr),
            Expr::GetItem(get) => {
                self.walk(&get.expr);
                self.used(&get.subscript_expr);
            }
            Expr::Call(call) => {
                if let Expr::GetAttr(method) = &call.expr {
                    self.used(&method.expr);
                }
                self.arguments(&call.args);
            }
            Expr::List(list) => list.items.iter().for_each(|item| self.used(item)),
            Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.used(item)),
            Expr::Map(map) => {
                map.keys.iter().for_each(|key| self.used(key));
                map.values.iter().for_each(|value| self.used(value));
            }
        }
    }

    /// An expression that may be undefined; filters in it pass on what is.
    fn lenient(&mut self, expression: &Expr<'_>) {
        match expression {
            Expr::Filter(filter) if !LENIENT_FILTERS.contains(&filter.name) => {
                filter.expr.iter().for_each(|input| self.lenient(input));
                self.arguments(&filter.args);
            }
            Expr::GetAttr(get) => self.lenient(&get.expr),
            _ => self.walk(expression),
        }
    }

    /// An expression of which is kept how it is called, for what complains about it.
    fn named(&mut self, expression: &Expr<'_>) {
        let extent = self.balanced(extent(expression));
        self.insert(extent.0, true, "((");
        self.lenient(expression);
        let name = self.source[extent.0..extent.1].replace('"', "'").replace(['\\', '\n'], " ");
        self.insert(extent.1, false, format!(")|__named(\"{name}\"))"));
    }

    fn choice(&mut self, choice: &IfExpr<'_>) {
        self.walk(&choice.true_expr);
        self.used(&choice.test_expr);
        choice.false_expr.iter().for_each(|other| self.walk(other));
    }

    fn arguments(&mut self, arguments: &[CallArg<'_>]) {
        for argument in arguments {
            match argument {
                CallArg::Pos(value)
                | CallArg::Kwarg(_, value)
                | CallArg::PosSplat(value)
                | CallArg::KwargSplat(value) => self.walk(value),
            }
        }
    }

    /// Makes a filter call of an operator: `(left)|filter(right)`.
    fn operator(&mut self, sign: char, filter: &str, left: &Expr<'_>, right: &Expr<'_>, whole: Span) {
        let (left_extent, right_extent) = (self.balanced(extent(left)), self.balanced(extent(right)));
        let between = &self.source[left_extent.1..right_extent.0];
        let Some(sign) = between.find(sign) else { return };
        let sign = left_extent.1 + sign;
        self.insert(left_extent.0, true, "(");
        self.used(left);
        self.insert(left_extent.1, false, ")");
        self.edits.push(Edit { at: sign, until: sign + 1, opens: true, text: filter.to_owned() });
        self.used(right);
        self.insert((whole.end_offset as usize).max(right_extent.1), false, ")");
    }

    fn constant(&mut self, value: &minijinja::Value, span: Span) {
        if self.embedded && value.as_str().is_some_and(super::engine::is_template) {
            self.insert(span.start_offset as usize, true, "((");
            self.insert(span.end_offset as usize, false, ")|__rendered)");
        }
        if !self.plain_backslashes || value.as_str().is_none() {
            return;
        }
        let (start, end) = (span.start_offset as usize, span.end_offset as usize);
        let text = &self.source[start..end];
        if text.contains('\\') && text.starts_with(['\'', '"']) {
            self.edits.push(Edit { at: start, until: end, opens: true, text: text.replace('\\', "\\\\") });
        }
    }
}

const fn is_constant(expression: &Expr<'_>) -> bool {
    matches!(expression, Expr::Const(_))
}

/// From the first to behind the last byte of an expression: the spans of postfix forms begin at their operator, those of
/// other forms with whatever stands before them.
fn extent(expression: &Expr<'_>) -> (usize, usize) {
    let own = expression.span();
    let own = (own.start_offset as usize, own.end_offset as usize);
    let first = match expression {
        Expr::Filter(filter) => filter.expr.as_ref(),
        Expr::Test(test) => Some(&test.expr),
        Expr::GetAttr(get) => Some(&get.expr),
        Expr::GetItem(get) => Some(&get.expr),
        Expr::Call(call) => Some(&call.expr),
        Expr::Slice(slice) => Some(&slice.expr),
        Expr::BinOp(op) => Some(&op.left),
        Expr::Compare(compare) => Some(&compare.expr),
        Expr::IfExpr(choice) => Some(&choice.true_expr),
        _ => None,
    };
    let (start, mut end) = first.map(extent).map_or(own, |inner| (inner.0, inner.1.max(own.1)));
    if let Expr::UnaryOp(negated) = expression {
        // `not a` begins with the operator, `a is not b` with the operand.
        let inner = extent(&negated.expr);
        return (own.0.min(inner.0), own.1.max(inner.1));
    }
    if let Expr::IfExpr(choice) = expression {
        end = choice.false_expr.as_ref().map_or(end, |other| extent(other).1.max(end));
    }
    (start, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_are_wrapped_and_looking_into_is_not() {
        assert_eq!(expression("a.b == 1", false).unwrap(), "((a.b)|__used(\"a.b\")) == 1");
        assert_eq!(expression("a.b is defined", false).unwrap(), "a.b is defined");
        assert_eq!(
            expression("a.b | default('x')", false).unwrap(),
            "((a.b | default('x'))|__used(\"a.b | default('x')\"))"
        );
    }

    #[test]
    fn what_is_rewritten_parses_and_nests() {
        for source in [
            "x if x != 'a' else (b if c else d)",
            "'127' if rates == '0' else rates",
            "(a or b) | upper if (c and d) else e[f] | default(g % h)",
            "not (a is defined and b)",
            "(x in y and z)",
            "[a, (b, c)] + d[1:e]",
            "f(a, b=c).d.e(g)",
            "a ~ (b | default('') if c else d) ~ '/x'",
            "((a | int) > (b | int)) or (c | bool)",
            "x is version('1', '>=') and y is not search(z)",
            "(a is not changed) or (b is failed)",
            "(a is not defined or b is not defined)",
            "(a) or ((b) and (c == ')'))",
            "a in b\n and (c ~ '.').startswith(d ~ '.')",
        ] {
            let rewritten = expression(source, false).unwrap();
            assert!(parse_expr(&rewritten).is_ok(), "{source}\n{rewritten}");
            let text = format!("x {{{{ {source} }}}} y {{{{ {source}\n}}}}");
            let Ok(Parsed::Template(rewritten)) = template(&text, &SyntaxConfig::default(), true) else { panic!() };
            assert!(parse(&rewritten, "test", SyntaxConfig::default()).is_ok(), "{text}\n{rewritten}");
        }
    }

    #[test]
    fn percent_becomes_a_filter_call() {
        assert_eq!(expression("'%s' % 1", false).unwrap(), "('%s') |__mod( 1)");
        assert_eq!(expression("a - 1", false).unwrap(), "((a)|__used(\"a\")) - 1");
        let between = expression("(a | f) - b.c - d", false).unwrap();
        assert_eq!(between.matches("|__minus(").count(), 2, "{between}");
    }

    #[test]
    fn backslashes_stand_for_themselves_in_playbooks() {
        let Ok(Parsed::Expression(text)) = template(r"{{ 'a\d' }}", &SyntaxConfig::default(), true) else { panic!() };
        assert_eq!(text, r" 'a\\d' ");
    }
}
