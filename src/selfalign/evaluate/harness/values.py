"""Plain serialisation of Python values: JSON, which cannot execute anything, of bounded size and depth.

Outputs of answers cross from the sandbox of the answer to the trusted comparison in this form. Numbers (of any size, NaN
and infinities included), texts, bytes, None, the built-in containers, some value types of the standard library, and
arrays and scalars of numpy keep their type and value. An instance of a subclass of a built-in type keeps the value that
the built-in type sees, whatever methods the subclass overrides, and is decoded as an instance of another subclass. Any
other object becomes an :class:`Unserialisable`, which equals nothing but itself.
"""

import base64
import hashlib
import itertools
import json
import marshal
import math
import re
import sys
import zlib
from collections import OrderedDict, deque
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

MAX_DEPTH = 100
# Elements of containers, and characters of texts, in one value.
MAX_ITEMS = 1 << 24
# Bytes of JSON of one value, also after decompression.
MAX_BYTES = 1 << 28
# Integers beyond this are written in hexadecimal, which takes linear time.
MAX_PLAIN_INTEGER = 1 << 63
# Longer texts (in characters) are replaced by a digest where values are only compared for equality.
MAX_COMPARED_TEXT = 1 << 16
# Longer JSON (in characters) is compressed, at the fastest level: some outputs have a hundred megabytes.
MAX_UNCOMPRESSED = 1 << 16
COMPRESSION_LEVEL = 1
# Default of Python. An answer may have changed it, and json would then take quadratic time.
INTEGER_DIGITS = 4300

# Made once: `json.dumps` makes an encoder for every call that has options.
_to_json = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_PLAIN = frozenset({type(None), bool, float})
_SEQUENCES = {list: None, tuple: "tuple", set: "set", frozenset: "frozenset", deque: "deque"}
_MAPPINGS = {dict: "dict", OrderedDict: "OrderedDict"}
_NUMPY_TYPE = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248]|c8|c16|S\d{1,9}|U\d{1,9})")


class Unserialisable:
    """Stands for an object that has no plain form.

    Args:
        reason: type of the object, or the bound that it exceeds.
    """

    def __init__(self, reason):
        self.reason = reason

    def __repr__(self):
        # Part of verdicts, so without an address.
        return f"<unserialisable: {self.reason}>"


class Items:
    """Stands for an iterable object of another type; holds its items.

    Args:
        items: the items.
    """

    def __init__(self, items):
        self._items = items

    def __repr__(self):
        return f"<items: {self._items!r}>"

    def __iter__(self):
        return iter(self._items)


class Digest:
    """Stands for a long text or a very large list or tuple, for comparing it with others.

    Args:
        kind: name of the type.
        length: number of characters or items.
        digest: SHA-256 in hexadecimal.
    """

    def __init__(self, kind, length, digest):
        self.identity = kind, length, digest

    def __eq__(self, other):
        return self.identity == other.identity if isinstance(other, Digest) else NotImplemented

    def __hash__(self):
        return hash(self.identity)


class _TooLarge(Exception):
    """The value has too many elements or characters."""


class _TooDeep(Exception):
    """The value has too many levels."""


def dumps(value, *, digests=False, iterables=False, unknown=None):
    """Return a value as JSON without line breaks.

    Args:
        value: any object.
        digests: replace long texts, and a list or tuple of more than MAX_ITEMS elements, by digests.
        iterables: write the items of `value` if it is an iterable object of another type.
        unknown: called with an object that has no plain form; returns JSON-compatible content with one key that
            :func:`loads` knows from its `extra`.
    """
    encoder = _Encoder(digests, iterables, unknown)
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(INTEGER_DIGITS)
    try:
        text = _to_json(encoder.encode(value, 0))
        if len(text) > MAX_BYTES:
            raise _TooLarge(f"more than {MAX_BYTES} bytes")
    except _TooLarge as error:
        if digests and type(value) in (list, tuple) and (digest := _digest_of_items(value)):
            return json.dumps({"Digest": [type(value).__name__, len(value), digest]})
        return json.dumps({"unserialisable": str(error)})
    except _TooDeep as error:
        return json.dumps({"unserialisable": str(error)})
    finally:
        sys.set_int_max_str_digits(limit)
    return text


def loads(text, extra=None) -> Any:
    """Return the value that :func:`dumps` wrote. Safe for text from any source.

    Args:
        text: JSON.
        extra: functions that decode further tags, by tag.

    Raises:
        ValueError: the text has another form.
    """
    try:
        # A new object for each NaN: lists with the same object in them are equal, those of two runs are not.
        return _Decoder(extra or {}).decode(json.loads(text, parse_constant=float))
    except (ValueError, TypeError, KeyError, OverflowError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"malformed value: {type(error).__name__}") from None


