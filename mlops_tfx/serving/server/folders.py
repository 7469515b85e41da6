"""Which versions lie in a base path."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

import tensorflow as tf

_NUMBER = re.compile(r"[+-]?[0-9]+")
_INT64 = range(-(2**63), 2**63)
SAVED_MODEL_FILES = ("saved_model.pb", "saved_model.pbtxt")
_MOST_FILES = 100_000


def parse_version(name: str) -> int | None:
    """Returns the version that a folder name stands for; leading zeros are fine. None if it is not an int64."""
    if not _NUMBER.fullmatch(name.strip()):
        return None
    number = int(name)
    return number if number in _INT64 else None


def list_versions(base_path: str) -> dict[int, str]:
    """Returns version -> folder.

    Raises:
        OSError: the base path is not there or cannot be read.
    """
    try:
        names = sorted(tf.io.gfile.listdir(base_path))
    except tf.errors.OpError as error:
        raise FileNotFoundError(error.message) from error
    versions: dict[int, str] = {}
    for name in names:
        version = parse_version(name.rstrip("/"))
        path = os.path.join(base_path, name.rstrip("/"))
        if version is not None and tf.io.gfile.isdir(path):
            versions[version] = path
    return versions


def fingerprint(path: str) -> tuple[tuple[str, int, int], ...]:
    """Returns names, sizes and times of the files below a folder: it changes while the folder is being written.

    Of a folder without a SavedModel only what lies in it: a base path may be any folder, ``/`` among them.
    """
    entries: list[tuple[str, int, int]] = []
    deep = any(tf.io.gfile.exists(os.path.join(path, name)) for name in SAVED_MODEL_FILES)
    for folder, _, names in _walk(path):
        entries += [_entry(os.path.join(folder, name)) for name in sorted(names)]
        if not deep or len(entries) >= _MOST_FILES:
            break
    return tuple(entries)


def _walk(path: str) -> Iterable[tuple[str, list[str], list[str]]]:
    # Links to folders are not followed where there are links: they may lead around in circles.
    found: Iterable[tuple[str, list[str], list[str]]] = tf.io.gfile.walk(path) if "://" in path else os.walk(path)
    return found


def _entry(path: str) -> tuple[str, int, int]:
    try:
        stat = tf.io.gfile.stat(path)
    except tf.errors.OpError:
        # Removed or renamed since it was listed, or not to be read; the next look may differ.
        return path, -1, 0
    return path, int(stat.length), int(stat.mtime_nsec)
