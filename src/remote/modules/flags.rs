//! Attributes that some file systems keep beside permissions, as `lsattr` shows and `chattr` sets them.

use std::path::Path;

use crate::{
    protocol::{Change, Run},
    remote::{Plan, Probe, machine::probe::Found},
};

/// Plans what `chattr` has to do, when anything differs from what is wanted: `+i`, `-a`, or all there should be.
///
/// # Errors
/// When a look at the path fails.
pub fn adjust(plan: &mut Plan, probe: &Probe<'_>, path: &Path, wanted: Option<&str>) -> Found<()> {
    let Some(wanted) = wanted else { return Ok(()) };
    let (sign, letters) = match wanted.chars().next() {
        Some(sign @ ('+' | '-' | '=')) => (sign, &wanted[1..]),
        _ => ('=', wanted),
    };
    let now = current(probe, path)?;
    let has = |letter: char| now.contains(letter);
    let fits = match sign {
        '+' => letters.chars().all(has),
        // What cannot be seen may still be there to be taken away.
        '-' => false,
        _ => letters.chars().all(has) && now.chars().all(|letter| letters.contains(letter)),
    };
    if fits {
        return Ok(());
    }
    plan.diff(path.to_string_lossy(), format!("attributes: {now}\n"), format!("attributes: {sign}{letters}\n"));
    plan.push(Change::Run(Run::new([
        "chattr".to_owned(),
        format!("{sign}{letters}"),
        path.to_string_lossy().into_owned(),
    ])));
    Ok(())
}

/// The letters that are set; none where the file system or the tool knows none.
fn current(probe: &Probe<'_>, path: &Path) -> Found<String> {
    if probe.stat(path)?.is_none() {
        return Ok(String::new());
    }
    let name = path.to_string_lossy();
    let Ok(output) = probe.query(&["lsattr", "-d", &name]) else { return Ok(String::new()) };
    if !output.success() {
        return Ok(String::new());
    }
    let shown = output.stdout.split_whitespace().next().unwrap_or_default();
    Ok(shown.chars().filter(|letter| *letter != '-').collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::rehearsal::Rehearsal;
    use crate::{
        protocol::Verdict,
        remote::machine::{fake::Fake, system::Output},
    };

    #[test]
    fn attributes_are_set_when_they_differ() {
        let host = Fake::new().file("/f", "").respond(|run: &crate::protocol::Run| {
            let stdout = if run.argv[0] == "lsattr" { "----i---A---- /f\n" } else { "" };
            Some(Output { stdout: stdout.to_owned(), ..Output::default() })
        });
        let mut host = Rehearsal::on(host);
        for same in ["+i", "+Ai", "iA"] {
            assert_eq!(
                host.apply("file", json!({"path": "/f", "attributes": same})).verdict,
                Verdict::Unchanged,
                "{same}"
            );
        }
        for other in ["+a", "-i", "i", "="] {
            assert_eq!(host.apply("file", json!({"path": "/f", "attr": other})).verdict, Verdict::Changed, "{other}");
        }
        assert_eq!(host.host.ran().last().unwrap().argv, ["chattr", "=", "/f"]);
    }
}
