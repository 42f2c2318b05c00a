# One word for everything that is done here.

[private]
default:
    @just --list

# Does it compile, tests included?
check:
    cargo check --all-targets

# Format the code, files that a catalog's macro declares included.
fmt:
    git ls-files -z '*.rs' | xargs -0 rustfmt

# Clippy, as strict as CI.
lint:
    cargo clippy --all-targets -- -D warnings
    cargo clippy --no-default-features --features helper --bin deployer-helper -- -D warnings

# Tests that need no lab (`just test NAME` for some).
test *ARGS:
    cargo test -- --skip e2e:: {{ARGS}}

# Tests on real hosts; `lab/test` runs these and all others.
e2e *ARGS:
    lab/test e2e:: {{ARGS}}

# Tests of the service against a PostgreSQL of their own (`just rates -k WORDS` for some).
rates *ARGS:
    rates/test {{ARGS}}

# Licences, sources and versions of what the project depends on.
deny:
    cargo deny check bans licenses sources

# The test hosts: `just lab up 2`, `just lab ssh lab1`, `just lab help`.
lab *ARGS:
    lab/lab {{ARGS}}

# The production playbook on three hosts, deployed, switched, broken and restored: half an hour, so by night.
production *ARGS:
    lab/production {{ARGS}}

# Everything that must hold before a change lands.
ci:
    .ci/run

# The code's documentation, opened.
doc:
    cargo doc --no-deps --open

# Ansible's own integration suite with `deployer` in place of `ansible-playbook` (`just conformance lineinfile`).
conformance *ARGS:
    conformance/run {{ARGS}}

# What the controller and the helper spend by themselves (`just bench render` for some).
bench *ARGS:
    cargo bench --bench micro -- {{ARGS}}

# The same work with other tools, side by side (`just compare w1`); see benches/compare/README.md.
compare *ARGS:
    cargo build --release --locked
    python3 benches/compare/compare.py {{ARGS}}

# A thousand hosts behind one sshd on a loopback of their own: what each costs the controller.
fleet *ARGS:
    cargo build --release --locked
    python3 benches/compare/fleet.py {{ARGS}}