def pack(text):
    """Return a text compressed, as ASCII.

    Args:
        text: ASCII text.
    """
    return base64.b64encode(zlib.compress(text.encode("ascii"), COMPRESSION_LEVEL)).decode("ascii")


def unpack(packed):
    """Return the text that :func:`pack` compressed.

    Args:
        packed: ASCII text.

    Raises:
        ValueError: it has another form, or is longer than MAX_BYTES.
    """
    try:
        inflate = zlib.decompressobj()
        data = inflate.decompress(base64.b64decode(packed, validate=True), MAX_BYTES)
        if not inflate.eof:
            raise ValueError("too long")
        return data.decode("ascii")
    except (ValueError, zlib.error, TypeError) as error:
        raise ValueError(f"malformed compressed value: {error}") from None


def _digest_of_items(items):
    """Return a digest of a very large list or tuple, None if it contains other than plain values.

    One task of MBPP+ returns a list of more than a hundred million texts. Different from values of ordinary size, types
    must agree for equality: 1 and 1.0 differ.
    """
    digest = hashlib.sha256()
    try:
        for item in items:
            # Version 2 of the format has no references, which depend on identities.
            digest.update(marshal.dumps(item, 2))
    except ValueError:
        return None
    return digest.hexdigest()


class _Encoder:
    """Turns a value into JSON-compatible content: lists are lists, all other containers objects with one key."""

    def __init__(self, digests, iterables, unknown):
        self._digests = digests
        self._iterables = iterables
        self._unknown = unknown
        self._left = MAX_ITEMS

    def encode(self, value, depth):
        """Return the content of a value at a depth."""
        kind = type(value)
        if kind in _PLAIN:
            return value
        if kind is int:
            return value if -MAX_PLAIN_INTEGER < value < MAX_PLAIN_INTEGER else {"int": hex(value)}
        if kind is str:
            return self._text(value)
        if depth > MAX_DEPTH:
            raise _TooDeep(f"more than {MAX_DEPTH} levels deep")
        if kind in _SEQUENCES:
            items = self._items(value if kind is list else list(value), depth)
            return items if kind is list else {_SEQUENCES[kind]: items}
        if kind in _MAPPINGS:
            pairs = [self._items(list(value), depth), self._items(list(value.values()), depth)]
            return {_MAPPINGS[kind]: pairs}
        return self._other(value, kind, depth)

    def _items(self, items, depth):
        self._spend(len(items))
        kinds = set(map(type, items))
        # The JSON encoder takes lists of numbers or texts whole, which is many times faster than one by one.
        if kinds <= _PLAIN:
            return items
        if kinds <= _PLAIN | {int}:
            integers = [item for item in items if type(item) is int]
            if min(integers) > -MAX_PLAIN_INTEGER and max(integers) < MAX_PLAIN_INTEGER:
                return items
        if kinds == {str}:
            together = "".join(items)
            if len(together) <= MAX_COMPARED_TEXT and together.isascii():
                return items
        return [self.encode(item, depth + 1) for item in items]

    def _text(self, text):
        self._spend(len(text))
        if self._digests and len(text) > MAX_COMPARED_TEXT:
            digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
            return {"Digest": ["str", len(text), digest]}
        if not text.isascii():
            try:
                text.encode("utf-8")
            except UnicodeEncodeError:
                # JSON would join two lone surrogates into one character.
                return {"surrogates": text.encode("utf-8", "surrogatepass").hex()}
        return text

    def _spend(self, items):
        self._left -= items
        if self._left < 0:
            raise _TooLarge(f"more than {MAX_ITEMS} elements and characters")

    def _other(self, value, kind, depth):
        """Return the content of a value of another type than the most frequent ones."""
        if kind in _WRITTEN:
            return {kind.__name__: _WRITTEN[kind](self, value)}
        if (array := self._numpy(value, kind)) is not None:
            return array
        for base, plain in _SUBCLASSED:
            if isinstance(value, base):
                return {"subclass": self.encode(plain(value), depth + 1)}
        if self._unknown is not None:
            return self._unknown(value)
        if self._iterables and depth == 0 and hasattr(kind, "__iter__"):
            return {"items": self._items(list(itertools.islice(value, MAX_ITEMS)), depth)}
        return {"unserialisable": kind.__name__[:100]}

    def _bytes(self, value):
        """Return the content of bytes."""
        self._spend(len(value))
        return value.hex()

    def _integers(self, *numbers):
        """Return the content of integers of any size."""
        return [self.encode(number, 0) for number in numbers]

    def _numpy(self, value, kind):
        """Return the content of an array or scalar of numpy; None if `value` is neither or of another data type."""
        numpy = sys.modules.get("numpy")
        if numpy is None or not (kind is numpy.ndarray or issubclass(kind, numpy.generic)):
            return None
        if not _NUMPY_TYPE.fullmatch(value.dtype.str):
            return None
        self._spend(value.nbytes)
        shape = list(value.shape) if kind is numpy.ndarray else None
        return {"numpy": [value.dtype.str, shape, numpy.ascontiguousarray(value).tobytes().hex()]}


