"""Answers to LiveCodeBench tasks that we wrote, for which our verdicts are compared with those of nvidia-livecodebench.

A record has an ``id``, a ``scenario``, an ``answer`` and the fields of its task: ``cases`` (pairs of input and output) and
``function``; ``output`` for a predicted test output; ``code``, ``call`` and ``output`` for a predicted execution.
"""

# ruff: noqa: E501 - a program is a line

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from itertools import product
from typing import Any

Record = dict[str, Any]

PROGRAMS, TEST_OUTPUTS, EXECUTIONS = "codegeneration", "testoutputprediction", "codeexecution"

# Two inputs, so that a program has to read its standard input anew.
SUMS = [("3\n1 2 3\n", "6\n"), ("2\n-5 10\n", "5\n")]
READERS = {
    "input": "n = int(input())\na = list(map(int, input().split()))",
    "readline": "import sys\nn = int(sys.stdin.readline())\na = [int(x) for x in sys.stdin.readline().split()]",
    "readline as input": "import sys\ninput = sys.stdin.readline\nn = int(input())\na = list(map(int, input().split()))",
    "read": "import sys\nn, *a = map(int, sys.stdin.read().split())",
    "readlines": "import sys\na = list(map(int, sys.stdin.readlines()[1].split()))",
    "iteration": "import sys\na = [int(x) for line in list(sys.stdin)[1:] for x in line.split()]",
    "buffer read": "import sys\nn, *a = map(int, sys.stdin.buffer.read().split())",
    "buffer readline": "import sys\nsys.stdin.buffer.readline()\na = list(map(int, sys.stdin.buffer.readline().split()))",
    "buffer as input": "import sys\ninput = sys.stdin.buffer.readline\ninput()\na = list(map(int, input().split()))",
    "open(0)": "n, *a = map(int, open(0).read().split())",
    "open(0) lines": "a = list(map(int, open(0).readlines()[1].split()))",
    "open(0) iteration": "a = [int(x) for line in list(open(0))[1:] for x in line.split()]",
    "open(0, 'rb')": "n, *a = map(int, open(0, 'rb').read().split())",
    "os.read": "import os\nn, *a = map(int, os.read(0, 1 << 20).split())",
    "os.fdopen": "import os\nn, *a = map(int, os.fdopen(os.dup(0)).read().split())",
    "fileinput": "import fileinput\na = [int(x) for line in list(fileinput.input(files='-'))[1:] for x in line.split()]",
    "input until the end": (
        "a = []\ntry:\n    input()\n    while True:\n        a += map(int, input().split())\nexcept EOFError:\n    pass"
    ),
    "a walrus": "import sys\nsys.stdin.readline()\na = []\nwhile (line := sys.stdin.readline()):\n    a += map(int, line.split())",
}
WRITERS = {
    "print": "print({})",
    "stdout.write": "import sys\nsys.stdout.write(str({}))",
    "stdout.buffer": "import sys\nsys.stdout.buffer.write(str({}).encode())",
    "os.write": "import os\nos.write(1, str({}).encode())",
}


def _readers() -> Iterator[Record]:
    for (reader, head), (writer, tail) in product(READERS.items(), WRITERS.items()):
        yield _program(f"{reader}, {writer}", SUMS, f"{head}\n{tail.format('sum(a)')}\n")
    for reader, head in READERS.items():
        yield _program(f"{reader}, wrong", SUMS, f"{head}\nprint(sum(a) + 1)\n")


