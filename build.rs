//! Builds the helper from this package, small and static, and embeds it: once per architecture that can be linked here.
//!
//! `DEPLOYER_HELPERS=none` embeds nothing and `=native` this machine's architecture only (both for quick builds);
//! `DEPLOYER_HELPER_<TRIPLE>=path` embeds a program that was built elsewhere.

use std::{
    env,
    ffi::OsString,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::{Command, exit},
};

use sha2::{Digest, Sha256};

/// Architectures as `uname -m` says them; helpers are for Linux.
const ARCHITECTURES: [&str; 2] = ["x86_64", "aarch64"];

/// What a nested cargo needs of the outer environment; everything else would leak the outer build's settings into it.
const KEPT: [&str; 18] = [
    "PATH",
    "HOME",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "CARGO_NET_OFFLINE",
    "CARGO_MAKEFLAGS",
    "MAKEFLAGS",
    "CARGO_HTTP_PROXY",
    "CARGO_HTTP_CAINFO",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "http_proxy",
    "https_proxy",
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
    "TMPDIR",
];

fn main() {
    for path in ["build.rs", "Cargo.toml", "Cargo.lock", "src/lib.rs", "src/protocol", "src/remote"] {
        println!("cargo:rerun-if-changed={path}");
    }
    println!("cargo:rerun-if-env-changed=DEPLOYER_HELPERS");
    // The nested build runs this script too.
    if env::var_os("CARGO_FEATURE_CONTROLLER").is_none() {
        return;
    }
    let out = PathBuf::from(variable("OUT_DIR"));
    let wanted = env::var("DEPLOYER_HELPERS").unwrap_or_default();
    let native = env::var("HOST").unwrap_or_default();
    let mut list = String::new();
    for arch in ARCHITECTURES {
        let here = native.starts_with(arch) && native.contains("linux");
        if let Some(helper) = helper(arch, here, &wanted, &out) {
            let _ = writeln!(
                list,
                "    ({arch:?}, include_bytes!({:?}), {:?}),",
                helper.display().to_string(),
                sha256(&helper)
            );
        }
    }
    let code = format!(
        "/// Helpers by architecture, as `uname -m` says it, and their SHA-256.\npub static HELPERS: &[(&str, &[u8], &str)] = &[\n{list}];\n"
    );
    if let Err(error) = fs::write(out.join("helpers.rs"), code) {
        fail(&format!("cannot write to {}: {error}", out.display()));
    }
}

/// The lower-case hex SHA-256 of a file: worked out here, not at every start of the program.
fn sha256(path: &Path) -> String {
    match fs::read(path) {
        Ok(content) => Sha256::digest(content).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}")),
        Err(error) => fail(&format!("cannot read {}: {error}", path.display())),
    }
}

/// The helper for one architecture; `None` when it is not wanted or cannot be built here.
fn helper(arch: &str, here: bool, wanted: &str, out: &Path) -> Option<PathBuf> {
    let musl = format!("{arch}-unknown-linux-musl");
    let gnu = format!("{arch}-unknown-linux-gnu");
    for triple in [&musl, &gnu] {
        let name = format!("DEPLOYER_HELPER_{}", triple.to_uppercase().replace('-', "_"));
        println!("cargo:rerun-if-env-changed={name}");
        if let Some(path) = env::var_os(&name) {
            let path = PathBuf::from(path);
            println!("cargo:rerun-if-changed={}", path.display());
            return match path.canonicalize() {
                Ok(path) => Some(path),
                Err(error) => fail(&format!("{name}={}: {error}", path.display())),
            };
        }
    }
    if wanted == "none" || (wanted == "native" && !here) {
        return None;
    }
    let triple = match (installed(&musl), here) {
        (true, _) => musl,
        (false, true) => gnu,
        (false, false) => return None,
    };
    match build(&triple, out) {
        Ok(path) => Some(path),
        Err(message) if here => fail(&message),
        Err(message) => {
            let last = message.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
            println!("cargo:warning=no helper for {arch} hosts is embedded: it does not build here ({last})");
            None
        }
    }
}

/// Whether the standard library for a target is there.
fn installed(triple: &str) -> bool {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).args(["--print", "target-libdir", "--target", triple]).output();
    output.is_ok_and(|output| {
        output.status.success() && Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir()
    })
}

fn build(triple: &str, out: &Path) -> Result<PathBuf, String> {
    let cargo: OsString = variable("CARGO").into();
    let target = out.join("helper");
    let mut command = Command::new(cargo);
    command.env_clear();
    for name in KEPT {
        if let Some(value) = env::var_os(name) {
            command.env(name, value);
        }
    }
    command
        .current_dir(variable("CARGO_MANIFEST_DIR"))
        .args(["build", "--quiet", "--bin", "deployer-helper", "--no-default-features", "--features", "helper"])
        .args(["--profile", "helper", "--target", triple, "--target-dir"])
        .arg(&target);
    if Path::new("Cargo.lock").exists() {
        command.arg("--locked");
    }
    let upper = triple.to_uppercase().replace('-', "_");
    if triple.ends_with("-gnu") {
        command.env(format!("CARGO_TARGET_{upper}_RUSTFLAGS"), "-C target-feature=+crt-static");
    } else {
        // The toolchain's own linker and the target's own start files: no C compiler for the target is needed.
        command.env(format!("CARGO_TARGET_{upper}_LINKER"), "rust-lld");
        command.env(format!("CARGO_TARGET_{upper}_RUSTFLAGS"), "-C link-self-contained=yes");
    }
    let output = command.output().map_err(|error| format!("cargo cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("the helper for {triple} does not build:\n{}", String::from_utf8_lossy(&output.stderr)));
    }
    let built = target.join(triple).join("helper").join("deployer-helper");
    if built.is_file() { Ok(built) } else { Err(format!("cargo left no helper at {}", built.display())) }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| fail(&format!("{name} is not set; cargo runs this script")))
}

#[expect(clippy::print_stderr, reason = "how a build script tells cargo why it failed")]
fn fail(message: &str) -> ! {
    for line in message.lines() {
        println!("cargo:warning={line}");
    }
    eprintln!("{message}");
    exit(1)
}
