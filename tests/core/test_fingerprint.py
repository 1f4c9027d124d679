import pytest

from selfalign.core.fingerprint import CodeFingerprints


@pytest.fixture
def tree(tmp_path):
    files = {
        "selfalign/__init__.py": '__version__ = "1"',
        "selfalign/core/__init__.py": "",
        "selfalign/core/config/__init__.py": "X = 1",
        "selfalign/core/io.py": '"""Doc."""\ndef read():\n    """Doc."""\n    return 1\n',
        "selfalign/curate/__init__.py": "",
        "selfalign/curate/clean.py": "from selfalign.core import io\nfrom selfalign.core.config import X\nread('table.yaml')\n",
        "selfalign/curate/pick.py": "from .clean import io\n",
        "selfalign/train/inside/__init__.py": "",
        "selfalign/train/inside/program.py": "X = 1",
        "selfalign/train/__init__.py": "",
        "selfalign/train/loop.py": (
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from selfalign.curate import pick\n"
            "def run():\n    render('card.md.jinja')\n    import selfalign.core.io\n    from selfalign.train import inside\n"
        ),
        "selfalign/curate/table.yaml": "a: 1",
        "selfalign/curate/other.yaml": "a: 1",
        "selfalign/train/templates/card.md.jinja": "{% include 'head.txt' %}",
        "selfalign/train/templates/head.txt": "x",
        "scripts/pick.py": "with job(snakemake):\n    from selfalign.curate.pick import io\n",
        "scripts/loop.py": "from selfalign.train.loop import run\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def prints(tree, cache=None):
    known = CodeFingerprints(tree, cache)
    found = {name: known.of(tree / f"scripts/{name}.py") for name in ("pick", "loop")}
    known.save()
    return found


def test_modules_reached_at_any_depth(tree):
    assert CodeFingerprints(tree).modules(tree / "scripts/pick.py") == [
        "selfalign.core",
        "selfalign.core.io",
        "selfalign.curate",
        "selfalign.curate.clean",
        "selfalign.curate.pick",
    ]
    assert CodeFingerprints(tree).modules(tree / "scripts/loop.py") == [
        "selfalign.core",
        "selfalign.core.io",
        "selfalign.train",
        "selfalign.train.inside",
        "selfalign.train.inside.program",
        "selfalign.train.loop",
    ]


@pytest.mark.parametrize(
    ("name", "text", "stale"),
    [
        ("selfalign/core/io.py", "def read():\n    return 2\n", {"pick", "loop"}),
        ("selfalign/core/io.py", '"""Other."""\ndef read():\n    # why\n    return 1\n', set()),
        ("selfalign/curate/clean.py", "from selfalign.core import io\nY = 2\n", {"pick"}),
        ("selfalign/train/__init__.py", "Y = 2\n", {"loop"}),
        ("selfalign/train/inside/program.py", "X = 2", {"loop"}),
        ("selfalign/__init__.py", '__version__ = "2"', set()),
        ("selfalign/core/config/__init__.py", "X = 2", set()),
        ("selfalign/curate/table.yaml", "a: 2", {"pick"}),
        ("selfalign/curate/other.yaml", "a: 2", set()),
        ("selfalign/train/templates/head.txt", "y", {"loop"}),
        ("scripts/loop.py", "from selfalign.train.loop import run\nrun()\n", {"loop"}),
    ],
)
def test_an_edit_makes_stale_what_reaches_it(tree, name, text, stale):
    before = prints(tree)
    (tree / name).write_text(text)
    after = prints(tree)
    assert {key for key in before if before[key] != after[key]} == stale


def test_a_cache_changes_nothing_but_the_time(tree, monkeypatch):
    cache = tree / "cache/prints.json"
    without = prints(tree)
    assert prints(tree, cache) == without
    monkeypatch.setattr("selfalign.core.fingerprint._read_source", None)  # nothing is parsed again
    assert prints(tree, cache) == without


def test_a_torn_cache_is_no_cache(tree):
    cache = tree / "prints.json"
    cache.write_text('{"a": ')
    assert prints(tree, cache) == prints(tree)


def test_an_edit_is_seen_through_the_cache(tree):
    cache = tree / "prints.json"
    before = prints(tree, cache)
    (tree / "selfalign/curate/clean.py").write_text("Y = 3")
    after = prints(tree, cache)
    assert before["pick"] != after["pick"]
    assert before["loop"] == after["loop"]
