"""From a Schema of tensorflow_metadata, as text, to rules.

What is checked, and when a feature is left alone, is as TensorFlow Data Validation has it; what can only be said of
many rows (the share of rows that have a feature, of values that are in the domain, distances) is not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlops_tfx.serving.server.schema_guard.rules import (
    BYTES,
    FLOAT,
    INT,
    Categories,
    Domain,
    FeatureRule,
    Numbers,
    NumberTexts,
)

# tensorflow_metadata's FeatureType and LifecycleStage.
_KINDS = {1: BYTES, 2: INT, 3: FLOAT}
_ACTIVE_STAGES = frozenset(["UNKNOWN_STAGE", "BETA", "PRODUCTION"])
_NUMERIC = ("int_domain", "float_domain")


class SchemaUnreadableError(ValueError):
    """A file is no schema; the message says which and why."""


@dataclass(frozen=True)
class RequestSchema:
    """What a schema asks of requests.

    Attributes:
        rules: by feature, of those that are checked.
        known: all features that the schema knows of; others are reported.
        hidden: those that requests do not have, such as labels.
        problems: what the schema itself has wrong, in words.
    """

    rules: Mapping[str, FeatureRule]
    known: frozenset[str]
    hidden: frozenset[str]
    problems: tuple[str, ...] = ()


def parse(content: bytes, source: str) -> Any:
    """Returns the Schema in a text. Raises SchemaUnreadableError."""
    from google.protobuf import text_format

    try:
        from tensorflow_metadata.proto.v0 import schema_pb2
    except ImportError as error:
        raise SchemaUnreadableError(f"reading {source} needs: pip install tensorflow-metadata ({error})") from error
    try:
        return text_format.Parse(content.decode("utf-8"), schema_pb2.Schema())
    except (UnicodeDecodeError, text_format.ParseError) as error:
        raise SchemaUnreadableError(f"expected a Schema as text in {source}: {error}") from error


def compile_schema(schema: Any, environment: str) -> RequestSchema:
    """Returns the rules of a Schema.

    Args:
        schema: the Schema.
        environment: which of its environments requests belong to; one that it does not have counts as none.
    """
    domains = {domain.name: domain for domain in schema.string_domain}
    rules: dict[str, FeatureRule] = {}
    problems: list[str] = []
    known = _named_elsewhere(schema)
    hidden = set()
    here = environment if environment in schema.default_environment else None
    for feature in schema.feature:
        known.add(feature.name)
        if here is not None and not _is_in(feature, here):
            hidden.add(feature.name)
            continue
        rule = _rule(feature, domains, problems) if _is_active(feature) else None
        if rule is not None:
            rules[feature.name] = rule
    return RequestSchema(rules, frozenset(known), frozenset(hidden), tuple(problems))


def _named_elsewhere(schema: Any) -> set[str]:
    """Columns that only a sparse or a weighted feature names."""
    names = set()
    for sparse in schema.sparse_feature:
        names |= {sparse.value_feature.name, *(index.name for index in sparse.index_feature)}
    for weighted in schema.weighted_feature:
        names |= {".".join(weighted.feature.step), ".".join(weighted.weight_feature.step)}
    return names


def _is_in(feature: Any, environment: str) -> bool:
    # The schema has the environment as a default one: whoever is not excluded is in it.
    return environment in feature.in_environment or environment not in feature.not_in_environment


def _is_active(feature: Any) -> bool:
    stage = feature.DESCRIPTOR.fields_by_name["lifecycle_stage"].enum_type.values_by_number.get(feature.lifecycle_stage)
    return not feature.deprecated and stage is not None and stage.name in _ACTIVE_STAGES


def _rule(feature: Any, domains: Mapping[str, Any], problems: list[str]) -> FeatureRule | None:
    kind = _KINDS.get(feature.type)
    if kind is None:
        return None
    fewest, most = _counts(feature)
    return FeatureRule(
        feature.name,
        kind,
        required=feature.presence.min_fraction >= 1,
        fewest=fewest,
        most=most,
        domain=_domain(feature, kind, domains, problems),
    )


def _counts(feature: Any) -> tuple[int, float]:
    if feature.HasField("shape"):
        sizes = [dim.size for dim in feature.shape.dim]
        if any(size < 1 for size in sizes):
            return 0, math.inf
        return math.prod(sizes), math.prod(sizes)
    counts = feature.value_count
    if feature.HasField("value_counts") and feature.value_counts.value_count:
        counts = feature.value_counts.value_count[0]
    return counts.min, counts.max if counts.max > 0 else math.inf


def _domain(feature: Any, kind: str, domains: Mapping[str, Any], problems: list[str]) -> Domain | None:
    if feature.HasField("distribution_constraints") and feature.distribution_constraints.min_domain_mass < 1:
        # Some values may be others; which share of them is, one request cannot tell.
        return None
    choice = feature.WhichOneof("domain_info")
    if choice == "domain":
        named = domains.get(feature.domain)
        if named is None:
            problems.append(f"feature {feature.name!r}: the schema has no string_domain {feature.domain!r}")
        return _fitting(feature, kind, BYTES, _categories(named), problems) if named is not None else None
    if choice == "string_domain":
        return _fitting(feature, kind, BYTES, _categories(feature.string_domain), problems)
    if choice == "bool_domain":
        return _bools(feature.bool_domain, kind)
    if choice in _NUMERIC:
        numbers = _integers(feature.int_domain) if choice == "int_domain" else _floats(feature.float_domain)
        own = INT if choice == "int_domain" else FLOAT
        return NumberTexts(numbers) if kind == BYTES else _fitting(feature, kind, own, numbers, problems)
    return None


def _fitting(feature: Any, kind: str, wanted: str, domain: Domain, problems: list[str]) -> Domain | None:
    if kind == wanted:
        return domain
    problems.append(f"feature {feature.name!r}: its {feature.WhichOneof('domain_info')} does not fit its type")
    return None


def _categories(domain: Any) -> Categories:
    return Categories(frozenset(value.encode() for value in domain.value))


def _bools(domain: Any, kind: str) -> Domain:
    if kind == BYTES:
        return Categories(frozenset([domain.true_value.encode(), domain.false_value.encode()]))
    return Numbers(0, 1, whole=True)


def _integers(domain: Any) -> Numbers:
    low = domain.min if domain.HasField("min") else -math.inf
    return Numbers(low, domain.max if domain.HasField("max") else math.inf, whole=True)


def _floats(domain: Any) -> Numbers:
    low = domain.min if domain.HasField("min") else -math.inf
    high = domain.max if domain.HasField("max") else math.inf
    return Numbers(low, high, allow_nan=not domain.disallow_nan, allow_infinite=not domain.disallow_inf)
