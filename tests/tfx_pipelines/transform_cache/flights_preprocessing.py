"""preprocessing_fn with analyzers that can be cached, and statistics options of its own."""

import tensorflow as tf
import tensorflow_data_validation as tfdv
import tensorflow_transform as tft
from tfx.components.transform import stats_options_util


def preprocessing_fn(inputs, custom_config):
    outputs = {}
    for name in custom_config["scaled"]:
        outputs[name + "_xf"] = tft.scale_to_z_score(tf.cast(inputs[name], tf.float32))
    outputs["carrier_xf"] = tft.compute_and_apply_vocabulary(
        inputs["carrier"], top_k=custom_config["vocab_size"], num_oov_buckets=2, vocab_filename="carriers"
    )
    outputs["origin_xf"] = tft.compute_and_apply_vocabulary(inputs["origin"], vocab_filename="origins")
    outputs["wind_xf"] = tft.bucketize(inputs["wind_speed"], num_buckets=3)
    outputs["month_min"] = tf.zeros_like(inputs["month"]) + tft.min(inputs["month"])
    outputs["count"] = tf.zeros_like(inputs["month"]) + tft.sum(tf.ones_like(inputs["month"]))
    outputs["late"] = inputs["late"]
    return outputs


def stats_options_updater_fn(
    stats_type: stats_options_util.StatsType, stats_options: tfdv.StatsOptions
) -> tfdv.StatsOptions:
    """Fewer top values before, and a domain of the label after."""
    if stats_type == stats_options_util.StatsType.PRE_TRANSFORM:
        stats_options.num_top_values = 3
    elif stats_type == stats_options_util.StatsType.POST_TRANSFORM:
        for feature in stats_options.schema.feature:
            if feature.name == "late":
                feature.int_domain.min = 0
                feature.int_domain.max = 1
    return stats_options
