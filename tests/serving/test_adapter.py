"""A LoRA adapter is served on top of its base model: the commands, the errors, and vLLM itself."""

import importlib.util
import json

import pytest
from tests import model_server

from selfalign.client import Request
from selfalign.core.checkpoint import is_adapter
from selfalign.core.config import load_config
from selfalign.core.errors import ConfigError
from selfalign.serving import command
from selfalign.serving.client import endpoints, served_client


@pytest.fixture
def adapter(tmp_path):
    directory = tmp_path / "model/tuned"
    directory.mkdir(parents=True)
    (directory / "adapter_config.json").write_text(json.dumps({"r": 12}))
    assert is_adapter(directory)
    return directory


def values_of(argv, *names):
    return [argv[argv.index(name) + 1] for name in names]


def test_vllm_serves_the_adapter_under_the_name_of_the_model(checkpoint, adapter, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    config = load_config({"server": {"kind": "vllm"}}).server
    argv = command.server_command(config, checkpoint, "tuned", 81, adapter).argv
    assert values_of(argv, "--model", "--served-model-name") == [str(checkpoint), "tuned-base"]
    assert values_of(argv, "--lora-modules", "--max-lora-rank") == [f"tuned={adapter}", "16"]
    assert "--enable-lora" in argv
    alone = command.server_command(config, checkpoint, "base", 81).argv
    assert values_of(alone, "--served-model-name") == ["base"]
    assert "--enable-lora" not in alone


@pytest.mark.parametrize("engine", ["docker", "podman", "apptainer"])
def test_a_container_mounts_both(checkpoint, adapter, engine, monkeypatch, tmp_path):
    (tmp_path / engine).write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / engine).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    config = load_config({"server": {"kind": "container", "container": {"engine": engine}}}).server
    argv = command.server_command(config, checkpoint, "tuned", 81, adapter).argv
    assert {f"{checkpoint}:/model:ro", f"{adapter}:/adapter:ro"} <= set(argv)
    assert values_of(argv, "--model", "--lora-modules") == ["/model", "tuned=/adapter"]


def test_a_server_command_and_a_missing_base_model_are_refused(checkpoint, adapter):
    config = load_config({"server": {"kind": "command", "command": model_server.command()}})
    with pytest.raises(ConfigError, match=r"cannot be served with 'server\.kind' 'command'"):
        command.server_command(config.server, checkpoint, "tuned", 81, adapter)
    with pytest.raises(ConfigError, match=r"tuned is a LoRA adapter, .*base model; none was given"):
        with endpoints(config, adapter, "tuned"):
            pass


@pytest.fixture
def random_models(random_model, tmp_path):
    """A small random model that vLLM can serve, and a random adapter for it, as directories."""
    import peft
    import torch
    from transformers import AutoModelForCausalLM

    base, tuned = random_model, tmp_path / "models/tuned"
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_pretrained(base)
    lora = peft.LoraConfig(r=12, lora_alpha=48, target_modules="all-linear", init_lora_weights=False)
    peft.get_peft_model(model, lora).save_pretrained(tuned)
    model.config.save_pretrained(tuned)
    return base, tuned


@pytest.mark.server
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_vllm_answers_as_the_adapted_model_does(random_models, tmp_path):
    import peft
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base, tuned = random_models
    prompt = list(range(5, 40))
    server = {"kind": "vllm", "lifetime": "job", "dtype": "float32", "max_model_len": 256, "max_num_seqs": 2}
    paths = {"results": str(tmp_path / "results"), "completion_cache": str(tmp_path / "cache")}
    config = load_config({"paths": paths, "server": server})
    request = Request("1", tuple(prompt), 12, extra={"ignore_eos": True})
    with served_client(config, tuned, tuned=True, base=base) as (client, _):
        answer = next(client.complete([request]))
    assert answer.error is None
    model = AutoModelForCausalLM.from_pretrained(base)
    expected = {}
    for name in ("base", "tuned"):
        model = model if name == "base" else peft.PeftModel.from_pretrained(model, tuned)
        ids = list(prompt)
        for _ in range(12):
            with torch.inference_mode():
                ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
        expected[name] = ids[len(prompt) :]
    assert expected["base"] != expected["tuned"]
    tokenizer = AutoTokenizer.from_pretrained(base)
    assert answer.choices[0].text == tokenizer.decode(expected["tuned"], skip_special_tokens=True)
