"""Observe the tests of a program: the assertions that are evaluated, those that fail, and the tests that never run.

`instrument` inserts calls into the syntax tree of a program before it is compiled. Positions stay, so line numbers and
tracebacks are those of the source. The inserted functions are methods of dictionaries: they add no frame, work in
threads, and need memory by the length of the program only. What counts:

- an ``assert`` statement whose test can fail (that of a non-empty tuple cannot), a call of a function or method named
  ``assert…``, and a ``with`` statement of ``raises`` or ``assertRaises``, once it has been evaluated;
- a failed assertion, even if its exception is caught. A function of the implementation may reject an argument by an
  assertion, though, so in such a function only what ends the program is a failure;
- a test function (``test…``) or method of a test class, which has to be called and must not raise;
- each example that `doctest` runs.

`unittest.main()` exits after its tests. The exit after tests without a failure is caught in the program itself, which
goes on to its own end: only that end is a pass, and a program cannot come to it by an exception of its own.

Only statements are visited: expressions are most of a tree, and the time for each program counts (see fork_loop.py).
"""

import builtins
import json
import sys
from _ast import (  # importing ast takes longer than ten programs
    And,
    Assert,
    AsyncFunctionDef,
    AsyncWith,
    Attribute,
    BoolOp,
    Call,
    ClassDef,
    Constant,
    Dict,
    ExceptHandler,
    Expr,
    FunctionDef,
    GeneratorExp,
    If,
    IfExp,
    Import,
    ImportFrom,
    JoinedStr,
    Lambda,
    List,
    Load,
    Name,
    NamedExpr,
    Not,
    Or,
    Pass,
    Raise,
    Set,
    Starred,
    Try,
    Tuple,
    UnaryOp,
    With,
)

FUNCTIONS = (FunctionDef, AsyncFunctionDef)
DEFINITIONS = (FunctionDef, AsyncFunctionDef, ClassDef)
# Names of functions that hold tests where it is not known where the implementation ends.
TEST_NAMES = ("test", "check", "verify", "run_test", "main")
# What assertions in a function are: of the implementation, of either, or of the tests.
IGNORED, COUNTED, DECISIVE = range(3)
EVALUATED, FAILED, RAN = "__assertion_evaluated__", "__test_failed__", "__test_ran__"
UNITTEST_ENDED = "__unittest_ended__"
# Names in a message, and their length.
MOST_NAMES, MOST_CHARACTERS = 5, 100
LOAD = Load()


class Tests:
    """What is known of a program's tests before it runs.

    Args:
        first_line: line from which on all code is tests; 1: which functions are is judged by their names.

    Attributes:
        empty: whether no statement of the program does anything.
        collected: names of the test functions and methods, as keys.
        has_doctest: whether the program imports doctest.
        unittest_mains: expressions that name ``unittest.main`` after the program's imports.
    """

    __slots__ = ("collected", "empty", "first_line", "has_doctest", "unittest_mains")

    def __init__(self, first_line):
        self.first_line = first_line
        self.empty = True
        self.collected = {}
        self.has_doctest = False
        self.unittest_mains = set()


class Observed:
    """What was observed while a program ran. The keys count; dictionaries because their methods are safe in threads.

    Attributes:
        evaluated: lines of assertions.
        failed: lines of assertions, and names of tests.
        ran: names of tests.
    """

    def __init__(self):
        self.evaluated, self.failed, self.ran = {}, {}, {}


observed = Observed()


def install():
    """Make the inserted functions known as built-in names. `observed` is the program's own after the fork."""
    setattr(builtins, EVALUATED, observed.evaluated.setdefault)
    setattr(builtins, FAILED, observed.failed.setdefault)
    setattr(builtins, RAN, observed.ran.setdefault)
    setattr(builtins, UNITTEST_ENDED, is_end_of_unittest)


def instrument(tree, first_line):
    """Insert calls that record assertions and tests; return what is known of the tests.

    Args:
        tree: the module's, which is changed.
        first_line: see `Tests`.
    """
    tests = Tests(first_line)
    tests.empty = all(type(each) is Pass or is_constant(each) for each in tree.body)
    walk(tree.body, tests, None)
    for statement in tree.body:
        if statement.lineno < first_line:
            continue
        if isinstance(statement, FUNCTIONS):
            collect(statement, statement.name, tests)
        elif type(statement) is ClassDef and is_test_class(statement):
            for each in statement.body:
                if isinstance(each, FUNCTIONS):
                    collect(each, f"{statement.name}.{each.name}", tests)
    return tests


