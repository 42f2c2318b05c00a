//! The Python interpreter of the host, where there is one; nothing here needs it.

use serde_json::json;

use super::Gathering;

/// Names of interpreters, the preferred first.
const INTERPRETERS: &[&str] = &["python3", "python", "python2"];

/// Prints what only the interpreter knows: five parts of its version, its kind, and whether it knows server names in TLS.
const QUESTION: &str = "import sys, json, ssl
print(json.dumps([list(sys.version_info), sys.implementation.name, ssl.HAS_SNI]))";

/// The facts that come from here.
pub(super) const GIVES: &[&str] = &["python", "python_version"];

pub(super) fn gather(facts: &mut Gathering<'_, '_>) {
    let found = INTERPRETERS.iter().find_map(|name| facts.probe.program(name).ok().flatten());
    let Some(path) = found else { return };
    let path = path.to_string_lossy().into_owned();
    let said =
        facts.says(&[&path, "-c", QUESTION]).and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok());
    let Some(said) = said else {
        facts.set("python", json!({"executable": path}));
        return;
    };
    let info = &said[0];
    let version = [0, 1, 2].map(|at| info[at].to_string()).join(".");
    let python = json!({
        "executable": path,
        "type": said[1],
        "has_sslcontext": true,
        "version": {
            "major": info[0], "minor": info[1], "micro": info[2], "releaselevel": info[3], "serial": info[4],
        },
        "version_info": info,
    });
    facts.set("python", python);
    facts.set("python_version", version);
}
