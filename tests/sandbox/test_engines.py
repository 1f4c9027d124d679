"""Docker, gVisor and Podman for real: self-test, the hostile programs, the reference's rows, and nothing left."""

from pathlib import Path

import engine
import pytest
from hostile import HOSTILE
from tests.vectors import VECTORS

from selfalign.core.errors import InfrastructureError
from selfalign.execute.filter import execute_file
from selfalign.program_environments import ready_environment
from selfalign.sandbox import Limits, Program, open_pool
from selfalign.sandbox.engines import Apptainer, ContainerEngine
from selfalign.sandbox.runtimes import find_runtime
from selfalign.sandbox.selftest import self_test

pytestmark = pytest.mark.engine

LIMITS = Limits(wall_s=6.0, cpu_s=2.0, memory_mb=256, processes=16)

# They ask what only holds without an image: that there is no /etc, and which devices there are.
WITHOUT_IMAGE = ("reads_host_files", "devices")
# The limit of message queues is zero.
QUEUE = (
    "import os\nif os.path.exists('/dev/mqueue'):\n    assert os.listdir('/dev/mqueue') == []\n"
    "    try:\n        open('/dev/mqueue/left', 'w').close()\n    except OSError:\n        pass\n"
    "    else:\n        assert False"
)


@pytest.fixture(scope="module")
def docker(tmp_path_factory):
    engine.need_engines()
    with engine.docker_engine(tmp_path_factory.mktemp("docker")) as address:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DOCKER_HOST", address)
            yield address


@pytest.fixture(scope="module")
def podman(docker, tmp_path_factory):  # noqa: ARG001 - Docker has the image
    """Rootful Podman with storage of its own and the same image."""
    directory = tmp_path_factory.mktemp("podman")
    with pytest.MonkeyPatch.context() as patch:
        engine.podman_settings(directory, patch)
        archive = directory / "image.tar"
        engine.run(engine.DOCKER, "save", "-o", str(archive), engine.IMAGE)
        engine.run("podman", "load", "-q", "-i", str(archive))
        with engine.podman_service(directory) as address:
            patch.setenv("CONTAINER_HOST", address)
            yield
        patch.delenv("CONTAINER_HOST")
        engine.podman_close(directory)


def containers() -> str:
    return engine.run(engine.DOCKER, "ps", "-aq")


def check_hostile(runtime: str) -> None:
    names = [name for name in HOSTILE if name not in WITHOUT_IMAGE]
    programs = [Program(name, HOSTILE[name][1], limits=LIMITS) for name in names]
    host = Path(__file__)
    programs += [Program(f"host {n}", f"open({str(host)!r})", limits=LIMITS) for n in range(2)]
    programs += [Program(f"queue {n}", QUEUE, limits=LIMITS) for n in range(4)]
    right = {name: HOSTILE[name][0] for name in names}
    right |= {
        p.key: {"exception"} if p.key.startswith("host") else {"passed"} for p in programs[len(names) :]
    }
    with open_pool(runtime, workers=2, image=engine.IMAGE) as pool:
        wrong = {
            verdict.key: (verdict.status, verdict.error, verdict.stderr[-300:])
            for verdict in pool.run(programs)
            if verdict.status not in right[verdict.key]
        }
        restarts = pool.restarts
    assert (wrong, restarts) == ({}, 0)


@pytest.mark.usefixtures("docker")
def test_docker_passes_its_self_test():
    assert [check for check in self_test(ContainerEngine("docker", engine.IMAGE)) if check.problem] == []


@pytest.mark.usefixtures("docker")
def test_docker_judges_the_hostile_programs():
    check_hostile("docker")
    assert containers() == ""


