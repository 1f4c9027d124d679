"""Standing with the kernel: privileges, the system call filter, and where a process waits."""

import ctypes
import os
import struct

PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 4, 38
PR_SET_SECCOMP, PR_SET_CHILD_SUBREAPER = 22, 36
SECCOMP_MODE_FILTER = 2

libc = ctypes.CDLL(None, use_errno=True)


def prctl(option, value, pointer=0):
    """Call prctl(2); raise OSError where it fails."""
    arguments = (ctypes.c_ulong(value), ctypes.c_void_p(pointer), ctypes.c_ulong(0), ctypes.c_ulong(0))
    if libc.prctl(option, *arguments):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), f"prctl {option}")


# Made beforehand: after a fork, every page that is touched for the first time costs microseconds.
_DUMPABLE = (ctypes.c_int(PR_SET_DUMPABLE), ctypes.c_ulong(1), *(ctypes.c_ulong(0),) * 3)


def become_dumpable():
    """Let processes of the same user look at this one again."""
    if libc.prctl(*_DUMPABLE):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), "prctl PR_SET_DUMPABLE")


def write_to(path, data):
    """Write bytes to a file of /proc, touching as little of the interpreter as can be."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)


def read_from(path):
    """Return the first bytes, up to 4096, of a file of /proc."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 4096)
    finally:
        os.close(descriptor)


def become_user(uid):
    """Give up being root for good."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def install_filter(program):
    """Install a seccomp filter (an array of struct sock_filter) for this process and all it starts."""
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    holder = ctypes.create_string_buffer(header, len(header))
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(holder))


def place_of(pid):
    """Return system call number, stack pointer and program counter of a waiting process; None while it runs."""
    try:
        words = read_from(f"/proc/{pid}/syscall").decode().split()
    except OSError:
        return None
    return (words[0], words[-2], words[-1]) if len(words) == 9 else None
