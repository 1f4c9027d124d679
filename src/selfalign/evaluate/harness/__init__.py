"""Programs that run inside the sandbox, around an answer. Never imported to be run on the host.

Each module here is read as text and handed to the sandbox, with :mod:`~selfalign.evaluate.harness.common`,
which all may import, and a call of its ``main``. It takes its job as JSON on standard
input, and ends normally if and only if the answer is right; before it ends otherwise it writes one line of
JSON, marked, to standard error: why, and at which input. That line only explains; the verdict is the sandbox's.
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

# Puts modules where import statements and pickles find them, unless they are there: our package is not in the sandbox.
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
# What no program of any benchmark, and no reference solution, exceeds.
MOST = Limits(memory_mb=8192)


def harness_source(module: ModuleType) -> str:
    """Return the program made of a harness module."""
    return _load(module) + _CALL.format(name=module.__name__)


def warm_up(*modules: ModuleType) -> list[str]:
    """Return what makes a slot of the sandbox ready for the programs of harness modules (`warm` of its pool)."""
    return ["import evalplus.eval", "import evalplus.gen.util", *map(_load, modules)]


@cache
def _load(module: ModuleType) -> str:
    *packages, _ = accumulate(common.__name__.split("."), "{}.{}".format)
    modules = [(name, "") for name in packages]
    for each in (common, module):
        modules.append((each.__name__, Path(str(each.__file__)).read_text(encoding="utf-8")))
    return _LOAD.format(modules=modules)


def read_reason(stderr: str) -> dict[str, Any]:
    """Return what a harness wrote about a failure: ``reason``, ``input`` (index); empty where it wrote nothing."""
    for line in reversed(stderr.splitlines()):
        if line.startswith(MARK):
            try:
                found = json.loads(line.removeprefix(MARK))
            except ValueError:
                return {}
            return found if isinstance(found, dict) else {}
    return {}
