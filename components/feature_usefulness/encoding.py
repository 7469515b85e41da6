"""Columns as arrays: codes of categories, numbers, and matrices for features of several values per row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

ENCODING_LENGTH = 8  # columns of a feature of several values per row


@dataclass
class Feature:
    """A feature of the sample.

    Attributes:
        name: its name.
        values: all its values, row after row; categories as codes.
        parents: the row of each value.
        rows: rows of the sample.
        categories: what the codes stand for; None for numbers.
    """

    name: str
    values: NDArray[Any]
    parents: NDArray[np.int64]
    rows: int
    categories: list[Any] | None

    @property
    def multivalent(self) -> bool:
        """Whether any row has several values."""
        return len(self.parents) > len(set(self.parents.tolist()))

    @property
    def kind(self) -> str:
        """``categorical`` or ``numeric``, and whether there are several values in a row."""
        kind = "numeric" if self.categories is None else "categorical"
        return f"{kind}, several values" if self.multivalent else kind

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which rows have a value."""
        import numpy as np

        found = np.zeros(self.rows, bool)
        found[self.parents] = True
        return found

    def column(self) -> NDArray[np.float64]:
        """One number per row, NaN where it has none; only for features of one value per row."""
        import numpy as np

        column = np.full(self.rows, np.nan)
        column[self.parents] = self.values
        return column

    def columns(self) -> tuple[list[NDArray[np.float64]], bool]:
        """The arrays to compute mutual information from, and whether they are categories; as TFDV encodes them."""
        if not self.multivalent:
            return [self.column()], self.categories is not None
        matrix = self._bag_of_words() if self.categories is not None else self._histograms()
        matrix[~self.present] = float("nan")
        return list(matrix.T), False

    def _bag_of_words(self) -> NDArray[np.float64]:
        """Counts of the most frequent categories in each row; the last column counts all others."""
        import numpy as np

        counts = np.bincount(self.values)
        length = min(ENCODING_LENGTH, len(counts))
        places = np.full(len(counts), length - 1)
        most = np.argsort(-counts, kind="stable")[: ENCODING_LENGTH - 1]
        places[most] = np.arange(len(most))
        return self._count(places[self.values], length)

    def _histograms(self) -> NDArray[np.float64]:
        import numpy as np

        usable = ~np.isnan(self.values)
        _, edges = np.histogram(self.values[usable], bins=ENCODING_LENGTH - 1)
        return self._count(np.digitize(self.values, edges) - 1, ENCODING_LENGTH, usable)

    def _count(self, places: NDArray[Any], length: int, usable: Any = slice(None)) -> NDArray[np.float64]:
        import numpy as np

        flat = self.parents[usable] * length + places[usable]
        return np.bincount(flat, minlength=self.rows * length).reshape(self.rows, length).astype(np.float64)


def encode(name: str, column: pa.Array, categorical: bool, max_categories: int) -> Feature:
    """Encodes a column in tf.Example form.

    Args:
        name: the feature's name.
        column: its values.
        categorical: whether a schema says that integers are categories.
        max_categories: integers with at most so many distinct values are categories as well.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    from mlops_tfx.io import wire

    if pa.types.is_null(column.type):
        return Feature(name, np.zeros(0), np.zeros(0, np.int64), len(column), None)
    flat = column.flatten()
    parents = np.asarray(pc.list_parent_indices(column)).astype(np.int64)
    is_text = wire.is_bytes(flat.type)
    if not is_text and pa.types.is_integer(flat.type):
        categorical = categorical or pc.count_distinct(flat).as_py() <= max_categories
    if not (is_text or (categorical and pa.types.is_integer(flat.type))):
        return Feature(name, np.asarray(flat).astype(np.float64), parents, len(column), None)
    values, codes = np.unique(np.asarray(flat.to_pylist(), object if is_text else None), return_inverse=True)
    return Feature(name, codes, parents, len(column), values.tolist())
