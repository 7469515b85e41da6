from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_tfx.artifacts import Examples
from mlops_tfx.errors import ArtifactError, DataError
from mlops_tfx.io import examples as examples_io
from mlops_tfx.io import parquet, wire
from mlops_tfx.io.columns import concat
from tests.unit.io.batches import batches, rows_of

FORMATS = [examples_io.TFRECORDS_GZIP, examples_io.PARQUET]
both_formats = pytest.mark.parametrize("file_format", FORMATS)


def artifact(folder: str | Path, file_format: str = examples_io.TFRECORDS_GZIP) -> Examples:
    payload = examples_io.PAYLOADS_BY_FORMAT[file_format]
    examples = Examples(str(folder), custom_properties={"payload_format": payload, "file_format": file_format})
    examples.splits = ["train"]
    return examples


def write(examples: Examples, given: list[pa.RecordBatch], max_shard_bytes: int = 1 << 20) -> list[str]:
    file_format = examples_io.file_format_of(examples)
    writer = examples_io.ExamplesWriter(examples.path("train"), None, file_format, max_shard_bytes)
    with writer:
        for batch in given:
            writer.write(batch)
    return writer.paths


def numbers(count: int, first: int = 0) -> pa.RecordBatch:
    values = [[first + n] for n in range(count)]
    texts = [[f"text {first + n}".encode()] if n % 3 else None for n in range(count)]
    arrays = [pa.array(values, pa.large_list(pa.int64())), pa.array(texts, pa.large_list(pa.large_binary()))]
    return pa.RecordBatch.from_arrays(arrays, ["n", "text"])


def split_up(batch: pa.RecordBatch, sizes: list[int]) -> list[pa.RecordBatch]:
    parts, first = [], 0
    for size in sizes:
        parts.append(batch.slice(first, size))
        first += size
    return [part for part in [*parts, batch.slice(first)] if part.num_rows]


@both_formats
@settings(max_examples=60, deadline=None)
@given(batch=batches(), sizes=st.lists(st.integers(1, 5), max_size=3), batch_rows=st.integers(1, 8))
def test_round_trip(file_format: str, batch: pa.RecordBatch, sizes: list[int], batch_rows: int) -> None:
    with TemporaryDirectory() as folder:
        examples = artifact(folder, file_format)
        write(examples, split_up(batch, sizes), max_shard_bytes=200)
        read = list(examples_io.read_batches(examples, "train", batch_rows=batch_rows))
        assert rows_of(concat(read)) == rows_of(batch)
        assert max(part.num_rows for part in read) <= batch_rows
        assert examples_io.count_rows(examples, "train") == batch.num_rows


@both_formats
def test_read_batches_have_the_agreed_form(tmp_path: Path, file_format: str) -> None:
    lists = pa.array([[1], [], None], pa.large_list(pa.int64()))
    arrays = [lists, pa.nulls(3), pa.array([[], [], None], pa.large_list(pa.float32()))]
    examples = artifact(tmp_path, file_format)
    write(examples, [pa.RecordBatch.from_arrays(arrays, ["some", "null", "empty"])])
    (batch,) = examples_io.read_batches(examples, "train")
    by_name = {name: batch.column(i) for i, name in enumerate(batch.schema.names)}
    assert by_name["some"].type == pa.large_list(pa.int64())
    assert by_name["some"].to_pylist() == [[1], None, None]
    assert by_name["null"].type == pa.null()
    assert by_name["empty"].type == pa.null()


@both_formats
def test_two_writes_give_the_same_bytes(tmp_path: Path, file_format: str) -> None:
    digests = []
    for name in ("a", "b"):
        examples = artifact(tmp_path / name, file_format)
        paths = write(examples, [numbers(500), numbers(500, 500)], max_shard_bytes=8000)
        digests.append([hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in paths])
    assert digests[0] == digests[1]


@both_formats
def test_shards_are_cut_by_size_named_as_tfx_names_them_and_keep_the_order(tmp_path: Path, file_format: str) -> None:
    examples = artifact(tmp_path, file_format)
    given = [numbers(100, first) for first in range(0, 1000, 100)]
    paths = write(examples, given, max_shard_bytes=8000)
    suffix = {"tfrecords_gzip": "data_tfrecord-{:05d}-of-{:05d}.gz", "parquet": "data_parquet-{:05d}-of-{:05d}.parquet"}
    assert [Path(p).name for p in paths] == [suffix[file_format].format(i, len(paths)) for i in range(len(paths))]
    assert sorted(p.name for p in (tmp_path / "Split-train").iterdir()) == [Path(p).name for p in paths]
    if file_format == examples_io.TFRECORDS_GZIP:
        assert len(paths) > 3
    read = concat(list(examples_io.read_batches(examples, "train")))
    assert read.column(read.schema.get_field_index("n")).flatten().to_pylist() == list(range(1000))


