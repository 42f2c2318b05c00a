//! Filters on paths, of this machine's form and of Windows'.

use std::path::{Path, PathBuf};

use minijinja::value::Tuple;
use minijinja::{Error, State, Value};

use super::Filter;
use super::arguments::{Arguments, invalid, is_list};
use super::strings::{expect_text, expect_texts};
use crate::controller::template::emit::python;

pub(super) const ALL: &[Filter] = &[
    Filter::new("basename", "path", |_, args| on_text(args, |path| path.rsplit('/').next().unwrap_or("").to_owned())),
    Filter::new("dirname", "path", |_, args| on_text(args, dirname)),
    Filter::new("expanduser", "path", |_, args| on_text(args, expanduser)),
    Filter::new("expandvars", "path", |_, args| on_text(args, expandvars)),
    Filter::new("normpath", "path", |_, args| on_text(args, normpath)),
    Filter::new("realpath", "path", |_, args| on_text(args, realpath)),
    Filter::new("relpath", "path start", relpath),
    Filter::new("splitext", "path", splitext),
    Filter::new("path_join", "paths", path_join),
    Filter::new("commonpath", "paths", commonpath),
    Filter::new("fileglob", "pathname", fileglob),
    Filter::new("win_basename", "path", |_, args| on_text(args, |path| win_split(path).1)),
    Filter::new("win_dirname", "path", |_, args| on_text(args, |path| win_split(path).0)),
    Filter::new("win_splitdrive", "path", win_splitdrive),
];

type Outcome = Result<Value, Error>;

fn on_text(args: &Arguments, change: fn(&str) -> String) -> Outcome {
    let value = args.need("path")?;
    let Some(path) = value.as_str() else {
        let message = format!("expected str, bytes or os.PathLike object, not {}", python::type_name(value));
        return Err(invalid(message));
    };
    Ok(Value::from(change(path)))
}

/// Everything before the last slash, trailing slashes dropped unless there is nothing else.
pub(in super::super) fn dirname(path: &str) -> String {
    let head = path.rfind('/').map_or("", |slash| &path[..=slash]);
    let trimmed = head.trim_end_matches('/');
    if trimmed.is_empty() { head } else { trimmed }.to_owned()
}

/// `~` and `~user` at the start, from the environment and the user database; unknown users stay as they are.
pub(in super::super) fn expanduser(path: &str) -> String {
    let Some(rest) = path.strip_prefix('~') else { return path.to_owned() };
    let (user, tail) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    let home = if user.is_empty() {
        std::env::var("HOME")
            .ok()
            .or_else(|| home_of(|fields| fields[2] == rustix::process::getuid().as_raw().to_string()))
    } else {
        home_of(|fields| fields[0] == user)
    };
    home.map_or_else(
        || path.to_owned(),
        |home| {
            let joined = format!("{}{tail}", home.trim_end_matches('/'));
            if joined.is_empty() { "/".to_owned() } else { joined }
        },
    )
}

fn home_of(is_it: impl Fn(&[&str]) -> bool) -> Option<String> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    users.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        (fields.len() >= 7 && is_it(&fields)).then(|| fields[5].to_owned())
    })
}

fn expandvars(path: &str) -> String {
    let mut out = String::new();
    let mut rest = path;
    while let Some(dollar) = rest.find('$') {
        out.push_str(&rest[..dollar]);
        let tail = &rest[dollar + 1..];
        let (name, used) = if let Some(inner) = tail.strip_prefix('{') {
            inner.find('}').map_or(("", 0), |end| (&inner[..end], end + 2))
        } else {
            let end = tail.find(|character: char| !(character.is_ascii_alphanumeric() || character == '_'));
            let end = end.unwrap_or(tail.len());
            (&tail[..end], end)
        };
        let known = if name.is_empty() { None } else { std::env::var(name).ok() };
        out.push_str(known.as_deref().unwrap_or(&rest[dollar..dollar + 1 + used]));
        rest = &tail[used..];
    }
    out + rest
}

/// `os.path.normpath`: no `.`, no `x/..`, no doubled slashes; links are not looked at.
pub(in super::super) fn normpath(path: &str) -> String {
    let lead = if path.starts_with("//") && !path.starts_with("///") {
        "//"
    } else if path.starts_with('/') {
        "/"
    } else {
        ""
    };
    let mut steps: Vec<&str> = Vec::new();
    for step in path.split('/') {
        match step {
            "" | "." => {}
            ".." if steps.last().is_some_and(|last| *last != "..") => {
                steps.pop();
            }
            ".." if !lead.is_empty() => {}
            _ => steps.push(step),
        }
    }
    let joined = format!("{lead}{}", steps.join("/"));
    if joined.is_empty() { ".".to_owned() } else { joined }
}

fn absolute(path: &str) -> String {
    if path.starts_with('/') {
        return normpath(path);
    }
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    normpath(&format!("{}/{path}", here.to_string_lossy()))
}

fn realpath(path: &str) -> String {
    let absolute = if path.starts_with('/') { path.to_owned() } else { absolute(path) };
    // What exists is resolved; what does not is appended to the resolved part above it.
    let mut missing: Vec<String> = Vec::new();
    let mut known = PathBuf::from(&absolute);
    loop {
        if let Ok(real) = std::fs::canonicalize(&known) {
            missing.reverse();
            // The root ends with a slash of its own; two at the beginning would be kept.
            return normpath(&format!("{}/{}", real.to_string_lossy().trim_end_matches('/'), missing.join("/")));
        }
        match (known.file_name().map(|name| name.to_string_lossy().into_owned()), known.parent().map(Path::to_path_buf))
        {
            (Some(name), Some(parent)) => {
                missing.push(name);
                known = parent;
            }
            _ => return normpath(&absolute),
        }
    }
}

