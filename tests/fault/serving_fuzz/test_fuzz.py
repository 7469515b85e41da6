"""A server that is sent what nobody should send goes on answering, says what was wrong, and keeps nothing of it.

By hand, with as many inputs and from whichever seed:

    FUZZ_INPUTS=1000000 FUZZ_SEED=7 FUZZ_FLAGS=--enable_batching python -m pytest tests/fault/serving_fuzz -m slow -s
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.serving import models
from tests.fault.serving_fuzz.grpc_inputs import GrpcFuzz
from tests.fault.serving_fuzz.rest_inputs import RestFuzz
from tests.fault.serving_fuzz.server_process import ServerProcess, Use, wait_for

SEED = int(os.environ.get("FUZZ_SEED", "1"))
# Three of four over gRPC, which is faster.
GRPC_SHARE = 0.75
GOOD_EVERY = 500
SCHEMA = "feature { name: 'x' type: FLOAT float_domain { min: -10 max: 10 } presence { min_fraction: 1 } }"
GOOD = [3.0, 3.5, 4.0]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    root = tmp_path_factory.mktemp("fuzzed")
    models.save_half_plus_two(root / "half" / "123")
    models.save_kinds(root / "kinds" / "1")
    # With a schema the guard reads every request as well.
    (root / "half" / "123" / "assets.extra").mkdir()
    (root / "half" / "123" / "assets.extra" / "schema.pbtxt").write_text(SCHEMA)
    config = root / "models.config"
    config.write_text(models.configuration({"half": root / "half", "kinds": root / "kinds"}))
    flags = [f"--model_config_file={config}", "--max_message_bytes=200000", "--rest_api_timeout_in_ms=5000"]
    server = ServerProcess(*flags, *os.environ.get("FUZZ_FLAGS", "").split())
    try:
        yield server
    finally:
        assert server.stop() == 0


class Campaign:
    """Both fuzzers against one server, side by side."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.grpc = GrpcFuzz(server.address, SEED)
        self.rest = RestFuzz(server.rest_port, SEED)
        self.wrong: list[Any] = []
        assert wait_for(self._is_ready, 120), server.log()

    def _is_ready(self) -> bool:
        return self.server.log().count("is available") == 2

    def run(self, inputs: int) -> None:
        shares = {self.grpc: round(inputs * GRPC_SHARE), self.rest: inputs - round(inputs * GRPC_SHARE)}
        threads = [threading.Thread(target=self._run, args=item) for item in shares.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _run(self, fuzz: Any, count: int) -> None:
        try:
            for start in range(0, count, GOOD_EVERY):
                fuzz.send(min(GOOD_EVERY, count - start))
                answer = fuzz.ask_properly()
                if answer != GOOD:
                    self.wrong.append(answer)
        except Exception as error:
            self.wrong.append(error)

    def check(self) -> None:
        """Fails with the first answers that should not have been, and what they were answers to."""
        assert self.server.is_running(), self.server.log()[-5000:]
        assert self.wrong == []
        faults = [*self.grpc.faults, *self.rest.faults]
        kinds = {(code, text[:300], place): sent[:300] for code, text, place, sent in faults}
        assert not faults, f"{len(faults)} faults of {len(kinds)} kinds: {list(kinds.items())[:20]}"
        assert "Traceback" not in self.server.log(), self.server.log()[-5000:]

    def settled(self) -> Use:
        """What the server has once the connections of both are closed."""
        self.grpc.close()
        self.rest.close()
        found = self.server.use()
        wait_for(lambda: self.server.use().files < found.files, 5)
        return self.server.use()


def test_some_thousand_inputs(server: ServerProcess) -> None:
    campaign = Campaign(server)
    campaign.run(3000)
    campaign.check()
    campaign.settled()


@pytest.mark.slow
def test_as_many_inputs_as_asked_for(server: ServerProcess) -> None:
    inputs = int(os.environ.get("FUZZ_INPUTS", "200000"))
    first = Campaign(server)
    # Buffers grow, and every signature is run once.
    first.run(inputs // 10)
    before = first.settled()
    started = time.monotonic()
    campaign = Campaign(server)
    campaign.run(inputs)
    after = campaign.settled()
    report = (
        f"{inputs} inputs in {time.monotonic() - started:.0f} s\ngRPC {dict(campaign.grpc.codes)}\n"
        f"REST {dict(campaign.rest.codes)}\nbefore {before}\nafter  {after}\n"
    )
    Path(os.environ.get("FUZZ_REPORT", os.devnull)).write_text(report)
    campaign.check()
    assert after.files <= before.files + 2, report
    assert after.threads <= before.threads + 2, report
    assert after.memory <= before.memory * 1.1, report