@both_formats
def test_no_rows_make_one_empty_file(tmp_path: Path, file_format: str) -> None:
    examples = artifact(tmp_path, file_format)
    assert len(write(examples, [])) == 1
    assert examples_io.count_rows(examples, "train") == 0
    assert list(examples_io.read_batches(examples, "train")) == []


@both_formats
def test_a_failed_writer_leaves_nothing(tmp_path: Path, file_format: str) -> None:
    folder = tmp_path / "Split-train"
    writer = examples_io.ExamplesWriter(str(folder), file_format=file_format, max_shard_bytes=1000)
    with pytest.raises(RuntimeError, match="stop"), writer:
        writer.write(numbers(300))
        assert all(path.name.startswith(".") for path in folder.iterdir())
        raise RuntimeError("stop")
    assert list(folder.iterdir()) == []


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "Split-train"
    writer = examples_io.ExamplesWriter(str(folder))
    folder.joinpath(".data_tfrecord-00000.unfinished").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"), writer:
        for first in range(0, 400_000, 20_000):
            writer.write(numbers(20_000, first))
    assert list(folder.iterdir()) == []


def test_parquet_columns_are_plain(tmp_path: Path) -> None:
    import pandas as pd

    arrays = [
        pa.array([[1], [2], None], pa.large_list(pa.int64())),
        pa.array([[1], [2], [3]], pa.large_list(pa.int64())),
        pa.array([[1.5], [2.5], [0.0]], pa.large_list(pa.float32())),
        pa.array([["é".encode()], [b"b"], None], pa.large_list(pa.large_binary())),
        pa.array([[b"\xff"], [b"b"], [b"c"]], pa.large_list(pa.large_binary())),
        pa.array([[1, 2], None, [3]], pa.large_list(pa.int64())),
    ]
    names = ["gaps", "whole", "float", "text", "binary", "many"]
    examples = artifact(tmp_path, examples_io.PARQUET)
    (path,) = write(examples, [pa.RecordBatch.from_arrays(arrays, names)])
    types = {field.name: str(field.type) for field in pq.read_schema(path)}
    assert types == {
        "gaps": "int64", "whole": "int64", "float": "float", "text": "string", "binary": "binary",
        "many": "list<item: int64>",
    }  # fmt: skip
    frame = pd.read_parquet(path)
    assert frame["whole"].tolist() == [1, 2, 3]
    assert frame["text"].tolist() == ["é", "b", None]
    assert frame["binary"].tolist() == [b"\xff", b"b", b"c"]


def test_parquet_shards_agree_though_types_are_known_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_ROW_GROUP_BYTES", 1)

    def batch(values: list[object], kind: pa.DataType) -> pa.RecordBatch:
        return pa.RecordBatch.from_arrays([pa.array(values, kind)], ["x"])

    texts = pa.large_list(pa.large_binary())
    given = [
        batch([None, None], pa.null()),
        batch([[b"a"], [b"b"]], texts),
        batch([[b"\xff"], None], texts),
        batch([[b"a", b"b"], [b"c"]], texts),
    ]
    examples = artifact(tmp_path, examples_io.PARQUET)
    paths = write(examples, given)
    assert len(paths) == 3, "the first batch has no bytes, and waits for the second"
    assert {str(pq.read_schema(path).field("x").type) for path in paths} == {"list<item: binary>"}
    read = concat(list(examples_io.read_batches(examples, "train")))
    expected = [None, None, [b"a"], [b"b"], [b"\xff"], None, [b"a", b"b"], [b"c"]]
    assert read.column(0).to_pylist() == expected


def test_parquet_refuses_two_kinds_of_values_in_one_column(tmp_path: Path) -> None:
    ints = pa.RecordBatch.from_arrays([pa.array([[1]], pa.large_list(pa.int64()))], ["x"])
    texts = pa.RecordBatch.from_arrays([pa.array([[b"a"]], pa.large_list(pa.large_binary()))], ["x"])
    with pytest.raises(DataError, match="column 'x': expected one kind of value in a column"):
        write(artifact(tmp_path, examples_io.PARQUET), [ints, texts])


SCHEMA = """
    feature { name: "text" type: BYTES } feature { name: "absent" type: FLOAT } feature { name: "n" type: INT }
"""


def schema(text: str = SCHEMA) -> object:
    from tensorflow_metadata.proto.v0 import schema_pb2

    return text_format.Parse(text, schema_pb2.Schema())


@both_formats
def test_with_a_schema_exactly_its_features(tmp_path: Path, file_format: str) -> None:
    examples = artifact(tmp_path, file_format)
    write(examples, [numbers(4)])
    (batch,) = examples_io.read_batches(examples, "train", schema=schema())
    assert batch.schema.names == ["text", "absent", "n"]
    assert batch.column(2).to_pylist() == [[0], [1], [2], [3]]
    assert batch.column(1).to_pylist() == [None] * 4


