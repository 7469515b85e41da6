"""``python -m mlops_tfx.serving.server``: serves until SIGTERM or SIGINT, then finishes what is in flight."""

from __future__ import annotations

import gc
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any

from mlops_tfx.serving.server.flags import parse_flags
from mlops_tfx.serving.server.server import ModelServer
from mlops_tfx.serving.server.statuses import StatusError

_log = logging.getLogger("mlops_tfx.serving.server")


def main(arguments: Sequence[str]) -> int:
    """Runs a server; returns the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    options = parse_flags(arguments)
    asked_to_stop = threading.Event()

    def stop(number: int, frame: Any) -> None:
        asked_to_stop.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        server = ModelServer(options)
        # TensorFlow's own objects, hundreds of thousands, stay: collecting a freed model need not visit them.
        gc.freeze()
        server.start()
    except (OSError, ValueError, StatusError) as error:
        _log.error("%s", error)
        return 1
    _log.info("Running gRPC ModelServer at %s:%d ...", options.host, server.port)
    if server.rest_port:
        _log.info("Exporting HTTP/REST API at:%s:%d ...", options.host, server.rest_port)
    asked_to_stop.wait()
    _log.info("stopping: no new requests, those in flight finish")
    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
