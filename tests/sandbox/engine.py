"""Container engines for the tests: installed by apt, started by hand, with an image built without a registry."""

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.system import install

ROOT = Path(__file__).parents[2]
CACHE = Path.home() / ".cache/selfalign/engine"
BASE_TAR = CACHE / "bookworm-python-v1.tar"
PACKAGES = ("docker.io", "mmdebstrap", "podman", "runc", "runsc")
# Debian's; a client without an engine may come first on PATH.
DOCKER, DOCKERD = "/usr/bin/docker", "/usr/sbin/dockerd"
IMAGE = "selfalign-sandbox-test:minimal"


def run(*command: str, timeout: float = 600, **environment: str) -> str:
    """Run a command; fail with what it said."""
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=ROOT,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr[-2000:]}"
    return done.stdout


def need_engines() -> None:
    """Install the engines; skip without root, or where they are missing and there is no apt-get."""
    missing = [name for name in (DOCKER, DOCKERD, "/usr/bin/podman") if not Path(name).exists()]
    if (missing or shutil.which("mmdebstrap") is None) and (
        os.getuid() != 0 or shutil.which("apt-get") is None
    ):
        pytest.skip("needs Docker, Podman and gVisor: run `make soak` as root on Debian, which installs them")
    if os.getuid() != 0:
        pytest.skip("needs root to start a container engine: run `make soak` as root")
    if missing or shutil.which("mmdebstrap") is None:
        install(PACKAGES)


def base_tar() -> Path:
    """Return a root file system with Python, made once and kept in the user's cache."""
    if not BASE_TAR.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        part = BASE_TAR.with_suffix(f".{os.getpid()}.tar")
        include = "--include=python3,python3-pip,ca-certificates"
        run("mmdebstrap", "--quiet", "--variant=minbase", include, "bookworm", str(part))
        part.rename(BASE_TAR)
    return BASE_TAR


@contextlib.contextmanager
def docker_engine(directory: Path) -> Iterator[str]:
    """Start an engine of our own with the image in it; yield its address."""
    address = f"unix://{directory}/docker.sock"
    command = [
        *(DOCKERD, f"--data-root={directory}/data", f"--exec-root={directory}/exec"),
        *(f"--pidfile={directory}/pid", "-H", address, "--iptables=false", "--ip6tables=false"),
        *("--bridge=none", "--storage-driver=overlay2", f"--config-file={directory}/daemon.json"),
    ]
    # gVisor's other platform, KVM, needs more than a virtual machine has.
    runsc = {"path": "/usr/bin/runsc", "runtimeArgs": ["--platform=ptrace", "--network=none"]}
    (directory / "daemon.json").write_text(json.dumps({"runtimes": {"runsc": runsc}}))
    with (directory / "log").open("w") as log:
        engine = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        until = time.monotonic() + 60
        while subprocess.run([DOCKER, "-H", address, "version"], check=False, capture_output=True).returncode:
            assert engine.poll() is None, (directory / "log").read_text()[-2000:]
            assert time.monotonic() < until, "dockerd does not answer"
            time.sleep(0.3)
        run(DOCKER, "-H", address, "import", str(base_tar()), "selfalign-base")
        build = ("build", "--network", "host", "-q", "-f", "containers/sandbox/Dockerfile", "-t", IMAGE)
        arguments = ("--build-arg", "BASE=selfalign-base", "--build-arg", "FLAVOUR=minimal")
        run(DOCKER, "-H", address, *build, *arguments, ".", DOCKER_BUILDKIT="0")
        yield address
    finally:
        engine.terminate()
        engine.wait(30)
        for mount in sorted(_mounts_below(directory), reverse=True):
            subprocess.run(["umount", "-l", mount], check=False, capture_output=True)


def _mounts_below(directory: Path) -> list[str]:
    places = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [place for place in places if place.startswith(f"{directory}/")]


def podman_settings(directory: Path, patch: pytest.MonkeyPatch) -> None:
    """Point Podman at storage of its own, and at a runtime and cgroup manager that work without systemd."""
    (directory / "containers.conf").write_text(
        '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'
        '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
        f'tmp_dir = "{directory}/tmp"\n'
    )
    (directory / "storage.conf").write_text(
        f'[storage]\ndriver = "overlay"\nrunroot = "{directory}/run"\ngraphroot = "{directory}/root"\n'
    )
    patch.setenv("CONTAINERS_CONF", str(directory / "containers.conf"))
    patch.setenv("CONTAINERS_STORAGE_CONF", str(directory / "storage.conf"))


@contextlib.contextmanager
def podman_service(directory: Path) -> Iterator[str]:
    """Start Podman's service, which answers Docker's API; yield its address."""
    address = f"unix://{directory}/podman.sock"
    with (directory / "log").open("w") as log:
        service = subprocess.Popen(
            ["podman", "system", "service", "--time", "0", address],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        until = time.monotonic() + 60
        while not (directory / "podman.sock").exists():
            assert service.poll() is None, (directory / "log").read_text()[-2000:]
            assert time.monotonic() < until, "podman's service does not answer"
            time.sleep(0.1)
        yield address
    finally:
        service.terminate()
        service.wait(30)


def podman_close(directory: Path) -> None:
    """Remove containers, images and mounts."""
    run("podman", "system", "reset", "--force")
    for mount in sorted(_mounts_below(directory), reverse=True):
        subprocess.run(["umount", "-l", mount], check=False, capture_output=True)
