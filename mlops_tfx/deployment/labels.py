"""Version labels in a server's model config file: ``version_labels { key: "stable" value: 41 }``."""

from __future__ import annotations

import os
import re
import uuid
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mlops_tfx import filesystem
from mlops_tfx.deployment.marks import ROLLBACK_NODE
from mlops_tfx.deployment.recording import new_identity, pushed_artifacts
from mlops_tfx.deployment.versions import list_versions
from mlops_tfx.errors import PushError, did_you_mean

if TYPE_CHECKING:
    from mlops_tfx.metadata import MetadataStore

_NAME = "tensorflow.serving.ModelServerConfig"


@dataclass(frozen=True)
class LabelMove:
    """What was done: which label of which model, from which version to which, in which file."""

    model_config_file: str
    model: str
    label: str
    from_version: int
    to_version: int
    execution_id: int

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"{self.model_config_file}: label {self.label!r} of {self.model!r} moved from version {self.from_version} "
            f"to {self.to_version}; a server that polls the file (--model_config_file_poll_wait_seconds) follows"
        )


def read_config(path: str) -> Any:
    """Returns the ModelServerConfig in a file. Raises PushError."""
    from google.protobuf import text_format

    from mlops_tfx.serving.protos import message

    try:
        return text_format.Parse(filesystem.read_bytes(path).decode("utf-8"), message(_NAME)())
    except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
        text = f"expected a ModelServerConfig as text, received model_config_file={path!r}"
        raise PushError(f"{text}: {error}") from error


def roll_back_label(
    store: MetadataStore,
    pipeline_name: str,
    label: str,
    model_config_file: str,
    *,
    model: str | None = None,
    to_version: int | None = None,
) -> LabelMove:
    """Moves a label to an earlier version, in a model config file, in one step.

    Args:
        store: the metadata store, in which it becomes an execution of the node ``rollback``.
        pipeline_name: the pipeline.
        label: the label.
        model_config_file: the ModelServerConfig of the servers, as text. Comments and order stay, where they can.
        model: the model, where several have the label.
        to_version: where to; None for the version before the one that has the label, among those that are there.

    Raises:
        PushError: no such file, label or version, or one that servers with this file do not load.
    """
    config = read_config(model_config_file)
    entry = _entry(config, label, model, model_config_file)
    before = entry.version_labels[label]
    after = _target(entry, label, before, to_version)
    _check_served(entry, after, model_config_file)
    _write(model_config_file, config, entry, label, after)
    identity = new_identity(pipeline_name, ROLLBACK_NODE)
    known = pushed_artifacts(store, filesystem.join(entry.base_path, str(after)))
    properties = {
        "label": label, "model": entry.name, "model_config_file": model_config_file, "from_version": before,
        "to_version": after,
    }  # fmt: skip
    inputs = {"pushed_model": known[:1]} if known else {}
    execution_id = store.publish(identity, inputs=inputs, outputs={}, properties=properties)
    return LabelMove(model_config_file, entry.name, label, before, after, execution_id)


def _entry(config: Any, label: str, model: str | None, file: str) -> Any:
    entries = [entry for entry in config.model_config_list.config if model in (None, entry.name)]
    if not entries:
        names = [entry.name for entry in config.model_config_list.config]
        raise PushError(f"{file}: expected one of the models {names!r}, received model={model!r}")
    having = [entry for entry in entries if label in entry.version_labels]
    if not having:
        labels = sorted({name for entry in entries for name in entry.version_labels})
        raise PushError(f"{file}: expected one of the labels {labels!r}, received label={label!r}"
                        f"{did_you_mean(label, labels)}")  # fmt: skip
    if len(having) > 1:
        names = [entry.name for entry in having]
        raise PushError(f"{file}: several models have the label {label!r}; choose one of {names!r} (--model)")
    return having[0]


def _target(entry: Any, label: str, before: int, to_version: int | None) -> int:
    there = list_versions(entry.base_path)
    if to_version is None:
        earlier = [version for version in there if version < before]
        if not earlier:
            raise PushError(
                f"nothing to go back to: label {label!r} is at version {before}, and {entry.base_path!r} has {there!r}"
            )
        return earlier[-1]
    if to_version not in there:
        raise PushError(f"expected one of the versions {there!r} in {entry.base_path!r}, received {to_version=!r}")
    if to_version == before:
        raise PushError(f"label {label!r} is at version {before} already, received {to_version=!r}")
    return to_version


def _check_served(entry: Any, version: int, file: str) -> None:
    """A label must not name a version that is not loaded: the server would refuse the whole file."""
    policy = entry.model_version_policy
    choice = policy.WhichOneof("policy_choice")
    if choice == "specific":
        served = list(policy.specific.versions)
    elif choice == "all":
        return
    else:
        served = list_versions(entry.base_path)[-max(policy.latest.num_versions, 1) :]
    if version not in served:
        raise PushError(
            f"{file}: the model_version_policy of {entry.name!r} serves the versions {served!r} and not {version}, so "
            "no label can name it; let it serve this one too, for instance with specific { versions: "
            f"{version} }} or latest {{ num_versions: ... }}, and move the label then"
        )


def _write(file: str, config: Any, entry: Any, label: str, version: int) -> None:
    from google.protobuf import text_format

    text = filesystem.read_bytes(file).decode("utf-8")
    before = entry.version_labels[label]
    entry.version_labels[label] = version
    for candidate in _edits(text, label, before, version):
        try:
            if text_format.Parse(candidate, type(config)()) == config:
                _replace(file, candidate)
                return
        except text_format.ParseError:
            continue
    _replace(file, text_format.MessageToString(config, as_utf8=True))


def _replace(file: str, text: str) -> None:
    # A server may be reading it just now.
    if not filesystem.is_local(file):
        filesystem.write_bytes(file, text.encode())
        return
    path = os.path.realpath(filesystem.local_path(file))
    partial = f"{path}.{uuid.uuid4().hex[:8]}"
    try:
        filesystem.write_bytes(partial, text.encode())
        filesystem.rename(partial, path)
    except OSError as error:
        filesystem.remove_tree(partial)
        raise PushError(f"cannot write model_config_file={file!r}: {error}; nothing was changed") from error


def _edits(text: str, label: str, before: int, version: int) -> list[str]:
    """The text with one number replaced, for every place that may be the one."""
    entry = re.compile(
        rf"(version_labels\s*:?\s*[{{<]\s*key\s*:\s*(['\"]){re.escape(label)}\2\s*[,;]?\s*value\s*:\s*){before}\b"
    )
    places = entry.finditer(text)
    return [text[: found.start()] + found.group(1) + str(version) + text[found.end() :] for found in places]
