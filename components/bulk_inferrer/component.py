"""BulkInferrer: a model's predictions for every row of Examples."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Examples, InferenceResult, Model, ModelBlessing
from mlops_tfx.component import Component, Input, Inputs, OptionalInput, Output
from mlops_tfx.components.bulk_inferrer.requests import wiring_problems
from mlops_tfx.config import DataSpec, ModelSpec, OutputExampleSpec
from mlops_tfx.errors import ArtifactError, ConfigError, DataError, did_you_mean

if TYPE_CHECKING:
    from mlops_tfx.inference.bulk import Job, Piece

_LOGS, _EXAMPLES = "prediction_logs", "examples"


class BulkInferrer(Component):
    """Runs a model on every row and writes PredictionLogs, or the rows with predictions as further columns.

    A signature whose only input takes serialized records is given each record as it lies in the file (of Parquet: as a
    tf.Example). Any other signature is given the features that have the names of its inputs. Several signatures run in
    one pass over the data. Records of any other format are read through the view that is bound to them
    (DataViewBinder): inputs and ``keep_features`` have the names of the tensors that it makes. Works in threads of this
    process, or on the Beam runner that ``beam_pipeline_args`` name.

    Args:
        examples: the rows; one artifact or several in one format. A split that several have is read from all of them.
        model: the model, of which ``Format-Serving`` is run.
        model_blessing: an Evaluator's verdict; if it is not a blessing nothing is inferred, and the output is empty.
        data_spec: the splits to read; default: all.
        model_spec: signatures and tags; default: ``serving_default`` and ``serve``.
        output_example_spec: the columns for predictions; with it the output is ``output_examples``, otherwise
            ``inference_result``.
        keep_features: with ``output_example_spec``, the features of the rows that are kept beside the predictions: None
            for all, as in TFX; a list of names, such as that of an id; an empty list for none.
        batch_rows: rows that the model is given at once, at most.
        batch_bytes: bytes of serialized rows that the model is given at once, at most, unless a single row has more.

    Writes ``prediction_logs-SSSSS-of-NNNNN.gz``, or ``Split-{name}/examples-SSSSS-of-NNNNN.gz`` (``.parquet`` where the
    input is Parquet). Custom properties: ``rows``, or ``not_inferred_because``.
    """

    EXECUTION_TYPE = "tfx.components.bulk_inferrer.component.BulkInferrer"
    HEAVY_IMPORTS = ("tensorflow",)

    examples: Inputs[Examples]
    model: Input[Model]
    model_blessing: OptionalInput[ModelBlessing] = OptionalInput()
    data_spec: DataSpec | None = None
    model_spec: ModelSpec | None = None
    output_example_spec: OutputExampleSpec | None = None
    keep_features: tuple[str, ...] | None = None
    batch_rows: int = 4096
    batch_bytes: int = 16 << 20
    inference_result = Output(InferenceResult)
    output_examples = Output(Examples)

    def check(self) -> Iterable[str]:
        """Signatures and columns that contradict each other, and batches that hold nothing."""
        spec = self.model_spec or ModelSpec()
        yield from wiring_problems(spec.model_signature_name, self.output_example_spec, self.keep_features)
        for name in ("batch_rows", "batch_bytes"):
            if getattr(self, name) < 1:
                yield f"parameter {name!r}: expected at least 1, received {name}={getattr(self, name)!r}"

    def output_keys(self) -> Iterable[str]:
        """``output_examples`` where columns are asked for, otherwise ``inference_result``."""
        return ["inference_result" if self.output_example_spec is None else "output_examples"]

    def run(self) -> None:
        """Infers, or says why not."""
        output = self.inference_result if self.output_example_spec is None else self.output_examples
        filesystem.makedirs(output.uri)
        refusal = self._refusal()
        if refusal:
            self.context.log(f"nothing inferred: {refusal}")
            output.custom_properties["not_inferred_because"] = refusal
            if isinstance(output, Examples):
                output.splits = []
            return
        groups = self._pieces(output.uri)
        pieces = [piece for group in groups.values() for piece in group]
        job = self._job()
        self._infer(job, pieces)
        self._finish(job, groups, output)

    def _refusal(self) -> str | None:
        blessing = self.model_blessing
        if blessing is None or blessing.custom_properties.get("blessed") == 1:
            return None
        return f"model_blessing at {blessing.recorded_uri} does not bless the model"

    def _pieces(self, folder: str) -> dict[str, list[Piece]]:
        """The shards of every split, with folders for their results."""
        from mlops_tfx.inference.bulk import Piece
        from mlops_tfx.io import examples as examples_io

        payload = examples_io.payload_of(self.examples)
        no_examples = payload in ("FORMAT_TF_SEQUENCE_EXAMPLE", "FORMAT_PROTO")
        if self.output_example_spec is not None and no_examples and self.keep_features is None:
            raise DataError(
                f"examples have payload_format={payload!r}, whose rows are no tf.Examples to add columns to; name "
                "the features to keep (keep_features; [] for none), or leave output_example_spec out"
            )
        groups: dict[str, list[Piece]] = {}
        count = 0
        for split in self._splits():
            having = [artifact for artifact in self.examples if split in artifact.splits]
            groups[split] = []
            for shard in examples_io.list_shards(having, split):
                groups[split].append(Piece(shard, os.path.join(folder, f".piece-{count:05d}")))
                count += 1
        return groups

    def _splits(self) -> list[str]:
        known = list(dict.fromkeys(split for artifact in self.examples for split in artifact.splits))
        wanted = (self.data_spec or DataSpec()).example_splits
        for split in wanted:
            if split not in known:
                raise ConfigError(f"data_spec: the examples have no split {split!r}{did_you_mean(split, known)}")
        if not known:
            where = " and ".join(artifact.recorded_uri for artifact in self.examples)
            raise ArtifactError(f"expected examples with at least one split, received none at {where}")
        return [split for split in known if not wanted or split in wanted]

    def _job(self) -> Job:
        from mlops_tfx.inference.bulk import Job
        from mlops_tfx.io import examples as examples_io

        spec = self.model_spec or ModelSpec()
        logs = self.output_example_spec is None
        return Job(
            model=os.path.join(self.model.uri, "Format-Serving"),
            signatures=tuple(spec.model_signature_name),
            tags=tuple(spec.tag),
            spec=self.output_example_spec,
            keep=None if self.keep_features is None else tuple(self.keep_features),
            prefix=_LOGS if logs else _EXAMPLES,
            file_format=examples_io.TFRECORDS_GZIP if logs else examples_io.file_format_of(self.examples),
            batch_rows=self.batch_rows,
            batch_bytes=self.batch_bytes,
            results=os.path.join(self.context.temp_dir, "results"),
        )

    def _infer(self, job: Job, pieces: list[Piece]) -> None:
        from mlops_tfx.execution.beam import names_a_runner
        from mlops_tfx.inference import bulk

        if not names_a_runner(self.context.beam_pipeline_args):
            bulk.infer_here(job, pieces)
            return
        from mlops_tfx.components.bulk_inferrer import beam_mode

        with self.context.beam_pipeline() as pipeline:
            beam_mode.infer(pipeline, job, pieces)
        beam_mode.release_model()

    def _finish(self, job: Job, groups: dict[str, list[Piece]], output: InferenceResult | Examples) -> None:
        from mlops_tfx.inference import bulk
        from mlops_tfx.io.examples import PAYLOADS_BY_FORMAT

        pieces = [piece for group in groups.values() for piece in group]
        rows, features = bulk.read_results(job, pieces)
        for name in job.keep or ():
            if sum(rows) and name not in features:
                raise ConfigError(f"keep_features: no row has a feature {name!r}{did_you_mean(name, features)}")
        output.custom_properties["rows"] = sum(rows)
        self.context.report_rows(sum(rows))
        if not isinstance(output, Examples):
            bulk.publish(job, pieces, output.uri)
            return
        output.splits = list(groups)
        for split, group in groups.items():
            bulk.publish(job, group, os.path.join(output.uri, f"Split-{split}"))
        if len(self.examples) == 1:
            output.properties.update({k: v for k, v in self.examples[0].properties.items() if k != "split_names"})
        output.custom_properties["payload_format"] = PAYLOADS_BY_FORMAT[job.file_format]
        output.custom_properties["file_format"] = job.file_format
