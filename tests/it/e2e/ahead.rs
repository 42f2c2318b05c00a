//! Tasks whose calls go out before earlier results are back: a play comes to the same as when every task waits for the one before.

use std::fmt::Write;

use super::lab::Lab;
use crate::scene::{Ended, Scene};

/// Plays that are tried.
const PLAYS: u64 = 18;
/// Tasks at the outermost level of each.
const TASKS: u64 = 14;

/// Numbers that look random, the same ones for the same seed (Knuth's MMIX constants).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// A play of tasks that depend on each other now and then, and fail now and then.
struct Writer {
    dice: Dice,
    tasks: u32,
    text: String,
}

impl Writer {
    fn play(seed: u64) -> String {
        let mut writer = Self { dice: Dice(seed.wrapping_mul(977) + 1), tasks: 0, text: String::new() };
        let facts = seed.is_multiple_of(3);
        let _ = writeln!(
            writer.text,
            "- hosts: lab\n  become: true\n  gather_facts: {facts}\n  vars: {{top: /srv/ahead}}\n  tasks:"
        );
        writer.line(4, "- file: {path: \"{{ top }}\", state: directory}");
        for _ in 0..TASKS {
            writer.item(4, 2);
        }
        writer.text.push_str("  handlers:\n    - name: heard\n      shell: echo heard >> {{ top }}/handlers\n");
        writer.text
    }

    fn line(&mut self, indent: usize, text: &str) {
        let _ = writeln!(self.text, "{:indent$}{text}", "");
    }

    fn item(&mut self, indent: usize, depth: u32) {
        if depth > 0 && self.dice.below(6) == 0 {
            self.line(indent, "- block:");
            (0..2).for_each(|_| self.item(indent + 4, depth - 1));
            if self.dice.below(2) == 0 {
                self.line(indent + 2, "rescue:");
                self.item(indent + 4, 0);
            }
            self.line(indent + 2, "always:");
            self.item(indent + 4, 0);
            return;
        }
        self.tasks += 1;
        let (own, other) = (self.tasks, self.dice.below(u64::from(self.tasks)) + 1);
        let text = match self.dice.below(14) {
            0 => format!("file: {{path: \"{{{{ top }}}}/f{own}\", state: touch, access_time: preserve}}"),
            1 => format!("copy: {{dest: \"{{{{ top }}}}/c{own}\", content: \"{{{{ r{other} is defined }}}}\\n\"}}"),
            2 => format!("copy: {{dest: \"{{{{ top }}}}/n{own}/below\", content: fails unless it is there}}"),
            3 => format!("stat: {{path: \"{{{{ top }}}}/f{other}\"}}"),
            4 => format!("lineinfile: {{path: \"{{{{ top }}}}/lines\", create: true, line: line {own}}}"),
            5 => format!("set_fact: {{s{own}: \"{{{{ r{other}.changed | default('unset') }}}}\"}}"),
            6 => format!("shell: test $(wc -l < {{{{ top }}}}/lines) -lt {}", self.dice.below(6) + 1),
            7 => format!("debug: {{msg: \"{{{{ s{other} | default('none') }}}}\"}}"),
            10 => format!("set_fact: {{n{other}: \"{{{{ r{other}.stat.size | default(0) | int + {own} }}}}\"}}"),
            11 => format!("assert: {{that: [\"n{other} is not defined or n{other} | int > 2\", top is defined]}}"),
            12 => format!(
                "debug: {{msg: \"{{{{ ansible_hostname | default('nobody') }}}} {{{{ n{other} | default(0) }}}}\"}}"
            ),
            13 => format!(
                "copy: {{dest: \"{{{{ top }}}}/h{own}\", content: \"{{{{ ansible_hostname | default('nobody') }}}}\"}}"
            ),
            8 => format!("assert: {{that: \"r{other}.failed | default(false) is false\"}}"),
            _ => format!("shell: echo {own} >> {{{{ top }}}}/order"),
        };
        self.line(indent, &format!("- name: task {own}"));
        self.line(indent + 2, &text);
        self.line(indent + 2, &format!("register: r{own}"));
        match self.dice.below(12) {
            0 => self.line(indent + 2, &format!("when: r{other} is defined and r{other} is not failed")),
            1 => self.line(indent + 2, "ignore_errors: true"),
            2 => self.line(indent + 2, &format!("failed_when: r{own} is failed and r{other} is changed")),
            3 => self.line(indent + 2, "notify: heard"),
            4 => self.line(indent + 2, "changed_when: false"),
            5 => self.line(indent + 2, "loop: [1, 2, 3]"),
            6 => self.line(indent + 2, &format!("when: r{other}.stat.exists | default(false)")),
            7 => self
                .line(indent + 2, &format!("when: [r{other} is defined, r{other} is changed or r{other} is skipped]")),
            8 => self.line(
                indent + 2,
                &format!("when: not (r{other}.changed | default(true)) and n{other} | default(0) | int < 9"),
            ),
            _ => {}
        }
    }
}

/// What a run has come to: exit code, per host what each task ended as, and what lies on the hosts.
fn outcome(lab: &Lab, play: &str, flags: &[&str]) -> (Option<i32>, Vec<String>, Vec<String>) {
    let hosts = ["lab1", "lab2"];
    for host in hosts {
        lab.on(host, "rm -rf /srv/ahead");
    }
    let flags = [&["--output", "json", "-v"], flags].concat();
    let ended: Ended = lab.run(&Scene::new(), play, &flags);
    let events = ended.events();
    let mut story: Vec<String> =
        events.ended().iter().map(|(name, host, status)| format!("{host} {name}: {status}")).collect();
    // Between hosts the order is nobody's business; a host's own order is kept.
    story.sort_by_key(|line| line.split(' ').next().map(str::to_owned));
    story.extend(
        ["ok", "changed", "failed", "skipped", "rescued", "ignored"]
            .map(|what| format!("{what}={}", events.tally(what))),
    );
    let state =
        hosts.map(|host| lab.on(host, "cd /srv/ahead 2>/dev/null && find . -type f | sort | xargs grep -H ''; true"));
    (ended.code, story, state.to_vec())
}

#[test]
fn a_play_comes_to_the_same_whether_tasks_wait_for_each_other_or_not() {
    let lab = Lab::take();
    let mut failed = 0;
    for seed in 0..PLAYS {
        let play = Writer::play(seed);
        // One host goes as far ahead as it can, two go in step.
        let limit: &[&str] = if seed % 2 == 0 { &["-l", "lab1"] } else { &[] };
        let ahead = outcome(&lab, &play, limit);
        let waiting = outcome(&lab, &play, &[limit, &["--serial-tasks"]].concat());
        assert_eq!(ahead, waiting, "seed {seed}\n{play}");
        failed += u64::from(ahead.0 == Some(2));
    }
    assert!((2..PLAYS).contains(&failed), "{failed} of {PLAYS} plays failed: that shows little");
}

#[test]
fn nothing_is_carried_out_behind_a_failure() {
    let lab = Lab::take();
    lab.on("lab1", "rm -f /srv/behind");
    let play = "- hosts: lab1\n  become: true\n  gather_facts: false\n  tasks:\n    - command: 'true'\n    - command: sleep 0.5\n    - name: Breaks\n      command: 'false'\n    - name: Behind\n      file: {path: /srv/behind, state: touch}\n";
    lab.run(&Scene::new(), play, &[]).shows(2, &["Breaks", "failed=1"]);
    assert_eq!(lab.on("lab1", "ls /srv/behind 2>/dev/null || true"), "");
}
