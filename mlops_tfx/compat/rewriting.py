"""``tfx.components.trainer.rewriting``: what run_fn calls to write a model for TFLite or TensorFlow.js.

    rewriter = create_rewriter(TFLITE_REWRITER, name="phones")
    rewriter.perform_rewrite(
        ModelDescription(ModelType.SAVED_MODEL, folder), ModelDescription(ModelType.TFLITE_MODEL, other_folder)
    )

TFLite's converter is TensorFlow's; TensorFlow.js needs the package ``tensorflowjs``, which is not verified here.
"""

from __future__ import annotations

import abc
import enum
import importlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from mlops_tfx import filesystem
from mlops_tfx.errors import did_you_mean

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf

TFLITE_REWRITER = "TFLiteRewriter"
TFJS_REWRITER = "TFJSRewriter"
_ASSETS, _EXTRA = "assets", "assets.extra"


class ModelType(enum.Enum):
    """What kind of model lies in a folder."""

    ANY_MODEL = 1
    SAVED_MODEL = 2
    TFLITE_MODEL = 3
    TFJS_MODEL = 4


class ModelDescription(NamedTuple):
    """A model: its kind and its folder."""

    model_type: ModelType
    path: Any


class BaseRewriter(abc.ABC):
    """Writes a model in another form. Subclasses define the name and three steps, which raise ValueError."""

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """Names the rewriter in errors."""

    @abc.abstractmethod
    def _pre_rewrite_validate(self, original_model: ModelDescription) -> None:
        """Checks the model that is there."""

    @abc.abstractmethod
    def _rewrite(self, original_model: ModelDescription, rewritten_model: ModelDescription) -> None:
        """Writes the other."""

    @abc.abstractmethod
    def _post_rewrite_validate(self, rewritten_model: ModelDescription) -> None:
        """Checks what was written."""

    def perform_rewrite(self, original_model: ModelDescription, rewritten_model: ModelDescription) -> None:
        """Goes through the three steps.

        Args:
            original_model: what is there.
            rewritten_model: what to write, and where.

        Raises:
            ValueError: names the rewriter and the step that failed.
        """
        steps = (
            ("the model before it was rewritten", original_model, self._pre_rewrite_validate, (original_model,)),
            ("rewriting the model", original_model, self._rewrite, (original_model, rewritten_model)),
            ("the rewritten model", rewritten_model, self._post_rewrite_validate, (rewritten_model,)),
        )
        for what, model, step, arguments in steps:
            try:
                step(*arguments)
            except ValueError as error:
                raise ValueError(f"rewriter {self.name!r}, {what} at {_text(model.path)!r}: {error}") from error


class TFLiteRewriter(BaseRewriter):
    """Writes a SavedModel as a TFLite file, with its assets beside it.

    Args:
        name: names it in errors.
        filename: of the TFLite file.
        copy_assets: whether ``assets`` is copied.
        copy_assets_extra: whether ``assets.extra`` is copied.
        quantization_optimizations: the converter's ``optimizations``; none: weights stay float32.
        quantization_supported_types: the converter's ``target_spec.supported_types``.
        quantization_enable_full_integer: whether everything is quantized; needs ``representative_dataset``.
        signature_key: the signature to convert; by default the converter's own choice.
        representative_dataset: gives examples for quantization.
        **kwargs: accepted for TFX's sake.

    Raises:
        ValueError: full-integer quantization without a representative dataset.
    """

    def __init__(
        self,
        name: str,
        filename: str = "tflite",
        copy_assets: bool = True,
        copy_assets_extra: bool = True,
        quantization_optimizations: Sequence[tf.lite.Optimize] | None = None,
        quantization_supported_types: Sequence[tf.DType] | None = None,
        quantization_enable_full_integer: bool = False,
        signature_key: str | None = None,
        representative_dataset: Iterable[Sequence[np.ndarray[Any, Any]]] | None = None,
        **kwargs: Any,
    ) -> None:
        if quantization_enable_full_integer and representative_dataset is None:
            raise ValueError(
                f"rewriter {name!r}: expected a representative_dataset with quantization_enable_full_integer=True"
            )
        self._name = name
        self._filename = _text(filename)
        self._copied = [_ASSETS] * copy_assets + [_EXTRA] * copy_assets_extra
        self._optimizations = list(quantization_optimizations or ())
        self._types = list(quantization_supported_types or ())
        self._signature_key = signature_key
        self._representative_dataset = representative_dataset

    @property
    def name(self) -> str:
        """Names it in errors."""
        return self._name

    def _pre_rewrite_validate(self, original_model: ModelDescription) -> None:
        _expect(original_model, ModelType.SAVED_MODEL)

    def _rewrite(self, original_model: ModelDescription, rewritten_model: ModelDescription) -> None:
        _expect(rewritten_model, ModelType.TFLITE_MODEL, ModelType.ANY_MODEL)
        source, target = _text(original_model.path), _text(rewritten_model.path)
        filesystem.makedirs(target)
        filesystem.write_bytes(filesystem.join(target, self._filename), self._converted(source))
        for name in self._copied:
            if filesystem.isdir(filesystem.join(source, name)):
                filesystem.copy_tree(filesystem.join(source, name), filesystem.join(target, name))

    def _converted(self, source: str) -> bytes:
        import tensorflow as tf

        from mlops_tfx.serving.export.restoring import link_variables

        with tempfile.TemporaryDirectory() as folder:
            # The converter does not take models with extra assets.
            copy = os.path.join(folder, "model")
            filesystem.copy_tree(source, copy)
            filesystem.remove_tree(os.path.join(copy, _EXTRA))
            link_variables(copy)  # a model of Keras 3 ends the process otherwise
            keys = [self._signature_key] if self._signature_key else None
            converter = tf.lite.TFLiteConverter.from_saved_model(copy, signature_keys=keys)
            converter.optimizations = self._optimizations
            converter.target_spec.supported_types = self._types
            converter.representative_dataset = self._representative_dataset
            return bytes(converter.convert())

    def _post_rewrite_validate(self, rewritten_model: ModelDescription) -> None:
        content = filesystem.read_bytes(filesystem.join(_text(rewritten_model.path), self._filename))
        if content[4:8] != b"TFL3":
            raise ValueError(f"expected a TFLite file, received {len(content)} bytes of something else")


