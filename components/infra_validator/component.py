"""InfraValidator: a real server loads the model and answers, before anybody depends on it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Examples, InfraBlessing, Model
from mlops_tfx.component import Component, Input, OptionalInput, Output
from mlops_tfx.config import RequestSpec, ServingSpec, ValidationSpec
from mlops_tfx.errors import ArtifactError, did_you_mean

if TYPE_CHECKING:
    from mlops_tfx.components.infra_validator.requests import Query
    from mlops_tfx.components.infra_validator.servers import Server
    from mlops_tfx.components.infra_validator.validation import Measured, Validation
    from mlops_tfx.inference.batches import Batch

BLESSED, NOT_BLESSED = "INFRA_BLESSED", "INFRA_NOT_BLESSED"
REPORT = "infra_validation.json"
_SERVERS = ("auto", "tensorflow_model_server", "docker", "embedded")
# Custom properties are for reading; ML Metadata on MySQL takes 64 KiB of text.
_MAX_REASON = 4000


class InfraValidator(Component):
    """Loads the model in a server that runs as a process of its own, sends it rows, and checks what comes back.

    An answer must have the outputs, types, shapes and rows that the signature says, and finite numbers, and agree with
    what this process computes. Without ``examples`` and ``request_spec`` the model is only loaded.

    Args:
        model: the model, of which ``Format-Serving`` is served.
        serving_spec: the name of the model, and Docker images where ``tensorflow/serving`` is to be used. A Kubernetes
            cluster is refused.
        examples: rows to send.
        request_spec: which rows and signatures; with ``make_warmup`` the blessing holds a copy of the model, with the
            requests as warmup records, that Pusher can push.
        validation_spec: seconds to load, and how often a server that fails is started again.
        server: ``tensorflow_model_server`` (from PATH), ``docker`` or ``embedded`` (this package's); ``auto`` takes
            Docker if ``serving_spec`` asks for it and it is there, then the first, then Docker if it has the image
            already, then the last.
        max_latency_seconds: the longest that the slowest request may take, as the median of five; optional.
        max_memory_bytes: the most memory that the server may hold (on Linux); optional.
        require_finite: whether NaN and infinite numbers are refused.
        compare_with_this_process: whether answers are compared; set to False for a model that draws random numbers.

    Writes ``INFRA_BLESSED`` or ``INFRA_NOT_BLESSED`` and a report, ``infra_validation.json``. Custom properties:
    ``blessed``, ``has_model``, ``server`` and, if refused, ``not_blessed_reason``.
    """

    EXECUTION_TYPE = "tfx.components.infra_validator.component.InfraValidator"
    HEAVY_IMPORTS = ("tensorflow",)

    model: Input[Model]
    serving_spec: ServingSpec | None = None
    examples: OptionalInput[Examples] = OptionalInput()
    request_spec: RequestSpec | None = None
    validation_spec: ValidationSpec | None = None
    server: str = "auto"
    max_latency_seconds: float | None = None
    max_memory_bytes: int | None = None
    require_finite: bool = True
    compare_with_this_process: bool = True
    blessing = Output(InfraBlessing)

    def check(self) -> Iterable[str]:
        """Platforms that are not there, and limits of what is not measured."""
        if self.serving_spec is not None and self.serving_spec.kubernetes is not None:
            yield (
                "serving_spec: a Kubernetes cluster is not supported; leave 'kubernetes' out to try the model on this "
                "machine, or set 'local_docker'"
            )
        if self.server not in _SERVERS:
            yield f"parameter 'server': no server {self.server!r}{did_you_mean(self.server, _SERVERS)}"
        if self.request_spec is not None and "examples" not in self.inputs:
            yield "request_spec needs input 'examples', which is missing"
        if self.max_latency_seconds is not None and self.request_spec is None:
            yield "max_latency_seconds needs request_spec, which is missing: without requests nothing is answered"
        for name in ("max_latency_seconds", "max_memory_bytes"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                yield f"parameter {name!r}: expected a number greater than 0, received {name}={value!r}"

    def run(self) -> None:
        """Tries the model and gives the verdict."""
        from mlops_tfx.components.infra_validator.failures import ModelRefusedError
        from mlops_tfx.components.infra_validator.servers import choose_servers

        folder = os.path.join(self.model.uri, "Format-Serving")
        if not filesystem.isdir(folder) or not filesystem.listdir(folder):
            raise ArtifactError(f"expected a model in the folder {folder!r}, found nothing; train it again")
        filesystem.makedirs(self.blessing.uri)
        servers = choose_servers(self.server, self.serving_spec or ServingSpec())
        tries: list[dict[str, Any]] = []
        try:
            queries, rows = self._queries(folder)
            validation = self._validation(folder, queries, rows)
        except ModelRefusedError as error:
            return self._decide(str(error), servers, tries)
        for server in servers:
            reason = self._try(validation, server, tries)
            if reason:
                return self._decide(reason, servers, tries)
        if self._stamps:
            from mlops_tfx.components.infra_validator.validation import STAMPED_VERSION
            from mlops_tfx.components.infra_validator.warmup import STAMPED_MODEL

            stamped = os.path.join(self._base_path, str(STAMPED_VERSION))
            filesystem.copy_tree(stamped, os.path.join(self.blessing.uri, STAMPED_MODEL))
        return self._decide(None, servers, tries)

    @property
    def _model_name(self) -> str:
        return (self.serving_spec or ServingSpec()).model_name

    @property
    def _base_path(self) -> str:
        return os.path.join(filesystem.local_path(self.context.temp_dir), "models", self._model_name)

    @property
    def _stamps(self) -> bool:
        return self.request_spec is not None and self.request_spec.make_warmup

    def _queries(self, folder: str) -> tuple[list[Query], Batch | None]:
        from mlops_tfx.components.infra_validator import requests

        if self.examples is None or self.request_spec is None:
            self.context.log("the model is loaded and not asked: there are no examples, or no request_spec")
            requests.read_definitions(folder, ())
            return [], None
        rows = requests.read_rows(self.examples, self.request_spec)
        signatures = requests.asked_signatures(folder, self.request_spec)
        return requests.make_queries(self._model_name, signatures, rows), rows

    def _validation(self, folder: str, queries: list[Query], rows: Batch | None) -> Validation:
        from mlops_tfx.components.infra_validator.servers import Launch
        from mlops_tfx.components.infra_validator.validation import FIRST_VERSION, Limits, Validation
        from mlops_tfx.components.infra_validator.warmup import stamp

        # Servers want a folder of versions, and read only below it.
        filesystem.copy_tree(folder, os.path.join(self._base_path, str(FIRST_VERSION)))
        stamped = os.path.join(self._base_path, ".stamped") if self._stamps else None
        if stamped is not None:
            stamp(folder, stamped, queries)
        seconds = (self.validation_spec or ValidationSpec()).max_loading_time_seconds
        limits = Limits(seconds, self.max_latency_seconds, self.max_memory_bytes, self.require_finite)
        launch = Launch(self._model_name, self._base_path, self._tags, filesystem.local_path(self.context.temp_dir))
        compute = None
        if rows is not None and self.compare_with_this_process:
            names = list(dict.fromkeys(query.task.signature for query in queries))
            compute = _Computation(folder, names, self._tags, rows)
        return Validation(launch, limits, queries, compute, stamped)

    @property
    def _tags(self) -> list[str]:
        serving = self.request_spec.tensorflow_serving if self.request_spec is not None else None
        return serving.tag_set if serving is not None else []

    def _try(self, validation: Validation, server: Server, tries: list[dict[str, Any]]) -> str | None:
        """Tries one server as often as it may; returns why the model is refused, or None."""
        from mlops_tfx.components.infra_validator.failures import ModelRefusedError, ServerFailedError

        count = (self.validation_spec or ValidationSpec()).num_tries
        reason = ""
        for number in range(1, count + 1):
            try:
                measured: Measured = validation.try_once(server)
            except (ServerFailedError, ModelRefusedError) as error:
                reason = str(error)
                tries.append({"server": server.name, "refused": reason})
                self.context.log(f"try {number} of {count} with {server.name}: {reason}")
                if isinstance(error, ModelRefusedError):
                    return reason
            else:
                tries.append(asdict(measured))
                return None
        return reason

    def _decide(self, reason: str | None, servers: Sequence[Server], tries: Sequence[Mapping[str, Any]]) -> None:
        blessed = reason is None
        report = {"blessed": blessed, "reason": reason, "tries": tries}
        properties = self.blessing.custom_properties
        properties.update(blessed=int(blessed), has_model=int(blessed and self._stamps))
        properties["server"] = ", ".join(server.name for server in servers)
        if reason is not None:
            properties["not_blessed_reason"] = reason[:_MAX_REASON]
            self.context.log(f"not blessed: {reason}")
        filesystem.write_bytes(os.path.join(self.blessing.uri, BLESSED if blessed else NOT_BLESSED), b"")
        text = json.dumps(report, indent=2, ensure_ascii=False)
        filesystem.write_bytes(os.path.join(self.blessing.uri, REPORT), text.encode())


class _Computation:
    """What this process computes for the rows, when it is asked first."""

    def __init__(self, folder: str, names: Sequence[str], tags: Sequence[str], rows: Batch) -> None:
        self._arguments = (folder, names, tags)
        self._rows = rows
        self._found: dict[str, Mapping[str, Any]] | None = None

    def __call__(self) -> Mapping[str, Mapping[str, Any]]:
        from mlops_tfx.components.infra_validator.failures import ModelRefusedError
        from mlops_tfx.errors import DataError
        from mlops_tfx.inference.loaded_model import LoadedModel

        if self._found is None:
            model = LoadedModel(*self._arguments)
            try:
                outputs = model.run(self._rows)
            except DataError as error:
                raise ModelRefusedError(f"this process cannot compute what the server can: {error}") from error
            finally:
                model.close()
            self._found = {task.signature: values for task, values in zip(model.tasks, outputs, strict=True)}
        return self._found
