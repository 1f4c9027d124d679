"""Variants of programs that fail and try to be judged as passed: each way to fail with each way to leave the judge early."""

# ruff: noqa: E501

import itertools

# What a program does in the end; none of them is a pass.
FAILURES = {
    "assertion": "assert False",
    "exception": "raise ValueError('x')",
    "exit": "import sys\nsys.exit(0)",
    "exit_with_property": "raise type('E', (SystemExit,), {'code': property(lambda self: 1 / 0)})",
    "assertion_with_hooks": (
        "class E(AssertionError):\n    __str__ = __repr__ = lambda self: finish()\n"
        "    def __getattribute__(self, name):\n        return finish()\nraise E"
    ),
    "interrupt": "raise KeyboardInterrupt",
    "generator_exit": "raise GeneratorExit",
    "no_memory": "raise MemoryError",
    "group": "raise BaseExceptionGroup('x', [SystemExit(0)])",
    "c_exit": "import posix\nposix._exit(0)",
    "abort": "import os\nos.abort()",
    "recursion": "def f():\n    f()\nf()",
    "exit_as_of_unittest": """
import sys, types, unittest
class TestProgram:
    def runTests(self):
        raise SystemExit
sys.modules["unittest.main"] = types.SimpleNamespace(TestProgram=TestProgram)
assert sys.modules
TestProgram().runTests()
""",
}
# How `finish` gets called, or the judge is kept from ending the process.
ROUTES = {
    "exception_hook": "import sys\nsys.excepthook = finish\nimport os\nos._exit = lambda code: None",
    "exit_functions": "import atexit, os\natexit.register(finish)\nos._exit = lambda code: None",
    "hook_that_registers": (
        "import atexit, os, sys\nsys.excepthook = lambda *a: atexit.register(finish)\nos._exit = lambda code: None"
    ),
    "builtins": (
        "import atexit, builtins\natexit.register(finish)\n"
        "builtins.BaseException = KeyError\nbuiltins.SystemExit = KeyError"
    ),
    "isinstance": "import atexit, builtins\natexit.register(finish)\nbuiltins.isinstance = finish",
    "traceback": "import traceback\ntraceback.print_exception = finish",
    "threads_end": "import threading, atexit\nthreading._shutdown = finish\natexit._run_exitfuncs = finish",
    "streams": (
        "import sys, os\nclass S:\n    write = flush = finish\nsys.stdout = sys.stderr = S()\n"
        "os._exit = lambda code: None"
    ),
    "write": "import os\nos.write = finish\nos._exit = finish",
    "json": "import json, sys\njson.dumps = finish\nsys.unraisablehook = finish",
    "globals_of_the_judge": (
        "import sys\nf = sys._getframe().f_back\nwhile f:\n    for name, value in list(f.f_globals.items()):\n"
        "        if callable(value) and name not in ('exec', 'finish'):\n            f.f_globals[name] = finish\n"
        "    f = f.f_back"
    ),
    "record_of_tests": """
import builtins, sys
f = sys._getframe().f_back
while f:
    if "observation" in f.f_globals:
        f.f_globals["is_end_of_unittest"] = lambda *a: True
        f.f_globals["observation"] = lambda tests: b'{"empty": false, "evaluated": 1, "failed": [], "not_run": []}\\n'
    f = f.f_back
builtins.__test_failed__ = builtins.__assertion_evaluated__ = builtins.__unittest_ended__ = lambda *a: True
""",
    "modules_of_the_judge": (
        "import gc, sys\nfor each in gc.get_objects():\n    if isinstance(each, dict) and 'ANNOUNCEMENT' in each:\n"
        "        for name in ('report', 'finish', 'join_threads'):\n            each[name] = finish"
    ),
    "trace": (
        "import sys\ndef trace(frame, event, arg):\n    if event in ('exception', 'return'):\n"
        "        for name in list(frame.f_locals):\n            if callable(frame.f_locals[name]):\n"
        "                frame.f_locals[name] = finish\n    return trace\n"
        "f = sys._getframe()\nwhile f:\n    f.f_trace, f.f_trace_opcodes = trace, True\n    f = f.f_back\nsys.settrace(trace)"
    ),
    "jumps": (
        "import sys\ndef trace(frame, event, arg):\n    for line in range(1, 300):\n        try:\n"
        "            frame.f_lineno = line\n        except Exception:\n            pass\n    return trace\n"
        "f = sys._getframe().f_back\nwhile f:\n    f.f_trace = trace\n    f = f.f_back\nsys.settrace(lambda *a: None)"
    ),
    "profile": "import sys, os\nos._exit = lambda code: None\nsys.setprofile(lambda f, e, a: finish() if e == 'return' else None)",
    "finalizer": (
        "import os, sys\nclass D:\n    __del__ = finish\nf = sys._getframe().f_back\nd = D()\n"
        "while f:\n    f.f_globals['left'] = d\n    f = f.f_back\ndel d\nos._exit = lambda code: None"
    ),
    "timer": (
        "import signal, os\nsignal.signal(signal.SIGALRM, finish)\nsignal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)\n"
        "os._exit = lambda code: None"
    ),
    "timer_that_raises": (
        "import signal, os\ndef handler(*a):\n    raise SystemExit(0)\nsignal.signal(signal.SIGALRM, handler)\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)\nos._exit = lambda code: None"
    ),
    "forked_child": "import os\nif os.fork() == 0:\n    finish()",
    "forked_parent": "import os\nif os.fork():\n    os.wait()\nelse:\n    raise ValueError",
    "thread": "import threading, os\nthreading.Thread(target=finish, daemon=True).start()\nos._exit = lambda code: None",
    "executed_file": "import os, sys\nos.write(3, b'{}\\n')\nos.execv(sys.executable, [sys.executable, '-c', 'import signal; signal.pause()'])",
}
# What `finish` does.
ENDINGS = {
    "pauses": "import signal\ndef finish(*a, **k):\n    while True:\n        signal.pause()",
    "announces_and_pauses": (
        "import os, signal\ndef finish(*a, _write=os.write, **k):\n    _write(3, b'{}\\n' * 3)\n    while True:\n        signal.pause()"
    ),
    # Finds out from a fork where a program at its end has its stack, and imitates that with chains of C functions.
    "imitates_the_stack": """
import functools, itertools, operator, os, signal, time
def place(pid):
    for _ in range(200):
        words = open(f'/proc/{pid}/syscall').read().split()
        if words[0] in ('34', '73', '271'):
            return int(words[-2], 16)
        time.sleep(0.0005)
_fork, _kill, _wait, _write, _pid = os.fork, os.kill, os.waitpid, os.write, os.getpid
_child = _fork()
if _child == 0:
    raise_nothing = True
else:
    target = place(_child)
    _kill(_child, 9)
    _wait(_child, 0)
    ways = [lambda f: f.__call__, staticmethod, functools.partial, lambda f: functools.lru_cache(None)(f),
            lambda f: functools.partial(operator.call, f), lambda f: functools.partial(next, iter(f, 0)), lambda f: (lambda: f())]
    def probe(f):
        pid = _fork()
        if not pid:
            f()
            _kill(_pid(), 9)
        found = place(pid)
        _kill(pid, 9)
        _wait(pid, 0)
        return found
    def finish(*a, **k):
        for length in range(5):
            for chain in itertools.product(ways, repeat=length):
                f = signal.pause
                for way in chain:
                    f = way(f)
                if probe(f) == target:
                    _write(3, b'{}\\n')
                    while True:
                        f()
""",
}


def variants():
    """Yield names and texts of all variants."""
    for (failure, fails), (route, leaves), (ending, ends) in itertools.product(
        FAILURES.items(), ROUTES.items(), ENDINGS.items()
    ):
        if ending == "imitates_the_stack":
            # Its fork runs to the regular end, so the rest is the parent's.
            rest = "\n".join(f"    {line}" for line in f"{leaves}\n{fails}".splitlines())
            yield f"{failure}, {route}, {ending}", f"{ends}\nif _child:\n{rest}\n"
        else:
            yield f"{failure}, {route}, {ending}", f"{ends}\n{leaves}\n{fails}\n"
