"""How each tool is called for a workload, and what it needs on disk."""
import json
import os
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORKLOADS = HERE / "workloads"
# What deployer agrees on with the lab's sshd: floors are not to be slower for a dearer key exchange.
KEX = "curve25519-sha256"


class Host:
    """Where a host is reached: by its lab address, or through a relay."""

    def __init__(self, name, address, port):
        self.name, self.address, self.port = name, address, port


class Place:
    """A folder with inventories, keys and settings for one set of hosts."""

    def __init__(self, folder, hosts, key, data):
        self.folder, self.hosts, self.key, self.data = Path(folder), hosts, key, data
        self.folder.mkdir(parents=True, exist_ok=True)
        self.known_hosts = self.folder / "known_hosts"
        self.write()

    def write(self):
        lines = []
        for host in self.hosts:
            scanned = subprocess.run(
                ["ssh-keyscan", "-t", "ed25519", "-p", str(host.port), host.address], capture_output=True, text=True, check=False
            ).stdout
            lines += [line for line in scanned.splitlines() if line and not line.startswith("#")]
        self.known_hosts.write_text("\n".join(lines) + "\n")
        options = f"-o UserKnownHostsFile={self.known_hosts} -o GlobalKnownHostsFile=/dev/null -o IdentitiesOnly=yes"
        rows = {
            host.name: {
                "ansible_host": host.address,
                "ansible_port": host.port,
                "ansible_user": "root",
                "ansible_ssh_private_key_file": str(self.key),
                "ansible_ssh_common_args": options,
            }
            for host in self.hosts
        }
        (self.folder / "hosts.json").write_text(json.dumps({"all": {"hosts": rows}}, indent=1))
        pairs = [
            (
                host.name,
                {
                    "ssh_hostname": host.address,
                    "ssh_port": host.port,
                    "ssh_user": "root",
                    "ssh_key": str(self.key),
                    "ssh_known_hosts_file": str(self.known_hosts),
                },
            )
            for host in self.hosts
        ]
        (self.folder / "hosts.py").write_text(f"hosts = {pairs!r}\n")

    def ssh(self, host):
        return [
            "ssh", "-F", "/dev/null", "-i", str(self.key), "-p", str(host.port), "-o", f"UserKnownHostsFile={self.known_hosts}",
            "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", f"KexAlgorithms={KEX}", f"root@{host.address}",
        ]  # fmt: skip


class Tools:
    """The tools of one comparison."""

    def __init__(self, environment, deployer):
        self.bin, self.deployer = Path(environment) / "bin", deployer

    def environment(self, tool, place):
        variables = {"PATH": f"{self.bin}:{os.environ['PATH']}", "HOME": str(place.folder), "LANG": "C.UTF-8"}
        variables["W4_DATA"] = str(place.data)
        if tool in ("ansible", "tuned", "mitogen"):
            name = {"ansible": "default"}.get(tool, tool)
            settings = (WORKLOADS / f"{name}.cfg").read_text()
            if tool == "mitogen":
                where = "import ansible_mitogen, os; print(os.path.dirname(ansible_mitogen.__file__))"
                found = subprocess.run([self.bin / "python3", "-c", where], capture_output=True, text=True, check=True)
                settings = settings.replace("${MITOGEN_STRATEGY}", f"{found.stdout.strip()}/plugins/strategy")
                settings = "\n".join(line.split("   ;")[0] for line in settings.splitlines())
            path = place.folder / f"{name}.cfg"
            path.write_text(settings)
            variables["ANSIBLE_CONFIG"] = str(path)
            variables["ANSIBLE_HOST_KEY_CHECKING"] = "True"
        return variables

    def command(self, tool, workload, place):
        """The call, or nothing where the tool has no equivalent."""
        playbook, deploy = WORKLOADS / f"{workload}.yml", WORKLOADS / f"{workload}_pyinfra.py"
        if tool == "deployer":
            return [self.deployer, "run", playbook, "-i", place.folder / "hosts.json"]
        if tool in ("ansible", "tuned", "mitogen"):
            return [self.bin / "ansible-playbook", playbook, "-i", place.folder / "hosts.json"]
        if tool == "pyinfra" and deploy.exists():
            return [self.bin / "pyinfra", "-y", place.folder / "hosts.py", deploy]
        return None
