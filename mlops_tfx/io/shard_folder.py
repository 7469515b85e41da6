"""Numbered files of one split: invisible while written, named ``prefix-00000-of-00003.gz`` when all are done."""

from __future__ import annotations

import os
from collections.abc import Sequence

from mlops_tfx import filesystem


class ShardFolder:
    """Hands out paths for unfinished shards and, at the end, gives all of them their final names.

    An unfinished shard begins with a dot, so that no reader's pattern matches it.
    """

    def __init__(self, folder: str, prefix: str, suffix: str) -> None:
        self._folder = folder
        self._prefix = prefix
        self._suffix = suffix
        self._unfinished: list[str] = []
        filesystem.makedirs(folder)

    @property
    def unfinished(self) -> tuple[str, ...]:
        """Paths handed out so far, in order."""
        return tuple(self._unfinished)

    def next_path(self) -> str:
        """A path for one more shard."""
        path = os.path.join(self._folder, f".{self._prefix}-{len(self._unfinished):05d}.unfinished")
        self._unfinished.append(path)
        return path

    def publish(self) -> list[str]:
        """Renames every shard and returns the final paths."""
        names = shard_file_names(len(self._unfinished), self._prefix, self._suffix)
        paths = [os.path.join(self._folder, name) for name in names]
        for source, destination in zip(self._unfinished, paths, strict=True):
            filesystem.rename(source, destination)
        return paths

    def discard(self) -> None:
        """Removes every unfinished shard."""
        for path in self._unfinished:
            filesystem.remove_tree(path)


def adopt(paths: Sequence[str], folder: str, prefix: str, suffix: str) -> list[str]:
    """Moves finished files into a folder, in this order, under the names of shards; returns their new paths."""
    filesystem.makedirs(folder)
    names = shard_file_names(len(paths), prefix, suffix)
    moved = [os.path.join(folder, name) for name in names]
    for source, destination in zip(paths, moved, strict=True):
        filesystem.rename(source, destination)
    return moved


def shard_file_names(total: int, prefix: str, suffix: str) -> list[str]:
    """The names of all shards of a split."""
    return [f"{prefix}-{index:05d}-of-{total:05d}{suffix}" for index in range(total)]
