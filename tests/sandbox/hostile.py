"""Hostile programs: name, statuses that are right, text.

None may pass unless ``passed`` is among its statuses: there the attack must have failed for the program's own
assertions to hold.
"""

# Some programs have long lines.
# ruff: noqa: E501

FORGERIES = {
    "writes_a_pass_to_every_descriptor": (
        {"early_exit", "output"},
        "import os\nfor fd in range(64):\n    try:\n        os.write(fd, b'{}\\n' * 50)\n    except OSError:\n        pass\nos._exit(0)",
    ),
    "writes_a_pass_and_waits": (
        {"timeout"},
        "import os, signal\nfor fd in range(3, 64):\n    try:\n        os.write(fd, b'{}\\n')\n    except OSError:\n        pass\nsignal.pause()",
    ),
    "pauses_in_a_function": (
        {"timeout"},
        "import signal\ndef f():\n    while True:\n        signal.pause()\nf()",
    ),
    "sys_exit": ({"early_exit"}, "import sys\nsys.exit(0)\nassert False"),
    "os_exit": ({"early_exit"}, "import os\nos._exit(0)\nassert False"),
    "exits_in_a_thread": (
        {"early_exit"},
        "import os, threading, time\nthreading.Thread(target=lambda: os._exit(0)).start()\ntime.sleep(2)\nassert False",
    ),
    "exits_at_exit": (
        {"early_exit", "assertion"},
        "import atexit, os\natexit.register(os._exit, 0)\nassert False",
    ),
    "hook_for_exceptions": (
        {"assertion"},
        "import sys, signal\nsys.excepthook = lambda *a: signal.pause()\nassert False",
    ),
    "patches_the_traceback": (
        {"assertion", "timeout"},
        "import traceback, signal, threading, atexit\nw = lambda *a, **k: signal.pause()\ntraceback.print_exception = w\n"
        "threading._shutdown = w\natexit._run_exitfuncs = w\nassert False",
    ),
    "patches_exit": (
        {"assertion", "early_exit", "timeout"},
        "import os, signal\nos._exit = lambda code: None\nos.write = lambda *a: signal.pause()\nassert False",
    ),
    "changes_the_cells_and_globals_of_the_runner": (
        {"assertion", "early_exit", "exception", "timeout"},
        "import sys, signal, gc, types\nw = lambda *a, **k: signal.pause()\nf = sys._getframe()\nwhile f:\n"
        "    for n in list(f.f_globals):\n        if n in ('report', 'prctl', 'main_module', 'compiled', 'attend', 'execute'):\n"
        "            f.f_globals[n] = w\n    f = f.f_back\nassert False",
    ),
    "jumps_in_the_runner": (
        {"assertion", "exception", "early_exit", "timeout"},
        "import sys\nf = sys._getframe()\nwhile f.f_back:\n    f = f.f_back\n    def t(frame, event, arg):\n"
        "        for n in range(1, 400):\n            try:\n                frame.f_lineno = n\n                break\n            except ValueError:\n"
        "                pass\n        return t\n    f.f_trace = t\nsys.settrace(t)\nassert False",
    ),
    "fork_ends_well_parent_does_not": (
        {"early_exit"},
        "import os\nif os.fork():\n    os._exit(0)",
    ),
    "writes_the_report_of_a_pass": (
        {"early_exit"},
        'import os\nos.write(3, b\'{"kind": "passed", "error": "x"}\\n\')\nos._exit(0)',
    ),
    "replaces_main": (
        {"assertion"},
        "import sys\nsys.modules['__main__'] = sys\nsys.exit = None\nassert False",
    ),
    "nests_its_report_deeply": (
        {"early_exit"},
        "import os\nos.write(3, b'[' * 100000 + b'\\n')\nos._exit(0)",
    ),
    "nests_a_short_report": ({"early_exit"}, "import os\nos.write(3, b'[' * 4000 + b'\\n')\nos._exit(0)"),
    "reports_half_a_character": (
        {"exception"},
        'import os\nos.write(3, b\'{"kind": "exception", "error": "\\\\ud800"}\\n\')\nos._exit(1)',
    ),
    "kills_itself": ({"early_exit"}, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"),
}

OUTLIVING = {
    "fork_bomb": ({"exception", "timeout", "early_exit", "memory"}, "import os\nwhile True:\n    os.fork()"),
    "fork_bomb_that_hides": (
        {"early_exit", "timeout"},
        "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass",
    ),
    "daemon": (
        {"passed"},
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        time.sleep(60)\n    os._exit(0)",
    ),
    "daemon_that_ignores_signals": (
        {"passed"},
        "import os, signal, time\nif os.fork() == 0:\n    os.setsid()\n    for s in range(1, 64):\n        try:\n"
        "            signal.signal(s, signal.SIG_IGN)\n        except (OSError, ValueError):\n            pass\n"
        "    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64))\n    while True:\n        time.sleep(60)",
    ),
    "ignores_signals_and_spins": (
        {"timeout"},
        "import signal\nfor s in range(1, 64):\n    try:\n        signal.signal(s, signal.SIG_IGN)\n"
        "    except (OSError, ValueError):\n        pass\nwhile True:\n    pass",
    ),
    "grandchildren_hold_the_output": (
        {"passed"},
        "import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])",
    ),
    "threads": (
        {"passed", "exception", "timeout"},
        "import threading, time\nfor _ in range(500):\n    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
    ),
    "thread_that_never_ends": (
        {"timeout"},
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()",
    ),
    "sleeps": ({"timeout"}, "import time\ntime.sleep(60)"),
    "stops_itself": ({"timeout"}, "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)"),
    "spins_in_c": ({"timeout"}, "sum(range(10 ** 12))"),
    "spins_in_a_regular_expression": ({"timeout"}, "import re\nre.match('(a+)+$', 'a' * 60 + 'b')"),
}

REACHING = {
    "kills_everything": (
        {"early_exit", "passed"},
        "import os, signal\ntry:\n    os.kill(-1, signal.SIGKILL)\nexcept OSError:\n    pass",
    ),
    "kills_its_parent": (
        {"passed", "exception"},
        "import os, signal, time\nos.kill(os.getppid(), signal.SIGKILL)\nos.kill(os.getppid(), signal.SIGSTOP)\ntime.sleep(0.1)",
    ),
    "interrupts_its_parent": (
        {"passed"},
        "import os, signal, time\nos.kill(os.getppid(), signal.SIGINT)\n"
        "signal.pidfd_send_signal(os.pidfd_open(os.getppid()), signal.SIGINT)\ntime.sleep(0.1)",
    ),
    "sends_every_signal_to_its_parent": (
        {"passed"},
        "import os, signal, time\nfor number in signal.valid_signals():\n    os.kill(os.getppid(), number)\ntime.sleep(0.1)",
    ),
    "limits_its_parent": (
        {"exception"},
        "import resource\nfor limit in (resource.RLIMIT_NOFILE, resource.RLIMIT_AS, resource.RLIMIT_CPU):\n"
        "    resource.prlimit(1, limit, (4, 4))",
    ),
    "slows_its_parent": (
        {"passed"},
        "import ctypes, os\nparent, idle = os.getppid(), os.sched_param(0)\n"
        "for call in (lambda: os.setpriority(os.PRIO_PROCESS, parent, 19), lambda: os.setpriority(os.PRIO_USER, 0, 19),\n"
        "             lambda: os.setpriority(os.PRIO_PGRP, parent, 19), lambda: os.sched_setaffinity(parent, {0}),\n"
        "             lambda: os.sched_setscheduler(parent, os.SCHED_IDLE, idle), lambda: os.sched_setparam(parent, idle)):\n"
        "    try:\n        call()\n    except PermissionError:\n        continue\n    raise AssertionError\n"
        "assert ctypes.CDLL(None).syscall(251, 1, parent, 3 << 13) == -1",
    ),
    "traces_its_parent": (
        {"forbidden"},
        "import ctypes, os\nctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0)",
    ),
    "writes_to_its_parent": (
        {"forbidden"},
        "import ctypes, os\nctypes.CDLL(None).process_vm_writev(os.getppid(), 0, 0, 0, 0, 0)",
    ),
    "opens_its_parents_memory": (
        {"exception"},
        "import os\nopen(f'/proc/{os.getppid()}/mem', 'r+b')",
    ),
    "writes_to_its_own_memory": (
        {"exception"},
        "open('/proc/self/mem', 'r+b')",
    ),
    "takes_what_a_user_has_few_of": (
        {"passed"},
        "import ctypes, fcntl, os\ncall = ctypes.CDLL(None, use_errno=True).syscall\n"
        "for number, *arguments in ((206, 1, ctypes.byref(ctypes.c_ulong())), (253,), (294, 0), (319, b'x', 4), (425, 1, 0)):\n"
        "    assert call(number, *arguments) == -1, number\n"
        "for command in (1024, 1026, 1031):\n    try:\n        fcntl.fcntl(os.pipe()[0], command, 1 << 20)\n"
        "    except OSError:\n        continue\n    raise AssertionError(command)",
    ),
    "opens_its_parents_descriptors": (
        {"exception"},
        "import os\nprint(os.listdir(f'/proc/{os.getppid()}/fd'))",
    ),
    "steals_a_descriptor": (
        {"forbidden", "exception"},
        "import ctypes, os\nctypes.CDLL(None).syscall(438, os.pidfd_open(os.getppid()), 1, 0)",
    ),
    "mounts": ({"forbidden"}, "import ctypes\nctypes.CDLL(None).mount(b'none', b'/tmp', b'tmpfs', 0, 0)"),
    "new_user_namespace": ({"forbidden"}, "import ctypes\nctypes.CDLL(None).unshare(0x10000000)"),
    "leaves_the_root": ({"forbidden"}, "import os\nos.chroot('/tmp')"),
    "foreign_system_calls": ({"forbidden"}, "import ctypes\nctypes.CDLL(None).syscall(0x40000000 + 39)"),
    "reads_host_files": (
        {"passed"},
        "import os\nfor p in ('/etc/shadow', '/etc/passwd', '/root', '/home', '/var', '/sys/kernel', '/proc/1/environ', '/proc/1/root'):\n"
        "    try:\n        os.listdir(p) if os.path.isdir(p) else open(p).read()\n    except OSError:\n        continue\n    raise AssertionError(p)",
    ),
    "reads_the_environment": (
        {"passed"},
        "import os\nassert not [k for k in os.environ if 'KEY' in k or 'TOKEN' in k or 'SECRET' in k or k == 'USER'], os.environ",
    ),
    "lists_processes": (
        {"passed"},
        "import os\nassert sorted(int(n) for n in os.listdir('/proc') if n.isdigit()) == [1, os.getpid()]",
    ),
    "network_in_every_family": (
        {"passed"},
        "import socket, errno\nfor family in range(64):\n    if family in (1, 2, 10):\n        continue\n"
        "    for kind in (1, 2, 3, 5):\n        try:\n            socket.socket(family, kind)\n        except OSError:\n            continue\n"
        "        raise AssertionError((family, kind))",
    ),
    "network_by_tcp_and_udp": (
        {"passed"},
        "import socket\nfor family, kind, address in ((2, 1, ('192.0.2.1', 80)), (2, 2, ('8.8.8.8', 53)), (10, 1, ('2001:db8::1', 80))):\n"
        "    s = socket.socket(family, kind)\n    s.settimeout(1)\n    try:\n        s.connect(address)\n        s.send(b'x')\n"
        "    except TimeoutError:\n        raise AssertionError(address)\n    except OSError:\n        continue\n    raise AssertionError(address)",
    ),
    "raw_socket": ({"exception"}, "import socket\nsocket.socket(2, 3, 1)"),
    "writes_over_the_interpreter": (
        {"passed"},
        "import sys, os\nfor p in (sys.executable, os.__file__, '/opt/slot/zygote.py', '/lib/x86_64-linux-gnu/libc.so.6'):\n"
        "    for mode in ('r+b', 'wb'):\n        try:\n            open(p, mode)\n        except OSError:\n            continue\n        raise AssertionError(p)",
    ),
    "devices": (
        {"passed"},
        "import os\nassert set(os.listdir('/dev')) <= {'null', 'zero', 'full', 'random', 'urandom', 'tty', 'console', 'pts', 'ptmx', 'shm', 'fd', 'core', 'stdin', 'stdout', 'stderr'}, os.listdir('/dev')",
    ),
    "kernel_settings": (
        {"exception"},
        "open('/proc/sys/kernel/core_pattern', 'w').write('x')",
    ),
    "becomes_root": ({"exception"}, "import os\nos.setuid(0)"),
}

FILLING = {
    "memory": ({"memory"}, "x = []\nwhile True:\n    x.append(bytearray(1 << 20))"),
    "memory_of_many": (
        {"memory", "exception", "timeout"},
        "import os, time\nfor _ in range(10):\n    if os.fork() == 0:\n        x = b'x' * (200 << 20)\n        time.sleep(60)\ntime.sleep(60)",
    ),
    "shared_memory_of_many": (
        {"memory"},
        "import mmap, os, time\nfor _ in range(3):\n    if os.fork() == 0:\n        m = mmap.mmap(-1, 100 << 20)\n"
        "        for n in range(0, len(m), 4096):\n            m[n] = 1\n        time.sleep(60)\ntime.sleep(60)",
    ),
    "memory_in_files_without_names": (
        {"memory"},
        "import os, time\nfor n in range(18):\n    os.write(os.memfd_create(str(n)), b'x' * (15 << 20))\ntime.sleep(60)",
    ),
    "directories_of_many": (
        {"memory", "timeout"},
        "import os, time\nfor k in range(8):\n    if os.fork() == 0:\n        for n in range(10 ** 6):\n            os.mkdir(f'/tmp/{k}-{n}')\ntime.sleep(60)",
    ),
    "disk": (
        {"exception"},
        "n = 0\nwhile True:\n    with open(f'/tmp/{n}', 'wb') as f:\n        f.write(b'x' * (8 << 20))\n    n += 1",
    ),
    "one_large_file": (
        {"exception"},
        "with open('/tmp/x', 'wb') as f:\n    while True:\n        f.write(b'x' * (1 << 20))",
    ),
    "many_files": (
        {"exception", "memory", "timeout"},
        "n = 0\nwhile True:\n    open(f'/tmp/{n}', 'w').close()\n    n += 1",
    ),
    "deep_directories": (
        {"exception", "timeout", "passed"},
        "import os\nfor _ in range(3000):\n    os.mkdir('d')\n    os.chdir('d')",
    ),
    "descriptors": ({"exception"}, "f = []\nwhile True:\n    f.append(open('/dev/null'))"),
    "output": ({"output"}, "while True:\n    print('x' * 1000)"),
    "takes_back_its_output": (
        {"passed"},
        "import os\nback = os.open('/proc/self/fd/1', os.O_RDONLY | os.O_NONBLOCK)\nfor _ in range(2000):\n"
        "    os.write(1, b'x')\n    try:\n        os.read(back, 1)\n    except BlockingIOError:\n        pass",
    ),
    "output_to_stderr": ({"output"}, "import sys\nwhile True:\n    sys.stderr.write('x' * 1000)"),
    "recursion": ({"exception"}, "def f():\n    f()\nf()"),
    "recursion_without_limit": (
        {"early_exit", "memory", "exception", "timeout"},
        "import sys\nsys.setrecursionlimit(10 ** 9)\nclass A:\n    def __getattr__(self, n):\n        return getattr(self, n + 'x')\nA().x",
    ),
    "deep_pickle": (
        {"exception", "early_exit", "memory"},
        "import pickle\nx = []\nfor _ in range(100000):\n    x = [x]\npickle.dumps(x)",
    ),
    "deep_source": ({"syntax", "memory", "early_exit"}, "x = " + "(" * 5000 + ")" * 5000),
    "source_that_becomes_gigabytes": (
        {"syntax", "memory", "timeout"},
        "".join(f"{' ' * n}try:\n{' ' * n} a\n{' ' * n}finally:\n" for n in range(19)) + " " * 19 + "a\n",
    ),
    "null_in_source": ({"syntax"}, "x = 1\0"),
    "large_integer": ({"timeout", "memory", "exception"}, "x = 9 ** 9 ** 9"),
    "shared_memory": (
        {"exception", "early_exit"},
        "import ctypes\nif ctypes.CDLL(None).shmget(0, 1 << 20, 0o1777) < 0:\n    raise OSError",
    ),
    "closes_all_descriptors": ({"passed"}, "import os\nos.closerange(0, 64)"),
}

LEAVING = {
    "leaves_a_file": ({"passed"}, "open('/tmp/left', 'w').write('x')"),
    "leaves_a_hidden_tree": (
        {"passed"},
        "import os\nos.makedirs('/tmp/.a/b/c')\nopen('/tmp/.a/b/c/d', 'w').close()\nos.chmod('/tmp/.a/b', 0)\nos.chmod('/tmp/.a', 0)",
    ),
    "leaves_symbolic_links": (
        {"passed"},
        "import os\nos.symlink('/opt', '/tmp/opt')\nos.symlink('/tmp', '/tmp/loop')\nos.symlink('nowhere', '/dev/shm/broken')",
    ),
    "leaves_a_read_only_directory": (
        {"passed"},
        "import os\nos.mkdir('/tmp/r')\nopen('/tmp/r/f', 'w').close()\nos.chmod('/tmp/r', 0o500)",
    ),
    "leaves_attributes": (
        {"exception"},
        "import os\nos.setxattr('/tmp', 'user.left', b'secret')",
    ),
    "leaves_an_access_list": (
        {"exception"},
        "import os\nos.setxattr('/tmp', 'system.posix_acl_default', bytes.fromhex('0200000001000000ffffffff04000000ffffffff20000000ffffffff'))",
    ),
    "leaves_flags_and_a_lock_of_its_input": (
        {"passed"},
        "import fcntl, os\nfcntl.flock(0, fcntl.LOCK_EX)\nfcntl.fcntl(0, fcntl.F_SETFL, os.O_NONBLOCK | os.O_APPEND)",
    ),
    "leaves_a_module": (
        {"passed"},
        "open('random.py', 'w').write('raise SystemExit')\nopen('zipfile.py', 'w').write('raise SystemExit')",
    ),
    "leaves_a_port_in_time_wait": (
        {"passed"},
        "import socket\na = socket.create_server(('127.0.0.1', 8124))\nc = socket.create_connection(('127.0.0.1', 8124))\n"
        "d, _ = a.accept()\nd.send(b'x')\nd.close()\nc.recv(1)\nc.close()\na.close()",
    ),
    "takes_away_the_terminals": ({"passed", "exception"}, "import os\nos.chmod('/dev/pts/ptmx', 0)"),
    "takes_away_the_scratch_space": ({"passed", "exception"}, "import os\nos.chmod('/tmp', 0)"),
}

HOSTILE = {**FORGERIES, **OUTLIVING, **REACHING, **FILLING, **LEAVING}
