"""Servers as processes of their own: which is taken, its flags, and models that end or stop it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Examples, Model
from mlops_tfx.components.infra_validator import validation
from mlops_tfx.components.infra_validator.servers import choose_servers
from mlops_tfx.config import (
    LocalDockerConfig,
    RequestSpec,
    ServingSpec,
    TensorFlowServing,
    TensorFlowServingRequestSpec,
    ValidationSpec,
)
from mlops_tfx.errors import ConfigError
from tests.unit.components.infra_validator.cases import crash, hang, save_model, validate

SERVER = f"""#!/bin/sh
echo "$@" >> "$FLAGS_FILE"
exec {sys.executable} -m mlops_tfx.serving.server "$@"
"""
# Enough of Docker's command line: one container, which is the embedded server on the port that it is asked for.
DOCKER = f"""#!{sys.executable}
import os, pathlib, signal, subprocess, sys
place = pathlib.Path(os.environ["FLAGS_FILE"]).parent
command, *arguments = sys.argv[1:]
if command == "run":
    with open(os.environ["FLAGS_FILE"], "a") as file:
        file.write(" ".join(arguments) + "\\n")
    host, inside, _ = arguments[arguments.index("--volume") + 1].split(":")
    flags = [f.replace(inside, host) for f in arguments[arguments.index("--entrypoint") + 3:] if "--port" not in f]
    server = [sys.executable, "-m", "mlops_tfx.serving.server", "--port=38500", *flags]
    with open(place / "log", "wb") as log:
        child = subprocess.Popen(server, stdout=log, stderr=log, start_new_session=True)
    (place / "pid").write_text(str(child.pid))
    print("container1")
elif command == "port":
    print("127.0.0.1:38500")
elif command == "inspect":
    print("running 0")
elif command == "logs":
    print((place / "log").read_text())
elif command == "stats":
    print("12.5MiB / 1GiB")
elif command == "rm":
    os.kill(int((place / "pid").read_text()), signal.SIGKILL)
elif command == "image":
    if not os.path.exists(place / "has_image"):
        sys.exit("no such image")
    print("sha256:12")
elif command == "version":
    print(os.environ.get("DOCKER_HOST", "20.10"))
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is first on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FLAGS_FILE", str(tmp_path / "flags"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(os.path.abspath(entry) for entry in sys.path))
    return folder


def install(folder: Path, name: str, program: str) -> None:
    (folder / name).write_text(program)
    (folder / name).chmod(0o755)


def test_tensorflow_model_server_on_path_is_taken_with_its_flags(
    tmp_path: Path, programs: Path, model: Model, examples: Examples
) -> None:
    install(programs, "tensorflow_model_server", SERVER)
    spec = RequestSpec(
        num_examples=2, make_warmup=True, tensorflow_serving=TensorFlowServingRequestSpec(tag_set=["serve"])
    )
    blessing, _ = validate(
        tmp_path,
        model,
        examples,
        request_spec=spec,
        serving_spec=ServingSpec(model_name="penguins"),
        max_memory_bytes=10**11,
    )
    assert blessing.custom_properties == {"blessed": 1, "has_model": 1, "server": "tensorflow_model_server"}
    (flags,) = (tmp_path / "flags").read_text().splitlines()
    names = [flag.partition("=")[0] for flag in flags.split()]
    assert names == ["--port", "--model_name", "--model_base_path", "--max_num_load_retries", "--saved_model_tags"]
    assert "--model_name=penguins" in flags
    memory = filesystem.read_bytes(f"{blessing.uri}/infra_validation.json")
    assert b'"memory_bytes": ' in memory
    assert b'"memory_bytes": null' not in memory


def test_docker_is_taken_where_it_is_asked_for(
    tmp_path: Path, programs: Path, model: Model, examples: Examples
) -> None:
    install(programs, "docker", DOCKER)
    images = TensorFlowServing(tags=["2.16.1"])
    serving = ServingSpec(tensorflow_serving=images, local_docker=LocalDockerConfig(client_timeout_seconds=20))
    spec = RequestSpec(num_examples=1)
    blessing, _ = validate(tmp_path, model, examples, request_spec=spec, serving_spec=serving, max_memory_bytes=10**9)
    assert blessing.custom_properties["server"] == "docker tensorflow/serving:2.16.1"
    assert blessing.custom_properties["blessed"] == 1, blessing.custom_properties
    (arguments,) = (tmp_path / "flags").read_text().splitlines()
    assert "--publish 127.0.0.1::8500" in arguments
    assert (
        ":/models/infra-validation-model:ro --entrypoint tensorflow_model_server tensorflow/serving:2.16.1" in arguments
    )
    assert (
        "--port=8500 --model_name=infra-validation-model --model_base_path=/models/infra-validation-model" in arguments
    )


