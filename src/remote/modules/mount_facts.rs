//! `mount_facts`: what is mounted, and what would be, from the tables of a host.

use std::path::Path;

use serde_json::json;

use crate::{
    choices, options,
    protocol::{Json, Map},
    remote::{Module, Plan, Planned, Probe, Stop, machine::probe::Found},
};

use super::globbing;

options! {
    /// Tells where file systems are mounted, by their mount points.
    ///
    /// ## Example
    /// ```yaml
    /// - mount_facts:
    ///     fstypes: [ext4, xfs]
    /// ```
    ///
    /// ## Returns
    /// `ansible_facts.mount_points`: by mount point `device`, `fstype`, `options`, `dump`, `passno`, `uuid`, sizes and `ansible_context`;
    /// `ansible_facts.aggregate_mounts`: all of them, where that was asked for.
    pub struct MountFacts {
        /// Patterns of devices.
        devices: Option<Vec<String>>,
        /// Patterns of types of file systems.
        fstypes: Option<Vec<String>>,
        /// Where to look: files, `mount_binary`, or `all`, `static`, `dynamic`.
        sources: Option<Vec<String>>,
        /// The program that lists mounts where no file does.
        mount_binary: String = "mount",
        /// Seconds that the program and the question after sizes may take.
        timeout: Option<f64>,
        /// What to do when they take longer.
        on_timeout: OnTimeout = OnTimeout::Error,
        /// Return every mount, those that others hide as well.
        include_aggregate_mounts: Option<bool>,
    }
}

choices! {
    /// What becomes of an answer that does not come.
    pub enum OnTimeout {
        /// The task fails.
        Error = "error",
        /// There is a warning.
        Warn = "warn",
        /// Nothing is said.
        Ignore = "ignore",
    }
}

const DYNAMIC: &[&str] = &["/etc/mtab", "/proc/mounts", "/etc/mnttab"];
const STATIC: &[&str] = &["/etc/fstab", "/etc/vfstab"];

/// One line of a table.
struct Mounted {
    source: String,
    line: String,
    device: String,
    point: String,
    kind: String,
    options: String,
    dump: u64,
    pass: u64,
}

impl Module for MountFacts {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let mut plan = Plan::new();
        let mut found = Vec::new();
        for source in self.sources() {
            found.extend(self.read(probe, &source, &mut plan)?);
        }
        for (patterns, part) in
            [(&self.devices, Mounted::device as fn(&Mounted) -> &str), (&self.fstypes, Mounted::kind)]
        {
            if let Some(patterns) = patterns {
                let patterns = patterns.iter().map(|text| globbing::pattern(text)).collect::<Result<Vec<_>, _>>()?;
                found.retain(|mounted| patterns.iter().any(|pattern| pattern.is_match(part(mounted))));
            }
        }
        let (mut points, mut all) = (Map::new(), Vec::new());
        let mut repeated = Vec::new();
        for mounted in &found {
            let value = self.describe(probe, mounted, &mut plan)?;
            all.push(value.clone());
            if points.contains_key(&mounted.point) {
                repeated.push(mounted.point.as_str());
            } else {
                points.insert(mounted.point.clone(), value);
            }
        }
        if self.include_aggregate_mounts.is_none() && !repeated.is_empty() {
            let points = repeated.join(", ");
            plan.warnings.push(format!(
                "mount_facts: ignoring repeat mounts ({points}). You can set `include_aggregate_mounts` to False to disable this warning."
            ));
        }
        let aggregate = if self.include_aggregate_mounts == Some(true) { all } else { Vec::new() };
        plan.set("ansible_facts", json!({"mount_points": points, "aggregate_mounts": aggregate}));
        Ok(plan)
    }
}

impl MountFacts {
    /// Files and programs to ask, each once.
    fn sources(&self) -> Vec<String> {
        let all = vec!["all".to_owned()];
        let mut sources: Vec<String> = Vec::new();
        let mut add = |names: &[&str]| {
            for name in names {
                if !sources.iter().any(|known| known == name) {
                    sources.push((*name).to_owned());
                }
            }
        };
        for source in self.sources.as_ref().unwrap_or(&all) {
            match source.as_str() {
                "all" => {
                    add(DYNAMIC);
                    add(STATIC);
                }
                "dynamic" => add(DYNAMIC),
                "static" => add(STATIC),
                other => add(&[other]),
            }
        }
        sources
    }

    fn read(&self, probe: &Probe<'_>, source: &str, plan: &mut Plan) -> Found<Vec<Mounted>> {
        if source == self.mount_binary {
            return self.listed(probe, source, plan);
        }
        let path = Path::new(source);
        let Some(real) = probe.resolve(path)? else { return Ok(Vec::new()) };
        // `mtab` leads to `/proc`, which is read by its own name.
        if real.starts_with("/proc")
            && source == "/etc/mtab"
            && self.sources().iter().any(|known| known == "/proc/mounts")
        {
            return Ok(Vec::new());
        }
        let text = probe.read_text(path)?;
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#') && !line.trim().is_empty());
        Ok(lines.filter_map(|line| Mounted::of_table(source, line)).collect())
    }

    fn listed(&self, probe: &Probe<'_>, program: &str, plan: &mut Plan) -> Found<Vec<Mounted>> {
        let output = self.ask(probe, &[program])?;
        if output.timed_out {
            self.late(format!("Command '{program}' timed out"), plan)?;
            return Ok(Vec::new());
        }
        Ok(output.stdout.lines().filter_map(|line| Mounted::of_program(program, line)).collect())
    }

