#!/usr/bin/env bash
# snakemake 9.27.1: the onstart and onsuccess handlers of a module never run.
#
# Guess: a workflow used through `module … use rule * from …` brings its `onstart:` and `onsuccess:` along, or
# Snakemake says that it does not.
# Seen: only the handlers of the outermost Snakefile run. Those of the module are parsed and dropped, without a warning,
# while its rules run. A workflow that prepares or checks something in `onstart:` loses it the day it is used as a module.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'snakemake==9.27.1'
mkdir "$work/run"
cd "$work/run"
cat > inner.smk <<'SMK'
rule made:
    output: "made"
    shell: "touch {output}"
onstart:
    print("HANDLER inner onstart")
onsuccess:
    print("HANDLER inner onsuccess")
SMK
cat > Snakefile <<'SMK'
module inner:
    snakefile: "inner.smk"
use rule * from inner
onsuccess:
    print("HANDLER outer onsuccess")
SMK
alone=$("$work/venv/bin/snakemake" --cores 1 -s inner.smk made 2>&1)
rm made
as_module=$("$work/venv/bin/snakemake" --cores 1 made 2>&1)
test -f made
echo "alone:"; grep HANDLER <<< "$alone"
echo "as a module:"; grep HANDLER <<< "$as_module"
[ "$(grep HANDLER <<< "$alone")" = $'HANDLER inner onstart\nHANDLER inner onsuccess' ]
[ "$(grep HANDLER <<< "$as_module")" = "HANDLER outer onsuccess" ]
! grep -qi "handler.*ignored\|ignor.*onstart" <<< "$as_module"
echo "still so"
