#!/usr/bin/env python3
"""Compares what runs did with what the real ansible-playbook does, and writes what comes of it.

score.py table WORK TARGET…            one line per target, the calls that differ below it, the sums
score.py page WORK                     docs/compatibility.md, on standard output
score.py ratchet WORK PASSED TARGET…   ends with 1 when a target of the file PASSED no longer passes
score.py record WORK TARGET…           takes over what `run --record` has seen as golden

A result is (host, task, status). `reached` counts the results before the first difference, host by host. A call is exact when its
exit status and the numbers of its recap are those of the real tool. A target passes when all its calls are exact and, if it is a
role, when it also ends with 0 without being shown what the real tool said.
"""
import json
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
INCLUDES = ("include_tasks", "include_role")
NUMBERS = ("ok", "changed", "unreachable", "failures", "skipped", "rescued", "ignored")


def text(path, default=""):
    return path.read_text(errors="replace").strip() if path.exists() else default


class Call:
    """One call of ansible-playbook."""

    def __init__(self, folder):
        self.folder = folder
        self.code = text(folder / "rc") or None
        self.results, self.recap = {}, {}
        events = folder / "events.jsonl"
        for line in events.read_text().splitlines() if events.exists() else ():
            event = json.loads(line)
            if event["e"] == "stats":
                self.recap = {host: [stats[key] for key in NUMBERS] for host, stats in event["hosts"].items()}
            elif event["e"] == "task":
                if event["status"] == "ok" and event["action"].rsplit(".", 1)[-1] in INCLUDES:
                    continue
                status = {"ignored": "failed"}.get(event["status"], event["status"])
                name = (event["name"] or "").split(" : ", 1)[-1].strip()
                self.results.setdefault(event["host"], []).append((name, status))

    def total(self):
        return sum(map(len, self.results.values()))

    def reached_by(self, other):
        same = 0
        for host, results in self.results.items():
            for ours, theirs in zip(other.results.get(host, []), results):
                if ours != theirs:
                    break
                same += 1
        return same

    def words(self):
        return " ".join((self.folder / "argv").read_text().split("\0"))[:100].strip()


def calls(folder):
    found = sorted(path for path in folder.iterdir() if path.name.isdigit()) if folder.is_dir() else []
    return [Call(path) for path in found if text(path / "tool") == "ansible-playbook"]


class Target:
    """How far a target comes."""

    def __init__(self, work, name):
        self.name = name
        golden = calls(work / "golden" / name)
        ours = calls(work / "results/shown" / name / "calls")
        nothing = Call(Path("/nonexistent"))
        self.calls, self.exact, self.total, self.reached, self.lines = len(golden), 0, 0, 0, []
        for at, theirs in enumerate(golden):
            mine = ours[at] if at < len(ours) else nothing
            total, reached = theirs.total(), theirs.reached_by(mine)
            exact = mine.code == theirs.code and mine.recap == theirs.recap
            self.exact, self.total, self.reached = self.exact + exact, self.total + total, self.reached + reached
            if not exact or reached < total:
                self.lines.append(f"{at + 1:3} {'ok  ' if exact else 'DIFF'} {reached}/{total} ended {mine.code}, not {theirs.code}: {theirs.words()}")
        plain = work / "results/plain" / name / "exit"
        self.role = not (work / "suite/test/integration/targets" / name / "runme.sh").exists()
        self.plain = text(plain) == "0" if self.role else None
        self.run = (work / "results/shown" / name).is_dir()
        self.passed = self.run and self.calls > 0 and self.exact == self.calls and self.plain is not False


def kinds():
    rows = [line.split("\t") for line in (HERE / "targets.tsv").read_text().splitlines()[1:]]
    return {row[1]: row[0] for row in rows}


def percent(part, whole):
    return f"{100 * part / whole:.1f} %" if whole else "–"


def groups(targets):
    """Sums by group, the whole last."""
    known, sums = kinds(), {}
    for target in targets:
        for group in (known.get(target.name, "other"), "all"):
            row = sums.setdefault(group, [0] * 6)
            for at, value in enumerate((1, target.passed, target.calls, target.exact, target.total, target.reached)):
                row[at] += value
    return dict(sorted(sums.items(), key=lambda item: (item[0] == "all", item[0])))


