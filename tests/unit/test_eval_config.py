from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from mlops_tfx import eval_config as twin
from mlops_tfx.errors import ConfigError

MESSAGES = sorted(
    name for name, item in vars(twin).items()
    if isinstance(item, type) and issubclass(item, twin.EvalMessage) and item is not twin.EvalMessage
)  # fmt: skip


@pytest.fixture(scope="module")
def config_pb2() -> Any:
    from tensorflow_model_analysis.proto import config_pb2

    return config_pb2


def _sample(field: Any, depth: int) -> Any:
    if field.enum_type is not None:
        return field.enum_type.values[-1].number
    samples = {
        field.CPPTYPE_STRING: f"text {depth}",
        field.CPPTYPE_BOOL: True,
        field.CPPTYPE_INT32: depth + 3,
        field.CPPTYPE_INT64: depth + 5,
        field.CPPTYPE_FLOAT: 0.5 + depth,
        field.CPPTYPE_DOUBLE: 0.25 + depth,
    }
    return samples[field.cpp_type]


def _fill(message: Any, depth: int = 0) -> Any:
    """Sets every field of a message; of a oneof, the last."""
    for field in message.DESCRIPTOR.fields:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            entries = getattr(message, field.name)
            key = _sample(field.message_type.fields_by_name["key"], depth)
            value = field.message_type.fields_by_name["value"]
            if value.message_type is not None:
                _fill(entries[key], depth + 1)
            else:
                entries[key] = _sample(value, depth)
        elif field.message_type is not None and field.label == field.LABEL_REPEATED:
            _fill(getattr(message, field.name).add(), depth + 1)
        elif field.message_type is not None:
            _fill(getattr(message, field.name), depth + 1)
        elif field.label == field.LABEL_REPEATED:
            getattr(message, field.name).extend([_sample(field, depth), _sample(field, depth + 1)])
        else:
            setattr(message, field.name, _sample(field, depth))
    return message


@pytest.mark.parametrize("name", MESSAGES)
def test_every_message_has_exactly_the_fields_of_the_proto(name: str, config_pb2: Any) -> None:
    fields = [field.name for field in getattr(config_pb2, name).DESCRIPTOR.fields]
    assert list(getattr(twin, name).model_fields) == fields


def test_every_message_of_the_configuration_has_a_twin(config_pb2: Any) -> None:
    theirs = set(config_pb2.DESCRIPTOR.message_types_by_name)
    # Wrappers are plain lists here; the last two are files that TFMA writes.
    assert theirs - set(MESSAGES) == {"RepeatedStringValue", "RepeatedInt32Value", "EvalConfigAndVersion", "EvalRun"}


def test_every_field_survives_the_way_there_and_back(config_pb2: Any) -> None:
    proto = _fill(config_pb2.EvalConfig())
    assert twin.EvalConfig.from_proto(proto).to_proto() == proto


def test_a_readable_configuration_becomes_the_proto_it_means(config_pb2: Any) -> None:
    config = twin.EvalConfig(
        model_specs=[twin.ModelSpec(label_key="late")],
        slicing_specs=[twin.SlicingSpec(), twin.SlicingSpec(feature_keys=["carrier"])],
        metrics_specs=[
            twin.MetricsSpec(
                metrics=[
                    twin.MetricConfig(
                        class_name="AUC",
                        threshold=twin.MetricThreshold(
                            value_threshold=twin.GenericValueThreshold(lower_bound=0.0),
                            change_threshold=twin.GenericChangeThreshold(absolute=-0.01, direction="HIGHER_IS_BETTER"),
                        ),
                    )
                ],
                binarize=twin.BinarizationOptions(class_ids=[0, 2]),
            )
        ],
        options=twin.Options(include_default_metrics=False),
    )
    proto = config.to_proto()
    threshold = proto.metrics_specs[0].metrics[0].threshold
    assert [list(spec.feature_keys) for spec in proto.slicing_specs] == [[], ["carrier"]]
    assert threshold.value_threshold.HasField("lower_bound")  # 0 is a bound, not "unset"
    assert threshold.value_threshold.lower_bound.value == 0.0
    assert not threshold.value_threshold.HasField("upper_bound")
    assert threshold.change_threshold.direction == config_pb2.HIGHER_IS_BETTER
    assert list(proto.metrics_specs[0].binarize.class_ids.values) == [0, 2]
    assert proto.options.HasField("include_default_metrics")
    assert not proto.options.include_default_metrics.value


def test_wrapper_messages_may_be_written_as_in_tfx() -> None:
    assert twin.GenericValueThreshold(lower_bound={"value": 0.7}) == twin.GenericValueThreshold(lower_bound=0.7)
    assert twin.BinarizationOptions(k_list={"values": [1]}) == twin.BinarizationOptions(k_list=[1])
    assert twin.Options(min_slice_size={"value": 3}).min_slice_size == 3


def test_infinite_bounds_survive() -> None:
    config = twin.EvalConfig(
        metrics_specs=[
            {"thresholds": {"auc": {"value_threshold": {"lower_bound": float("-inf"), "upper_bound": float("inf")}}}}
        ]
    )
    bounds = config.to_proto().metrics_specs[0].thresholds["auc"].value_threshold
    assert (bounds.lower_bound.value, bounds.upper_bound.value) == (float("-inf"), float("inf"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model_spec": []}, "EvalConfig has no field 'model_spec'; did you mean 'model_specs'"),
        ({"model_specs": [{"label_ky": "y"}]}, "ModelSpec has no field 'label_ky'; did you mean 'label_key'"),
        ({"metrics_specs": [{"metrics": [{"classname": "AUC"}]}]}, "no field 'classname'; did you mean 'class_name'"),
        ({"slicing_specs": [{"feature_keys": "carrier"}]}, "feature_keys"),
        ({"metrics_specs": [{"aggregate": {"micro_average": True, "macro_average": True}}]}, "at most one of"),
        ({"metrics_specs": [{"metrics": [{"threshold": {"change_threshold": {"direction": "UP"}}}]}]}, "direction"),
        ({"options": {"min_slice_size": "many"}}, "min_slice_size"),
    ],
)
def test_wrong_configurations_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        twin.EvalConfig(**values)


def test_a_pipeline_file_imports_no_tfma() -> None:
    heavy = "'tensorflow', 'tensorflow_model_analysis', 'apache_beam', 'numpy', 'pyarrow', 'pandas', 'google.protobuf'"
    code = (
        "import sys, mlops_tfx.eval_config, mlops_tfx.components.evaluator as e; e.Evaluator, e.read_metrics; "
        f"print([name for name in ({heavy}) if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
