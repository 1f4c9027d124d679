from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from selfalign.core.config.seeds import FiltersConfig, ImportsConfig, TypesConfig
from selfalign.core.errors import InfrastructureError
from selfalign.core.filtering import Drop
from selfalign.core.jsonl import read_jsonl, write_jsonl
from selfalign.seeds.check import check_file
from selfalign.seeds.imports import add_imports, fix_imports_faithfully
from selfalign.seeds.typecheck import TypeChecker

WELL = 'def f(x: int) -> int:\n    """Doc."""\n    return x'
ILL = 'def f(x: int) -> str:\n    """Doc."""\n    return x'


def test_missing_imports_come_before_an_untouched_function():
    text = 'def f(x):\n    """Doc."""\n    import json\n    return math.sqrt(x), re, Optional, undefined'
    assert add_imports(text) == (
        "import math\nimport re\nfrom typing import Optional\n\n\n" + text,
        ["import math", "import re", "from typing import Optional"],
    )


def test_installed_packages_are_not_imported_by_chance():
    text = 'def f(x):\n    """Doc."""\n    return numpy.abs(x) + selfalign'
    assert add_imports(text) == (text, [])
    assert add_imports(text, ["numpy"])[1] == ["import numpy"]


def test_a_module_without_a_spec_is_no_trouble(monkeypatch):
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None, raising=False)
    text = 'def f(x):\n    """Doc."""\n    return __main__, re'
    assert add_imports(text)[1] == ["import re"]


def test_the_faithful_way_rewrites_the_function():
    text = 'def f(x):\n    """Doc."""\n    import json\n    import re\n    return json.dumps(x)'
    fixed, _ = fix_imports_faithfully(text)
    assert fixed == 'import json\n\n\ndef f(x):\n    """Doc."""\n    return json.dumps(x)'


def test_type_errors_are_found_by_text():
    assert [bool(errors) for errors in TypeChecker().check([WELL, ILL, WELL, "def ("])] == [
        False,
        True,
        False,
        True,
    ]


@pytest.fixture
def fake_checker(tmp_path) -> list[str]:
    """A checker that dies on files with the word CRASH and hangs on those with HANG."""
    script = tmp_path / "checker.py"
    script.write_text(
        "import json, pathlib, sys, time\n"
        "texts = [path.read_text() for path in sorted(pathlib.Path('.').glob('f*.py'))]\n"
        "if any('CRASH' in text for text in texts): sys.exit(134)\n"
        "if any('HANG' in text for text in texts): time.sleep(600)\n"
        "print(json.dumps({'generalDiagnostics': []}))\n"
    )
    return [sys.executable, str(script)]


def test_a_failing_batch_is_split_to_the_single_file(fake_checker):
    texts = [f"x = {number}" for number in range(9)]
    texts[2], texts[7] = "CRASH", "HANG"
    found = TypeChecker(timeout_s=3, command=fake_checker).check(texts)
    assert [isinstance(each, Drop) for each in found] == [number in (2, 7) for number in range(9)]
    assert found[2] == Drop("type_check_failed", "exit status 134: ")
    assert found[7] == Drop("type_check_failed", "longer than 3 s")


def test_a_checker_that_never_runs_is_no_verdict():
    with pytest.raises(InfrastructureError, match="does not run"):
        TypeChecker(command=["false"]).check([WELL, ILL])


def test_a_file_goes_through_imports_filters_and_types(tmp_path):
    rows = [
        {"seed": 'def f(x):\n    """Return the root."""\n    return math.sqrt(x)', "lineage": {"seed": {}}},
        {"seed": 'def g(x):\n    """Return the path."""\n    return os.fspath(x)'},
        {"seed": 'def h(x):\n    """Return what is unknown."""\n    return unknown(x)'},
    ]
    write_jsonl(tmp_path / "in.jsonl", rows)
    steps = check_file(
        tmp_path / "in.jsonl",
        tmp_path / "out.jsonl",
        tmp_path / "dropped.jsonl",
        filters=FiltersConfig(),
        imports=ImportsConfig(),
        types=TypesConfig(),
        workers=1,
        counts=tmp_path / "counts.json",
    )
    [kept] = read_jsonl(tmp_path / "out.jsonl")
    assert kept["seed"].startswith("import math\n\n\ndef f")
    assert kept["lineage"]["imports"] == {"added": ["import math"]}
    assert kept["lineage"]["types"]["mode"] == "standard"
    dropped = {row["reason"]: row for row in read_jsonl(tmp_path / "dropped.jsonl")}
    assert dropped.keys() == {"banned_import", "type_error"}
    assert "unknown" in dropped["type_error"]["detail"][0]
    assert [step.to_json() for step in steps] == json.loads(Path(tmp_path / "counts.json").read_text())
    assert [(step.step, step.records_in, step.records_out) for step in steps] == [
        ("imports", 3, 3),
        ("filter_imports", 3, 2),
        ("types", 2, 1),
    ]
