"""Preprocessing that was written a second time, with a mistake in every feature: the small ones that are made."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from mlops_tfx.io.columns import make_lists
from tests.unit.skew.world import World

DAY = 86_400
ROWS = {"train": 150, "eval": 50}
PLACES = [f"place {number:03d}" for number in range(120)]
BOUNDARIES = np.array([13.37, 27.182, 41.5], np.float32)


def columns(rows: int, seed: int, price: float = 0.0) -> dict[str, pa.Array]:
    """Raw columns; ``price`` is of no use here."""
    random = np.random.default_rng(seed)
    ones = np.ones(rows, np.int64)
    cities = random.choice(["oslo", "new york", "s\u00e3o paulo"], rows, p=[0.6, 0.3, 0.1])
    # Every place occurs, most of them once: a sample has few of them.
    places = [PLACES[row % len(PLACES)] if row < len(PLACES) else PLACES[0] for row in random.permutation(rows)]
    sizes = random.gamma(2, 10, rows).astype(np.float32)
    lacking = random.random(rows) < 0.3
    return {
        "city": make_lists(pa.array([city.encode() for city in cities], pa.large_binary()), ones),
        "place": make_lists(pa.array([place.encode() for place in places], pa.large_binary()), ones),
        "amount": make_lists(pa.array(random.uniform(1, 60, rows).astype(np.float32)), ones),
        "size": pa.array([None if none else [size] for size, none in zip(sizes, lacking, strict=True)],
                         pa.large_list(pa.float32())),
        "when": make_lists(pa.array(random.integers(1_500_000_000, 1_500_000_000 + 300 * DAY, rows)), ones),
        "grid": make_lists(pa.array(random.normal(0, 1, rows * 6).astype(np.float32)), ones * 6),
        "codes": pa.array([list(range(row % 4)) or None for row in range(rows)], pa.large_list(pa.int64())),
        "late": make_lists(pa.array(random.integers(0, 2, rows)), ones),
    }  # fmt: skip


def feature_spec() -> dict[str, Any]:
    import tensorflow as tf

    return {
        "city": tf.io.FixedLenFeature([], tf.string),
        "place": tf.io.FixedLenFeature([], tf.string),
        "amount": tf.io.FixedLenFeature([], tf.float32),
        "size": tf.io.VarLenFeature(tf.float32),
        "when": tf.io.FixedLenFeature([], tf.int64),
        "grid": tf.io.FixedLenFeature([2, 3], tf.float32),
        "codes": tf.io.VarLenFeature(tf.int64),
        "late": tf.io.FixedLenFeature([], tf.int64),
    }


@dataclass(frozen=True)
class Case:
    """A feature, and the mistake that is made with it.

    Attributes:
        right: what training computes of the raw features.
        wrong: what serving computes.
        looks_like: words of what the report takes it for.
    """

    right: Callable[[Mapping[str, Any]], Any]
    wrong: Callable[[Mapping[str, Any]], Any]
    looks_like: str = ""


def first_or(sparse: Any, default: float) -> Any:
    """The first value, or the default where there is none."""
    import tensorflow as tf

    shaped = tf.SparseTensor(sparse.indices, sparse.values, [sparse.dense_shape[0], 1])
    return tf.squeeze(tf.sparse.to_dense(shaped, default), 1)


def cases() -> dict[str, Case]:
    """By the transformed feature."""
    return {**_of_texts(), **_of_numbers(), **_of_others()}


def _known(text: Any) -> Any:
    """1 for a city that is known, 0 for any other."""
    import tensorflow as tf

    return tf.cast(tf.logical_or(text == "oslo", text == "new york"), tf.int64)


def _of_texts() -> dict[str, Case]:
    import tensorflow as tf

    lower, strip, replace = tf.strings.lower, tf.strings.strip, tf.strings.regex_replace

    def hashed(text: Any, buckets: int = 50) -> Any:
        return tf.strings.to_hash_bucket_fast(text, buckets)

    def city(change: Callable[[Any], Any]) -> tuple[Any, Any]:
        return lambda raw: _known(raw["city"]), lambda raw: _known(change(raw["city"]))

    return {
        "lower": Case(*city(lower), "the case of letters"),
        "lower_ascii": Case(
            lambda raw: hashed(lower(raw["city"], encoding="utf-8")),
            lambda raw: hashed(lower(raw["city"])),
            "UTF-8 on the other",
        ),
        "stripped": Case(*city(strip), "spaces are taken away"),
        "stripped_right": Case(*city(lambda text: replace(text, " +$", "")), "spaces are taken away"),
        "stripped_left": Case(*city(lambda text: replace(text, "^ +", "")), "spaces are taken away"),
        "spaces": Case(
            lambda raw: hashed(raw["place"]),
            lambda raw: hashed(replace(raw["place"], " +", " ")),
            "spaces are taken away",
        ),
        "accents": Case(*city(lambda text: replace(text, "\u0301", "")), "Unicode is normalised, or accents"),
        "wide": Case(*city(lambda text: replace(text, "\uff4f\uff53\uff4c\uff4f", "oslo")), "Unicode is normalised"),
        "buckets_of_hash": Case(lambda raw: hashed(raw["place"]), lambda raw: hashed(raw["place"], 51)),
        "quotation_marks": Case(*city(lambda text: replace(text, '"', "")), "what no vocabulary has"),
    }


def _of_numbers() -> dict[str, Case]:
    import tensorflow as tf

    def bucket(number: Any, side: str = "right", boundaries: Any = BOUNDARIES) -> Any:
        return tf.cast(tf.searchsorted(tf.constant(boundaries), number, side=side), tf.int64)

    def whole(number: Any) -> Any:
        return tf.cast(tf.clip_by_value(number, -100.0, 100.0), tf.int64)

    def amount(right: Callable[[Any], Any], wrong: Callable[[Any], Any]) -> tuple[Any, Any]:
        return lambda raw: right(raw["amount"]), lambda raw: wrong(raw["amount"])

    def ratio(number: Any) -> Any:
        return tf.math.log1p(tf.maximum(number, 0.0)) * 10

    return {
        "side": Case(*amount(bucket, lambda x: bucket(x, "left")), "a boundary belongs to the other side"),
        "digits": Case(
            *amount(bucket, lambda x: bucket(x, boundaries=np.round(BOUNDARIES, 2))), "copied with fewer digits"
        ),
        "boundary_of_a_logarithm": Case(
            *amount(lambda x: bucket(ratio(x)), lambda x: bucket(ratio(x), boundaries=BOUNDARIES + np.float32(1e-5))),
            "a boundary belongs to the other side",
        ),
        "truncated": Case(*amount(lambda x: whole(tf.floor(x)), whole), "rounded in another way, or cut off"),
        "half_up": Case(
            *amount(lambda x: whole(tf.round(x)), lambda x: whole(tf.floor(x + 0.5))), "rounded in another way"
        ),
        "clipped": Case(
            *amount(lambda x: tf.clip_by_value(x, 0.0, 1000.0), lambda x: tf.clip_by_value(x, 0.0, 999.5)), "(clipped)"
        ),
        "nan_filled": Case(
            *amount(lambda x: x * 2, lambda x: tf.where(tf.math.is_nan(x), 0.0, x) * 2), "NaN is replaced"
        ),
        "special": Case(*amount(lambda x: x * 3, lambda x: tf.where(x == -999, 0.0, x) * 3), "a special value"),
        # Next to e ** 3 many units in the last place come of rounding, and rows alone round otherwise than many.
        "logarithm": Case(
            *amount(
                lambda x: (tf.math.log1p(tf.maximum(x, 0.0)) - 3.0) / 0.9,
                lambda x: (tf.math.log(tf.maximum(x, 0.0) + 1.0) - 3.0) / 0.9,
            )
        ),
        "half_precision": Case(*amount(tf.identity, lambda x: tf.cast(tf.cast(x, tf.bfloat16), tf.float32))),
    }


def _of_others() -> dict[str, Case]:
    import tensorflow as tf

    def day(raw: Mapping[str, Any], divide: Callable[[Any, Any], Any]) -> Any:
        return divide(raw["when"], tf.constant(DAY, tf.int64)) % 7

    def summed(raw: Mapping[str, Any], most: int) -> Any:
        dense = tf.sparse.to_dense(raw["codes"])
        return tf.reduce_sum(dense[:, :most], 1)

    return {
        "default": Case(
            lambda raw: first_or(raw["size"], -1.0), lambda raw: first_or(raw["size"], 0.0), "another default"
        ),
        "division": Case(lambda raw: day(raw, tf.math.floordiv), lambda raw: day(raw, tf.truncatediv)),
        "narrow": Case(
            lambda raw: raw["when"] % 1000,
            lambda raw: tf.cast(tf.cast(raw["when"], tf.int32), tf.int64) % 1000,
            "a type that cannot hold it",
        ),
        "turned": Case(
            lambda raw: raw["grid"], lambda raw: tf.reshape(tf.transpose(raw["grid"], [0, 2, 1]), [-1, 2, 3])
        ),
        "cut_off": Case(lambda raw: summed(raw, 1000), lambda raw: summed(raw, 2)),
    }


def preprocessing_fn(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Training's features."""
    import tensorflow_transform as tft

    places = tft.compute_and_apply_vocabulary(inputs["place"], num_oov_buckets=1, vocab_filename="places")
    return {
        **{name: case.right(inputs) for name, case in cases().items()},
        "place_xf": places,
        "late_xf": inputs["late"],
    }


