"""``custom_validation_config``: TFDV's conditions in SQL on statistics."""

from __future__ import annotations

from typing import Any

from mlops_tfx.errors import ConfigError

_MESSAGE = "CustomValidationConfig"


def config_problem(config: Any) -> str | None:
    """What is wrong with the type of a config, if anything; without importing TFDV."""
    descriptor = getattr(config, "DESCRIPTOR", None)
    if config is None or isinstance(config, str) or getattr(descriptor, "name", None) == _MESSAGE:
        return None
    return f"expected TFDV's {_MESSAGE} or its text, received {config!r}"


def custom_validation(config: Any) -> dict[str, Any]:
    """TFDV's argument, if it is wanted.

    Raises:
        ConfigError: it is of another type or does not parse, or TFDV was built without ZetaSQL (from 1.17 on).
    """
    if config is None:
        return {}
    problem = config_problem(config)
    if problem:
        raise ConfigError(f"custom_validation_config: {problem}")
    import inspect

    import tensorflow_data_validation as tfdv

    if "custom_validation_config" not in inspect.signature(tfdv.validate_statistics).parameters:
        raise ConfigError(
            f"custom_validation_config: TFDV {tfdv.__version__} cannot evaluate SQL conditions; "
            "use domains in the schema, or TFDV 1.16"
        )
    return {"custom_validation_config": _parse(config) if isinstance(config, str) else config}


def _parse(text: str) -> Any:
    from google.protobuf import text_format
    from tensorflow_data_validation.anomalies.proto import custom_validation_config_pb2

    try:
        return text_format.Parse(text, custom_validation_config_pb2.CustomValidationConfig())
    except text_format.ParseError as error:
        raise ConfigError(f"custom_validation_config: expected the text of a {_MESSAGE}; {error}") from error
