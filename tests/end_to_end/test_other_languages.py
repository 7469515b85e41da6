"""The clients of examples/clients in other languages, compiled and run against our server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.serving import models


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from mlops_tfx.serving.server import ModelServer

    base = tmp_path_factory.mktemp("models")
    models.save_half_plus_two(base / "123")
    settings = {"model_name": "half_plus_two", "model_base_path": str(base), "rest_api_port": -1, "port": 0}
    with ModelServer(**settings) as server:
        server.wait_until_available()
        yield server


def run(*command: str, **options: Any) -> Any:
    return subprocess.run(command, capture_output=True, text=True, timeout=600, **options)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("go") is None, reason="no Go on this machine")
def test_go(server: Any, project_root: Path, tmp_path: Path) -> None:
    source = project_root / "examples" / "clients" / "go"
    built = run("go", "build", "-o", str(tmp_path / "predict"), ".", cwd=source, env={**os.environ, "GOFLAGS": ""})
    assert built.returncode == 0, built.stderr
    descriptors = project_root / "mlops_tfx" / "serving" / "protos" / "descriptors.binpb"
    common = (str(tmp_path / "predict"), "-address", server.address, "-descriptors", str(descriptors))
    done = run(*common, "2", "3", "4")
    assert (done.returncode, done.stdout.split()) == (0, ["3", "3.5", "4"]), done.stderr
    refused = run(*common, "-model", "zz", "2")
    assert refused.returncode == 1
    assert "Servable not found for request: Latest(zz)" in refused.stderr
    unknown = run(*common, "-output", "zz", "2")
    assert unknown.returncode == 1
    assert 'the model has no output "zz"' in unknown.stderr


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("go") is None, reason="no Go on this machine")
def test_go_reads_numbers_that_come_as_bytes(server: Any, project_root: Path) -> None:
    """As the guide has it, and from a server with --enable_serialization_as_tensor_content."""
    from mlops_tfx.serving.server import ModelServer

    source = project_root / "examples" / "clients" / "go"
    base = server.options.model_base_path
    with ModelServer(
        model_name="half_plus_two", model_base_path=base, port=0, enable_serialization_as_tensor_content=True
    ) as other:
        other.wait_until_available()
        descriptors = "../../../mlops_tfx/serving/protos/descriptors.binpb"
        command = ("go", "run", ".", "-address", other.address, "-descriptors", descriptors, "2", "3", "4")
        done = run(*command, cwd=source)
    assert (done.returncode, done.stdout.split()) == (0, ["3", "3.5", "4"]), done.stderr


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("javac") is None, reason="no JDK on this machine")
def test_java(server: Any, project_root: Path) -> None:
    source = project_root / "examples" / "clients" / "java" / "Predict.java"
    address = f"http://localhost:{server.rest_port}"
    done = run("java", str(source), address, "half_plus_two", "2", "3", "4")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"predictions": [3.0, 3.5, 4.0]}
    usage = run("java", str(source))
    assert (usage.returncode, usage.stderr) == (2, "usage: java Predict.java http://HOST:PORT MODEL VALUE...\n")
    refused = run("java", str(source), address, "zz", "2")
    assert refused.returncode == 1
    assert "Servable not found for request: Latest(zz)" in refused.stderr
