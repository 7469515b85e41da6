"""PredictionService: Predict, Classify, Regress, MultiInference and GetModelMetadata, as messages in and out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import grpc
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    inference_pb2,
    predict_pb2,
    regression_pb2,
)

from mlops_tfx.serving.server import classify, examples, regress, statuses
from mlops_tfx.serving.server.calls import NO_DEADLINE, Call, Execute, Notes, Target, run_plan

if TYPE_CHECKING:
    from mlops_tfx.serving.server.manager import ModelManager
    from mlops_tfx.serving.server.served_model import LoadedVersion
    from mlops_tfx.serving.server.signatures import Signature

DEFAULT_SIGNATURE = "serving_default"
_SIGNATURE_DEF = "signature_def"
_KINDS: dict[str, Any] = {classify.METHOD: classify, regress.METHOD: regress}
_METHODS = ("tensorflow/serving/predict", *_KINDS)


def target_of(request: Any) -> Target:
    """Returns what a request asks. Raises StatusError if it names no model."""
    if not request.HasField("model_spec"):
        raise statuses.missing_model_spec()
    return target_of_spec(request.model_spec)


def target_of_spec(spec: Any) -> Target:
    """Returns what a ModelSpec asks. Raises StatusError if it names no model."""
    if not spec.name:
        raise statuses.missing_model_name()
    choice = spec.WhichOneof("version_choice")
    if choice is None:
        return Target(spec.name)
    if choice == "version":
        return Target(spec.name, int(spec.version.value))
    if not spec.version_label:
        raise statuses.unknown_label("")
    return Target(spec.name, None, spec.version_label)


class Inference:
    """Answers the messages of PredictionService.

    Args:
        manager: has the models.
        execute: the chain that calls run through, see calls.py.
        entrypoint: ``GRPC`` or ``REST``.
        as_content: whether outputs are sent as tensor_content.
        check_methods: whether a signature's method name must be that of the request.
    """

    def __init__(
        self,
        manager: ModelManager,
        execute: Execute = run_plan,
        *,
        entrypoint: str = "GRPC",
        as_content: bool = False,
        check_methods: bool = False,
    ) -> None:
        self._manager = manager
        self._execute = execute
        self._entrypoint = entrypoint
        self._as_content = as_content
        self._check_methods = check_methods

    async def predict(self, request: Any, deadline: float = NO_DEADLINE, notes: Notes | None = None) -> Any:
        """Answers a PredictRequest. ``notes`` gets what interceptors want to tell. Raises StatusError."""
        held = self._manager.acquire(target_of(request))
        try:
            return await self._predict(held, request, deadline, [] if notes is None else notes)
        finally:
            held.release()

    async def _predict(self, held: LoadedVersion, request: Any, deadline: float, notes: Notes) -> Any:
        spec = request.model_spec
        name = spec.signature_name or DEFAULT_SIGNATURE
        signature = held.session.signatures.get(name)
        if signature is None:
            raise statuses.signature_not_found(name)
        self._check_any_method(signature.definition)
        try:
            values = signature.bind(request.inputs)
        except statuses.StatusError:
            if held.session.explain is not None:
                held.session.explain(spec.name, name, request.inputs, notes)
            raise
        plan = signature.plan(signature.select(request.output_filter))
        given = frozenset(request.inputs)
        call = Call("Predict", self._entrypoint, spec.name, held.version, name, plan, values, given, deadline,
                    request, notes, checks=held.session.checks)  # fmt: skip
        return await self._answer(call, predict_responder(call, signature, self._as_content))

    async def _answer(self, call: Call, respond: Callable[[Sequence[Any]], Any]) -> Any:
        call.respond = respond
        return respond(await self._execute(call))

    async def classify(self, request: Any, deadline: float = NO_DEADLINE, notes: Notes | None = None) -> Any:
        """Answers a ClassificationRequest. Raises StatusError."""
        make = classification_pb2.ClassificationResponse
        return await self._one("Classify", classify, request, make, deadline, [] if notes is None else notes)

    async def regress(self, request: Any, deadline: float = NO_DEADLINE, notes: Notes | None = None) -> Any:
        """Answers a RegressionRequest. Raises StatusError."""
        make = regression_pb2.RegressionResponse
        return await self._one("Regress", regress, request, make, deadline, [] if notes is None else notes)

    async def _one(self, api: str, kind: Any, request: Any, make: Any, deadline: float, notes: Notes) -> Any:
        held = self._manager.acquire(target_of(request))
        try:
            spec = request.model_spec
            name = spec.signature_name or DEFAULT_SIGNATURE
            definition = held.session.signature_defs.get(name)
            signature = held.session.signatures.get(name)
            if definition is None or signature is None:
                raise statuses.no_signature(name)
            self._check_method(kind, definition)
            plan = signature.plan(kind.outputs_of(definition))
            rows = examples.serialized(request.input)
            call = Call(api, self._entrypoint, spec.name, held.version, name, plan, [rows], frozenset(plan.inputs),
                        deadline, request, notes, checks=held.session.checks)  # fmt: skip

            def respond(outputs: Sequence[Any]) -> Any:
                response = make()
                kind.fill(response.result, definition, dict(zip(plan.outputs, outputs, strict=True)), len(rows))
                _fill_spec(response.model_spec, call.model_name, name, call.version)
                return response

            return await self._answer(call, respond)
        finally:
            held.release()

    def _check_any_method(self, definition: Any) -> None:
        if self._check_methods and definition.method_name not in _METHODS:
            # TF Serving's code as well.
            raise statuses.StatusError(
                grpc.StatusCode.INTERNAL,
                f"Expected prediction signature method_name to be one of {{{', '.join(_METHODS)}}}. Was: "
                f"{definition.method_name}",
            )

    def _check_method(self, kind: Any, definition: Any) -> None:
        if self._check_methods and definition.method_name != kind.METHOD:
            word = "classification" if kind is classify else "regression"
            raise statuses.invalid(
                f"Expected {word} signature method_name to be {kind.METHOD}. Was: {definition.method_name}"
            )

    async def multi_inference(self, request: Any, deadline: float = NO_DEADLINE, notes: Notes | None = None) -> Any:
        """Answers a MultiInferenceRequest: several signatures of one model on one input, in one run."""
        first = request.tasks[0].model_spec if request.tasks else inference_pb2.InferenceTask().model_spec
        held = self._manager.acquire(target_of_spec(first))
        try:
            names = _signature_names(request.tasks)
            definitions = [self._definition(held, task, name) for task, name in zip(request.tasks, names, strict=True)]
            feed, fetches = _joint(definitions)
            rows = examples.serialized(request.input)
            plan = held.session.joint_plan(feed, fetches)
            call = Call("MultiInference", self._entrypoint, first.name, held.version, ",".join(names), plan, [rows],
                        frozenset(plan.inputs), deadline, request, [] if notes is None else notes,
                        checks=held.session.checks)  # fmt: skip

            def respond(outputs: Sequence[Any]) -> Any:
                fetched = dict(zip(fetches, outputs, strict=True))
                response = inference_pb2.MultiInferenceResponse()
                for name, definition in zip(names, definitions, strict=True):
                    _fill_result(response.results.add(), definition, fetched, len(rows))
                    _fill_spec(response.results[-1].model_spec, call.model_name, name, call.version)
                return response

            return await self._answer(call, respond)
        finally:
            held.release()

    def _definition(self, held: LoadedVersion, task: Any, name: str) -> tuple[str, Any]:
        definition = held.session.signature_defs.get(name)
        if definition is None:
            raise statuses.invalid(f"Requested signature not found in model graph: {name}")
        kind = _KINDS.get(task.method_name)
        if kind is None:
            text = f"Unsupported signature method_name: {task.method_name}"
            raise statuses.StatusError(grpc.StatusCode.UNIMPLEMENTED, text)
        self._check_method(kind, definition)
        return task.method_name, definition

    def get_model_metadata(self, request: Any) -> Any:
        """Answers a GetModelMetadataRequest. Raises StatusError."""
        if not request.HasField("model_spec"):
            raise statuses.missing_model_spec()
        if not request.metadata_field:
            raise statuses.missing_metadata_field()
        for field in request.metadata_field:
            if field != _SIGNATURE_DEF:
                raise statuses.unsupported_metadata_field(field)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        signatures = get_model_metadata_pb2.SignatureDefMap()
        held = self._manager.acquire(target_of(request))
        try:
            for name, definition in held.session.signature_defs.items():
                signatures.signature_def[name].CopyFrom(definition)
            response.model_spec.version.value = held.version
        finally:
            held.release()
        response.metadata[_SIGNATURE_DEF].Pack(signatures)
        response.model_spec.name = request.model_spec.name
        return response


def predict_responder(call: Call, signature: Signature, as_content: bool = False) -> Callable[[Sequence[Any]], Any]:
    """Returns the function that makes the PredictResponse of a call's outputs."""

    def respond(outputs: Sequence[Any]) -> Any:
        response = predict_pb2.PredictResponse()
        signature.encode(call.plan.outputs, outputs, response.outputs, as_content)
        _fill_spec(response.model_spec, call.model_name, call.signature_name, call.version)
        return response

    return respond


