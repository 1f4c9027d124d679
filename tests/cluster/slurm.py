"""A one-node Slurm with two fake GPUs for the tests: installed by apt, started by hand, without systemd."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.system import install

PACKAGES = ("slurm-wlm", "slurmctld", "slurmd", "slurm-client", "munge")
COMMANDS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "sinfo")
SYSTEM = Path("/etc/slurm")
FILES = ("slurm.conf", "gres.conf", "cgroup.conf")
MEMORY_MB = 300_000  # scheduled, not enforced: more than any rule asks for twice
CPUS = 16
# The rule whose first job the test cancels.
CANCELLED = "collect_functions"

SLURM_CONF = """\
ClusterName=selfalign
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={base}/munge/socket
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={base}/state
SlurmdSpoolDir={base}/spool
SlurmctldPidFile={base}/slurmctld.pid
SlurmdPidFile={base}/slurmd.pid
SlurmctldLogFile={base}/slurmctld.log
SlurmdLogFile={base}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
# Ended jobs are remembered for the whole test, so that it can ask what they were given.
MinJobAge=7200
KillWait=2
SchedulerParameters=sched_interval=1,sched_min_interval=0,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=500
SlurmdParameters=config_overrides
GresTypes=gpu
AccountingStorageType=accounting_storage/none
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} SocketsPerBoard=1 CoresPerSocket={cpus} ThreadsPerCore=1 RealMemory={memory} Gres=gpu:a100:2
PartitionName=cpu Nodes=ALL Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes=ALL MaxTime=INFINITE State=UP
"""


def need_slurm() -> None:
    """Install Slurm; skip without root or apt-get, and where a Slurm is configured already."""
    if os.getuid() != 0:
        pytest.skip("needs root to start a Slurm: run `make test` as root")
    if any((SYSTEM / name).exists() and not (SYSTEM / name).is_symlink() for name in FILES):
        pytest.skip(
            f"needs a machine whose {SYSTEM} has no configuration of Slurm: run `make test` on another"
        )
    if any(shutil.which(name) is None for name in COMMANDS):
        if shutil.which("apt-get") is None:
            pytest.skip("needs Slurm and munge: run `make test` as root on Debian, which installs them")
        _install()


def _install() -> None:
    policy = Path("/usr/sbin/policy-rc.d")
    keeps_quiet = policy.exists()
    if not keeps_quiet:  # or the packages start their services
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        install(PACKAGES)
    finally:
        if not keeps_quiet:
            policy.unlink()


def run(*command: str) -> str:
    """Run a command and return its output; fail with what it said."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout[-500:]}{done.stderr[-2000:]}"
    return done.stdout


@contextlib.contextmanager
def one_node_slurm(base: Path) -> Iterator[None]:
    """Run munge, controller and node daemon below `base` for as long as the block runs."""
    host = socket.gethostname().split(".")[0]
    _write(base, host)
    # munge refuses a socket below directories that others may write to or cannot pass.
    munge = base / "munge"
    options = [
        f"--{name}={munge}/{name}" for name in ("key-file", "socket", "pid-file", "log-file", "seed-file")
    ]
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        daemons.append(_start("munged", "--force", "--foreground", *options))
        _until((munge / "socket").exists, "munged did not start", base)
        daemons.append(_start("slurmctld", "-D", "-i"))
        daemons.append(_start("slurmd", "-D", "-N", host))
        _until(lambda: "idle" in _sinfo(), "the node did not become idle", base)
        yield
    finally:
        subprocess.run(["scancel", "--user", "root"], check=False, capture_output=True, timeout=30)
        for daemon in reversed(daemons):
            daemon.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                daemon.wait(15)
            daemon.kill()
            daemon.wait()
        for name in FILES:
            (SYSTEM / name).unlink(missing_ok=True)


def _write(base: Path, host: str) -> None:
    for name in ("munge", "state", "spool", "dev"):
        (base / name).mkdir(parents=True)
    (base / "munge").chmod(0o711)
    key = base / "munge/key-file"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    for number in range(2):  # character devices: a bare count makes the node invalid
        os.mknod(base / f"dev/gpu{number}", 0o20666, os.makedev(1, 3))
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        ports = one.getsockname()[1], two.getsockname()[1]
    text = SLURM_CONF.format(host=host, base=base, ports=ports, cpus=CPUS, memory=MEMORY_MB)
    (base / "slurm.conf").write_text(text)
    (base / "gres.conf").write_text(f"NodeName={host} Name=gpu Type=a100 File={base}/dev/gpu[0-1]\n")
    (base / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n")
    # The plugin for job steps takes SLURM_CONF out of the environment, so only this place is found by all.
    SYSTEM.mkdir(exist_ok=True)
    for name in FILES:
        (SYSTEM / name).unlink(missing_ok=True)
        (SYSTEM / name).symlink_to(base / name)


def _start(*command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def _sinfo() -> str:
    return subprocess.run(
        ["sinfo", "--noheader", "-o", "%t"], check=False, capture_output=True, text=True
    ).stdout


def _until(condition, failure: str, base: Path, seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            logs = "\n".join(p.read_text()[-1500:] for p in sorted(base.glob("*.log")))
            raise AssertionError(f"{failure}\n{logs}")
        time.sleep(0.2)


def jobs() -> list[dict[str, str]]:
    """Return every job Slurm remembers, in the order of submission, by the field names of scontrol."""
    lines = run("scontrol", "show", "job", "--oneliner").splitlines()
    found = [dict(re.findall(r"(\S+?)=(.*?)(?=\s\S+?=|$)", line)) for line in lines if "JobId=" in line]
    return sorted(found, key=lambda job: int(job["JobId"]))


def rule_of(job: dict[str, str]) -> str:
    """Return the name of the rule (or group) that a job was submitted for, with its wildcards."""
    return re.sub(r"^(rule|group)_", "", job.get("Comment", "").strip())


def requested(job: dict[str, str]) -> dict[str, str]:
    """Return what a job asked for: cpu, mem (as in TRES) and gpu."""
    found = dict(part.split("=", 1) for part in job["TRES"].split(",") if "=" in part)
    gpu = re.search(r"gres:gpu(?::\w+)?:(\d+)", job.get("TresPerJob", ""))
    return {**found, **({"gpu": gpu[1]} if gpu else {})}
