"""Configuration of the execution stage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from selfalign.core.config.base import RUNTIME_ONLY, Section
from selfalign.core.config.paths import ImageText

# Names of environments that need no lock file.
STDLIB, BUILD = "stdlib", "build"


class LimitsConfig(Section):
    """Resource limits of one program."""

    wall_s: float = Field(default=10.0, gt=0, description="Wall-clock time, in seconds.")
    cpu_s: float = Field(default=4.0, gt=0, description="CPU time of a process, in seconds.")
    memory_mb: int = Field(
        default=1024,
        ge=64,
        description="Address space of a process and total memory of all processes, in MiB.",
    )
    processes: int = Field(default=32, ge=1, description="Simultaneous processes and threads.")
    open_files: int = Field(default=64, ge=16, description="Open files per process.")
    file_mb: int = Field(default=16, ge=1, description="Size of a file, in MiB.")
    output_kb: int = Field(
        default=256,
        ge=1,
        description="Size of standard output and of standard error, in KiB each; a program that writes more "
        "is killed.",
    )


class MatrixConfig(Section):
    """Implementation of every response, run with the tests of every other response to the instruction."""

    enabled: bool = Field(
        default=False,
        description="Run the implementation of every response with the tests of every other response to the same "
        "instruction. n responses need up to n² programs; requires generation.responses.n of 2 or more.",
    )


class ExecutionConfig(Section):
    """Execution of responses with their own tests; responses that pass are kept."""

    runtime: str = Field(
        default="auto",
        pattern=r"^(auto|gvisor|docker|podman|apptainer|bubblewrap|none|https?://\S+)$",
        description="Sandbox runtime: auto, gvisor, docker, podman, apptainer, bubblewrap, none, or the URL "
        "(http://…) of "
        "a sandbox served by another host. auto: the strongest runtime that passes its self-test on this "
        "machine; none: "
        "no isolation.",
        json_schema_extra=RUNTIME_ONLY,
    )
    image: ImageText = Field(
        default="",
        description="Image in which responses and self_tests run: reference for gvisor, docker and podman, or .sif file "
        "for apptainer; empty: the image that containers/sandbox builds, in which other benchmarks always run.",
    )
    environment: str = Field(
        default="numpy",
        pattern=r"^[a-z0-9][a-z0-9_-]*$",
        description="Packages that programs can import besides the standard library: the name of a lock file "
        "envs/programs/<name>.lock (numpy: numpy only; full: packages that generated code commonly imports); stdlib: "
        "none; build: the packages of this installation or, with a container engine, of its image.",
    )
    faithful: bool = Field(
        default=False,
        description="Keep programs that exit with status 0, as the reference does, whether or not an assertion was "
        "evaluated and all tests ran.",
    )
    scope: Literal["function", "module"] = Field(
        default="module",
        description="Scope of a program's top-level names. module: module globals, as usual in Python; "
        "function: locals of "
        "exec(), as in the reference, which fails recursive functions and functions that use a module "
        "imported above them.",
    )
    limits: LimitsConfig = Field(default_factory=LimitsConfig, description="Resource limits of one program.")
    matrix: MatrixConfig = Field(
        default_factory=MatrixConfig,
        description="Implementations run with the tests of other responses, for curation.consensus and preferences.",
    )