def walk(body, tests, level):
    """Instrument statements and those in them.

    Args:
        body: list of statements, which is changed.
        tests: see `Tests`.
        level: of the function or class that they are in; None outside.
    """
    after = []
    for index, statement in enumerate(body):
        kind = type(statement)
        if kind in DEFINITIONS:
            walk(statement.body, tests, level_of(statement, tests) if level is None else level)
            continue
        if kind is Import or kind is ImportFrom:
            note_imports(statement, tests)
            continue
        if kind is Expr and tests.unittest_mains and is_unittest_main(statement.value, tests):
            body[index] = without_exit(statement)
            continue
        if kind is not Assert and kind is not Expr:
            walk_parts(statement, tests, level)
        if level != IGNORED:
            if kind is Assert:
                instrument_assert(statement, level)
            elif any(map(is_assertion, calls_of(statement))):
                after.append((index + 1, call(EVALUATED, statement, statement.lineno, True)))
            if level != COUNTED:
                body[index] = with_record_of_failure(statement)
    for index, statement in reversed(after):
        body.insert(index, statement)


def walk_parts(statement, tests, level):
    """Instrument the statements in a compound statement.

    Args:
        statement: any statement but a definition.
        tests: see `Tests`.
        level: where it is.
    """
    for part in statement._fields:
        if part in ("body", "orelse", "finalbody"):
            walk(getattr(statement, part), tests, level)
        elif part in ("handlers", "cases"):
            for each in getattr(statement, part):
                walk(each.body, tests, level)


def instrument_assert(statement, level):
    """Change ``assert TEST`` to ``assert TEST and evaluated(LINE) or failed(LINE) and False``.

    It fails whatever the inserted functions return, which a program can replace.

    Args:
        statement: the assert statement, which is changed.
        level: where it is.
    """
    test, line = statement.test, statement.lineno
    if can_fail(test):
        done = call(EVALUATED, test, line, True).value
        test = BoolOp(And(), [test, done], **place(test))
    elif type(test) is Tuple:
        return  # it keeps the compiler's warning
    if level != COUNTED:
        at = place(test)
        record = BoolOp(And(), [call(FAILED, test, line).value, Constant(False, **at)], **at)
        test = BoolOp(Or(), [test, record], **at)
    statement.test = test


def with_record_of_failure(statement):
    """Return a statement that also records a failure that unittest catches: of ``self.assert…()``, or in a subtest.

    Args:
        statement: the statement, which may be changed.
    """
    kind = type(statement)
    if kind is Expr and is_assertion(statement.value) and is_method_of_self(statement.value):
        return recording_failure([statement], statement.lineno, statement)
    if (kind is With or kind is AsyncWith) and "subTest" in map(name_of, calls_of(statement)):
        statement.body = [recording_failure(statement.body, statement.lineno, statement)]
    return statement


def collect(function, name, tests):
    """Record calls of a test function and exceptions from it.

    Args:
        function: definition of a function, which is changed if it is a test.
        name: of it, with its class's.
        tests: see `Tests`; it is added there.
    """
    if not function.name.startswith("test"):
        return
    tests.collected[name] = None
    start = 1 if is_constant(function.body[0]) else 0
    body = [call(RAN, function, name), *function.body[start:]]
    function.body[start:] = [recording_failure(body, name, function)]


def recording_failure(body, key, where):
    """Return a try statement that records an exception of some statements and raises it again.

    Args:
        body: the statements.
        key: what to record.
        where: node whose position it takes.
    """
    at = place(where)
    handler = ExceptHandler(
        Name("BaseException", LOAD, **at), None, [call(FAILED, where, key), Raise(**at)], **at
    )
    return Try(body, [handler], [], [], **at)


def call(name, where, *arguments):
    """Return a statement that calls an inserted function.

    Args:
        name: of the function.
        where: node whose position it takes.
        arguments: constants.
    """
    at = place(where)
    return Expr(Call(Name(name, LOAD, **at), [Constant(each, **at) for each in arguments], [], **at), **at)


def place(node):
    """Return the position of a node as keyword arguments."""
    return {
        "lineno": node.lineno,
        "col_offset": node.col_offset,
        "end_lineno": node.end_lineno,
        "end_col_offset": node.end_col_offset,
    }


def level_of(definition, tests):
    """Return the level of assertions in a function or class of the module.

    Args:
        definition: of the function or class.
        tests: see `Tests`.
    """
    if tests.first_line > 1:
        return DECISIVE if definition.lineno >= tests.first_line else IGNORED
    is_test = definition.name.lower().startswith(TEST_NAMES)
    return DECISIVE if is_test or (type(definition) is ClassDef and is_test_class(definition)) else COUNTED


def is_test_class(definition):
    """Whether a class is one of tests, by its name or that of a base."""
    return definition.name.startswith("Test") or any(
        name_of(base).endswith("TestCase") for base in definition.bases
    )


def is_constant(statement):
    """Whether a statement is only a constant, such as a docstring."""
    return type(statement) is Expr and type(statement.value) is Constant


