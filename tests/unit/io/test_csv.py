from __future__ import annotations

import csv
import io
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlops_tfx.errors import ConfigError, DataError
from mlops_tfx.io.columns import concat
from mlops_tfx.io.csv_files import CsvFormat, CsvTable, read_csv
from mlops_tfx.io.csv_inspect import inspect_csv


def read(path: Path, csv_format: CsvFormat | None = None) -> tuple[CsvTable, list[dict[str, object]]]:
    table = inspect_csv([str(path)], csv_format)
    return table, concat([rows.batch for rows in read_csv(table)]).to_pylist()


def straight(text: str) -> list[dict[str, object]]:
    """What TFX's CsvExampleGen makes of the text, cell by cell."""
    header, *rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    columns = [[row[i].encode() for row in rows] for i in range(len(header))]
    parsed = [_straight_column(column) for column in columns]
    return [dict(zip(header, cells, strict=True)) for cells in zip(*parsed, strict=True)]


def _straight_column(cells: list[bytes]) -> list[object]:
    kinds = [_straight_kind(cell) for cell in cells if cell]
    if not kinds:
        return [None for _ in cells]
    parse = {0: int, 1: lambda cell: float(_float32(cell)), 2: lambda cell: cell}[max(kinds)]
    return [[parse(cell)] if cell else [] for cell in cells]


def _float32(cell: bytes) -> np.float32:
    with np.errstate(over="ignore"):
        return np.float32(float(cell))


def _straight_kind(cell: bytes) -> int:
    try:
        return 0 if -(2**63) <= int(cell) < 2**63 else 2
    except ValueError:
        pass
    try:
        float(cell)
    except ValueError:
        return 2
    return 1


CELLS = st.one_of(
    st.integers(-(2**63), 2**63 - 1).map(str),
    st.integers(-9, 9).map(str),
    st.floats(allow_nan=False).map(repr),
    st.sampled_from(
        [
            "",
            "nan",
            "NaN",
            "inf",
            "-Infinity",
            "+5",
            " 7 ",
            "1_000",
            "0x1F",
            "0X1",
            "nan(1)",
            "99999999999999999999",
            "1e400",
            "-0.0",
            "007",
            "1.",
            ".5",
            "  ",
            "\t3",
            "1e5",
            "1e19",
            "true",
            "NA",
            "null",
            "2013-01-01",
        ]
    ),
    st.text(max_size=6).filter(lambda text: "\0" not in text and "\r" not in text),
    st.text("ab,\"\n' ", max_size=6),
)


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1)))
@example([["1"], ["2"], ["x"]])
@example([["0x10"], ["2"]])
@example([["1.5"], ["99999999999999999999"]])
def test_types_and_values_equal_a_straight_reader(rows: list[list[str]]) -> None:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
    writer.writerow([f"c{i}" for i in range(len(rows[0]))])
    writer.writerows(rows)
    text = out.getvalue()
    with TemporaryDirectory() as folder:
        path = Path(folder, "data.csv")
        path.write_bytes(text.encode())
        table, ours = read(path)
    assert table.rows == len(rows)
    assert repr(ours) == repr(straight(text))


