"""Random predicates against Python's own evaluation of the same expression."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_tfx.errors import PlaceholderError, ResolutionError
from mlops_tfx.placeholders import (
    Known,
    Placeholder,
    Predicate,
    RuntimeParameter,
    exec_property,
    logical_and,
    logical_not,
    logical_or,
)

COMPARE = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
NAMES = ("a", "b", "c", "d")
numbers = st.one_of(st.integers(-3, 3), st.sampled_from([0.0, -0.0, 0.5, 1.0, float("nan"), float("inf")]))
values = st.fixed_dictionaries({name: numbers for name in NAMES})
operands = st.one_of(st.sampled_from(NAMES), numbers)
comparisons = st.tuples(st.sampled_from(NAMES), st.sampled_from(sorted(COMPARE)), operands)
trees = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.tuples(st.just("not"), inner),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner),
    ),
    max_leaves=12,
)


def as_placeholder(tree: Any, as_symbols: bool) -> Predicate:
    """The tree in the language of placeholders, by functions or by operators."""
    if tree[0] == "not":
        inner = as_placeholder(tree[1], as_symbols)
        return ~inner if as_symbols else logical_not(inner)
    left, sign, right = tree
    if sign in COMPARE:
        other: Any = RuntimeParameter(right) if isinstance(right, str) else right
        return COMPARE[sign](RuntimeParameter(left), other)
    first, second = as_placeholder(left, as_symbols), as_placeholder(right, as_symbols)
    if as_symbols:
        return first & second if sign == "and" else first | second
    return logical_and(first, second) if sign == "and" else logical_or(first, second)


def as_python(tree: Any) -> str:
    if tree[0] == "not":
        return f"(not {as_python(tree[1])})"
    left, sign, right = tree
    if sign in COMPARE:
        return f"({left} {sign} {f'({right!r})' if not isinstance(right, str) else right})"
    return f"({as_python(left)} {sign} {as_python(right)})"


@given(trees, values, st.booleans())
def test_a_predicate_is_what_python_says(tree: Any, given_values: Mapping[str, Any], as_symbols: bool) -> None:
    predicate = as_placeholder(tree, as_symbols)
    python = eval(as_python(tree), {"nan": float("nan"), "inf": float("inf"), **given_values})
    assert predicate.resolve(Known(parameters=given_values)) is bool(python)


@given(trees, values)
def test_its_text_is_python_too(tree: Any, given_values: Mapping[str, Any]) -> None:
    """What the screen shows as the reason is the condition itself."""
    text = repr(as_placeholder(tree, as_symbols=False))
    scope = {"nan": float("nan"), "inf": float("inf"), "RuntimeParameter": given_values.__getitem__}
    known = Known(parameters=given_values)
    assert bool(eval(text, scope)) is as_placeholder(tree, as_symbols=True).resolve(known)


@given(trees, trees)
def test_same_as_compares_the_expressions(one: Any, other: Any) -> None:
    first, second = as_placeholder(one, True), as_placeholder(other, True)
    assert first.same_as(as_placeholder(one, False))
    if repr(first).replace("-0.0", "0.0") != repr(second).replace("-0.0", "0.0"):
        assert not first.same_as(second)


def test_text_compares_with_text_and_not_with_numbers() -> None:
    name = RuntimeParameter("name")
    known = Known(parameters={"name": "b"})
    assert (name > "a").resolve(known) is True
    assert (name == 3).resolve(known) is False
    assert (name != 3).resolve(known) is True
    with pytest.raises(ResolutionError, match=r"RuntimeParameter\('name'\) < 3 cannot be decided: 'b' < 3"):
        (name < 3).resolve(known)


def test_a_constant_may_stand_on_the_left() -> None:
    n = RuntimeParameter("n")
    assert (3 < n).resolve(Known(parameters={"n": 4})) is True
    assert (3 == n).resolve(Known(parameters={"n": 4})) is False


def test_the_right_side_is_not_looked_at_when_the_left_one_decides() -> None:
    n, missing = RuntimeParameter("n"), exec_property("missing")
    known = Known(parameters={"n": 4})
    assert logical_or(n == 4, missing == 1).resolve(known) is True
    assert logical_and(n == 3, missing == 1).resolve(known) is False
    with pytest.raises(ResolutionError):
        logical_and(n == 4, missing == 1).resolve(known)


@pytest.mark.parametrize("wrong", [True, 3, None, "x", RuntimeParameter("n")])
def test_only_predicates_are_joined(wrong: Any) -> None:
    predicate = RuntimeParameter("n") == 1
    for join in (
        lambda: logical_not(wrong),
        lambda: logical_and(predicate, wrong),
        lambda: logical_or(wrong, predicate),
    ):
        with pytest.raises(PlaceholderError, match="expected a condition such as"):
            join()


@pytest.mark.parametrize("value", [exec_property("a"), RuntimeParameter("n") == 1])
def test_a_placeholder_is_not_true_or_false(value: Placeholder) -> None:
    """`a == 1 and b == 2` would silently be the second condition alone."""
    with pytest.raises(PlaceholderError, match="join conditions with logical_and, logical_or and logical_not"):
        _ = value and value
    with pytest.raises(PlaceholderError, match=r"iterating over .* is a ',' missing"):
        list(value)
    with pytest.raises(PlaceholderError, match=r"use \+ or join"):
        f"{value}"
    with pytest.raises(PlaceholderError, match="not supported"):
        _ = "{}".format(value)  # noqa: UP032
    with pytest.raises(TypeError):
        _ = 3 in value


def test_a_predicate_is_no_text() -> None:
    predicate = RuntimeParameter("n") == 1
    for use in (lambda: predicate + "x", lambda: "x" + predicate, lambda: predicate.b64encode()):
        with pytest.raises(PlaceholderError, match="a condition cannot be"):
            use()