def trained_model() -> Any:
    """A tf.Module that sums the transformed features up, each with a weight of its own."""
    import tensorflow as tf

    raw = tf.io.parse_example(tf.constant([], tf.string), feature_spec())
    found = {**{name: case.right(raw) for name, case in cases().items()}, "place_xf": tf.zeros([0], tf.int64)}
    specs = {name: tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype) for name, tensor in found.items()}

    class Trained(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = tf.Variable(0.01)

        @tf.function(input_signature=[specs], autograph=False)
        def __call__(self, features: Mapping[str, Any]) -> dict[str, Any]:
            parts = []
            for place, name in enumerate(sorted(specs), 1):
                number = tf.cast(features[name], tf.float32) * (self.scale / place)
                parts.append(tf.tanh(tf.reduce_sum(number, list(range(1, number.shape.rank)))))
            return {"score": tf.add_n(parts)}

    return Trained()


def save(world: World, folder: str, mistakes: Collection[str]) -> str:
    """Saves the model behind preprocessing by hand, with mistakes in some features."""
    import tensorflow as tf
    import tensorflow_transform as tft

    model, made = trained_model(), cases()
    words = list(tft.TFTransformOutput(world.graph).vocabulary_by_name("places"))
    if "place_xf" in mistakes:
        words[70], words[71] = words[71], words[70]
    initializer = tf.lookup.KeyValueTensorInitializer(words, tf.range(len(words), dtype=tf.int64))
    model.table = tf.lookup.StaticVocabularyTable(initializer, num_oov_buckets=1)
    spec = {name: kind for name, kind in feature_spec().items() if name != "late"}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")], autograph=False)
    def serve(examples: Any) -> dict[str, Any]:
        raw = tf.io.parse_example(examples, spec)
        found = {name: (case.wrong if name in mistakes else case.right)(raw) for name, case in made.items()}
        return dict(model({**found, "place_xf": model.table.lookup(raw["place"])}))

    tf.saved_model.save(model, folder, signatures={"serving_default": serve})
    return folder
