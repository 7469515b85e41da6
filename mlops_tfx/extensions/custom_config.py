"""What is wrong with the ``custom_config`` of a component for Google Cloud, said while the pipeline is wired."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mlops_tfx.errors import did_you_mean

_NEAR = 0.8  # of 1: so alike that it is a slip, not a key of somebody else's


def unknown_keys(given: Mapping[str, Any], known: Iterable[str], where: str) -> Iterator[str]:
    """Yields a problem for every key that is not known."""
    names = sorted(known)
    for key in given:
        if key not in names:
            hint = did_you_mean(key, names)
            yield f"{where}: expected keys among {names}, received {key!r}{hint}"


def misspelt_keys(given: Mapping[str, Any], known: Iterable[str], where: str) -> Iterator[str]:
    """Yields a problem for every key that is nearly a known one; for places where users put keys of their own."""
    names = sorted(known)
    for key in given:
        near = difflib.get_close_matches(key, names, n=1, cutoff=_NEAR)
        if key not in names and near:
            yield f"{where}: received {key!r}; did you mean {near[0]!r}?"


def missing_texts(given: Mapping[str, Any], required: Iterable[str], where: str) -> Iterator[str]:
    """Yields a problem for every required key that is not there, or holds something else than a text."""
    for key in required:
        value = given.get(key)
        if not isinstance(value, str) or not value:
            yield f"{where}: expected {key!r} with a text, received {key}={value!r}"


def section(custom_config: Mapping[str, Any] | None, key: str) -> tuple[Mapping[str, Any], list[str]]:
    """Returns the dict below a key, and what is wrong if there is none."""
    value = (custom_config or {}).get(key)
    if isinstance(value, Mapping) and value:
        return value, []
    return {}, [f"custom_config: expected {key!r} with a dict of arguments, received {key}={value!r}"]
