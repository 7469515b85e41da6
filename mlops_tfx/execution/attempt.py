"""Attempt: one execution of a node in the store and its folders, from its beginning to its end.

An attempt ends once: published, or failed, or canceled because the run was interrupted. Whoever comes second (a thread
that could not be stopped, after the run gave up waiting for it) finds it closed, and publishes nothing any more.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mlops_tfx.errors import MlopsTfxError, NodeFailedError, RunInterrupted, TerminatedBySignal
from mlops_tfx.execution import untold
from mlops_tfx.execution.main_thread import advice
from mlops_tfx.execution.observer import NodeReport, NodeState
from mlops_tfx.execution.staging import Staging
from mlops_tfx.metadata import ExecutionState

if TYPE_CHECKING:
    from mlops_tfx.artifacts import Artifact
    from mlops_tfx.execution.resolve import Artifacts
    from mlops_tfx.execution.run import Run
    from mlops_tfx.node import Node
    from mlops_tfx.ports import OutputArtifacts


class Attempt:
    """One attempt to run a node.

    Attributes:
        thread_id: the thread it runs in.
        ended: set when it has ended, in whatever way.
    """

    def __init__(self, node: Node, run: Run) -> None:
        self._identity = run.identity(node)
        self._run = run
        self._staging: Staging | None = None
        self._execution_id: int | None = None
        self._lock = threading.Lock()
        self.thread_id = threading.get_ident()
        self.ended = threading.Event()
        self._started = time.monotonic()
        run.attempts.add(self)

    @property
    def node_id(self) -> str:
        """The node."""
        return self._identity.node_id

    def tell_failure(self, message: str) -> None:
        """Tells the run's observer that the node has failed."""
        seconds = time.monotonic() - self._started
        self._run.observer.node_ended(NodeReport(self.node_id, NodeState.FAILED, 0, seconds, message))

    def begin(self, inputs: Artifacts, properties: Mapping[str, Any], key: str | None) -> int:
        """Records a RUNNING execution and returns its id."""
        self._execution_id = self._run.store.begin(self._identity, inputs=inputs, properties=properties, cache_key=key)
        return self._execution_id

    def staging(self, execution_id: int) -> Staging:
        """Returns the folders of the execution; they are removed if the attempt fails."""
        self._staging = Staging(self._run.pipeline.pipeline_root, self.node_id, execution_id)
        return self._staging

    def publish(
        self, outputs: Mapping[str, Artifact | OutputArtifacts[Any]], properties: Mapping[str, Any]
    ) -> dict[str, list[Artifact]]:
        """Moves the outputs to their place and records that the execution is complete.

        Raises:
            RunInterrupted: the run was interrupted meanwhile; nothing is published.
        """
        if self._staging is None or self._execution_id is None:
            raise RuntimeError(f"the attempt of {self.node_id!r} was not begun")
        with self._lock:
            if self.ended.is_set() or self._run.stopping.is_set():
                raise RunInterrupted(f"{self.node_id} was done after the run had been interrupted")
            published = self._staging.publish(outputs)
            self._run.store.finish(self._execution_id, self._identity, published, properties)
            self._close()
        self._drop_state(self._staging)
        return published

    def _drop_state(self, staging: Staging) -> None:
        try:
            staging.drop_state()
        except OSError as error:
            self._run.observer.logged(self.node_id, f"its stateful_working_dir could not be removed: {error}")

    def interrupt(self) -> None:
        """Raises RunInterrupted in the thread, at its next Python instruction; not while it publishes or fails."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            if not self.ended.is_set():
                # Documented for exactly this; it does nothing for a thread that has ended.
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(self.thread_id), ctypes.py_object(RunInterrupted)
                )
        finally:
            self._lock.release()

    def succeed(self) -> None:
        """Ends an attempt that needed no execution of its own, or has published already."""
        with self._lock:
            self._close()

    def fail(self, error: BaseException, timeout_seconds: float = -1) -> str:
        """Removes what was written and records the error; does nothing if the attempt has ended already.

        Args:
            error: why; its traceback is kept. An interruption makes the execution CANCELED instead of FAILED.
            timeout_seconds: how long to wait for outputs that are just being published; -1: until they are.

        Returns:
            What could not be done, to be told with the error; "" if all was.
        """
        if not self._lock.acquire(timeout=timeout_seconds):
            return " (it is being published; if this process ends before, the next run removes what is there)"
        try:
            if self.ended.is_set():
                return ""
            try:
                return self._withdraw() + self._record(error)
            finally:
                self._close()
        finally:
            self._lock.release()

    def _close(self) -> None:
        self.ended.set()
        self._run.attempts.discard(self)

    def _withdraw(self) -> str:
        try:
            if self._staging is not None:
                self._staging.withdraw()
        except OSError as error:
            # The object store that failed is still down. What lies there has no name in the metadata store.
            return f" (what it wrote could not be removed: {error})"
        return ""

    def _record(self, error: BaseException) -> str:
        interrupted = isinstance(error, RunInterrupted | KeyboardInterrupt)
        state = ExecutionState.CANCELED if interrupted else ExecutionState.FAILED
        try:
            execution_id = self.begin({}, {}, None) if self._execution_id is None else self._execution_id
            self._run.store.fail(execution_id, error_text(error), state)
        except Exception as refused:
            root = self._run.home or self._run.pipeline.pipeline_root
            kept = untold.keep(root, self._identity, self._execution_id, state, error_text(error))
            return f" (the metadata store could not be told: {message_of(refused)}; {kept})"
        return ""


@contextlib.contextmanager
def recorded(node: Node, run: Run) -> Iterator[None]:
    """Makes any error a failure of the node, which is in the store."""
    attempt = Attempt(node, run)
    try:
        yield
    except BaseException as error:
        if not is_failure(error):
            raise
        raise NodeFailedError(node.id, message_of(error) + attempt.fail(error)) from error
    attempt.succeed()


def message_of(error: BaseException) -> str:
    """What an error says, in one text for people."""
    if isinstance(error, MlopsTfxError):
        return str(error)
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full; free some space and run again, what is complete is reused ({text})"
    return text + advice(error)


def is_failure(error: BaseException) -> bool:
    """Whether it is a failure, as sys.exit() in user code is, and not what interrupts the run."""
    return isinstance(error, Exception) or (isinstance(error, SystemExit) and not isinstance(error, TerminatedBySignal))


def error_text(error: BaseException) -> str:
    """The error with its traceback, for the store."""
    return "".join(traceback.format_exception(type(error), error, error.__traceback__))
