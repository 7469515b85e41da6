"""``tfx.utils.io_utils``: files and folders, on whatever file system they are."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable
from typing import Any, TypeVar

from mlops_tfx import filesystem
from mlops_tfx.filesystem import copy_tree

M = TypeVar("M")
_SECOND = 10**9


def ensure_local(file_path: str) -> str:
    """Returns the path of a file on this machine: itself, or a copy of a remote one."""
    if filesystem.is_local(file_path):
        return file_path
    path = os.path.join(tempfile.mkdtemp(), filesystem.basename(file_path))
    copy_file(file_path, path)
    return path


def copy_file(src: str, dst: str, overwrite: bool = False) -> None:
    """Copies a file, making the folder. Raises FileExistsError if there is one, unless ``overwrite``."""
    if filesystem.exists(dst) and not overwrite:
        raise FileExistsError(f"{dst} exists; pass overwrite=True to replace it")
    filesystem.remove_tree(dst)
    copy_tree(src, dst)


def copy_dir(
    src: str, dst: str, allow_regex_patterns: Iterable[str] = (), deny_regex_patterns: Iterable[str] = ()
) -> None:
    """Copies a folder with all in it, in place of what was there.

    Args:
        src: the folder.
        dst: where to.
        allow_regex_patterns: if any, only files whose path has a match of one of them are copied.
        deny_regex_patterns: files whose path has a match of one of them are left out.
    """
    allowed = [re.compile(pattern) for pattern in allow_regex_patterns]
    denied = [re.compile(pattern) for pattern in deny_regex_patterns]
    src, dst = src.rstrip("/"), dst.rstrip("/")
    filesystem.remove_tree(dst)
    filesystem.makedirs(dst)
    if not allowed and not denied:
        copy_tree(src, dst)
        return
    for path in filesystem.walk_files(src):
        wanted = not allowed or any(pattern.search(path) for pattern in allowed)
        if wanted and not any(pattern.search(path) for pattern in denied):
            copy_tree(path, dst + path.removeprefix(src))


def get_only_uri_in_dir(dir_path: str) -> str:
    """Returns the path of the one entry of a folder. Raises RuntimeError if there are none or several."""
    names = filesystem.listdir(dir_path)
    if len(names) != 1:
        raise RuntimeError(f"expected one entry in {dir_path!r}, found {len(names)}")
    return filesystem.join(dir_path, names[0].rstrip("/"))


def delete_dir(path: str) -> None:
    """Removes a folder with all in it, if it is there."""
    if filesystem.isdir(path):
        filesystem.remove_tree(path)


def write_string_file(file_name: str, string_value: str) -> None:
    """Writes text to a file, making its folder."""
    filesystem.write_bytes(file_name, string_value.encode("utf-8"))


def write_bytes_file(file_name: str, content: bytes) -> None:
    """Writes bytes to a file, making its folder."""
    filesystem.write_bytes(file_name, content)


def write_pbtxt_file(file_name: str, proto: Any) -> None:
    """Writes a message in text format, making the folder."""
    from google.protobuf import text_format

    write_string_file(file_name, text_format.MessageToString(proto))


def write_tfrecord_file(file_name: str, *proto: Any) -> None:
    """Writes messages as a TFRecord file, making the folder."""
    import tensorflow as tf

    filesystem.makedirs(filesystem.dirname(file_name))
    with tf.io.TFRecordWriter(file_name) as writer:
        for message in proto:
            writer.write(message.SerializeToString())


def parse_pbtxt_file(file_name: str, message: M) -> M:
    """Sets the fields of a message from a file in text format, and returns it."""
    from google.protobuf import text_format

    return text_format.Parse(read_string_file(file_name), message)  # type: ignore[type-var]  # M is a message


def parse_json_file(file_name: str, message: M) -> M:
    """Sets the fields of a message from a file of JSON, and returns it."""
    from google.protobuf import json_format

    return json_format.Parse(read_string_file(file_name), message)  # type: ignore[type-var]  # M is a message


def load_csv_column_names(csv_file: str) -> list[str]:
    """Returns the entries of the first line of a file, cut at commas."""
    with filesystem.open(csv_file) as file:
        return str(file.readline()).strip().split(",")


def all_files_pattern(file_pattern: str) -> str:
    """Returns the pattern of all files in a folder."""
    return os.path.join(file_pattern, "*")


def generate_fingerprint(split_name: str, file_pattern: str) -> str:
    """Returns TFX's fingerprint of the files that match: how many, bytes, times of change in whole seconds."""
    stats = [filesystem.stat(path) for path in filesystem.glob(file_pattern)]
    xor, seconds = 0, [stat.modified_ns // _SECOND for stat in stats]
    for second in seconds:
        xor ^= second
    total = sum(stat.size for stat in stats)
    return (
        f"split:{split_name},num_files:{len(stats)},total_bytes:{total},xor_checksum:{xor},sum_checksum:{sum(seconds)}"
    )


def read_string_file(file_name: str) -> str:
    """Returns the text of a file. Raises FileNotFoundError if there is none."""
    return filesystem.read_bytes(file_name).decode("utf-8")


def read_bytes_file(file_name: str) -> bytes:
    """Returns the bytes of a file. Raises FileNotFoundError if there is none."""
    return filesystem.read_bytes(file_name)


class SchemaReader:
    """Reads schemas."""

    def read(self, schema_path: str) -> Any:
        """Returns the tensorflow_metadata Schema of a file in text format."""
        from mlops_tfx.io import protos

        return protos.read_schema(schema_path)
