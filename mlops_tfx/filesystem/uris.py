"""Paths and uris as text: which place they name, and their parts. Nothing here looks at a disk or a network."""

from __future__ import annotations

import os
import re

from mlops_tfx.errors import ConfigError

SCHEMES = ("file", "gs", "s3")
"""What may stand before ``://``. A text without it is a local path."""

_SCHEME = re.compile(r"^([a-zA-Z][a-zA-Z0-9+.-]+)://")

Uri = str | os.PathLike[str]


def scheme_of(uri: Uri) -> str:
    """Returns ``file``, ``gs`` or ``s3``. Raises ConfigError for another scheme, with the known ones."""
    text = os.fspath(uri)
    match = _SCHEME.match(text)
    if match is None:
        return "file"
    scheme = match.group(1).lower()
    if scheme not in SCHEMES:
        known = ", ".join(f"{name}://" for name in SCHEMES)
        raise ConfigError(f"expected a local path or a uri that begins with one of {known}; received uri={text!r}")
    return scheme


def is_local(uri: Uri) -> bool:
    """Whether it names a place on this machine. Raises ConfigError for an unknown scheme."""
    return scheme_of(uri) == "file"


def local_path(uri: Uri) -> str:
    """Returns ``uri`` as a local path. Raises ConfigError if it is none."""
    text = os.fspath(uri)
    if not is_local(text):
        raise ConfigError(
            f"expected a path on this machine, received uri={text!r}: this is read or written by a library that takes "
            "local paths only; copy it here first, or name a local folder"
        )
    return text[len("file://") :] if _SCHEME.match(text) else text


def object_path(uri: Uri) -> tuple[str, str]:
    """Returns bucket and key of a uri on an object store, without slashes at their ends; the key may be empty.

    Raises:
        ConfigError: the uri names no bucket.
    """
    text = os.fspath(uri)
    bucket, _, key = text[text.index("://") + 3 :].partition("/")
    if not bucket:
        raise ConfigError(f"expected {scheme_of(text)}://bucket/name, received uri={text!r}: there is no bucket in it")
    return bucket, key.strip("/")


def join(base: Uri, *parts: str) -> str:
    """Joins the parts to a path or uri."""
    return os.path.join(os.fspath(base), *parts)


def basename(uri: Uri) -> str:
    """The last part of a path or uri; the name of the bucket, where there is no more."""
    return os.path.basename(os.fspath(uri).rstrip("/"))


def dirname(uri: Uri) -> str:
    """All but the last part. The parent of a bucket is the bucket."""
    text = os.fspath(uri)
    if is_local(text):
        return os.path.dirname(text)
    bucket, key = object_path(text)
    return text[: text.index("://") + 3] + "/".join([bucket, *key.split("/")[:-1]])


def relative(uri: Uri, base: Uri) -> str:
    """The part of ``uri`` below ``base``; ``.`` for ``base`` itself. Raises ValueError if it does not lie there."""
    text, start = os.fspath(uri).rstrip("/"), os.fspath(base).rstrip("/")
    if text == start:
        return "."
    if not text.startswith(f"{start}/"):
        raise ValueError(f"expected something below {start!r}, received uri={text!r}")
    return text[len(start) + 1 :]


def absolute(uri: Uri) -> str:
    """A local path made absolute; a uri as it is, without a slash at its end."""
    text = os.fspath(uri)
    return os.path.abspath(local_path(text)) if is_local(text) else text.rstrip("/")