@both_formats
def test_data_of_another_type_than_the_schema_says(tmp_path: Path, file_format: str) -> None:
    examples = artifact(tmp_path, file_format)
    (path,) = write(examples, [numbers(4)])
    with pytest.raises(DataError, match=Path(path).name):
        list(examples_io.read_batches(examples, "train", schema=schema('feature { name: "n" type: FLOAT }')))


@both_formats
def test_columns_are_chosen_in_the_order_given(tmp_path: Path, file_format: str) -> None:
    examples = artifact(tmp_path, file_format)
    write(examples, [numbers(2)])
    (batch,) = examples_io.read_batches(examples, "train", columns=["text", "none", "n"])
    assert batch.schema.names == ["text", "none", "n"]
    assert batch.column(1).type == pa.null()
    assert batch.column(2).to_pylist() == [[0], [1]]


def test_several_artifacts_are_read_one_after_the_other(tmp_path: Path) -> None:
    first, second = artifact(tmp_path / "a"), artifact(tmp_path / "b")
    write(first, [numbers(3)])
    write(second, [numbers(2, 3)])
    read = concat(list(examples_io.read_batches([first, second], "train")))
    assert read.column(0).flatten().to_pylist() == [0, 1, 2, 3, 4]
    assert examples_io.count_rows([first, second], "train") == 5
    shards = examples_io.list_shards([first, second], "train")
    assert pickle.loads(pickle.dumps(shards)) == shards


def test_mixed_and_unknown_formats(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected Examples in one format, received several"):
        examples_io.file_format_of([artifact("/a"), artifact("/b", examples_io.PARQUET)])
    proto = Examples("/p", custom_properties={"payload_format": "FORMAT_PROTO"})
    with pytest.raises(DataError, match="received several .*/p: FORMAT_PROTO, tfrecords_gzip"):
        examples_io.file_format_of([artifact("/a"), proto])
    with pytest.raises(DataError, match="received payload_format='FORMAT_X'"):
        examples_io.file_format_of(Examples("/a", custom_properties={"payload_format": "FORMAT_X"}))
    with pytest.raises(DataError, match="received file_format='avro'"):
        examples_io.file_format_of(Examples("/a", custom_properties={"file_format": "avro"}))
    with pytest.raises(ArtifactError, match="at least one Examples artifact"):
        examples_io.list_shards([], "train")
    assert examples_io.file_format_of(Examples("/a")) == examples_io.TFRECORDS_GZIP
    with pytest.raises(ValueError, match="received file_format='avro'"):
        examples_io.ExamplesWriter(str(tmp_path), file_format="avro")


def test_missing_splits_and_files(tmp_path: Path) -> None:
    examples = artifact(tmp_path)
    with pytest.raises(ArtifactError, match=r"no split 'trian'; did you mean 'train'\?"):
        examples_io.list_shards(examples, "trian")
    with pytest.raises(ArtifactError, match="expected files of split 'train', received none"):
        examples_io.list_shards(examples, "train")


def test_a_custom_split_pattern_is_followed(tmp_path: Path) -> None:
    examples = artifact(tmp_path)
    write(examples, [numbers(2)])
    (tmp_path / "Split-train").rename(tmp_path / "elsewhere")
    examples.custom_properties["custom_split_pattern"] = '{"train": "elsewhere/*"}'
    assert examples_io.count_rows(examples, "train") == 2


def test_large_parquet_files_are_several_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "Split-train"
    folder.mkdir()
    table = pa.table({"n": list(range(1000))})
    pq.write_table(table, folder / "data_parquet-00000-of-00001.parquet", row_group_size=100)
    monkeypatch.setattr(examples_io, "SHARD_BYTES", 2500)
    examples = artifact(tmp_path, examples_io.PARQUET)
    shards = examples_io.list_shards(examples, "train")
    assert len(shards) > 2
    assert [shard.start for shard in shards[1:]] == [shard.stop for shard in shards[:-1]]
    read = [value for shard in shards for batch in examples_io.read_shard(shard) for value in batch.column(0).flatten()]
    assert [value.as_py() for value in read] == list(range(1000))
    assert examples_io.count_rows(examples, "train") == 1000


def test_records_that_are_no_examples(tmp_path: Path) -> None:
    from mlops_tfx.io import tfrecord

    examples = artifact(tmp_path)
    good = wire.encode_examples(numbers(1)).to_pylist()
    with examples_io.ExamplesWriter(examples.path("train")) as writer:
        writer.write_framed(tfrecord.frame(pa.array([*good, b"\xffnonsense"], pa.binary())))
    with pytest.raises(
        DataError, match=r"data_tfrecord-00000-of-00001.gz, records 0 to 1: expected serialized tf.Examples"
    ):
        list(examples_io.read_batches(examples, "train"))


def test_a_file_that_is_no_parquet(tmp_path: Path) -> None:
    folder = tmp_path / "Split-train"
    folder.mkdir()
    (folder / "data.parquet").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"data.parquet: expected a Parquet file"):
        list(examples_io.read_batches(artifact(tmp_path, examples_io.PARQUET), "train"))
