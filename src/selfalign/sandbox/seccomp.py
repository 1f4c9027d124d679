"""The system call filter of every slot, as a classic BPF program (seccomp(2)).

What nobody needs to run Python tests is refused: calls that reach other processes, name spaces, the kernel's own
tables or IPC objects that outlive a process. Those that only an attack makes end the program (``forbidden``);
those that libraries try on the way fail with an error. Sockets exist for the local families only. Limits and scheduling
can be set for the calling process alone: those of the zygote, which is the same user, are every later program's.
"""

from __future__ import annotations

import errno
import platform
import struct

from selfalign.core.errors import InfrastructureError

KILL, ALLOW, ERROR = 0x80000000, 0x7FFF0000, 0x00050000
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, ARCH, FIRST_ARGUMENT, SECOND_ARGUMENT = 0, 4, 16, 24
X32 = 0x40000000
NEW_NAMESPACES = 0x7E020080  # CLONE_NEW{USER,PID,NET,IPC,UTS,CGROUP,NS,TIME}
FAMILIES = (1, 2, 10)  # AF_UNIX, AF_INET, AF_INET6: inside a network of its own

# Name: numbers on x86-64 and aarch64 (None: no such call). Source: the kernel's syscall tables.
ENDS = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "unshare": (272, 97),
    "setns": (308, 268),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "open_by_handle_at": (304, 265),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "quotactl": (179, 60),
    "syslog": (103, 116),
    "vhangup": (153, 58),
    "fanotify_init": (300, 262),
    "lookup_dcookie": (212, 18),
}
FAILS = {
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "name_to_handle_at": (303, 264),
    "memfd_secret": (447, 447),
    "landlock_create_ruleset": (444, 444),
    "personality": (135, 92),
    "ioprio_set": (251, 30),
}
# Only for the caller: the first so many arguments are 0.
OWN = {
    "prlimit64": (302, 261, 1),
    "sched_setaffinity": (203, 122, 1),
    "sched_setparam": (142, 118, 1),
    "sched_setscheduler": (144, 119, 1),
    "sched_setattr": (314, 274, 1),
    "setpriority": (141, 140, 2),
}
CLONE, CLONE3, SOCKET = (56, 220), (435, 435), (41, 198)
MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}


def seccomp_filter(machine: str | None = None) -> bytes:
    """Return the filter as an array of ``struct sock_filter``.

    Args:
        machine: kind of processor, as ``platform.machine`` names it; None: this one.

    Raises:
        InfrastructureError: no filter is known for the processor.
    """
    machine = machine or platform.machine()
    if machine not in MACHINES:
        raise InfrastructureError(
            f"the sandbox has no system call filter for {machine} (only {', '.join(MACHINES)})"
        )
    arch, column = MACHINES[machine]
    code = [_step(LOAD, ARCH), _step(EQUAL, arch, 1, 0), _step(RETURN, KILL), _step(LOAD, NUMBER)]
    if machine == "x86_64":
        code += [_step(AT_LEAST, X32, 0, 1), _step(RETURN, KILL)]
    for table, action in ((ENDS, KILL), (FAILS, ERROR | errno.EPERM)):
        for numbers in table.values():
            if numbers[column] is not None:
                code += [_step(EQUAL, numbers[column], 0, 1), _step(RETURN, action)]
    for *numbers, zeros in OWN.values():
        looks = [
            step
            for argument in (FIRST_ARGUMENT, SECOND_ARGUMENT)[:zeros]
            for step in (_step(LOAD, argument), _step(EQUAL, 0, 1, 0), _step(RETURN, ERROR | errno.EPERM))
        ]
        code += [_step(EQUAL, numbers[column], 0, len(looks) + 1), *looks, _step(RETURN, ALLOW)]
    # glibc falls back from clone3, whose flags a filter cannot see, to clone.
    code += [_step(EQUAL, CLONE3[column], 0, 1), _step(RETURN, ERROR | errno.ENOSYS)]
    code += [
        _step(EQUAL, CLONE[column], 0, 4),
        _step(LOAD, FIRST_ARGUMENT),
        _step(ANY_BIT, NEW_NAMESPACES, 0, 1),
        _step(RETURN, KILL),
        _step(RETURN, ALLOW),
    ]
    code += [_step(EQUAL, SOCKET[column], 0, len(FAMILIES) + 2), _step(LOAD, FIRST_ARGUMENT)]
    for place, family in enumerate(FAMILIES):
        code.append(_step(EQUAL, family, len(FAMILIES) - place, 0))
    code += [_step(RETURN, ERROR | errno.EAFNOSUPPORT), _step(RETURN, ALLOW)]
    return b"".join(code)


def _step(operation: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", operation, if_true, if_false, value)
