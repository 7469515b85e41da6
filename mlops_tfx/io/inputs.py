"""Input files of ExampleGens: which ones there are, and what is in them (digests)."""

from __future__ import annotations

import functools
import hashlib
import operator
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from mlops_tfx import config, filesystem
from mlops_tfx.errors import ConfigError, DataError

DEFAULT_SPLITS = (("single_split", "*"),)
_CHUNK = 4 << 20


@dataclass(frozen=True)
class InputSplit:
    """The files of one input split, sorted."""

    name: str
    files: tuple[str, ...]


def find_input(input_base: str, input_config: config.Input | None) -> list[InputSplit]:
    """Finds the files of every input split; by default one split of all files in ``input_base``.

    Raises:
        DataError: the folder or the files are not there.
    """
    if not filesystem.exists(input_base):
        raise DataError(f"expected a folder with data, received input_base={input_base!r}, which does not exist")
    if not filesystem.isdir(input_base):
        folder, name = os.path.split(input_base)
        raise DataError(
            f"expected a folder with data, received input_base={input_base!r}, which is a file; pass {folder!r} and "
            f"Input(splits=[Input.Split(name='single_split', pattern={name!r})])"
        )
    wanted = [(split.name, split.pattern) for split in input_config.splits] if input_config else []
    return [_find_split(input_base, name, pattern) for name, pattern in wanted or DEFAULT_SPLITS]


def _find_split(input_base: str, name: str, pattern: str) -> InputSplit:
    if "{" in pattern:
        raise ConfigError(
            f"input split {name!r}: patterns with {{SPAN}}, {{VERSION}} or dates are not supported yet, received "
            f"pattern={pattern!r}; name the folder of one span"
        )
    found = filesystem.glob(os.path.join(input_base, pattern))
    files = tuple(path for path in found if not filesystem.isdir(path))
    if not files:
        raise DataError(
            f"input split {name!r}: expected files, received pattern={pattern!r} in {input_base!r}, which matches "
            f"none; the folder holds: {', '.join(filesystem.listdir(input_base)[:10]) or '(nothing)'}"
        )
    return InputSplit(name, files)


def fingerprint(splits: Sequence[InputSplit]) -> str:
    """TFX's fingerprint of the input: numbers, sizes and modification times of the files (not their content)."""
    return "\n".join(_fingerprint(split) for split in splits)


def _fingerprint(split: InputSplit) -> str:
    stats = [os.stat(filesystem.local_path(path)) for path in split.files]
    times = [int(stat.st_mtime) for stat in stats]
    return (
        f"split:{split.name},num_files:{len(stats)},total_bytes:{sum(stat.st_size for stat in stats)},"
        f"xor_checksum:{functools.reduce(operator.xor, times, 0)},sum_checksum:{sum(times)}"
    )


def ingredients(splits: Iterable[InputSplit]) -> dict[str, str]:
    """What a result depends on that reads these files: their content, by path."""
    digests = content_digests(path for split in splits for path in split.files)
    return {f"file {path}": digest for path, digest in digests.items()}


def content_digests(paths: Iterable[str]) -> dict[str, str]:
    """SHA-256 of every file, by path, several files at a time."""
    names = list(paths)
    with ThreadPoolExecutor(max(1, min(len(names), os.cpu_count() or 1))) as pool:
        return dict(zip(names, pool.map(_content_digest, names), strict=True))


def _content_digest(path: str) -> str:
    # hashlib releases the GIL for chunks of this size.
    digest = hashlib.sha256()
    with filesystem.open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
