#!/usr/bin/env bash
# snakemake 9.27.1: --config reads a number as a number at the top level, and as text one level below.
#
# Guess: `--config 'training={"steps": 3}'` and a configuration file with `training: {steps: 3}` give the same value, since
# `--config steps=3` and `steps: 3` do.
# Seen: at the top level 3 arrives as an int and true as a bool; within a mapping or list both arrive as str, so a check
# such as `if config["training"]["enabled"]` is true for "false".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'snakemake==9.27.1'
mkdir "$work/run"
cd "$work/run"
cat > Snakefile <<'SMK'
print("SEEN", repr(config["steps"]), repr(config["training"]["steps"]), repr(config["training"]["enabled"]), bool(config["training"]["enabled"]))
rule all:
SMK
printf 'steps: 3\ntraining: {steps: 3, enabled: false}\n' > config.yaml
by_file=$("$work/venv/bin/snakemake" --cores 1 --configfile config.yaml 2>&1 | grep ^SEEN)
by_option=$("$work/venv/bin/snakemake" --cores 1 --config steps=3 'training={"steps": 3, "enabled": false}' 2>&1 | grep ^SEEN)
echo "file:   $by_file"
echo "option: $by_option"
[ "$by_file" = "SEEN 3 3 False False" ]
[ "$by_option" = "SEEN 3 '3' 'false' True" ]
echo "still so"
