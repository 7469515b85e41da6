"""TF Serving's REST face, row by row: what is sent, and the status and the body that come back.

``ROWS`` are what the API has; test_rest_table.py holds that none is without a case, and sends every case to a running
server over a real socket.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ROWS = [
    "predict: rows, values", "predict: rows, objects", "predict: rows, several inputs", "predict: columns, value",
    "predict: columns, object", "predict: columns, extra keys ignored", "predict: several outputs",
    "predict: numbers that are none", "predict: trailing bytes", "predict: a mark of UTF-8", "predict: types",
    "predict: bytes in", "predict: an input named b64", "signature without inputs",
    "predict: bytes out", "predict: floats as short as they are", "path: version", "path: label",
    "path: any case and percent", "parse errors", "signature name", "instances and inputs", "signature not found",
    "keys of rows", "shapes of rows", "lists and objects", "missing input",
    "types that do not fit", "numbers that floats do not hold", "level and size", "dtype that JSON has not",
    "outputs that are no rows",
    "classify", "regress", "examples: context", "examples: kinds of features", "examples: errors", "status", "metadata",
    "wrong path or verb", "outside of the API", "version overflow", "model, version, label not found", "OPTIONS",
    "list of models", "health",
]  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One request and its answer.

    Attributes:
        row: the row.
        path: below ``/v1/models/`` unless it begins with a slash.
        body: what is sent as JSON; bytes as they are; None for GET.
        answer: the body of the answer: an error message for a status other than 200, bytes exactly as they are.
        status: the status.
        verb: the method; by default what fits the body.
    """

    row: str
    path: str
    body: Any
    answer: Any
    status: int = 200
    verb: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the test is called."""
        return f"{self.row}: {self.path} {str(self.body)[:40]}"


def _of(row: str, path: str, *pairs: tuple[Any, Any], status: int = 200) -> list[Case]:
    return [Case(row, path, body, answer, status) for body, answer in pairs]


def _signed(signature: str, **body: Any) -> dict[str, Any]:
    return {"signature_name": signature, **body}


def _types(dtype: str, sent: list[Any], received: str) -> list[Case]:
    return [
        Case("predict: types", "kinds:predict", _signed(f"same_{dtype}", **{key: sent}),
             f'{{"{answer}":{received}}}'.encode())
        for key, answer in (("instances", "predictions"), ("inputs", "outputs"))
    ]  # fmt: skip


_FINE = {"error_code": "OK", "error_message": ""}
_STATES = [{"version": version, "state": "AVAILABLE", "status": _FINE} for version in ("2", "1")]
_VERSION = "9" * 30
_SUMS = [{"sum": 3.5, "product": 2.5}, {"sum": 5.0, "product": 6.0}]

SHAPES: list[Case] = [
    *_of("predict: rows, values", "half:predict", ({"instances": [2.0, 3.0, 4.0]}, {"predictions": [3.0, 3.5, 4.0]}),
         ({"instances": [[2.0], [3]]}, {"predictions": [[3.0], [3.5]]})),
    *_of("predict: rows, objects", "half:predict", ({"instances": [{"x": 2}, {"x": 3}]}, {"predictions": [3.0, 3.5]})),
    *_of("predict: rows, several inputs", "kinds:predict",
         (_signed("add", instances=[{"a": 1, "b": 2.5}, {"a": 2, "b": 3}]), {"predictions": _SUMS})),
    *_of("predict: columns, value", "half:predict", ({"inputs": 2.0}, {"outputs": 3.0}),
         ({"inputs": [2.0, 3.0]}, {"outputs": [3.0, 3.5]})),
    *_of("predict: columns, object", "half:predict", ({"inputs": {"x": [2.0, 3.0]}}, {"outputs": [3.0, 3.5]})),
    *_of("predict: columns, extra keys ignored", "kinds:predict",
         (_signed("add", inputs={"a": [1, 2], "b": [2.5, 3], "z": "x"}),
          {"outputs": {"sum": [3.5, 5.0], "product": [2.5, 6.0]}})),
    *_of("predict: several outputs", "kinds:predict",
         (_signed("text", inputs=["é"]), {"outputs": {"length": [2], "same": ["é"]}}),
         (_signed("count", inputs=3), {"outputs": 3})),
    *_of("predict: numbers that are none", "kinds:predict",
         (b'{"signature_name": "same_float32", "instances": [NaN, Infinity, -Infinity, 0.1]}',
          b'{"predictions":[NaN,Infinity,-Infinity,0.1]}')),
    *_of("predict: trailing bytes", "half:predict", (b'{"instances": [2.0]} and what follows', {"predictions": [3.0]})),
    *_of("predict: a mark of UTF-8", "half:predict",
         (b'\xef\xbb\xbf {"instances": [2.0]}', {"predictions": [3.0]})),
    *_of("numbers that floats do not hold", "kinds:predict",
         (_signed("same_float32", inputs=[2**24 - 1, float(2**24), 3.4028234e38]),
          {"outputs": [16777215.0, 16777216.0, 3.4028235e38]}),
         (_signed("same_float64", inputs=[2**53 - 1, 10**30]), {"outputs": [float(2**53 - 1), 1e30]})),
    *_types("float64", [0.1, 1e300], "[0.1,1e+300]"),
    *_types("int8", [-128, 127], "[-128,127]"), *_types("int16", [1], "[1]"), *_types("int32", [-5], "[-5]"),
    *_types("int64", [2**63 - 1, -(2**63)], "[9223372036854775807,-9223372036854775808]"),
    *_types("uint8", [255], "[255]"), *_types("uint16", [65535], "[65535]"),
    *_types("uint32", [2**32 - 1], "[4294967295]"),
    *_types("uint64", [2**64 - 1], "[18446744073709551615]"), *_types("bool", [True, False], "[true,false]"),
    *_types("string", ["längst", ""], '["längst",""]'),
    *_of("predict: floats as short as they are", "kinds:predict",
         (_signed("same_float32", instances=[0.1, 1e20, 3]), b'{"predictions":[0.1,1e+20,3.0]}')),
    *_of("predict: bytes in", "kinds:predict",
         (_signed("same_string", instances=[{"b64": "aGk="}]), {"predictions": ["hi"]}),
         (_signed("same_string", inputs={"b64": "aGk="}), {"outputs": "hi"}),
         # Padding may be missing, and white space be in between.
         (_signed("same_string", inputs=[[{"b64": "aGk"}, "é"], [{"b64": "a G\nk="}, ""]]),
          {"outputs": [["hi", "é"], ["hi", ""]]})),
    *_of("predict: an input named b64", "kinds:predict",
         (_signed("b64", instances=[{"b64": 1.5}]), {"predictions": [1.5]}),
         (_signed("b64", inputs={"b64": [1.5]}), {"outputs": [1.5]})),
    *_of("predict: bytes out", "kinds:predict",
         (_signed("bytes", instances=[{"b64": "/w=="}]),
          {"predictions": [{"raw_bytes": {"b64": "/w=="}, "text": "\N{REPLACEMENT CHARACTER}"}]})),
    Case("path: version", "plus/versions/1:predict", {"instances": [0.0]}, {"predictions": [1.0]}),
    Case("path: version", "plus/versions/0000001:predict", {"instances": [0.0]}, {"predictions": [1.0]}),
    Case("path: label", "plus/labels/stable:predict", {"instances": [0.0]}, {"predictions": [1.0]}),
    Case("path: any case and percent", "pl%75s/labels/st%61ble:Predict", {"instances": [0.0]}, {"predictions": [1.0]}),
    Case("path: any case and percent", "/V1/Models/plus:PREDICT", {"instances": [0.0]}, {"predictions": [2.0]}),
    *_of("classify", "half:classify", (_signed("classify_x_to_y", examples=[{"x": 2.0}, {"x": [0.2]}]),
                                       {"results": [[["", 3.0]], [["", 2.1]]]})),
    *_of("regress", "half:regress", (_signed("regress_x_to_y", examples=[{"x": 2.0}, {"x": [0.2]}]),
                                     {"results": [3.0, 2.1]})),
    *_of("examples: context", "half:regress",
         (_signed("regress_x_to_y", context={"x": 4.0}, examples=[{}, {"x": 2.0}]), {"results": [4.0, 3.0]})),
    *_of("examples: kinds of features", "misfits:classify",
         (_signed("named", examples=[{"any": [1, 2], "b": {"b64": "/w=="}, "c": True, "d": "é", "e": 1.5, "f": []}]),
          {"results": [[["cat", 0.25], ["dog", 0.75]]]})),
    Case("status", "plus", None, {"model_version_status": _STATES}),
    Case("status", "plus/versions/2", None, {"model_version_status": _STATES[:1]}),
    Case("status", "plus/labels/stable", None, {"model_version_status": _STATES[1:]}),
    Case("health", "/healthz", None, b"ok\n"),
    Case("health", "/readyz", None, b"ok\n"),
]  # fmt: skip

_KEYS = "Failed to process element: 0 of 'instances' list. JSON object: {\n    \"a\": 1\n} keys must be equal to: a,b"
_PLAIN = (
    "instances is a plain list, but expecting list of objects as multiple input tensors required as per tensorinfo_map"
)
_NAMED = ("Failed to process element: 0 key: z of 'instances' list. Error: INVALID_ARGUMENT: JSON object: does not "
          "have named input: z")  # fmt: skip


def _in_row(index: int, text: str, key: str = "", code: str = "INVALID_ARGUMENT") -> str:
    return f"Failed to process element: {index}{key} of 'instances' list. Error: {code}: {text}"


def _lost(value: str, name: str = "float") -> str:
    return f"Cannot convert JSON value: {value} to {name} without loss of precision."


FAILURES: list[Case] = [
    *_of("parse errors", "half:predict", (b"", "JSON Parse error: The document is empty"),
         (b"zz", "JSON Parse error: Invalid value. at offset: 0"),
         (b" \n ", "JSON Parse error: The document is empty. at offset: 3"),
         (b'{"a": [1 2]}', "JSON Parse error: Missing a comma or ] after an array element. at offset: 9"),
         (b'{"a[": "]", "b": {} 1', "JSON Parse error: Missing a comma or } after an object member. at offset: 20"),
         (b"{a: 1}", "JSON Parse error: Missing a name for object member. at offset: 1"),
         (b'{"a" 1}', "JSON Parse error: Missing a colon after a name of object member. at offset: 5"),
         (b'{"a', "JSON Parse error: Missing a closing quotation mark in string. at offset: 1"),
         (rb'{"instances": ["\ud83d"]}', "JSON Parse error: The surrogate pair in string is invalid."),
         (b"[1]", "JSON Value: [\n    1\n] Is not object"),
         (b'{"instances": [1e400]}', "JSON Parse error: Number too big to be stored in double."),
         (b'{"instances": [NaN, ' + b"9" * 5000 + b"]}", "JSON Parse error: Number too big to be stored in double."),
         (b'{"instances": ' + b"[" * 100_000, "JSON Parse error: the values are nested too deeply"), status=400),
    *_of("signature name", "half:predict",
         ({"signature_name": 1, "instances": [1.0]},
          'JSON Value: {\n    "signature_name": 1,\n    "instances": [\n        1.0\n    ]\n} not formatted correctly. '
          "'signature_name' key must be a string value."), status=400),
    *_of("instances and inputs", "half:predict",
         ({"instances": [1], "inputs": [1]},
          'JSON Value: {\n    "instances": [\n        1\n    ],\n    "inputs": [\n        1\n    ]\n} Not formatted '
          "correctly expecting only one of 'inputs' or 'instances' keys to exist "),
         ({}, "Missing 'inputs' or 'instances' key"),
         ({"instances": 1}, 'JSON Value: {\n    "instances": 1\n} Expecting \'instances\' to be an list/array'),
         ({"instances": []}, 'JSON Value: {\n    "instances": []\n} No values in \'instances\' array'), status=400),
    *_of("signature not found", "half:predict",
         (_signed("zz", instances=[1.0]), 'Serving signature name: "zz" not found in signature def'), status=400),
    *_of("signature without inputs", "kinds:predict",
         (_signed("nothing", instances=[{}]), "Failed to get input map for signature: nothing"),
         (_signed("nothing", inputs={}), "Failed to get input map for signature: nothing"), status=400),
    *_of("keys of rows", "kinds:predict", (_signed("add", instances=[1]), _PLAIN),
         (_signed("add", instances=[{"a": 1}]), _KEYS), (_signed("add", instances=[{"a": 1, "z": 1}]), _NAMED),
         (_signed("add", instances=[{"a": 1, "b": 1}, {"a": 1, "b": [1]}]),
          _in_row(1, "Expecting shape [] but got: [1]", " key: b")),
         (_signed("add", instances=[{"a": 1, "b": 1}] * 9 + [{"a": 1, "b": "x"}]),
          _in_row(9, 'JSON Value: "x" Type: String is not of expected type: float', " key: b")),
         status=400),
    *_of("shapes of rows", "half:predict",
         ({"instances": [[1, 2], [1, 2, 3]]}, _in_row(1, "Expecting tensor size: 2 but got: 3")),
         ({"instances": [[1, 2], [[1, 2]]]}, _in_row(1, "Expecting shape [2] but got: [1,2]")),
         ({"instances": [[1, 2]] * 5 + [[[1], 2]] + [[1]]},
          _in_row(5, "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. Expected at level: 2")), status=400),
    *_of("lists and objects", "half:predict",
         ({"instances": [{"x": 1}, [1]]}, "Expecting object but got list at item 1 of input list"),
         ({"instances": [{"x": 1}, 1]}, "Expecting object but got list at item 1 of input list"),
         ({"instances": [1, {"x": 1}]}, "Expecting value/list but got object at item 1 of input list"), status=400),
    *_of("missing input", "kinds:predict",
         (_signed("add", inputs={"a": [1]}), "Missing named input: b in 'inputs' object."), status=400),
    *_of("types that do not fit", "half:predict",
         ({"instances": ["x"]}, _in_row(0, 'JSON Value: "x" Type: String is not of expected type: float')),
         ({"inputs": [1, "x"]}, 'JSON Value: "x" Type: String is not of expected type: float'),
         ({"inputs": [True]}, "JSON Value: true Type: True is not of expected type: float"),
         ({"inputs": False}, "JSON Value: false Type: False is not of expected type: float"),
         ({"inputs": {"x": {"b64": "aGk="}}},
          'JSON Value: {\n    "b64": "aGk="\n} Type: Object is not of expected type: float'),
         ({"instances": [1, None]}, _in_row(1, "JSON Value: null Type: Null is not of expected type: float")),
         status=400),
    *_of("numbers that floats do not hold", "half:predict",
         ({"instances": [1, 16777216]}, _in_row(1, _lost("16777216"))), ({"inputs": [-(2**24)]}, _lost("-16777216")),
         ({"inputs": [1e39]}, _lost("1e+39")), status=400),
    *_of("numbers that floats do not hold", "kinds:predict",
         (_signed("same_float64", inputs=[2**53]), _lost(str(2**53), "double")), status=400),
    *_of("types that do not fit", "kinds:predict",
         (_signed("same_int32", inputs=[1.0]), "JSON Value: 1.0 Type: Number is not of expected type: int32"),
         (_signed("same_int8", inputs=[128]), "JSON Value: 128 Type: Number is not of expected type: int8"),
         (_signed("same_string", inputs=[1]), "JSON Value: 1 Type: Number is not of expected type: string"),
         (_signed("same_string", inputs=[{"a": "x"}]),
          'JSON Value: {\n    "a": "x"\n} not formatted correctly for base64 data'),
         (_signed("same_string", inputs=[{"b64": "a"}]), "Unable to base64 decode"),
         (_signed("same_bool", inputs=[1]), "JSON Value: 1 Type: Number is not of expected type: bool"), status=400),
    *_of("level and size", "half:predict",
         ({"inputs": [[1, 2], [1]]}, "Encountered list at unexpected size: 1 at level: 1 expected size: 2"),
         ({"inputs": [1, [1]]}, "Encountered list at unexpected level: 1 expected < 1"),
         ({"inputs": [[1, 2], 3]}, "JSON Value: 3 found at incorrect level: 2 in the JSON DOM. Expected at level: 2"),
         status=400),
    Case("dtype that JSON has not", "kinds:predict", _signed("same_half", inputs=[1.5]),
         "Conversion of JSON Value: 1.5 to type: half", 501),
    Case("dtype that JSON has not", "kinds:predict", _signed("same_half", instances=[1.5]),
         _in_row(0, "Conversion of JSON Value: 1.5 to type: half", code="UNIMPLEMENTED"), 400),
    *_of("outputs that are no rows", "kinds:predict",
         (_signed("uneven", instances=[1.0, 2.0]), "Tensor name: y has inconsistent batch size: 3 expecting: 2"),
         (_signed("total", instances=[1.0, 2.0]), "Tensor name: y has no shape information "), status=400),
    *[Case("examples: errors", f"half:{method}", {},
           "JSON Value: {} When method is classify, key 'examples' is expected and was not found", 400)
      for method in ("classify", "regress")],
    *_of("examples: errors", "half:regress",
         ({"examples": 1}, 'JSON Value: {\n    "examples": 1\n} Expecting \'examples\' value to be an list/array'),
         ({"examples": []}, 'JSON Value: {\n    "examples": []\n} \'examples\' value is an empty array'),
         (_signed("zz", examples=[{"x": 1.0}]), "No signature was found with the name: zz"), status=400),
    *_of("examples: errors", "half:regress", *[({"examples": [example]}, text) for example, text in (
         (1, "Example must be JSON object but got JSON Number"),
         ({"x": [1, 1.5]}, "Unexpected element type in feature: x expecting type: int64"),
         ({"x": ["a", 1]}, "Unexpected element type in feature: x expecting type: bytes"),
         ({"x": [1.5, True]}, "Unexpected element type in feature: x expecting type: float"),
         ({"x": None}, "Feature: x has element with unexpected JSON type: Null"),
         ({"x": [[1]]}, "Feature: x has element with unexpected JSON type: Array"),
         ({"x": {"a": 1}}, "Feature: x has element with unexpected JSON type: Object"),
         ({"x": 2**63}, "Feature: x has uint64 element. Only int64 is supported."),
         ({"x": 1e39}, _lost("1e+39")),
         ({"x": {"b64": "a"}}, "Unable to base64 decode"),
    )], status=400),
    Case("wrong path or verb", "/v1/foo", {}, "Malformed request: POST /v1/foo", 400),
    Case("wrong path or verb", "half", None, "Malformed request: DELETE /v1/models/half", 400, "DELETE"),
    Case("wrong path or verb", "half:zz", {}, "Malformed request: POST /v1/models/half:zz", 400),
    Case("wrong path or verb", "half:predict", None, "Malformed request: GET /v1/models/half:predict", 400),
    Case("version overflow", f"half/versions/{_VERSION}", None, f"Failed to convert version: {_VERSION} to numeric.",
         400),
    Case("version overflow", f"half/versions/{'1' * 5000}:predict", {"instances": [1.0]},
         f"Failed to convert version: {'1' * 5000} to numeric.", 400),
    Case("model, version, label not found", "zz", None, "Could not find any versions of model zz", 404),
    Case("model, version, label not found", "plus/versions/7", None, "Could not find version 7 of model plus", 404),
    Case("model, version, label not found", "zz:predict", {"instances": [1.0]},
         "Servable not found for request: Latest(zz)", 404),
    Case("model, version, label not found", "half/versions/7:predict", {"instances": [1.0]},
         "Servable not found for request: Specific(half, 7)", 404),
    Case("model, version, label not found", "zz/metadata", None, "Servable not found for request: Latest(zz)", 404),
    Case("model, version, label not found", "plus/labels/zz:predict", {"instances": [1.0]},
         "Unrecognized servable version label: zz", 400),
    Case("OPTIONS", "half", None, "Origin header is missing in CORS preflight", 400, "OPTIONS"),
    Case("OPTIONS", "half", None, "Origin header is missing in CORS preflight", 400, "OPTIONS", {"Origin": "file://x"}),
]  # fmt: skip
# Rows that are more than a status and a JSON body -> the tests that show them, in test_rest.py.
TESTS = {
    "OPTIONS": "test_cors", "list of models": "test_beyond_tf_serving", "outside of the API": "test_other_paths",
    "metadata": "test_metadata",
}  # fmt: skip
# gRPC's codes over HTTP, all of them.
CODES = {
    "CANCELLED": 499, "UNKNOWN": 500, "INVALID_ARGUMENT": 400, "DEADLINE_EXCEEDED": 504, "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409, "PERMISSION_DENIED": 403, "RESOURCE_EXHAUSTED": 429, "FAILED_PRECONDITION": 400,
    "ABORTED": 409, "OUT_OF_RANGE": 400, "UNIMPLEMENTED": 501, "INTERNAL": 500, "UNAVAILABLE": 503, "DATA_LOSS": 500,
    "UNAUTHENTICATED": 401,
}  # fmt: skip
