"""What a model must keep, with the server in this process: every way to break it, and the reason that is given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Examples, InfraBlessing, Model
from mlops_tfx.channel import Channel
from mlops_tfx.components import InfraValidator
from mlops_tfx.components.infra_validator import component, servers
from mlops_tfx.config import (
    KubernetesConfig,
    LocalDockerConfig,
    RequestSpec,
    ServingSpec,
    TensorFlowServingRequestSpec,
    ValidationSpec,
)
from mlops_tfx.errors import ArtifactError, ConfigError, WiringError
from mlops_tfx.inference.loaded_model import LoadedModel
from mlops_tfx.pipeline import Pipeline
from tests.unit.components.infra_validator.cases import ROWS, ServerHere, served, validate


@pytest.fixture(autouse=True)
def server_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "choose_servers", lambda kind, spec: [ServerHere()])


def asking(*names: str, **fields: Any) -> RequestSpec:
    serving = TensorFlowServingRequestSpec(signature_names=list(names))
    return RequestSpec(**{"tensorflow_serving": serving, "num_examples": ROWS, **fields})


def test_a_good_model_is_blessed_and_stamped(tmp_path: Path, model: Model, examples: Examples) -> None:
    spec = asking("serving_default", "classify", "regress", "named", make_warmup=True)
    blessing, lines = validate(tmp_path, model, examples, request_spec=spec, max_memory_bytes=1 << 30)
    assert blessing.custom_properties == {"blessed": 1, "has_model": 1, "server": "here"}
    assert lines == []
    assert filesystem.read_bytes(f"{blessing.uri}/INFRA_BLESSED") == b""
    report = json.loads(filesystem.read_bytes(f"{blessing.uri}/infra_validation.json"))
    assert report["blessed"] is True
    (measured,) = report["tries"]
    assert measured["answers"] == 4 * (ROWS + 1)
    assert 0 < measured["latency_seconds"] < 60
    assert measured["memory_bytes"] == 1 << 20
    _check_stamped(f"{blessing.uri}/stamped_model", f"{model.uri}/Format-Serving")


def _check_stamped(stamped: str, original: str) -> None:
    from tensorflow_serving.apis import prediction_log_pb2

    for path in filesystem.walk_files(original):
        copy = filesystem.join(stamped, filesystem.relative(path, original))
        assert filesystem.read_bytes(copy) == filesystem.read_bytes(path)
    records = tf.data.TFRecordDataset(f"{stamped}/assets.extra/tf_serving_warmup_requests").as_numpy_iterator()
    logs = [prediction_log_pb2.PredictionLog.FromString(record) for record in records]
    kinds = [log.WhichOneof("log_type") for log in logs]
    assert kinds == [
        kind for kind in ("predict_log", "classify_log", "regress_log", "predict_log") for _ in range(ROWS)
    ]
    example = tf.train.Example.FromString(logs[3].predict_log.request.inputs["examples"].string_val[0])
    assert example.features.feature["x"].float_list.value == [3.0]
    assert logs[3].predict_log.request.model_spec.name == "infra-validation-model"
    assert tf.make_ndarray(logs[-1].predict_log.request.inputs["x"]).tolist() == [[3.0]]


def test_without_requests_it_is_only_loaded(tmp_path: Path, model: Model, examples: Examples) -> None:
    blessing, lines = validate(tmp_path, model, examples)
    assert blessing.custom_properties == {"blessed": 1, "has_model": 0, "server": "here"}
    assert "loaded and not asked" in lines[0]


@pytest.mark.parametrize(
    ("names", "parameters", "reason"),
    [
        (["nan"], {}, "signature 'nan', row 0, output 'y': expected finite numbers, received nan (1 of 1 values)"),
        (["infinite_scores"], {}, "output 'scores': expected finite numbers, received"),
        (["short"], {}, "signature 'short', rows 0 to 3, output 'y': expected 4 rows, received shape=(1,)"),
        (["fails"], {}, "signature 'fails', row 0: the server answers INVALID_ARGUMENT: no log of zero"),
        (["lies"], {}, "output 'y': expected shape (None,) as the signature says, received (1, 2)"),
        (["serving_defualt"], {}, "the model has no signature 'serving_defualt'; did you mean 'serving_default'"),
        (["absent"], {}, "input 'missing' of signature 'absent': expected a feature of this name"),
        (["regress"], {"max_latency_seconds": 1e-9}, "expected answers within 1e-09 seconds (max_latency_seconds)"),
        (
            ["regress"],
            {"max_memory_bytes": 1000},
            "at most 1,000 bytes of memory (max_memory_bytes), received 1,048,576",
        ),
    ],
)
def test_refusals_say_why(
    tmp_path: Path, model: Model, examples: Examples, names: list[str], parameters: dict[str, Any], reason: str
) -> None:
    spec = asking(*names, make_warmup=True)
    blessing, lines = validate(tmp_path, model, examples, request_spec=spec, **parameters)
    assert blessing.custom_properties["blessed"] == blessing.custom_properties["has_model"] == 0
    assert reason in str(blessing.custom_properties["not_blessed_reason"])
    assert any(reason in line for line in lines)
    assert sorted(filesystem.listdir(blessing.uri)) == ["INFRA_NOT_BLESSED", "infra_validation.json"]
    report = json.loads(filesystem.read_bytes(f"{blessing.uri}/infra_validation.json"))
    assert reason in report["reason"]
    assert len(report["tries"]) <= 1, "what the model does wrong is not tried again"


def test_numbers_that_are_not_finite_may_be_allowed(tmp_path: Path, model: Model, examples: Examples) -> None:
    blessing, _ = validate(tmp_path, model, examples, request_spec=asking("nan"), require_finite=False)
    assert blessing.custom_properties["blessed"] == 1


def test_answers_that_differ_from_this_process_are_refused(
    tmp_path: Path, model: Model, examples: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = LoadedModel.run

    def other(self: LoadedModel, batch: Any) -> Any:
        outputs = run(self, batch)
        assert outputs[0]["y"].tolist() == served().tolist()
        return [{**outputs[0], "y": outputs[0]["y"] + np.float32([0, 0, 0.01, 0]), "text": outputs[0]["text"][::-1]}]

    monkeypatch.setattr(LoadedModel, "run", other)
    blessing, _ = validate(tmp_path, model, examples, request_spec=asking("serving_default"))
    reason = str(blessing.custom_properties["not_blessed_reason"])
    assert "row 2, output 'y': the server answers 3.0 where this process computes 3.01" in reason
    assert "output 'text': the server answers b'2.000000' where this process computes b'3.500000'" in reason
    assert "row 1, output 'y'" not in reason
    spec = asking("serving_default")
    blessing, _ = validate(tmp_path / "b", model, examples, request_spec=spec, compare_with_this_process=False)
    assert blessing.custom_properties["blessed"] == 1


def test_a_damaged_model_is_refused_and_none_is_an_error(tmp_path: Path, examples: Examples) -> None:
    filesystem.write_bytes(tmp_path / "m/Format-Serving/saved_model.pb", b"\xff\xff no protobuf")
    blessing, _ = validate(tmp_path / "a", Model(str(tmp_path / "m")), examples, request_spec=asking())
    assert "received none that can be read" in str(blessing.custom_properties["not_blessed_reason"])
    with pytest.raises(ArtifactError, match="train it again"):
        validate(tmp_path / "b", Model(str(tmp_path / "nothing")))


def test_an_unknown_split_is_an_error_of_the_pipeline(tmp_path: Path, model: Model, examples: Examples) -> None:
    with pytest.raises(ConfigError, match="no split 'trian'; did you mean 'train'"):
        validate(tmp_path, model, examples, request_spec=asking(split_name="trian"))


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({"serving_spec": ServingSpec(kubernetes=KubernetesConfig())}, "Kubernetes cluster is not supported"),
        ({"server": "embeded"}, "did you mean 'embedded'"),
        ({"request_spec": RequestSpec()}, "needs input 'examples'"),
        ({"max_latency_seconds": 1.0}, "needs request_spec"),
        ({"max_memory_bytes": 0}, "received max_memory_bytes=0"),
        ({"max_memory_bytes": "1 GB"}, "max_memory_bytes"),
        ({"validation_spec": 3}, "validation_spec"),
        ({"serving_spec": "tensorflow"}, "serving_spec"),
        ({"requests_spec": None}, "did you mean 'request_spec'"),
        ({"examples": Channel(Model)}, "expected artifacts of type Examples"),
    ],
)
def test_wrong_parameters_are_wiring_errors(tmp_path: Path, parameters: dict[str, Any], problem: str) -> None:
    with pytest.raises(WiringError) as caught:
        Pipeline("p", str(tmp_path), components=[InfraValidator(model=Channel(Model), **parameters)])
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: ServingSpec(local_docker=LocalDockerConfig(), kubernetes=KubernetesConfig()), "at most one of"),
        (lambda: ServingSpec(model_name="a/b"), "model_name"),
        (lambda: ValidationSpec(num_tries=0), "num_tries"),
        (lambda: ValidationSpec(max_loading_time_seconds=-1), "max_loading_time_seconds"),
        (lambda: RequestSpec(num_examples=0), "num_examples"),
        (lambda: RequestSpec(split="eval"), "did you mean 'split_name'"),
    ],
)
def test_wrong_configurations_are_refused(make: Any, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        make()


def test_files_have_tfx_s_names() -> None:
    assert (component.BLESSED, component.NOT_BLESSED) == ("INFRA_BLESSED", "INFRA_NOT_BLESSED")
    assert InfraBlessing.TYPE_NAME == "InfraBlessing"
