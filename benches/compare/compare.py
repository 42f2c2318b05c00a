#!/usr/bin/env python3
"""Runs the workloads with every tool, round by round, and prints one table of medians and ratios: see README.md beside this."""
import argparse
import itertools
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from datetime import date
from pathlib import Path

from tools import HERE, WORKLOADS, Host, Place, Tools

PROJECT = HERE.parent.parent
WORK = Path(os.environ.get("COMPARE_WORK", PROJECT / "target/compare"))
LAB = {"LAB_NAME": "compare", "LAB_ADDR": "127.0.5", "LAB_SUBNET": "10.115.0", "LAB_STATE": str(WORK / "lab")}
HOSTS = 10
# Lines in the path: address, seconds of round trip, bytes a second.
LINES = {"far": ("127.0.5.250", 0.05, None), "slow": ("127.0.5.251", 0.02, 4e6)}
BIG_BYTES = 100 << 20
TREE_FILES = 1000
TEXT_BYTES = 32 << 20
LIMIT = 900
# Seconds that a slow tool may take for all its rounds of a workload (`--patience`): a ratio of a hundred needs no fifth round.
PATIENCE = 90
# A tool that needs less than this for a round has all of them.
QUICK = 4
# Between these the page keeps the table of the last comparison.
MARKS = ("<!-- compare: the table -->", "<!-- compare: end -->")
# Tools that share deployer's playbook find nothing to change once it has run.
SAME_PLAYBOOK = ("ansible", "tuned", "mitogen")

# What is reset before a run that is to begin on an empty host. What other tools have left unwritten is not for the next one to wait for.
EMPTY = "rm -rf /srv/w1 /srv/w3 /srv/w4; for i in 0 2 4 6 8; do groupdel w1grp$i; done; for i in 1 3 5 7 9; do userdel w1usr$i; done; sync"

# name: (playbook, hosts, begins empty, line in the path, tools, floor)
ALL = ("deployer", "ansible", "tuned", "mitogen", "pyinfra")
CASES = {
    "w1-first": ("w1", 1, True, None, ALL, "script"),
    "w1": ("w1", 1, False, None, ALL, "script"),
    "w1-50ms": ("w1", 1, False, "far", ALL, "script"),
    "w2": ("w1", HOSTS, False, None, ("deployer", "ansible", "mitogen", "pyinfra"), None),
    "w3-copy": ("w3_copy", 1, False, None, ("deployer", "mitogen", "pyinfra"), None),
    "w3-template": ("w3_template", 1, False, None, ("deployer", "mitogen", "pyinfra"), None),
    "w3-50ms": ("w3_copy", 1, False, "far", ("deployer",), None),
    "w4-big": ("w4_big", 1, True, None, ("deployer", "tuned", "mitogen", "pyinfra"), "cat"),
    # Ansible would need ten minutes a round, pyinfra two or three.
    "w4-tree-first": ("w4_tree", 1, True, None, ("deployer", "mitogen"), "copies"),
    "w4-tree": ("w4_tree", 1, False, None, ("deployer", "mitogen"), "rsync"),
    "w4-slow": ("w4_slow", 1, True, "slow", ("deployer", "tuned", "mitogen"), "packed"),
    "w5": ("w5", 1, False, None, ALL, "true"),
}
# How much longer than one host many may take; the one has its turn in the same rounds.
TOGETHER = {"w2": 4.0}
ONE = "one host"
# What the project asks of itself: (against, at least this many times faster); below one it may be slower by so much.
MUST = {
    "w1-first": [("script", 1 / 0.6)],
    "w1": [("script", 2.0), ("mitogen", 25), ("ansible", 100)],
    "w1-50ms": [("script", 1 / 0.8), ("ansible", 150), ("mitogen", 15)],
    "w2": [("ansible", 200), ("pyinfra", 20)],
    "w3-copy": [("mitogen", 30)],
    "w3-template": [("mitogen", 30)],
    "w4-big": [("cat", 1 / 1.15)],
    "w4-tree-first": [("scp", 1.0), ("tar", 1.0), ("rsync", 1.0)],
    "w4-tree": [("rsync", 1.0)],
    "w5": [("true", 1.0)],
}
# What it would like to reach, in the same terms.
AIM = {"w1": [("script", 4.0)], "w4-big": [("cat", 1.0)], "w4-slow": [("cat", 1.0), ("rsync -z", 1.0)]}
# Round trips: at most so many, and so many more than `true` alone needs, which is what it would like to reach.
TRIPS = {"w1-50ms": (12, 1), "w3-50ms": (None, 0)}


