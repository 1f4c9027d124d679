"""When the released model answers anew: what each obstacle says, and what is not asked after the first."""

from __future__ import annotations

import pytest

from selfalign.core.config import load_config, with_preset
from selfalign.core.config.serving import ServerConfig
from selfalign.doctor import released
from selfalign.doctor.facts import Gpu, visible_gpus
from selfalign.doctor.released import Decision, decide, server_problem

BIG, SMALL = Gpu("NVIDIA A100-SXM4-80GB", 80.0), Gpu("NVIDIA GeForce RTX 4090", 24.0)


@pytest.fixture
def config(root):
    def make(wish="auto", **server):
        base = load_config({"reproduction": {"released_model": wish}, "server": server}).model_dump()
        return with_preset(base, root / "presets/released-model.yaml")

    return make


def never(*_):
    raise AssertionError("this is not to be asked")


def nothing(_):
    return None


def test_a_fixed_wish_asks_nothing(config):
    for wish, anew in (("always", True), ("never", False)):
        found = decide(config(wish), gpus=never, server=never, hub=never)
        assert found == Decision(anew, f"reproduction.released_model is '{wish}'")


def test_it_answers_where_nothing_is_in_the_way(config):
    assert decide(config(), gpus=lambda: [SMALL, BIG], server=nothing, hub=nothing).anew
    assert decide(config(tensor_parallel=2), gpus=lambda: [SMALL, SMALL], server=nothing, hub=nothing).anew


def test_the_first_obstacle_is_named_and_nothing_after_it_is_asked(config):
    found = decide(config(), gpus=lambda: [], server=never, hub=never)
    assert found == Decision(False, "no NVIDIA GPU is visible")
    found = decide(config(), gpus=lambda: [SMALL], server=never, hub=never)
    assert found == Decision(
        False, "it needs 1 GPU(s) with 34 GiB each; visible: NVIDIA GeForce RTX 4090 (24 GiB)"
    )
    found = decide(config(), gpus=lambda: [BIG], server=lambda _: "no server", hub=never)
    assert found == Decision(False, "no server")
    found = decide(config(), gpus=lambda: [BIG], server=nothing, hub=lambda _: "no hub")
    assert found == Decision(False, "no hub")


def test_a_server_must_be_ours_and_built_for_gpus(monkeypatch):
    assert "server.kind is 'external'" in (server_problem(ServerConfig(kind="external")) or "")
    assert server_problem(ServerConfig(kind="container")) is None
    monkeypatch.setattr(released.importlib.util, "find_spec", lambda _: object())
    for cpu, problem in ((True, "the installed vLLM is its CPU build"), (False, None)):
        monkeypatch.setattr(released, "is_cpu_build", lambda cpu=cpu: cpu)
        assert server_problem(ServerConfig()) == problem
    monkeypatch.setattr(released.importlib.util, "find_spec", lambda _: None)
    assert server_problem(ServerConfig()) == "vLLM is not installed"


@pytest.mark.parametrize(
    ("chosen", "seen"),
    [(None, [BIG, SMALL]), ("1", [SMALL]), ("GPU-aa", [BIG]), ("1, 0", [BIG, SMALL]), ("", []), ("-1", [])],
)
def test_only_the_gpus_this_process_may_use_are_seen(monkeypatch, tmp_path, chosen, seen):
    command = tmp_path / "nvidia-smi"
    command.write_text(
        "#!/bin/sh\n"
        "echo '0, GPU-aa11, NVIDIA A100-SXM4-80GB, 81920'\n"
        "echo '1, GPU-bb22, NVIDIA GeForce RTX 4090, 24576'\n"
    )
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if chosen is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    assert list(visible_gpus()) == seen
