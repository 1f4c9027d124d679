#!/usr/bin/env bash
# datasets 5.2.0: JSON Lines come back as other values than json.loads gives.
#
# Guess: load_dataset("json") gives the values that the lines have: text stays text, and an integer that JSON can hold
# is either exact or an error.
# Seen: text in ISO 8601 form becomes datetime (so writing the row as JSON again fails), and an integer from 2**63 on
# becomes a float that is off by a few; neither with a warning. A field that is null in the first block of the file and
# text in a later one ends the iteration with an error half-way through the file.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'datasets==5.2.0' 'pyarrow==26.0.1'
cd "$work"
cat > look.py <<'PY'
import datasets, json, pyarrow, sys
print("datasets", datasets.__version__, "pyarrow", pyarrow.__version__)
def rows(name, lines):
    with open(name, "w") as handle:
        handle.writelines(line + "\n" for line in lines)
    return datasets.load_dataset("json", data_files=name, split="train", streaming=True)
(day,) = rows("day.jsonl", [json.dumps({"day": "2023-05-01T12:00:00"})])
print("text", repr("2023-05-01T12:00:00"), "->", repr(day["day"]))
(big,) = rows("big.jsonl", [json.dumps({"number": 2**63 + 5})])
print("integer", 2**63 + 5, "->", repr(big["number"]))
filler = "x" * 100  # more than one block of the reader before the first text
late = rows(
    "late.jsonl",
    [json.dumps({"text": filler, "note": None})] * 150_000 + [json.dumps({"text": filler, "note": "late"})],
)
count, error = 0, None
try:
    for _ in late:
        count += 1
except Exception as caught:
    error = type(caught).__name__
print("null, then text:", count, "rows of 150001, then", error)
assert not isinstance(day["day"], str)
assert isinstance(big["number"], float) and int(big["number"]) != 2**63 + 5
assert error is not None and count < 150_001
print("still so")
PY
HF_HUB_OFFLINE=1 HF_HOME="$work/hf" "$work/venv/bin/python" look.py