def say(text):
    print(f"compare: {text}", file=sys.stderr, flush=True)


def lab(*words):
    subprocess.run([PROJECT / "lab/lab", *words], env={**os.environ, **LAB}, check=True)


def bring_up(count):
    """Other tools, `count` hosts with what those need, and data to copy. What is there stays."""
    WORK.mkdir(parents=True, exist_ok=True)
    environment = WORK / "tools"
    if not (environment / "ready").exists():
        say("installing the other tools")
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        subprocess.run([environment / "bin/pip", "install", "-q", "-r", HERE / "tools.txt"], check=True)
        (environment / "ready").touch()
    if not shutil.which("rsync"):
        subprocess.run(["apt-get", "install", "-qq", "-y", "rsync"], check=True, stdout=subprocess.DEVNULL)
    lab("up", str(count))
    inventory = (WORK / "lab/inventory.yaml").read_text()
    hosts, name = [], None
    for line in inventory.splitlines():
        word = line.strip().rstrip(":")
        if word.startswith("lab") and word[3:].isdigit():
            name = word
        if word.startswith("ansible_host:") and name and all(host.name != name for host in hosts):
            hosts.append(Host(name, word.split()[1], 22))
        if word.startswith("ansible_port:") and hosts:
            hosts[-1].port = int(word.split()[1])
    data = WORK / "data"
    if not (data / "text.log").exists():
        say("making files to copy")
        (data / "tree").mkdir(parents=True, exist_ok=True)
        (data / "big.bin").write_bytes(os.urandom(BIG_BYTES))
        for at in range(TREE_FILES):
            folder = data / "tree" / f"d{at % 50}"
            folder.mkdir(exist_ok=True)
            (folder / f"f{at}").write_bytes(os.urandom(2048 + at % 4096))
        lines = (f"{at:09} GET /rates?day={at % 366} 200 {at * 7919 % 100_003} us from 10.{at % 7}.{at % 11}.{at % 251}\n" for at in range(TEXT_BYTES))
        with open(data / "text.log", "w", encoding="ascii") as file:
            while file.tell() < TEXT_BYTES:
                file.writelines(itertools.islice(lines, 10_000))
    place = Place(WORK / "direct", hosts[:count], WORK / "lab/id_ed25519", data)
    for host in place.hosts:
        # The other tools need Python there; rsync is measured against.
        prepare = "command -v python3 rsync >/dev/null || { apt-get update -qq; apt-get install -qq -y python3 rsync >/dev/null; }"
        subprocess.run([*place.ssh(host), prepare], check=True, stdin=subprocess.DEVNULL)
    return place


class Relay:
    """A line in the path of the first host, and a count of what crosses it."""

    def __init__(self, place, name):
        address, self.latency, rate = LINES[name]
        self.report = WORK / f"{name}.log"
        target = place.hosts[0]
        command = [sys.executable, HERE / "relay.py", f"{address}:2222", f"{target.address}:{target.port}", str(self.latency), self.report]
        self.process = subprocess.Popen([*command, str(rate)] if rate else command)
        time.sleep(1)
        self.place = Place(WORK / name, [Host("lab1", address, 2222)], place.key, place.data)

    def trips(self):
        """Of the connection that ended last."""
        time.sleep(3 * self.latency)
        lines = self.report.read_text().splitlines() if self.report.exists() else []
        return int(lines[-1].split()[0]) if lines else None

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def on(place, command):
    for host in place.hosts:
        subprocess.run([*place.ssh(host), command], check=True, stdin=subprocess.DEVNULL, capture_output=True)


