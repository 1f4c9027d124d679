"""Functions of training rows, with what they need, to be called on the inputs of benchmark tasks."""

from __future__ import annotations

import ast
import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from selfalign.core.code_blocks import iter_blocks

# A function that uses one of these waits for something, or reads what a task does not give it.
OUTSIDE_NAMES = frozenset({"input", "open", "sleep"})
OUTSIDE_MODULES = frozenset(
    {
        "aiohttp",
        "asyncio",
        "concurrent",
        "ftplib",
        "http",
        "multiprocessing",
        "requests",
        "select",
        "selectors",
    }
    | {"sched", "signal", "smtplib", "socket", "socketserver", "subprocess", "threading", "tkinter", "urllib"}
)

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True, slots=True)
class RowFunction:
    """A top-level function of a row.

    Attributes:
        name: name of the function.
        code: source text of the function and of the imports, definitions and constants that it uses.
        fewest: smallest number of positional arguments.
        most: largest number of positional arguments; None: no limit.
    """

    name: str
    code: str
    fewest: int
    most: int | None

    def accepts(self, count: int) -> bool:
        """Return whether the function can be called with a number of positional arguments.

        Args:
            count: number of arguments.
        """
        return self.fewest <= count and (self.most is None or count <= self.most)


@dataclass
class RowFunctions:
    """The functions of one row.

    Attributes:
        functions: functions that can solve a task.
        excluded: number of the other top-level functions by reason: ``test`` (the name begins with "test"), ``async``,
            ``no_value`` (returns nothing), ``keyword_only`` (a required argument cannot be positional), ``outside`` (reads
            files or standard input, waits, or uses processes, threads or the network), ``nested_too_deeply``; and of code
            blocks that do not parse (``syntax``).
    """

    functions: list[RowFunction] = field(default_factory=list)
    excluded: Counter[str] = field(default_factory=Counter)


def functions_of(response: str) -> RowFunctions:
    """Return the top-level functions in the Python code blocks of a response.

    Of several definitions of a name, the last one counts, as when the blocks are run as one program.

    Args:
        response: text of the response, in Markdown.
    """
    found = RowFunctions()
    statements: list[ast.stmt] = []
    for block in iter_blocks(response):
        if not block.has_tag("python"):
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                statements += ast.parse(block.code).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            found.excluded["syntax"] += 1
    module = _Module(statements)
    for function in module.functions():
        try:
            reason = module.reason_against(function)
            if reason is None:
                found.functions.append(module.extracted(function))
            else:
                found.excluded[reason] += 1
        except RecursionError:
            found.excluded["nested_too_deeply"] += 1
    return found


class _Module:
    """The top-level statements of a row.

    Args:
        statements: the statements, in order.
    """

    def __init__(self, statements: Collection[ast.stmt]) -> None:
        # The last statement that binds each name.
        self._binding: dict[str, ast.stmt] = {}
        self._always: list[ast.stmt] = []
        self._order = {id(each): number for number, each in enumerate(statements)}
        for statement in statements:
            if isinstance(statement, ast.ImportFrom) and (
                statement.module == "__future__" or any(each.name == "*" for each in statement.names)
            ):
                self._always.append(statement)
                continue
            for name in _bound(statement):
                self._binding[name] = statement

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """Yield the functions, in the order of their definitions."""
        for name, statement in self._binding.items():
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) and statement.name == name:
                yield statement

    def reason_against(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> str | None:
        """Return why a function cannot solve a task, None if it can; see :class:`RowFunctions`."""
        if function.name.startswith("test"):
            return "test"
        if isinstance(function, ast.AsyncFunctionDef):
            return "async"
        if not _returns_value(function):
            return "no_value"
        arguments = function.args
        if any(default is None for default in arguments.kw_defaults):
            return "keyword_only"
        return "outside" if any(map(_reaches_outside, self._used_by(function))) else None

    def extracted(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> RowFunction:
        """Return a function with what it needs."""
        used = [*self._always, *self._used_by(function)]
        code = "\n".join(
            ast.unparse(each) for each in sorted(used, key=lambda statement: self._order[id(statement)])
        )
        arguments = function.args
        positional = len(arguments.posonlyargs) + len(arguments.args)
        most = None if arguments.vararg else positional
        return RowFunction(function.name, code, positional - len(arguments.defaults), most)

    def _used_by(self, function: ast.stmt) -> Iterable[ast.stmt]:
        """Return a function and all statements that bind names which it uses, directly or not."""
        found = {id(function): function}
        waiting = [function]
        while waiting:
            for node in ast.walk(waiting.pop()):
                if not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Load):
                    continue
                statement = self._binding.get(node.id)
                if statement is not None and id(statement) not in found:
                    found[id(statement)] = statement
                    waiting.append(statement)
        return found.values()


def _bound(statement: ast.stmt) -> list[str]:
    """Return the names that an import, a definition or an assignment binds; nothing for other statements."""
    if isinstance(statement, Definition):
        return [statement.name]
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return [each.asname or each.name.partition(".")[0] for each in statement.names]
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        return [
            node.id
            for node in ast.walk(statement)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        ]
    return []


def _returns_value(function: ast.FunctionDef) -> bool:
    """Return whether a function has a `return` with a value, or `yield`, outside nested functions."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom) or (
            isinstance(node, ast.Return) and node.value is not None
        ):
            return True
        if not isinstance(node, Definition | ast.Lambda):
            waiting += ast.iter_child_nodes(node)
    return False


def _reaches_outside(statement: ast.stmt) -> bool:
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and node.id in OUTSIDE_NAMES:
            return True
        if isinstance(node, ast.Attribute) and node.attr == "sleep":
            return True
        modules = []
        if isinstance(node, ast.Import):
            modules = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or "", *(each.name for each in node.names if each.name in OUTSIDE_NAMES)]
        if any(name.partition(".")[0] in OUTSIDE_MODULES | OUTSIDE_NAMES for name in modules):
            return True
    return False
