#!/usr/bin/env bash
# snakemake 9.27.1: a parameter whose function takes `input` is not compared between runs.
#
# Guess: the trigger `params` compares what a parameter's function returns, whichever arguments the function has: a
# configuration value in it reruns the job when it changes.
# Seen: the value is compared if the function takes `wildcards` only. If it also takes `input`, `output`, `threads` or
# `resources`, even unused, the value is not recorded: Snakemake finds "Nothing to be done" and keeps the outdated output.
# The reason is that such values may be paths, but the configuration value beside the path is lost with it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'snakemake==9.27.1'
mkdir "$work/run"
cd "$work/run"
echo text > source.txt
cat > Snakefile <<'S'
rule all:
    input: "by_wildcards.txt", "by_input.txt", "by_threads.txt"

rule by_wildcards:
    input: "source.txt"
    output: "by_wildcards.txt"
    params: size=lambda wildcards: f"--size {config['size']}"
    shell: "echo {params.size} > {output}"

rule by_input:
    input: "source.txt"
    output: "by_input.txt"
    params: size=lambda wildcards, input: f"--size {config['size']} {input}"
    shell: "echo {params.size} > {output}"

rule by_threads:
    input: "source.txt"
    output: "by_threads.txt"
    params: size=lambda wildcards, threads: f"--size {config['size']} --threads {threads}"
    shell: "echo {params.size} > {output}"
S
"$work/venv/bin/snakemake" --version
"$work/venv/bin/snakemake" --quiet host --cores 1 --config size=1 > build.txt 2>&1
"$work/venv/bin/snakemake" --quiet host --dry-run --config size=2 > dry-run.txt 2>&1
stale=$(awk '/^by_[a-z]+ +[0-9]+$/ {print $1}' dry-run.txt | sort -u | tr '\n' ' ')
head *.txt --lines 1 | grep size
echo "stale with size 2 instead of 1: $stale"
[ "$stale" = "by_wildcards " ]
echo "still so"
