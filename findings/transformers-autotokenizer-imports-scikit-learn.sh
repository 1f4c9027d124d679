#!/usr/bin/env bash
# transformers 5.19.0: `from transformers import AutoTokenizer` imports PyTorch and scikit-learn, if they are installed.
#
# Guess: the package imports its parts lazily, so that a process which only encodes text with AutoTokenizer loads the
# tokenizers library and little else, as it does with the class that AutoTokenizer then chooses.
# Seen: AutoTokenizer shares a module with the automatic model classes, which imports text generation, whose assisted decoding
# imports sklearn.metrics (and with it scipy): 3,376 modules and 9.5 s of CPU before the first token, against 809 and 1.7 s
# with TokenizersBackend. The object that from_pretrained returns is of that class either way.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
    'transformers==5.19.0' 'torch==2.13.0' 'scikit-learn==1.9.1'
cd "$work"
cat > make.py <<'PY'
import json
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast
backend = Tokenizer(models.WordLevel({"<end>": 0, "a": 1}, unk_token="<end>"))
PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<end>").save_pretrained("model")
json.dump({"model_type": "llama"}, open("model/config.json", "w"))
PY
cat > look.py <<'PY'
import sys, time
import transformers
name = sys.argv[1]
tokenizer = getattr(transformers, name).from_pretrained("model")
heavy = [each for each in ("torch", "scipy", "sklearn") if each in sys.modules]
print(f"{name}: {type(tokenizer).__name__}, {len(sys.modules)} modules, {time.process_time():.1f} s of CPU, {heavy}")
assert type(tokenizer).__name__ == "TokenizersBackend"
assert heavy == (["torch", "scipy", "sklearn"] if name == "AutoTokenizer" else [])
PY
export HF_HUB_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1 HF_HOME="$work/hf"
"$work/venv/bin/python" make.py
for name in TokenizersBackend AutoTokenizer; do "$work/venv/bin/python" look.py "$name"; done
echo "still so"
