"""Programs that test a solution inside the sandbox. Never import them to run on the host.

Each module here is read as text and sent to the sandbox together with :mod:`~selfalign.evaluate.harness.common`,
which all of them may import, and a call of its ``main``. ``main`` reads its job as JSON from standard input and
returns normally if and only if the solution is correct. Before it fails, it writes one marked line of JSON to
standard error with the reason and the index of the failing input. That line only explains the failure: the
verdict is the sandbox's.
"""

from __future__ import annotations

import json
from functools import cache
from itertools import accumulate
from pathlib import Path
from types import ModuleType
from typing import Any

from selfalign.evaluate.harness import common
from selfalign.evaluate.harness.common import MARK
from selfalign.sandbox import Limits

# The package is not installed in the sandbox: register the modules where import statements and pickles find them.
_LOAD = """\
import sys, types
for name, source in {modules!r}:
    if name not in sys.modules:
        sys.modules[name] = types.ModuleType(name)
        exec(source, vars(sys.modules[name]))
"""
_CALL = """\
from {name} import main
main()
"""
# Upper bound for every program and reference solution of every benchmark.
MAX_LIMITS = Limits(memory_mb=8192)


def harness_source(module: ModuleType) -> str:
    """Return the source text of the program that runs a harness module.

    Args:
        module: a module of this package.
    """
    return _load(module) + _CALL.format(name=module.__name__)


def warm_up(*modules: ModuleType) -> list[str]:
    """Return statements that preload harness modules in the sandbox (argument `warm` of its pool).

    Args:
        modules: modules of this package.
    """
    return ["import evalplus.eval", "import evalplus.gen.util", *map(_load, modules)]


@cache
def _load(module: ModuleType) -> str:
    *packages, _ = accumulate(common.__name__.split("."), "{}.{}".format)
    modules = [(name, "") for name in packages]
    for each in (common, module):
        modules.append((each.__name__, Path(str(each.__file__)).read_text(encoding="utf-8")))
    return _LOAD.format(modules=modules)


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
