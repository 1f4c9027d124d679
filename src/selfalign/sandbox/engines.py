"""Container engines: Docker (and gVisor under it), Podman, Apptainer. One container is one slot.

The image is built from containers/sandbox; it carries the inside of a slot, and a slot whose inside is not the one
of this installation is refused when it starts.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from selfalign.core.errors import InfrastructureError
from selfalign.sandbox.launch import Launch, fresh_uid, slot_memory_mb, slot_processes, zygote_settings
from selfalign.sandbox.types import Limits

DEFAULT_IMAGE = "selfalign-sandbox:full"
SCRATCH = {"/tmp": "rw,nosuid,nodev,size=64m,mode=1777", "/dev/shm": "rw,nosuid,nodev,size=16m,mode=1777"}
# Emptied after every program. Engines mount a queue file system of their own, which keeps what is made in it.
WRITABLE = [*SCRATCH, "/dev/mqueue"]
ENVIRONMENT = {
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "LD_BIND_NOW": "1",  # see the zygote
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
}
# What a client of an engine needs of our environment; the programs see none of it.
CLIENT = (
    *("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "HOME", "PATH", "XDG_RUNTIME_DIR"),
    *("CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF", "CONTAINERS_REGISTRIES_CONF", "TMPDIR"),
)
QUERY_S = 60


def client_environment() -> dict[str, str]:
    """Return the environment of an engine's client."""
    return {name: os.environ[name] for name in CLIENT if name in os.environ}


class Docker:
    """Docker's engine, or Podman's socket, through the ``docker`` SDK.

    Args:
        image: reference of the image; empty for the default.
        oci_runtime: the engine's runtime, ``runsc`` for gVisor; empty for the engine's default.
    """

    isolates = True

    def __init__(self, image: str = "", oci_runtime: str = "") -> None:
        self.name = "gvisor" if oci_runtime == "runsc" else "docker"
        self._image = image or DEFAULT_IMAGE
        self._oci_runtime = oci_runtime

    def image(self) -> str:
        """Return the image's reference and digest.

        Raises:
            InfrastructureError: there is no engine, or it does not have the image.
        """
        import docker
        from docker.errors import DockerException, ImageNotFound

        try:
            client = docker.from_env(timeout=QUERY_S)
            try:
                return f"{self._image}@{client.images.get(self._image).id}"
            finally:
                client.close()
        except ImageNotFound:
            raise InfrastructureError(
                f"docker has no image {self._image!r}; containers/sandbox/README.md says how to build it"
            ) from None
        except DockerException as error:
            raise InfrastructureError(
                f"no Docker engine answers; start it, or take another runtime (auto chooses one): {error}"
            ) from None

    def launch(self, most: Limits, /, warm: Sequence[str] = ()) -> Launch:
        """Return how to start one slot: a container, and a process of ours that passes bytes to and from it."""
        uid, name, memory = fresh_uid(), _fresh_name(), f"{slot_memory_mb(most)}m"
        container: dict[str, Any] = {
            "image": self._image,
            "command": [zygote_settings(uid=None, writable=WRITABLE, warm=warm)],
            "name": name,
            "auto_remove": True,
            "cap_drop": ["ALL"],
            "environment": ENVIRONMENT,
            "hostname": "sandbox",
            "ipc_mode": "private",
            "mem_limit": memory,
            "memswap_limit": memory,
            "network_mode": "none",
            "pids_limit": slot_processes(most),
            "read_only": True,
            "security_opt": ["no-new-privileges"],
            "stdin_open": True,
            "tmpfs": SCRATCH,
            "user": f"{uid}:{uid}",
            "working_dir": "/tmp",
        }
        if self._oci_runtime:
            container["runtime"] = self._oci_runtime
        bridge = [sys.executable, "-m", "selfalign.sandbox.bridge"]
        return Launch(
            [*bridge, "run", json.dumps(container)], client_environment(), ends=[[*bridge, "remove", name]]
        )


