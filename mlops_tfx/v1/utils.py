"""``tfx.v1.utils``: JSON values, and messages in text files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from mlops_tfx import filesystem
from mlops_tfx.errors import DataError

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["JsonableType", "parse_pbtxt_file"]

M = TypeVar("M", bound="Message")

JsonableType = bool | bytes | float | int | str | list[Any] | dict[str, Any] | None
"""What ``custom_config`` and the like may hold, at any depth."""


def parse_pbtxt_file(file_name: str, message: M) -> M:
    """Reads a file in protobuf's text format into a message, and returns it.

    Raises:
        DataError: the file is not the text of such a message; names file, line and column.
        FileNotFoundError: there is no such file.
    """
    from google.protobuf import text_format

    with filesystem.open(file_name) as file:
        text = file.read()
    try:
        return text_format.Parse(text, message)
    except text_format.ParseError as error:
        expected = message.DESCRIPTOR.full_name
        raise DataError(f"{file_name}: expected a {expected} in protobuf's text format: {error}") from error
