"""A SavedModel in a TensorFlow session, as the C++ server holds it.

A session rather than ``tf.saved_model.load``: it takes any SavedModel (TensorFlow 1 and 2), gives the runtime's error
texts unchanged, answers in half the time and, since it holds no Python lock, serves four times the requests.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.protobuf import config_pb2

from mlops_tfx.serving.server import contents, parsed_features, statuses
from mlops_tfx.serving.server.calls import Notes, Plan
from mlops_tfx.serving.server.effects import Effects
from mlops_tfx.serving.server.folders import SAVED_MODEL_FILES
from mlops_tfx.serving.server.signatures import Runner, Signature, remember

if TYPE_CHECKING:
    from mlops_tfx.serving.server.schema_guard.checks import RequestChecks

# Model, signature, TensorProtos by name, and notes for the client.
Explain = Callable[[str, str, Mapping[str, Any], Notes], None]


@dataclass(frozen=True)
class SessionOptions:
    """How sessions run: thread counts, 0 for the default; the tags of the graph to load; a ConfigProto as text.

    By default the operations of one request run in the thread that received it (inter_op 0), which answers small
    models soonest and keeps concurrent requests from waiting for each other.
    """

    intra_op_threads: int = 0
    inter_op_threads: int = 0
    tags: tuple[str, ...] = ("serve",)
    config_file: str = ""
    gpu_memory_fraction: float = 0.0

    def config(self) -> Any:
        """Returns the ConfigProto of sessions. Raises ValueError for a file that is none."""
        config = _read_config(self.config_file) if self.config_file else config_pb2.ConfigProto()
        config.allow_soft_placement = True
        if self.intra_op_threads:
            config.intra_op_parallelism_threads = self.intra_op_threads
        if self.inter_op_threads or not config.inter_op_parallelism_threads:
            config.inter_op_parallelism_threads = self.inter_op_threads or -1
        if self.gpu_memory_fraction:
            config.gpu_options.per_process_gpu_memory_fraction = self.gpu_memory_fraction
        return config


def _read_config(path: str) -> Any:
    try:
        with open(path, encoding="utf-8") as file:
            return text_format.Parse(file.read(), config_pb2.ConfigProto())
    except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
        raise ValueError(f"cannot read ConfigProto from {path}: {error}") from error


class SavedModelSession:
    """A loaded SavedModel.

    Attributes:
        signatures: its signatures by name.
        signature_defs: name -> SignatureDef, as the file has them.
        parsed: name of a fed tensor -> the features that the model reads from it, see parsed_features.py.
        changing: the signatures that may change something when they are run, see effects.py.
        checks: what the schema beside the model asks of requests; None if there is none.
        explain: tells what the schema has against inputs that the signature refuses; None if there is none.
    """

    def __init__(self, path: str, options: SessionOptions) -> None:
        _check_file(path)
        contents.check_links(path)
        self.checks: RequestChecks | None = None
        self.explain: Explain | None = None
        graph = tf.Graph()
        self._session: Any = tf.compat.v1.Session(graph=graph, config=options.config())
        try:
            with graph.as_default():
                meta_graph, self.parsed, self.changing = _load(self._session, list(options.tags), path)
            graph.finalize()
            self._joint_plans: dict[tuple[str, tuple[str, ...]], Plan] = {}
            self.signature_defs = meta_graph.signature_def
            self.signatures = {
                name: Signature(definition, self._make_runner)
                for name, definition in meta_graph.signature_def.items()
                if not name.startswith("__saved_model")
            }
        except BaseException:
            self._session.close()
            raise

    def joint_plan(self, feed: str, fetches: tuple[str, ...]) -> Plan:
        """Returns what runs several signatures of one input at once; inputs and outputs are names of tensors."""
        key = (feed, fetches)
        plan = self._joint_plans.get(key)
        if plan is None:
            plan = remember(self._joint_plans, key, Plan((feed,), fetches, self._make_runner([feed], fetches)))
        return plan

    def _make_runner(self, feeds: Sequence[str], fetches: Sequence[str]) -> Runner:
        options = config_pb2.CallableOptions(feed=feeds, fetch=fetches)
        # Session.run is the public way and costs 0.2 ms more a call: it looks every name up again.
        try:
            function = self._session._make_callable_from_options(options)  # noqa: SLF001
        except tf.errors.OpError as error:
            raise statuses.from_number(error.error_code, error.message) from error

        def run(values: Sequence[Any]) -> Sequence[Any]:
            try:
                result: Sequence[Any] = function(*values)
            except tf.errors.OpError as error:
                raise statuses.from_number(error.error_code, error.message) from error
            except UnicodeDecodeError as error:
                # TensorFlow's message repeats what the request has, which need not be text, and its code is lost.
                raise statuses.invalid(bytes(error.object).decode("utf-8", "replace")) from error
            return result

        return run

    def close(self) -> None:
        """Frees the session. No request may be running."""
        self.signatures = {}
        self._joint_plans = {}
        if self.checks is not None:
            self.checks.close()
        self._session.close()


def _load(session: Any, tags: list[str], path: str) -> tuple[Any, dict[str, parsed_features.Features], frozenset[str]]:
    # What tf.compat.v1.saved_model.loader.load does, with a look at the assets before the graph reads them, and with
    # one reading of the file instead of two.
    from tensorflow.python.saved_model import loader_impl

    loader = loader_impl.SavedModelLoader(path)
    meta_graph = _meta_graph(loader, tags)
    contents.check_assets(path, meta_graph)
    changing = _changing(meta_graph)
    parsed = parsed_features.expose(meta_graph)
    saver = _import_graph(session.graph, loader, tags, meta_graph.graph_def)
    loader.restore_variables(session, saver)
    loader.run_init_ops(session, tags)
    return meta_graph, parsed, changing


def _meta_graph(loader: Any, tags: list[str]) -> Any:
    try:
        return loader.get_meta_graph_def_from_tags(tags)
    except RuntimeError as error:
        raise statuses.StatusError(
            grpc.StatusCode.NOT_FOUND,
            f"Could not find meta graph def matching supplied tags: {{ {' '.join(tags)} }}. To inspect available "
            "tag-sets in the SavedModel, please use the SavedModel CLI: `saved_model_cli`",
        ) from error


def _changing(meta_graph: Any) -> frozenset[str]:
    effects = Effects(meta_graph.graph_def)
    return frozenset(
        name
        for name, definition in meta_graph.signature_def.items()
        if effects.of(info.name for info in definition.outputs.values())
    )


def _import_graph(graph: Any, loader: Any, tags: list[str], graph_def: Any) -> Any:
    """Imports a graph first, and then its functions one by one; returns the Saver.

    At once it takes ten times as long, because the result of every call of a function is worked out, and nothing else
    of Python runs meanwhile, requests included: 70 ms for a graph of 94 functions, instead of many times one.
    """
    from tensorflow.python.framework import function

    library = type(graph_def.library)()
    if not {found.signature.name for found in graph_def.library.function} & {node.op for node in graph_def.node}:
        library.CopyFrom(graph_def.library)
        graph_def.ClearField("library")
    saver, _ = loader.load_graph(graph, tags)
    with graph.as_default():
        for found in function.from_library(library):
            found.add_to_graph(graph)
    return saver


def _check_file(path: str) -> None:
    if not any(tf.io.gfile.exists(os.path.join(path, name)) for name in SAVED_MODEL_FILES):
        raise statuses.StatusError(
            grpc.StatusCode.NOT_FOUND,
            f"Could not find SavedModel .pb or .pbtxt at supplied export directory path: {path}",
        )


def start_threads(options: SessionOptions) -> None:
    """Starts TensorFlow's threads, which all sessions share, with the priority of this one."""
    tf.compat.v1.Session(graph=tf.Graph(), config=options.config()).close()


def load(path: str, options: SessionOptions) -> SavedModelSession:
    """Loads a SavedModel. Raises StatusError, whatever is wrong with it."""
    try:
        return SavedModelSession(path, options)
    except statuses.StatusError:
        raise
    except tf.errors.OpError as error:
        raise statuses.from_number(error.error_code, error.message) from error
    except Exception as error:
        # A broken file shows as anything from OSError to DecodeError; none of it may end the server.
        raise statuses.StatusError(grpc.StatusCode.UNKNOWN, f"{type(error).__name__}: {error}") from error