def timed(command, environment, **options):
    """Seconds by the wall, seconds of CPU, and megabytes of the largest process; a failure ends the comparison."""
    began = time.monotonic()
    with open(WORK / "last.log", "wb") as log:
        process = subprocess.Popen(
            command, env=environment, stdout=log, stderr=subprocess.STDOUT, **{"stdin": subprocess.DEVNULL, **options}
        )
        late = threading.Timer(LIMIT, process.kill)
        late.start()
        _, status, used = os.wait4(process.pid, 0)
        late.cancel()
    wall, code = time.monotonic() - began, os.waitstatus_to_exitcode(status)
    if code != 0:
        sys.exit(f"compare: {' '.join(map(str, command))} ended with {code}: see {WORK / 'last.log'}")
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def floors(kind, place):
    """Commands that nothing of the kind can be quicker than, by name."""
    host, data = place.hosts[0], place.data
    ssh = place.ssh(host)
    shell = " ".join(map(str, ssh[:-1]))
    there = f"root@{host.address}"
    if kind == "script":
        return {"script": ([*ssh, "sh -s"], WORKLOADS / "w1.sh")}
    if kind == "true":
        return {"true": ([*ssh, "true"], None)}
    if kind == "cat":
        return {"cat": ([*ssh, "mkdir -p /srv/w4; cat >/srv/w4/big.bin"], data / "big.bin")}
    rsync = (["rsync", "-a", "-e", shell, f"{data}/tree", f"{there}:/srv/w4/"], None)
    if kind == "rsync":
        return {"rsync": rsync}
    scp = ["scp", "-rpq", *[word.replace("-p", "-P") if word == "-p" else word for word in ssh[1:-1]], f"{data}/tree", f"{there}:/srv/w4/"]
    tar = f"tar -C {data} -c tree | {shell} {there} 'mkdir -p /srv/w4; tar -C /srv/w4 -x'"
    if kind == "packed":
        text = data / "text.log"
        packed = (["rsync", "-az", "-e", shell, text, f"{there}:/srv/w4/"], None)
        return {"cat": ([*ssh, "cat >/srv/w4/text.log"], text), "rsync -z": packed}
    return {"scp": (scp, None), "tar": (["sh", "-c", tar], None), "rsync": rsync} if kind == "copies" else {}


def measure(case, place, lines, tools, rounds, patience, only):
    workload, count, empty, line, names, floor = CASES[case]
    relay = lines.get(line)
    where = relay.place if relay else place
    where = Place(where.folder / f"{count}", where.hosts[:count], where.key, where.data)
    figures, trips = {}, None
    runs = {name: tools.command(name, workload, where) for name in names if not only or name in only}
    if case in TOGETHER:
        runs[ONE] = tools.command("deployer", workload, Place(where.folder / "one", where.hosts[:1], where.key, where.data))
    runs = {name: (command, None) for name, command in runs.items() if command}
    runs.update(floors(floor, where))
    warm = not empty
    for turn in range(rounds + int(warm)):
        for name, (command, given) in runs.items():
            took = [figure[0] for figure in figures.get(name, [])]
            if (warm and turn == 0 and name in SAME_PLAYBOOK) or (sum(took) > patience and max(took) > QUICK):
                continue
            if empty:
                on(Place(place.folder / "reset", place.hosts[:count], place.key, place.data), EMPTY + "; mkdir -p /srv/w4")
            environment = tools.environment(name, where)
            options = {"cwd": WORKLOADS}
            if given:
                with open(given, "rb") as source:
                    figure = timed(command, environment, stdin=source, **options)
            else:
                figure = timed(command, environment, **options)
            # The first round of a second run only brings the hosts to where there is nothing to change.
            if not warm or turn > 0:
                figures.setdefault(name, []).append(figure)
                if relay and name == "deployer":
                    trips = relay.trips()
        say(f"{case}: round {turn + 1} of {rounds + int(warm)}")
    if case in TRIPS:
        timed(tools.command("deployer", "w5", where), tools.environment("deployer", where), cwd=WORKLOADS)
        trips = (trips, relay.trips())
    return {name: [*map(statistics.median, zip(*rows)), len(rows)] for name, rows in figures.items()}, trips


