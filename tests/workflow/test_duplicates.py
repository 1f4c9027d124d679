"""The rules that find duplicates on many nodes give what the rule in memory gives."""

import subprocess

import pytest
from tests.workflow.harness import Build, working_copy

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(300)]

FUNCTION = '''def scale_{name}(values, factor):
    """Return the values, each multiplied by the factor, as a new list; the first {name} of them stay."""
    result = []
    for number, value in enumerate(values):
        result.append(value if number < {number} else value * factor)
    return result
'''
OTHER = '''def join_words(words, separator):
    """Return the words as one text with the separator between every two of them."""
    return separator.join(word for word in words if word)
'''
# Four files in two units: exact duplicates across them, near-duplicates within and across.
FILES = {
    "one.py": FUNCTION.format(name="alpha", number=1) + OTHER,
    "two.py": FUNCTION.format(name="beta", number=2),
    "three.py": OTHER,
    "four.py": FUNCTION.format(name="alpha", number=1) + FUNCTION.format(name="gamma", number=1),
}
SETTINGS = {"threshold": 0.5, "num_perm": 16, "ngram": 1}


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """A working copy with Python files of its own in two units."""
    build = Build(working_copy(tmp_path_factory.mktemp("duplicates")), {})
    (build.directory / "code").mkdir()
    for name, text in FILES.items():
        (build.directory / "code" / name).write_text(text)
    return build


def config_of(way):
    sources = {"kind": "directory", "path": "code", "parts": 2}
    return {"run": way, "seeds": {"sources": sources, "near_duplicates": {**SETTINGS, "by": way}}}


@pytest.fixture(scope="module")
def found(build):
    """Kept rows, dropped rows and counts of both ways."""
    results = {}
    for way in ("memory", "nodes"):
        seeds = build.directory / f"results/{way}/seeds"
        targets = [f"results/{way}/seeds/unique/part-000{part}.jsonl" for part in (0, 1)]
        done = build.snakemake(config=config_of(way), more=("--", *targets))
        assert done.returncode == 0, done.stdout[-4000:]
        dropped = sorted(seeds.glob("dropped/duplicates.jsonl")) or sorted(seeds.glob("dropped/unique/*"))
        kept = "".join((build.directory / target).read_text() for target in targets)
        results[way] = kept, "".join(path.read_text() for path in dropped), done.stdout
    return results


def test_both_ways_keep_and_drop_the_same_rows(found):
    kept, dropped, _ = found["nodes"]
    assert (kept, dropped) == found["memory"][:2]
    assert kept.count("\n") == 2
    reasons = [dropped.count(f'"reason": "{reason}"') for reason in ("duplicate", "near_duplicate")]
    assert reasons == [2, 2]


def test_only_what_is_asked_is_left(build, found):
    left = {path.name for path in (build.directory / "results/nodes/seeds/minhash").iterdir()}
    assert left == {"cuts"}
    assert "datatrove.pipeline" not in found["nodes"][2]


def test_the_rules_are_in_a_good_condition(build):
    build.config = config_of("nodes")
    command = [*build.command()[:3], "--lint", *build.command()[5:]]
    done = subprocess.run(command, cwd=build.directory, capture_output=True, text=True, check=False)
    assert "good condition" in done.stdout + done.stderr
