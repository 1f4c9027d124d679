"""The functions of a Python file: top level, with a docstring in triple double quotes.

Files are parsed with tree-sitter, which recovers from syntax errors, so functions are also found in files in Python 2 and
in files with errors.
"""

from __future__ import annotations

import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import sha1

import tree_sitter_python
from tree_sitter import Language, Node, Parser, Query, QueryCursor

from selfalign.core.errors import DataError
from selfalign.seeds.chunks import function_chunks

QUOTES = b'"""'


@dataclass(frozen=True, slots=True)
class Function:
    """A function of a source file.

    Attributes:
        text: its source, from ``def`` (or ``async``) to the end of its body, without decorators.
        line: the line it begins on, from 1.
        returns_value: whether a ``return`` with a value stands anywhere inside, nested functions included.
    """

    text: str
    line: int
    returns_value: bool

    @property
    def sha1(self) -> str:
        """SHA-1 of the text in UTF-8, in hexadecimal, which identifies the function in all files."""
        return text_sha1(self.text)


def text_sha1(text: str) -> str:
    """Return the SHA-1 of a text in UTF-8, in hexadecimal.

    Args:
        text: the text.
    """
    return sha1(text.encode("utf-8", "surrogatepass")).hexdigest()


def decode_source(content: bytes) -> bytes:
    """Return the text of a source file in UTF-8 with LF line ends, by its byte order mark or encoding declaration.

    Args:
        content: bytes of the file.

    Raises:
        DataError: the bytes are not text in the encoding the file declares (UTF-8 if none).
    """
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        text = content.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        raise DataError(f"expected text in the declared encoding ({error})") from None
    return text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "surrogatepass")


def find_functions(source: bytes) -> list[Function]:
    """Return the documented top-level functions, in the order of the file.

    Only the chunks that may be such functions are parsed. If a chunk has a syntax error, or the chunks cannot be
    determined, the whole file is parsed (:func:`find_functions_by_parsing`), with the same result.

    Args:
        source: source code in UTF-8.
    """
    chunks = function_chunks(source)
    if chunks is None:
        return find_functions_by_parsing(source)
    functions: list[Function] = []
    for chunk in chunks:
        root = parser().parse(chunk.text).root_node
        node = root.named_child(0) if root.named_child_count else None
        if node is None or node.type != "function_definition" or root.has_error:
            return find_functions_by_parsing(source)
        if _has_docstring(node):
            functions.append(_function(node, chunk.line))
    return functions


def find_functions_by_parsing(source: bytes) -> list[Function]:
    """Return the same as :func:`find_functions`, by parsing the whole file.

    Args:
        source: source code in UTF-8.
    """
    nodes = _top_level(parser().parse(source).root_node)
    return [_function(node, node.start_point[0] + 1) for node in nodes if _has_docstring(node)]


def returns_value(text: str) -> bool:
    """Return whether a function contains a ``return`` with a value, nested functions included.

    Args:
        text: source of the function.
    """
    if "return" not in text:
        return False
    return _returns_value(parser().parse(text.encode("utf-8", "surrogatepass")).root_node)


def _function(node: Node, line: int) -> Function:
    text = node.text or b""
    return Function(text.decode("utf-8", "surrogatepass"), line, _returns_value(node))


@cache
def language() -> Language:
    """Return tree-sitter's grammar of Python."""
    return Language(tree_sitter_python.language())


@cache
def parser() -> Parser:
    """Return a parser for Python."""
    return Parser(language())


@cache
def _value_return() -> Query:
    return Query(language(), "(return_statement (_) @value)")


def _top_level(node: Node) -> Iterator[Node]:
    """Yield the function definitions that begin in column 0.

    In a statement without syntax errors, only a decorated definition contains one; after error recovery they may be
    anywhere in the tree.
    """
    for child in node.named_children:
        if child.type == "function_definition" and child.start_point[1] == 0:
            yield child
        if child.type == "decorated_definition" or child.has_error:
            yield from _top_level(child)


def _has_docstring(function: Node) -> bool:
    """Return whether the first statement of the body is a string opened by three double quotes and no prefix."""
    body = function.child_by_field_name("body")
    first = body.named_child(0) if body is not None and body.named_child_count else None
    while first is not None and first.type == "comment":
        first = first.next_named_sibling
    if first is None or first.type != "expression_statement" or first.named_child_count == 0:
        return False
    string = first.named_child(0)
    if string is None or string.type != "string":
        return False
    opening = string.child(0) if string.child_count else None
    return opening is not None and opening.text == QUOTES


def _returns_value(node: Node) -> bool:
    if b"return" not in (node.text or b""):
        return False
    return bool(QueryCursor(_value_return(), match_limit=1).captures(node))