def _signature_names(tasks: Sequence[Any]) -> list[str]:
    """The signatures of all tasks. Raises StatusError if they are of several models, or one comes twice."""
    model, names = "", []
    for task in tasks:
        if not task.model_spec.name:
            raise statuses.invalid("Found ModelSpec with an empty model name.")
        if model and model != task.model_spec.name:
            raise statuses.invalid("All ModelSpecs in a MultiInferenceRequest must access the same model name.")
        model = task.model_spec.name
        name = task.model_spec.signature_name or DEFAULT_SIGNATURE
        if name in names:
            raise statuses.invalid(f"Duplicate evaluation of signature: {name}")
        names.append(name)
    return names


def _joint(definitions: Sequence[tuple[str, Any]]) -> tuple[str, tuple[str, ...]]:
    """The tensor that all signatures read, and the tensors that they need."""
    feed = ""
    fetches: dict[str, None] = {}
    for method, definition in definitions:
        kind = _KINDS[method]
        outputs = kind.outputs_of(definition)
        name = definition.inputs[kind.INPUT].name
        if feed and feed != name:
            raise statuses.invalid("Input tensor must be the same for all Signatures.")
        feed = name
        fetches.update(dict.fromkeys(definition.outputs[alias].name for alias in outputs))
    return feed, tuple(sorted(fetches))


def _fill_result(result: Any, definition: tuple[str, Any], fetched: dict[str, Any], rows: int) -> None:
    method, signature = definition
    kind = _KINDS[method]
    filled = result.classification_result if kind is classify else result.regression_result
    arrays = {alias: fetched[signature.outputs[alias].name] for alias in kind.outputs_of(signature)}
    kind.fill(filled, signature, arrays, rows)


def _fill_spec(spec: Any, model: str, signature: str, version: int) -> None:
    spec.name = model
    spec.signature_name = signature
    spec.version.value = version
