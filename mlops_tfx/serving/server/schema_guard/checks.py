"""What a request holds, serialized tf.Examples or tensors, against the rules.

One or two rows are read one by one, as messages, and more by a run of TensorFlow, which costs as much as two rows to
begin with and a twentieth for every row; or by the run that answers them, where that can be followed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from google.protobuf.message import DecodeError
from tensorflow.core.example import example_pb2

from mlops_tfx.serving.input_names import RAW_SIGNATURE, input_aliases
from mlops_tfx.serving.server import tensors
from mlops_tfx.serving.server.calls import Call, holds_examples
from mlops_tfx.serving.server.schema_guard.columns import Column, judge
from mlops_tfx.serving.server.schema_guard.findings import (
    MISSING,
    UNKNOWN_FEATURE,
    UNREADABLE,
    WRONG_TYPE,
    Findings,
    show,
)
from mlops_tfx.serving.server.schema_guard.parsed import Parsed, ParsedChecks
from mlops_tfx.serving.server.schema_guard.parsing import ExampleParser
from mlops_tfx.serving.server.schema_guard.rules import FLOAT, KINDS, Categories, FeatureRule, Numbers, kind_of
from mlops_tfx.serving.server.schema_guard.schema import RequestSchema

if TYPE_CHECKING:
    from mlops_tfx.serving.server.saved_model import SavedModelSession

_FEW_ROWS = 3
_FEW_VALUES = 4
# Of many rows that TensorFlow refuses to read, so many are looked at one by one.
_MOST_ROWS_ONE_BY_ONE = 1000
_NO_INTEGER = np.iinfo(np.int64).min
_EXAMPLE = example_pb2.Example

# An input's place in the call, its alias, and its rule.
_Checked = tuple[tuple[int, str, FeatureRule], ...]


class RequestChecks:
    """Checks the requests to one version of a model.

    Attributes:
        schema: what they are checked against.
        features: alias of an input -> the feature.
    """

    def __init__(self, schema: RequestSchema) -> None:
        self.schema = schema
        visible = schema.known - schema.hidden
        self.features = {alias: name for name, alias in input_aliases(visible).items()}
        self._signatures: dict[str, _Checked] = {}
        self._required = sum(rule.required for rule in schema.rules.values())
        self._parser = ExampleParser(list(schema.rules.values())) if schema.rules else None
        self._parsed: dict[str, ParsedChecks] = {}

    def follow(self, session: SavedModelSession) -> None:
        """Lets requests of many rows be checked by what the model parses of them, where it does."""
        rules = list(self.schema.rules.values())
        for name, signature in session.signatures.items():
            features = session.parsed.get(signature.feed or "")
            if features is not None:
                self._parsed[name] = ParsedChecks(signature, features, rules)

    def parsed_by(self, call: Call) -> Parsed | None:
        """Lets the run of a call leave what it parses, for `check_parsed`; None if it does not."""
        parsed = self._parsed.get(call.signature_name)
        if parsed is None or len(call.values[0]) < _FEW_ROWS or not holds_examples(call, self.features):
            return None
        return parsed.follow(call)

    def check_parsed(self, call: Call, parsed: Parsed) -> Findings:
        """Returns what does not fit in a request, given what its run has parsed."""
        rows = call.values[0]
        if parsed.arrays is None or not self._parsed[call.signature_name].in_order(rows, parsed.arrays):
            return self.check(call)
        findings = Findings()
        self._check_first_names(rows, findings)
        return findings

    def check(self, call: Call) -> Findings:
        """Returns what does not fit in a request."""
        findings = Findings()
        if holds_examples(call, self.features):
            self._check_examples(call.values[0].reshape(-1), findings)
        else:
            self._check_tensors(call, findings)
        return findings

    def check_refused(self, signature: str, wanted: Mapping[str, Any], inputs: Mapping[str, Any]) -> Findings:
        """Returns what does not fit in named tensors that the signature does not take: too few, or of other dtypes.

        Args:
            signature: its name.
            wanted: its TensorInfos by name.
            inputs: TensorProtos by name, as they were sent.
        """
        findings, raw = Findings(), signature == RAW_SIGNATURE
        for alias in sorted({*wanted, *inputs}):
            rule = self.schema.rules.get(self.features.get(alias, alias))
            if rule is None:
                continue
            if alias not in inputs:
                _judge_none(1, rule, findings)
                continue
            value = _decoded(inputs[alias])
            if value is None:
                continue
            if rule.kind == kind_of(value.dtype):
                _judge_tensor(value, rule, raw, findings)
            elif alias not in wanted or inputs[alias].dtype != wanted[alias].dtype:
                _judge_kind(value, rule, findings)
        return findings

    # Tensors

    def _check_tensors(self, call: Call, findings: Findings) -> None:
        inputs = self._signatures.get(call.signature_name)
        if inputs is None:
            inputs = self._signatures[call.signature_name] = self._inputs(call)
        raw = call.signature_name == RAW_SIGNATURE
        for index, alias, rule in inputs:
            if alias not in call.given:
                # It has its default, which in the raw signature says that there is no value.
                _judge_none(1, rule, findings)
            else:
                _judge_tensor(call.values[index], rule, raw, findings)

    def _inputs(self, call: Call) -> _Checked:
        found = []
        for index, (alias, value) in enumerate(zip(call.plan.inputs, call.values, strict=True)):
            rule = self.schema.rules.get(self.features.get(alias, alias))
            fitting = rule.for_tensor(value.dtype) if rule is not None else None
            if fitting is not None:
                found.append((index, alias, fitting))
        return tuple(found)

    # Serialized tf.Examples

    def _check_examples(self, rows: Any, findings: Findings) -> None:
        if len(rows) < _FEW_ROWS:
            self._check_one_by_one(rows.tolist(), findings)
        elif not self._check_together(rows, findings):
            # A broken row, or a feature of another type than the schema's, which TensorFlow refuses to read.
            self._check_one_by_one(rows[:_MOST_ROWS_ONE_BY_ONE].tolist(), findings)

    def _check_one_by_one(self, rows: Sequence[bytes], findings: Findings) -> None:
        for number, row in enumerate(rows):
            try:
                features = _EXAMPLE.FromString(row).features.feature
            except DecodeError:
                findings.add("", UNREADABLE, "a serialized tf.Example", f"{len(row)} bytes", number)
                continue
            if not self._row_fits(features):
                self._check_row(features, number, findings)

    def _row_fits(self, features: Any) -> bool:
        """Whether a row is in order, in two thirds of the time of finding out what is not; False: not known."""
        required = 0
        for name in features:
            rule = self.schema.rules.get(name)
            if rule is None:
                if name not in self.schema.known:
                    return False
                continue
            # Of another kind than the feature has, the list is empty.
            values = getattr(features[name], rule.kind).value
            if len(values) != 1 or not rule.fits_one(values[0]):
                return False
            required += rule.required
        return required == self._required

    def _check_row(self, features: Any, number: int, findings: Findings) -> None:
        rules = self.schema.rules
        for name, rule in rules.items():
            # Asked for what it does not have, a protobuf map makes one.
            feature = features[name] if name in features else None
            kind = feature.WhichOneof("kind") if feature is not None else None
            values: Any = getattr(feature, kind).value if kind is not None else ()
            if kind is not None and kind != rule.kind and len(values):
                findings.add(name, WRONG_TYPE, KINDS[rule.kind], f"{KINDS[kind]} such as {show(values[0])}", number)
                continue
            for reason, received in rule.judge(values):
                findings.add(name, reason, rule.expected(reason), received, number)
        self._check_names(features, number, findings)

    def _check_names(self, features: Any, number: int, findings: Findings) -> None:
        unknown = [name for name in features if name not in self.schema.known]
        if unknown:
            findings.add("", UNKNOWN_FEATURE, "features of the schema", show(min(unknown)), number)

    def _check_together(self, rows: Any, findings: Findings) -> bool:
        if self._parser is not None and not self._parser.check(rows, findings):
            return False
        self._check_first_names(rows, findings)
        return True

    def _check_first_names(self, rows: Any, findings: Findings) -> None:
        # Whoever misspells a name does so in every row.
        self._check_names(_EXAMPLE.FromString(rows[0]).features.feature, 0, findings)

    def close(self) -> None:
        """Frees what reads rows together."""
        for parsed in self._parsed.values():
            parsed.close()
        if self._parser is not None:
            self._parser.close()


def _decoded(proto: Any) -> Any | None:
    """The array of a TensorProto; None if it is none, which the answer to the request says."""
    try:
        return tensors.decode(proto)
    except (ValueError, OverflowError):
        return None


def _judge_tensor(value: Any, rule: FeatureRule, raw: bool, findings: Findings) -> None:
    if rule.kind == FLOAT and value.dtype == np.float64:
        # The schema's bounds are float32, as the values that it was made from: 0.1 is not below 0.1.
        with np.errstate(over="ignore"):
            value = value.astype(np.float32)
    if value.size == 1 and _one_fits(value.item(), rule, raw):
        return
    if value.size == 0:
        # Of any number of rows, which takes no memory, and must not take time.
        _judge_none(value.shape[0], rule, findings)
    elif value.size <= _FEW_VALUES:
        _judge_few(value, rule, raw, findings)
    else:
        _judge_many(value, rule, raw, findings)


def _one_fits(cell: Any, rule: FeatureRule, raw: bool) -> bool:
    """Whether one value is in order; False may only mean: not known."""
    if raw and (cell != cell or cell in (b"", _NO_INTEGER)):
        return False
    return rule.fits_one(cell)


def _judge_none(rows: int, rule: FeatureRule, findings: Findings) -> None:
    if rule.required and rows:
        findings.add(rule.name, MISSING, rule.expected(MISSING), "none", 0, rows)


def _judge_kind(value: Any, rule: FeatureRule, findings: Findings) -> None:
    """Notes values of a tensor whose dtype is that of another kind than the schema's."""
    kind = kind_of(value.dtype)
    what = KINDS[kind] if kind is not None else str(value.dtype)
    received = f"{what} such as {show(value.reshape(-1)[:1].tolist()[0])}" if value.size else what
    findings.add(rule.name, WRONG_TYPE, KINDS[rule.kind], received, 0, value.shape[0] if value.ndim else 1)


