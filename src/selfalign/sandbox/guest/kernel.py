"""System calls: privileges, resource limits, the system call filter, forking and waiting."""

import ctypes
import os
import signal
import struct

PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 4, 38
PR_SET_SECCOMP, PR_SET_CHILD_SUBREAPER = 22, 36
SECCOMP_MODE_FILTER = 2
# The same on x86-64 and aarch64; the module resource would be one more library to copy at every fork.
RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_CORE, RLIMIT_NPROC, RLIMIT_NOFILE, RLIMIT_AS = 0, 1, 4, 6, 7, 9
RLIMIT_SIGPENDING, RLIMIT_MSGQUEUE = 11, 12

MOST_SIGNALS = 1024
# The same numbers on all machines.
LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = 444, 445, 446
LANDLOCK_VERSION, LANDLOCK_PATH_BENEATH = 1, 1
# Access rights: to write to files, and (from version 2) to link and rename them between directories, which is refused wherever
# no rule allows it.
MAY_WRITE, MAY_REFER = 1 << 1, 1 << 13

libc = ctypes.CDLL(None, use_errno=True)
RLimit = ctypes.c_ulong * 2

# For the calls made for every program. Without errno and without releasing the interpreter's lock they touch fewer pages
# (see fork_loop.py).
_quick = ctypes.PyDLL(None)
# os.fork runs the hooks of threading, random and others, which are for processes with several threads (the zygote has one)
# and cost as much as a fork.
fork = _quick.fork
_setrlimit, _prctl, _wait4, _waitpid = _quick.setrlimit, _quick.prctl, _quick.wait4, _quick.waitpid
_signal = _quick.signal
_signal.restype = ctypes.c_void_p
_syscall = _quick.syscall
_status = ctypes.c_int()
_usage = (ctypes.c_long * 18)()  # struct rusage: two struct timeval, the largest resident set, and more


def prctl(option, value, pointer=0):
    """Call prctl(2).

    Args:
        option: its number.
        value: the second argument.
        pointer: the third.

    Raises:
        OSError: the kernel refuses.
    """
    arguments = (ctypes.c_ulong(value), ctypes.c_void_p(pointer), ctypes.c_ulong(0), ctypes.c_ulong(0))
    if libc.prctl(option, *arguments):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), f"prctl {option}")


_DUMPABLE = (ctypes.c_int(PR_SET_DUMPABLE), ctypes.c_ulong(1), *(ctypes.c_ulong(0),) * 3)


def become_dumpable():
    """Let processes of the same user read this one's entries in /proc, which the zygote does not allow for itself."""
    if _prctl(*_DUMPABLE):
        raise OSError("prctl PR_SET_DUMPABLE failed")


def limits_to_set(wanted):
    """Return resource limits in the form that `set_limits` takes; one that is lower already stays.

    Args:
        wanted: triples of a limit's number, soft value and hard value; None: as high as allowed.
    """
    found = []
    for which, *values in wanted:
        now = RLimit()
        libc.getrlimit(which, now)
        most = now[1]
        found.append((which, RLimit(*(most if value is None else min(value, most) for value in values))))
    return tuple(found)


def set_limits(limits):
    """Set resource limits of this process (see `limits_to_set`)."""
    for which, pair in limits:
        if _setrlimit(which, pair):
            raise OSError(f"setrlimit {which} failed")


def write_rules(directories):
    """Return a Landlock ruleset that allows to write to files in some directories only, as a file descriptor; -1 if there is none.

    It keeps programs from writing to their own memory and settings in /proc. Kernels from 5.19 have what it needs, if
    they have Landlock enabled.

    Args:
        directories: paths.
    """
    if libc.syscall(LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), LANDLOCK_VERSION) < 2:
        return -1
    rights = ctypes.c_uint64(MAY_WRITE | MAY_REFER)
    rules = libc.syscall(LANDLOCK_CREATE_RULESET, ctypes.byref(rights), ctypes.c_size_t(8), 0)
    for path in directories:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        rule = ctypes.create_string_buffer(struct.pack("=Qi", rights.value, place), 12)
        if rules >= 0 and libc.syscall(LANDLOCK_ADD_RULE, rules, LANDLOCK_PATH_BENEATH, rule, 0):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), f"Landlock rule for {path}")
        os.close(place)
    return rules


def restrict_writes(rules):
    """Restrict this process and all that it starts (see `write_rules`)."""
    if rules >= 0 and _syscall(LANDLOCK_RESTRICT_SELF, rules, 0):
        raise OSError("landlock_restrict_self failed")


def ignore_interrupts():
    """Ignore SIGINT in this process, which programs can send to it; the interpreter's handler stays known to it."""
    return ctypes.c_void_p(_signal(signal.SIGINT, ctypes.c_void_p(signal.SIG_IGN)))


def set_interrupt_handler(handler):
    """Handle SIGINT in this process.

    Args:
        handler: address of the function, as `ignore_interrupts` returned it.
    """
    _signal(signal.SIGINT, handler)


def limit_kernel_objects():
    """Limit what the kernel keeps for this process's user, who may be a user of the host: queued signals and messages."""
    set_limits(
        limits_to_set(
            [(RLIMIT_CORE, 0, 0), (RLIMIT_SIGPENDING, MOST_SIGNALS, MOST_SIGNALS), (RLIMIT_MSGQUEUE, 0, 0)]
        )
    )


def wait_for(pid):
    """Wait until a child has ended; return its status, seconds of CPU time and largest resident set in KiB.

    os.wait4 would load one more library and make twenty objects.

    Args:
        pid: the child's process id.
    """
    if _wait4(pid, ctypes.byref(_status), 0, _usage) != pid:
        raise OSError("wait4 failed")
    user_s, user_us, system_s, system_us, peak_kb = _usage[:5]
    return _status.value, user_s + system_s + (user_us + system_us) / 1e6, peak_kb


def wait_for_any(options):
    """Collect any child that has ended; return its process id, 0 if all live, or -1 if there is none.

    Args:
        options: 0 to wait, or WNOHANG.
    """
    return _waitpid(-1, None, options)


def become_user(uid):
    """Become an ordinary user for good.

    Args:
        uid: id of the user and its group.
    """
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def install_filter(program):
    """Install a system call filter for this process and all that it starts.

    Args:
        program: an array of ``struct sock_filter`` (see seccomp(2)).
    """
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    holder = ctypes.create_string_buffer(header, len(header))
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(holder))
