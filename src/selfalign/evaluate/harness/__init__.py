"""Programs that run inside the sandbox, around an answer. Never imported to be run on the host.

Each module here is read as text and handed to the sandbox, with :mod:`~selfalign.evaluate.harness.common`,
which all may import, before it and a call of its ``main`` after it. It takes its job as JSON on standard
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

# Puts the shared module where import statements and pickles find it: our package is not in the sandbox.
_BEGINNING = """\
import sys, types
for name in {names}:
    sys.modules[name] = types.ModuleType(name)
exec({source!r}, vars(sys.modules[name]))
"""
# What harnesses import, for the sandbox to import once.
WARM = ("evalplus.eval", "evalplus.gen.util")
# What no program of any benchmark, and no reference solution, exceeds.
MOST = Limits(memory_mb=8192)


def harness_source(module: ModuleType) -> str:
    """Return the program made of a harness module."""
    return _program(str(module.__file__))


@cache
def _program(file: str) -> str:
    shared = Path(str(common.__file__)).read_text(encoding="utf-8")
    names = list(accumulate(common.__name__.split("."), "{}.{}".format))
    beginning = _BEGINNING.format(names=names, source=shared)
    return beginning + Path(file).read_text(encoding="utf-8") + "\n\nmain()\n"


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
