"""The serialisation of outputs: what goes in comes out, and nothing hostile gets through."""

from __future__ import annotations

import contextlib
import json
import math
from collections import Counter, OrderedDict, deque, namedtuple
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfalign.evaluate.harness import values

hashable = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**40), 10**40)
    | st.floats()
    | st.complex_numbers()
    | st.text(st.characters(codec=None, exclude_categories=()))
    | st.binary()
    | st.decimals(allow_nan=False)
    | st.fractions()
    | st.builds(range, st.integers(-5, 5), st.integers(-5, 5), st.integers(1, 5)),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=4),
    max_leaves=8,
)
anything = st.recursive(
    hashable | st.binary().map(bytearray),
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.tuples(inner, inner)
        | st.sets(hashable, max_size=4)
        | st.dictionaries(hashable, inner, max_size=4)
        | st.dictionaries(hashable, inner, max_size=4).map(OrderedDict)
        | st.lists(inner, max_size=4).map(deque)
    ),
    max_leaves=12,
)


def _form(value):
    """Return the types and texts of a value and its parts; those of a set in an order that does not depend on it."""
    if isinstance(value, set | frozenset):
        return type(value), sorted(repr(_form(each)) for each in value)
    if isinstance(value, list | tuple | deque):
        return type(value), [_form(each) for each in value]
    if isinstance(value, dict):
        return type(value), [(_form(key), _form(each)) for key, each in value.items()]
    return type(value), repr(value)


def _same(one, other):
    """Whether two values are equal and of the same types, with NaN equal to itself and 0.0 different from -0.0."""
    return _form(one) == _form(other)


@settings(max_examples=300, deadline=None)
@given(anything)
def test_values_keep_their_types(value):
    text = values.dumps(value)
    assert "\n" not in text
    assert text.isascii()
    found = values.loads(text)
    assert _same(found, value)
    assert values.loads(values.unpack(values.pack(text))) == found or "nan" in repr(value)


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.text(max_size=8) | st.integers() | st.floats(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["int", "tuple", "set", "dict", "numpy", "Decimal", "range", "subclass", "x"]
                ),
                inner,
                max_size=2,
            )
        ),
    )
)
def test_hostile_text_is_a_value_or_a_value_error(content):
    with contextlib.suppress(ValueError):
        values.loads(json.dumps(content))


@pytest.mark.parametrize(
    "array",
    [
        np.array([1.5, math.nan]),
        np.arange(6).reshape(2, 3),
        np.array([], dtype="<f4"),
        np.array(["a", "bc"]),
        np.array([[True]]),
    ],
    ids=repr,
)
def test_arrays_and_their_scalars_keep_types(array):
    found = values.loads(values.dumps(array))
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert np.array_equal(found, array, equal_nan=array.dtype.kind == "f")
    for scalar in array.ravel():
        again = values.loads(values.dumps(scalar))
        assert type(again) is type(scalar)
        assert repr(again) == repr(scalar)


def test_instances_of_subclasses_keep_the_value_of_the_built_in_type():
    class Liar(int):
        __eq__ = __bool__ = lambda *_: True
        __hash__ = int.__hash__
        __pos__ = __index__ = __int__ = lambda _: 7

    Point = namedtuple("Point", "x y")
    for value, plain in ((Liar(3), 3), (Point(1, 2), (1, 2)), (Counter("aab"), {"a": 2, "b": 1})):
        found = values.loads(values.dumps(value))
        assert plain == found
        assert found == plain
        assert type(found) is not type(plain)
        assert isinstance(found, type(plain))


class _Other:
    __eq__ = lambda *_: True  # noqa: E731
    __hash__ = object.__hash__


RECURSIVE: list = []
RECURSIVE.append(RECURSIVE)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (_Other(), "_Other"),
        (len, "builtin_function_or_method"),
        (iter([1]), "list_iterator"),
        (np.array([object()]), "ndarray"),
        (RECURSIVE, "more than 100 levels deep"),
        ("x" * (values.MAX_ITEMS + 1), "more than 16777216 elements and characters"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 100 else "",
)
def test_everything_else_is_unserialisable_with_a_reason(value, reason):
    found = values.loads(values.dumps(value))
    assert isinstance(found, values.Unserialisable)
    assert found.reason == reason
    assert repr(found) == f"<unserialisable: {reason}>"
    assert found != value or isinstance(value, _Other)
    assert [found] != [values.Unserialisable(reason)]


def test_long_texts_and_very_large_lists_are_compared_by_digest(monkeypatch):
    monkeypatch.setattr(values, "MAX_ITEMS", 1_000)
    large = [("a", 1.5)] * 2_000

    def sent(value):
        return values.loads(values.dumps(value, digests=True))

    assert sent(large) == sent([("a", 1.5)] * 2_000)
    for other in (large[1:], tuple(large), [*large[1:], ("a", 1.25)], [*large[1:], ["a", 1.5]]):
        assert sent(large) != sent(other)
    assert isinstance(sent([_Other()] * 2_000), values.Unserialisable)
    text = "ab" * values.MAX_COMPARED_TEXT
    monkeypatch.setattr(values, "MAX_ITEMS", 1 << 24)
    assert sent(text) == sent("ab" * values.MAX_COMPARED_TEXT)
    assert sent([text]) != sent([text[:-1] + "a"])


@pytest.mark.parametrize(
    "text",
    ["", "{", "[" * 100_000, '{"int": "zz"}', '{"tuple": 1}', '{"set": [[]]}', '{"exec": "1"}', '{"_init__": 1}', '{"a": 1, "b": 2}', "{}",
     '{"numpy": ["O", [1], "00"]}', '{"numpy": ["<f8", [1000000000000], "00"]}', '{"numpy": ["<f8", [-1], "0000000000000000"]}',
     '{"range": [0, 1, 0]}', '{"dict": [[1], []]}', '{"subclass": true}', '{"Fraction": [1, 0]}', '{"decode": 1}'],
)  # fmt: skip
def test_malformed_text_is_a_value_error(text):
    with pytest.raises(ValueError, match="malformed value"):
        values.loads(text)


def test_compressed_text_is_bounded(monkeypatch):
    monkeypatch.setattr(values, "MAX_BYTES", 10_000)
    assert values.unpack(values.pack("x" * 10_000)) == "x" * 10_000
    with pytest.raises(ValueError, match="too long"):
        values.unpack(values.pack("x" * 10_001))
    for text in ("", "e", "ééé", "AAAA"):
        with pytest.raises(ValueError, match="malformed compressed value"):
            values.unpack(text)


def test_numbers_that_compare_equal_still_do():
    for one, other in ((Fraction(1, 2), 0.5), (Decimal("0.5"), Fraction(1, 2)), (1, True), (2.0, 2)):
        assert values.loads(values.dumps(one)) == values.loads(values.dumps(other))


def test_nan_equals_no_nan_of_another_run_even_in_a_list():
    text = values.dumps([math.nan])
    assert values.loads(text) != values.loads(text)
