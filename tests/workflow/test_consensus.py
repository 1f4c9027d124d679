"""The matrix and the choice by consensus, within a build."""

from __future__ import annotations

import pytest
from tests.workflow.flow import since

from selfalign.core.jsonl import read_json, read_jsonl

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(900)]

MATRIX = {"execution": {"matrix": {"enabled": True}}}
CONSENSUS = {**MATRIX, "curation": {"consensus": True, "self_tests": {"share": 0.0}}}


@pytest.fixture(scope="module")
def build(finished, tmp_path_factory):
    """The tiny build, continued with the matrix and the consensus up to the data-set card."""
    copy = finished.copy(tmp_path_factory.mktemp("consensus") / "copy")
    done = copy.snakemake("results/tiny/dataset/README.md", config=CONSENSUS)
    assert done.returncode == 0, done.stdout[-6000:]
    return copy


def test_the_matrix_alone_reruns_no_other_step(finished):
    assert finished.stale_rules(MATRIX) == {"matrix", *since("funnel")}


def test_every_response_is_in_the_matrix_once(build):
    executed = {"passing": 0, "matrix": 0}
    for shard in ("0000", "0001"):
        files = [f"execution/{kind}/{shard}.jsonl" for kind in ("shards", "dropped")]
        executed["passing"] += sum(len(list(read_jsonl(build.result(each)))) for each in files)
        for row in read_jsonl(build.result(f"execution/matrix/{shard}.jsonl")):
            for kind in ("implementations", "tests"):
                assert len(row["verdicts"] if kind == "implementations" else row["verdicts"][0]) == len(
                    row[kind]
                )
            names = [name for names in row["implementations"] for name in names]
            assert sorted(names) == sorted(name for names in row["tests"] for name in names)
            executed["matrix"] += len(names) + len(row["unusable"])
    assert executed["passing"] == executed["matrix"] > 0


def test_the_kept_row_of_an_instruction_passes_the_tests_of_another_response(build):
    kept = list(read_jsonl(build.result("dataset/consensus.jsonl")))
    assert kept
    assert len({row["index"] for row in kept}) == len(kept)
    matrices = {
        row["index"]: row
        for shard in ("0000", "0001")
        for row in read_jsonl(build.result(f"execution/matrix/{shard}.jsonl"))
    }
    for row in kept:
        matrix, name = matrices[row["index"]], f"{row['index']}.{row['lineage']['sample']['number']}"
        line = next(i for i, names in enumerate(matrix["implementations"]) if name in names)
        for other in row["lineage"]["consensus"]["passes_tests_of"]:
            column = next(i for i, names in enumerate(matrix["tests"]) if other in names)
            assert matrix["verdicts"][line][column] == "passed"


def test_the_funnel_has_the_steps(build):
    steps = {step["step"]: step for step in read_json(build.result("report/funnel.json"))["steps"]}
    assert steps["matrix"]["stage"] == "matrix"
    assert steps["matrix"]["extra"]["sibling_pairs"] >= steps["matrix"]["extra"]["sibling_pairs_run"] > 0
    assert steps["consensus"]["out"] == len(list(read_jsonl(build.result("dataset/consensus.jsonl"))))
    assert steps["select"]["in"] == steps["consensus"]["out"]
