"""TF Serving's failures, row by row: what is asked, and the code and the text that come back.

``ROWS`` are the rows of the table; ``CASES`` are requests, each for one row. test_failure_table.py holds that no row is
without one, and sends every case by both kinds of message to a running server. Rows that need a server in a state of
its own are in ``TESTS``, by the name of the test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.conformance.serving import models
from tests.conformance.serving.messages import Peer, fill_spec

INVALID, PRECONDITION = "INVALID_ARGUMENT", "FAILED_PRECONDITION"
ROWS = [
    "no model_spec", "empty name", "unknown model", "unknown version", "unknown label", "labels not ready",
    "Predict: no such signature", "Classify, Regress: no such signature", "MultiInference: no such signature",
    "MultiInference: mixed models, repeated signature, empty name", "MultiInference: bad method",
    "too many or too few inputs", "right count, wrong name", "unknown extra input with defaults",
    "undecodable TensorProto", "wrong dtype", "wrong shape", "graph input not fed", "unknown output_filter",
    "repeated output_filter", "no examples", "signature not classify-shaped", "classify output", "regress output",
    "metadata field missing or unknown", "status of unknown model or version", "reload with non-list config",
    "reload: duplicate model", "reload: relative path", "reload: platform missing, changed, unknown",
    "label to unloaded version", "model fails to load", "batching: unequal dimensions", "batching: different shapes",
    "batching: queue full", "deadline", "message longer than 1024",
]  # fmt: skip
# Rows that a single request to the common server cannot show -> the tests that do, in test_failure_table.py.
TESTS = {
    "labels not ready": "test_labels_are_not_ready",
    "model fails to load": "test_a_model_that_fails_to_load",
    "batching: unequal dimensions": "test_unequal_dimensions_in_a_batch",
    "batching: different shapes": "test_different_shapes_in_a_batch",
    "batching: queue full": "test_a_full_queue",
}
# What this server answers otherwise than TF Serving, why, and the test that shows it.
DIFFERENT = {
    "a tensor of one value that stands for many": (
        "`tensor parsing error` above 128 MiB or 254 dimensions; TF Serving allocates whatever thirty bytes ask for",
        "tests/fault/test_serving_abuse.py::test_declared_sizes_without_content",
    ),
    "a context in very many examples": (
        "INVALID_ARGUMENT above 256 MiB; TF Serving copies it however often",
        "tests/fault/test_serving_abuse.py::test_a_context_in_very_many_examples",
    ),
    "bytes that are no message": (
        "INVALID_ARGUMENT; grpc's own answer is INTERNAL, which alerts on faults of the server count",
        "tests/conformance/serving/test_failure_table.py::test_bytes_that_are_no_message",
    ),
    "a model that fails to load on start": (
        "the server goes on, serves an older version if there is one, and keeps trying; TF Serving exits",
        "tests/conformance/serving/test_versions.py::test_starts_on_an_older_version_when_the_newest_is_broken",
    ),
    "REST status of a label": (
        "is that of its version; TF Serving does not look at the label",
        "tests/conformance/serving/test_rest.py::test_status",
    ),
    "JSON integers too large for int8, int16, uint8": (
        "are refused; TF Serving cuts them",
        "tests/conformance/serving/test_rest_table.py::test_refusals",
    ),
    "outputs of 16 bits in JSON": (
        "are numbers; TF Serving refuses them",
        "tests/conformance/serving/test_rest.py::test_outputs_of_16_bits",
    ),
    "GET /v1/models": (
        "lists the models; TF Serving answers 400 `Missing model name in request.`",
        "tests/conformance/serving/test_rest.py::test_beyond_tf_serving",
    ),
    "class labels that are not UTF-8": (
        "come with replacement characters; clients cannot read what TF Serving sends",
        "tests/conformance/serving/test_examples.py::test_labels_and_scores",
    ),
    "links and assets that lead out of a version's folder": (
        "fail its load; TF Serving follows them",
        "tests/conformance/serving/test_base_path.py::test_links_that_lead_out",
    ),
    "health and reflection": (
        "are there without a flag, and health follows the models; TF Serving's is SERVING from the start",
        "tests/conformance/serving/test_services.py::test_health_follows_the_model",
    ),
}


@dataclass(frozen=True)
class Case:
    """One request and its refusal.

    Attributes:
        row: the row of the table.
        method: what is called.
        build: makes the request.
        code: the gRPC code.
        text: the whole message; with ``begins`` its beginning.
        begins: whether the message goes on, as the runtime's do.
        timeout: the client's deadline in seconds.
    """

    row: str
    method: str
    build: Callable[[Peer], Any]
    code: str
    text: str
    begins: bool = False
    timeout: float = 60.0

    @property
    def name(self) -> str:
        """What the test is called."""
        return f"{self.row} ({self.method}): {self.text[:40]!r}"


def floats(*values: float) -> Any:
    return np.array(values, np.float32)


def _predict(
    row: str, code: str, text: str, model: str, signature: str = "", begins: bool = False, **more: Any
) -> Case:
    timeout = more.pop("timeout", 60.0)
    return Case(row, "Predict", lambda peer: peer.predict(model, signature, **more), code, text, begins, timeout)


def _examples(row: str, method: str, model: str, signature: str, rows: Any, text: str, **more: Any) -> Case:
    request = {"Classify": "ClassificationRequest", "Regress": "RegressionRequest"}[method]
    code, begins = more.pop("code", INVALID), more.pop("begins", False)
    return Case(row, method, lambda peer: peer.examples(request, model, signature, *rows), code, text, begins)


def _multi(row: str, code: str, text: str, *tasks: tuple[str, str, str]) -> Case:
    def build(peer: Peer) -> Any:
        request = peer.type("MultiInferenceRequest")()
        for model, signature, method in tasks:
            task = request.tasks.add(method_name=method)
            fill_spec(task.model_spec, model, signature)
        peer.fill_input(request.input, ({"x": 2.0},), {})
        return request

    return Case(row, "MultiInference", build, code, text)


def _metadata(row: str, code: str, text: str, model: str | None, *fields: str) -> Case:
    def build(peer: Peer) -> Any:
        request = peer.type("GetModelMetadataRequest")(metadata_field=fields)
        if model is not None:
            fill_spec(request.model_spec, model)
        return request

    return Case(row, "GetModelMetadata", build, code, text)


def _status(row: str, code: str, text: str, model: str | None, version: int = 0) -> Case:
    def build(peer: Peer) -> Any:
        request = peer.type("GetModelStatusRequest")()
        if model is not None:
            fill_spec(request.model_spec, model, "", version)
        return request

    return Case(row, "GetModelStatus", build, code, text)


def _reload(row: str, code: str, text: str, *configs: dict[str, Any]) -> Case:
    def build(peer: Peer) -> Any:
        request = peer.type("ReloadConfigRequest")()
        for config in configs:
            labels = config.get("labels", {})
            entry = request.config.model_config_list.config.add(
                **{name: value for name, value in config.items() if name != "labels"}
            )
            for label, version in labels.items():
                entry.version_labels[label] = version
        return request

    return Case(row, "HandleReloadConfigRequest", build, code, text)


def _broken_tensor() -> Any:
    import tensorflow as tf

    broken = tf.make_tensor_proto(floats(1, 2, 3))
    broken.tensor_content = b"12345"
    return broken


def _no_dtype() -> Any:
    import tensorflow as tf

    proto = tf.make_tensor_proto(floats(1))
    proto.dtype = 0
    return proto


def _empty_label(peer: Peer) -> Any:
    request = peer.predict("half", x=floats(1))
    request.model_spec.version_label = ""
    return request


def _missing(row: str, method: str, request: str) -> Case:
    return Case(row, method, lambda peer: peer.type(request)(), INVALID, "Missing ModelSpec")


_REGRESS = ("half", "regress_x_to_y", models.REGRESS)
_NOT_FOUND = "Servable not found for request: "
_LONG = {f"{'x' * 100}{number}": floats(1) for number in range(20)}
_TOO_FEW = (
    "input size does not match signature: 1!=2 len({a}) != len({a,b}). Sent extra: {}. Missing but required: {b}."
)
_TOO_MANY = (
    "input size does not match signature: 3!=2 len({a,b,z}) != len({a,b}). Sent extra: {z}. Missing but required: {}."
)
_LONG_NAMES = ",".join(sorted([*_LONG]))

CASES: list[Case] = [
    _missing("no model_spec", "Predict", "PredictRequest"),
    _missing("no model_spec", "Classify", "ClassificationRequest"),
    _missing("no model_spec", "Regress", "RegressionRequest"),
    _missing("no model_spec", "GetModelStatus", "GetModelStatusRequest"),
    _missing("no model_spec", "GetModelMetadata", "GetModelMetadataRequest"),
    _predict("empty name", INVALID, "ModelSpec has no name specified.", ""),
    _multi("empty name", INVALID, "ModelSpec has no name specified."),
    _predict("unknown model", "NOT_FOUND", _NOT_FOUND + "Latest(zz)", "zz"),
    _examples("unknown model", "Classify", "zz", "", ({"x": 1.0},), _NOT_FOUND + "Latest(zz)", code="NOT_FOUND"),
    _examples("unknown model", "Regress", "zz", "", ({"x": 1.0},), _NOT_FOUND + "Latest(zz)", code="NOT_FOUND"),
    _multi("unknown model", "NOT_FOUND", _NOT_FOUND + "Latest(zz)", ("zz", "s", models.REGRESS)),
    _metadata("unknown model", "NOT_FOUND", _NOT_FOUND + "Latest(zz)", "zz", "signature_def"),
    _predict("unknown version", "NOT_FOUND", _NOT_FOUND + "Specific(half, 7)", "half", version=7),
    _predict("unknown label", INVALID, "Unrecognized servable version label: zz", "half", label="zz"),
    Case("unknown label", "Predict", _empty_label, INVALID, "Unrecognized servable version label: "),
    _predict("Predict: no such signature", PRECONDITION, 'Serving signature key "zz" not found.', "half", "zz"),
    _examples("Classify, Regress: no such signature", "Classify", "half", "zz", ({"x": 1.0},),
              "No signature was found with the name: zz"),
    _examples("Classify, Regress: no such signature", "Regress", "half", "zz", ({"x": 1.0},),
              "No signature was found with the name: zz"),
    _multi("MultiInference: no such signature", INVALID, "Requested signature not found in model graph: zz",
           ("half", "zz", models.REGRESS)),
    _multi("MultiInference: mixed models, repeated signature, empty name", INVALID,
           "All ModelSpecs in a MultiInferenceRequest must access the same model name.", _REGRESS,
           ("zz", "s", models.REGRESS)),
    _multi("MultiInference: mixed models, repeated signature, empty name", INVALID,
           "Duplicate evaluation of signature: regress_x_to_y", _REGRESS, _REGRESS),
    _multi("MultiInference: mixed models, repeated signature, empty name", INVALID,
           "Found ModelSpec with an empty model name.", _REGRESS, ("", "s", models.REGRESS)),
    _multi("MultiInference: bad method", "UNIMPLEMENTED", "Unsupported signature method_name: zz",
           ("half", "regress_x_to_y", "zz")),
    _multi("MultiInference: bad method", "UNIMPLEMENTED", f"Unsupported signature method_name: {models.PREDICT}",
           ("half", "serving_default", models.PREDICT)),
    _predict("too many or too few inputs", INVALID, _TOO_FEW, "kinds", "add", a=floats(1)),
    _predict("too many or too few inputs", INVALID, _TOO_MANY, "kinds", "add", a=floats(1), b=floats(1), z=floats(1)),
    _predict("right count, wrong name", INVALID,
             "Signature input alias: b(feed name: add_b:0) not found in request and no default value provided. Inputs "
             "expected to be in the request {a,c}, or default input alias set: ", "kinds", "add", a=floats(1),
             c=floats(1)),
    _predict("unknown extra input with defaults", INVALID,
             "Inputs contains invalid name. Used request inputs: a, request input: a,z", "kinds", "add_default",
             a=floats(1), z=floats(1)),
    _predict("undecodable TensorProto", INVALID, "tensor parsing error: b", "kinds", "add", a=floats(1),
             b=_broken_tensor()),
    _predict("undecodable TensorProto", INVALID, "tensor parsing error: b", "kinds", "add", a=floats(1), b=_no_dtype()),
    _predict("wrong dtype", INVALID, "Expects arg[1] to be float but string is provided", "kinds", "add", a=floats(1),
             b=["x"]),
    _predict("wrong shape", INVALID, "Matrix size-incompatible: In[0]: [1,3], In[1]: [4,2]\n\t [[{{", "kinds", "matrix",
             begins=True, m=np.ones([1, 3], np.float32)),
    _predict("graph input not fed", INVALID,
             "You must feed a value for placeholder tensor 'input_1' with dtype float and shape [?,3]\n\t [[{{node "
             "input_1}}]]", "misfits", "unfed", inputs=["x"]),
    _predict("unknown output_filter", INVALID,
             "output tensor alias not found in signature: zz Outputs expected to be in the set {product,sum}.", "kinds",
             "add", outputs=["zz"], a=floats(1), b=floats(1)),
    _predict("repeated output_filter", INVALID, "duplicate output tensor alias: sum", "kinds", "add",
             outputs=["sum", "sum"], a=floats(1), b=floats(1)),
    _examples("no examples", "Classify", "half", "classify_x_to_y", (), "Input is empty."),
    _examples("no examples", "Regress", "half", "regress_x_to_y", (), "Input is empty."),
    *[_examples("signature not classify-shaped", method, "misfits", signature, ({},), text, begins=text.endswith("\n"))
      for method, signature, text in (
          ("Classify", "two_inputs", "Expected one input Tensor."),
          ("Classify", "three_outputs", "Expected one or two output Tensors, found 3"),
          ("Classify", "no_inputs", 'No classification inputs found in SignatureDef: inputs {\n  key: "x"\n'),
          ("Classify", "no_scores", "Expected classification signature outputs to contain at least one of \"classes\" "
           "or \"scores\". Signature was: inputs {\n"),
          ("Regress", "two_inputs", "Expected one input Tensor."),
          ("Regress", "two_outputs", "Expected one output Tensor."),
          ("Regress", "no_inputs", "No regression inputs found in SignatureDef: inputs {\n"),
          ("Regress", "no_outputs", "No regression outputs found in SignatureDef: inputs {\n"),
      )],
    *[_examples("classify output", "Classify", "misfits", signature, ({},), text) for signature, text in (
        ("flat_scores", "Expected Tensor shape: [batch_size num_classes] but got [1]"),
        ("double_scores", "Expected scores Tensor of DT_FLOAT. Got: DT_DOUBLE"),
        ("long_scores", "Expected scores output batch size of 1. Got: 2"),
        ("uneven", "Tensors class and score should match in dim_size(1). Got 1 vs. 2"),
    )],
    *[_examples("regress output", "Regress", "misfits", signature, ({},), text) for signature, text in (
        ("wide", "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got [1,2]"),
        ("long", "Input batch size did not match output batch size: 1 vs. 2"),
        ("double", "Expected output Tensor of DT_FLOAT.  Got: DT_DOUBLE"),
    )],
    _metadata("metadata field missing or unknown", INVALID,
              "GetModelMetadataRequest must specify at least one metadata_field", "half"),
    _metadata("metadata field missing or unknown", INVALID, "Metadata field zz is not supported", "half", "zz"),
    _status("status of unknown model or version", "NOT_FOUND", "Could not find any versions of model zz", "zz"),
    _status("status of unknown model or version", "NOT_FOUND", "Could not find version 7 of model half", "half", 7),
    _reload("reload with non-list config", INVALID,
            "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently "
            "supported"),
    _reload("reload: duplicate model", INVALID, "Illegal to list model a multiple times in config list",
            *[{"name": "a", "base_path": "/m", "model_platform": "tensorflow"}] * 2),
    _reload("reload: relative path", INVALID,
            "Expected model a to have an absolute path or URI; got base_path()=../m",
            {"name": "a", "base_path": "../m", "model_platform": "tensorflow"}),
    _reload("reload: platform missing, changed, unknown", INVALID,
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor "
            "ModelServerConfig::model_platform, model name is a", {"name": "a", "base_path": "/m"}),
    _reload("reload: platform missing, changed, unknown", INVALID,
            "Illegal to change a model's platform. For model half platform was tensorflow and new platform requested "
            "is other", {"name": "half", "base_path": "/m", "model_platform": "other"}),
    _reload("reload: platform missing, changed, unknown", INVALID, "Model a requests unsupported platform other",
            {"name": "a", "base_path": "/m", "model_platform": "other"}),
    _predict("deadline", "DEADLINE_EXCEEDED", "Deadline Exceeded", "kinds", "count", begins=True, timeout=0.001,
             n=np.int32(300_000)),
    _predict("message longer than 1024", INVALID,
             f"input size does not match signature: 20!=2 len({{{_LONG_NAMES}"[:1024] + "...TRUNCATED", "kinds", "add",
             **_LONG),
]  # fmt: skip
