"""A few threads that run what they are given, in order."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue

_log = logging.getLogger(__name__)


class Workers:
    """Threads, started with the first job. A third of the price of a ThreadPoolExecutor: there are no futures.

    Args:
        count: how many.
        name: theirs.
    """

    def __init__(self, count: int, name: str) -> None:
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads = [threading.Thread(target=self._work, name=name, daemon=True) for _ in range(count)]
        self._lock = threading.Lock()
        self._started = self._stopped = False

    def run(self, job: Callable[[], None]) -> None:
        """Has a job run. What it raises is logged."""
        if not self._started:
            self._start()
        self._jobs.put(job)

    def stop(self, wait: bool = True) -> None:
        """Ends the threads once they have run what they were given."""
        with self._lock:
            running = self._threads if self._started and not self._stopped else []
            self._started = self._stopped = True
        for _ in running:
            self._jobs.put(None)
        for thread in running if wait else ():
            thread.join()

    def _start(self) -> None:
        with self._lock:
            if not self._started:
                for thread in self._threads:
                    thread.start()
                self._started = True

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except Exception:
                _log.exception("a job failed in the server itself")
            # What it answered is not kept until the next one comes.
            del job