class TFJSRewriter(BaseRewriter):
    """Writes a SavedModel for TensorFlow.js. Not verified against the package ``tensorflowjs``, which it needs.

    Args:
        name: names it in errors.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def name(self) -> str:
        """Names it in errors."""
        return self._name

    def _pre_rewrite_validate(self, original_model: ModelDescription) -> None:
        _expect(original_model, ModelType.SAVED_MODEL)

    def _rewrite(self, original_model: ModelDescription, rewritten_model: ModelDescription) -> None:
        _expect(rewritten_model, ModelType.TFJS_MODEL, ModelType.ANY_MODEL)
        try:
            converter = importlib.import_module("tensorflowjs.converters.converter")
        except ImportError as error:
            raise RuntimeError(
                f"rewriter {self.name!r} needs the package tensorflowjs: pip install tensorflowjs"
            ) from error
        flags = ["--input_format=tf_saved_model", "--saved_model_tags=serve", "--signature_name=serving_default"]
        converter.convert([*flags, _text(original_model.path), _text(rewritten_model.path)])

    def _post_rewrite_validate(self, rewritten_model: ModelDescription) -> None:
        if not filesystem.exists(filesystem.join(_text(rewritten_model.path), "model.json")):
            raise ValueError("expected a model.json, received none")


def create_rewriter(rewriter_type: str, *args: Any, **kwargs: Any) -> BaseRewriter:
    """Makes a rewriter.

    Args:
        rewriter_type: the name of a subclass of `BaseRewriter`, in any case: ``TFLiteRewriter``, ``TFJSRewriter``, or
            one of yours.
        *args: for its constructor.
        **kwargs: for its constructor.

    Raises:
        ValueError: there is no such class.
    """
    known = {cls.__name__.lower(): cls for cls in _below(BaseRewriter)}  # type: ignore[type-abstract]
    found = known.get(rewriter_type.lower())
    if found is None:
        hint = did_you_mean(rewriter_type, [cls.__name__ for cls in known.values()])
        raise ValueError(f"there is no rewriter {rewriter_type!r}{hint}")
    return found(*args, **kwargs)


def rewrite_saved_model(
    source: str, target: str, rewriter: BaseRewriter, model_type: ModelType = ModelType.ANY_MODEL
) -> None:
    """Rewrites the SavedModel in one folder into another, as `BaseRewriter.perform_rewrite` does.

    Args:
        source: folder of the SavedModel.
        target: folder to write to.
        rewriter: does it.
        model_type: what to write.
    """
    rewriter.perform_rewrite(ModelDescription(ModelType.SAVED_MODEL, source), ModelDescription(model_type, target))


def _below(cls: type[BaseRewriter]) -> Iterator[type[BaseRewriter]]:
    for subclass in cls.__subclasses__():
        yield subclass
        yield from _below(subclass)


def _expect(model: ModelDescription, *kinds: ModelType) -> None:
    if model.model_type not in kinds:
        wanted = " or ".join(kind.name for kind in kinds)
        raise ValueError(f"expected a model of type {wanted}, received {model.model_type}")


def _text(path: str | bytes | os.PathLike[str]) -> str:
    return os.fsdecode(path)
