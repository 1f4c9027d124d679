"""Container engines: Docker, gVisor under Docker, Podman; and Apptainer. One container is one slot.

The image is built from containers/sandbox and carries the files of :mod:`selfalign.sandbox.guest`; a slot whose files
are not those of this installation is refused when it starts.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selfalign.core.config.execution import BUILD, STDLIB
from selfalign.core.errors import InfrastructureError
from selfalign.program_environments import ProgramEnvironment, program_environment
from selfalign.sandbox.launch import (
    INTERPRETER_ENVIRONMENT,
    Launch,
    fresh_uid,
    slot_memory_mb,
    slot_processes,
    zygote_settings,
)
from selfalign.sandbox.types import Limits

if TYPE_CHECKING:
    from docker import DockerClient

DEFAULT_IMAGE = "selfalign-sandbox:full"
SCRATCH = {
    "/tmp": "rw,nosuid,nodev,size=64m,mode=1777",
    "/dev/shm": "rw,nosuid,nodev,size=16m,mode=1777",
}
# Podman makes these writable beside a read-only root unless something is mounted there.
PODMAN_ONLY = {"/run": "ro,size=4k", "/var/tmp": "ro,size=4k"}
# Emptied after every program. Engines mount a queue file system of their own, which keeps what is made in it.
WRITABLE = [*SCRATCH, "/dev/mqueue"]
ENVIRONMENT = {"HOME": "/tmp", "LOGNAME": "sandbox", **INTERPRETER_ENVIRONMENT}
# What a client of an engine needs of our environment; the programs see none of it.
CLIENT = (
    *("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"),
    *("HOME", "PATH", "TMPDIR", "XDG_RUNTIME_DIR"),
)
# Where the packages of an environment are mounted.
PACKAGES = "/opt/packages"
QUERY_S = 60
NOBODY = 65534


class ContainerEngine:
    """Docker, gVisor or Podman, through the ``docker`` SDK.

    Docker is found as its own client finds it (``DOCKER_HOST``, the current context). Podman answers the same API on a
    socket: ``CONTAINER_HOST``, else the one that its service has for this user.

    Args:
        name: ``docker``, ``gvisor`` (Docker with the runtime ``runsc``) or ``podman``.
        image: reference of the image; empty for the default.
        environment: what programs can import; None: ``build``, the packages of the image. The packages of an installed
            environment are mounted, so the engine must see the directory and the image must have its version of Python.
    """

    isolates = True

    def __init__(self, name: str, image: str = "", environment: ProgramEnvironment | None = None) -> None:
        self.environment = environment or program_environment(BUILD)
        self.name = name
        self._title = "Podman" if name == "podman" else "Docker"
        self._image = image or DEFAULT_IMAGE

    def image(self) -> str:
        """Return the image's reference and digest, and the identity of the environment.

        Raises:
            InfrastructureError: no engine answers, or it does not have the image.
        """
        from docker.errors import ImageNotFound

        with self._client() as client:
            try:
                return _with_environment(
                    f"{self._image}@{client.images.get(self._image).id}", self.environment
                )
            except ImageNotFound:
                raise InfrastructureError(
                    f"{self._title} has no image {self._image!r}; containers/sandbox/README.md says how to build it"
                ) from None

    def launch(self, most: Limits, /, warm: Sequence[str] = ()) -> Launch:
        """Return how to start one slot: a process of ours that starts a container and relays its streams.

        Args:
            most: limits of the largest program that the slot will run.
            warm: pieces of Python run before the first program, besides the usual imports.

        Raises:
            InfrastructureError: no engine answers.
        """
        with self._client() as client:
            facts = client.info()
        rootless = any("rootless" in option for option in facts.get("SecurityOptions") or ())
        user = NOBODY if rootless else fresh_uid()
        name = f"selfalign-{secrets.token_hex(8)}"
        container: dict[str, Any] = {
            "image": self._image,
            "command": [zygote_settings(uid=None, writable=WRITABLE, warm=warm)],
            "name": name,
            "auto_remove": True,
            "cap_drop": ["ALL"],
            "environment": ENVIRONMENT | _python_path(self.environment),
            "hostname": "sandbox",
            "ipc_mode": "private",
            "log_config": {"type": "none"},
            "network_mode": "none",
            "read_only": True,
            "security_opt": ["no-new-privileges"],
            "stdin_open": True,
            "tmpfs": SCRATCH | (PODMAN_ONLY if self.name == "podman" else {}),
            # The user's settings of Docker's client may name a proxy, which it would put into the environment.
            "use_config_proxy": False,
            "user": f"{user}:{user}",
            "working_dir": "/tmp",
        }
        if self.environment.packages is not None:
            container["volumes"] = {str(self.environment.packages): {"bind": PACKAGES, "mode": "ro"}}
        if self.name == "gvisor":
            container["runtime"] = "runsc"
        # Rootless Podman fails where control groups are not delegated to the user; the zygote's own limits hold anyway.
        if not (rootless and self.name == "podman"):
            memory = f"{slot_memory_mb(most)}m"
            container |= {"mem_limit": memory, "memswap_limit": memory, "pids_limit": slot_processes(most)}
        bridge = [sys.executable, "-P", "-m", "selfalign.sandbox.bridge"]
        address = self._address()
        return Launch(
            [*bridge, "run", address, json.dumps(container)],
            {variable: os.environ[variable] for variable in CLIENT if variable in os.environ},
            ends=[[*bridge, "remove", address, name]],
        )

    @contextmanager
    def _client(self) -> Iterator[DockerClient]:
        """Connect to the engine.

        Raises:
            InfrastructureError: it does not answer.
        """
        from docker.errors import DockerException

        address = self._address()
        try:
            client = connect(address)
            try:
                yield client
            finally:
                client.close()
        except DockerException as error:
            if self.name == "podman":
                help = f"start its service: `podman system service --time 0 {address}`, or systemd's podman.socket"
            else:
                help = "start it"
            raise InfrastructureError(
                f"no {self._title} engine answers; {help}, or take another runtime (auto chooses one): {error}"
            ) from None

    def _address(self) -> str:
        """Return the engine's address, empty to find it as Docker's client does."""
        if self.name != "podman":
            return ""
        if address := os.environ.get("CONTAINER_HOST"):
            return address
        directory = (
            "/run" if os.getuid() == 0 else os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}")
        )
        return f"unix://{directory}/podman/podman.sock"


def _python_path(environment: ProgramEnvironment) -> dict[str, str]:
    """Return the variable that selects the packages; without it, the zygote adds those of the image."""
    if environment.name == STDLIB:
        return {"PYTHONPATH": ""}
    return {} if environment.packages is None else {"PYTHONPATH": PACKAGES}


def _with_environment(image: str, environment: ProgramEnvironment) -> str:
    """Return the digest of an image, followed by the identity of the environment if it is not of the image."""
    return image if environment.name == BUILD else f"{image}+{environment.identity}"


def connect(address: str) -> DockerClient:
    """Return a client of an engine.

    Args:
        address: of its API; empty to find it as Docker's client does.

    Raises:
        docker.errors.DockerException: it does not answer.
    """
    import docker
    from docker.errors import DockerException

    try:
        return (
            docker.DockerClient(base_url=address, timeout=QUERY_S)
            if address
            else docker.from_env(timeout=QUERY_S)
        )
    except DockerException:
        raise
    except Exception as error:  # such as the SDK's for a damaged context file
        raise DockerException(str(error)) from None


class Apptainer:
    """Apptainer (or Singularity), as on clusters, with a ``.sif`` file.

    Args:
        image: the file; empty for ``selfalign-sandbox.sif`` in the working directory.
        environment: see :class:`ContainerEngine`.
    """

    name = "apptainer"
    isolates = True

    def __init__(self, image: str = "", environment: ProgramEnvironment | None = None) -> None:
        self.environment = environment or program_environment(BUILD)
        self._image = Path(image or "selfalign-sandbox.sif")

    def image(self) -> str:
        """Return the file's name and digest, and the identity of the environment.

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
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
        return _with_environment(f"{self._image.name}@sha256:{digest}", self.environment)

    def launch(self, _most: Limits, /, warm: Sequence[str] = ()) -> Launch:
        """Return how to start one slot. ``--containall`` gives it a PID name space and a /tmp of its own.

        Args:
            _most: not used: Apptainer has no limits for the whole slot that an ordinary user may set.
            warm: pieces of Python run before the first program, besides the usual imports.
        """
        command = ["apptainer", "exec", "--containall", "--cleanenv", "--no-home", "--no-init", "--net"]
        command += ["--network", "none", "--no-privs", "--drop-caps", "all", "--pwd", "/tmp"]
        if self.environment.packages is not None:
            command += ["--bind", f"{self.environment.packages}:{PACKAGES}:ro"]
        for variable, value in (ENVIRONMENT | _python_path(self.environment)).items():
            command += ["--env", f"{variable}={value}"]
        settings = zygote_settings(uid=None, writable=["/tmp", "/dev/shm"], warm=warm)
        command += [str(self._image), "python3", "-sS", "/opt/slot/zygote.py", settings]
        return Launch(
            command, {variable: os.environ[variable] for variable in CLIENT if variable in os.environ}
        )
