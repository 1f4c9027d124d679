"""Order, retries, limits and the end of the pool; hostile programs are in test_hostile."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from selfalign.core.errors import ConfigError, InfrastructureError
from selfalign.sandbox import Limits, Pool, Program, Verdict, open_pool
from selfalign.sandbox.pool import processors_of
from selfalign.sandbox.runtimes import find_runtime
from selfalign.sandbox.seccomp import seccomp_filter
from selfalign.sandbox.slot import Slot, SlotDied

SHORT = Limits(wall_s=5.0, cpu_s=1.0, memory_mb=512)
STATUSES = {
    "passed": "assert True",
    "assertion": "assert False",
    "exception": "1 / 0",
    "syntax": "x = = 1",
    "timeout": "while True:\n    pass",
    "memory": "x = [0] * 10 ** 9",
    "output": "print('x' * 10 ** 6)",
    "early_exit": "import sys\nsys.exit(0)",
    "forbidden": "import os\nos.chroot('/')",
}


@pytest.mark.parametrize("runtime", ["bubblewrap", "none"])
def test_every_status(runtime):
    programs = [Program(status, source) for status, source in STATUSES.items()]
    with open_pool(runtime, workers=2, limits=SHORT) as pool:
        verdicts = list(pool.run(programs))
    assert [verdict.key for verdict in verdicts] == list(STATUSES)
    assert {verdict.key: verdict.status for verdict in verdicts} == {status: status for status in STATUSES}
    assert {verdict.runtime for verdict in verdicts} == {runtime}
    assert all("sha256:" in verdict.image for verdict in verdicts)


def test_output_of_every_size_and_what_is_left_behind():
    sizes = (1, 1023, 1024, 1025, 70_000)
    sources = {
        **{f"{size}": f"print('x' * {size}, end='')" for size in sizes},
        "no text": "import sys\nsys.stderr.buffer.write(b'\\xff')\nsys.stderr.flush()\nassert False",
        "leaves": "import os\nopen('/tmp/left', 'w').close()\nos.fork()",
        "reads": "print(input())\nimport __main__, inspect\n"
        "assert inspect.getsource(inspect.currentframe()).startswith('print')",
        "killed": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
        "late": "import time\ntime.sleep(0.1)\nprint('late')",
    }
    programs = [Program(key, source, stdin="given") for key, source in sources.items()] * 2
    with open_pool("bubblewrap", workers=1, limits=SHORT) as pool:
        verdicts = list(pool.run(programs))
    assert [verdict.key for verdict in verdicts] == [*sources] * 2
    for verdict in verdicts:
        expected = {"no text": ("assertion", "AssertionError"), "killed": ("early_exit", "SIGKILL")}
        assert (verdict.status, verdict.error) == expected.get(verdict.key, ("passed", None))
        printed = {**{f"{size}": "x" * size for size in sizes}, "reads": "given\n", "late": "late\n"}
        assert verdict.stdout == printed.get(verdict.key, "")
    assert verdicts[5].stderr.startswith("\N{REPLACEMENT CHARACTER}Traceback")


def test_output_over_the_limit_is_seen_however_the_program_ends():
    # It ends while less is in the pipe than a pipe holds, but more than may still come.
    limits = replace(SHORT, output_kb=20)
    programs = [
        Program(str(n), f"import os\nos.write(1 + {n} % 2, b'x' * 21_000)\n{end}")
        for n, end in enumerate(["", "assert False", "os._exit(0)", "raise SystemExit"] * 10)
    ]
    with open_pool("bubblewrap", workers=2, limits=limits) as pool:
        assert {verdict.status for verdict in pool.run(programs)} == {"output"}


def test_verdicts_come_in_input_order_without_waiting_for_the_slow():
    programs = [Program(str(n), "import time\ntime.sleep(0.5)" if n % 20 == 0 else "") for n in range(60)]
    with open_pool("bubblewrap", workers=2, limits=SHORT) as pool:
        assert [verdict.key for verdict in pool.run(iter(programs))] == [str(n) for n in range(60)]


def test_input_output_and_measurements():
    source = "import sys\nprint(sys.stdin.read()[::-1])\nx = b'x' * (100 << 20)\nsum(range(10 ** 6))"
    with open_pool("bubblewrap", workers=1, limits=SHORT) as pool:
        (verdict,) = pool.run([Program("x", source, stdin="olleh")])
    assert (verdict.status, verdict.stdout, verdict.exit_code) == ("passed", "hello\n", 0)
    assert verdict.peak_memory_mb > 100
    assert 0 < verdict.cpu_s <= verdict.wall_s + 0.1


def test_a_program_has_its_own_limits():
    with open_pool("bubblewrap", workers=1, limits=SHORT) as pool:
        slow = Program("slow", "import time\ntime.sleep(5)", limits=Limits(wall_s=0.5, memory_mb=512))
        assert next(pool.run([slow])).error == "wall"


@pytest.mark.parametrize("runtime", ["bubblewrap", "none"])
def test_a_slot_has_room_for_its_largest_program(runtime):
    # More than a slot for the usual programs has, its spare room included.
    large, source = Limits(wall_s=60, cpu_s=30, memory_mb=1536, processes=64), "x = b'x' * (1152 << 20)"
    with open_pool(runtime, workers=1, limits=SHORT, most=large) as pool:
        assert next(pool.run([Program("large", source, limits=large)])).status == "passed"
        assert next(pool.run([Program("usual", source)])).status == "memory"
        for beyond in (replace(large, memory_mb=1537), replace(large, processes=65)):
            with pytest.raises(ConfigError, match=r"beyond: wants .* allowed: 1536 MiB and 64"):
                next(pool.run([Program("beyond", "", limits=beyond)]))
        assert next(pool.run([Program("next", "")])).status == "passed"


def test_a_slot_that_dies_is_replaced_and_its_program_run_elsewhere():
    others = descendants(os.getpid())  # another test's browser
    with open_pool("bubblewrap", workers=1, limits=SHORT) as pool:
        assert next(pool.run([Program("a", "")])).status == "passed"
        for pid in {*descendants(os.getpid())} - {*others}:
            os.kill(pid, signal.SIGKILL)
        assert next(pool.run([Program("b", "")])).status == "passed"
        assert pool.restarts == 1


class Mortal:
    """A slot that dies of some programs: of ``bomb`` unless it is compiled apart, of ``poison`` in any case."""

    runtime, image, environment = "mortal", "sha256:0", "build"

    def __init__(self, processor):
        self.processor = processor
        self.alive = True

    def run_many(self, programs, *, apart=False):
        for program, _ in programs:
            assert self.alive
            if program.key == "poison" or (program.key == "bomb" and not apart):
                self.alive = False
                raise SlotDied("it died")
            yield Verdict(program.key, "passed", None, "", "", 0.0, 0.0, 0.0, self.runtime, self.image)

    def close(self):
        self.alive = False


@pytest.mark.parametrize("workers", [1, 3])
def test_what_a_slot_dies_of_is_tried_apart_and_harms_no_other(workers):
    keys = ["bomb" if n == 21 else "poison" if n in (22, 40) else str(n) for n in range(60)]
    pool = Pool(Mortal, workers, SHORT, SHORT)
    verdicts = list(pool.run(Program(key, "") for key in keys))
    pool.close()
    assert [verdict.key for verdict in verdicts] == keys
    for verdict in verdicts:
        assert verdict.status == ("forbidden" if verdict.key == "poison" else "passed")
    assert pool.restarts == 1 + 2 * 3


def test_a_program_is_not_judged_by_the_deaths_of_slots_that_die_of_everything():
    class Dying(Mortal):
        def run_many(self, programs, *, apart=False):
            if any(program.key in ("poison", "innocent") for program, _ in programs):
                raise SlotDied("it died", out_of_memory=True)
            yield from super().run_many(programs, apart=apart)

    pool = Pool(Dying, 1, SHORT, SHORT)
    verdicts = list(pool.run(Program(key, "") for key in ("a", "poison", "b")))
    pool.close()
    assert [verdict.status for verdict in verdicts] == ["passed", "infrastructure", "passed"]


def test_a_slot_is_replaced_after_a_program_whose_traces_stay():
    leaves = "import os\nos.makedirs('a/b')\nfor n in range(3000):\n    os.mkdir(f'a/b/{n}')"
    time_wait = (
        "import socket\na = socket.create_server(('127.0.0.1', 8124))\n"
        "c = socket.create_connection(('127.0.0.1', 8124))\nd, _ = a.accept()\n"
        "d.send(b'x'); d.close(); c.recv(1); c.close(); a.close()"
    )
    listens = (
        "import os, socket\nassert os.listdir() == []\nsocket.create_server(('127.0.0.1', 8124)).close()"
    )
    programs = [Program(str(n), text) for n, text in enumerate([leaves, time_wait, listens] * 8)]
    with open_pool("bubblewrap", workers=1, limits=SHORT) as pool:
        assert [(v.key, v.status) for v in pool.run(programs)] == [(str(n), "passed") for n in range(24)]
        assert pool.restarts == 0


def test_slots_stay_on_processors_of_their_own_where_they_are_enough(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5})
    assert processors_of(1) == [None]
    assert processors_of(2) == [3, 5]
    assert processors_of(3) == [3, 5, 3]


def test_programs_run_on_the_processor_of_their_slot():
    ours = sorted(os.sched_getaffinity(0))
    source = f"import os\nassert sorted(os.sched_getaffinity(0)) == {ours[-1:]}"
    slot = Slot(find_runtime("bubblewrap"), SHORT, processor=ours[-1])
    assert slot.run(Program("a", source), SHORT).status == "passed"
    slot.close()
    slot = Slot(find_runtime("bubblewrap"), SHORT)
    assert slot.run(Program("a", source.replace(str(ours[-1:]), str(ours))), SHORT).status == "passed"
    slot.close()


def test_a_pool_closed_early_runs_no_more():
    pool = Pool(Mortal, 1, SHORT, SHORT)
    verdicts = pool.run(Program(str(n), "") for n in range(1000))
    assert next(verdicts).key == "0"
    verdicts.close()
    pool.close()
    with pytest.raises(RuntimeError):
        pool._threads.submit(int)


def test_large_programs_and_answers_do_not_wait_for_each_other():
    limits = replace(SHORT, output_kb=1024)
    text = "é" * 20_000
    programs = [
        Program(str(n), f"x = '{text}'\nprint(x[:{n}] * 20)" if n % 3 else "print('y' * 300_000)")
        for n in range(48)
    ]
    with open_pool("bubblewrap", workers=2, limits=limits) as pool:
        for n, verdict in enumerate(pool.run(programs)):
            assert verdict.status == "passed"
            assert verdict.stdout == ("é" * n * 20 if n % 3 else "y" * 300_000) + "\n"


def test_a_program_is_compiled_with_its_own_warnings_and_lines():
    source = "import inspect\ndef f():\n    return 1 is 1\nassert inspect.getsource(f).endswith('1 is 1\\n')\nassert not f()"
    with open_pool("bubblewrap", workers=1, limits=SHORT) as pool:
        (verdict,) = pool.run([Program("x", source)])
    assert verdict.status == "assertion"
    assert verdict.stderr.startswith("<program>:3: SyntaxWarning")
    assert "    assert not f()\n" in verdict.stderr


def test_what_is_not_text_is_replaced_in_output():
    with open_pool("bubblewrap", workers=1, limits=SHORT) as pool:
        (verdict,) = pool.run([Program("x", "import os\nos.write(1, b'a\\xff\\xed\\xb3\\xbfb')")])
    assert verdict.stdout == b"a\xff\xed\xb3\xbfb".decode("utf-8", "replace")


def test_the_same_numbers_at_random_in_every_program():
    source = "import random\nprint(random.random())"
    with open_pool("bubblewrap", workers=2, limits=SHORT) as pool:
        found = {verdict.stdout for verdict in pool.run([Program(str(n), source) for n in range(20)])}
    assert found == {f"{random.Random(0).random()}\n"}


def test_a_killed_supervisor_leaves_nothing():
    marker = f"selfalign-{os.getpid()}-{time.monotonic_ns()}"
    script = (
        "from selfalign.sandbox import *\n"
        f"source = 'import os, time\\nos.setsid() if os.fork() == 0 else None\\ntime.sleep(50)  # {marker}'\n"
        "with open_pool('bubblewrap', workers=2, limits=Limits(wall_s=60)) as pool:\n"
        "    runs = pool.run([Program(str(n), source) for n in range(2)])\n"
        "    print('open', flush=True)\n"
        "    next(runs)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"open\n"
    deadline = time.monotonic() + 20
    while len(below := descendants(process.pid)) < 6 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(below) >= 6  # two slots: bwrap, zygote, program and its child
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 10
    while (left := {pid for pid in below if is_alive(pid)}) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == set()


def test_unknown_runtime_is_one_clear_line():
    with pytest.raises(ConfigError, match=r"'execution.runtime' is 'dokcer'; allowed: auto, "):
        open_pool("dokcer").__enter__()


@pytest.mark.parametrize("runtime", ["bubblewrap", "none", "http://127.0.0.1:9"])
def test_an_image_is_refused_where_there_is_no_container_engine(runtime):
    with pytest.raises(ConfigError, match=r"'execution.image' .* is 'x', but 'execution.runtime' is"):
        open_pool(runtime, image="x").__enter__()


def test_same_verdicts_on_a_busy_machine():
    programs = [Program(f"{n}", list(STATUSES.values())[n % len(STATUSES)]) for n in range(27)]
    programs.append(Program("half its time", "import time\nwhile time.process_time() < 0.4:\n    pass"))
    with open_pool("bubblewrap", workers=2, limits=SHORT) as pool:
        idle = [verdict.status for verdict in pool.run(programs)]
        spin = "import time\nend = time.time() + 60\nwhile time.time() < end: pass"
        busy = [subprocess.Popen([sys.executable, "-c", spin]) for _ in range(os.cpu_count() or 2)]
        try:
            assert [verdict.status for verdict in pool.run(programs)] == idle
        finally:
            for process in busy:
                process.kill()
                process.wait()
    assert idle == [*(list(STATUSES) * 3), "passed"]


def test_cpu_time_is_what_ran_and_not_whom_the_clock_met():
    # Beside processes that run for less than a tick, the kernel's own count goes up to twice as fast.
    limits = Limits(wall_s=30.0, cpu_s=2.0, memory_mb=512)
    with (
        open_pool("bubblewrap", workers=1, limits=limits) as pool,
        open_pool("bubblewrap", workers=os.cpu_count()) as others,
    ):
        spin = pool.run([Program("spin", "while True:\n    pass")])
        spinning = threading.Thread(target=lambda: seen.append(next(spin)))
        seen: list[Verdict] = []
        spinning.start()
        while spinning.is_alive():
            assert all(verdict.status == "passed" for verdict in others.run([Program("short", "")] * 200))
    (verdict,) = seen
    assert (verdict.status, verdict.error) == ("timeout", "cpu")
    assert verdict.cpu_s == pytest.approx(2.0, abs=0.2)


@pytest.mark.soak
def test_twenty_thousand_programs():
    """5 % hostile: every verdict right, no slot lost, memory flat."""
    usual = ["passed"] * 14 + ["assertion", "exception", "syntax", "passed", "passed"]
    hostile = ["early_exit", "forbidden", "memory", "output"]

    def statuses():
        for number in range(20_000):
            yield hostile[number // 20 % 4] if number % 20 == 0 else usual[number % 19]

    programs = (Program(status, STATUSES[status]) for status in statuses())
    with open_pool("bubblewrap", limits=SHORT) as pool:
        memory = []
        for number, (verdict, expected) in enumerate(zip(pool.run(programs), statuses(), strict=True)):
            assert verdict.status == expected, (number, verdict)
            if number in (2_000, 19_999):
                memory.append(sum(map(resident_mb, [os.getpid(), *descendants(os.getpid())])))
        assert pool.restarts == 0
    assert memory[1] < memory[0] * 1.2 + 20


def test_an_image_with_another_version_of_the_guest_is_refused(monkeypatch):
    monkeypatch.setattr("selfalign.sandbox.slot.guest_files", lambda: {"zygote.py": "another"})
    with pytest.raises(InfrastructureError, match="another version of the sandbox; build its image again"):
        open_pool("bubblewrap", workers=1).__enter__()


def test_the_filter_knows_its_processors():
    assert len(seccomp_filter("x86_64")) % 8 == 0
    assert seccomp_filter("x86_64") != seccomp_filter("aarch64")


def descendants(pid):
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *descendants(child)]
    return found


def is_alive(pid):
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def resident_mb(pid):
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 2**20
    except OSError:
        return 0.0