def note_imports(statement, tests):
    """Note whether an import statement imports doctest, and by which names it makes ``unittest.main`` known.

    Args:
        statement: the import statement.
        tests: see `Tests`.
    """
    module = statement.module if type(statement) is ImportFrom else None
    for each in statement.names:
        name = each.asname or each.name
        if "doctest" in (module, each.name):
            tests.has_doctest = True
        elif module == "unittest" and each.name in ("main", "*"):
            tests.unittest_mains.add("main" if name == "*" else name)
        elif module is None and name.partition(".")[0] == "unittest":
            tests.unittest_mains.add("unittest.main")
        elif module is None and each.name == "unittest":
            tests.unittest_mains.add(f"{name}.main")


def is_unittest_main(expression, tests):
    """Whether an expression is a call of ``unittest.main``.

    Args:
        expression: of the program.
        tests: see `Tests`.
    """
    if type(expression) is not Call:
        return False
    function = expression.func
    if type(function) is Attribute and type(function.value) is Name:
        return f"{function.value.id}.{function.attr}" in tests.unittest_mains
    return type(function) is Name and function.id in tests.unittest_mains


def without_exit(statement):
    """Return a statement that catches the exit of ``unittest.main()`` after tests without a failure.

    Args:
        statement: the call.
    """
    at = place(statement)
    ended = Call(Name(UNITTEST_ENDED, LOAD, **at), [], [], **at)
    again = If(UnaryOp(Not(), ended, **at), [Raise(**at)], [], **at)
    handler = ExceptHandler(Name("SystemExit", LOAD, **at), None, [again], **at)
    return Try([statement], [handler], [], [], **at)


def calls_of(statement):
    """Return the expression of an expression statement, or the context managers of a with statement."""
    kind = type(statement)
    if kind is Expr:
        return (statement.value,)
    return [item.context_expr for item in statement.items] if kind is With or kind is AsyncWith else ()


def is_assertion(expression):
    """Whether an expression is the call of an assertion function or method."""
    if type(expression) is not Call:
        return False
    name = name_of(expression)
    return name.startswith("assert") or name == "raises"


def is_method_of_self(expression):
    """Whether a call is that of a method of ``self``."""
    function = expression.func
    return type(function) is Attribute and type(function.value) is Name and function.value.id == "self"


def name_of(expression):
    """Return the last part of a name, or of a called function's name; empty for other expressions."""
    if type(expression) is Call:
        expression = expression.func
    if type(expression) is Attribute:
        return expression.attr
    return expression.id if type(expression) is Name else ""


def can_fail(test):
    """Whether an assertion can fail: false for tests that are true by their form.

    Args:
        test: expression of the assertion.
    """
    kind = type(test)
    if kind is BoolOp:
        return (all if type(test.op) is Or else any)(map(can_fail, test.values))
    if kind is IfExp:
        return can_fail(test.body) or can_fail(test.orelse)
    if kind is NamedExpr:
        return can_fail(test.value)
    return not is_true_by_form(test)


def is_true_by_form(expression):
    """Whether an expression is a constant that is true, or a display, function or generator, which is true as such."""
    kind = type(expression)
    if kind is Constant:
        return bool(expression.value)
    if kind in (Tuple, List, Set):
        return any(type(each) is not Starred for each in expression.elts)
    if kind is Dict:
        return any(expression.keys)
    if kind is JoinedStr:
        return any(type(part) is Constant and part.value for part in expression.values)
    return kind in (Lambda, GeneratorExp)


def watch_doctest():
    """Record the examples that doctest runs, and its failures, which it only prints."""
    from doctest import DocTestRunner

    run = DocTestRunner.run

    def recorded(self, test, *arguments, **named):
        found = run(self, test, *arguments, **named)
        if found.attempted:
            observed.evaluated[f"doctest {test.name}"] = True
        if found.failed:
            observed.failed[f"doctest {test.name}"] = None
        return found

    DocTestRunner.run = recorded


def is_end_of_unittest():
    """Whether the current exception is the exit of ``unittest.main()`` after tests without a failure."""
    error = sys.exc_info()[1]
    module = sys.modules.get("unittest.main")
    if type(error) is not SystemExit or error.code or module is None:
        return False
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code is module.TestProgram.runTests.__code__


def observation(tests):
    """Return what was observed, as a line of JSON for the judge.

    Args:
        tests: see `Tests`.
    """
    not_run = [name for name in tests.collected if name not in observed.ran]
    found = {
        "empty": tests.empty,
        "evaluated": len(observed.evaluated),
        "failed": shortened(observed.failed),
        "not_run": shortened(not_run),
    }
    return json.dumps(found).encode() + b"\n"


def shortened(names):
    """Return the first names, each with its first characters; lines become ``line N``."""
    texts = [f"line {each}" if type(each) is int else each for each in names]
    return [text[:MOST_CHARACTERS] for text in texts[:MOST_NAMES]]
