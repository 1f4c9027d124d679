#!/usr/bin/env bash
# trl 1.16.0: after resume_from_checkpoint, DPOTrainer counts num_tokens from zero again.
#
# Guess: the metric num_tokens, the number of tokens trained on so far, continues like step, epoch and loss do when a
# training resumes from a checkpoint, so that the log history is that of an uninterrupted training.
# Seen: it starts again at zero in the resumed process, while every other value of the step is the same bit for bit. The
# log history, and trainer_state.json in every later checkpoint, then has counts that fall from one step to the next.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
    'trl==1.16.0' 'transformers==5.19.0' 'accelerate==1.15.0' 'datasets==5.2.0' 'torch==2.13.0'
cd "$work"
cat > look.py <<'PY'
import tokenizers, torch, transformers, trl
from datasets import Dataset
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer
print("trl", trl.__version__, "transformers", transformers.__version__)
words = ["<end>", *"abcdefghij"]
model = tokenizers.models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="<end>")
backend = tokenizers.Tokenizer(model)
backend.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<end>", pad_token="<end>")
torch.manual_seed(0)
config = LlamaConfig(
    vocab_size=len(words), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2
)
LlamaForCausalLM(config).save_pretrained("model")
pairs = Dataset.from_list([{"prompt": "a b", "chosen": "c " * (n + 1), "rejected": "d"} for n in range(4)])
def train(**resume):
    arguments = DPOConfig(
        output_dir="out", per_device_train_batch_size=1, num_train_epochs=1, save_steps=2, logging_steps=1,
        bf16=False, use_cpu=True, report_to=[], disable_tqdm=True,
    )
    trainer = DPOTrainer("model", args=arguments, train_dataset=pairs, processing_class=tokenizer)
    trainer.train(**resume)
    return [row for row in trainer.state.log_history if "loss" in row]
whole, resumed = train(), train(resume_from_checkpoint="out/checkpoint-2")
print("uninterrupted:", [row["num_tokens"] for row in whole])
print("resumed after step 2:", [row["num_tokens"] for row in resumed])
assert [row["loss"] for row in whole] == [row["loss"] for row in resumed]
assert whole[:2] == resumed[:2]
assert resumed[2]["num_tokens"] == whole[2]["num_tokens"] - whole[1]["num_tokens"] < resumed[1]["num_tokens"]
print("still so")
PY
HF_HUB_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1 HF_HOME="$work/hf" "$work/venv/bin/python" look.py
