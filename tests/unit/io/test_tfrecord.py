from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pytest

from mlops_tfx.errors import DataError
from mlops_tfx.io import tfrecord

RECORDS = [b"", b"a", b"b" * 300, b"c" * 70_000, *(str(n).encode() for n in range(500))]


def write(path: Path, records: list[bytes]) -> bytes:
    """Writes a gzip file and returns the plain frames."""
    framed = tfrecord.frame(pa.array(records, pa.binary()))
    file = tfrecord.TFRecordFile(str(path))
    plain = b"".join(framed.to_pylist())
    file.write(plain)
    file.close()
    return plain


def read(path: Path, max_rows: int = 1000, max_bytes: int = 1 << 30) -> list[list[bytes]]:
    return [block.records() for block in tfrecord.read_blocks(str(path), max_rows=max_rows, max_bytes=max_bytes)]


def test_tensorflow_reads_what_we_write_and_we_read_what_it_writes(tmp_path: Path) -> None:
    import tensorflow as tf

    ours, theirs = tmp_path / "ours.gz", tmp_path / "theirs.gz"
    write(ours, RECORDS)
    assert [r.numpy() for r in tf.data.TFRecordDataset(str(ours), "GZIP")] == RECORDS
    for options in ("GZIP", ""):
        with tf.io.TFRecordWriter(str(theirs), options) as writer:
            for record in RECORDS:
                writer.write(record)
        assert [record for block in read(theirs) for record in block] == RECORDS
        assert tfrecord.count_records(str(theirs)) == len(RECORDS)


@pytest.mark.parametrize(
    ("max_rows", "max_bytes"), [(1, 1 << 30), (7, 1 << 30), (1000, 1), (1000, 100), (1000, 50_000)]
)
def test_blocks_end_by_rows_or_by_bytes(tmp_path: Path, max_rows: int, max_bytes: int) -> None:
    path = tmp_path / "x.gz"
    write(path, RECORDS)
    blocks = read(path, max_rows, max_bytes)
    assert [record for block in blocks for record in block] == RECORDS
    assert max(map(len, blocks)) <= max_rows
    # A block is over only by its last record.
    assert all(sum(len(r) + 16 for r in block[:-1]) < max_bytes for block in blocks)


def test_blocks_know_their_first_record(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    write(path, RECORDS)
    firsts = [block.first for block in tfrecord.read_blocks(str(path), max_rows=100, max_bytes=1 << 30)]
    assert firsts == [0, 100, 200, 300, 400, 500]


def test_plain_files_and_several_gzip_members(tmp_path: Path) -> None:
    plain = write(tmp_path / "x.gz", RECORDS)
    (tmp_path / "plain").write_bytes(plain)
    (tmp_path / "members").write_bytes(gzip.compress(plain) + gzip.compress(plain))
    assert [r for block in read(tmp_path / "plain") for r in block] == RECORDS
    assert [r for block in read(tmp_path / "members") for r in block] == RECORDS * 2


def test_a_plain_file_that_begins_like_gzip(tmp_path: Path) -> None:
    record = b"x" * 0x088B1F  # its length is the magic number of gzip
    plain = write(tmp_path / "x.gz", [record])
    assert plain.startswith(b"\x1f\x8b\x08")
    (tmp_path / "plain").write_bytes(plain)
    assert read(tmp_path / "plain") == [[record]]


def test_much_compressed_data_is_unpacked_piece_by_piece(tmp_path: Path) -> None:
    records = [b"\0" * (1 << 20)] * 40
    path = tmp_path / "x.gz"
    write(path, records)
    assert path.stat().st_size < 1 << 20
    assert sum(len(block) for block in read(path, 4)) == 40
    assert tfrecord.count_records(str(path)) == 40


def test_equal_records_give_equal_files(tmp_path: Path) -> None:
    write(tmp_path / "a.gz", RECORDS)
    write(tmp_path / "b.gz", RECORDS)
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


def damage(plain: bytes, place: int) -> bytes:
    return plain[:place] + bytes([plain[place] ^ 1]) + plain[place + 1 :]


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    plain = write(tmp_path / "x.gz", [b"first", b"second", b"third"])
    path = tmp_path / "bad"
    path.write_bytes(damage(plain, plain.index(b"second") + 2))
    with pytest.raises(DataError, match=r"bad: record 1 is damaged \(its checksum does not match its 6 bytes\)"):
        read(path)


def test_a_damaged_header_is_named(tmp_path: Path) -> None:
    plain = write(tmp_path / "x.gz", [b"first", b"second", b"third"])
    path = tmp_path / "bad"
    path.write_bytes(damage(plain, plain.index(b"third") - 12))
    for call in (read, lambda p: tfrecord.count_records(str(p))):
        with pytest.raises(DataError, match=r"bad: expected a TFRecord file.*record 2 has a damaged header"):
            call(path)


@pytest.mark.parametrize("cut", [1, 5, 12, 17])
def test_a_file_cut_short(tmp_path: Path, cut: int) -> None:
    plain = write(tmp_path / "x.gz", [b"first", b"second", b"third"])
    path = tmp_path / "bad"
    path.write_bytes(plain[:-cut])
    with pytest.raises(DataError, match=r"bad: expected a whole record number 2, received only .* cut short"):
        read(path)
    with pytest.raises(DataError, match="bad: expected whole records, received a file that ends within record 2"):
        tfrecord.count_records(str(path))


def test_damaged_and_short_gzip(tmp_path: Path) -> None:
    write(tmp_path / "x.gz", RECORDS)
    data = (tmp_path / "x.gz").read_bytes()
    (tmp_path / "short.gz").write_bytes(data[:-20])
    with pytest.raises(DataError, match=r"short.gz: the gzip data ends early"):
        read(tmp_path / "short.gz")
    (tmp_path / "bad.gz").write_bytes(data[:15] + b"\xff" * 30 + data[45:])
    with pytest.raises(DataError, match=r"bad.gz: the gzip data is damaged"):
        read(tmp_path / "bad.gz")


def test_text_is_no_tfrecord(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("a,b,c\n1,2,3\n" * 10)
    with pytest.raises(DataError, match=r"data.csv: expected a TFRecord file, received one whose record 0"):
        read(path)
