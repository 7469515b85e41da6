"""Errors of object stores: the built-in exception that fits, naming the uri and what to do."""

from __future__ import annotations

import contextlib
import errno
import re
from collections.abc import Iterator

from mlops_tfx.filesystem.connections import connection, endpoint
from mlops_tfx.filesystem.uris import object_path, scheme_of

_REFUSED = re.compile(
    r"ACCESS_DENIED|AccessDenied|INVALID_ACCESS_KEY|InvalidAccessKeyId|SIGNATURE|HTTP status 40[13]|PERMISSION_DENIED"
    r"|UNAUTHENTICATED|Could not create a OAuth2 access token",
    re.IGNORECASE,
)
_NO_BUCKET = re.compile(r"NO_SUCH_BUCKET|NoSuchBucket|bucket does not exist", re.IGNORECASE)
_NO_SERVER = re.compile(r"curlCode: ([5-7]|35|60|77)\b")
_TOO_SLOW = re.compile(r"curlCode: 28\b|DEADLINE_EXCEEDED")
_ELSEWHERE = re.compile(r"HTTP status 301|PermanentRedirect", re.IGNORECASE)


class StorageError(OSError):
    """An object store failed, or refused for a reason that has no built-in exception of its own."""


@contextlib.contextmanager
def explained(uri: str) -> Iterator[None]:
    """Turns what pyarrow raises inside the block into an OSError with ``filename=uri`` that says what to do.

    Raises:
        FileNotFoundError: there is no such object, or no such bucket.
        PermissionError: the store refused the credentials, or they have no right to this.
        ConnectionError: the server cannot be reached.
        TimeoutError: it did not answer in time.
        StorageError: anything else.
    """
    try:
        yield
    except OSError as error:
        if error.filename is not None:  # explained already
            raise
        raise _explanation(uri, error) from error


def _explanation(uri: str, error: OSError) -> OSError:
    text, server = str(error), endpoint(scheme_of(uri))
    bucket, _ = object_path(uri)
    if _NO_BUCKET.search(text) or (isinstance(error, FileNotFoundError) and not has_bucket(uri)):
        return FileNotFoundError(
            errno.ENOENT, f"there is no bucket {bucket!r} at {server}; make it or name another", uri
        )
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(errno.ENOENT, "there is no such object or folder", uri)
    if _REFUSED.search(text):
        advice = (
            "the store refused access: set credentials (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, "
            "GOOGLE_APPLICATION_CREDENTIALS, or a role of this machine), or give them the right to this bucket"
        )
        return PermissionError(errno.EACCES, f"{advice} ({text})", uri)
    if _NO_SERVER.search(text):
        return ConnectionError(errno.ECONNREFUSED, f"the server {server} cannot be reached ({text})", uri)
    if _TOO_SLOW.search(text):
        return TimeoutError(
            errno.ETIMEDOUT, f"{server} did not answer in time; MLOPS_TFX_REQUEST_TIMEOUT sets it ({text})", uri
        )
    if _ELSEWHERE.search(text):
        return StorageError(errno.EIO, f"the bucket lies in another region; set AWS_REGION ({text})", uri)
    return StorageError(errno.EIO, f"{server} failed, also when asked again; run again later ({text})", uri)


def has_bucket(uri: str) -> bool:
    """Whether the bucket is there, as far as one may see it."""
    from pyarrow import fs

    bucket, _ = object_path(uri)
    try:
        info = connection(scheme_of(uri), bucket).get_file_info(bucket)
    except OSError:
        return True  # it may not be looked at: that is no answer
    return bool(info.type != fs.FileType.NotFound)
