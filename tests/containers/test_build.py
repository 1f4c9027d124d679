"""The data image, built without a registry and used: the first stages of a build run in it, without a network."""

import functools
import http.server
import re
import shutil
import sys
import threading

import pytest
import yaml
from tests.sandbox import engine
from tests.workflow.harness import working_copy

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

IMAGE = "selfalign-data-test"
LOCK = "envs/data.lock"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def index(root, tmp_path_factory):
    """The lock's packages as an index that the build can reach, made with this machine's own pip."""
    wheels, pages = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("index")
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(wheels))
    engine.run(*pip, "-r", str(root / LOCK))
    for wheel in wheels.iterdir():
        page = pages / re.sub(r"[-_.]+", "-", wheel.name.split("-")[0]).lower()
        page.mkdir(exist_ok=True)
        wheel.rename(page / wheel.name)
    handler = functools.partial(Quiet, directory=str(pages))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def image(index, tmp_path_factory):
    engine.need_engines()
    with engine.docker_engine(tmp_path_factory.mktemp("docker")) as address:
        arguments = ("--build-arg", "BASE=selfalign-base", "--build-arg", f"PIP_INDEX_URL={index}")
        build = ("build", "--network", "host", "-q", "-f", "containers/data/Dockerfile", "-t", IMAGE)
        engine.run(engine.DOCKER, "-H", address, *build, *arguments, ".", DOCKER_BUILDKIT="0")
        yield address


def in_image(address, directory, *command):
    options = ("--rm", "--network", "none", "-v", f"{directory}:/build", "-w", "/build")
    variables = ("-e", "PYTHONPATH=/build/src", "-e", "HOME=/tmp", "-e", "PYTHONDONTWRITEBYTECODE=1")
    return engine.run(engine.DOCKER, "-H", address, "run", *options, *variables, IMAGE, *command)


def test_the_image_has_the_versions_of_the_lock(root, image, tmp_path):
    frozen = in_image(image, tmp_path, "python3", "-m", "pip", "list", "--format", "freeze").splitlines()
    normal = {re.sub(r"[-_.]+", "-", line).lower() for line in frozen}
    pins = [line for line in (root / LOCK).read_text().splitlines() if not line.startswith("#")]
    assert len(pins) > 80
    assert [pin for pin in pins if re.sub(r"[-_.]+", "-", pin).lower() not in normal] == []


def test_seeds_are_made_in_the_image_as_outside(image, finished, tmp_path):
    directory = working_copy(tmp_path)
    shutil.copytree(finished.directory / "tiny-model", directory / "tiny-model")
    target = "results/tiny/seeds/pool.jsonl"
    (directory / "config-in-image.yaml").write_text(yaml.safe_dump(finished.config))
    wheel = "resources/packages/toolz-1.0.0.whl"
    (directory / wheel).parent.mkdir(parents=True)
    (directory / wheel).write_bytes((finished.directory / wheel).read_bytes())
    said = in_image(
        image,
        directory,
        *("python3", "-m", "snakemake", "--cores", "2", "--rerun-triggers", "mtime"),
        *("--configfile", "config-in-image.yaml", "--", target),
    )
    assert (directory / target).read_bytes() == (finished.directory / target).read_bytes(), said