# What a program may write where something is expected: as written, and expected.
OUTPUTS = {
    "equal": ("6", "6"),
    "line break at the end": ("6\n", "6"),
    "expected line break at the end": ("6", "6\n"),
    "several line breaks at the end": ("6\n\n\n", "6"),
    "empty line at the beginning": ("\n6", "6"),
    "empty line between": ("1\n\n2", "1\n2"),
    "trailing blank": ("1 2 3 ", "1 2 3"),
    "trailing blanks in each line": ("1 \n2  \n3\t\n", "1\n2\n3"),
    "leading blank": ("  1 2", "1 2"),
    "tab between numbers": ("1\t2", "1 2"),
    "two blanks between numbers": ("1  2", "1 2"),
    "two blanks between words": ("a  b", "a b"),
    "carriage returns": ("1\r\n2\r\n", "1\n2"),
    "one line for two": ("1 2", "1\n2"),
    "two lines for one": ("1\n2", "1 2"),
    "a line too few": ("1", "1\n2"),
    "a line too many": ("1\n2\n3", "1\n2"),
    "nothing": ("", "6"),
    "nothing expected": ("6", ""),
    "nothing at all": ("", ""),
    "blanks for nothing": (" \n ", ""),
    "other case": ("Yes", "YES"),
    "word": ("Yes", "Yes"),
    "other word": ("Yes", "No"),
    "number for word": ("1", "Yes"),
    "word for number": ("one", "1"),
    "float for integer": ("6.0", "6"),
    "integer for float": ("6", "6.0"),
    "more digits": ("0.50", "0.5"),
    "no leading zero": (".5", "0.5"),
    "exponent": ("5e-1", "0.5"),
    "capital exponent": ("1E3", "1000"),
    "plus": ("+5", "5"),
    "leading zeros": ("005", "5"),
    "underscore": ("1_000", "1000"),
    "comma": ("1,000", "1000"),
    "decimal comma": ("0,5", "0.5"),
    "hexadecimal": ("0x10", "16"),
    "negative zero": ("-0.0", "0"),
    "last digit of a float": ("0.3333333333333333", "0.3333333333333334"),
    "rounded float": ("0.333333", "0.3333333333"),
    "sum of floats": ("0.30000000000000004", "0.3"),
    "large integers apart": ("50000000000000001", "50000000000000000"),
    "large integer as float": ("5e16", "50000000000000000"),
    "very large exponent": ("1e400", "10e399"),
    "NaN for NaN": ("nan", "nan"),
    "NaN otherwise written": ("NaN", "nan"),
    "infinity": ("inf", "Infinity"),
    "infinity and a number": ("inf", "1"),
    "several numbers": ("1 2.50 3", "1.0 2.5 3"),
    "several numbers, one wrong": ("1 2.5 4", "1.0 2.5 3"),
    "a number too many": ("1 2 3", "1 2"),
    "numbers and a word": ("1.0 a", "1 a"),
    "equal with a word": ("1 a", "1 a"),
    "several answers in another order": ("2 1", "1 2"),
    "several answers in other lines": ("2\n1", "1\n2"),
    "Arabic digits": ("٦", "6"),
    "full-width digits": ("６", "6"),
    "quoted": ("'a'", "a"),
    "list": ("[1, 2]", "[1,2]"),
    "no-break blank at the end": ("6\u00a0", "6"),
    "form feed at the end": ("6\f", "6"),
    "form feed between": ("1\f2", "1 2"),
    "vertical tab in a line": ("1\v2", "1\v2"),
    "accents": ("é", "é"),
    "emoji": ("🙂", "🙂"),
    "decomposed accents": ("e\u0301", "é"),
    "null character": ("6\0", "6"),
    "5,000 digits": ("9" * 5000, "9" * 5000),
    "5,000 digits, last one wrong": ("9" * 4999 + "8", "9" * 5000),
    "5,000 digits as a float": ("9" * 5000 + ".0", "9" * 5000),
    "60,000 digits": ("1" * 60_000, "1" * 60_000),
    "many lines": ("7\n" * 20_000, "7\n" * 20_000),
    "many lines, last one wrong": ("7\n" * 20_000 + "8", "7\n" * 20_001),
}
DIGITS = (4300, 4301, 20_000, 50_000)
OTHER_PROGRAMS = {
    "main guard": "def main():\n    input()\n    print(sum(map(int, input().split())))\n\nif __name__ == '__main__':\n    main()\n",
    "main guard in double quotes": 'def main():\n    input()\n    print(sum(map(int, input().split())))\n\nif __name__ == "__main__":\n    main()\n',
    "no call of main": "def main():\n    input()\n    print(sum(map(int, input().split())))\n",
    "statement after the guard": "if __name__ == '__main__':\n    input()\nprint(sum(map(int, input().split())))\n",
    "global variable": "total = 0\ndef add(x):\n    global total\n    total += x\ninput()\nfor x in input().split():\n    add(int(x))\nprint(total)\n",
    "function that reads a variable of the program": "def total():\n    return sum(a)\ninput()\na = list(map(int, input().split()))\nprint(total())\n",
    "recursion": "def total(a):\n    return a[0] + total(a[1:]) if a else 0\ninput()\nprint(total(list(map(int, input().split()))))\n",
    "deep recursion": "def deep(n):\n    return 0 if n == 0 else 1 + deep(n - 1)\ninput()\nprint(sum(map(int, input().split())) + deep(9000) - 9000)\n",
    "class": "class Sum:\n    def __init__(self):\n        input()\n        self.a = list(map(int, input().split()))\nprint(sum(Sum().a))\n",
    "class Solution": "class Solution:\n    def total(self, a):\n        return sum(a)\ninput()\nprint(Solution().total(map(int, input().split())))\n",
    "lambda": "total = lambda a: sum(a)\ninput()\nprint(total(map(int, input().split())))\n",
    "comprehension of a function": "f = lambda x: int(x)\ninput()\nprint(sum(f(x) for x in input().split()))\n",
    "names of the standard library": "input()\nprint(reduce(add, map(int, input().split())))\n",
    "Counter": "input()\nprint(sum(k * v for k, v in Counter(map(int, input().split())).items()))\n",
    "gcd": "input()\nprint(sum(map(int, input().split())) + gcd(2, 3) - 1)\n",
    "type hints": "def total(a: List[int]) -> Optional[int]:\n    return sum(a)\ninput()\nprint(total(list(map(int, input().split()))))\n",
    "future import": "from __future__ import annotations\ninput()\nprint(sum(map(int, input().split())))\n",
    "numpy": "import numpy as np\ninput()\nprint(int(np.array(input().split(), dtype=int).sum()))\n",
    "star import": "from math import *\ninput()\nprint(sum(map(int, input().split())))\n",
    "exit": "input()\nprint(sum(map(int, input().split())))\nexit()\n",
    "sys.exit": "import sys\ninput()\nprint(sum(map(int, input().split())))\nsys.exit(0)\n",
    "sys.exit with a status": "import sys\ninput()\nprint(sum(map(int, input().split())))\nsys.exit(1)\n",
    "quit": "input()\nprint(sum(map(int, input().split())))\nquit()\n",
    "raise SystemExit": "input()\nprint(sum(map(int, input().split())))\nraise SystemExit\n",
    "return": "input()\nprint(sum(map(int, input().split())))\nreturn\n",
    "exception": "input()\nprint(sum(map(int, input().split())))\n1 / 0\n",
    "exception that is handled": "input()\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n    print(sum(map(int, input().split())))\n",
    "assertion": "input()\nassert False\n",
    "syntax error": "input(\nprint(6)\n",
    "indentation error": "if True:\nprint(6)\n",
    "undefined name": "print(total)\n",
    "unknown module": "import nothing_of_that_name\nprint(6)\n",
    "empty": "",
    "comment": "# 6\n",
    "input past the end": "input()\nprint(sum(map(int, input().split())))\ninput()\n",
    "constant": "print(6)\n",
    "prompt": "input('n: ')\nprint(sum(map(int, input('a: ').split())))\n",
    "message on standard error": "import sys\nprint('debug', file=sys.stderr)\ninput()\nprint(sum(map(int, input().split())))\n",
    "print without line break": "input()\nprint(sum(map(int, input().split())), end='')\n",
    "print with flush": "input()\nprint(sum(map(int, input().split())), flush=True)\n",
    "two prints": "input()\nprint('', end='')\nprint(*[sum(map(int, input().split()))], sep='\\n')\n",
    "thread": "import threading\ndef main():\n    input()\n    print(sum(map(int, input().split())))\nt = threading.Thread(target=main)\nt.start()\nt.join()\n",
    "StringIO": "import io, sys\nsys.stdin = io.StringIO(sys.stdin.read())\ninput()\nprint(sum(map(int, input().split())))\n",
    "redirected output": "import io, sys\nout, sys.stdout = sys.stdout, io.StringIO()\ninput()\nprint(sum(map(int, input().split())))\nout.write(sys.stdout.getvalue())\n",
    "atexit": "import atexit\ninput()\ntotal = sum(map(int, input().split()))\natexit.register(lambda: print(total))\n",
    "endless loop": "while True:\n    pass\n",
    "sleep": "import time\ntime.sleep(60)\n",
    "match": "input()\nmatch input().split():\n    case [*a]:\n        print(sum(map(int, a)))\n",
    "state between inputs": "import sys\nsys.seen = getattr(sys, 'seen', 0) + 1\ninput()\nprint(sum(map(int, input().split())) + sys.seen - 1)\n",
}