@pytest.mark.usefixtures("docker")
def test_docker_mounts_the_packages_of_an_environment():
    numpy = ready_environment("numpy")
    source = (
        "import numpy, sys\nassert numpy.ones(3).sum() == 3 and numpy.__file__.startswith('/opt/packages/')"
    )
    with open_pool("docker", workers=1, image=engine.IMAGE, environment=numpy) as pool:
        verdicts = list(
            pool.run([Program("sees", source), Program("writes", "open('/opt/packages/x', 'w')")])
        )
    assert [(verdict.status, verdict.error) for verdict in verdicts] == [
        ("passed", None),
        ("exception", "OSError"),
    ]
    assert verdicts[0].image.endswith(f"+{numpy.identity}")
    with open_pool("docker", workers=1, image=engine.IMAGE) as pool:
        (without,) = pool.run([Program("sees", source)])
    assert (without.status, without.error) == ("exception", "ModuleNotFoundError")


@pytest.mark.usefixtures("docker")
def test_the_digest_of_the_image_is_in_the_verdict():
    digest = engine.run(engine.DOCKER, "image", "inspect", "--format", "{{.Id}}", engine.IMAGE).strip()
    with open_pool("docker", workers=1, image=engine.IMAGE) as pool:
        (verdict,) = pool.run([Program("one", "assert True")])
    assert (verdict.status, verdict.runtime, verdict.image) == (
        "passed",
        "docker",
        f"{engine.IMAGE}@{digest}",
    )


@pytest.mark.usefixtures("docker")
def test_docker_keeps_the_rows_of_the_reference(tmp_path):
    check_golden("docker", tmp_path / "out.jsonl")


@pytest.mark.usefixtures("podman")
def test_podman_keeps_the_rows_of_the_reference(tmp_path):
    check_golden("podman", tmp_path / "out.jsonl")


def check_golden(runtime: str, out: Path) -> None:
    execute_file(
        VECTORS / "responses.jsonl", out, runtime=runtime, image=engine.IMAGE, workers=2, faithful=True
    )
    assert out.read_bytes() == (VECTORS / "filtered.jsonl").read_bytes()


@pytest.mark.usefixtures("docker")
def test_an_image_that_is_not_there_is_said():
    with pytest.raises(InfrastructureError, match="Docker has no image 'nobody/has:this'"):
        ContainerEngine("docker", "nobody/has:this").image()


@pytest.mark.usefixtures("docker")
def test_gvisor_judges_the_hostile_programs_or_is_never_chosen(tmp_path):
    checks = self_test(ContainerEngine("gvisor", engine.IMAGE))
    problems = {check.name: check.problem for check in checks if check.problem}
    if problems:
        assert find_runtime("auto", engine.IMAGE).name != "gvisor"
        return
    check_hostile("gvisor")
    check_golden("gvisor", tmp_path / "out.jsonl")


@pytest.mark.usefixtures("podman")
def test_podman_passes_its_self_test_and_judges_the_hostile_programs():
    assert [check for check in self_test(ContainerEngine("podman", engine.IMAGE)) if check.problem] == []
    check_hostile("podman")
    assert engine.run("podman", "ps", "-aq") == ""


def test_apptainer_without_the_command_is_refused(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InfrastructureError, match="no command apptainer"):
        Apptainer().image()


@pytest.mark.usefixtures("podman")
def test_podman_without_the_image_is_refused():
    with pytest.raises(InfrastructureError, match="Podman has no image 'nobody/has:this'"):
        ContainerEngine("podman", "nobody/has:this").image()


@pytest.mark.parametrize("name", ["docker", "gvisor", "podman"])
def test_an_engine_that_does_not_answer_is_one_line(name, tmp_path, monkeypatch):
    for variable in ("DOCKER_HOST", "CONTAINER_HOST"):
        monkeypatch.setenv(variable, f"unix://{tmp_path}/none.sock")
    with pytest.raises(InfrastructureError, match="engine answers; start") as raised:
        ContainerEngine(name).image()
    assert "\n" not in str(raised.value)
    assert ("podman system service" in str(raised.value)) == (name == "podman")


def test_podman_is_looked_for_where_its_service_listens(monkeypatch):
    monkeypatch.delenv("CONTAINER_HOST", raising=False)
    monkeypatch.setattr("os.getuid", lambda: 1000)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    assert ContainerEngine("podman")._address() == "unix:///run/user/1000/podman/podman.sock"
    monkeypatch.setattr("os.getuid", lambda: 0)
    assert ContainerEngine("podman")._address() == "unix:///run/podman/podman.sock"
