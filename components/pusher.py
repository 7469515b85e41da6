"""Pusher: delivers a blessed model to a folder that a model server watches, whole or not at all."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Artifact, InfraBlessing, Model, ModelBlessing, PushedModel
from mlops_tfx.component import Component, OptionalInput, Output
from mlops_tfx.config import PushDestination
from mlops_tfx.errors import ArtifactError, PushError

# A model server takes a folder for a version if its name is an integer, so it never looks at these.
_PARTIAL = ".pushing-"


class Pusher(Component):
    """Copies the model to ``{base_directory}/{version}``, unless a blessing was asked for and refused.

    The version is the time in seconds, and larger than every version that is there. The copy gets its name in one
    step when it is complete. A model that is the newest version already is not pushed again.

    Args:
        model: the model to push.
        model_blessing: an Evaluator's verdict; without a blessing nothing is pushed.
        infra_blessing: an InfraValidator's verdict; it may also hold the model, with warm-up requests.
        push_destination: where to; ``PushDestination(filesystem=PushDestination.Filesystem(base_directory=...))``.
        custom_config: for subclasses.
        custom_executor_spec: accepted for TFX's sake, and refused unless None: subclass Pusher instead.

    Custom properties of ``pushed_model``: ``pushed`` (1 or 0), and with it either ``pushed_destination`` and
    ``pushed_version``, or ``not_pushed_because``.
    """

    model: OptionalInput[Model] = OptionalInput()
    model_blessing: OptionalInput[ModelBlessing] = OptionalInput()
    infra_blessing: OptionalInput[InfraBlessing] = OptionalInput()
    push_destination: PushDestination | None = None
    custom_config: dict[str, Any] | None = None
    custom_executor_spec: Any = None
    pushed_model = Output(PushedModel)

    def check(self) -> Iterable[str]:
        """A model and a destination."""
        if "model" not in self.inputs and "infra_blessing" not in self.inputs:
            yield "input 'model': expected it, or 'infra_blessing' with a model inside, received neither"
        if self.push_destination is None or self.push_destination.filesystem is None:
            yield (
                "parameter 'push_destination': expected PushDestination(filesystem=PushDestination.Filesystem("
                f"base_directory=...)), received {self.push_destination!r}"
            )
        if self.custom_executor_spec is not None:
            yield "parameter 'custom_executor_spec' is not supported; subclass Pusher and override run() instead"

    def still_valid(self, outputs: Mapping[str, Sequence[Artifact]]) -> bool:
        """Whether what was pushed is still there, unchanged, and the newest version."""
        pushed = outputs["pushed_model"][0]
        if pushed.custom_properties.get("pushed") != 1:
            return True
        version = str(pushed.custom_properties.get("pushed_version"))
        return _standing_version(self._base_directory, filesystem.digest(pushed.uri)) == version

    def run(self) -> None:
        """Pushes the model, or says why not."""
        filesystem.makedirs(self.pushed_model.uri)
        refusal = self._refusal()
        if refusal:
            self.context.log(f"not pushed: {refusal}")
            self.pushed_model.custom_properties.update(pushed=0, not_pushed_because=refusal)
            return
        source = self._model_folder()
        filesystem.copy_tree(source, self.pushed_model.uri)
        version = push(source, self._base_directory, self.context.log)
        destination = os.path.join(self._base_directory, version)
        self.pushed_model.custom_properties.update(pushed=1, pushed_destination=destination, pushed_version=version)

    @property
    def _base_directory(self) -> str:
        if self.push_destination is None or self.push_destination.filesystem is None:
            raise PushError("expected push_destination with a filesystem, received none")
        return self.push_destination.filesystem.base_directory

    def _refusal(self) -> str | None:
        for name, blessing in (("model_blessing", self.model_blessing), ("infra_blessing", self.infra_blessing)):
            if blessing is None or blessing.custom_properties.get("blessed") == 1:
                continue
            if "blessed" in blessing.custom_properties:
                return f"{name} at {blessing.uri} refuses the model (blessed=0)"
            return f"{name} at {blessing.uri} holds no verdict: nothing was validated, for want of thresholds"
        return None

    def _model_folder(self) -> str:
        if self.model is not None:
            folder = os.path.join(self.model.uri, "Format-Serving")
        elif self.infra_blessing is not None and self.infra_blessing.custom_properties.get("has_model") == 1:
            folder = os.path.join(self.infra_blessing.uri, "stamped_model")
        else:
            raise ArtifactError(
                "expected a model inside the infra_blessing, found none (has_model is not 1); pass model=, or set "
                "make_warmup in the InfraValidator's request_spec"
            )
        if not filesystem.isdir(folder) or not filesystem.listdir(folder):
            raise ArtifactError(f"expected a model in the folder {folder!r}, found nothing; train it again")
        return folder


def push(source: str, base_directory: str, log: Callable[[str], None]) -> str:
    """Copies the folder ``source`` to a new version below ``base_directory`` and returns the version.

    If the newest version there has the same content, returns that one and copies nothing. Pushes to one
    ``base_directory`` wait for each other. Raises PushError if the destination cannot be written.
    """
    try:
        filesystem.makedirs(base_directory)
        with filesystem.locked(base_directory):
            _remove_partial(base_directory)
            standing = _standing_version(base_directory, filesystem.digest(source))
            if standing is not None:
                log(f"not pushed again: version {standing} in {base_directory} is this model")
                return standing
            return _copy_as_new_version(source, base_directory)
    except OSError as error:
        raise PushError(
            f"cannot push the model ({filesystem.size(source):,} bytes): expected a folder that can be written, "
            f"received push_destination.filesystem.base_directory={base_directory!r}: {_reason(error)}; nothing was "
            "changed there; make room or make it writable, or choose another folder"
        ) from error


def _copy_as_new_version(source: str, base_directory: str) -> str:
    version = str(max([int(time.time()), *(v + 1 for v in _versions(base_directory))]))
    partial = os.path.join(base_directory, f"{_PARTIAL}{version}")
    try:
        filesystem.copy_tree(source, partial)
        filesystem.sync(partial)
        filesystem.rename(partial, os.path.join(base_directory, version))
        filesystem.sync(base_directory, recursive=False)
    finally:
        filesystem.remove_tree(partial)
    return version


def _remove_partial(base_directory: str) -> None:
    # The lock is ours, so nobody is writing to these: they are left from pushes that were killed.
    for name in filesystem.listdir(base_directory):
        if name.startswith(_PARTIAL):
            filesystem.remove_tree(os.path.join(base_directory, name))


def _versions(base_directory: str) -> list[int]:
    return sorted(int(name) for name in filesystem.listdir(base_directory) if name.isdecimal())


def _standing_version(base_directory: str, digest: str) -> str | None:
    """The newest version, if its content has this digest."""
    if not filesystem.isdir(base_directory):
        return None
    newest = max(_versions(base_directory), default=None)
    if newest is None or filesystem.digest(os.path.join(base_directory, str(newest))) != digest:
        return None
    return str(newest)


def _reason(error: OSError) -> str:
    # shutil.copytree collects (source, destination, reason) for every file that it could not copy.
    if error.args and isinstance(error.args[0], list):
        return "; ".join(dict.fromkeys(str(item[-1]) for item in error.args[0]))
    return str(error)
