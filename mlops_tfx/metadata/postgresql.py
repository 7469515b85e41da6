"""Text that ML Metadata can put into PostgreSQL.

Two limits of ML Metadata 1.17 there: a text with a backslash becomes a broken SQL statement, and a text beyond 2.7 kB
does not fit its index. Such a text is stored in pieces, with its backslashes as ``%5C``: the first piece under the name
of the property, further ones under ``__piece<n>__<name>__``, and their number under ``__pieces__<name>__``.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from ml_metadata.proto import metadata_store_pb2 as pb

    Row = MutableMapping[str, pb.Value]

_PIECE_CHARACTERS = 600
"""At most 4 bytes each: 2,400 bytes, which fit the index together with a name."""


class PackingStore:
    """ML Metadata's store, with the texts of all rows packed on the way in and unpacked on the way out."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            for row in _rows(args):
                pack(row.custom_properties)
            result = method(*args, **kwargs)
            for row in _rows(result):
                unpack(row.custom_properties)
            return result

        return call


def pack(row: Row) -> None:
    """Replaces every text that PostgreSQL would refuse by its pieces; packing again changes nothing."""
    for name in [name for name, value in row.items() if _needs_packing(value)]:
        text = row[name].string_value.replace("%", "%25").replace("\\", "%5C")
        pieces = [text[i : i + _PIECE_CHARACTERS] for i in range(0, len(text), _PIECE_CHARACTERS)]
        row[name].string_value = pieces[0]
        row[_count_key(name)].int_value = len(pieces)
        for number, piece in enumerate(pieces[1:], start=1):
            row[_piece_key(name, number)].string_value = piece


def unpack(row: Row) -> None:
    """Puts the pieces of every text together again."""
    for key in [key for key in row if key.startswith("__pieces__")]:
        name = key[len("__pieces__") : -len("__")]
        rest = [_piece_key(name, number) for number in range(1, row[key].int_value)]
        text = "".join(row[part].string_value for part in (name, *rest))
        row[name].string_value = unquote(text)
        for part in (key, *rest):
            row.pop(part)


def _rows(values: Any) -> Iterator[Any]:
    if isinstance(values, list | tuple):
        for value in values:
            yield from _rows(value)
    elif hasattr(values, "custom_properties"):
        yield values


def _needs_packing(value: pb.Value) -> bool:
    text = value.string_value  # empty when the value is a number
    return "\\" in text or len(text) > _PIECE_CHARACTERS


def _count_key(name: str) -> str:
    return f"__pieces__{name}__"


def _piece_key(name: str, number: int) -> str:
    return f"__piece{number}__{name}__"