    fn ask(&self, probe: &Probe<'_>, argv: &[&str]) -> Found<crate::remote::machine::system::Output> {
        let mut run = crate::protocol::Run::new(argv.iter().copied());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole seconds, at least one")]
        let seconds = self.timeout.map(|seconds| seconds.max(1.0).ceil() as u64);
        run.timeout = seconds;
        probe.query_run(&run)
    }

    fn late(&self, message: String, plan: &mut Plan) -> Result<(), Stop> {
        match self.on_timeout {
            OnTimeout::Error => return Err(Stop::failed(message)),
            OnTimeout::Warn => plan.warnings.push(message),
            OnTimeout::Ignore => {}
        }
        Ok(())
    }

    fn describe(&self, probe: &Probe<'_>, mounted: &Mounted, plan: &mut Plan) -> Found<Json> {
        let mut value = json!({
            "ansible_context": {"source": mounted.source, "source_data": mounted.line},
            "device": mounted.device, "mount": mounted.point, "fstype": mounted.kind, "options": mounted.options,
            "dump": mounted.dump, "passno": mounted.pass, "uuid": uuid(probe, &mounted.device),
        });
        if !mounted.point.starts_with('/') {
            return Ok(value);
        }
        let output = self.ask(probe, &["stat", "-f", "-c", "%S|%b|%a|%c|%d", &mounted.point])?;
        if output.timed_out {
            self.late(format!("Timed out getting mount size for mount {}", mounted.point), plan)?;
            return Ok(value);
        }
        let numbers: Vec<u64> = output.stdout.trim().split('|').filter_map(|number| number.parse().ok()).collect();
        if let [size, blocks, available, inodes, free] = numbers.as_slice() {
            for (name, number) in [
                ("block_size", *size),
                ("block_total", *blocks),
                ("block_available", *available),
                ("block_used", blocks.saturating_sub(*available)),
                ("size_total", size * blocks),
                ("size_available", size * available),
                ("inode_total", *inodes),
                ("inode_available", *free),
                ("inode_used", inodes.saturating_sub(*free)),
            ] {
                value[name] = number.into();
            }
        }
        Ok(value)
    }
}

impl Mounted {
    fn device(&self) -> &str {
        &self.device
    }

    fn kind(&self) -> &str {
        &self.kind
    }

    /// `device point type options dump pass`.
    fn of_table(source: &str, line: &str) -> Option<Self> {
        let fields: Vec<String> = line.split_whitespace().map(unescaped).collect();
        let [device, point, kind, options, rest @ ..] = fields.as_slice() else { return None };
        let number = |at: usize| rest.get(at).and_then(|number| number.parse().ok()).unwrap_or(0);
        Some(Self {
            source: source.to_owned(),
            line: line.to_owned(),
            device: device.clone(),
            point: point.clone(),
            kind: kind.clone(),
            options: options.clone(),
            dump: number(0),
            pass: number(1),
        })
    }

    /// `device on point type kind (options)`.
    fn of_program(program: &str, line: &str) -> Option<Self> {
        let (device, rest) = line.split_once(" on ")?;
        let (point, rest) = rest.rsplit_once(" type ")?;
        let (kind, options) = rest.split_once(' ')?;
        Some(Self {
            source: program.to_owned(),
            line: line.to_owned(),
            device: device.to_owned(),
            point: point.to_owned(),
            kind: kind.to_owned(),
            options: options.trim_matches(['(', ')']).to_owned(),
            dump: 0,
            pass: 0,
        })
    }
}

/// Blanks in names stand as octal numbers.
fn unescaped(word: &str) -> String {
    word.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

fn uuid(probe: &Probe<'_>, device: &str) -> Json {
    if let Some(uuid) = device.strip_prefix("UUID=") {
        return uuid.into();
    }
    let folder = Path::new("/dev/disk/by-uuid");
    let Some(name) = device.strip_prefix("/dev/") else { return "N/A".into() };
    let names = probe.read_dir(folder).unwrap_or_default();
    let leads = |uuid: &String| {
        probe.read_link(&folder.join(uuid)).is_ok_and(|target| target.file_name().is_some_and(|file| file == name))
    };
    names.into_iter().find(leads).map_or_else(|| "N/A".into(), Json::from)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::remote::{machine::fake::Fake, modules::trial::Trial};

    #[test]
    fn tables_and_the_program_tell_mounts_and_patterns_choose_among_them() {
        let host = Fake::new()
            .file("/etc/fstab", "# a\nUUID=ab-1 / ext4 defaults 0 1\nlocalhost:/x /mnt\\040a nfs4 rw 0 0\n")
            .command(&["mount"], 0, "proc on /proc type proc (rw,nosuid)\n")
            .command(&["stat"], 0, "4096|10|4|8|2\n");
        let mut trial = Trial::new(host);
        let all = trial.apply("mount_facts", json!({"sources": ["static", "mount"]}));
        let points = &all.result["ansible_facts"]["mount_points"];
        assert_eq!(points["/"]["uuid"], "ab-1");
        assert_eq!(points["/"]["size_available"], 16384);
        assert_eq!(points["/mnt a"]["device"], "localhost:/x");
        assert_eq!(points["/proc"]["options"], "rw,nosuid");
        let some = trial.apply("mount_facts", json!({"sources": ["static"], "devices": "[!/U]*"}));
        let points = some.result["ansible_facts"]["mount_points"].as_object().unwrap();
        assert_eq!(points.keys().collect::<Vec<_>>(), ["/mnt a"]);
    }
}
