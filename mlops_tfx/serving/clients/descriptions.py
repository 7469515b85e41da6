"""What clients return: metadata, states, answers. None of it depends on a protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from mlops_tfx.serving.tensor_messages import Array


@dataclass(frozen=True)
class TensorDescription:
    """An input or output: ``dtype`` as ``DT_FLOAT``; ``shape`` with None for a free size, None if the rank is free."""

    dtype: str
    shape: tuple[int | None, ...] | None
    optional: bool = False


@dataclass(frozen=True)
class SignatureDescription:
    """The inputs and outputs of a signature by name."""

    inputs: Mapping[str, TensorDescription]
    outputs: Mapping[str, TensorDescription]
    method_name: str

    @property
    def examples_input(self) -> str | None:
        """The input for serialized tf.Examples: the only one, if it takes a list of strings; else None."""
        if len(self.inputs) != 1:
            return None
        ((name, tensor),) = self.inputs.items()
        takes_list = tensor.shape is None or len(tensor.shape) == 1
        return name if tensor.dtype == "DT_STRING" and takes_list else None


@dataclass(frozen=True)
class ModelMetadata:
    """A model's version and its signatures by name."""

    name: str
    version: int
    signatures: Mapping[str, SignatureDescription]


@dataclass(frozen=True)
class VersionStatus:
    """The state of one version: START, LOADING, AVAILABLE, UNLOADING or END; with an error if loading failed."""

    version: int
    state: str
    error_code: int = 0
    error_message: str = ""


@dataclass(frozen=True)
class ModelListing:
    """A model that a server has: the versions that it has loaded, highest first, and label -> version."""

    name: str
    versions: tuple[int, ...]
    labels: Mapping[str, int] = field(default_factory=dict)


class ClassScore(NamedTuple):
    """A class and its score; the label is empty if the model names no classes."""

    label: str
    score: float


@dataclass(frozen=True)
class Target:
    """A model, and one version of it by number or by label; the newest if neither is given."""

    name: str
    version: int | None = None
    label: str | None = None

    def __post_init__(self) -> None:
        if self.version is not None and self.label is not None:
            raise ValueError(
                f"expected a version or a label, received version={self.version}, label={self.label!r}; leave out one"
            )


class Prediction(dict[str, Any]):
    """Outputs by name, as arrays ``[rows, ...]``; strings are arrays of bytes objects.

    Attributes:
        model_name, version, signature_name: what answered; the version is None if the server does not say.
        schema_guard: what in the inputs does not fit the schema beside the model, in words; empty if nothing was found.
    """

    def __init__(
        self,
        outputs: Mapping[str, Array],
        model_name: str,
        version: int | None,
        signature_name: str,
        *,
        schema_guard: str = "",
    ) -> None:
        super().__init__(outputs)
        self.schema_guard = schema_guard
        self.model_name = model_name
        self.version = version
        self.signature_name = signature_name

    def to_arrow(self) -> pa.RecordBatch:
        """Returns the outputs as columns; an output of several values per row as (nested) lists.

        Strings are ``string`` columns where all of them are UTF-8, else ``binary``. Raises ValueError if outputs differ
        in their number of rows, or have none.
        """
        from mlops_tfx.serving.clients import tables

        return tables.from_outputs(self)

    def to_pandas(self) -> pd.DataFrame:
        """Returns the outputs as columns of a frame, as `to_arrow` does."""
        frame: pd.DataFrame = self.to_arrow().to_pandas()
        return frame
