"""Written by mlops_tfx.v1.write_stub: the components, with all that their arguments may be."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mlops_tfx import components as _ours, config as _config
from mlops_tfx.channel import BaseChannel
from mlops_tfx.components.tuner import TunerFnResult as TunerFnResult
from mlops_tfx.io.dataset import DataAccessor as DataAccessor
from mlops_tfx.placeholders import Placeholder
from mlops_tfx.training import FnArgs as FnArgs
from mlops_tfx.v1 import proto as _proto

__all__: list[str]

class BulkInferrer(_ours.BulkInferrer):
    def __init__(
        self,
        examples: BaseChannel[Any] | Sequence[BaseChannel[Any]],
        model: BaseChannel[Any],
        model_blessing: BaseChannel[Any] | None = ...,
        data_spec: _config.DataSpec | _proto.DataSpec | Mapping[str, Any] | str | None | Placeholder = ...,
        model_spec: _config.ModelSpec | _proto.ModelSpec | Mapping[str, Any] | str | None | Placeholder = ...,
        output_example_spec: _config.OutputExampleSpec | _proto.OutputExampleSpec | Mapping[str, Any] | str | None | Placeholder = ...,
        keep_features: Sequence[str] | None | Placeholder = ...,
        batch_rows: int | Placeholder = ...,
        batch_bytes: int | Placeholder = ...,
    ) -> None: ...

class CsvExampleGen(_ours.CsvExampleGen):
    def __init__(
        self,
        input_base: str | Placeholder,
        input_config: _config.Input | _proto.Input | Mapping[str, Any] | str | None | Placeholder = ...,
        output_config: _config.Output | _proto.Output | Mapping[str, Any] | str | None | Placeholder = ...,
        range_config: _config.RangeConfig | _proto.RangeConfig | Mapping[str, Any] | str | None | Placeholder = ...,
        custom_config: _config.CustomConfig | _proto.CustomConfig | Mapping[str, Any] | str | None | Placeholder = ...,
        output_data_format: _config.PayloadFormat | int | Placeholder = ...,
        output_file_format: _config.FileFormat | int | Placeholder = ...,
        custom_executor_spec: Any = ...,
        delimiter: str | Placeholder = ...,
        column_names: Sequence[str] | Placeholder = ...,
        column_types: Mapping[str, Any] | Placeholder = ...,
    ) -> None: ...

class Evaluator(_ours.Evaluator):
    def __init__(
        self,
        examples: BaseChannel[Any] | Sequence[BaseChannel[Any]],
        model: BaseChannel[Any] | None = ...,
        baseline_model: BaseChannel[Any] | None = ...,
        feature_slicing_spec: Any = ...,
        fairness_indicator_thresholds: Sequence[float] | None | Placeholder = ...,
        example_splits: Sequence[str] | None | Placeholder = ...,
        eval_config: Any = ...,
        schema: BaseChannel[Any] | None = ...,
        module_file: str | None | Placeholder = ...,
        module_path: str | None | Placeholder = ...,
        fail_if_not_blessed: bool | Placeholder = ...,
    ) -> None: ...

class ExampleDiff(_ours.ExampleDiff):
    def __init__(
        self,
        examples_test: BaseChannel[Any],
        examples_base: BaseChannel[Any],
        config: _config.ExampleDiffConfig | _proto.ExampleDiffConfig | Mapping[str, Any] | str | Placeholder = ...,
        include_split_pairs: Sequence[Any] | None | Placeholder = ...,
    ) -> None: ...

class ExampleValidator(_ours.ExampleValidator):
    def __init__(
        self,
        statistics: BaseChannel[Any],
        schema: BaseChannel[Any],
        exclude_splits: Sequence[str] | None | Placeholder = ...,
        custom_validation_config: Any = ...,
        fail_on_anomalies: bool | Placeholder = ...,
        environment: str | None | Placeholder = ...,
        previous_statistics: BaseChannel[Any] | None = ...,
        serving_statistics: BaseChannel[Any] | None = ...,
        examples: BaseChannel[Any] | None = ...,
        previous_version_statistics: BaseChannel[Any] | None = ...,
    ) -> None: ...

class ImportExampleGen(_ours.ImportExampleGen):
    def __init__(
        self,
        input_base: str | Placeholder,
        input_config: _config.Input | _proto.Input | Mapping[str, Any] | str | None | Placeholder = ...,
        output_config: _config.Output | _proto.Output | Mapping[str, Any] | str | None | Placeholder = ...,
        range_config: _config.RangeConfig | _proto.RangeConfig | Mapping[str, Any] | str | None | Placeholder = ...,
        payload_format: _config.PayloadFormat | int | Placeholder = ...,
        custom_config: _config.CustomConfig | _proto.CustomConfig | Mapping[str, Any] | str | None | Placeholder = ...,
        output_data_format: _config.PayloadFormat | int | Placeholder = ...,
        output_file_format: _config.FileFormat | int | Placeholder = ...,
        custom_executor_spec: Any = ...,
        max_corrupt_records: int | Placeholder = ...,
    ) -> None: ...

class ImportSchemaGen(_ours.ImportSchemaGen):
    def __init__(
        self,
        schema_file: str | Placeholder,
    ) -> None: ...

class InfraValidator(_ours.InfraValidator):
    def __init__(
        self,
        model: BaseChannel[Any],
        serving_spec: _config.ServingSpec | _proto.ServingSpec | Mapping[str, Any] | str | None | Placeholder = ...,
        examples: BaseChannel[Any] | None = ...,
        request_spec: _config.RequestSpec | _proto.RequestSpec | Mapping[str, Any] | str | None | Placeholder = ...,
        validation_spec: _config.ValidationSpec | _proto.ValidationSpec | Mapping[str, Any] | str | None | Placeholder = ...,
        server: str | Placeholder = ...,
        max_latency_seconds: float | None | Placeholder = ...,
        max_memory_bytes: int | None | Placeholder = ...,
        require_finite: bool | Placeholder = ...,
        compare_with_this_process: bool | Placeholder = ...,
    ) -> None: ...

class Pusher(_ours.Pusher):
    def __init__(
        self,
        model: BaseChannel[Any] | None = ...,
        model_blessing: BaseChannel[Any] | None = ...,
        infra_blessing: BaseChannel[Any] | None = ...,
        push_destination: _config.PushDestination | _proto.PushDestination | Mapping[str, Any] | str | None | Placeholder = ...,
        custom_config: Mapping[str, Any] | None | Placeholder = ...,
        custom_executor_spec: Any = ...,
        skew_blessing: BaseChannel[Any] | None = ...,
    ) -> None: ...

class SchemaGen(_ours.SchemaGen):
    def __init__(
        self,
        statistics: BaseChannel[Any] | Sequence[BaseChannel[Any]],
        infer_feature_shape: bool | Placeholder = ...,
        exclude_splits: Sequence[str] | None | Placeholder = ...,
    ) -> None: ...

class StatisticsGen(_ours.StatisticsGen):
    def __init__(
        self,
        examples: BaseChannel[Any] | Sequence[BaseChannel[Any]],
        schema: BaseChannel[Any] | None = ...,
        stats_options: Any = ...,
        exclude_splits: Sequence[str] | None | Placeholder = ...,
        sample_rate_by_split: Mapping[str, Any] | None | Placeholder = ...,
    ) -> None: ...

class Trainer(_ours.Trainer):
    def __init__(
        self,
        examples: BaseChannel[Any] | Sequence[BaseChannel[Any]] | None = ...,
        transformed_examples: BaseChannel[Any] | Sequence[BaseChannel[Any]] | None = ...,
        transform_graph: BaseChannel[Any] | None = ...,
        schema: BaseChannel[Any] | None = ...,
        base_model: BaseChannel[Any] | None = ...,
        hyperparameters: BaseChannel[Any] | None = ...,
        module_file: str | None | Placeholder = ...,
        run_fn: str | Callable[..., Any] | None | Placeholder = ...,
        train_args: _config.TrainArgs | _proto.TrainArgs | Mapping[str, Any] | str | None | Placeholder = ...,
        eval_args: _config.EvalArgs | _proto.EvalArgs | Mapping[str, Any] | str | None | Placeholder = ...,
        custom_config: Mapping[str, Any] | None | Placeholder = ...,
        custom_executor_spec: Any = ...,
        statistics: BaseChannel[Any] | None = ...,
    ) -> None: ...

class Transform(_ours.Transform):
    def __init__(
        self,
        examples: BaseChannel[Any] | Sequence[BaseChannel[Any]],
        schema: BaseChannel[Any],
        module_file: str | None | Placeholder = ...,
        preprocessing_fn: str | Callable[..., Any] | None | Placeholder = ...,
        splits_config: _config.SplitsConfig | _proto.SplitsConfig | Mapping[str, Any] | str | None | Placeholder = ...,
        analyzer_cache: BaseChannel[Any] | None = ...,
        materialize: bool | Placeholder = ...,
        disable_analyzer_cache: bool | Placeholder = ...,
        force_tf_compat_v1: bool | Placeholder = ...,
        custom_config: Mapping[str, Any] | None | Placeholder = ...,
        disable_statistics: bool | Placeholder = ...,
        stats_options_updater_fn: str | Callable[..., Any] | None | Placeholder = ...,
    ) -> None: ...

class Tuner(_ours.Tuner):
    def __init__(
        self,
        examples: BaseChannel[Any] | Sequence[BaseChannel[Any]],
        schema: BaseChannel[Any] | None = ...,
        transform_graph: BaseChannel[Any] | None = ...,
        base_model: BaseChannel[Any] | None = ...,
        module_file: str | None | Placeholder = ...,
        tuner_fn: str | Callable[..., Any] | None | Placeholder = ...,
        train_args: _config.TrainArgs | _proto.TrainArgs | Mapping[str, Any] | str | None | Placeholder = ...,
        eval_args: _config.EvalArgs | _proto.EvalArgs | Mapping[str, Any] | str | None | Placeholder = ...,
        tune_args: _config.TuneArgs | _proto.TuneArgs | Mapping[str, Any] | str | None | Placeholder = ...,
        custom_config: Mapping[str, Any] | None | Placeholder = ...,
    ) -> None: ...
