"""Writes framed records to TFRecord shards, compressing in a thread of its own while the caller goes on."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from mlops_tfx.io import wire
from mlops_tfx.io.tfrecord import TFRecordFile

if TYPE_CHECKING:
    import pyarrow as pa

    from mlops_tfx.io.shard_folder import ShardFolder

_MAX_PENDING = 2  # pieces that wait to be compressed; bounds memory


class TFRecordShards:
    """Cuts records into shards by their uncompressed size. zlib releases the GIL: compression costs no caller time."""

    def __init__(self, folder: ShardFolder, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._file: TFRecordFile | None = None
        self._size = 0
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="tfrecord-writer")
        self._pending: deque[Future[None]] = deque()

    def write(self, framed: pa.BinaryArray) -> None:
        """Appends records that `tfrecord.frame` made."""
        offsets = wire.binary_offsets(framed)
        data = framed.buffers()[2]
        if data is None or offsets[0] == offsets[-1]:
            return
        view = memoryview(data)
        first, last = 0, len(offsets) - 1
        while first < last:
            room = self._max_bytes - self._size
            # The record that fills the shard belongs to it, so every shard has at least one.
            stop = min(int(np.searchsorted(offsets, offsets[first] + room)), last)
            self._append(view[offsets[first] : offsets[stop]])
            if self._size >= self._max_bytes:
                self._end_shard()
            first = stop

    def close(self) -> None:
        """Ends the last shard and waits until all is on disk. At least one shard is written, even without records."""
        if self._file is None and not self._folder.unfinished:
            self._file = TFRecordFile(self._folder.next_path())
        self._end_shard()
        self._wait(0)
        self._pool.shutdown()

    def abort(self) -> None:
        """Stops compressing and closes the open file as it is."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._file is not None:
            self._file.abort()

    def _append(self, framed: memoryview) -> None:
        if self._file is None:
            self._file = TFRecordFile(self._folder.next_path())
        self._wait(_MAX_PENDING - 1)
        self._pending.append(self._pool.submit(self._file.write, framed))
        self._size += len(framed)

    def _end_shard(self) -> None:
        if self._file is not None:
            self._pending.append(self._pool.submit(self._file.close))
        self._file, self._size = None, 0

    def _wait(self, most: int) -> None:
        while len(self._pending) > most:
            self._pending.popleft().result()
