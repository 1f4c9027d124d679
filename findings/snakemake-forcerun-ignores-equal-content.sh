#!/usr/bin/env bash
# snakemake 9.27.1: --forcerun of a rule reruns everything after it even if its output comes out the same.
#
# Guess: Snakemake compares the checksums of small inputs, so that a forced rule whose output has the same content as
# before leaves what depends on it alone. (A touched input with the same content does leave it alone.)
# Seen: within one invocation, whatever depends on a job that runs, runs too ("Input files updated by another job"); the
# checksum is only looked at in the next invocation. With `--until RULE --forcerun RULE`, and then a plain call, the same
# content leaves nothing to be done.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'snakemake==9.27.1'
mkdir "$work/run"
cd "$work/run"
cat > Snakefile <<'SMK'
rule all:
    input: "model.txt"
rule resolve:
    output: "commit.txt"
    shell: "echo 0123abcd > {output}"
rule model:
    input: "commit.txt"
    output: "model.txt"
    shell: "cp {input} {output}; echo built >> log.txt"
SMK
snakemake() { "$work/venv/bin/snakemake" --cores 1 "$@" 2>&1; }
built() { wc -l < log.txt; }
snakemake > /dev/null
touch commit.txt
snakemake > /dev/null
echo "builds after touching the input: $(built)"
[ "$(built)" -eq 1 ]
snakemake --forcerun resolve > /dev/null
echo "builds after --forcerun resolve, same content: $(built)"
[ "$(built)" -eq 2 ]
snakemake --until resolve --forcerun resolve > /dev/null
snakemake | grep -o "Nothing to be done" | head -n 1
echo "builds after --until resolve --forcerun resolve, then a plain call: $(built)"
[ "$(built)" -eq 2 ]
echo "still so"
