"""The processes and files of a program: their number and size, and how to remove them."""

# Plain os functions, not pathlib: they are called for every program.
# ruff: noqa: PTH101, PTH102, PTH104, PTH106, PTH108, PTH115, PTH116, PTH123, PTH208, SIM105

import contextlib
import os
import signal
import stat
import time

PAGE = os.sysconf("SC_PAGE_SIZE")
CPUCLOCK_SCHED = 2
# The first two lines of /proc/net/sockstat, with the numbers of sockets and of ports in TIME_WAIT.
LINES_BYTES = 80
# Files and directories at a time. On a tmpfs empty ones take no space, only the kernel's memory.
MOST_FILES = 1 << 14
# Seconds to remove what a program has left; what takes longer stays, and the sandbox is replaced.
REMOVAL_S = 1.0


def children_of(pid):
    """Return the children of a process, all threads' together.

    Args:
        pid: the process.
    """
    found = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with (
                contextlib.suppress(OSError),
                open(f"/proc/{pid}/task/{thread}/children") as handle,
            ):
                found += map(int, handle.read().split())
    return found


def descendants_of(pid):
    """Return all processes below `pid`."""
    queue, found = children_of(pid), []
    while queue:
        one = queue.pop()
        found.append(one)
        queue += children_of(one)
    return found


def kill_descendants():
    """Kill every process below this one."""
    for pid in descendants_of(os.getpid()):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def memory_kb(pid, inherited):
    """Return an upper bound of the memory of the program's processes together, in KiB.

    Pages of files on a disk do not count.

    Args:
        pid: the program's process.
        inherited: KiB that each process has from the zygote, which do not count either.
    """
    processes = processes_of(pid)
    return sum(max(0, resident_kb_of(one) - inherited) for one in processes) + unmapped_kb(processes)


def proportional_kb(pid):
    """Return the memory of the program's processes, in KiB, with shared pages counted once; this takes longer.

    Args:
        pid: the program's process.
    """
    processes = processes_of(pid)
    return sum(map(proportional_kb_of, processes)) + unmapped_kb(processes)


def unmapped_kb(processes):
    """Return the memory of the files that only exist in memory (memfd_create(2)) and need not be mapped, in KiB.

    Args:
        processes: the program's.
    """
    blocks = {}
    for pid in processes:
        with contextlib.suppress(OSError):
            for name in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    place = f"/proc/{pid}/fd/{name}"
                    if os.readlink(place).startswith("/memfd:"):
                        found = os.stat(place)
                        blocks[found.st_ino] = found.st_blocks
    return sum(blocks.values()) // 2


def processes_of(pid):
    """Return the program's processes: all others of the PID name space where this process is the first of it.

    Args:
        pid: the program's process.
    """
    if os.getpid() == 1:
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and name != "1"]
    return [pid, *descendants_of(pid)]


def resident_kb_of(pid):
    """Return the resident memory of a process that belongs to no file on a disk, in KiB.

    Args:
        pid: the process.
    """
    total = 0
    with contextlib.suppress(OSError), open(f"/proc/{pid}/status") as handle:
        for line in handle:
            if line.startswith(("RssAnon:", "RssShmem:")):
                total += int(line.split()[1])
    return total


def address_space(pid):
    """Return the size of a process's address space, in bytes.

    Args:
        pid: the process.
    """
    with open(f"/proc/{pid}/statm") as handle:
        return int(handle.read().split()[0]) * PAGE


def proportional_kb_of(pid):
    """Return a process's share of memory that belongs to no file on a disk, in KiB.

    Args:
        pid: the process.
    """
    total = 0
    try:
        with open(f"/proc/{pid}/smaps_rollup") as handle:
            for line in handle:
                if line.startswith(("Pss_Anon:", "Pss_Shmem:")):
                    total += int(line.split()[1])
    except ProcessLookupError:
        return 0
    except OSError:
        return resident_kb_of(pid)
    return total


def cpu_seconds(pid):
    """Return the CPU time of the program's process that has used most, in seconds.

    The kernel's own limit, RLIMIT_CPU, charges a whole clock tick to the process that it interrupts, which can double
    the time of a process on a busy machine. This is the time that the process ran.

    Args:
        pid: the program's process.
    """
    return max([cpu_seconds_of(one) for one in processes_of(pid)], default=0.0)


