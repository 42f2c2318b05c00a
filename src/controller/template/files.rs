//! Template files: their headers, their includes, and how the environment finds sources by name.

use std::path::{Path, PathBuf};

use minijinja::{Environment, Error, ErrorKind, Value, syntax::SyntaxConfig};

use super::{
    engine::environment,
    error::{TemplateError, Trouble},
    rewrite::{self, Parsed},
};

/// What an inline template's name begins with; the rest of the name is its source.
const INLINE: &str = "inline:";
/// A file's name among templates: prefix, then the path.
const FILE: &str = "file:";

/// How a template file is read: what a task or the file's `#jinja2:` header says.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Remove the newline behind a block.
    pub trim_blocks: bool,
    /// Strip blanks before a block.
    pub lstrip_blocks: bool,
    /// What begins and ends an expression.
    pub variable: (String, String),
    /// What begins and ends a block.
    pub block: (String, String),
    /// What begins and ends a comment.
    pub comment: (String, String),
    /// What a newline is in the output.
    pub newline: String,
}

impl Default for Layout {
    fn default() -> Self {
        let pair = |start: &str, end: &str| (start.to_owned(), end.to_owned());
        Self {
            trim_blocks: true,
            lstrip_blocks: false,
            variable: pair("{{", "}}"),
            block: pair("{%", "%}"),
            comment: pair("{#", "#}"),
            newline: "\n".to_owned(),
        }
    }
}

/// The name of an inline template.
pub(super) fn inline(source: &str) -> String {
    format!("{INLINE}{source}")
}

/// Makes the environment find inline templates and files.
pub(super) fn register(env: &mut Environment<'static>) {
    env.set_syntax(super::engine::syntax());
    env.set_loader(|name| match name.split_once(':') {
        Some(("inline", source)) => Ok(Some(source.to_owned())),
        Some(("file", path)) => load(Path::new(path)).map(Some),
        _ => Ok(None),
    });
    env.set_path_join_callback(|name, parent| {
        let Some(parent) = parent.strip_prefix(FILE) else { return name.to_owned().into() };
        let folder = Path::new(parent).parent().unwrap_or(Path::new("."));
        // Beside the including file, then in the `templates` folder above it.
        let candidates = [folder.join(name), folder.join("templates").join(name), folder.join("..").join(name)];
        let found = candidates.iter().find(|path| path.is_file()).unwrap_or(&candidates[0]);
        format!("{FILE}{}", found.display()).into()
    });
}

fn load(path: &Path) -> Result<String, Error> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Error::new(ErrorKind::TemplateNotFound, format!("cannot read template {}: {error}", path.display()))
    })?;
    // Only the template itself keeps the line break at its end, not what it includes.
    rewritten(text.strip_suffix('\n').unwrap_or(&text), &super::engine::syntax())
}

fn rewritten(text: &str, syntax: &SyntaxConfig) -> Result<String, Error> {
    match rewrite::template(text, syntax, false)? {
        Parsed::Template(text) => Ok(text),
        Parsed::Expression(text) => {
            let (start, end) = syntax.variable_delimiters();
            Ok(format!("{start}{text}{end}"))
        }
    }
}

/// Renders the text of a template file that lies at `path`.
///
/// # Errors
/// When it is no template or uses something it cannot; the message names file and line.
pub fn render_file(text: &str, path: &Path, layout: &Layout, context: &Value) -> Result<String, TemplateError> {
    let (text, layout) = header(text, layout)?;
    let syntax = SyntaxConfig::builder()
        .trim_blocks(layout.trim_blocks)
        .lstrip_blocks(layout.lstrip_blocks)
        .keep_trailing_newline(false)
        .variable_delimiters(layout.variable.0.clone(), layout.variable.1.clone())
        .block_delimiters(layout.block.0.clone(), layout.block.1.clone())
        .comment_delimiters(layout.comment.0.clone(), layout.comment.1.clone())
        .build()?;
    let mut env = environment().clone();
    env.set_syntax(syntax.clone());
    let name = format!("{FILE}{}", path.display());
    let render = |source: String| super::engine::recorded(|| env.render_named_str(&name, &source, context.clone())).0;
    let rendered = rewritten(text, &syntax).and_then(render).map_err(|error| located(error, path))?;
    let rendered = super::engine::restore_newlines(text, rendered);
    Ok(if layout.newline == "\n" { rendered } else { rendered.replace('\n', &layout.newline) })
}

fn located(error: Error, path: &Path) -> TemplateError {
    let line = error.line();
    let mut error = TemplateError::from(error);
    let place = line.map_or_else(|| path.display().to_string(), |line| format!("{}:{line}", path.display()));
    error.message = format!("{place}: {}", error.message);
    error
}

/// Takes a `#jinja2: name:value, …` header off.
fn header<'t>(text: &'t str, layout: &Layout) -> Result<(&'t str, Layout), TemplateError> {
    let mut layout = layout.clone();
    let Some(rest) = text.strip_prefix("#jinja2:") else { return Ok((text, layout)) };
    let (line, body) = rest.split_once('\n').unwrap_or((rest, ""));
    for setting in line.split(',').map(str::trim).filter(|setting| !setting.is_empty()) {
        let (name, value) = setting.split_once(':').unwrap_or((setting, ""));
        let value = value.trim().trim_matches(['\'', '"']);
        let on = matches!(value.to_lowercase().as_str(), "true" | "yes" | "1");
        match name.trim() {
            "trim_blocks" => layout.trim_blocks = on,
            "lstrip_blocks" => layout.lstrip_blocks = on,
            "variable_start_string" => value.clone_into(&mut layout.variable.0),
            "variable_end_string" => value.clone_into(&mut layout.variable.1),
            "block_start_string" => value.clone_into(&mut layout.block.0),
            "block_end_string" => value.clone_into(&mut layout.block.1),
            "comment_start_string" => value.clone_into(&mut layout.comment.0),
            "comment_end_string" => value.clone_into(&mut layout.comment.1),
            other => {
                return Err(TemplateError::new(Trouble::Syntax, format!("unknown setting in #jinja2 header: {other}")));
            }
        }
    }
    Ok((body, layout))
}

/// Where a template file lies: as given, or in the first search folder that has it.
#[must_use]
pub fn find(name: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    if Path::new(name).is_absolute() {
        return Path::new(name).exists().then(|| PathBuf::from(name));
    }
    folders.iter().map(|folder| folder.join(name)).find(|path| path.exists())
}
