#!/usr/bin/env bash
# snakemake 9.27.1: with a default storage provider, outputs ignore the wildcard constraints of the workflow.
#
# Guess: `wildcard_constraints:` at the top of a Snakefile hold for all outputs, wherever these are stored.
# Seen: without a storage provider the file a-b-1 is made with name=a, as the constraint wants. With
# `--default-storage-provider fs` the same rule makes the same file with name=a-b: the constraint is dropped without a
# warning, and jobs look for inputs by other names. A constraint within the pattern ({name,[a-z]+}) holds in both cases.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'snakemake==9.27.1' 'snakemake-storage-plugin-fs==1.1.3'
mkdir "$work/run" "$work/stored"
cd "$work/run"
cat > Snakefile <<'SMK'
wildcard_constraints:
    name="[a-z]+",
rule workflow_constraint:
    output: "workflow/{name}-{version}"
    shell: "echo name={wildcards.name} version={wildcards.version} > {output}"
rule pattern_constraint:
    output: "pattern/{name,[a-z]+}-{version}"
    shell: "echo name={wildcards.name} version={wildcards.version} > {output}"
SMK
files=(workflow/a-b-1 pattern/a-b-1)
"$work/venv/bin/snakemake" --quiet all --cores 1 "${files[@]}"
"$work/venv/bin/snakemake" --quiet all --cores 1 "${files[@]}" \
    --default-storage-provider fs --default-storage-prefix "$work/stored"
for file in "${files[@]}"; do
    echo "$file: local: $(cat "$file"); on storage: $(cat "$work/stored/$file")"
done
[ "$(cat workflow/a-b-1)" = "name=a version=b-1" ]
[ "$(cat "$work/stored/workflow/a-b-1")" = "name=a-b version=1" ]
[ "$(cat pattern/a-b-1)" = "name=a version=b-1" ]
[ "$(cat "$work/stored/pattern/a-b-1")" = "name=a version=b-1" ]
echo "still so"
