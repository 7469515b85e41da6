"""The table from TFX's modules to ours.

A line is one of our modules, alone if all its public names are meant, else followed by names; ``theirs=ours`` where the
name is another here. ``tfx.v1`` and all below it is ``mlops_tfx.v1``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

TFX_VERSION = "1.16.0"  # the release whose names these are
V1 = "tfx.v1"

_COMPAT = "mlops_tfx.compat"
_COMPONENTS = "mlops_tfx.components"
_DRIVERS = f"{_COMPAT}.drivers"
_EXAMPLE_GEN = f"{_COMPAT}.example_gen"
_EXECUTORS = f"{_COMPAT}.executors"
_SPECS = f"{_COMPAT}.executor_specs"
_STANDARD_EXECUTORS = f"{_COMPAT}.standard_executors"
_BASE_COMPONENT = (f"{_COMPAT}.class_component: BaseComponent",)
_BASE_DRIVER = (f"{_DRIVERS}: BaseDriver",)
_BASE_EXECUTOR = (f"{_EXECUTORS}: BaseExecutor EmptyExecutor",)
_BASE_NODE = ("mlops_tfx.node: BaseNode=Node",)
_EXECUTOR_SPEC = (f"{_SPECS}: ExecutorSpec ExecutorClassSpec BeamExecutorSpec ExecutorContainerSpec",)
_LOCAL_RUNNER = "mlops_tfx.v1.orchestration.local"
_PROTOS = (
    "bulk_inferrer distribution_validator evaluator example_diff example_gen infra_validator pusher range_config "
    "trainer transform tuner"
).split()
_PIPELINE = "mlops_tfx.v1.dsl.pipeline"
_VERTEX = "mlops_tfx.extensions.google_cloud_ai_platform"
_RESOLVERS = "mlops_tfx.resolvers"
_SYSTEM_TYPES = "mlops_tfx.system_types"

ABSENT: Mapping[str, str] = {
    "tfx.components.ModelValidator": "deprecated in TFX; Evaluator takes its place",
    "tfx.components.model_validator": "deprecated in TFX; Evaluator takes its place",
    "tfx.components.ImporterNode": "TFX gave it up for tfx.dsl.Importer (tfx.dsl.components.common.importer)",
    "tfx.components.ResolverNode": "TFX gave it up for tfx.dsl.Resolver (tfx.dsl.components.common.resolver)",
    "tfx.dsl.compiler": "there is no intermediate representation here",
    "tfx.examples": "no folder of sys.path has tfx/examples, such as a checkout of TFX has",
    "tfx.experimental": "no folder of sys.path has tfx/experimental/templates, such as a checkout of TFX has",
    "tfx.orchestration.kubeflow": "pipelines are not compiled for Kubeflow or Vertex AI Pipelines; run them on this "
    "machine with tfx.orchestration.LocalDagRunner, heavy nodes with tfx.extensions.google_cloud_ai_platform",
    "tfx.tools": "the command line here is mlops-tfx",
    "tfx.utils.dsl_utils": "TFX gave it up: pass input_base='folder' to CsvExampleGen",
}
"""Names that are left out for good, and why; for all below them, too."""

MODULES: Mapping[str, Sequence[str]] = {
    "tfx": (f"{_COMPAT}.names: __version__=TFX_VERSION",),
    "tfx.version": (f"{_COMPAT}.names: __version__=TFX_VERSION",),
    #
    # Components
    "tfx.components": (
        f"{_COMPONENTS}: BulkInferrer DistributionValidator Evaluator ExampleDiff ExampleValidator ImportSchemaGen "
        "InfraValidator Pusher SchemaGen StatisticsGen Trainer Transform Tuner",
        f"{_EXAMPLE_GEN}.component: CsvExampleGen FileBasedExampleGen ImportExampleGen",
    ),
    "tfx.components.base.base_component": _BASE_COMPONENT,
    "tfx.components.base.base_driver": _BASE_DRIVER,
    "tfx.components.base.base_executor": _BASE_EXECUTOR,
    "tfx.components.base.base_node": _BASE_NODE,
    "tfx.components.base.executor_spec": _EXECUTOR_SPEC,
    "tfx.components.bulk_inferrer.component": (f"{_COMPONENTS}: BulkInferrer",),
    "tfx.components.bulk_inferrer.executor": (f"{_STANDARD_EXECUTORS}: Executor=BulkInferrerExecutor",),
    "tfx.components.distribution_validator.component": (f"{_COMPONENTS}: DistributionValidator",),
    "tfx.components.distribution_validator.executor": (
        f"{_STANDARD_EXECUTORS}: Executor=DistributionValidatorExecutor",
    ),
    "tfx.components.evaluator.component": (f"{_COMPONENTS}: Evaluator",),
    "tfx.components.evaluator.executor": (f"{_STANDARD_EXECUTORS}: Executor=EvaluatorExecutor",),
    "tfx.components.example_diff.component": (f"{_COMPONENTS}: ExampleDiff",),
    "tfx.components.example_diff.executor": (f"{_STANDARD_EXECUTORS}: Executor=ExampleDiffExecutor",),
    "tfx.components.example_gen.base_example_gen_executor": (f"{_EXAMPLE_GEN}.executor: BaseExampleGenExecutor",),
    "tfx.components.example_gen.component": (f"{_EXAMPLE_GEN}.component: FileBasedExampleGen QueryBasedExampleGen",),
    "tfx.components.example_gen.csv_example_gen.component": (f"{_EXAMPLE_GEN}.component: CsvExampleGen",),
    "tfx.components.example_gen.csv_example_gen.executor": (
        f"{_EXAMPLE_GEN}.standard_executors: Executor=CsvExecutor",
    ),
    "tfx.components.example_gen.custom_executors.avro_executor": (
        f"{_EXAMPLE_GEN}.standard_executors: Executor=AvroExecutor",
    ),
    "tfx.components.example_gen.custom_executors.parquet_executor": (
        f"{_EXAMPLE_GEN}.standard_executors: Executor=ParquetExecutor",
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
    "tfx.components.example_validator.component": (f"{_COMPONENTS}: ExampleValidator",),
    "tfx.components.example_validator.executor": (f"{_STANDARD_EXECUTORS}: Executor=ExampleValidatorExecutor",),
    "tfx.components.experimental.data_view.binder_component": (f"{_COMPONENTS}: DataViewBinder",),
    "tfx.components.experimental.data_view.binder_executor": (f"{_STANDARD_EXECUTORS}: DataViewBinderExecutor",),
    "tfx.components.experimental.data_view.constants": (
        "mlops_tfx.io.views: DATA_VIEW_URI_PROPERTY_KEY=VIEW_URI DATA_VIEW_CREATE_TIME_KEY=VIEW_TIME",
    ),
    "tfx.components.experimental.data_view.provider_component": (f"{_COMPONENTS}: TfGraphDataViewProvider",),
    "tfx.components.experimental.data_view.provider_executor": (
        f"{_STANDARD_EXECUTORS}: TfGraphDataViewProviderExecutor",
    ),
    "tfx.components.experimental.data_view.utils": (f"{_COMPAT}.example_formats: get_data_view_uri",),
    "tfx.components.infra_validator.component": (f"{_COMPONENTS}: InfraValidator",),
    "tfx.components.infra_validator.executor": (f"{_STANDARD_EXECUTORS}: Executor=InfraValidatorExecutor",),
    "tfx.components.pusher.component": (f"{_COMPONENTS}: Pusher",),
    "tfx.components.pusher.executor": (f"{_STANDARD_EXECUTORS}: Executor=PusherExecutor",),
    "tfx.components.schema_gen.component": (f"{_COMPONENTS}: SchemaGen",),
    "tfx.components.schema_gen.executor": (f"{_STANDARD_EXECUTORS}: Executor=SchemaGenExecutor",),
    "tfx.components.schema_gen.import_schema_gen.component": (f"{_COMPONENTS}: ImportSchemaGen",),
    "tfx.components.schema_gen.import_schema_gen.executor": (
        f"{_STANDARD_EXECUTORS}: Executor=ImportSchemaGenExecutor",
    ),
    "tfx.components.statistics_gen.component": (f"{_COMPONENTS}: StatisticsGen",),
    "tfx.components.statistics_gen.executor": (f"{_STANDARD_EXECUTORS}: Executor=StatisticsGenExecutor",),
    "tfx.components.trainer.component": (f"{_COMPONENTS}: Trainer",),
    "tfx.components.trainer.executor": (
        f"{_STANDARD_EXECUTORS}: GenericExecutor",
        "mlops_tfx.training: TrainerFnArgs=FnArgs",
    ),
    "tfx.components.trainer.fn_args_utils": (
        "mlops_tfx.training: FnArgs",
        "mlops_tfx.io.dataset: DataAccessor",
    ),
    "tfx.components.trainer.rewriting.converters": (f"{_COMPAT}.rewriting: rewrite_saved_model",),
    "tfx.components.trainer.rewriting.rewriter": (f"{_COMPAT}.rewriting: BaseRewriter ModelDescription ModelType",),
    "tfx.components.trainer.rewriting.rewriter_factory": (
        f"{_COMPAT}.rewriting: TFJS_REWRITER TFLITE_REWRITER create_rewriter",
    ),
    "tfx.components.trainer.rewriting.tfjs_rewriter": (f"{_COMPAT}.rewriting: TFJSRewriter",),
    "tfx.components.trainer.rewriting.tflite_rewriter": (f"{_COMPAT}.rewriting: TFLiteRewriter",),
    "tfx.components.transform.component": (f"{_COMPONENTS}: Transform",),
    "tfx.components.transform.executor": (f"{_STANDARD_EXECUTORS}: Executor=TransformExecutor",),
    "tfx.components.transform.stats_options_util": (f"{_COMPONENTS}.transform: StatsType",),
    "tfx.components.tuner.component": (f"{_COMPONENTS}: Tuner", f"{_COMPONENTS}.tuner: TunerFnResult"),
    "tfx.components.tuner.executor": (f"{_STANDARD_EXECUTORS}: Executor=TunerExecutor",),
    "tfx.components.util.examples_utils": (f"{_COMPAT}.example_formats",),
    "tfx.components.util.model_utils": (
        f"{_STANDARD_EXECUTORS}: is_model_blessed=is_blessed is_infra_validated=is_blessed",
    ),
    "tfx.components.util.tfxio_utils": (
        f"{_COMPAT}.example_formats: get_tf_dataset_factory_from_artifact get_record_batch_factory_from_artifact "
        "get_data_view_decode_fn_from_artifact",
    ),
    "tfx.components.util.udf_utils": (
        f"{_COMPAT}.user_functions: get_fn try_get_fn add_user_module_dependency should_package_user_modules",
    ),
    "tfx.components.util.value_utils": (f"{_COMPAT}.labelled_values",),
    #
    # The language in which pipelines are written
    "tfx.dsl.component.experimental.annotations": (
        "mlops_tfx.function_component: InputArtifact OutputArtifact AsyncOutputArtifact Parameter "
        "BeamComponentParameter OutputDict",
    ),
    "tfx.dsl.component.experimental.container_component": (
        f"{_COMPAT}.containers.component: create_container_component",
    ),
    "tfx.dsl.component.experimental.decorators": (
        "mlops_tfx.function_component: component BaseFunctionalComponent=FunctionComponent "
        "BaseFunctionalComponentFactory=FunctionComponentFactory",
    ),
    "tfx.dsl.component.experimental.executor_specs": (
        f"{_SPECS}: TemplatedExecutorContainerSpec=ExecutorContainerSpec",
    ),
    "tfx.dsl.component.experimental.placeholders": (
        f"{_COMPAT}.containers.placeholders: InputValuePlaceholder InputUriPlaceholder OutputUriPlaceholder "
        "ConcatPlaceholder",
    ),
    "tfx.dsl.components.base.base_beam_component": (f"{_COMPAT}.class_component: BaseBeamComponent",),
    "tfx.dsl.components.base.base_beam_executor": (f"{_EXECUTORS}: BaseBeamExecutor",),
    "tfx.dsl.components.base.base_component": _BASE_COMPONENT,
    "tfx.dsl.components.base.base_driver": _BASE_DRIVER,
    "tfx.dsl.components.base.base_executor": _BASE_EXECUTOR,
    "tfx.dsl.components.base.base_node": _BASE_NODE,
    "tfx.dsl.components.base.executor_spec": _EXECUTOR_SPEC,
    "tfx.dsl.components.common.importer": (f"{_RESOLVERS}: Importer",),
    "tfx.dsl.components.common.resolver": (f"{_RESOLVERS}: Resolver ResolverStrategy",),
    "tfx.dsl.control_flow.for_each": ("mlops_tfx.control_flow: ForEach",),
    "tfx.dsl.experimental.conditionals.conditional": ("mlops_tfx.control_flow: Cond",),
    "tfx.dsl.experimental.latest_artifacts_resolver": (
        f"{_RESOLVERS}: LatestArtifactsResolver=LatestArtifactStrategy",
    ),
    "tfx.dsl.experimental.latest_blessed_model_resolver": (
        f"{_RESOLVERS}: LatestBlessedModelResolver=LatestBlessedModelStrategy",
    ),
    "tfx.dsl.experimental.node_execution_options.utils": ("mlops_tfx.node_options: NodeExecutionOptions",),
    "tfx.dsl.input_resolution.canned_resolver_functions": (f"{_RESOLVERS}.functions",),
    "tfx.dsl.input_resolution.ops.ops": (f"{_RESOLVERS}.ops",),
    "tfx.dsl.input_resolution.resolver_function": (f"{_RESOLVERS}.decorator: resolver_function",),
    "tfx.dsl.input_resolution.strategies.latest_artifact_strategy": (f"{_RESOLVERS}: LatestArtifactStrategy",),
    "tfx.dsl.input_resolution.strategies.latest_blessed_model_strategy": (f"{_RESOLVERS}: LatestBlessedModelStrategy",),
    "tfx.dsl.input_resolution.strategies.span_range_strategy": (f"{_RESOLVERS}: SpanRangeStrategy",),
    "tfx.dsl.io.fileio": ("mlops_tfx.v1.dsl.io.fileio",),
    "tfx.dsl.placeholder.placeholder": ("mlops_tfx.placeholders",),
    #
    # Extensions
    "tfx.extensions.google_cloud_ai_platform.bulk_inferrer.component": (f"{_VERTEX}.bulk_inferrer: BulkInferrer",),
    "tfx.extensions.google_cloud_ai_platform.constants": (f"{_VERTEX}.constants",),
    "tfx.extensions.google_cloud_ai_platform.pusher.component": (f"{_VERTEX}.pusher: Pusher",),
    "tfx.extensions.google_cloud_ai_platform.trainer.component": (f"{_VERTEX}.trainer: Trainer",),
    "tfx.extensions.google_cloud_ai_platform.tuner.component": (f"{_VERTEX}.tuner: Tuner",),
    "tfx.extensions.google_cloud_big_query.example_gen.component": (f"{_EXAMPLE_GEN}.component: BigQueryExampleGen",),
    "tfx.extensions.google_cloud_big_query.pusher.component": ("mlops_tfx.extensions.google_cloud_big_query: Pusher",),
    #
    # Running
    "tfx.orchestration.airflow.airflow_dag_runner": (
        "mlops_tfx.v1.orchestration.airflow: AirflowDagRunner AirflowPipelineConfig",
    ),
    "tfx.orchestration.beam.beam_dag_runner": (f"{_LOCAL_RUNNER}: BeamDagRunner=LocalDagRunner",),
    "tfx.orchestration.data_types": (
        f"{_DRIVERS}: PipelineInfo ComponentInfo DriverArgs",
        "mlops_tfx.placeholders: RuntimeParameter",
    ),
    "tfx.orchestration.data_types_utils": (f"{_DRIVERS}: set_metadata_value",),
    "tfx.orchestration.experimental.interactive.interactive_context": (
        "mlops_tfx.notebook: ExecutionResult",
        "mlops_tfx.notebook.tfx_context: InteractiveContext",
    ),
    "tfx.orchestration.experimental.interactive.notebook_extensions.skip": (
        "mlops_tfx.notebook.export: load_ipython_extension",
    ),
    "tfx.orchestration.experimental.interactive.standard_visualizations": (
        "mlops_tfx.notebook.visualizations: ExampleAnomaliesVisualization ExampleStatisticsVisualization "
        "ModelEvaluationVisualization SchemaVisualization STANDARD_VISUALIZATIONS register_standard_visualizations",
    ),
    "tfx.orchestration.experimental.interactive.visualizations": (
        "mlops_tfx.notebook.visualizations: ArtifactVisualization ArtifactVisualizationRegistry get_registry",
    ),
    "tfx.orchestration.local.local_dag_runner": (f"{_LOCAL_RUNNER}: LocalDagRunner",),
    "tfx.orchestration.metadata": (
        "mlops_tfx.v1.orchestration.metadata: sqlite_metadata_connection_config mysql_metadata_connection_config "
        "ConnectionConfigType",
        "mlops_tfx.metadata.handle: Metadata",
    ),
    "tfx.orchestration.pipeline": (
        f"{_PIPELINE}: Pipeline ExecutionMode",
        "mlops_tfx.control_flow: PipelineInputs",
        "mlops_tfx.run_options: RunOptions",
    ),
    "tfx.orchestration.portable.base_driver": (f"{_DRIVERS}: BaseDriver=PortableDriver",),
    "tfx.orchestration.portable.data_types": (f"{_DRIVERS}: ExecutionInfo",),
    "tfx.orchestration.portable.mlmd.execution_lib": ("mlops_tfx.metadata.events",),
    #
    # Configuration
    **{f"tfx.proto.{name}_pb2": (f"mlops_tfx.protos.{name}_pb2",) for name in _PROTOS},
    "tfx.proto.orchestration.driver_output_pb2": (f"{_DRIVERS}: DriverOutput",),
    "tfx.proto.orchestration.execution_result_pb2": (f"{_EXECUTORS}: ExecutorOutput",),
    "tfx.proto.orchestration.run_state_pb2": ("mlops_tfx.protos.run_state_pb2",),
    #
    # Types
    "tfx.types": (
        "mlops_tfx.artifacts: Artifact ValueArtifact",
        "mlops_tfx.channel: BaseChannel Channel ExternalPipelineChannel OutputChannel",
        f"{_COMPAT}.component_spec: ComponentSpec",
    ),
    "tfx.types.artifact": (
        "mlops_tfx.artifacts: Artifact ArtifactState Property PropertyType",
        f"{_COMPAT}.artifact_lists: DEFAULT_EXAMPLE_SPLITS",
    ),
    "tfx.types.artifact_property": ("mlops_tfx.artifacts: Property PropertyType",),
    "tfx.types.artifact_utils": (f"{_COMPAT}.artifact_lists",),
    "tfx.types.channel": (
        "mlops_tfx.channel: BaseChannel Channel ExternalPipelineChannel OutputChannel UnionChannel union",
    ),
    "tfx.types.channel_utils": (
        f"{_COMPAT}.channels",
        "mlops_tfx.channel: artifact_query external_pipeline_artifact_query union",
    ),
    "tfx.types.component_spec": (f"{_COMPAT}.component_spec: ComponentSpec ChannelParameter ExecutionParameter",),
    "tfx.types.experimental.simple_artifacts": (f"{_COMPAT}.simple_artifacts: Dataset File Metrics Statistics",),
    "tfx.types.standard_artifacts": (
        "mlops_tfx.artifacts: Boolean Bytes Config DataView ExampleAnomalies ExampleStatistics Examples ExamplesDiff "
        "ExternalArtifact "
        "ExampleValidationMetrics Float HyperParameters InferenceResult InfraBlessing Integer JsonValue Model "
        "ModelBlessing ModelEvaluation ModelRun PushedModel Schema String TransformCache TransformGraph TunerResults",
    ),
    "tfx.types.standard_component_specs": (f"{_COMPAT}.standard_specs",),
    "tfx.types.system_artifacts": (f"{_SYSTEM_TYPES}: SystemArtifact Dataset Metrics Model Statistics",),
    "tfx.types.system_executions": (f"{_SYSTEM_TYPES}: SystemExecution Deploy Evaluate Process Train Transform",),
    "tfx.types.value_artifact": ("mlops_tfx.artifacts: ValueArtifact",),
    #
    # What executors and their tests import
    "tfx.utils.deprecation_utils": (f"{_COMPAT}.retired_names: deprecated deprecated_alias",),
    "tfx.utils.doc_controls": (
        f"{_COMPAT}.retired_names: do_not_doc_in_subclasses do_not_doc_inheritable do_not_generate_docs documented",
    ),
    "tfx.utils.import_utils": (
        f"{_COMPAT}.user_functions: import_class_by_path import_func_from_module import_func_from_source",
    ),
    "tfx.utils.io_utils": (f"{_COMPAT}.files",),
    "tfx.utils.json_utils": (f"{_COMPAT}.json_values",),
    "tfx.utils.name_utils": (f"{_COMPAT}.user_functions: get_full_name resolve_full_name",),
    "tfx.utils.path_constants": (
        f"{_COMPAT}.model_paths: EVAL_MODEL_DIR SERVING_MODEL_DIR STAMPED_MODEL_DIR TFMA_EVAL",
    ),
    "tfx.utils.path_utils": (f"{_COMPAT}.model_paths",),
    "tfx.utils.proto_utils": (f"{_COMPAT}.messages: proto_to_json proto_to_dict json_to_proto dict_to_proto",),
    "tfx.utils.test_case_utils": (f"{_COMPAT}.test_cases",),
}
