"""FeatureUsefulness: what every feature says about the label, before any model is trained."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Examples, ExampleStatistics, ExampleValidationMetrics, Schema
from mlops_tfx.component import Component, Inputs, OptionalInput, Output
from mlops_tfx.components.feature_usefulness import report
from mlops_tfx.components.feature_usefulness.encoding import Feature, encode
from mlops_tfx.components.feature_usefulness.information import adjusted_mutual_information, entropy, noise
from mlops_tfx.components.feature_usefulness.lift import bin_label, compute_lift
from mlops_tfx.components.feature_usefulness.report import DEAD_WEIGHT, HELPS, Usefulness
from mlops_tfx.errors import DataError, did_you_mean

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


class FeatureUsefulness(Component):
    """Reports per feature the mutual information with the label, and per value of categorical features the lift.

    Args:
        examples: the data; several artifacts are taken together.
        label: the label; text, integers of few values are categories, other numbers are numeric.
        schema: says which integers are categories; optional.
        exclude_splits: splits to leave out.
        weight_feature: a numeric feature that weighs each row.
        sample_rows: rows of each split to compute from, drawn at random, the same ones every time.
        max_categories: integers of at most so many distinct values are categories.
        label_bins: for lift, a numeric label is cut into so many intervals of equally many rows.
        min_x_count: lift is reported for values in at least so many rows of the sample.
        lift_top_k: the highest and lowest lifts to report per label.
        dead_weight_below: bits below which a feature is dead weight; by default what noise may reach in so many rows.

    Writes ``Split-{name}/usefulness.json``, ``.md`` and ``.html`` (``usefulness``), and the same as TFDV's custom and
    cross-feature statistics in ``Split-{name}/FeatureStats.pb`` (``statistics``).
    """

    HEAVY_IMPORTS = ("tensorflow_data_validation",)

    examples: Inputs[Examples]
    label: str = ""
    schema: OptionalInput[Schema] = OptionalInput()
    exclude_splits: tuple[str, ...] | None = None
    weight_feature: str | None = None
    sample_rows: int = 20_000
    max_categories: int = 20
    label_bins: int = 4
    min_x_count: int = 20
    lift_top_k: int = 5
    dead_weight_below: float | None = None
    usefulness = Output(ExampleValidationMetrics)
    statistics = Output(ExampleStatistics)

    def check(self) -> Iterable[str]:
        """A missing label, and numbers out of range."""
        if not self.label:
            yield "parameter 'label' is required"
        least = {"sample_rows": 10, "max_categories": 0, "label_bins": 2, "min_x_count": 1, "lift_top_k": 1}
        for name, low in least.items():
            if getattr(self, name) < low:
                yield f"parameter {name!r}: expected at least {low}, received {getattr(self, name)}"

    def run(self) -> None:
        splits = self.examples[0].kept_splits(self.exclude_splits)
        categorical = self._categorical()
        for output in (self.usefulness, self.statistics):
            output.splits = splits
            output.span = max(examples.span for examples in self.examples)
        dead = {}
        for split in splits:
            found = self._judge(split, categorical)
            dead[split] = [item.feature for item in found if item.verdict == DEAD_WEIGHT]
        self.usefulness.custom_properties["dead_weight"] = json.dumps(dead)

    def _categorical(self) -> set[str]:
        """Features that a schema calls categorical."""
        from mlops_tfx.io.protos import SCHEMA_FILE, read_schema

        if self.schema is None:
            return set()
        from tensorflow_data_validation.utils import schema_util

        paths = schema_util.get_categorical_features(read_schema(f"{self.schema.uri}/{SCHEMA_FILE}"))
        return {path.steps()[0] for path in paths}

    def _judge(self, split: str, categorical: set[str]) -> list[Usefulness]:
        from mlops_tfx.components.feature_usefulness.sample import draw_rows
        from mlops_tfx.io.examples import read_batches

        batches = (self._counted(batch) for batch in read_batches(self.examples, split))
        table, rows = draw_rows(batches, self.sample_rows)
        columns = self._labelled(table, split)
        encoded = {name: encode(name, column, name in categorical, self.max_categories) for name, column in columns}
        label, weights = encoded.pop(self.label), self._weights(encoded, split)
        if label.multivalent:
            raise DataError(f"split {split!r}: expected one value of label {self.label!r} in a row, received several")
        found = self._measure(label, encoded.values(), weights)
        sampled = len(columns[0][1])
        about = {
            "split": split, "label": self.label, "rows": rows, "sampled_rows_with_label": sampled,
            "label_bits": entropy(label), "dead_weight_below": self.dead_weight_below,
        }  # fmt: skip
        self._write(split, found, about)
        return found

    def _counted(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        self.context.report_rows(batch.num_rows)
        return batch

    def _labelled(self, table: pa.Table, split: str) -> list[tuple[str, pa.Array]]:
        """The columns of the rows that have a label."""
        import pyarrow as pa

        if self.label not in table.column_names:
            hint = did_you_mean(self.label, table.column_names)
            raise DataError(f"split {split!r}: there is no feature label={self.label!r}{hint}")
        column = table.column(self.label)
        kept = table.filter(_has_value(column)).combine_chunks()
        if not kept.num_rows or pa.types.is_null(column.type):
            raise DataError(f"split {split!r}: no value of label {self.label!r} in {table.num_rows} rows")
        return [(name, kept.column(name).chunk(0)) for name in kept.column_names]

    def _weights(self, encoded: dict[str, Feature], split: str) -> NDArray[np.float64] | None:
        import numpy as np

        if self.weight_feature is None:
            return None
        feature = encoded.pop(self.weight_feature, None)
        if feature is None:
            hint = did_you_mean(self.weight_feature, encoded)
            raise DataError(f"split {split!r}: there is no feature weight_feature={self.weight_feature!r}{hint}")
        values = feature.values if feature.categories is None else np.array(feature.categories)[feature.values]
        usable = values.dtype.kind in "fi" and len(values) == feature.rows == len(np.unique(feature.parents))
        if not usable or not (np.isfinite(values) & (values >= 0)).all() or not values.sum():
            raise DataError(
                f"split {split!r}: expected one number, 0 or more, in every row of "
                f"weight_feature={self.weight_feature!r}"
            )
        return values.astype(np.float64)

    def _measure(
        self, label: Feature, features: Iterable[Feature], weights: NDArray[np.float64] | None
    ) -> list[Usefulness]:
        codes, labels = bin_label(label, self.label_bins)
        whole = entropy(label)
        found = []
        for feature in features:
            bits = adjusted_mutual_information(label, feature, weights)
            limit = noise(label, feature) if self.dead_weight_below is None else self.dead_weight_below
            series: Sequence[Any] = ()
            if feature.categories:
                series = compute_lift(feature, codes, labels, weights, self.min_x_count, self.lift_top_k)
            found.append(
                Usefulness(
                    feature.name, feature.kind, bits, bits / whole if whole else None, float(feature.present.mean()),
                    HELPS if bits >= limit else DEAD_WEIGHT, tuple(series),
                )
            )  # fmt: skip
        return sorted(found, key=lambda item: (-item.bits, item.feature))

    def _write(self, split: str, found: list[Usefulness], about: dict[str, Any]) -> None:
        from mlops_tfx.io.protos import STATISTICS_FILE, write_statistics

        title = f"What features say about {self.label}, split {split}"
        folder = self.usefulness.path(split)
        content = json.dumps(report.as_json(found, about), indent=2)
        table = report.as_markdown(found, title)
        for ending, text in (("json", content), ("md", table), ("html", report.as_html(found, title))):
            filesystem.write_bytes(f"{folder}/usefulness.{ending}", text.encode())
        rows = about["sampled_rows_with_label"]
        statistics = report.as_statistics(found, self.label, rows, self.weight_feature is not None)
        write_statistics(f"{self.statistics.path(split)}/{STATISTICS_FILE}", statistics)
        self.context.log(table)


def _has_value(column: pa.ChunkedArray) -> pa.Array:
    """Which rows have a value that is a number or a text: NaN is as good as missing."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    present = np.asarray(column.is_valid()).copy()
    if not pa.types.is_null(column.type) and pa.types.is_floating(column.type.value_type):
        parents = np.asarray(pc.list_parent_indices(column))
        present[parents[np.isnan(np.asarray(pc.list_flatten(column)))]] = False
    return pa.array(present)
