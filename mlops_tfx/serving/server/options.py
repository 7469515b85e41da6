"""The settings of a server; names and defaults are those of tensorflow_model_server's flags."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlops_tfx.serving.server.saved_model import SessionOptions


@dataclass(frozen=True)
class ServerOptions:
    """What a server serves, and how.

    Attributes:
        model_name: the name that requests use.
        model_base_path: the folder with one folder per version; absolute.
        port: the gRPC port; 0 for any free one.
        host: the address to listen on.
        file_system_poll_wait_seconds: seconds between looks at the base path; 0 to look once.
        max_num_load_retries: how often to try again to load a version whose files do not change.
        load_retry_interval_micros: microseconds between these.
        grpc_max_threads: threads that answer requests.
        tensorflow_intra_op_parallelism: threads within one operation; 0 for the default.
        tensorflow_inter_op_parallelism: threads between operations; 0 for the thread of the request.
        saved_model_tags: tags of the graph to load.
    """

    model_name: str = "default"
    model_base_path: str = ""
    port: int = 8500
    host: str = "0.0.0.0"
    file_system_poll_wait_seconds: float = 1.0
    max_num_load_retries: int = 5
    load_retry_interval_micros: int = 60_000_000
    grpc_max_threads: int = field(default_factory=lambda: 4 * (os.cpu_count() or 1))
    tensorflow_intra_op_parallelism: int = 0
    tensorflow_inter_op_parallelism: int = 0
    saved_model_tags: tuple[str, ...] = ("serve",)

    def __post_init__(self) -> None:
        problems = list(self._problems())
        if problems:
            raise ValueError("; ".join(problems))

    def _problems(self) -> list[str]:
        problems = []
        if not self.model_name:
            problems.append("expected a model name, received model_name=''")
        if not self.model_base_path:
            problems.append("expected the folder that holds the version folders, received model_base_path=''")
        elif "://" not in self.model_base_path and not os.path.isabs(self.model_base_path):
            problems.append(
                f"Expected model {self.model_name} to have an absolute path or URI; "
                f"got base_path()={self.model_base_path}"
            )
        if not 0 <= self.port <= 65535:
            problems.append(f"expected a port from 0 to 65535, received port={self.port}")
        if self.grpc_max_threads < 1:
            problems.append(f"expected at least one thread, received grpc_max_threads={self.grpc_max_threads}")
        if not self.saved_model_tags:
            problems.append("expected at least one tag, received saved_model_tags=()")
        return problems

    @property
    def session(self) -> SessionOptions:
        """The part that sessions need."""
        from mlops_tfx.serving.server.saved_model import SessionOptions

        return SessionOptions(
            self.tensorflow_intra_op_parallelism, self.tensorflow_inter_op_parallelism, self.saved_model_tags
        )
