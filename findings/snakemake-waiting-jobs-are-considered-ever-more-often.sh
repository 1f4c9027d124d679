#!/usr/bin/env bash
# snakemake 9.27.1: the more jobs have ended, the more often per second the scheduler considers those that wait.
#
# Guess: while ready jobs wait for a resource, the scheduler considers them when a job ends and frees it, or at some fixed
# interval, so that a long job in a build of thousands costs the main process nothing.
# Seen: with the default rate limit of jobs (--max-jobs-per-timespan 100/1s), each look for jobs to start sets a timer of a
# second for another look, and so does each of these, as long as a job waits. Every job that ends adds such a series: with
# 10 and 60 jobs ended, the scheduler looks about 10 and 60 times a second for as long as one waits, each time evaluating
# the params and resources of all ready jobs. The process keeps a thread for each timer.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'snakemake==9.27.1'
cd "$work"
cat > Snakefile <<'S'
ENDED = int(config["ended"])

rule all:
    input: "waiting.txt", "slow.txt", expand("{number}.txt", number=range(ENDED))

rule quick:
    output: "{number}.txt"
    wildcard_constraints: number="[0-9]+"
    shell: "touch {output}"

# Both need the only token. `slow` lasts ten seconds from the end of the last quick job.
rule slow:
    output: "slow.txt"
    priority: 1
    resources: token=1
    params: all_ended=" && ".join(f"[ -e {number}.txt ]" for number in range(ENDED))
    shell: "until {params.all_ended}; do sleep 0.2; done; echo ended >&2; sleep 10; touch {output}"

rule waiting:
    output: "waiting.txt"
    resources: token=1
    shell: "touch {output}"
S
"$work/venv/bin/snakemake" --version
looks() {
    rm -rf run
    mkdir run
    "$work/venv/bin/snakemake" -d run --cores 4 --resources token=1 --verbose --config "ended=$1" > log.txt 2>&1
    # Only the looks while `slow` sleeps: from its line on standard error to its end.
    awk '/^ended$/ {on = 1} /Finished jobid.*slow/ {on = 0} on && /Ready jobs: 1/ {n++} END {print n + 0}' log.txt
}
few=$(looks 10)
many=$(looks 60)
echo "looks for jobs in the 10 s in which one waits: $few after 10 jobs, $many after 60"
[ "$few" -ge 50 ]
[ "$many" -ge $((3 * few)) ]
echo "still so"