# How to write values of further types, under the names of the types.
_WRITTEN: dict[type, Callable[[_Encoder, Any], Any]] = {
    complex: lambda _, value: [value.real, value.imag],
    bytes: _Encoder._bytes,
    bytearray: _Encoder._bytes,
    range: lambda encoder, value: encoder._integers(value.start, value.stop, value.step),
    Decimal: lambda _, value: str(value),
    Fraction: lambda encoder, value: encoder._integers(value.numerator, value.denominator),
    type({}.keys()): lambda encoder, value: encoder._items(list(value), 0),
    Digest: lambda _, value: value.identity,
}
# How to get the plain value of an instance of a subclass without calling a method that the subclass overrides.
_SUBCLASSED: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (int, int.__pos__),
    (float, float.__pos__),
    (complex, complex.__pos__),
    (str, lambda value: str.__getitem__(value, slice(None))),
    (bytes, lambda value: bytes.__getitem__(value, slice(None))),
    (list, lambda value: list(list.__iter__(value))),
    (tuple, lambda value: tuple(tuple.__iter__(value))),
    (set, lambda value: set(set.__iter__(value))),
    (frozenset, lambda value: frozenset(frozenset.__iter__(value))),
    (dict, lambda value: dict(dict.items(value))),
)
_SUBCLASSES = {base: type(base.__name__, (base,), {}) for base, _ in _SUBCLASSED}


class _Decoder:
    """Turns JSON-compatible content into values."""

    def __init__(self, extra):
        self._extra = extra

    def decode(self, content) -> Any:
        """Return the value of a content."""
        kind = type(content)
        if kind is list:
            if not {list, dict} & set(map(type, content)):
                return content
            return list(map(self.decode, content))
        if kind is not dict:
            return content
        ((tag, inner),) = content.items()
        if tag in self._extra:
            return self._extra[tag](inner)
        return getattr(self, f"_{tag}")(inner) if tag in _TAGS else _fail(f"unknown tag {tag[:20]!r}")

    def _int(self, digits):
        return int(digits, 16)

    def _surrogates(self, digits):
        return bytes.fromhex(digits).decode("utf-8", "surrogatepass")

    def _Digest(self, identity):
        kind, length, digest = identity
        return Digest(kind, length, digest)

    def _complex(self, parts):
        return complex(*parts)

    def _bytes(self, digits):
        return bytes.fromhex(digits)

    def _bytearray(self, digits):
        return bytearray.fromhex(digits)

    def _range(self, bounds):
        return range(*self.decode(bounds))

    def _Decimal(self, text):
        return Decimal(text)

    def _Fraction(self, parts):
        return Fraction(*self.decode(parts))

    def _tuple(self, items):
        return tuple(self.decode(items))

    def _set(self, items):
        return set(self.decode(items))

    def _frozenset(self, items):
        return frozenset(self.decode(items))

    def _deque(self, items):
        return deque(self.decode(items))

    def _dict(self, pairs):
        keys, values = self.decode(pairs)
        return dict(zip(keys, values, strict=True))

    def _OrderedDict(self, pairs):
        return OrderedDict(self._dict(pairs))

    def _dict_keys(self, items):
        return dict.fromkeys(self.decode(items)).keys()

    def _items(self, items):
        return Items(self.decode(items))

    def _unserialisable(self, reason):
        return Unserialisable(str(reason))

    def _subclass(self, content):
        value = self.decode(content)
        return _SUBCLASSES[type(value)](value)

    def _numpy(self, content):
        import numpy

        kind, shape, digits = content
        if not _NUMPY_TYPE.fullmatch(kind):
            _fail(f"unknown data type {kind[:20]!r}")
        flat = numpy.frombuffer(bytes.fromhex(digits), dtype=kind)
        if shape is None:
            (scalar,) = flat
            return scalar
        if math.prod(shape) != flat.size:
            _fail("shape and data differ")
        return flat.reshape(shape).copy()


_TAGS = frozenset(name[1:] for name in vars(_Decoder) if name.startswith("_") and not name.startswith("__"))


def _fail(reason):
    raise ValueError(reason)
