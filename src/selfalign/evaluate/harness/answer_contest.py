"""Run a LiveCodeBench answer: a program on its inputs, or a predicted value. Runs inside the sandbox of answers.

A program gets its inputs through standard input or by calls. A prediction is an expression, which is evaluated.

As in the benchmark, common modules are imported in advance. The outputs are compared elsewhere (``judge_contest``). The
results are one for the definition of the solution, then one for each input; the first exception is the last result.
"""

import ast
import atexit
import contextlib
import importlib
import io
import json
import os
import re
import sys
import threading

from selfalign.evaluate.harness import values
from selfalign.evaluate.harness.common import Results, cpu_time_limit, discarded_output

STAR_IMPORTS = """
string re datetime collections heapq bisect copy math random statistics
itertools functools operator io sys json builtins typing
""".split()  # noqa: SIM905 - shorter than a list of strings
# Further names that the code of the execution scenario may use.
LIBRARIES = {"np": "numpy", "pd": "pandas"}
# The limits of the benchmark's own harness.
RECURSION_LIMIT = 50_000
INTEGER_DIGITS = 50_000
PIPE_BYTES = 1 << 16


def main():
    """Run the solution given on standard input; report its outputs.

    The job has ``code``, ``function`` (None: the code is a program), ``inputs`` and ``limit`` (seconds of CPU time for each);
    or ``prediction``, ``call`` (see :func:`prediction_from_value`; None: see :func:`prediction_from_assertion`), ``code``
    that the prediction may use, and ``limit``.
    """
    job = json.loads(sys.stdin.read())
    results = Results()
    sys.setrecursionlimit(RECURSION_LIMIT)
    sys.set_int_max_str_digits(INTEGER_DIGITS)
    try:
        if "prediction" in job:
            with cpu_time_limit(job["limit"]), discarded_output():
                found = predicted_value(job)
            results.value("null")
            results.value(values.dumps(found))
            results.end()
        code = compile(job["code"], "answer", "exec")
        call = entry(code, job["function"]) if job["function"] else None
        results.value("null")
        for given in job["inputs"]:
            with cpu_time_limit(job["limit"]):
                found = output_of_call(call, given) if call else output_of_program(code, given)
            results.value(values.dumps(found))
    except BaseException as error:
        results.error(error)
    results.end()


def predicted_value(job):
    """Return the value of a prediction.

    Args:
        job: see :func:`main`.

    Raises:
        ValueError: the prediction has another form than one expression.
    """
    names: dict = {}
    if job["call"] is None:
        expression = prediction_from_assertion(job["prediction"])
    else:
        expression = prediction_from_value(job["prediction"], job["call"])
        names = namespace("answer")
        names |= {"commonprefix": os.path.commonprefix, "re_search": re.search}
        for name, library in LIBRARIES.items():
            if re.search(
                rf"\b{name}\b", f"{job['code']}\n{job['prediction']}"
            ):  # importing pandas takes long
                names[name] = importlib.import_module(library)
        exec(job["code"], names)
    return eval(compile(expression, "answer", "eval"), names)


def prediction_from_assertion(text):
    """Return the expression that an answer of the test-output scenario predicts.

    It is the right side of the equality in the first line that asserts one, or the whole text if it asserts nothing.

    Args:
        text: line or lines of the answer.

    Raises:
        ValueError: the assertion is not an equality.
        SyntaxError: it is not Python.
    """
    lines = text.splitlines()
    if len(lines) > 1:
        text = next((line for line in lines if "assert" in line and not line.startswith("#")), text)
    text = text.strip()
    if "assert" not in text:
        return text
    statement = next(iter(ast.parse(text).body), None)
    test = statement.test if isinstance(statement, ast.Assert) else None
    if not isinstance(test, ast.Compare) or not isinstance(test.ops[0], ast.Eq):
        raise ValueError("expected an assertion of an equality")
    return ast.Expression(test.comparators[0])


def prediction_from_value(text, call):
    """Return the expression that an answer of the execution scenario predicts.

    Args:
        text: the expression.
        call: the call whose value is predicted, which the expression must not contain.

    Raises:
        ValueError: the expression contains the call, or is more than the right side of an equality.
        SyntaxError: it is not Python.
    """
    if call in text:
        raise ValueError("the prediction contains the call")
    (statement,) = ast.parse(f"assert _ == {text}").body
    test = statement.test if isinstance(statement, ast.Assert) else None
    if not isinstance(test, ast.Compare) or len(test.ops) > 1:
        raise ValueError("expected one expression")
    return ast.Expression(test.comparators[0])


def namespace(name):
    """Return the globals that a solution runs in.

    Args:
        name: value of ``__name__``.
    """
    names: dict = {"__name__": name}
    exec("\n".join(f"from {module} import *\nimport {module}" for module in STAR_IMPORTS), names)
    return names


def entry(code, function):
    """Return the function under test: a method of ``Solution``, or a function.

    Args:
        code: compiled solution.
        function: name of the function.
    """
    names = namespace("answer")
    with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), encoding="utf-8")):
        exec(code, names)
        return getattr(names["Solution"](), function) if "Solution" in names else names[function]


def output_of_call(call, given):
    """Return what a call returns.

    Args:
        call: the function under test.
        given: one JSON argument per line.
    """
    arguments = [json.loads(line) for line in given.split("\n")]
    with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), encoding="utf-8")):
        return call(*arguments)


def output_of_program(code, given):
    """Return what the program writes to standard output.

    Args:
        code: compiled solution.
        given: the standard input.
    """
    with standard_streams(given.encode()) as written:
        with contextlib.suppress(SystemExit):
            exec(code, namespace("__main__"))
        atexit._run_exitfuncs()  # some solutions write their output there
    return written.decode("utf-8", "replace")


@contextlib.contextmanager
def standard_streams(given):
    """Let file descriptors 0 and 1, and the files of `sys`, be an input and an output, as when a program is started.

    Args:
        given: bytes to read from standard input.

    Yields:
        a bytearray, which has what was written to standard output after the block.
    """
    before = sys.stdin, sys.stdout
    saved = os.dup(0), os.dup(1)
    written = bytearray()
    (source, feed), (drain, target) = os.pipe(), os.pipe()
    for pipe, descriptor in ((source, 0), (target, 1)):
        os.dup2(pipe, descriptor)
        os.close(pipe)
    threads = [
        threading.Thread(target=write_all, args=(feed, given), daemon=True),
        threading.Thread(target=read_all, args=(drain, written), daemon=True),
    ]
    for thread in threads:
        thread.start()
    stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdin, sys.stdout = stdin, stdout
    try:
        yield written
    finally:
        for stream in (sys.stdout, stdout, sys.__stdout__):
            with contextlib.suppress(Exception):
                stream.flush()  # pyright: ignore[reportOptionalMemberAccess]
        sys.stdin, sys.stdout = before
        for descriptor, original in enumerate(saved):
            os.dup2(original, descriptor)
            os.close(original)
        for thread in threads:
            thread.join()


def write_all(descriptor, data):
    """Write bytes to a pipe, until its reader goes away, and close it.

    Args:
        descriptor: of the pipe.
        data: the bytes.
    """
    view = memoryview(data)
    with contextlib.suppress(OSError):
        while view:
            view = view[os.write(descriptor, view[:PIPE_BYTES]) :]
    os.close(descriptor)


def read_all(descriptor, data):
    """Read from a pipe until its end, and close it.

    Args:
        descriptor: of the pipe.
        data: bytearray to add to.
    """
    while piece := os.read(descriptor, PIPE_BYTES):
        data += piece
    os.close(descriptor)
