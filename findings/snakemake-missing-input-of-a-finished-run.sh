#!/usr/bin/env bash
# snakemake 9.27.1: a finished run whose configuration now names a file that does not exist is "up to date".
#
# Guess: when a rule's input file (say, the path of a parameter file out of config.yaml) does not exist and no rule makes
# it, Snakemake raises MissingInputException, as it does in an empty directory.
# Seen: if the rule's outputs exist, the rule is taken out of the graph and its outputs for sources: "Nothing to be done",
# exit status 0. A typo in a configured path makes the results of the old file pass for those of the new configuration.
# --rerun-triggers input does not help, for the rule is no longer looked at.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'snakemake==9.27.1'
mkdir "$work/run"
cd "$work/run"
cat > Snakefile <<'SMK'
rule all:
    input: "result.txt"
rule result:
    input: config["table"]
    output: "result.txt"
    shell: "cp {input} {output}"
SMK
echo one > table.txt
"$work/venv/bin/snakemake" --cores 1 --config table=table.txt > /dev/null 2>&1
finished=$("$work/venv/bin/snakemake" --cores 1 --config table=tabel.txt --rerun-triggers input params mtime code 2>&1) && status=0 || status=$?
echo "finished run, missing input: exit $status, $(grep -o 'Nothing to be done' <<< "$finished")"
[ "$status" -eq 0 ]
grep -q 'Nothing to be done' <<< "$finished"
rm result.txt
empty=$("$work/venv/bin/snakemake" --cores 1 --config table=tabel.txt 2>&1) && status=0 || status=$?
echo "no outputs, missing input: exit $status, $(grep -o 'MissingInputException' <<< "$empty" | head -n 1)"
[ "$status" -ne 0 ]
grep -q MissingInputException <<< "$empty"
echo "still so"
