"""Reading ahead changes nothing but the time it takes."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from mlops_tfx.io.ahead import ahead


def test_items_and_their_order_stay() -> None:
    assert list(ahead(iter(range(1000)), depth=3)) == list(range(1000))
    assert list(ahead([])) == []


def test_no_more_than_depth_items_are_prepared() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for index in range(100):
            taken.append(index)
            yield index

    reader = ahead(items(), depth=2)
    assert next(reader) == 0
    reader.close()
    # One was given out, two wait, one may be in hand.
    assert len(taken) <= 5


def test_an_error_comes_where_its_item_would_have_come() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("disk gone")

    reader = ahead(items())
    assert next(reader) == 1
    with pytest.raises(OSError, match="disk gone"):
        next(reader)


def test_the_thread_ends_with_the_iterator() -> None:
    before = threading.active_count()
    reader = ahead(range(10**9))
    assert next(reader) == 0
    reader.close()
    assert threading.active_count() == before
