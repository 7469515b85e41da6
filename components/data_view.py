"""TfGraphDataViewProvider and DataViewBinder: records of any format, read through a graph that takes them apart."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from mlops_tfx import filesystem
from mlops_tfx.artifacts import CONTENT_DIGEST, DataView, Examples
from mlops_tfx.component import Component, Input, Output
from mlops_tfx.errors import ArtifactError, UserCodeError

_GRAPH = "saved_model.pb"


class TfGraphDataViewProvider(Component):
    """Saves the decoder that a function of the user's makes, as a view of data.

    Args:
        create_decoder_func: name of the function in ``module_file``, or its dotted path. It takes nothing and returns a
            ``tfx_bsl.coders.tf_graph_record_decoder.TFGraphRecordDecoder``, whose ``decode_record`` makes tensors, a
            row per record, of a vector of records.
        module_file: the file with the function.

    Writes a SavedModel.
    """

    HEAVY_IMPORTS = ("tensorflow",)
    EXECUTION_TYPE = "tfx.components.experimental.data_view.provider_component.TfGraphDataViewProvider"

    create_decoder_func: str
    module_file: str | None = None
    data_view = Output(DataView)

    def cache_ingredients(self) -> Mapping[str, str]:
        """The source of the function, with every project module that it imports."""
        from mlops_tfx.execution.user_code import code_ingredients

        return code_ingredients(self.module_file, None if self.module_file else self.create_decoder_func)

    def run(self) -> None:
        """Calls the function and saves what it returns."""
        from tfx_bsl.coders import tf_graph_record_decoder

        from mlops_tfx.execution.user_code import load_function, user_code

        name = self.create_decoder_func
        if self.module_file:
            function = load_function(self.module_file, name=name)
        else:
            function = load_function(function=name, name=name)
        with user_code(name):
            decoder = function()
        if not isinstance(decoder, tf_graph_record_decoder.TFGraphRecordDecoder):
            raise UserCodeError(f"{name}: expected a TFGraphRecordDecoder, received {decoder!r}")
        with user_code(f"{type(decoder).__qualname__}.decode_record"):
            tf_graph_record_decoder.save_decoder(decoder, self.data_view.uri)


class DataViewBinder(Component):
    """Binds a view to examples: the same files, with the view among the properties.

    StatisticsGen, Transform, Trainer, Tuner, Evaluator and BulkInferrer then read records of ``FORMAT_PROTO`` through
    it. No file is copied.

    Args:
        input_examples: what to bind to; other formats than ``FORMAT_PROTO`` need no view and are read without it.
        data_view: the view.
    """

    EXECUTION_TYPE = "tfx.components.experimental.data_view.binder_component.DataViewBinder"

    input_examples: Input[Examples]
    data_view: Input[DataView]
    output_examples = Output(Examples)

    def run(self) -> None:
        """Takes over the properties and adds the view."""
        from mlops_tfx.io.views import VIEW_TIME, VIEW_URI

        source, bound = self.input_examples, self.output_examples
        graph = filesystem.join(self.data_view.recorded_uri, _GRAPH)
        if not filesystem.exists(graph):
            raise ArtifactError(
                f"DataView at {self.data_view.recorded_uri!r}: expected a SavedModel, received none; the files were "
                "removed: run the node that makes them again"
            )
        written = filesystem.stat(graph).modified_ns
        digests = [
            str(one.custom_properties.get(CONTENT_DIGEST) or one.recorded_uri) for one in (source, self.data_view)
        ]
        bound.properties.update(source.properties)
        bound.custom_properties.update(source.custom_properties)
        bound.custom_properties[VIEW_URI] = self.data_view.recorded_uri
        bound.custom_properties[VIEW_TIME] = str(written // 1_000_000)
        bound.custom_properties[CONTENT_DIGEST] = hashlib.sha256(" ".join(digests).encode()).hexdigest()
        bound.uri = source.recorded_uri
