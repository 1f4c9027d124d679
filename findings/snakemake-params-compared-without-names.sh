#!/usr/bin/env bash
# snakemake 9.27.1: params that exchange their values rerun nothing.
#
# Guess: the trigger `params` compares each parameter of a rule with its value when the output was made, so that a job is
# stale if one of them has changed.
# Seen: only the set of the values is compared, without the names and without counting how often a value occurs. With
# `low` and `high` exchanged, or one of three parameters changed to the value of another, Snakemake finds "Nothing to be
# done" and keeps the outdated output. The same values as one dictionary are compared with their keys.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'snakemake==9.27.1'
mkdir "$work/run"
cd "$work/run"
cat > Snakefile <<'S'
rule all:
    input: "separate.txt", "together.txt"

rule separate:
    output: "separate.txt"
    params: low=config["low"], high=config["high"], step=config["step"]
    shell: "echo {params.low} {params.high} {params.step} > {output}"

rule together:
    output: "together.txt"
    params: range={name: config[name] for name in ("low", "high", "step")}
    shell: "echo {params.range} > {output}"
S
snakemake() { "$work/venv/bin/snakemake" --quiet host "$@" 2>&1; }
stale() {
    snakemake --dry-run --config "$@" > dry-run.txt
    awk '/^(separate|together) +[0-9]+$/ {print $1}' dry-run.txt | sort -u | tr '\n' ' '
}
"$work/venv/bin/snakemake" --version
snakemake --cores 1 --config low=1 high=2 step=1 > build.txt
echo "separate.txt: $(cat separate.txt)"
exchanged=$(stale low=2 high=1 step=1)
repeated=$(stale low=1 high=2 step=2)
other=$(stale low=1 high=3 step=1)
echo "stale with low and high exchanged: $exchanged"
echo "stale with step 2 instead of 1: $repeated"
echo "stale with high 3 instead of 2: $other"
[ "$exchanged" = "together " ]
[ "$repeated" = "together " ]
[ "$other" = "separate together " ]
echo "still so"
