#!/usr/bin/env bash
# basedpyright 1.40.2: the type checker of a virtual environment does not know that environment's packages.
#
# Guess: `venv/bin/basedpyright file.py` (or the module run by venv/bin/python) resolves imports in the environment that it
# is installed in, as mypy does with the interpreter that runs it.
# Seen: it asks the first `python` on PATH what is installed. The same file has no error with the environment activated
# and reportMissingImports without; a filter built on its verdicts gives other data in another shell.
# --pythonpath names the interpreter and settles it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'basedpyright==1.40.2' 'attrs==26.1.0'
mkdir "$work/run"
cd "$work/run"
printf 'import attrs\n\n\n@attrs.define\nclass Point:\n    x: int\n' > point.py
check() { "$work/venv/bin/basedpyright" --level error "$@" point.py 2>&1 | tail -n 1; }
bare=$(PATH=/usr/bin:/bin check || true)
activated=$(PATH="$work/venv/bin:/usr/bin:/bin" check || true)
named=$(PATH=/usr/bin:/bin check --pythonpath "$work/venv/bin/python" || true)
echo "environment not on PATH: $bare"
echo "environment on PATH:     $activated"
echo "--pythonpath:            $named"
[[ $bare == [1-9]\ error* ]]
[[ $activated == 0\ errors* ]]
[[ $named == 0\ errors* ]]
echo "still so"
