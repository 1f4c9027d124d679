"""What a program sees as its system where there is no image: our interpreter and its packages."""

from __future__ import annotations

import platform
import sys
import sysconfig
from functools import cache
from pathlib import Path

from selfalign.core.hashing import json_sha256


@cache
def interpreter_image() -> str:
    """Return a digest of the interpreter's version and build and of the names and versions of its packages."""
    # The directory's name is NAME-VERSION.dist-info; reading the files in it took longer than many a program does.
    packages = sorted(path.name for path in Path(sysconfig.get_paths()["purelib"]).glob("*.dist-info"))
    digest = json_sha256([sys.version, platform.machine(), packages])
    return f"python-{platform.python_version()}@sha256:{digest}"
