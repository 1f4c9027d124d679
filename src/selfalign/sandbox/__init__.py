"""The sandbox: untrusted Python programs run isolated, with verdicts that they cannot forge.

Threat model. A program is hostile Python (and native code it brings along). Covered: reading or changing
files of the host, the network, other processes of the host, later programs, the memory and time of the
machine, stopping the job, and passing without reaching its end by any Python code. Not covered: defects of the
kernel, side channels, and a program that takes control of its own native stack in order to pass: nothing inside
one process can prove anything against such code, and all it gains is to be kept as a row of data.
docs/explanation/sandbox.md has the details.
"""

from selfalign.sandbox.pool import Pool, open_pool
from selfalign.sandbox.types import DEFAULT_LIMITS, Limits, Program, Verdict

__all__ = ["DEFAULT_LIMITS", "Limits", "Pool", "Program", "Verdict", "open_pool"]
