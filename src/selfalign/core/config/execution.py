"""The configuration of the execution stage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from selfalign.core.config.base import Section
from selfalign.core.config.paths import ImageText


class LimitsConfig(Section):
    """What one program may use."""

    wall_s: float = Field(default=10.0, gt=0, description="Seconds from start to end.")
    cpu_s: float = Field(default=4.0, gt=0, description="Seconds of CPU time of a process.")
    memory_mb: int = Field(
        default=1024, ge=64, description="MiB of address space of a process, and of memory of all together."
    )
    processes: int = Field(default=32, ge=1, description="Processes and threads at a time.")
    open_files: int = Field(default=64, ge=16, description="Open files of a process.")
    file_mb: int = Field(default=16, ge=1, description="MiB of a file.")
    output_kb: int = Field(
        default=256, ge=1, description="KiB of standard output, and of standard error; more ends the program."
    )


class ExecutionConfig(Section):
    """Responses are run with their own tests; those that end well are kept."""

    runtime: str = Field(
        default="auto",
        pattern=r"^(auto|gvisor|docker|podman|apptainer|bubblewrap|none|https?://\S+)$",
        description="How programs are isolated: auto, gvisor, docker, podman, apptainer, bubblewrap, none, or the address "
        "(http://…) of a sandbox served on another host. auto: the strongest that passes its self-test on the machine; "
        "none isolates nothing. Changing it reruns nothing.",
    )
    image: ImageText = Field(
        default="",
        description="Image of gvisor, docker and podman (reference) or apptainer (.sif file); empty: the one that "
        "containers/sandbox builds.",
    )
    faithful: bool = Field(
        default=False,
        description="Keep what ends with status 0 before its last line too (sys.exit(0)), as the reference does.",
    )
    scope: Literal["function", "module"] = Field(
        default="module",
        description="Where a program's top-level names live. module: Python's ordinary rule; function: as in the reference, "
        "which drops a correct recursive function or one that uses a module imported above it.",
    )
    limits: LimitsConfig = Field(default_factory=LimitsConfig, description="What one program may use.")
