"""Avro files as rows in tf.Example form, block by block.

Many blocks of plain records are decoded together (avro_lockstep.py). What that cannot, and files of a few blocks, are
decoded by fastavro to dicts (in Cython, but one call per value), of which Arrow makes columns. A block of an Avro file
is an Avro array but for its ends, so one call decodes all of its records. What both cost: docs/performance.md.
"""

from __future__ import annotations

import io
import itertools
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from mlops_tfx.errors import DataError
from mlops_tfx.io import agreement, avro_file, avro_lockstep, avro_schema, columns
from mlops_tfx.io import examples as examples_io
from mlops_tfx.io.ahead import ahead
from mlops_tfx.io.lockstep import IrregularError
from mlops_tfx.io.rows import Rows

if TYPE_CHECKING:
    from mlops_tfx.io.inputs import InputSplit

_LOCKSTEP_BYTES = 16 << 20
_CHUNK_BYTES = 4 << 20  # as dicts they are about ten times as large
_DECODING = (EOFError, ValueError, IndexError, KeyError, OverflowError, MemoryError, TypeError, struct.error)


def read_avro(split: InputSplit) -> Iterator[Rows]:
    """Reads Avro files in order, as rows in tf.Example form.

    Null is a missing value, and so is an empty array; zero, an empty string and False are values. Booleans and integers
    become int64, floats float32, text, bytes, fixed and enums bytes; logical types as in `columns.to_example_form`. All
    files give the same columns: a field that a file lacks is missing there, and what is an integer in one and a float
    in another file is a float.

    Raises:
        DataError: a file is not Avro or is damaged, a field cannot be a feature, or files disagree about the type of a
            field; names file, block and field.
    """
    schemas = {path: avro_schema.record_schema(avro_file.read_header(path).schema, path) for path in split.files}
    agreed = agreement.agree({path: schema.types for path, schema in schemas.items()})
    for path, schema in schemas.items():
        for batch in _read_file(path, schema):
            yield Rows(agreement.conform(batch, agreed), where=path)


def count_rows(split: InputSplit) -> int:
    """Rows in the files, counted without decoding them."""
    return sum(avro_file.count_records(path) for path in split.files)


def _read_file(path: str, schema: avro_schema.RecordSchema) -> Iterator[pa.RecordBatch]:
    # Decompressing releases Python's lock, decoding does not.
    for blocks in _together(ahead(avro_file.read_blocks(path))):
        try:
            if len(blocks) < avro_lockstep.FEWEST_BLOCKS:
                raise IrregularError
            yield _batch(avro_lockstep.decode(blocks, schema), schema, blocks[0].where)
        except IrregularError:
            yield from _by_fastavro(blocks, schema)


def _together(blocks: Iterator[avro_file.Block]) -> Iterator[list[avro_file.Block]]:
    gathered: list[avro_file.Block] = []
    size = 0
    for block in blocks:
        gathered.append(block)
        size += len(block.data)
        if size >= _LOCKSTEP_BYTES:
            yield gathered
            gathered, size = [], 0
    if gathered:
        yield gathered


def _by_fastavro(blocks: list[avro_file.Block], schema: avro_schema.RecordSchema) -> Iterator[pa.RecordBatch]:
    chunk: list[dict[str, Any]] = []
    size, begin = 0, ""
    for block in blocks:
        for rows in _decode(block, schema):
            begin = begin or block.where
            chunk += rows
            size += len(block.data) * len(rows) // block.count
            if size >= _CHUNK_BYTES or len(chunk) >= examples_io.BATCH_ROWS:
                yield _batch(_arrays(chunk, schema, begin), schema, begin)
                chunk, size, begin = [], 0, ""
    if chunk:
        yield _batch(_arrays(chunk, schema, begin), schema, begin)


def _decode(block: avro_file.Block, schema: avro_schema.RecordSchema) -> Iterator[list[dict[str, Any]]]:
    """The records of a block: all at once, or some at a time if the block is large."""
    from fastavro import schemaless_reader

    if len(block.data) > _CHUNK_BYTES:
        yield from _decode_slowly(block, schema)
        return
    stream = io.BytesIO(_zigzag(block.count) + block.data + b"\0")
    try:
        rows = cast("list[dict[str, Any]]", schemaless_reader(stream, schema.block, None))
    except _DECODING:
        rows = []
    if len(rows) != block.count or stream.read(1):
        rows = list(itertools.chain.from_iterable(_decode_slowly(block, schema)))
    yield rows


def _decode_slowly(block: avro_file.Block, schema: avro_schema.RecordSchema) -> Iterator[list[dict[str, Any]]]:
    """Record by record, so that a damaged one is known by its number."""
    from fastavro import schemaless_reader

    stream, begin = io.BytesIO(block.data), 0
    rows: list[dict[str, Any]] = []
    for index in range(block.count):
        try:
            rows.append(cast("dict[str, Any]", schemaless_reader(stream, schema.wire, None)))
        except _DECODING as error:
            raise DataError(
                f"{block.path}, block {block.number}, record {block.first + index} is damaged: it cannot be decoded "
                f"({type(error).__name__}: {error}); write or copy the file again"
            ) from error
        if stream.tell() - begin >= _CHUNK_BYTES:
            yield rows
            rows, begin = [], stream.tell()
    if rest := len(block.data) - stream.tell():
        raise DataError(f"{block.where} is damaged: {rest} bytes follow its records; write or copy the file again")
    yield rows


def _zigzag(count: int) -> bytes:
    from mlops_tfx.io.wire import varint

    return varint(count << 1)


def _arrays(rows: list[dict[str, Any]], schema: avro_schema.RecordSchema, where: str) -> list[pa.Array]:
    struct_type = pa.struct([pa.field(field.name, field.storage) for field in schema.fields])
    try:
        arrays: list[pa.Array] = pa.array(rows, struct_type).flatten()
    except pa.ArrowException as error:
        raise DataError(f"{where} and the following: {error}") from error
    return arrays


def _batch(arrays: list[pa.Array], schema: avro_schema.RecordSchema, where: str) -> pa.RecordBatch:
    try:
        done = [_typed(array, field.type) for array, field in zip(arrays, schema.fields, strict=True)]
        batch = pa.RecordBatch.from_arrays(done, [field.name for field in schema.fields])
        return columns.to_example_form(batch)
    except (DataError, pa.ArrowException) as error:
        raise DataError(f"{where} and the following: {error}") from error


def _typed(array: pa.Array, target: pa.DataType) -> pa.Array:
    """Checks text and puts logical types on."""
    return array if array.type == target else array.cast(target)