class Podman:
    """Podman's command, rootful or rootless."""

    name = "podman"
    isolates = True

    def __init__(self, image: str = "") -> None:
        self._image = image or DEFAULT_IMAGE

    def image(self) -> str:
        """Return the image's reference and digest.

        Raises:
            InfrastructureError: there is no Podman, or it does not have the image.
        """
        identity = _query(["podman", "image", "inspect", "--format", "{{.Id}}", self._image], "podman")
        return f"{self._image}@sha256:{identity.removeprefix('sha256:')}"

    def launch(self, most: Limits, /, warm: Sequence[str] = ()) -> Launch:
        """Return how to start one slot."""
        name = _fresh_name()
        command = ["podman", "run", "--rm", "--interactive", "--name", name, "--hostname", "sandbox"]
        command += ["--network", "none", "--read-only", "--read-only-tmpfs=false", "--cap-drop", "ALL"]
        command += ["--security-opt", "no-new-privileges", "--workdir", "/tmp", "--log-driver", "none"]
        if os.getuid() == 0:
            uid, memory = fresh_uid(), f"{slot_memory_mb(most)}m"
            command += ["--user", f"{uid}:{uid}", "--pids-limit", str(slot_processes(most))]
            command += ["--memory", memory, "--memory-swap", memory]
        else:
            # Without delegated cgroups Podman cannot limit them; the limits of the zygote hold all the same.
            command += ["--user", "65534:65534"]
        for place, options in SCRATCH.items():
            command += ["--tmpfs", f"{place}:{options}"]
        for variable, value in ENVIRONMENT.items():
            command += ["--env", f"{variable}={value}"]
        settings = zygote_settings(uid=None, writable=WRITABLE, warm=warm)
        return Launch(
            [*command, self._image, settings],
            client_environment(),
            ends=[["podman", "rm", "--force", "--ignore", name]],
        )


class Apptainer:
    """Apptainer (or Singularity), as on clusters, with a ``.sif`` file."""

    name = "apptainer"
    isolates = True

    def __init__(self, image: str = "") -> None:
        self._image = Path(image or "selfalign-sandbox.sif")

    def image(self) -> str:
        """Return the file's name and digest.

        Raises:
            InfrastructureError: there is no Apptainer or no such file.
        """
        if shutil.which("apptainer") is None:
            raise InfrastructureError(
                "there is no command apptainer; install it, or take another runtime (auto chooses one)"
            )
        if not self._image.is_file():
            raise InfrastructureError(f"there is no image file {str(self._image)!r}")
        with self._image.open("rb") as handle:
            return f"{self._image.name}@sha256:{hashlib.file_digest(handle, 'sha256').hexdigest()}"

    def launch(self, _most: Limits, /, warm: Sequence[str] = ()) -> Launch:
        """Return how to start one slot. ``--containall`` gives it a PID name space and a /tmp of its own."""
        command = ["apptainer", "exec", "--containall", "--cleanenv", "--no-home", "--no-init", "--net"]
        command += ["--network", "none", "--no-privs", "--drop-caps", "all", "--pwd", "/tmp"]
        for variable, value in ENVIRONMENT.items():
            command += ["--env", f"{variable}={value}"]
        settings = zygote_settings(uid=None, writable=["/tmp", "/dev/shm"], warm=warm)
        program = ["python3", "-sS", "/opt/slot/zygote.py", settings]
        return Launch([*command, str(self._image), *program], client_environment())


def _fresh_name() -> str:
    return f"selfalign-{secrets.token_hex(8)}"


def _query(command: list[str], program: str) -> str:
    if shutil.which(program) is None:
        raise InfrastructureError(
            f"there is no command {program}; install it, or take another runtime (auto chooses one)"
        )
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=QUERY_S)
    except subprocess.TimeoutExpired:
        raise InfrastructureError(f"{program} did not answer in {QUERY_S} s") from None
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
        raise InfrastructureError(f"{program}: {last[0]}")
    return done.stdout.strip()
