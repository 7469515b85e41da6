"""Which version serves, while versions come, go and are broken. All waiting is for conditions."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlops_tfx.serving.client import Client

TIMEOUT = 120.0
Start = Callable[..., Any]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


@pytest.fixture
def push(base: Path, tmp_path: Path, save_half_plus: Any) -> Callable[[int], None]:
    """Puts version N (y = x / 2 + N) into the base path in one step."""

    def push(version: int) -> None:
        save_half_plus(tmp_path / f"staged{version}", float(version)).rename(base / str(version))

    return push


@pytest.fixture
def start(base: Path) -> Iterator[Start]:
    from mlops_tfx.serving.server import ModelServer

    servers = []

    def start(**settings: Any) -> Any:
        settings = {"file_system_poll_wait_seconds": 0.02, **settings}
        servers.append(ModelServer(model_name="m", model_base_path=str(base), port=0, **settings).start())
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def answer(client: Client, version: int | None = None) -> float:
    return float(client.predict("m", {"x": [0.0]}, version=version)["y"][0])


def wait_for_states(server: Any, expected: dict[int, str]) -> dict[int, str]:
    """Waits until the states are as expected; returns those at the end, for the assertion to show."""
    board = server._board
    states = board.wait_for("m", lambda s: {v.version: v.state.name for v in s} == expected, TIMEOUT)
    return {state.version: state.state.name for state in states}


def test_switches_under_traffic_without_a_failed_request(start: Start, push: Any) -> None:
    push(1)
    server = start()
    server.wait_until_available(TIMEOUT)
    stop, failures = threading.Event(), []
    answers: list[list[float]] = [[] for _ in range(4)]

    def ask(seen: list[float]) -> None:
        with Client(server.address) as client:
            while not stop.is_set():
                try:
                    seen.append(answer(client))
                except Exception as error:
                    failures.append(error)

    threads = [threading.Thread(target=ask, args=(seen,)) for seen in answers]
    for thread in threads:
        thread.start()
    for version in range(2, 7):
        push(version)
        server.wait_until_available(TIMEOUT, version=version)
    expected = {6: "AVAILABLE", **dict.fromkeys(range(1, 6), "END")}
    final = wait_for_states(server, expected)
    with Client(server.address) as client:
        assert answer(client) == 6.0
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures
    assert final == expected
    for seen in answers:
        assert seen == sorted(seen)
        assert set(seen) <= {1.0, 2.0, 3.0, 4.0, 5.0, 6.0}
        assert seen[0] == 1.0


def test_a_request_in_flight_keeps_its_version(start: Start, push: Any) -> None:
    from mlops_tfx.serving.server.calls import Target

    push(1)
    server = start()
    server.wait_until_available(TIMEOUT)
    held = server._manager.acquire(Target("m"))
    try:
        assert held.version == 1
        push(2)
        server.wait_until_available(TIMEOUT, version=2)
        assert wait_for_states(server, {2: "AVAILABLE", 1: "UNLOADING"}) == {2: "AVAILABLE", 1: "UNLOADING"}
        plan = held.session.signatures["serving_default"].plan(("y",))
        assert plan.run([np.array([4.0], np.float32)])[0].tolist() == [3.0]
    finally:
        held.release()
    assert wait_for_states(server, {2: "AVAILABLE", 1: "END"}) == {2: "AVAILABLE", 1: "END"}


def test_a_broken_version_leaves_the_old_one_serving(start: Start, push: Any, base: Path) -> None:
    push(1)
    server = start(max_num_load_retries=0)
    server.wait_until_available(TIMEOUT)
    shutil.copytree(base / "1", base / "2x")
    (base / "2x" / "saved_model.pb").write_bytes(b"this is not a SavedModel")
    os.rename(base / "2x", base / "2")
    assert wait_for_states(server, {2: "END", 1: "AVAILABLE"}) == {2: "END", 1: "AVAILABLE"}
    with Client(server.address) as client:
        assert answer(client) == 1.0
        broken, _ = client.status("m")
    assert broken.error_code != 0
    assert "saved_model.pb" in broken.error_message


def test_a_broken_version_that_is_not_wanted_any_more_has_ended(start: Start, push: Any, base: Path) -> None:
    push(1)
    server = start()
    server.wait_until_available(TIMEOUT)
    (base / "2").mkdir()
    assert wait_for_states(server, {2: "LOADING", 1: "AVAILABLE"}) == {2: "LOADING", 1: "AVAILABLE"}
    (base / "2").rmdir()
    assert wait_for_states(server, {2: "END", 1: "AVAILABLE"}) == {2: "END", 1: "AVAILABLE"}
    assert "Could not find SavedModel" in str(server.versions()[0].error)
    (base / "3").mkdir()
    ended = {3: "LOADING", 2: "END", 1: "AVAILABLE"}
    assert wait_for_states(server, ended) == ended
    push(4)
    ended = {4: "AVAILABLE", 3: "END", 2: "END", 1: "END"}
    assert wait_for_states(server, ended) == ended


def test_truncated_weights_leave_the_old_version_serving(start: Start, push: Any, base: Path) -> None:
    push(1)
    server = start(max_num_load_retries=0)
    server.wait_until_available(TIMEOUT)
    shutil.copytree(base / "1", base / "2x")
    (base / "2x" / "variables" / "variables.data-00000-of-00001").write_bytes(b"")
    os.rename(base / "2x", base / "2")
    assert wait_for_states(server, {2: "END", 1: "AVAILABLE"}) == {2: "END", 1: "AVAILABLE"}
    with Client(server.address) as client:
        assert answer(client) == 1.0


def test_a_half_written_version_serves_once_it_is_complete(start: Start, push: Any, base: Path) -> None:
    push(1)
    server = start(max_num_load_retries=0)
    server.wait_until_available(TIMEOUT)
    push(2)
    server.wait_until_available(TIMEOUT, version=2)
    shutil.copytree(base / "2", base / "3", ignore=shutil.ignore_patterns("saved_model.pb"))
    seen = wait_for_states(server, {3: "END", 2: "AVAILABLE", 1: "END"})
    assert seen == {3: "END", 2: "AVAILABLE", 1: "END"}
    with Client(server.address) as client:
        assert client.status("m", version=3)[0].error_message.startswith("Could not find SavedModel .pb or .pbtxt")
        shutil.copy(base / "2" / "saved_model.pb", base / "3" / "saved_model.pb")
        assert server.wait_until_available(TIMEOUT, version=3) == 3
        assert answer(client) == 2.0


def test_starts_on_an_older_version_when_the_newest_is_broken(start: Start, push: Any, base: Path) -> None:
    push(1)
    (base / "2").mkdir()
    server = start()
    assert server.wait_until_available(TIMEOUT) == 1


def test_going_back_by_removing_the_newest(start: Start, push: Any, base: Path) -> None:
    push(1)
    push(2)
    server = start()
    assert server.wait_until_available(TIMEOUT) == 2
    shutil.move(base / "2", base.parent / "gone")
    assert server.wait_until_available(TIMEOUT, version=1) == 1
    assert wait_for_states(server, {2: "END", 1: "AVAILABLE"}) == {2: "END", 1: "AVAILABLE"}


def test_an_empty_base_path_unloads_and_a_missing_one_does_not(start: Start, push: Any, base: Path) -> None:
    push(1)
    server = start()
    server.wait_until_available(TIMEOUT)
    base.rename(base.parent / "moved")
    looks = server._board.wait_for("m", lambda _: bool(server._manager.base_path_error("m")), TIMEOUT)
    assert [state.state.name for state in looks] == ["AVAILABLE"]
    base.mkdir()
    assert wait_for_states(server, {1: "END"}) == {1: "END"}


def test_other_names_are_not_versions(start: Start, push: Any, base: Path) -> None:
    for name in ("tmp", "7.incomplete-1", "99999999999999999999", ".3"):
        (base / name).mkdir()
    (base / "8").write_text("a file")
    push(1)
    server = start()
    assert server.wait_until_available(TIMEOUT) == 1
    assert [state.version for state in server.versions()] == [1]


def test_waiting_says_why_there_is_nothing(start: Start, base: Path) -> None:
    from mlops_tfx.serving.server import ModelUnavailableError

    (base / "5").mkdir()
    server = start()
    with pytest.raises(
        ModelUnavailableError, match=r"cannot be loaded: version 5: NOT_FOUND: Could not find SavedModel"
    ):
        server.wait_until_available(TIMEOUT)
    with pytest.raises(ModelUnavailableError, match=r"version 6 at .* is not available after 0.05 s"):
        server.wait_until_available(0.05, version=6)


def test_client_waits_and_gives_up(start: Start, base: Path, push: Any) -> None:
    from mlops_tfx.errors import ServingError

    server = start(max_num_load_retries=0)
    with Client(server.address) as client:
        with pytest.raises(
            ServingError, match=r"DEADLINE_EXCEEDED: model 'm' .* NOT_FOUND: Could not find any versions"
        ):
            client.wait_until_available("m", timeout=3.0)
        (base / "4").mkdir()
        with pytest.raises(ServingError, match=r"NOT_FOUND: version 4: Could not find SavedModel"):
            client.wait_until_available("m", timeout=TIMEOUT)
        push(5)
        server.wait_until_available(TIMEOUT, version=5)
        assert client.wait_until_available("m", timeout=TIMEOUT) == 5
