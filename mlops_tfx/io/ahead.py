"""Reads ahead: a thread prepares the next items while the caller works on the present one."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

_END = object()


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error


def ahead(items: Iterable[T], depth: int = 2) -> Iterator[T]:
    """Yields the same items in the same order, computed in a thread up to ``depth`` items ahead.

    Decompressing, parsing and writing release the GIL, so two cores are used. An error is raised where its item would
    have come. The thread ends when the iterator is exhausted or closed.
    """
    waiting: queue.Queue[object] = queue.Queue(depth)
    closed = threading.Event()

    def put(item: object) -> bool:
        while not closed.is_set():
            try:
                waiting.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def produce() -> None:
        try:
            for item in items:
                if not put(item):
                    return
            put(_END)
        except BaseException as error:
            put(_Failure(error))

    thread = threading.Thread(target=produce, name="read-ahead", daemon=True)
    thread.start()
    try:
        while (item := waiting.get()) is not _END:
            if isinstance(item, _Failure):
                raise item.error
            yield item  # type: ignore[misc]  # what is neither the end nor a failure is a T
    finally:
        closed.set()
        thread.join()
