"""How a search goes, a line for every trial."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

Log = Callable[[str], None]


class Progress:
    """Tells how the search goes, a line for every trial."""

    def __init__(self, tuner: Any, log: Log) -> None:
        self._oracle = tuner.oracle
        self._log = log
        self._last = time.monotonic()

    def begin(self) -> None:
        """Says what is searched, and what an earlier attempt has left."""
        names = ", ".join(parameter.name for parameter in self._oracle.get_space().space) or "nothing yet"
        self._log(f"searching {names}; {self._limit()} trials at most")
        done = len(self._oracle.end_order)
        if done:
            self._log(f"{done} trials of an earlier attempt are taken over")

    def trial_ended(self, trial_id: str) -> None:
        """Says how a trial ended."""
        trial = self._oracle.get_trial(trial_id)
        now = time.monotonic()
        seconds, self._last = now - self._last, now
        place = f"trial {len(self._oracle.end_order)} of {self._limit()}"
        if trial.status != "COMPLETED":
            reason = (trial.message or "no reason given").strip().splitlines()[-1]
            self._log(f"{place}: {trial.status.lower()} after {seconds:.1f} s: {reason}")
            return
        best = self._oracle.get_best_trials(1)[0]
        name = self._oracle.objective.name
        self._log(f"{place}: {name} {trial.score:.5g} (best {best.score:.5g}), {seconds:.1f} s")

    def _limit(self) -> Any:
        return self._oracle.max_trials or "any number of"
