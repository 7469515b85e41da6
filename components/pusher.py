"""Pusher: delivers a blessed model to a folder that a model server watches, whole or not at all."""

from __future__ import annotations

import contextlib
import random
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Artifact, InfraBlessing, Model, ModelBlessing, PushedModel
from mlops_tfx.component import Component, OptionalInput, Output
from mlops_tfx.config import PushDestination
from mlops_tfx.errors import ArtifactError, PushError

# A model server takes a folder for a version if its name is an integer, so it never looks at these.
_PARTIAL = ".pushing-"
_ABANDONED_SECONDS = 24 * 3600
_PUSHED_DIGEST = "pushed_digest"
# What makes a folder a SavedModel: on an object store it must not be there before the rest.
_LAST = ("saved_model.pbtxt", "saved_model.pb")


class Pusher(Component):
    """Copies the model to ``{base_directory}/{version}``, unless a blessing was asked for and refused.

    The version is the time in seconds, and larger than every version that is there. A model that is the newest version
    already is not pushed again. On a local file system the copy gets its name in one step when it is complete. An
    object store knows no such step: files are sent aside, then copied inside the store, ``saved_model.pb`` last. A
    server that polls within that moment cannot load the version yet, and tries again.

    Args:
        model: the model to push.
        model_blessing: an Evaluator's verdict; without a blessing nothing is pushed.
        infra_blessing: an InfraValidator's verdict; it may also hold the model, with warm-up requests.
        push_destination: where to; ``PushDestination(filesystem=PushDestination.Filesystem(base_directory=...))``.
        custom_config: for subclasses.
        custom_executor_spec: accepted for TFX's sake, and refused unless None: subclass Pusher instead.

    Custom properties of ``pushed_model``: ``pushed`` (1 or 0), and with it either ``pushed_destination`` and
    ``pushed_version`` (on an object store also ``pushed_digest``, of sizes and entity tags), or ``not_pushed_because``.
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
        newest = _newest(self._base_directory)
        if newest is None or newest != version:
            return False
        digest = pushed.custom_properties.get(_PUSHED_DIGEST) or filesystem.digest(pushed.uri)
        return filesystem.digest(filesystem.join(self._base_directory, newest)) == digest

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
        destination = filesystem.join(self._base_directory, version)
        self.pushed_model.custom_properties.update(pushed=1, pushed_destination=destination, pushed_version=version)
        if not filesystem.is_local(destination):
            self.pushed_model.custom_properties[_PUSHED_DIGEST] = filesystem.digest(destination)

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
                return f"{name} at {blessing.recorded_uri} refuses the model (blessed=0)"
            return f"{name} at {blessing.recorded_uri} holds no verdict: nothing was validated, for want of thresholds"
        return None

    def _model_folder(self) -> str:
        if self.model is not None:
            folder = filesystem.join(self.model.uri, "Format-Serving")
        elif self.infra_blessing is not None and self.infra_blessing.custom_properties.get("has_model") == 1:
            folder = filesystem.join(self.infra_blessing.uri, "stamped_model")
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

    If the newest version there has the same content, returns that one and copies nothing. Pushes to one local
    ``base_directory`` wait for each other; on an object store each takes a version of its own. Raises PushError if the
    destination cannot be written.
    """
    try:
        filesystem.makedirs(base_directory)
        if not filesystem.is_local(base_directory):
            return _standing(source, base_directory, log) or _push_objects(source, base_directory)
        with filesystem.locked(base_directory):
            _remove_partial(base_directory)
            return _standing(source, base_directory, log) or _copy_as_new_version(source, base_directory)
    except OSError as error:
        raise PushError(
            f"cannot push the model ({filesystem.size(source):,} bytes): expected a folder that can be written, "
            f"received push_destination.filesystem.base_directory={base_directory!r}: {_reason(error)}; nothing was "
            "changed there; make room or make it writable, or choose another folder"
        ) from error