def test_a_model_that_ends_its_server_is_refused_with_the_server_s_last_words(tmp_path: Path) -> None:
    model = save_model(tmp_path / "m", crash)
    blessing, lines = validate(tmp_path, model, server="embedded", validation_spec=ValidationSpec(num_tries=2))
    reason = str(blessing.custom_properties["not_blessed_reason"])
    assert "the server was killed by signal SIGABRT" in reason
    assert "this model takes its server with it" in reason
    assert "Running gRPC ModelServer at localhost:" in reason, "nobody else can ask it"
    assert [line.split(":")[0] for line in lines[1:3]] == [f"try {n} of 2 with embedded" for n in (1, 2)]


def test_a_model_that_never_finishes_loading_is_refused(tmp_path: Path) -> None:
    model = save_model(tmp_path / "m", hang)
    limits = ValidationSpec(num_tries=1, max_loading_time_seconds=12)
    blessing, _ = validate(tmp_path, model, server="embedded", validation_spec=limits)
    assert "not available after 12 seconds" in str(blessing.custom_properties["not_blessed_reason"])


def save_traps(folder: Path) -> Model:
    """Loads well; what it does to rows ends its process, or does not end at all."""
    import tensorflow as tf

    def end(count: Any) -> Any:
        return tf.cond(count > 0, lambda: tf.raw_ops.Abort(error_msg="asked to death"), tf.no_op)

    def stay(count: Any) -> Any:
        return tf.while_loop(lambda left: left > 0, lambda left: left, [count])

    def trap(spring: Any) -> Any:
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")], autograph=False)
        def answer(examples: Any) -> dict[str, Any]:
            sprung = spring(tf.reduce_sum(tf.strings.length(examples)))  # the server tries it with empty ones
            with tf.control_dependencies(tf.nest.flatten(sprung) if sprung is not None else []):
                return {"y": tf.identity(tf.strings.length(examples))}

        return answer

    tf.saved_model.save(
        tf.Module(), str(folder / "Format-Serving"), signatures={"dies": trap(end), "hangs": trap(stay)}
    )
    return Model(str(folder))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("signature", "reason"),
    [
        ("dies", "the server was killed by signal SIGABRT"),
        ("hangs", "signature 'hangs', row 0: expected an answer within 0.5 seconds, received none; the model hangs"),
    ],
)
def test_a_model_that_fails_when_it_is_asked(
    tmp_path: Path, examples: Examples, monkeypatch: pytest.MonkeyPatch, signature: str, reason: str
) -> None:
    model = save_traps(tmp_path / "traps")
    monkeypatch.setattr(validation, "_ANSWER_SECONDS", 0.5)
    serving = TensorFlowServingRequestSpec(signature_names=[signature])
    blessing, _ = validate(
        tmp_path,
        model,
        examples,
        server="embedded",
        request_spec=RequestSpec(num_examples=1, tensorflow_serving=serving),
        validation_spec=ValidationSpec(num_tries=1),
    )
    assert blessing.custom_properties["blessed"] == 0
    assert reason in str(blessing.custom_properties["not_blessed_reason"])


def test_which_server_is_chosen(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def names(kind: str, spec: ServingSpec) -> list[str]:
        return [server.name for server in choose_servers(kind, spec)]

    docker = ServingSpec(local_docker=LocalDockerConfig())
    monkeypatch.setenv("PATH", str(programs))
    assert names("auto", ServingSpec()) == names("auto", docker) == names("embedded", docker) == ["embedded"]
    for kind in ("docker", "tensorflow_model_server"):
        with pytest.raises(ConfigError, match="on PATH, found none"):
            choose_servers(kind, docker)
    install(programs, "tensorflow_model_server", SERVER)
    assert names("auto", ServingSpec()) == names("auto", docker) == ["tensorflow_model_server"]
    install(programs, "docker", DOCKER)
    assert names("auto", ServingSpec()) == ["tensorflow_model_server"]
    assert names("auto", docker) == names("docker", ServingSpec()) == ["docker tensorflow/serving:latest"]
    images = TensorFlowServing(tags=["2.16.1", "2.15.0"], digests=["sha256:12"], image_name="mirror/serving")
    assert names("docker", ServingSpec(tensorflow_serving=images)) == [
        "docker mirror/serving:2.16.1", "docker mirror/serving:2.15.0", "docker mirror/serving@sha256:12",
    ]  # fmt: skip
    (programs / "tensorflow_model_server").unlink()
    assert names("auto", ServingSpec()) == ["embedded"], "nothing is pulled that nobody asked for"
    (programs.parent / "has_image").touch()
    assert names("auto", ServingSpec()) == ["docker tensorflow/serving:latest"]
    install(programs, "docker", "#!/bin/sh\necho no daemon >&2\nexit 1\n")
    assert names("auto", ServingSpec()) == names("auto", docker) == ["embedded"]
    with pytest.raises(ConfigError, match="ended with code 1: no daemon"):
        choose_servers("docker", docker)
