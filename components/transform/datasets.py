"""What is analyzed: datasets (a split of an artifact), and what is known of them from earlier runs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import tensorflow_transform as tft
from tensorflow_transform.beam import analyzer_cache

from mlops_tfx import filesystem
from mlops_tfx.components.transform.tallies import read_tallies
from mlops_tfx.errors import DataError
from mlops_tfx.io.examples import Shard, list_shards
from mlops_tfx.io.row_counts import check_rows_read
from mlops_tfx.statistics import partial_state
from mlops_tfx.transformation import tensors

if TYPE_CHECKING:
    from mlops_tfx.artifacts import Examples
    from mlops_tfx.statistics.compute import Computation, Partial
    from mlops_tfx.statistics.settings import Settings

# TFX's rule: (analyzers at most, datasets to cache). Every cached dataset adds stages per analyzer to the pipeline.
_CACHED_DATASETS = ((10, 100), (50, 50), (100, 10), (150, 6), (200, 4), (300, 2))


def cached_datasets_limit(analyzers: int, statistics: bool) -> int:
    """How many datasets get new cache entries in one run, as in TFX; twice as many without statistics."""
    limit = next((count for most, count in _CACHED_DATASETS if analyzers <= most), 1)
    return limit if statistics else 2 * limit


@dataclass(frozen=True)
class Dataset:
    """One split of one artifact: the unit in which analyzer results are cached, by content.

    Attributes:
        examples: the artifact.
        split: the split.
        index: the artifact's place among the inputs.
    """

    examples: Examples
    split: str
    index: int = 0

    @property
    def where(self) -> str:
        """Names the dataset in errors."""
        return self.examples.path(self.split)

    @cached_property
    def shards(self) -> list[Shard]:
        """The shards, in order."""
        return list_shards(self.examples, self.split)

    @cached_property
    def digest(self) -> str:
        """Digest of the content."""
        return filesystem.digest(self.where)

    def label(self) -> str:
        """Names the dataset for people."""
        span = f"span {self.examples.span}, " if "span" in self.examples.properties else ""
        return f"examples[{self.index}] ({span}split {self.split!r})"


def make_keys(datasets: Sequence[Dataset], code: str) -> dict[Any, Dataset]:
    """Names every dataset in the analyzer cache, by content: no path, so that a moved artifact is known again.

    Args:
        datasets: what is analyzed.
        code: from `code_digest`.

    Returns:
        Key to dataset. Datasets with equal bytes get keys of their own, and are both read.
    """
    keys: dict[Any, Dataset] = {}
    for dataset in datasets:
        name = f"{dataset.split}-{dataset.digest}-{code}"
        while analyzer_cache.DatasetKey(name) in keys:
            name += "-again"
        keys[analyzer_cache.DatasetKey(name)] = dataset
    return keys


def code_digest(schema: Any, columns: Collection[str], opaque_code: Mapping[str, str]) -> str:
    """What cached results depend on besides the data and the analyzers, of which TensorFlow Transform keeps account.

    That is its own version, and how the analyzed features become tensors (a default value is filled in before the graph
    that TensorFlow Transform looks at begins). Features that no analyzer reads do not count.

    Args:
        schema: the schema of the raw data.
        columns: the features that analyzers read.
        opaque_code: digests of code that the graph calls but does not contain (`tf.py_function`); empty without.
    """
    digest = hashlib.sha256(f"tft {tft.__version__}".encode())
    config = tensors.adapter_config(schema, columns) if columns else None
    for name, representation in sorted(config.tensor_representations.items()) if config is not None else ():
        digest.update(f"\n{name} ".encode() + representation.SerializeToString(deterministic=True))
    for name, value in sorted(opaque_code.items()):
        digest.update(f"\n{os.path.basename(name)} {value}".encode())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Reading:
    """The datasets of one analysis, which of them are read, and what reading them left behind.

    Attributes:
        keys: all datasets by cache key.
        read: those that are read.
        folder: where tallies go.
        settings: what statistics of the raw data are computed; None for none.
        earlier: the earlier cache, or None.
    """

    keys: Mapping[Any, Dataset]
    read: Collection[Any]
    folder: str
    settings: Settings | None
    earlier: str | None

    def tally_folder(self, key: Any) -> str:
        """Where the tallies of a dataset go."""
        return os.path.join(self.folder, key.key)

    def rows(self) -> dict[str, int]:
        """The rows that were read of every dataset; 0 for one whose results are known. DataError if rows got lost."""
        return {dataset.label(): self._rows(key, dataset) for key, dataset in self.keys.items()}

    def _rows(self, key: Any, dataset: Dataset) -> int:
        if key not in self.read:
            return 0
        rows = sum(tally.rows for tally in read_tallies(self.tally_folder(key), len(dataset.shards)))
        check_rows_read([dataset.examples], dataset.split, rows, "analyzed")
        return rows

    def statistics(self, computation: Computation, write_to: str | None) -> Partial:
        """Merges the partial statistics of all datasets, and keeps those of each with the cache if there is one."""
        return computation.merge(self._partial(computation, key, write_to) for key in self.keys)

    def _partial(self, computation: Computation, key: Any, write_to: str | None) -> Partial:
        if key not in self.read:
            return _known_partial(self.earlier, key, computation.settings)
        found = (tally.partial for tally in read_tallies(self.tally_folder(key), len(self.keys[key].shards)))
        partial = computation.merge(item for item in found if item is not None)
        if write_to is not None:
            state = partial_state.dumps({"rows": partial.rows}, partial)
            filesystem.write_bytes(_partial_path(write_to, key, computation.settings), state)
        return partial


def has_partial(earlier: str | None, key: Any, settings: Settings | None) -> bool:
    """Whether statistics of a dataset need no reading: none are wanted, or an earlier run left them in its cache."""
    if settings is None:
        return True
    return earlier is not None and filesystem.exists(_partial_path(earlier, key, settings))


def _known_partial(earlier: str | None, key: Any, settings: Settings) -> Partial:
    assert earlier is not None, "only datasets that an earlier cache knows are not read"
    path = _partial_path(earlier, key, settings)
    _, partial = partial_state.loads(filesystem.read_bytes(path), path)
    if partial is None:
        raise DataError(f"{path}: expected partial statistics, received none; remove the analyzer cache")
    return partial


def _partial_path(folder: str, key: Any, settings: Settings) -> str:
    digest = hashlib.sha256(repr(sorted(settings.to_dict().items())).encode()).hexdigest()[:16]
    return os.path.join(folder, key.key, f"PRE_TRANSFORM_STATS-{digest}")


def choose_cached(keys: Sequence[Any], known: Collection[Any], limit: Callable[[], int]) -> tuple[Any, ...]:
    """Which keys take part in the cache: those known, and of the new ones the last ``limit``, which stay longest."""
    new = [key for key in keys if key not in known]
    most = limit() if len(new) > 1 else 1
    left_out = set(new[: max(0, len(new) - most)])
    return tuple(key for key in keys if key not in left_out)