def _judge_few(value: Any, rule: FeatureRule, raw: bool, findings: Findings) -> None:
    rows = value.shape[0] if value.ndim else 1
    values = value.reshape(-1).tolist()
    width = len(values) // rows
    for row in range(rows):
        cells = values if rows == 1 else values[row * width : (row + 1) * width]
        if raw:
            cells = [cell for cell in cells if cell == cell and cell not in (b"", _NO_INTEGER)]
        for reason, received in rule.judge(cells):
            findings.add(rule.name, reason, rule.expected(reason), received, row)


def _judge_many(value: Any, rule: FeatureRule, raw: bool, findings: Findings) -> None:
    flat, rows = value.reshape(-1), value.shape[0]
    if rule.fewest * rows <= len(flat) <= rule.most * rows and _all_fit(flat, rule, raw):
        return
    column = Column.of_table(flat, rows)
    if raw:
        absent = _absent(flat)
        column = column.without(absent) if absent.any() else column
    judge(column, rule, findings)


def _all_fit(values: Any, rule: FeatureRule, raw: bool) -> bool:
    """Whether all are values in the domain, and none stands for a missing one; False may only mean: not known."""
    domain = rule.domain
    if values.dtype == object:
        if not isinstance(domain, Categories) or b"" in domain.allowed:
            return False
        return domain.allowed.issuperset(values.tolist())
    if domain is not None and not isinstance(domain, Numbers):
        return False
    low, high = values.min(), values.max()
    if raw and (low != low or low == _NO_INTEGER):
        return False
    return domain is None or domain.has_between(low, high, values.dtype)


def _absent(values: Any) -> Any:
    if values.dtype.kind == "f":
        return np.isnan(values)
    if values.dtype == object:
        return values == b""
    return values == _NO_INTEGER
