"""Every exception that mlops_tfx raises on purpose.

    MlopsTfxError
    +-- WiringError            a pipeline cannot be built; lists every problem found (also a ValueError)
    +-- ConfigError            a configuration value is wrong (also a ValueError)
    +-- PlaceholderError       a placeholder is used as if its value were known already (also a TypeError)
    +-- DataError              input data is wrong: names file and, where known, line and column
    +-- ArtifactError          an artifact lacks a file, split, property or type it should have
    +-- MetadataError          the metadata store cannot be opened, read or written
    +-- ResolutionError        a node's inputs cannot be found
    |   +-- NullValueError     a placeholder has no value: what it asks for is optional, and not there
    +-- SkipSignal             a resolver function says that the node is not to run now
    +-- UserCodeError          user code raised, or broke its contract; keeps the user's exception as __cause__
    +-- ValidationFailure      a gate the user asked for refused (anomalies, thresholds)
    +-- NodeTimeoutError       a node took longer than its execution_timeout_sec (also a TimeoutError)
    +-- NodeFailedError        one node failed: names the node; the cause is __cause__
    +-- PipelineFailedError    a run ended with failed nodes; carries the reports of all of them
    +-- PushError              a model cannot be delivered to its destination
    +-- CloudJobError          a job of a cloud service did not succeed (also a RuntimeError)
    +-- ExportError            a model cannot be exported with its transform graph
    +-- ServingError           a model server refused a request, or cannot be reached; carries the gRPC code

    RunInterrupted             (a BaseException) ends the nodes of a run that is interrupted by Ctrl-C or SIGTERM
    TerminatedBySignal         (a SystemExit) ends the process after SIGTERM

A message says what was expected, what came (``name=value``), where, and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import grpc


class MlopsTfxError(Exception):
    """Base of every exception that mlops_tfx raises on purpose."""


class WiringError(MlopsTfxError, ValueError):
    """A pipeline cannot be built. ``problems`` holds every problem, each a full sentence."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = "1 problem" if count == 1 else f"{count} problems"
        super().__init__(f"{head} in the pipeline definition:\n" + "\n".join(f"  - {p}" for p in self.problems))

    def __reduce__(self) -> tuple[type[WiringError], tuple[tuple[str, ...]]]:
        return type(self), (self.problems,)


class ConfigError(MlopsTfxError, ValueError):
    """A configuration value is wrong."""


class PlaceholderError(MlopsTfxError, TypeError):
    """A placeholder is used as if its value were known already."""


class DataError(MlopsTfxError):
    """Input data is wrong. The message names the file and, where known, line and column."""


class ArtifactError(MlopsTfxError):
    """An artifact lacks a file, split, property or type that it should have."""


class MetadataError(MlopsTfxError):
    """The metadata store cannot be opened, read or written."""


class ResolutionError(MlopsTfxError):
    """The inputs of a node cannot be found."""


class NullValueError(ResolutionError):
    """A placeholder has no value: an optional input has no artifact, or an optional parameter is not given."""


class SkipSignal(MlopsTfxError):
    """A resolver function says that the node that takes its result is not to run now, and why."""


class UserCodeError(MlopsTfxError):
    """User code raised, or broke its contract. The user's exception, if any, is ``__cause__``."""


class ValidationFailure(MlopsTfxError):
    """A gate that the user asked for refused: anomalies in the data, or thresholds not met."""


class NodeTimeoutError(MlopsTfxError, TimeoutError):
    """A node took longer than its ``execution_timeout_sec``."""


class RunInterrupted(BaseException):
    """Ends the nodes of a run that is interrupted. User code that catches every Exception does not catch it."""


class TerminatedBySignal(SystemExit):
    """SIGTERM ends the run. What user code raises by sys.exit() is a SystemExit too, and a failure."""


class NodeFailedError(MlopsTfxError):
    """One node failed. ``node_id`` names it; what happened is ``__cause__``."""

    def __init__(self, node_id: str, message: str) -> None:
        self.node_id = node_id
        self.message = message
        super().__init__(f"node {node_id!r} failed: {message}")

    def __reduce__(self) -> tuple[type[NodeFailedError], tuple[str, str]]:
        return type(self), (self.node_id, self.message)


class PipelineFailedError(MlopsTfxError):
    """A run ended with failed nodes.

    Attributes:
        failures: their errors.
        skipped: the nodes never started.
        notes: what else is to be said, each a line: what failed besides, how to resume.
    """

    def __init__(
        self, failures: Sequence[NodeFailedError], skipped: Sequence[str] = (), notes: Sequence[str] = ()
    ) -> None:
        self.failures = tuple(failures)
        self.skipped = tuple(skipped)
        self.notes = tuple(notes)
        lines = [str(failure) for failure in self.failures]
        if self.skipped:
            lines.append(f"not started, because they depend on a failed node: {', '.join(self.skipped)}")
        super().__init__("\n".join([*lines, *self.notes]))

    def __reduce__(
        self,
    ) -> tuple[type[PipelineFailedError], tuple[tuple[NodeFailedError, ...], tuple[str, ...], tuple[str, ...]]]:
        return type(self), (self.failures, self.skipped, self.notes)


class PushError(MlopsTfxError):
    """A model cannot be delivered to its destination."""


class CloudJobError(MlopsTfxError, RuntimeError):
    """A job of a cloud service did not succeed. The message has the service's reason."""


class ExportError(MlopsTfxError):
    """A model cannot be exported together with its transform graph."""


class ServingError(MlopsTfxError):
    """A server refused a request or cannot be reached.

    Attributes:
        code: the status code, a ``grpc.StatusCode``.
        message: the server's message.
    """

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(f"{code.name}: {message}")

    def __reduce__(self) -> tuple[type[ServingError], tuple[grpc.StatusCode, str]]:
        return type(self), (self.code, self.message)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Returns a hint such as ``; did you mean 'examples'?``, or the known names when none is near."""
    names = sorted(set(known))
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    if close:
        return "; did you mean " + " or ".join(repr(c) for c in close) + "?"
    return f"; known names: {', '.join(names)}" if names else ""