def _copy_as_new_version(source: str, base_directory: str) -> str:
    version = str(max([int(time.time()), *(v + 1 for v in _versions(base_directory))]))
    partial = filesystem.join(base_directory, f"{_PARTIAL}{version}")
    try:
        filesystem.copy_tree(source, partial)
        filesystem.sync(partial)
        filesystem.rename(partial, filesystem.join(base_directory, version))
        filesystem.sync(base_directory, recursive=False)
    finally:
        filesystem.remove_tree(partial)
    return version


def _push_objects(source: str, base_directory: str) -> str:
    """Sends the files aside, and copies them inside the store to a version that nobody else takes."""
    token = uuid.uuid4().hex
    aside = filesystem.join(base_directory, f"{_PARTIAL}files-{token}")
    _remove_abandoned(base_directory)
    try:
        filesystem.copy_tree(source, aside)
        with _claimed_version(base_directory, token) as version:
            destination = filesystem.join(base_directory, version)
            try:
                filesystem.copy_tree(aside, destination, last=_LAST)
            except BaseException:
                filesystem.remove_tree(destination)
                raise
    finally:
        filesystem.remove_tree(aside)
    return version


@contextlib.contextmanager
def _claimed_version(base_directory: str, token: str) -> Iterator[str]:
    """A number that no other push takes.

    Object stores have no locks, but list what is there: whoever sees a claim beside its own, or the version itself,
    gives up that number. So of two pushes that want one, at most one keeps it.
    """
    version = max([int(time.time()), *(v + 1 for v in _versions(base_directory))])
    while True:
        claim = f"{_PARTIAL}{version}-"
        filesystem.write_bytes(filesystem.join(base_directory, claim + token), b"")
        try:
            names = _names(base_directory)
            if str(version) not in names and [name for name in names if name.startswith(claim)] == [claim + token]:
                yield str(version)
                return
        finally:
            filesystem.remove_tree(filesystem.join(base_directory, claim + token))
        version += random.randint(1, 3)


def _remove_abandoned(base_directory: str) -> None:
    # Whether a push elsewhere is still alive cannot be known; one that wrote nothing for a day is not.
    for name in _names(base_directory):
        folder = filesystem.join(base_directory, name)
        if name.startswith(_PARTIAL) and _last_change(folder) < time.time() - _ABANDONED_SECONDS:
            filesystem.remove_tree(folder)


def _last_change(folder: str) -> float:
    return max((filesystem.stat(path).modified_ns / 1e9 for path in filesystem.walk_files(folder)), default=0.0)


def _remove_partial(base_directory: str) -> None:
    # The lock is ours, so nobody is writing to these: they are left from pushes that were killed.
    for name in filesystem.listdir(base_directory):
        if name.startswith(_PARTIAL):
            filesystem.remove_tree(filesystem.join(base_directory, name))


def _versions(base_directory: str) -> list[int]:
    return sorted(int(name) for name in _names(base_directory) if name.isdecimal())


def _names(folder: str) -> list[str]:
    return filesystem.listdir(folder) if filesystem.isdir(folder) else []


def _newest(base_directory: str) -> str | None:
    version = max(_versions(base_directory), default=None)
    return None if version is None else str(version)


def _standing(source: str, base_directory: str, log: Callable[[str], None]) -> str | None:
    """The newest version, if it has the content of ``source``."""
    newest = _newest(base_directory)
    if newest is None or not _equal_trees(source, filesystem.join(base_directory, newest)):
        return None
    log(f"not pushed again: version {newest} in {base_directory} is this model")
    return newest


def _equal_trees(first: str, second: str) -> bool:
    if _sizes(first) != _sizes(second):
        return False  # an answer without reading anything
    return all(
        _content(filesystem.join(first, name)) == _content(filesystem.join(second, name)) for name in _sizes(first)
    )


def _sizes(folder: str) -> dict[str, int]:
    return {filesystem.relative(path, folder): filesystem.stat(path).size for path in filesystem.walk_files(folder)}


def _content(path: str) -> str:
    with filesystem.open(path, "rb") as file:
        return filesystem.file_digest(file)


def _reason(error: OSError) -> str:
    # shutil.copytree collects (source, destination, reason) for every file that it could not copy.
    if error.args and isinstance(error.args[0], list):
        return "; ".join(dict.fromkeys(str(item[-1]) for item in error.args[0]))
    return str(error)