def table(work, names):
    targets = [Target(work, name) for name in names]
    for target in targets:
        verdict = "passed" if target.passed else "FAILED"
        plain = "" if target.plain is None else f", alone {'ended with 0' if target.plain else 'failed'}"
        print(f"{verdict} {target.name}: {target.reached}/{target.total} results, {target.exact}/{target.calls} calls{plain}")
        for line in target.lines:
            print("   ", line)
    print()
    for group, (count, passed, total, exact, results, reached) in groups(targets).items():
        print(f"{group:16} {passed}/{count} targets  {exact}/{total} calls ({percent(exact, total)})  {reached}/{results} results ({percent(reached, results)})")


# How the fact `ansible_python` asks the host's Python, where there is one, what it is.
FACT = "-c import sys, json, ssl"


def pythons(work, names):
    """Who started Python below deployer, as `inside/python` has written it down."""
    seen = {}
    for name in names:
        files = [work / "results" / mode / name / "python" for mode in ("shown", "plain")]
        calls = [line for file in files if file.exists() for line in file.read_text(errors="replace").splitlines()]
        calls = [call for call in calls if not call.startswith(FACT)]
        if calls:
            seen[name] = len(calls)
    out = ["## Python", "", f"In {len(names) - len(seen)} of {len(names)} targets nothing below `deployer` started Python, but for the fact `ansible_python`: it asks"]
    out += ["the host's Python what it is, and is missing where there is none. In the others it was started by commands that tasks of the suite run, by", "modules of the suite that are written in Python, and by `pip`:", ""]
    out += [", ".join(f"{name} ({count})" for name, count in sorted(seen.items())) + ".", ""]
    return out


def page(work):
    names = sorted(path.name for path in (work / "golden").iterdir() if path.is_dir())
    targets = [Target(work, name) for name in names]
    known = kinds()
    out = [text(HERE / "page.md"), ""]
    out += ["## Groups", "", "| group | targets passed | calls exact | task results reached |", "| --- | --- | --- | --- |"]
    for group, (count, passed, total, exact, results, reached) in groups(targets).items():
        out.append(f"| {group} | {passed} of {count} | {exact} of {total} ({percent(exact, total)}) | {reached} of {results} ({percent(reached, results)}) |")
    reasons = dict(line.split("\t") for line in text(HERE / "reasons.tsv").splitlines() if "\t" in line)
    out += ["", "## Targets", "", "| group | target | passes | calls exact | results reached | remark |", "| --- | --- | --- | --- | --- | --- |"]
    for target in sorted(targets, key=lambda target: (known.get(target.name, "other"), target.name)):
        out.append(f"| {known.get(target.name, 'other')} | {target.name} | {'yes' if target.passed else 'no'} | {target.exact} of {target.calls} | {target.reached} of {target.total} | {reasons.get(target.name, '')} |")
    out += ["", *pythons(work, names)]
    listing = subprocess.run([str(work / "deployer"), "doc", "--support"], capture_output=True, text=True)
    if listing.returncode == 0:
        out += ["", listing.stdout.strip()]
    print("\n".join(out))


def ratchet(work, passed, names):
    fallen = []
    must = {line.split()[0] for line in Path(passed).read_text().splitlines() if line.strip() and not line.startswith("#")}
    for target in (Target(work, name) for name in names):
        if target.name in must and not target.passed:
            fallen.append(target.name)
    if fallen:
        print("no longer passed:", ", ".join(fallen))
    print(f"{len(names) - len(fallen)} passed, {len(fallen)} failed")
    sys.exit(bool(fallen))


def record(work, names):
    for name in names:
        golden = work / "golden" / name
        shutil.rmtree(golden, ignore_errors=True)
        shutil.copytree(work / "results/record" / name / "calls", golden)
    archive = str(HERE / "golden.tar.xz")
    subprocess.run(["tar", "--sort=name", "--owner=0", "--group=0", "--mtime=@0", "--exclude=.stamp", "-cJf", archive, "-C", str(work / "golden"), "."], check=True)
    print(f"{archive} holds {len(list((work / 'golden').iterdir()))} targets")


def main():
    what, work = sys.argv[1], Path(sys.argv[2])
    if what == "page":
        page(work)
    elif what == "ratchet":
        ratchet(work, sys.argv[3], sys.argv[4:])
    else:
        {"table": table, "record": record}[what](work, sys.argv[3:])


main()