fn relpath(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let (path, start) = (absolute(&args.text("path")?), absolute(&args.text_or("start", ".")));
    let parts = |path: &str| path.split('/').filter(|step| !step.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let (path, start) = (parts(&path), parts(&start));
    let common = path.iter().zip(&start).take_while(|(left, right)| left == right).count();
    let mut steps = vec!["..".to_owned(); start.len() - common];
    steps.extend(path[common..].iter().cloned());
    Ok(Value::from(if steps.is_empty() { ".".to_owned() } else { steps.join("/") }))
}

fn splitext(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let path = args.text("path")?;
    let name = path.rfind('/').map_or(0, |slash| slash + 1);
    let leading = path[name..].len() - path[name..].trim_start_matches('.').len();
    let dot = path[name + leading..].rfind('.').map_or(path.len(), |dot| name + leading + dot);
    Ok(pair(&path[..dot], &path[dot..]))
}

fn pair(left: &str, right: &str) -> Value {
    Value::from_object(Tuple::new(vec![Value::from(left), Value::from(right)]))
}

fn path_join(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let value = args.need("paths")?;
    if let Some(path) = value.as_str() {
        return Ok(Value::from(path));
    }
    if !is_list(value) {
        let message = format!("|path_join expects string or sequence, got {} instead.", python::type_name(value));
        return Err(invalid(message));
    }
    let mut joined = String::new();
    let paths = expect_texts(value)?;
    if paths.is_empty() {
        return Err(invalid("join() missing 1 required positional argument: 'a'"));
    }
    for path in paths {
        if path.starts_with('/') || joined.is_empty() {
            joined = path;
        } else {
            if !joined.ends_with('/') {
                joined.push('/');
            }
            joined.push_str(&path);
        }
    }
    Ok(Value::from(joined))
}

fn commonpath(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let value = args.need("paths")?;
    if !is_list(value) {
        return Err(invalid(format!("|commonpath expects sequence, got {} instead.", python::type_name(value))));
    }
    let paths = expect_texts(value)?;
    let Some(first) = paths.first() else { return Err(invalid("commonpath() arg is an empty sequence")) };
    let rooted = first.starts_with('/');
    if paths.iter().any(|path| path.starts_with('/') != rooted) {
        return Err(invalid("Can't mix absolute and relative paths"));
    }
    let steps =
        |path: &str| path.split('/').filter(|step| !matches!(*step, "" | ".")).map(str::to_owned).collect::<Vec<_>>();
    let mut common = steps(first);
    for path in &paths[1..] {
        let same = common.iter().zip(steps(path)).take_while(|(left, right)| *left == right).count();
        common.truncate(same);
    }
    Ok(Value::from(format!("{}{}", if rooted { "/" } else { "" }, common.join("/"))))
}

fn fileglob(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    Ok(Value::from_iter(glob_files(expect_text(args.need("pathname")?)?)))
}

/// The regular files a shell pattern matches, in the order of their names. `**` is an ordinary `*`.
pub(in super::super) fn glob_files(pattern: &str) -> Vec<String> {
    let mut found = vec![if pattern.starts_with('/') { "/".to_owned() } else { String::new() }];
    for step in pattern.split('/').filter(|step| !step.is_empty()) {
        let join =
            |base: &str| if base.is_empty() || base.ends_with('/') { base.to_owned() } else { format!("{base}/") };
        if !step.contains(['*', '?', '[']) {
            found = found
                .iter()
                .map(|base| format!("{}{step}", join(base)))
                .filter(|path| Path::new(path).symlink_metadata().is_ok())
                .collect();
            continue;
        }
        let Ok(glob) = globset::GlobBuilder::new(step).literal_separator(true).build() else { return Vec::new() };
        let matcher = glob.compile_matcher();
        let mut next = Vec::new();
        for base in &found {
            let Ok(entries) = std::fs::read_dir(if base.is_empty() { "." } else { base }) else { continue };
            let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
            // Hidden files need a dot in the pattern.
            let shown =
                names.filter(|name| (step.starts_with('.') || !name.starts_with('.')) && matcher.is_match(name));
            next.extend(shown.map(|name| format!("{}{name}", join(base))));
        }
        next.sort();
        found = next;
    }
    found.retain(|path| Path::new(path).is_file());
    found
}

fn win_drive(path: &str) -> (&str, &str) {
    if path.as_bytes().get(1) == Some(&b':') { path.split_at(2) } else { win_share(path) }
}

fn win_share(path: &str) -> (&str, &str) {
    let slash = |character: char| matches!(character, '\\' | '/');
    let (Some(first), Some(second)) = (path.chars().next(), path.chars().nth(1)) else { return ("", path) };
    if !(slash(first) && slash(second)) {
        return ("", path);
    }
    let Some(server) = path[2..].find(slash).map(|end| end + 3) else { return ("", path) };
    let end = path[server..].find(slash).map_or(path.len(), |end| server + end);
    path.split_at(end)
}

fn win_split(path: &str) -> (String, String) {
    let (drive, rest) = win_drive(path);
    let start = rest.rfind(['\\', '/']).map_or(0, |slash| slash + 1);
    let (head, tail) = rest.split_at(start);
    let trimmed = head.trim_end_matches(['\\', '/']);
    (format!("{drive}{}", if trimmed.is_empty() { head } else { trimmed }), tail.to_owned())
}

fn win_splitdrive(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let path = args.text("path")?;
    let (drive, rest) = win_drive(&path);
    Ok(pair(drive, rest))
}
