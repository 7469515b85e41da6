"""The table from TFX's modules to ours.

A line is one of our modules, alone if all its public names are meant, else followed by names; ``theirs=ours`` where the
name is another here. ``tfx.v1`` and all below it is ``mlops_tfx.v1``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

TFX_VERSION = "1.16.0"  # the release whose names these are
V1 = "tfx.v1"

_COMPONENTS = "mlops_tfx.components"
_EXECUTORS = "mlops_tfx.compat.executors"
_EXAMPLE_GEN = "mlops_tfx.compat.example_gen"
MODULES: Mapping[str, Sequence[str]] = {
    "tfx": ("mlops_tfx.compat.names: __version__=TFX_VERSION",),
    "tfx.version": ("mlops_tfx.compat.names: __version__=TFX_VERSION",),
    # Components
    "tfx.components": (
        f"{_COMPONENTS}: BulkInferrer CsvExampleGen DistributionValidator Evaluator ExampleDiff ExampleValidator "
        "ImportExampleGen ImportSchemaGen InfraValidator Pusher SchemaGen StatisticsGen Trainer Transform",
        f"{_EXAMPLE_GEN}.component: FileBasedExampleGen",
    ),
    "tfx.components.bulk_inferrer.component": (f"{_COMPONENTS}: BulkInferrer",),
    "tfx.components.distribution_validator.component": (f"{_COMPONENTS}: DistributionValidator",),
    "tfx.components.evaluator.component": (f"{_COMPONENTS}: Evaluator",),
    "tfx.components.example_diff.component": (f"{_COMPONENTS}: ExampleDiff",),
    "tfx.components.example_gen.base_example_gen_executor": (f"{_EXAMPLE_GEN}.executor: BaseExampleGenExecutor",),
    "tfx.components.example_gen.component": (f"{_EXAMPLE_GEN}.component: FileBasedExampleGen QueryBasedExampleGen",),
    "tfx.components.example_gen.csv_example_gen.component": (f"{_EXAMPLE_GEN}.component: CsvExampleGen",),
    "tfx.components.example_gen.csv_example_gen.executor": (
        f"{_EXAMPLE_GEN}.standard_executors: Executor=CsvExecutor",
    ),
    "tfx.components.example_gen.driver": (
        f"{_EXAMPLE_GEN}.driver: Driver FileBasedDriver QueryBasedDriver update_output_artifact",
    ),
    "tfx.components.example_gen.import_example_gen.component": (f"{_EXAMPLE_GEN}.component: ImportExampleGen",),
    "tfx.components.example_gen.import_example_gen.executor": (
        f"{_EXAMPLE_GEN}.standard_executors: Executor=ImportExecutor",
    ),
    "tfx.components.example_gen.input_processor": (
        f"{_EXAMPLE_GEN}.input_processor: InputProcessor FileBasedInputProcessor QueryBasedInputProcessor",
    ),
    "tfx.components.example_gen.utils": (f"{_EXAMPLE_GEN}.configuration",),
    "tfx.components.example_gen.custom_executors.avro_executor": (
        "mlops_tfx.ingestion.custom_executors.avro_executor: Executor",
    ),
    "tfx.components.example_gen.custom_executors.parquet_executor": (
        "mlops_tfx.ingestion.custom_executors.parquet_executor: Executor",
    ),
    "tfx.components.example_validator.component": (f"{_COMPONENTS}: ExampleValidator",),
    "tfx.components.infra_validator.component": (f"{_COMPONENTS}: InfraValidator",),
    "tfx.components.pusher.component": (f"{_COMPONENTS}: Pusher",),
    "tfx.components.schema_gen.component": (f"{_COMPONENTS}: SchemaGen",),
    "tfx.components.schema_gen.import_schema_gen.component": (f"{_COMPONENTS}: ImportSchemaGen",),
    "tfx.components.statistics_gen.component": (f"{_COMPONENTS}: StatisticsGen",),
    "tfx.components.trainer.component": (f"{_COMPONENTS}: Trainer",),
    "tfx.components.trainer.fn_args_utils": (
        "mlops_tfx.training: FnArgs",
        "mlops_tfx.io.dataset: DataAccessor",
    ),
    "tfx.components.transform.component": (f"{_COMPONENTS}: Transform",),
    "tfx.components.tuner.component": (f"{_COMPONENTS}: Tuner", f"{_COMPONENTS}.tuner: TunerFnResult"),
    # The language in which pipelines are written
    "tfx.dsl.components.base.base_component": ("mlops_tfx.compat.class_component: BaseComponent",),
    "tfx.dsl.components.base.base_beam_component": ("mlops_tfx.compat.class_component: BaseBeamComponent",),
    "tfx.dsl.components.base.base_driver": ("mlops_tfx.compat.drivers: BaseDriver",),
    "tfx.dsl.components.base.base_executor": (f"{_EXECUTORS}: BaseExecutor EmptyExecutor",),
    "tfx.dsl.components.base.base_beam_executor": (f"{_EXECUTORS}: BaseBeamExecutor",),
    "tfx.dsl.components.base.base_node": ("mlops_tfx.node: BaseNode=Node",),
    "tfx.dsl.components.base.executor_spec": (
        f"{_EXECUTORS}: ExecutorSpec ExecutorClassSpec BeamExecutorSpec ExecutorContainerSpec",
    ),
    "tfx.dsl.components.common.importer": ("mlops_tfx.resolvers: Importer",),
    "tfx.dsl.components.common.resolver": ("mlops_tfx.resolvers: Resolver ResolverStrategy",),
    "tfx.dsl.component.experimental.annotations": (
        "mlops_tfx.function_component: InputArtifact OutputArtifact Parameter BeamComponentParameter OutputDict",
    ),
    "tfx.dsl.component.experimental.container_component": (
        "mlops_tfx.compat.containers.component: create_container_component",
    ),
    "tfx.dsl.component.experimental.placeholders": (
        "mlops_tfx.compat.containers.placeholders: InputValuePlaceholder InputUriPlaceholder OutputUriPlaceholder "
        "ConcatPlaceholder",
    ),
    "tfx.dsl.component.experimental.decorators": ("mlops_tfx.function_component: component",),
    "tfx.dsl.io.fileio": (
        "mlops_tfx.filesystem: exists glob isdir listdir makedirs mkdir=makedirs open rename rmtree=remove_tree stat",
    ),
    # Running
    "tfx.orchestration.data_types": ("mlops_tfx.compat.drivers: PipelineInfo ComponentInfo DriverArgs",),
    "tfx.orchestration.data_types_utils": ("mlops_tfx.compat.drivers: set_metadata_value",),
    "tfx.orchestration.metadata": ("mlops_tfx.connection: sqlite_metadata_connection_config",),
    "tfx.orchestration.pipeline": ("mlops_tfx.pipeline: Pipeline",),
    "tfx.orchestration.portable.base_driver": ("mlops_tfx.compat.drivers: BaseDriver=PortableDriver",),
    "tfx.orchestration.portable.data_types": ("mlops_tfx.compat.drivers: ExecutionInfo",),
    "tfx.orchestration.local.local_dag_runner": ("mlops_tfx.execution: LocalDagRunner=LocalRunner",),
    "tfx.orchestration.beam.beam_dag_runner": ("mlops_tfx.execution: BeamDagRunner=LocalRunner",),
    # Configuration
    **{
        f"tfx.proto.{name}_pb2": (f"mlops_tfx.protos.{name}_pb2",)
        for name in (
            "bulk_inferrer",
            "distribution_validator",
            "evaluator",
            "example_diff",
            "example_gen",
            "infra_validator",
            "pusher",
            "range_config",
            "trainer",
            "transform",
            "tuner",
        )
    },
    "tfx.proto.orchestration.run_state_pb2": ("mlops_tfx.protos.run_state_pb2",),
    "tfx.proto.orchestration.driver_output_pb2": ("mlops_tfx.compat.drivers: DriverOutput",),
    "tfx.proto.orchestration.execution_result_pb2": (f"{_EXECUTORS}: ExecutorOutput",),
    # Types
    "tfx.types": (
        "mlops_tfx.artifacts: Artifact ValueArtifact",
        "mlops_tfx.channel: BaseChannel Channel OutputChannel",
        "mlops_tfx.compat.component_spec: ComponentSpec",
    ),
    "tfx.types.artifact": ("mlops_tfx.artifacts: Artifact ArtifactState Property PropertyType",),
    "tfx.types.artifact_utils": ("mlops_tfx.compat.artifact_lists",),
    "tfx.types.channel": ("mlops_tfx.channel: BaseChannel Channel OutputChannel UnionChannel union",),
    "tfx.types.channel_utils": ("mlops_tfx.compat.channels", "mlops_tfx.channel: union"),
    "tfx.types.component_spec": ("mlops_tfx.compat.component_spec: ComponentSpec ChannelParameter ExecutionParameter",),
    "tfx.types.standard_artifacts": (
        "mlops_tfx.artifacts: Boolean Bytes ExampleAnomalies ExampleStatistics Examples ExamplesDiff "
        "ExampleValidationMetrics Float HyperParameters InferenceResult InfraBlessing Integer JsonValue Model "
        "ModelBlessing ModelEvaluation ModelRun PushedModel Schema String TransformCache TransformGraph TunerResults",
    ),
    "tfx.types.value_artifact": ("mlops_tfx.artifacts: ValueArtifact",),
    # What executors import
    "tfx.utils.io_utils": ("mlops_tfx.compat.files",),
    "tfx.utils.json_utils": ("mlops_tfx.compat.json_values",),
    "tfx.utils.path_utils": ("mlops_tfx.compat.model_paths",),
    "tfx.utils.proto_utils": ("mlops_tfx.compat.messages: proto_to_json proto_to_dict json_to_proto dict_to_proto",),
}
