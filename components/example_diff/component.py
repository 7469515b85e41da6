"""ExampleDiff: which features of which rows differ between two sets of examples."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Examples, ExamplesDiff
from mlops_tfx.component import Component, Input, Output
from mlops_tfx.components.example_diff.comparison import Comparison, Differences
from mlops_tfx.components.example_diff.partitions import Partitions, encode_rows
from mlops_tfx.components.example_diff.results import describe_differences, write_differences
from mlops_tfx.config import ExampleDiffConfig, PairedExampleSkew
from mlops_tfx.errors import ConfigError, DataError
from mlops_tfx.validation.split_pairs import SplitPairs, choose_pairs, pair_name

_PARTITION_BYTES = 4 << 20  # of files, which are compressed, in one partition
_MOST_PARTITIONS = 512


class ExampleDiff(Component):
    """Joins two sets of examples by key and compares all other features of each pair of rows.

    Args:
        examples_test: the examples in question.
        examples_base: the examples they are compared with.
        config: an ExampleDiffConfig: which features identify a row, which are compared, and how.
        include_split_pairs: pairs (split of test, split of base); by default every one with every one.

    Writes what TFDV's feature_skew_detector writes, as TFRecords below ``SplitPair-{test}_{base}``: ``skew_stats``
    (a FeatureSkew per feature; a feature without a value in both rows counts as equal), ``match_stats`` (MatchStats),
    ``sample_pairs`` (SkewPair) and, if asked for, ``confusion`` (ConfusionCount).
    The custom property ``differing_features`` is JSON: per pair of splits, the features that differ and in how many
    pairs of rows.
    """

    EXECUTION_TYPE = "tfx.components.example_diff.component.ExampleDiff"
    BASE_TYPE = "Process"
    HEAVY_IMPORTS = ("tensorflow_data_validation",)

    examples_test: Input[Examples]
    examples_base: Input[Examples]
    config: ExampleDiffConfig = ExampleDiffConfig()
    include_split_pairs: SplitPairs | None = None
    example_diff = Output(ExamplesDiff)

    def check(self) -> Iterable[str]:
        """A config without identifiers."""
        skew = self.config.paired_example_skew
        if skew is None or not skew.identifier_features:
            yield "parameter 'config': expected paired_example_skew with identifier_features, received none"

    def run(self) -> None:
        pairs = choose_pairs(
            self.examples_test.splits, self.examples_base.splits, self.include_split_pairs, default="all"
        )
        differing = {}
        for number, pair in enumerate(pairs):
            found = self._compare(pair, os.path.join(self.context.temp_dir, f"pair-{number}"))
            name = pair_name(pair)
            write_differences(f"{self.example_diff.uri}/SplitPair-{name}", found, bool(self._skew.confusion_config))
            differing[name] = {feature: skew.diff_count for feature, skew in found.skews.items() if skew.diff_count}
            self.context.log(describe_differences(name, found))
        self.example_diff.custom_properties["differing_features"] = json.dumps(differing)

    @property
    def _skew(self) -> PairedExampleSkew:
        skew = self.config.paired_example_skew
        if skew is None:
            raise ConfigError("config: expected paired_example_skew, received none")
        return skew

    def _compare(self, pair: tuple[str, str], folder: str) -> Differences:
        from mlops_tfx.io.examples import list_shards

        sides = {"test": (self.examples_test, pair[0]), "base": (self.examples_base, pair[1])}
        files = {shard.uri for artifact, split in sides.values() for shard in list_shards(artifact, split)}
        size = sum(filesystem.size(uri) for uri in files)
        count = min(_MOST_PARTITIONS, 1 + size // _PARTITION_BYTES)
        dealt = {side: Partitions(f"{folder}/{side}", count) for side in sides}
        missing = {side: self._deal(*sides[side], dealt[side]) for side in sides}
        comparison = Comparison(self._skew)
        for number in range(count):
            comparison.add(dealt["base"].read(number), dealt["test"].read(number))
        found = comparison.result
        found.match_stats.base_missing_id_count = missing["base"]
        found.match_stats.test_missing_id_count = missing["test"]
        compared = {"base": found.match_stats.base_with_id_count, "test": found.match_stats.test_with_id_count}
        for side, counted in compared.items():
            if counted != dealt[side].rows:
                raise DataError(
                    f"{side}: {dealt[side].rows} rows were written to partitions, {counted} read; run again"
                )
        filesystem.remove_tree(folder)
        return found

    def _deal(self, examples: Examples, split: str, partitions: Partitions) -> int:
        """Deals out the rows of a split; returns how many have no identifier."""
        from mlops_tfx.io.examples import count_rows, read_batches

        missing = 0
        for batch in read_batches(examples, split):
            rows, left_out = encode_rows(batch, self._skew)
            partitions.write(rows)
            missing += left_out
            self.context.report_rows(batch.num_rows)
        partitions.flush()
        expected = count_rows(examples, split)
        if partitions.rows + missing != expected:
            raise DataError(
                f"split {split!r} of Examples at {examples.uri!r} has {expected} rows, but {partitions.rows + missing} "
                "were read; the files may have changed meanwhile: run again"
            )
        return missing