def verdict(wanted, reached):
    """What a cell says of something that was wanted."""
    return f"{wanted}{'' if reached else ' **missed**'}"


def against(ratio, wanted):
    """The same of a ratio, if one was wanted."""
    return "" if wanted is None else verdict(f"{wanted:.2f}×", ratio >= wanted)


def own(case, figures, trips):
    """What deployer's own row says in place of a ratio, of what it must and would like to reach."""
    if case in TRIPS:
        (counted, alone), (most, more) = trips, TRIPS[case]
        must = "" if most is None else verdict(most, counted <= most)
        return f"{counted} round trips, `true` alone {alone}", must, verdict(alone + more, counted <= alone + more)
    if case in TOGETHER:
        longer, most = figures["deployer"][0] / figures[ONE][0], TOGETHER[case]
        return f"{longer:.2f} × one host", verdict(f"{most:.2f} ×", longer <= most), ""
    return f"{trips} round trips" if trips else "", "", ""


def show(results):
    """The table, as Markdown."""
    lines = ["| workload | tool | rounds | seconds | controller: CPU, s | memory, MB | deployer is faster by | must | aim |", "| --- " * 9 + "|"]
    missed = []
    for case, (figures, trips) in results.items():
        ours = figures["deployer"][0]
        for name, (wall, cpu, memory, rounds) in figures.items():
            ratio = wall / ours
            ahead, must, aim = f"{ratio:.2f}×", *(against(ratio, dict(table.get(case, [])).get(name)) for table in (MUST, AIM))
            if name == "deployer":
                ahead, must, aim = own(case, figures, trips)
            if name == ONE:
                ahead = ""
            if "missed" in must:
                missed.append(f"{case}: {ahead}{'' if name == 'deployer' else f' against {name}'}, not {must.split()[0]}")
            lines.append(f"| {case} | {name} | {rounds} | {wall:.3f} | {cpu:.2f} | {memory:.0f} | {ahead} | {must} | {aim} |")
    lines += ["", "Missed of what must be: " + "; ".join(missed) + "." if missed else "Nothing that must be is missed."]
    return "\n".join(lines)


def publish(table):
    """Puts the table into the documentation, with the day and the machine."""
    page = PROJECT / "docs/performance.md"
    before, rest = page.read_text().split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), os.uname().machine)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 30
    where = f"{date.today()}, {os.cpu_count()} cores ({model}), {memory} GB, Linux {os.uname().release.split('-')[0]}; hosts and controller on the same machine."
    page.write_text(f"{before}{MARKS[0]}\n{where}\n\n{table}\n{MARKS[1]}{after}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"some of: {', '.join(CASES)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--patience", type=float, default=PATIENCE, help="seconds after which a tool has had rounds enough of a workload")
    parser.add_argument("--tools", default="", help="only these, by comma")
    parser.add_argument("--deployer", default=str(PROJECT / "target/release/deployer"))
    parser.add_argument("--page", action="store_true", help="put the table into docs/performance.md, too")
    parser.add_argument("--keep", action="store_true", help="leave the hosts running")
    words = parser.parse_args()
    unknown = [case for case in words.cases if case not in CASES]
    if unknown:
        parser.error(f"there is no workload {unknown[0]}")
    deployer = WORK / "deployer"
    WORK.mkdir(parents=True, exist_ok=True)
    shutil.copy2(words.deployer, deployer)
    place = bring_up(max(CASES[case][1] for case in words.cases or CASES))
    lines, tools = {name: Relay(place, name) for name in LINES}, Tools(WORK / "tools", deployer)
    results = {}
    try:
        for case in words.cases or CASES:
            only = [*filter(None, words.tools.split(","))]
            results[case] = measure(case, place, lines, tools, words.rounds, words.patience, only)
    finally:
        for line in lines.values():
            line.end()
        if not words.keep:
            lab("down")
    (WORK / "results.json").write_text(json.dumps(results, indent=1))
    table = show(results)
    print(table)
    if words.page:
        publish(table)


if __name__ == "__main__":
    main()
