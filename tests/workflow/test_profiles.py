"""The profiles: they parse, name rules that exist, and plan a run."""

import importlib.util
import re
import subprocess
import sys

import pytest
import yaml
from tests.workflow.harness import ROOT, Build, tiny_config, working_copy

pytestmark = [pytest.mark.workflow]

PROFILES = sorted(path.parent.name for path in (ROOT / "profiles").glob("*/config.yaml"))
CLUSTERS = [name for name in PROFILES if name != "default"]
ASK_A_MODEL = ("judge_functions", "concepts", "instructions", "responses", "benchmark_samples")
TRAIN = ("train", "prefer")
# Have their resources from benchmark_samples and train ("use rule"), which a profile's for these rules are not.
RELEASED = "released_samples"
INHERITING = (RELEASED, "checkpoint_samples", "learning_curve_samples", "learning_curve_train")


def profile(name):
    return yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text())


@pytest.fixture(scope="module")
def rules():
    texts = [path.read_text() for path in (ROOT / "rules").rglob("*.smk")]
    pattern = r"^\s*(?:rule|use rule \w+ as) (\w+)(?:| with):"
    return {name for text in texts for name in re.findall(pattern, text, re.MULTILINE)}


def test_there_are_profiles_for_five_schedulers():
    assert {"default", "slurm", "kubernetes", "lsf", "htcondor", "generic"} == set(PROFILES)


@pytest.mark.parametrize("name", PROFILES)
def test_it_names_rules_that_exist(rules, name):
    found = profile(name)
    named = {rule for key in ("groups", "set-resources", "set-threads") for rule in found.get(key, {})}
    assert named <= {*rules, RELEASED}


@pytest.mark.parametrize("name", PROFILES)
def test_every_setting_is_explained(name):
    lines = (ROOT / "profiles" / name / "config.yaml").read_text().splitlines()
    tops = [number for number, line in enumerate(lines) if re.match(r"[a-z]", line)]
    assert tops
    assert [lines[number] for number in tops if not lines[number - 1].startswith("#")] == []


@pytest.mark.parametrize("name", CLUSTERS)
def test_what_asks_a_model_gets_a_gpu_and_the_rest_does_not(name):
    found = profile(name)["set-resources"]
    asks = {
        "slurm": "gpu",
        "kubernetes": "gpu",
        "lsf": "lsf_extra",
        "htcondor": "request_gpus",
        "generic": "ngpus",
    }
    assert {rule for rule, given in found.items() if asks[name] in given} == {
        *ASK_A_MODEL,
        *TRAIN,
        *INHERITING,
    }


def test_every_rule_states_its_resources_or_inherits_them(rules):
    stated = inherited = 0
    for path in (ROOT / "rules").glob("*.smk"):
        inherited += len(re.findall(r"^\s*use rule \w+ as \w+ with:", path.read_text(), re.MULTILINE))
        for rule in re.split(r"^\s*rule ", path.read_text(), flags=re.MULTILINE)[1:]:
            assert re.search(r"^\s+threads: \d+$", rule, re.MULTILINE), rule[:60]
            assert re.search(r"mem_mb=growing\(\d+\)", rule), rule[:60]
            assert re.search(r"runtime=\d+", rule), rule[:60]
            name = rule.split(":")[0]
            assert ("gpu=" in rule) == (name in (*ASK_A_MODEL, *TRAIN)), name
            stated += 1
    assert stated + inherited == len(rules)


def install_plugin(name, build):
    """Install the plugin of a profile, if it is kept apart as HTCondor's is, where the build's library is."""
    plugin = profile(name)["executor"].replace("-", "_")
    if importlib.util.find_spec(f"snakemake_executor_plugin_{plugin}") is None:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        pip += ["--target", str(build.directory / "src"), "-r", str(ROOT / f"envs/{name}.lock")]
        subprocess.run(pip, check=True)


@pytest.mark.parametrize("name", CLUSTERS)
def test_it_plans_a_run(name, tmp_path, request):
    build = Build(working_copy(tmp_path), tiny_config())
    install_plugin(name, build)
    (tmp_path / "tiny-model").mkdir()
    (tmp_path / "tiny-model/config.json").write_text("{}")
    given = request.getfixturevalue("store") if name == "kubernetes" else ()
    done = build.snakemake("--dry-run", "--profile", f"profiles/{name}", *given)
    assert done.returncode == 0, done.stdout[-3000:]
    assert re.search(r"^responses +2$", done.stdout, re.MULTILINE)