def test_types_are_inferred_over_all_rows(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    count = 200_000  # several blocks
    lines = [f"{n},{n},{n},{n}" for n in range(count)]
    lines[150_000] = "1,2.5,x,99999999999999999999"
    path.write_text("int,float,text,long\n" + "\n".join(lines) + "\n")
    table, rows = read(path)
    assert [t.name for t in table.types] == ["INT", "FLOAT", "STRING", "STRING"]
    assert table.rows == len(rows) == count
    assert rows[7] == {"int": [7], "float": [7.0], "text": [b"7"], "long": [b"7"]}
    assert rows[150_000] == {"int": [1], "float": [2.5], "text": [b"x"], "long": [b"99999999999999999999"]}


def test_quoted_cells_blank_lines_and_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(b'\xef\xbb\xbfa,"b\nc"\r\n1,"x, ""y""\nz"\r\n\r\n2,\r\n\n')
    table, rows = read(path)
    assert table.names == ("a", "b\nc")
    assert rows == [{"a": [1], "b\nc": [b'x, "y"\nz']}, {"a": [2], "b\nc": []}]


def test_delimiter_names_and_types(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("01234;5;\n99999;6;\n")
    csv_format = CsvFormat(";", ("zip", "n", "none"), {"zip": "STRING", "n": "FLOAT", "none": "INT"})
    _, rows = read(path, csv_format)
    assert rows == [{"zip": [b"01234"], "n": [5.0], "none": None}, {"zip": [b"99999"], "n": [6.0], "none": None}]


def test_files_are_read_in_order_and_types_hold_for_all(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.csv", "b.csv", "c.csv")]
    for path, text in zip(paths, ["x\n1\n2", "x\n", "x\n3.5\n"], strict=True):
        path.write_text(text)
    table = inspect_csv([str(path) for path in paths])
    batches = [rows.batch for rows in read_csv(table)]
    assert concat(batches).to_pylist() == [{"x": [1.0]}, {"x": [2.0]}, {"x": [3.5]}]


def test_a_row_longer_than_a_block(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("a,b\n1,x\n2," + "y" * (20 << 20) + "\n3,z\n")
    table, rows = read(path)
    assert table.rows == 3
    assert [len(row["b"][0]) for row in rows] == [1, 20 << 20, 1]  # type: ignore[index]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "data.csv: expected a CSV file with a header line, received an empty file"),
        (b"\n\n", "data.csv: expected a CSV file with a header line, received an empty file"),
        (b"a,b\n", "data.csv: expected at least one row of data, received only a header"),
        (b"a,b\n\n\n", "data.csv: expected at least one row of data, received only a header"),
        (b"a,b,a\n1,2,3\n", "data.csv, line 1: expected every column name once, received 'a' (columns 1 and 3)"),
        (b"a,b\n1,2\n3\n", "data.csv, line 3: expected 2 cells (a, b), received 1: '3'"),
        (b'a,b\n"x\ny\nz",2\n\n3,4,5\n', "data.csv, line 6: expected 2 cells (a, b), received 3: '3,4,5'"),
        (
            b"a,b\n1,2\n3,\xff\xfe\n",
            "data.csv, line 3: expected UTF-8 text, received byte 0xff at position 3 of the line",
        ),
        (b"a,\xe9\n1,2\n", "data.csv, line 1: expected UTF-8 text, received byte 0xe9 at position 3"),
        (b'a,b\n1,2\n3,"x\n4,5\n', "data.csv: expected every quote to be closed"),
    ],
)
def test_files_that_are_wrong(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read(path)
    assert message in str(caught.value)


def test_a_late_wrong_line_in_a_large_file(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    lines = [f"{n},{n / 2},text {n}" for n in range(400_000)]
    lines[390_000] += ",too,much"
    path.write_text("a,b,c\n" + "\n".join(lines) + "\n")
    with pytest.raises(DataError, match=r"data.csv, line 390002: expected 3 cells \(a, b, c\), received 5: '390000,"):
        read(path)


def test_different_headers(tmp_path: Path) -> None:
    for name, text in (("1.csv", "a,b\n1,2\n"), ("2.csv", "a,c\n1,2\n")):
        (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=r"2.csv, line 1: expected the header of .*1.csv \(a, b\), received a, c"):
        inspect_csv([str(tmp_path / "1.csv"), str(tmp_path / "2.csv")])


def test_a_cell_that_is_not_of_the_given_type(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text('a,n\n"x\ny",1\nz,\nw,77.5\n')
    with pytest.raises(
        DataError, match=r"data.csv, line 5, column 'n': expected INT \(from column_types\), received '77.5'"
    ):
        inspect_csv([str(path)], CsvFormat(column_types={"n": "INT"}))
    with pytest.raises(ConfigError, match="column_types: there is no column 'nn'; did you mean 'n'"):
        inspect_csv([str(path)], CsvFormat(column_types={"nn": "INT"}))
    with pytest.raises(ConfigError, match="expected INT, FLOAT or STRING for column 'n', received 'int'"):
        inspect_csv([str(path)], CsvFormat(column_types={"n": "int"}))


def test_a_file_that_changes_between_the_passes(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("a,b\n1,2\n")
    table = inspect_csv([str(path)])
    path.write_text("a,b\n1,x\n")
    with pytest.raises(DataError, match="the file was changed while it was read"):
        list(read_csv(table))


def test_batches_have_the_agreed_types(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("i,f,s,e\n1,1.5,x,\n,,,\n")
    (rows,) = read_csv(inspect_csv([str(path)]))
    expected = [pa.large_list(pa.int64()), pa.large_list(pa.float32()), pa.large_list(pa.large_binary()), pa.null()]
    assert [field.type for field in rows.batch.schema] == expected


TEXT = 'a,b\r\n1,"x\r\ny, ""z"""\r\n2,\r\n' + "".join(f"{n},row {n}\r\n" for n in range(3, 3000))


def compress(text: bytes, codec: str) -> bytes:
    import bz2
    import gzip

    if codec == "zst":
        return bytes(pa.compress(text, codec="zstd", asbytes=True))
    # Several members in one file, as concatenated files are.
    parts = (text[:1000], text[1000:])
    return b"".join({"gz": gzip.compress, "bz2": bz2.compress}[codec](part) for part in parts)


@pytest.mark.parametrize("codec", ["gz", "bz2", "zst"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_compressed_files_are_read_as_the_plain_ones(codec: str, mark: bytes, tmp_path: Path) -> None:
    (tmp_path / "plain.csv").write_bytes(mark + TEXT.encode())
    (tmp_path / f"a.csv.{codec}").write_bytes(compress(mark + TEXT.encode(), codec))
    _, plain = read(tmp_path / "plain.csv")
    table, rows = read(tmp_path / f"a.csv.{codec}")
    assert rows == plain
    assert rows[0] == {"a": [1], "b": [b'x\r\ny, "z"']}
    assert (table.rows, len(rows)) == (2999, 2999)


@pytest.mark.parametrize("codec", ["gz", "bz2", "zst"])
@pytest.mark.parametrize("keep", [0.02, 0.5, 0.99])
def test_a_compressed_file_that_is_cut_off(codec: str, keep: float, tmp_path: Path) -> None:
    data = compress(TEXT.encode(), codec)
    (tmp_path / f"a.csv.{codec}").write_bytes(data[: max(8, int(len(data) * keep))])
    with pytest.raises(DataError, match=rf"a.csv.{codec}: the \w+ data is damaged or cut off"):
        read(tmp_path / f"a.csv.{codec}")


def test_a_wrong_line_of_a_compressed_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(compress((TEXT + "1,2,3\r\n").encode(), "gz"))
    with pytest.raises(DataError, match=r"a.csv.gz, line 3002: expected 2 cells"):
        read(tmp_path / "a.csv.gz")


def test_empty_compressed_files(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(compress(b"", "gz"))
    with pytest.raises(DataError, match="received an empty file"):
        read(tmp_path / "a.csv.gz")
    with pytest.raises(DataError, match="at least one row"):
        read(tmp_path / "a.csv.gz", CsvFormat(column_names=("a",)))
