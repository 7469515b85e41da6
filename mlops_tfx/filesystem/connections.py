"""Connections to object stores: pyarrow's file systems, made from the settings that the stores' own tools use.

S3 (and servers that speak its protocol, such as MinIO) is tested against moto, not verified against the real service.
Google Cloud Storage was tried by hand against an emulator, not verified against the real service; it shares all but
its constructor with S3.

Settings are environment variables, so that programs started from here, Beam's workers among them, find them too:

    AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_PROFILE, ...   the AWS SDK's own chain
    AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL    another server, such as http://localhost:9000
    AWS_REGION, AWS_DEFAULT_REGION           otherwise the bucket is asked for its region
    AWS_MAX_ATTEMPTS                         how often a request is made until it counts as failed (5)
    GOOGLE_APPLICATION_CREDENTIALS, ...      Google's own chain
    STORAGE_EMULATOR_HOST                    another server
    MLOPS_TFX_CONNECT_TIMEOUT                seconds until a connection must stand (10)
    MLOPS_TFX_REQUEST_TIMEOUT                seconds without a byte after which a request is made again (60)
"""

from __future__ import annotations

import datetime
import os
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mlops_tfx.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow.fs

_NAMES = (
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_MAX_ATTEMPTS", "GOOGLE_APPLICATION_CREDENTIALS",
    "STORAGE_EMULATOR_HOST", "MLOPS_TFX_CONNECT_TIMEOUT", "MLOPS_TFX_REQUEST_TIMEOUT",
)  # fmt: skip

_LOCK = threading.Lock()
_MADE: dict[tuple[object, ...], pyarrow.fs.FileSystem] = {}
# A connection is not carried into a forked process: its sockets would be shared with the parent's.
os.register_at_fork(before=_LOCK.acquire, after_in_parent=_LOCK.release)
os.register_at_fork(after_in_child=_MADE.clear)
os.register_at_fork(after_in_child=_LOCK.release)


def connection(scheme: str, bucket: str) -> pyarrow.fs.FileSystem:
    """Returns the file system for a bucket; the same one for the same settings. Nothing is sent for S3 with a region.

    Raises:
        ConfigError: a setting is wrong.
    """
    settings = tuple(os.environ.get(name) for name in _NAMES)
    region = _region() if scheme == "s3" else None
    # Without a region or an endpoint each bucket has its own region.
    key = (scheme, bucket if scheme == "s3" and region is None else None, *settings)
    with _LOCK:
        if key not in _MADE:
            _MADE[key] = _s3(bucket, region) if scheme == "s3" else _gcs()
        return _MADE[key]


def endpoint(scheme: str) -> str:
    """The server that is asked, for messages."""
    if scheme == "gs":
        return os.environ.get("STORAGE_EMULATOR_HOST") or "https://storage.googleapis.com"
    return _s3_endpoint() or "Amazon's own endpoint (AWS_ENDPOINT_URL is not set)"


def _s3_endpoint() -> str | None:
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")


def _region() -> str | None:
    default = "us-east-1" if _s3_endpoint() else None
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or default


def _s3(bucket: str, region: str | None) -> pyarrow.fs.FileSystem:
    from pyarrow import fs

    options: dict[str, object] = {}
    url = _s3_endpoint()
    if url is not None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/"):
            raise ConfigError(f"AWS_ENDPOINT_URL: expected http://host:port or https://host:port, received {url!r}")
        options.update(endpoint_override=parts.netloc, scheme=parts.scheme)
    return fs.S3FileSystem(
        region=region or _region_of(bucket),
        connect_timeout=_seconds("MLOPS_TFX_CONNECT_TIMEOUT", 10),
        request_timeout=_seconds("MLOPS_TFX_REQUEST_TIMEOUT", 60),
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=int(_seconds("AWS_MAX_ATTEMPTS", 5))),
        **options,
    )


def _region_of(bucket: str) -> str | None:
    from pyarrow import fs

    try:
        region: str = fs.resolve_s3_region(bucket)
    except OSError:
        return None  # the bucket is not there, or may not be asked; the first request says so with its reason
    return region


def _gcs() -> pyarrow.fs.FileSystem:
    from pyarrow import fs

    if not hasattr(fs, "GcsFileSystem"):
        raise ImportError("this build of pyarrow has no Google Cloud Storage; run: pip install --upgrade pyarrow")
    patience = _seconds("MLOPS_TFX_REQUEST_TIMEOUT", 60) * _seconds("AWS_MAX_ATTEMPTS", 5)
    options: dict[str, object] = {"retry_time_limit": datetime.timedelta(seconds=patience)}
    server = os.environ.get("STORAGE_EMULATOR_HOST")
    if server is not None:
        parts = urlsplit(server if "://" in server else f"http://{server}")
        options.update(endpoint_override=parts.netloc, scheme=parts.scheme, anonymous=True)
    return fs.GcsFileSystem(**options)


def _seconds(name: str, default: float) -> float:
    text = os.environ.get(name, str(default))
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 1 <= value < 1e6:
        raise ConfigError(f"environment variable {name}: expected a number from 1, received {name}={text!r}")
    return value