def _others() -> Iterator[Record]:
    for name, (written, expected) in OUTPUTS.items():
        yield _program(f"output: {name}", [("", expected)], f"import sys\nsys.stdout.write({written!r})\n")
    for digits in DIGITS:
        yield _program(f"{digits} digits out", [("", "1" + "0" * (digits - 1))], f"print(10 ** {digits - 1})")
    yield _program("5000 digits in", [("9" * 5000 + "\n", "1")], "print(int(input()) % 2)")
    for name, answer in OTHER_PROGRAMS.items():
        yield _program(f"program: {name}", SUMS, answer)


ADD = "class Solution:\n    def f(self, a, b):\n        {}\n"
# Bodies of a method, its arguments and the expected value.
CALLS = {
    "integer": ("return a + b", (1, 2), 3),
    "wrong integer": ("return a - b", (1, 2), 3),
    "float for integer": ("return float(a + b)", (1, 2), 3),
    "inexact float": ("return a + b", (0.1, 0.2), 0.3),
    "exact float": ("return a + b", (0.1, 0.2), 0.30000000000000004),
    "boolean for integer": ("return a < b", (1, 2), 1),
    "integer for boolean": ("return 1", (1, 2), True),
    "None": ("return None", (1, 2), None),
    "None for zero": ("return None", (1, 2), 0),
    "no return": ("a + b", (1, 2), 3),
    "text": ("return a + b", ("a", "b"), "ab"),
    "bytes for text": ("return (a + b).encode()", ("a", "b"), "ab"),
    "number as text": ("return str(a + b)", (1, 2), 3),
    "list": ("return [a, b]", (1, 2), [1, 2]),
    "list in another order": ("return [b, a]", (1, 2), [1, 2]),
    "tuple for list": ("return a, b", (1, 2), [1, 2]),
    "tuples in a list": ("return [(a, b)]", (1, 2), [[1, 2]]),
    "tuple of lists": ("return ([a], [b])", (1, 2), [[1], [2]]),
    "set for list": ("return {a, b}", (1, 2), [1, 2]),
    "range for list": ("return range(a, b + 1)", (1, 2), [1, 2]),
    "generator for list": ("yield a\n        yield b", (1, 2), [1, 2]),
    "deque for list": ("return deque([a, b])", (1, 2), [1, 2]),
    "dictionary": ("return {'a': a, 'b': b}", (1, 2), {"a": 1, "b": 2}),
    "Counter for dictionary": ("return Counter(a)", ("aab", 0), {"a": 2, "b": 1}),
    "defaultdict for dictionary": (
        "d = defaultdict(int)\n        d['a'] = b\n        return d",
        (1, 2),
        {"a": 2},
    ),
    "integer keys": ("return {1: 2}", (1, 2), {"1": 2}),
    "NaN": ("return float('nan')", (1, 2), float("nan")),
    "infinity": ("return inf", (1, 2), float("inf")),
    "negative zero": ("return -0.0", (1, 2), 0),
    "Decimal": ("from decimal import Decimal\n        return Decimal(a + b)", (1, 2), 3),
    "Fraction": ("from fractions import Fraction\n        return Fraction(1, 2)", (1, 2), 0.5),
    "numpy integer": ("import numpy\n        return numpy.int64(a + b)", (1, 2), 3),
    "numpy array": ("import numpy\n        return numpy.array([a, b])", (1, 2), [1, 2]),
    "numpy array of one": ("import numpy\n        return numpy.array([a])", (1, 2), [1]),
    "complex": ("return complex(a + b)", (1, 2), 3),
    "subclass of int": ("class N(int): pass\n        return N(a + b)", (1, 2), 3),
    "equal to everything": (
        "class E:\n            def __eq__(self, other): return True\n        return E()",
        (1, 2),
        3,
    ),
    "5,000 digits": ("return a * b", (10**4000, 10**1000), 10**5000),
    "5,000 digits, wrong": ("return a * b + 1", (10**4000, 10**1000), 10**5000),
    "changed argument": ("a.append(b)\n        return a", ([1], 2), [1, 2]),
    "returned method": ("return self.f", (1, 2), 3),
    "type for value": ("return int", (1, 2), 3),
    "exception": ("return a / 0", (1, 2), 3),
    "handled exception": (
        "try:\n            return a / 0\n        except ZeroDivisionError:\n            return a + b",
        (1, 2),
        3,
    ),
    "sys.exit": ("sys.exit(a + b)", (1, 2), 3),
    "print": ("print('debug')\n        return a + b", (1, 2), 3),
    "print for return": ("print(a + b)", (1, 2), 3),
    "deep recursion": (
        "def deep(n): return 0 if n == 0 else 1 + deep(n - 1)\n        return deep(9000)",
        (1, 2),
        9000,
    ),
    "endless recursion": ("return self.f(a, b)", (1, 2), 3),
    "endless loop": ("while True: pass", (1, 2), 3),
    "cache": ("return lru_cache(None)(lambda x: x)(a + b)", (1, 2), 3),
    "heap": ("heappush(a, b)\n        return a", ([1], 2), [1, 2]),
    "type hints of typing": ("x: List[int] = [a, b]\n        return sum(x)", (1, 2), 3),
}
OTHER_CALLS = {
    "function": "def f(a, b):\n    return a + b\n",
    "lambda": "f = lambda a, b: a + b\n",
    "other name": "def g(a, b):\n    return a + b\n",
    "other method": "class Solution:\n    def g(self, a, b):\n        return a + b\n",
    "static method": "class Solution:\n    @staticmethod\n    def f(a, b):\n        return a + b\n",
    "class method": "class Solution:\n    @classmethod\n    def f(cls, a, b):\n        return a + b\n",
    "constructor": "class Solution:\n    def __init__(self):\n        self.n = 0\n    def f(self, a, b):\n        return a + b + self.n\n",
    "constructor with arguments": "class Solution:\n    def __init__(self, n):\n        self.n = n\n    def f(self, a, b):\n        return a + b\n",
    "base class": "class Base:\n    def f(self, a, b):\n        return a + b\nclass Solution(Base):\n    pass\n",
    "state between calls": "class Solution:\n    n = 0\n    def f(self, a, b):\n        self.n += 1\n        return a + b + self.n - 1\n",
    "test at the end": "class Solution:\n    def f(self, a, b):\n        return a + b\nprint(Solution().f(1, 2))\n",
    "failing test at the end": "class Solution:\n    def f(self, a, b):\n        return a + b\nassert Solution().f(1, 2) == 4\n",
    "test in a main guard": "class Solution:\n    def f(self, a, b):\n        return a + b\nif __name__ == '__main__':\n    print(1 / 0)\n",
    "input at the end": "class Solution:\n    def f(self, a, b):\n        return a + b\nprint(input())\n",
    "too few parameters": "class Solution:\n    def f(self, a):\n        return a\n",
    "optional parameter": "class Solution:\n    def f(self, a, b, c=0):\n        return a + b + c\n",
    "function beside a class": "class Helper:\n    pass\ndef f(a, b):\n    return a + b\n",
    "function, and a class in a comment": "# like class Solution\ndef f(a, b):\n    return a + b\n",
    "class and function": "class Solution:\n    def f(self, a, b):\n        return a + b\ndef f(a, b):\n    return 0\n",
    "coroutine": "class Solution:\n    async def f(self, a, b):\n        return a + b\n",
    "syntax error": "class Solution:\n    def f(self, a, b)\n        return a + b\n",
    "empty": "",
}


