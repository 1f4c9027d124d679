"""Programs that score a solution, inside two kinds of sandbox. Never import them to run on the host.

What is right never enters the process of an answer. An *answer program* (``answer_calls``, ``answer_contest``) runs a
solution on the inputs of a task and writes the results to standard output, in the form of
:mod:`~selfalign.evaluate.harness.values`. A *judge program* (``judge_evalplus``, ``judge_check``, ``judge_contest``) gets
these results and compares them with the expected ones. It runs in other sandboxes, in which no answer ever runs. The
exception is ``script``, for tests that cannot be separated from the solution.

Each module here is read as text and sent to the sandbox together with those that it uses, and a call of its ``main``.
``main`` reads its job as JSON from standard input. The ``main`` of a judge and of ``script`` returns normally if and
only if the solution is correct; before it fails, it writes one marked line of JSON to standard error with the reason and
the index of the failing input.

Of EvalPlus, the sandbox gets only the modules that a program uses, as text too, in the version installed here: the
package itself and others that contain benchmarks are hidden in the sandbox.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path
from types import ModuleType
from typing import Any

from selfalign.evaluate.harness import common, values
from selfalign.evaluate.harness.common import MARK
from selfalign.sandbox import Limits

# The packages are not installed in the sandbox: register the modules where import statements find them.
_LOAD = """\
import sys, types
for name, source in {modules!r}:
    if name not in sys.modules:
        sys.modules[name] = types.ModuleType(name)
        exec(source, vars(sys.modules[name]))
"""
# What `reliability_guard` of EvalPlus imports, and most solutions.
_IMPORTS = "import collections, faulthandler, heapq, math, platform, re, resource, shutil, string, subprocess, tempfile, typing"
_CALL = """\
from {name} import main
main()
"""
# Modules of EvalPlus by the harness that uses them, in the order of their imports. Of those followed by a colon only the
# name is needed, as a parent or, of psutil, for an import.
_EVALPLUS = {
    "answer_calls": "evalplus: evalplus.eval: evalplus.eval.utils",
    "judge_evalplus": "evalplus: psutil: evalplus.config evalplus.eval._special_oracle evalplus.eval.utils evalplus.eval "
    "evalplus.gen: evalplus.gen.util",
}
# Upper bound for every program and reference solution of every benchmark.
MAX_LIMITS = Limits(memory_mb=8192, processes=256)


def harness_source(module: ModuleType) -> str:
    """Return the source text of the program that runs a harness module.

    Args:
        module: a module of this package.
    """
    return _load(module) + _CALL.format(name=module.__name__)


def warm_up(*modules: ModuleType) -> list[str]:
    """Return statements that preload harness modules in the sandbox (argument `warm` of its pool).

    Args:
        modules: modules of this package, either of answers or of judges.
    """
    return ["import numpy", _IMPORTS, _load(*modules)]


@cache
def _load(*modules: Any) -> str:
    sources = dict.fromkeys(accumulate(common.__name__.split(".")[:-1], "{}.{}".format), "")
    for module in modules:
        for name in _EVALPLUS.get(module.__name__.rpartition(".")[2], "").split():
            sources[name.rstrip(":")] = "" if name.endswith(":") else _evalplus_source(name)
        for each in (values, common, module):
            sources[each.__name__] = Path(str(each.__file__)).read_text(encoding="utf-8")
    return _LOAD.format(modules=list(sources.items()))


def _evalplus_source(name: str) -> str:
    """Return the source text of a module of EvalPlus, without importing it."""
    spec = find_spec("evalplus")
    assert spec is not None
    path = Path(str(spec.origin)).parent.joinpath(*name.split(".")[1:])
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return path.read_text(encoding="utf-8")


def read_reason(stderr: str) -> dict[str, Any]:
    """Return the ``reason`` and ``input`` (index) that a harness reported; empty if it reported none.

    Args:
        stderr: standard error of the program.
    """
    for line in reversed(stderr.splitlines()):
        if line.startswith(MARK):
            try:
                found = json.loads(line.removeprefix(MARK))
            except ValueError:
                return {}
            return found if isinstance(found, dict) else {}
    return {}
