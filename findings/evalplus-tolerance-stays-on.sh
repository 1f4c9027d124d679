#!/usr/bin/env bash
# evalplus 0.3.1: the tolerance for floating-point outputs stays on for all later inputs of a task.
#
# Guess: the tolerance of 1e-6 applies to an output if the expected one is a float or a list of floats; others must be
# equal.
# Seen: the first such output sets it for the rest of the task. The same answer to the same two inputs, one with a float
# and one with a nested list, passes in one order of the inputs and fails in the other.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check numpy psutil
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps 'evalplus==0.3.1'
cd "$work"
cat > look.py <<'PY'
from importlib.metadata import version

from evalplus.eval import untrusted_check

REFERENCE = {1: 0.5, 2: [[0.5]]}
ANSWER = "def f(n): return 0.5 if n == 1 else [[0.5 + 1e-9]]"


def check(order):
    expected = [REFERENCE[n] for n in order]
    return untrusted_check("humaneval", ANSWER, [[n] for n in order], "f", expected, 0, [0.1, 0.1])[0]


if __name__ == "__main__":
    print("evalplus", version("evalplus"))
    verdicts = check([1, 2]), check([2, 1])
    print("float first:", verdicts[0], "; nested list first:", verdicts[1])
    assert verdicts == ("pass", "fail")
    print("still so")
PY
"$work/venv/bin/python" look.py
