//! `template`: renders a file on the controller, then has the host put it in place.

use serde_json::json;

use super::setup;
use crate::{
    controller::{
        executor::{Done, Turn},
        template::{
            self,
            error::Trouble,
            files::{Layout, render_file},
        },
        variables::Var,
    },
    protocol::{Failure, Map, Outcome, Verdict},
    remote::{OptionSpec, modules},
};

/// The manual page.
pub const DOC: &str = "\
Renders a template of the controller and puts the result in place on the host, with the options of `copy`.

## Example
```yaml
- template:
    src: app.conf.j2
    dest: /etc/app.conf
    mode: '0644'
```
";

const OWN: &[&str] = &[
    "src",
    "trim_blocks",
    "lstrip_blocks",
    "newline_sequence",
    "variable_start_string",
    "variable_end_string",
    "block_start_string",
    "block_end_string",
    "comment_start_string",
    "comment_end_string",
    "output_encoding",
];

/// Those of `copy`, and those about the template.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    let mut spec = modules::spec("copy");
    let missing: Vec<&&str> = OWN.iter().filter(|name| !spec.iter().any(|option| option.name == **name)).collect();
    for name in missing {
        let kind = if name.ends_with("blocks") { crate::remote::Kind::Bool } else { crate::remote::Kind::Str };
        spec.push(OptionSpec {
            name,
            aliases: &[],
            kind,
            required: false,
            default: None,
            doc: "How the template is read.",
        });
    }
    spec
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    let Some(src) = turn.text("src") else { return Done::failed("src is required") };
    let path = match turn.find_file("templates", &src) {
        Ok(path) => path,
        Err(failure) => return Outcome::new(Verdict::Failed(failure)).into(),
    };
    let mut layout = Layout {
        trim_blocks: turn.flag("trim_blocks", true),
        lstrip_blocks: turn.flag("lstrip_blocks", false),
        ..Layout::default()
    };
    for (name, place) in [
        ("variable_start_string", &mut layout.variable.0),
        ("variable_end_string", &mut layout.variable.1),
        ("block_start_string", &mut layout.block.0),
        ("block_end_string", &mut layout.block.1),
        ("comment_start_string", &mut layout.comment.0),
        ("comment_end_string", &mut layout.comment.1),
    ] {
        if let Some(text) = turn.text(name) {
            *place = text;
        }
    }
    if let Some(newline) = turn.text("newline_sequence") {
        layout.newline = newline.replace("\\r", "\r").replace("\\n", "\n");
    }
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => return Done::failed(format!("cannot read {}: {error}", path.display())),
    };
    let mut extra = match setup::complete(turn, |reading| !reading.covers(&path, &text)).await {
        Ok(facts) => facts,
        Err(failure) => return Outcome::new(Verdict::Failed(failure)).into(),
    };
    let mut set = |name: &str, value: String| {
        extra.insert(std::sync::Arc::from(name), Var::data(value));
    };
    set("template_path", path.display().to_string());
    set("template_fullpath", std::path::absolute(&path).unwrap_or_else(|_| path.clone()).display().to_string());
    set("template_host", rustix::system::uname().nodename().to_string_lossy().into_owned());
    let meta = std::fs::metadata(&path).ok();
    let time = |at: std::time::SystemTime| {
        let at = jiff::Timestamp::try_from(at)?.to_zoned_datetime(jiff::tz::TimeZone::system());
        Ok::<_, jiff::Error>(at.strftime("%Y-%m-%d %H:%M:%S").to_string())
    };
    if let Some(Ok(changed)) = meta.as_ref().and_then(|meta| meta.modified().ok()).map(time) {
        set("template_mtime", changed);
    }
    if let Ok(now) = time(std::time::SystemTime::now()) {
        set("template_run_date", now);
    }
    if let Some(meta) = &meta {
        let uid = std::os::unix::fs::MetadataExt::uid(meta);
        let owner = user_name(uid).unwrap_or_else(|| uid.to_string());
        set("template_uid", owner);
    }
    if let Some(dest) = turn.text("dest") {
        set("template_destpath", dest);
    }
    if turn.scope.get("ansible_managed").is_none() {
        set("ansible_managed", "Ansible managed".to_owned());
    }
    let context = template::context(&turn.scope.over(extra));
    let rendered = match render_file(&text, &path, &layout, &context) {
        Ok(rendered) => rendered,
        Err(error) if error.kind == Trouble::Unknown => return Outcome::new(Verdict::Unknown(error.message)).into(),
        Err(error) => return Outcome::new(Verdict::Failed(Failure::new(error.message))).into(),
    };
    let mut options: Map = match turn.json_options() {
        Ok(options) => options.into_iter().filter(|(name, _)| !OWN.contains(&name.as_str())).collect(),
        Err(error) => return Done::failed(error.message),
    };
    if options.get("mode").and_then(serde_json::Value::as_str) == Some("preserve")
        && let Some(meta) = &meta
    {
        let mode = std::os::unix::fs::MetadataExt::mode(meta) & 0o7777;
        options.insert("mode".to_owned(), json!(format!("{mode:04o}")));
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    options.insert("content".to_owned(), json!(rendered));
    options.insert("_name".to_owned(), json!(name));
    let mut outcome = turn.module("copy", options, &[]).await;
    if matches!(outcome.verdict, Verdict::Changed) {
        outcome.result.insert("src".to_owned(), json!(path.display().to_string()));
    }
    outcome.into()
}

/// The name of a user of the controller.
fn user_name(uid: u32) -> Option<String> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}