def _calls() -> Iterator[Record]:
    for name, (body, arguments, expected) in CALLS.items():
        given = "\n".join(map(_json, arguments))
        yield {**_program(f"call: {name}", [(given, _json(expected))], ADD.format(body)), "function": "f"}
    for name, answer in OTHER_CALLS.items():
        yield {**_program(f"call of {name}", [("1\n2", "3"), ("-1\n1", "0")], answer), "function": "f"}


# Answers and expected outputs.
PREDICTED_OUTPUTS = {
    "assertion": ("assert f(1) == [1, 2]", "[1, 2]"),
    "wrong": ("assert f(1) == [2, 1]", "[1, 2]"),
    "tuple for list": ("assert f(1) == (1, 2)", "[1, 2]"),
    "blanks": ("   assert f(1) == 3  ", "3"),
    "message": ("assert f(1) == 3, 'wrong'", "3"),
    "comment": ("assert f(1) == 3  # three", "3"),
    "expression": ("assert f(1) == 1 + 2", "3"),
    "comparison of three": ("assert f(1) == 3 == 3", "3"),
    "conjunction": ("assert f(1) == 3 and True", "3"),
    "other operator": ("assert f(1) >= 3", "3"),
    "swapped": ("assert 3 == f(1)", "3"),
    "in brackets": ("assert (f(1) == 3)", "3"),
    "two statements": ("assert f(1) == 3; x = 1", "3"),
    "is": ("assert f(1) is True", "true"),
    "boolean": ("assert f(1) == True", "true"),
    "JSON boolean": ("assert f(1) == true", "true"),
    "integer for boolean": ("assert f(1) == 1", "true"),
    "null": ("assert f(1) == None", "null"),
    "text": ('assert f(1) == "ab"', '"ab"'),
    "text in single quotes": ("assert f(1) == 'ab'", '"ab"'),
    "text without quotes": ("assert f(1) == ab", '"ab"'),
    "the word assert in a text": ("'assert'", '"assert"'),
    "float": ("assert f(1) == 0.5", "0.50"),
    "float for integer": ("assert f(1) == 3.0", "3"),
    "nested": ("assert f([1], 'a') == [[1, 2], []]", "[[1,2],[]]"),
    "value alone": ("[1, 2]", "[1, 2]"),
    "value in lines": ("[1,\n 2]", "[1, 2]"),
    "assertion among lines": ("x = 1\nassert f(1) == 3\n", "3"),
    "assertion in lines": ("assert f(1) == [\n1]", "[1]"),
    "comment before": ("# assert f(1) == 4\nassert f(1) == 3", "3"),
    "first of two": ("assert f(1) == 3\nassert f(1) == 4", "3"),
    "empty": ("", "3"),
    "prose": ("The output is 3.", "3"),
    "syntax error": ("assert f(1) == [1, 2", "[1, 2]"),
    "undefined name": ("assert f(1) == x", "3"),
    "call of a built-in function": ("assert f(1) == sum([1, 2])", "3"),
    "equal to everything": ("type('E', (), {'__eq__': lambda *_: True})()", "3"),
    "variable of the harness": ("json.loads(expected_output)", "3"),
    "ten": ("assert f(1) == 1_0", "10"),
}
CODE = "def f(a: List[int]) -> int:\n    return sum(a) + len(Counter(a)) + gcd(2, 3) - 1"
CALL = "f(a = [1, 2])"
PREDICTED_VALUES = {
    "value": ("5", "5"),
    "wrong": ("6", "5"),
    "float": ("5.0", "5"),
    "expression": ("2 + 3", "5"),
    "product": ("5 * 1", "5"),
    "blanks": ("  5  ", "5"),
    "comment": ("5 # five", "5"),
    "message": ("5, 'five'", "5"),
    "disjunction": ("6 or True", "5"),
    "conjunction": ("5 and False", "5"),
    "comparison of three": ("5 == 5", "5"),
    "inequality": ("5 < 6", "5"),
    "text": ("'ab'", "'ab'"),
    "text in double quotes": ('"ab"', "'ab'"),
    "text without quotes": ("ab", "'ab'"),
    "list": ("[1, 2]", "[1, 2]"),
    "tuple for list": ("(1, 2)", "[1, 2]"),
    "bare tuple": ("1, 2", "(1, 2)"),
    "boolean": ("True", "True"),
    "integer for boolean": ("1", "True"),
    "negative": ("-1", "-1"),
    "None": ("None", "None"),
    "dictionary": ("{'a': 1}", "{'a': 1}"),
    "the call": (CALL, "5"),
    "the call within": (f"({CALL})", "5"),
    "the call otherwise written": ("f([1, 2])", "5"),
    "name of the code": ("len([1, 2]) + 3", "5"),
    "name of a library": ("comb(5, 1)", "5"),
    "numpy": ("np.int64(5)", "5"),
    "undefined name": ("x", "5"),
    "empty": ("", "5"),
    "prose": ("The output is 5", "5"),
    "syntax error": ("[5", "[5]"),
    "two statements": ("5; x = 1", "5"),
    "two lines": ("5\nx = 1", "5"),
    "value in lines": ("[1,\n 2]", "[1, 2]"),
    "equal to everything": ("type('E', (), {'__eq__': lambda *_: True})()", "5"),
    "endless": ("max(iter(int, 1))", "5"),
    "exit": ("exit()", "5"),
    "conditional": ("5 if True else 6", "5"),
}


def _predictions() -> Iterator[Record]:
    for name, (answer, output) in PREDICTED_OUTPUTS.items():
        yield {"id": f"test output: {name}", "scenario": TEST_OUTPUTS, "answer": answer, "output": output}
    for name, (answer, output) in PREDICTED_VALUES.items():
        code = CODE if output == "5" else f"def f(a):\n    return {output}"
        yield {
            "id": f"execution: {name}",
            "scenario": EXECUTIONS,
            "answer": answer,
            "code": code,
            "call": CALL,
            "output": output,
        }


def _program(name: str, cases: list[tuple[str, str]], answer: str) -> Record:
    return {"id": name, "scenario": PROGRAMS, "answer": answer, "cases": cases, "function": None}


def _json(value: Any) -> str:
    """Return a value as JSON; integers of any size, which Python writes up to 4,300 digits only."""
    return str(Decimal(value)) if type(value) is int else json.dumps(value)


def records() -> list[Record]:
    """Return all records, in a fixed order."""
    return [*_readers(), *_others(), *_calls(), *_predictions()]
