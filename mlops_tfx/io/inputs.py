"""Input files of ExampleGens: which ones there are, and what is in them (digests)."""

from __future__ import annotations

import functools
import glob as _glob
import hashlib
import operator
import os
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from mlops_tfx import config, filesystem
from mlops_tfx.errors import DataError
from mlops_tfx.io import spans

DEFAULT_SPLITS = (("single_split", "*"),)
_CHUNK = 4 << 20


@dataclass(frozen=True)
class InputSplit:
    """The files of one input split, sorted.

    Attributes:
        name: the split's name.
        files: its files.
        pattern: its pattern below ``input_base``, with span and version filled in.
    """

    name: str
    files: tuple[str, ...]
    pattern: str = "*"


@dataclass(frozen=True)
class SpanInput:
    """The input splits of one span.

    Attributes:
        span: its number; 0 if the patterns have no placeholders.
        version: its version, or None if the patterns have no ``{VERSION}``.
        splits: the input splits with their files.
    """

    span: int
    version: int | None
    splits: tuple[InputSplit, ...]


def split_patterns(input_config: config.Input | None) -> list[tuple[str, str]]:
    """Name and pattern of every input split."""
    wanted = [(split.name, split.pattern) for split in input_config.splits] if input_config else []
    return wanted or list(DEFAULT_SPLITS)


def find_spans(
    input_base: str,
    input_config: config.Input | None,
    range_config: config.RangeConfig | None = None,
    *,
    may_be_empty: bool = False,
) -> list[SpanInput]:
    """Finds the files of every input split in every span that is wanted, by default the latest span.

    Only the files of these spans are listed.

    Args:
        input_base: the folder.
        input_config: the patterns.
        range_config: the spans that are wanted.
        may_be_empty: patterns without spans may match no file, and their folder may be missing: the reader knows
            another source.

    Raises:
        ConfigError: a pattern or the range is wrong.
        DataError: the folder, the spans or the files are not there, or the splits have different spans.
    """
    patterns = spans.parse_patterns(split_patterns(input_config))
    spans.check_range(range_config, patterns)
    if not patterns[0].has_span and may_be_empty:
        splits = (InputSplit(item.split, _files(input_base, item.text), item.text) for item in patterns)
        return [SpanInput(0, None, tuple(splits))]
    _check_folder(input_base)
    if not patterns[0].has_span:
        return [SpanInput(0, None, tuple(_find_split(input_base, item.split, item.text) for item in patterns))]
    chosen = {item.split: _choose(input_base, item, range_config) for item in patterns}
    spans.check_agreement(chosen)
    return [
        SpanInput(
            places[0].span,
            places[0].version,
            tuple(_find_split(input_base, name, place.pattern) for name, place in zip(chosen, places, strict=True)),
        )
        for places in zip(*chosen.values(), strict=True)
    ]


def _choose(input_base: str, pattern: spans.SpanPattern, range_config: config.RangeConfig | None) -> list[spans.Place]:
    prefix = os.path.join(input_base, "")
    found = filesystem.glob(_glob.escape(prefix) + pattern.head_glob())
    listed = [path.removeprefix(prefix) for path in found]
    while True:
        chosen = spans.choose(spans.latest_versions(pattern, listed, range_config), range_config, pattern)
        # A folder without files is no span: someone is still about to fill it.
        empty = [place for place in chosen if not _files(input_base, place.pattern)]
        if not empty:
            return chosen
        listed = [path for path in listed if pattern.place(path) not in empty]


def find_input(input_base: str, input_config: config.Input | None) -> list[InputSplit]:
    """The input splits of the latest span; errors as for `find_spans`."""
    return list(find_spans(input_base, input_config)[-1].splits)


def _check_folder(input_base: str) -> None:
    if not filesystem.exists(input_base):
        raise DataError(f"expected a folder with data, received input_base={input_base!r}, which does not exist")
    if not filesystem.isdir(input_base):
        folder, name = filesystem.dirname(input_base), filesystem.basename(input_base)
        raise DataError(
            f"expected a folder with data, received input_base={input_base!r}, which is a file; pass {folder!r} and "
            f"Input(splits=[Input.Split(name='single_split', pattern={name!r})])"
        )


def _find_split(input_base: str, name: str, pattern: str) -> InputSplit:
    files = _files(input_base, pattern)
    if not files:
        raise DataError(
            f"input split {name!r}: expected files, received pattern={pattern!r} in {input_base!r}, which matches "
            f"none; the folder holds: {', '.join(filesystem.listdir(input_base)[:10]) or '(nothing)'}"
        )
    return InputSplit(name, files, pattern)


def _files(input_base: str, pattern: str) -> tuple[str, ...]:
    found = filesystem.glob(filesystem.join(_glob.escape(input_base), pattern))
    return tuple(path for path in found if not filesystem.isdir(path))


def fingerprint(splits: Sequence[InputSplit]) -> str:
    """TFX's fingerprint of the input: numbers, sizes and modification times of the files (not their content)."""
    return "\n".join(_fingerprint(split) for split in splits)


def _fingerprint(split: InputSplit) -> str:
    stats = [filesystem.stat(path) for path in split.files]
    times = [stat.modified_ns // 1_000_000_000 for stat in stats]
    return (
        f"split:{split.name},num_files:{len(stats)},total_bytes:{sum(stat.size for stat in stats)},"
        f"xor_checksum:{functools.reduce(operator.xor, times, 0)},sum_checksum:{sum(times)}"
    )


def ingredients(splits: Iterable[InputSplit]) -> dict[str, str]:
    """What a result depends on that reads these files: their content, by path."""
    digests = content_digests(path for split in splits for path in split.files)
    return {f"file {path}": digest for path, digest in digests.items()}


def content_digests(paths: Iterable[str]) -> dict[str, str]:
    """SHA-256 of every file, by path, several files at a time.

    A file that has not been touched since it was last digested in this process is not read again.
    """
    names = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(max(1, min(len(names), os.cpu_count() or 1))) as pool:
        return dict(zip(names, pool.map(_content_digest, names), strict=True))


# Digests by path, each with the state of the file that it was computed from.
_KNOWN: dict[str, tuple[tuple[int, ...], str]] = {}
_MAX_KNOWN = 100_000
_SETTLED_NS = 2_000_000_000


def _content_digest(path: str) -> str:
    if not filesystem.is_local(path):
        return filesystem.digest(path)  # by its entity tag: it is not read for this
    before = _state(path)
    known = _KNOWN.get(path)
    if known is not None and known[0] == before:
        return known[1]
    # hashlib releases the GIL for chunks of this size.
    digest = hashlib.sha256()
    with filesystem.open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    # The clock of a file system has steps: a file written just now may be written again within the same one.
    settled = time.time_ns() - before[1] > _SETTLED_NS
    if settled and before == _state(path) and len(_KNOWN) < _MAX_KNOWN:
        _KNOWN[path] = (before, digest.hexdigest())
    return digest.hexdigest()


def _state(path: str) -> tuple[int, ...]:
    if not filesystem.is_local(path):
        return tuple(filesystem.stat(path))
    stat = os.stat(filesystem.local_path(path))
    return stat.st_size, stat.st_mtime_ns, stat.st_ino, stat.st_dev
