"""DS-1000 in an environment of its own: references and wrong answers for each of its libraries."""

from __future__ import annotations

import re

import pytest
from ds1000_records import TASKS, records

from selfalign.core.errors import DataError
from selfalign.core.jsonl import read_json
from selfalign.evaluate.references import read_references, references_header
from selfalign.evaluate.samples import Sample
from selfalign.evaluate.scorers import build_scorer
from selfalign.evaluate.scoring import open_scoring_pools, run_references, score
from selfalign.program_environments import install_environment, program_environment, ready_environment

# Small enough to be installed for every test run, with what they require.
SMALL = ("Numpy", "Pandas", "Scipy")
SMALL_PACKAGES = ("numpy", "pandas", "python-dateutil", "pytz", "scipy", "six")


@pytest.fixture(scope="module")
def small(root, tmp_path_factory):
    """The part of the environment that the tasks of three libraries need."""
    lock = tmp_path_factory.mktemp("locks") / "ds1000.lock"
    text = (root / "envs/programs/ds1000.lock").read_text()
    blocks = re.findall(r"^([\w.-]+)(==.*(?:\n .*)*\n)", text, re.MULTILINE)
    lock.write_text("".join(name + rest for name, rest in blocks if name in SMALL_PACKAGES))
    directory = tmp_path_factory.mktemp("environments") / "ds1000"
    install_environment(lock, directory)
    return program_environment("ds1000", directory)


def check_libraries(environment, make_benchmark, tmp_path, libraries):
    """All reference solutions pass, all wrong answers fail, and none for want of a package."""
    own = records(*libraries)
    benchmark = make_benchmark("ds1000", own)
    scorer, out = build_scorer(benchmark, None), tmp_path / "references.json"
    wrong = [Sample(task, 0, record["wrong_code"]) for task, record in zip(benchmark.tasks, own, strict=True)]
    with open_scoring_pools("bubblewrap", 2, environment) as pools:
        run_references(benchmark, scorer, pools, out)
        verdicts = [verdict for verdict, _ in score(wrong, scorer, pools)]
    found = read_references(out, references_header(benchmark, environment.identity))
    assert found.failures == []
    assert found.check(benchmark, 0, out) == {"tasks": len(own), "failed": 0}
    reasons = {verdict["task_id"]: verdict["base"]["reason"] for verdict in verdicts}
    assert [verdict["task_id"] for verdict in verdicts if verdict["passed"]] == []
    assert [task for task, reason in reasons.items() if "ModuleNotFound" in reason] == []
    return out


def test_small_libraries(small, make_benchmark, tmp_path):
    out = check_libraries(small, make_benchmark, tmp_path, SMALL)
    assert read_json(out)["image"] == small.digest()


@pytest.mark.ds1000
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("library", TASKS)
def test_every_library(library, make_benchmark, tmp_path):
    check_libraries(ready_environment("ds1000"), make_benchmark, tmp_path, [library])


def test_a_library_may_start_a_hundred_threads(small, make_benchmark):
    """As TensorFlow does on machines with many cores."""
    benchmark = make_benchmark("ds1000", records("Numpy"))
    threads = (
        "\nimport threading\nend = threading.Event()\nthreads = [threading.Thread(target=end.wait) for _ in range(100)]\n"
        "for each in threads:\n    each.start()\nend.set()"
    )
    sample = Sample(benchmark.tasks[0], 0, benchmark.reference_solution(benchmark.tasks[0]) + threads)
    with open_scoring_pools("bubblewrap", 1, small) as pools:
        ((verdict, _),) = score([sample], build_scorer(benchmark, None), pools)
    assert verdict["base"] == {"status": "pass", "reason": None, "failing_input": None}


def test_a_missing_package_is_a_failing_reference_and_refuses_the_score(small, make_benchmark, tmp_path):
    benchmark = make_benchmark("ds1000", records("Numpy", "Sklearn"))
    out = tmp_path / "references.json"
    with open_scoring_pools("bubblewrap", 2, small) as pools:
        run_references(benchmark, build_scorer(benchmark, None), pools, out)
    header = references_header(benchmark, small.identity)
    found = read_references(out, header)
    assert [(each.task_id, each.package, each.reason) for each in found.failures] == [
        ("DS-1000/3", "Sklearn", "ModuleNotFoundError: sklearn"),
        ("DS-1000/4", "Sklearn", "ModuleNotFoundError: sklearn"),
        ("DS-1000/5", "Sklearn", "ModuleNotFoundError: xgboost"),
    ]
    message = (
        r"3 of 6 reference solutions fail.*DS-1000/3 \(Sklearn\): fail, ModuleNotFoundError: sklearn; .*"
        r"evaluation\.max_reference_failures, now 2"
    )
    with pytest.raises(DataError, match=message):
        found.check(benchmark, 2, out)
    assert found.check(benchmark, 3, out) == {"tasks": 6, "failed": 3}
    with pytest.raises(DataError, match=r"for environment ds1000@other, found ds1000@sha256"):
        read_references(out, {**header, "environment": "ds1000@other"})
