from __future__ import annotations

from pathlib import Path

import pytest
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from mlops_tfx.errors import DataError
from mlops_tfx.io import protos


def test_round_trips(tmp_path: Path) -> None:
    schema = schema_pb2.Schema()
    schema.feature.add(name="żółw", type=schema_pb2.INT)
    protos.write_schema(str(tmp_path / "new" / "schema.pbtxt"), schema)
    assert "żółw" in (tmp_path / "new" / "schema.pbtxt").read_text(encoding="utf-8")
    assert protos.read_schema(str(tmp_path / "new" / "schema.pbtxt")) == schema

    statistics = statistics_pb2.DatasetFeatureStatisticsList()
    statistics.datasets.add(num_examples=7)
    protos.write_statistics(str(tmp_path / "FeatureStats.pb"), statistics)
    assert protos.read_statistics(str(tmp_path / "FeatureStats.pb")) == statistics

    anomalies = anomalies_pb2.Anomalies()
    anomalies.anomaly_info["x"].description = "bad"
    protos.write_anomalies(str(tmp_path / "SchemaDiff.pb"), anomalies)
    assert protos.read_anomalies(str(tmp_path / "SchemaDiff.pb")) == anomalies


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b'feature {\n  name: "a"\n  typ: INT\n}\n',
            "schema.pbtxt, line 3, column 3: expected a Schema in protobuf text",
        ),
        (b'feature {\n  name: "a"\n  typ: INT\n}\n', "did you mean 'type'"),
        (b'feature { name: "a" type: INTEGER }', "schema.pbtxt, line 1"),
        (b'feature {\n  name: "a"\n', "schema.pbtxt, line"),
        (
            b'feature {\n  name: "a\xff"\n}\n',
            "line 2: expected a Schema as text, received byte 0xff, which is not UTF-8",
        ),
    ],
)
def test_a_schema_that_does_not_parse(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "schema.pbtxt"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        protos.read_schema(str(path))
    assert message in str(caught.value)


def test_files_that_are_not_there_or_not_that(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected a Schema in file .*no such file"):
        protos.read_schema(str(tmp_path / "schema.pbtxt"))
    with pytest.raises(DataError, match="which is a folder"):
        protos.read_schema(str(tmp_path))
    (tmp_path / "bad.pb").write_bytes(b"\xff\xff\xff")
    with pytest.raises(DataError, match=r"bad.pb: expected a DatasetFeatureStatisticsList in binary form"):
        protos.read_statistics(str(tmp_path / "bad.pb"))
    with pytest.raises(DataError, match=r"bad.pb: expected an Anomalies in binary form"):
        protos.read_anomalies(str(tmp_path / "bad.pb"))
