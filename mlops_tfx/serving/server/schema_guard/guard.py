"""The interceptor: counts what does not fit the schema, tells the client and the log, and refuses if it is to.

In annotate mode nothing about the guard can fail a request or a load.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from mlops_tfx.serving.server import statuses
from mlops_tfx.serving.server.calls import Call, Execute, Notes
from mlops_tfx.serving.server.metrics import Metrics
from mlops_tfx.serving.server.saved_model import SavedModelSession
from mlops_tfx.serving.server.schema_guard.checks import RequestChecks
from mlops_tfx.serving.server.schema_guard.findings import Findings, describe
from mlops_tfx.serving.server.schema_guard.parsed import Parsed
from mlops_tfx.serving.server.schema_guard.schema import SchemaUnreadableError, compile_schema, parse

REJECT = "reject"
SCHEMA_FILE = os.path.join("assets.extra", "schema.pbtxt")
NOTE = "schema-guard"

_log = logging.getLogger(__name__)
_SECONDS_BETWEEN_WARNINGS = 60.0


class SchemaGuard:
    """Checks requests against the schema of the version that they ask.

    Args:
        mode: ``annotate`` or ``reject``.
        metrics: where to count.
        environment: of the schema, which requests belong to.
        file: schema of versions that have none beside them; empty for none.
        follows: whether requests are run one by one, so that what their run parses is theirs.
        clock: seconds.
    """

    def __init__(
        self,
        mode: str,
        metrics: Metrics,
        *,
        environment: str = "SERVING",
        file: str = "",
        follows: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rejects = mode == REJECT
        # What is to be refused must not be run.
        self._follows = follows and not self._rejects
        self._metrics = metrics
        self._environment = environment
        self._file = file
        self._clock = clock
        self._lock = threading.Lock()
        self._warned: dict[str, float] = {}
        self._unsaid: dict[str, int] = {}

    def prepare(self, name: str, path: str, version: int, session: SavedModelSession) -> None:
        """Gives the session of a version its checks. Raises StatusError as ``load`` does."""
        checks = session.checks = self.load(name, path, version)
        if checks is not None:
            if self._follows:
                checks.follow(session)
            definitions = session.signature_defs

            def explain(model: str, signature: str, inputs: Mapping[str, Any], notes: Notes) -> None:
                wanted = definitions[signature].inputs
                self._judge(model, version, notes, lambda: checks.check_refused(signature, wanted, inputs), "")

            # A request that the signature refuses fits nothing, whatever the schema says.
            session.explain = explain

    def load(self, name: str, path: str, version: int) -> RequestChecks | None:
        """Returns the checks of a version, None if it has no schema.

        Raises StatusError if requests are to be refused and the schema cannot be read: such a version would let all
        of them in.
        """
        try:
            found = self._read(path)
        except Exception as error:
            self._metrics.schema_loads.add(name, "unreadable")
            text = str(error)
            if not isinstance(error, SchemaUnreadableError):
                text = f"{path}: {type(error).__name__}: {text}"
            if self._rejects:
                head = "The schema of the model cannot be read, so no request can be checked"
                raise statuses.invalid(f"{head}: {text}") from error
            _log.error("model %s version %d: its requests are not checked: %s", name, version, text)
            return None
        self._metrics.schema_loads.add(name, "none" if found is None else "loaded")
        if found is None:
            return None
        file, checks = found
        for problem in checks.schema.problems:
            _log.warning("model %s version %d: %s: %s; not checked", name, version, file, problem)
        return checks

    def _read(self, path: str) -> tuple[str, RequestChecks] | None:
        """The file of a version's schema, and the checks; None if it has none."""
        import tensorflow as tf

        beside = os.path.join(path, SCHEMA_FILE)
        file = beside if tf.io.gfile.exists(beside) else self._file
        if not file:
            return None
        return file, RequestChecks(compile_schema(parse(_content(file), file), self._environment))

    def __call__(self, call: Call, proceed: Execute) -> Awaitable[Sequence[Any]]:
        """Checks a call and lets it go on, or raises StatusError INVALID_ARGUMENT."""
        checks = call.checks
        if checks is not None:
            parsed = checks.parsed_by(call)
            if parsed is not None:
                return self._follow(call, proceed, checks, parsed)
            self._judge(call.model_name, call.version, call.notes, lambda: checks.check(call))
        return proceed(call)

    async def _follow(self, call: Call, proceed: Execute, checks: RequestChecks, parsed: Parsed) -> Sequence[Any]:
        """Checks a call once it has run, or has failed to."""
        try:
            return await proceed(call)
        finally:
            self._judge(call.model_name, call.version, call.notes, lambda: checks.check_parsed(call, parsed))

    def _judge(
        self, model: str, version: int, notes: Notes, check: Callable[[], Findings], otherwise: str = "fits"
    ) -> None:
        """Reports what a check finds; ``otherwise`` is what a request counts as that it finds nothing in."""
        try:
            findings = check()
        except Exception:
            if self._rejects:
                raise
            self._count(model, "failed")
            if self._may_warn(model):
                _log.exception("schema guard: a request to model %s could not be checked", model)
            return
        if len(findings):
            self._report(model, version, notes, findings)
        elif otherwise:
            self._count(model, otherwise)

    def _report(self, model: str, version: int, notes: Notes, findings: Findings) -> None:
        text = statuses.truncate(describe(list(findings)))
        for finding in findings:
            self._metrics.schema_findings.add(model, finding.feature, finding.reason, value=float(finding.rows))
        notes.append((NOTE, text))
        refused = findings.refused if self._rejects else []
        self._count(model, "refused" if refused else "annotated")
        if self._may_warn(model):
            with self._lock:
                unsaid = self._unsaid.pop(model, 0)
            more = f" (and {unsaid} requests since the last such line)" if unsaid else ""
            _log.warning("schema guard: model %s version %d: %s%s", model, version, text, more)
        if refused:
            raise statuses.invalid(f"The request does not fit the schema of the model: {describe(refused)}")

    def _count(self, model: str, outcome: str) -> None:
        self._metrics.schema_requests.add(model, outcome)

    def _may_warn(self, model: str) -> bool:
        now = self._clock()
        with self._lock:
            if now - self._warned.get(model, -_SECONDS_BETWEEN_WARNINGS) < _SECONDS_BETWEEN_WARNINGS:
                self._unsaid[model] = self._unsaid.get(model, 0) + 1
                return False
            self._warned[model] = now
            return True


def _content(file: str) -> bytes:
    import tensorflow as tf

    try:
        with tf.io.gfile.GFile(file, "rb") as opened:
            content: bytes = opened.read()
    except tf.errors.OpError as error:
        raise SchemaUnreadableError(f"cannot read {file}: {error.message}") from error
    return content
