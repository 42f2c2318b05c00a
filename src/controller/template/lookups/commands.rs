//! Lookups that ask this machine: its environment, its commands, the network.

use std::process::{Command, Stdio};

use minijinja::{Error, Value};

use super::super::emit::python;
use super::super::filters::arguments::{invalid, undefined};
use super::super::filters::wrapping::lines;
use super::{Lookup, Options, Surroundings, text_term};

pub(super) const ALL: &[Lookup] = &[
    Lookup::lenient("env", "default", env),
    Lookup::new("pipe", "", |around, terms, _| {
        terms.iter().map(|term| run(around, "pipe", term).map(|text| Value::from(text.trim_end()))).collect()
    }),
    Lookup::new("lines", "", |around, terms, _| {
        let mut out = Vec::new();
        for term in terms {
            out.extend(lines(&run(around, "lines", term)?, false).into_iter().map(Value::from));
        }
        Ok(out)
    }),
    Lookup::new(
        "url",
        "validate_certs split_lines use_proxy username password headers force timeout http_agent force_basic_auth \
         follow_redirects use_gssapi use_netrc unix_socket ca_path unredirected_headers ciphers",
        url,
    ),
];

fn env(_: &dyn Surroundings, terms: &[Value], options: &Options) -> Result<Vec<Value>, Error> {
    let mut out = Vec::new();
    for term in terms {
        if let Some(error) = undefined(term) {
            return Err(error);
        }
        let term = text_term("env", term)?;
        let name = term.split_whitespace().next().unwrap_or("");
        let known = if name.is_empty() || name.contains('=') { None } else { std::env::var_os(name) };
        out.push(match (known, options.get("default")) {
            (Some(value), _) => Value::from(value.to_string_lossy().into_owned()),
            (None, default) => default.cloned().unwrap_or_else(|| Value::from("")),
        });
    }
    Ok(out)
}

/// What a shell command prints; its failure is the lookup's.
fn run(around: &dyn Surroundings, lookup: &str, term: &Value) -> Result<String, Error> {
    let command = python::text(term);
    let output = Command::new("/bin/sh")
        .args(["-c", &command])
        .current_dir(around.base_directory())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| invalid(format!("lookup_plugin.{lookup}({command}) could not start: {error}")))?;
    if !output.status.success() {
        let code = output.status.code().unwrap_or(-1);
        return Err(invalid(format!("lookup_plugin.{lookup}({command}) returned {code}")));
    }
    String::from_utf8(output.stdout).map_err(|_| invalid(format!("lookup_plugin.{lookup}({command}) printed no UTF-8")))
}

fn url(around: &dyn Surroundings, terms: &[Value], options: &Options) -> Result<Vec<Value>, Error> {
    let mut out = Vec::new();
    for term in terms {
        let body = around.fetch(&text_term("url", term)?, options)?;
        let text = String::from_utf8_lossy(&body);
        if options.flag("split_lines", true) {
            out.extend(lines(&text, false).into_iter().map(Value::from));
        } else {
            out.push(Value::from(text.into_owned()));
        }
    }
    Ok(out)
}
