#!/usr/bin/env python3
"""One controller and many hosts: fleet.py [--hosts N] [--rounds N] [--deployer PATH]

The hosts are addresses of the loopback network in a network namespace of its own, behind one real sshd, so nothing leaves the machine and
nothing gets in. Every host is a connection of its own with its own key exchange, login and helper. Prints what each costs: CPU and memory of
the controller, and the wall time on this machine, which does the hosts' work, too. Needs root.
"""
import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
PORT = 2299
INSIDE = "DEPLOYER_FLEET_NAMESPACE"
# Work that leaves the helper idle: what is measured is the controller.
PLAYBOOK = """- hosts: all
  gather_facts: false
  tasks:
    - ping:
    - stat: {path: /etc/hostname}
      register: seen
    - assert: {that: seen.stat.exists}
    - command: 'true'
      changed_when: false
    - file: {path: /tmp, state: directory}
"""
SSHD = """Port {port}
ListenAddress 0.0.0.0
HostKey {folder}/host
AuthorizedKeysFile {folder}/key.pub
PidFile none
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups {most}
SetEnv HOME={folder}/home
"""


def say(text):
    print(f"fleet: {text}", file=sys.stderr, flush=True)


def prepare(folder, hosts):
    """Keys, the server's settings, an inventory and a playbook; an empty home, for this machine's own settings of the shell are none of a host's."""
    (folder / "home").mkdir()
    for name in ("host", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    (folder / "sshd_config").write_text(SSHD.format(port=PORT, folder=folder, most=hosts * 2))
    kind, key = (folder / "host.pub").read_text().split()[:2]
    addresses = [f"127.9.{at // 250}.{at % 250 + 1}" for at in range(hosts)]
    (folder / "known_hosts").write_text("".join(f"[{address}]:{PORT} {kind} {key}\n" for address in addresses))
    options = f"-o UserKnownHostsFile={folder}/known_hosts -o GlobalKnownHostsFile=/dev/null -o IdentitiesOnly=yes"
    common = {
        "ansible_port": PORT,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(folder / "key"),
        "ansible_ssh_common_args": options,
    }
    rows = {f"host{at}": {"ansible_host": address} for at, address in enumerate(addresses)}
    (folder / "hosts.json").write_text(json.dumps({"all": {"vars": common, "hosts": rows}}))
    (folder / "fleet.yml").write_text(PLAYBOOK)


def peak(process):
    """Waits for a process; its memory at the most, in megabytes, and its seconds of CPU."""
    _, status, used = os.wait4(process.pid, 0)
    return os.waitstatus_to_exitcode(status), used.ru_maxrss / 1024, used.ru_utime + used.ru_stime


def rounds(folder, words):
    rows = []
    for turn in range(words.rounds):
        began = time.monotonic()
        with open(folder / "log", "wb") as log:
            command = [words.deployer, "run", folder / "fleet.yml", "-i", folder / "hosts.json", "-f", str(words.forks or words.hosts)]
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=folder)
            code, memory, cpu = peak(process)
        wall = time.monotonic() - began
        text = (folder / "log").read_text(errors="replace")
        good = sum("unreachable=0" in line and "failed=0" in line for line in text.splitlines())
        if code != 0 or good != words.hosts:
            sys.exit(f"{text[-3000:]}\nfleet: ended with {code}, {good} of {words.hosts} hosts went well")
        say(f"round {turn + 1} of {words.rounds}: {wall:.1f} s, {cpu:.2f} s of CPU, {memory:.0f} MB")
        rows.append((wall, cpu, memory))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--forks", type=int, default=0, help="default: all hosts at once")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--deployer", default=str(PROJECT / "target/release/deployer"))
    words = parser.parse_args()
    if INSIDE not in os.environ:
        # Loopback of its own: no other program of this machine, and no other machine, sees the server.
        os.execvpe("unshare", ["unshare", "--net", sys.executable, __file__, *sys.argv[1:]], {**os.environ, INSIDE: "1"})
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    Path("/run/sshd").mkdir(exist_ok=True)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    folder = Path(tempfile.mkdtemp(prefix="fleet-"))
    try:
        prepare(folder, words.hosts)
        server = subprocess.Popen([shutil.which("sshd") or "/usr/sbin/sshd", "-D", "-e", "-f", folder / "sshd_config"], stderr=open(folder / "sshd.log", "wb"))
        try:
            time.sleep(1)
            rows = rounds(folder, words)
        finally:
            server.terminate()
            server.wait()
    finally:
        shutil.rmtree(folder)
    wall, cpu, memory = (sorted(column)[len(rows) // 2] for column in zip(*rows))
    print("| hosts | wall, s | CPU of the controller, s | memory of the controller, MB | CPU a host, ms | memory a host, MB |")
    print("| --- | --- | --- | --- | --- | --- |")
    print(f"| {words.hosts} | {wall:.1f} | {cpu:.2f} | {memory:.0f} | {1000 * cpu / words.hosts:.2f} | {memory / words.hosts:.3f} |")


if __name__ == "__main__":
    main()
