"""What to compute: the options that users give."""

from __future__ import annotations

import json
from typing import Any, Protocol, runtime_checkable

from pydantic import Field, model_validator

from mlops_tfx.config import Config
from mlops_tfx.statistics.settings import Settings

# Fields that are not TFDV's, or that TFDV can only take as Python objects.
_OWN_FIELDS = ("slicing_features", "slice_functions", "generators")


class SliceFeature(Config):
    """A feature to slice by.

    Attributes:
        feature: its name; strings and integers (floats slice by every distinct value).
        values: only these values; None takes every value that occurs.
    """

    feature: str
    values: list[int | str] | None = Field(default=None, min_length=1)


class StatsOptions(Config):
    """What to compute: the fields of ``tfdv.StatsOptions``, without importing TFDV (5 seconds), and some more.

    Attributes:
        label_feature: the label, for statistics of lift; needs a schema. Their statistics cannot be merged.
        weight_feature: a numeric feature that weighs each row; weighted statistics are added.
        per_feature_weight_override: weight feature by feature name, in place of ``weight_feature``.
        sample_rate: share of rows to look at, greater than 0 and at most 1; None looks at all.
        num_top_values: how many of the most frequent values to keep per string feature.
        frequency_threshold: least number of rows for a value to be among the most frequent.
        weighted_frequency_threshold: the same by weight.
        num_rank_histogram_buckets: buckets of the rank histogram of string features.
        num_values_histogram_buckets: buckets of the histogram of values per row.
        num_histogram_buckets: buckets of equal width per numeric feature.
        num_quantiles_histogram_buckets: quantile buckets per numeric feature.
        epsilon: error of the quantiles, as a share of the rows.
        enable_semantic_domain_stats: whether to look for images, natural language and times in string features.
        semantic_domain_stats_sample_rate: share of rows to look at for these.
        vocab_paths: vocabulary files by name, for natural language domains of the schema.
        feature_allowlist: the features to look at; None looks at all.
        use_sketch_based_topk_uniques: whether counts of values are estimated; for columns of millions of values.
        add_default_generators: whether to compute the usual statistics, besides what the other options ask for.
        slicing_features: slices; each is a feature or a list of features that are crossed, and becomes one more
            dataset per value (or combination of values): ``["origin", ["origin", "carrier"],
            {"feature": "month", "values": [1, 2]}]``.
        experimental_slice_sqls: slices in SQL, as in ``tfdv.StatsOptions``.
        slice_functions: slices by functions, as dotted paths; each takes a RecordBatch (in tf.Example form) and yields
            pairs of a slice's name and the RecordBatch of its rows.
        generators: statistics of your own, as dotted paths of functions without arguments that return a TFDV
            ``StatsGenerator``, or a list of them.
    """

    label_feature: str | None = None
    weight_feature: str | None = None
    per_feature_weight_override: dict[str, str] | None = None
    sample_rate: float | None = Field(default=None, gt=0, le=1)
    num_top_values: int = Field(default=20, ge=1)
    frequency_threshold: int = Field(default=1, ge=1)
    weighted_frequency_threshold: float = Field(default=1.0, ge=0)
    num_rank_histogram_buckets: int = Field(default=1000, ge=1)
    num_values_histogram_buckets: int = Field(default=10, ge=2)
    num_histogram_buckets: int = Field(default=10, ge=1)
    num_quantiles_histogram_buckets: int = Field(default=10, ge=1)
    epsilon: float = Field(default=0.01, gt=0, lt=1)
    enable_semantic_domain_stats: bool = False
    semantic_domain_stats_sample_rate: float | None = Field(default=None, gt=0, le=1)
    vocab_paths: dict[str, str] | None = None
    feature_allowlist: list[str] | None = Field(default=None, min_length=1)
    use_sketch_based_topk_uniques: bool = False
    add_default_generators: bool = True
    slicing_features: list[str | SliceFeature | list[str | SliceFeature]] | None = Field(default=None, min_length=1)
    experimental_slice_sqls: list[str] | None = Field(default=None, min_length=1)
    slice_functions: list[str] | None = Field(default=None, min_length=1)
    generators: list[str] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _dotted_paths(self) -> StatsOptions:
        for name in ("slice_functions", "generators"):
            for path in getattr(self, name) or ():
                if not all(step.isidentifier() for step in path.split(".")) or "." not in path:
                    raise ValueError(f"{name}: expected dotted paths such as 'package.module.function'")
        for slice_by in self.slicing_features or ():
            names = [feature for feature, _ in slice_as_pairs(slice_by)]
            if not names or len(set(names)) < len(names):
                raise ValueError("slicing_features: expected one or more different features in every slice")
        return self