def cpu_seconds_of(pid):
    """Return the CPU time of a process, in seconds.

    Args:
        pid: the process.
    """
    try:
        return time.clock_gettime(~pid << 3 | CPUCLOCK_SCHED)  # as clock_getcpuclockid(3) has it
    except OSError:
        return 0.0


def shield_from(pid):
    """Let the kernel end the program's processes before the zygote where the slot is out of memory.

    Args:
        pid: the program's process.
    """
    for one in processes_of(pid):
        with contextlib.suppress(OSError), open(f"/proc/{one}/oom_score_adj", "w") as handle:
            handle.write("1000")


class Network:
    """The slot's own network: whether a program has left sockets in it, such as ports in TIME_WAIT.

    Raises:
        OSError: the kernel does not count the sockets.
    """

    def __init__(self):
        self.descriptor = os.open("/proc/self/net/sockstat", os.O_RDONLY | os.O_CLOEXEC)
        # The number of orphans that follows, unlike the others, is that of the whole machine.
        self.usual = os.pread(self.descriptor, LINES_BYTES, 0).partition(b" orphan ")[0]

    def waiting_kb(self):
        """Return the data that waits in TCP sockets, in KiB."""
        total = 0
        for table in ("tcp", "tcp6"):
            with contextlib.suppress(OSError), open(f"/proc/self/net/{table}") as handle:
                for line in list(handle)[1:]:
                    sent, _, received = line.split()[4].partition(":")
                    total += int(sent, 16) + int(received, 16)
        return total // 1024

    def has_traces(self):
        """Whether there are others than in the beginning."""
        lines = os.pread(self.descriptor, LINES_BYTES, 0)
        return not lines.startswith(self.usual) or b" tw 0 " not in lines


class Scratch:
    """A directory where programs can write, emptied after each of them.

    On a tmpfs the size of a directory tells whether it has entries, so that one look can find that it is empty.

    Args:
        path: of the directory.
    """

    def __init__(self, path):
        self.path = path
        self.empty_look = None
        self.empty()
        empty_look, trial = self.look(), f"{path}/trial"
        try:
            os.mkdir(trial)
            size_tells = self.look() != empty_look
            os.rmdir(trial)
        except OSError:
            return
        if size_tells and self.look() == empty_look:
            self.empty_look = empty_look

    def look(self):
        """Return the size and mode of the directory itself."""
        seen = os.lstat(self.path)
        return seen.st_size, seen.st_mode

    def usage(self):
        """Return the number of files and directories on its tmpfs, and their KiB; zeros if it is on another file system."""
        if self.empty_look is None:
            return 0, 0
        seen = os.statvfs(self.path)
        return seen.f_files - seen.f_ffree, (seen.f_blocks - seen.f_bfree) * seen.f_frsize // 1024

    def empty(self):
        """Remove everything in it, whatever its permissions and depth; return whether there was anything.

        Raises:
            OSError: something cannot be removed (TimeoutError: in time).
        """
        if self.look() == self.empty_look:
            return False
        try:
            os.chmod(self.path, stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO)
        except OSError:
            pass  # not ours, and so not the program's to change
        names = os.listdir(self.path)
        if names:
            remove(self.path, names)
        return bool(names)


def remove(place, names):
    """Remove files and directories.

    Directories are moved up before they are emptied, so that no path becomes too long.

    Args:
        place: path of the directory.
        names: of what to remove from it.

    Raises:
        OSError: something cannot be removed (TimeoutError: in time).
    """
    mark, number = os.urandom(8).hex(), 0
    deadline = time.monotonic() + REMOVAL_S
    while names:
        for name in names:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{place}: too much to remove in {REMOVAL_S} s")
            path = f"{place}/{name}"
            if not is_directory(path):
                os.unlink(path)
                continue
            os.chmod(path, stat.S_IRWXU)
            for inner in os.listdir(path):
                inner_path = f"{path}/{inner}"
                if is_directory(inner_path):
                    os.chmod(inner_path, stat.S_IRWXU)
                    os.rename(inner_path, f"{place}/{mark}-{number}")
                    number += 1
                else:
                    os.unlink(inner_path)
            os.rmdir(path)
        names = os.listdir(place)


def own_mode(path):
    """Return type and permissions of a file; 0 if it belongs to another user, or is not there.

    Args:
        path: of the file.
    """
    try:
        found = os.lstat(path)
    except OSError:
        return 0
    return found.st_mode if found.st_uid == os.getuid() else 0


def is_directory(path):
    """Whether `path` itself is a directory."""
    return stat.S_ISDIR(os.lstat(path).st_mode)
