"""Custom jobs of Vertex AI: started, watched to their end, canceled when nobody waits for them any more."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from mlops_tfx.errors import CloudJobError
from mlops_tfx.extensions.client_library import client_library

POLL_SECONDS = 30.0
_SLICE_SECONDS = 0.2  # an interrupted run gives its nodes a few seconds; a long sleep would miss them
_CONNECTION_RETRIES = 5
_SUCCEEDED = "JOB_STATE_SUCCEEDED"
_ENDED = (
    _SUCCEEDED,
    "JOB_STATE_CANCELLED",
    "JOB_STATE_EXPIRED",
    "JOB_STATE_FAILED",
    "JOB_STATE_PARTIALLY_SUCCEEDED",
)


class JobStatus(NamedTuple):
    """State of a job (``JOB_STATE_...``) and the service's message, if any."""

    state: str
    message: str


class JobService(Protocol):
    """What is used of Vertex AI's job service."""

    def create(self, job: Mapping[str, Any]) -> str:
        """Starts a CustomJob and returns its resource name."""

    def status(self, name: str) -> JobStatus:
        """Returns how a job is. Raises ConnectionError if the service cannot be asked now."""

    def cancel(self, name: str) -> None:
        """Asks a job to end."""


class VertexJobs:
    """The service itself, through google-cloud-aiplatform. Not verified against the real service."""

    def __init__(self, project: str, region: str) -> None:
        library = client_library("google.cloud.aiplatform", "google-cloud-aiplatform")
        endpoint = f"{region}-aiplatform.googleapis.com"
        errors = client_library("google.api_core.exceptions", "google-cloud-aiplatform")
        self._transient = (
            errors.DeadlineExceeded,
            errors.InternalServerError,
            errors.ServiceUnavailable,
            errors.TooManyRequests,
        )
        self._parent = f"projects/{project}/locations/{region}"
        self._client = library.gapic.JobServiceClient(client_options={"api_endpoint": endpoint})

    def create(self, job: Mapping[str, Any]) -> str:
        """See JobService."""
        return str(self._client.create_custom_job(parent=self._parent, custom_job=dict(job)).name)

    def status(self, name: str) -> JobStatus:
        """See JobService."""
        try:
            found = self._client.get_custom_job(name=name)
        except self._transient as error:
            raise ConnectionError(str(error)) from error
        return JobStatus(str(found.state.name), str(found.error.message) if found.error else "")

    def cancel(self, name: str) -> None:
        """See JobService."""
        self._client.cancel_custom_job(name=name)


def run_job(
    service: JobService, job: Mapping[str, Any], log: Callable[[str], None], poll_seconds: float = POLL_SECONDS
) -> None:
    """Runs a job to its end; it is canceled if anything keeps this from seeing it.

    Raises:
        CloudJobError: it did not succeed; with the service's message.
        ConnectionError: the service could not be asked, several times in a row.
    """
    name = service.create(job)
    log(f"started {name}")
    try:
        status = _wait(service, name, log, poll_seconds)
    except BaseException:
        _cancel(service, name, log)
        raise
    if status.state != _SUCCEEDED:
        raise CloudJobError(f"{name} ended with {status.state}: {status.message or 'see its log'}")


def _wait(service: JobService, name: str, log: Callable[[str], None], poll_seconds: float) -> JobStatus:
    seen, failures = "", 0
    while True:
        try:
            status = service.status(name)
            failures = 0
        except ConnectionError as error:
            failures += 1
            if failures > _CONNECTION_RETRIES:
                raise
            log(f"{name} cannot be asked for its state, trying again: {error}")
            status = JobStatus(seen, "")
        if status.state != seen:
            seen = status.state
            log(f"{name}: {seen}")
        if seen in _ENDED:
            return status
        _sleep(poll_seconds)


def _cancel(service: JobService, name: str, log: Callable[[str], None]) -> None:
    try:
        service.cancel(name)
    except Exception as error:  # what ended the wait is the one to report
        log(f"{name} is left running and must be canceled by hand: {error}")


def _sleep(seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, _SLICE_SECONDS))