@runtime_checkable
class TfdvStatsOptions(Protocol):
    """A ``tfdv.StatsOptions``, seen without importing TFDV."""

    schema: Any

    def to_json(self) -> str:
        """The options as JSON text."""


GivenOptions = StatsOptions | TfdvStatsOptions | str | None


def slice_as_pairs(given: str | SliceFeature | list[str | SliceFeature]) -> list[tuple[str, list[int | str] | None]]:
    """One slice as pairs of a feature and its values (None for all)."""
    features = given if isinstance(given, list) else [given]
    return [(item, None) if isinstance(item, str) else (item.feature, item.values) for item in features]


def look_at(options: GivenOptions) -> tuple[str | None, bool]:
    """What is wrong with the options, and whether they hold a schema; without importing TFDV."""
    if options is None or isinstance(options, StatsOptions):
        return None, False
    try:
        fields = json.loads(options if isinstance(options, str) else options.to_json())
    except (ValueError, TypeError) as error:
        # TFDV refuses to write generators and functions as JSON; without it, a cached result could not be trusted.
        hint = "; name functions in mlops_tfx's StatsOptions, as dotted paths" if "generators" in str(error) else ""
        return f"expected options that can be written as JSON, received {options!r} ({error}){hint}", False
    if not isinstance(fields, dict) or fields.get("TYPE_NAME") != "StatsOptions":
        return f"expected the JSON text of a tfdv.StatsOptions (its to_json()), received {options!r}", False
    return None, "schema_json" in fields


def make_settings(given: GivenOptions, schema: Any = None, sample_rate: float | None = None) -> Settings:
    """The settings of one split, from a user's options.

    Args:
        given: the options, already checked by `look_at`.
        schema: a Schema from the input; then it takes the place of the options' own.
        sample_rate: for this split, in place of the options' own.
    """
    options, own = _tfdv_options(given)
    if schema is not None:
        options.schema = schema
    wanted_rate = options.sample_rate if sample_rate is None else sample_rate
    semantic = bool(options.enable_semantic_domain_stats)
    semantic_rate = options.semantic_domain_stats_sample_rate
    # TFDV would keep or drop whole batches, at random: far too coarse, and different in every run.
    options.sample_rate = None
    options.semantic_domain_stats_sample_rate = None
    options.enable_semantic_domain_stats = False
    slices = [
        tuple((name, None if values is None else tuple(values)) for name, values in slice_as_pairs(slice_by))
        for slice_by in own.get("slicing_features") or ()
    ]
    return Settings(
        tfdv=options.to_json(),
        sample_rate=wanted_rate or 1.0,
        semantic=semantic,
        semantic_sample_rate=(semantic_rate or 1.0) if semantic else 1.0,
        slices=tuple(slices),
        slice_functions=tuple(own.get("slice_functions") or ()),
        generators=tuple(own.get("generators") or ()),
    )


def _tfdv_options(given: GivenOptions) -> tuple[Any, dict[str, Any]]:
    """A new ``tfdv.StatsOptions``, and the fields that do not fit into it."""
    import tensorflow_data_validation as tfdv

    if given is not None and not isinstance(given, StatsOptions):
        return tfdv.StatsOptions.from_json(given if isinstance(given, str) else given.to_json()), {}
    fields = {name: getattr(given, name) for name in given.model_fields_set} if given is not None else {}
    own = {name: fields.pop(name) for name in _OWN_FIELDS if name in fields}
    weights = fields.pop("per_feature_weight_override", None)
    if weights:
        fields["per_feature_weight_override"] = {tfdv.FeaturePath([name]): weight for name, weight in weights.items()}
    return tfdv.StatsOptions(**fields), own
