"""Opens ML Metadata's store for connection settings, and says plainly why one cannot be opened."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import random
import time
from typing import TYPE_CHECKING, cast

from mlops_tfx import filesystem
from mlops_tfx.connection import ConnectionConfig, MySQLConnection, PostgreSQLConnection, SqliteConnection
from mlops_tfx.errors import ConfigError, MetadataError
from mlops_tfx.metadata.postgresql import PackingStore

if TYPE_CHECKING:
    from ml_metadata.metadata_store import metadata_store as mlmd
    from ml_metadata.proto import metadata_store_pb2 as pb

_ATTEMPTS = 12
_WAIT_SECONDS = 0.05
# What ML Metadata says while another process makes the same database; the last one, when some of its tables are there.
_RACES = (
    "already exists",
    "duplicate key",
    "database exists",
    "deadlock",
    "tuple concurrently updated",
    "There are a subset of tables",
)


def connection_proto(connection: ConnectionConfig, *, read_only: bool = False) -> pb.ConnectionConfig:
    """Returns ML Metadata's ``ConnectionConfig``. Raises ConfigError for anything but connection settings."""
    from ml_metadata.proto import metadata_store_pb2 as pb

    proto = pb.ConnectionConfig()
    # One attempt: we retry ourselves, as ML Metadata's own retries wait 2 seconds on average.
    proto.retry_options.max_num_retries = 1
    if isinstance(connection, SqliteConnection):
        modes = pb.SqliteMetadataSourceConfig
        proto.sqlite.filename_uri = filesystem.local_path(connection.filename_uri)
        proto.sqlite.connection_mode = modes.READONLY if read_only else modes.READWRITE_OPENCREATE
    elif isinstance(connection, MySQLConnection):
        _fill_mysql(proto.mysql, connection)
        proto.mysql.skip_db_creation |= read_only
    elif isinstance(connection, PostgreSQLConnection):
        _fill_postgresql(proto.postgresql, connection)
        proto.postgresql.skip_db_creation |= read_only
    else:
        raise ConfigError(
            f"expected SqliteConnection, MySQLConnection or PostgreSQLConnection, received connection={connection!r}"
        )
    return proto


def describe(connection: ConnectionConfig) -> str:
    """Names the store in an error, without its password."""
    if isinstance(connection, SqliteConnection):
        return connection.filename_uri
    kind = "mysql" if isinstance(connection, MySQLConnection) else "postgresql"
    socket = connection.socket if isinstance(connection, MySQLConnection) else None
    place = socket or f"{connection.host}:{connection.port}"
    return f"{kind}://{connection.user}@{place}/{connection.database}"


def prepare(connection: ConnectionConfig, *, read_only: bool) -> None:
    """Makes the folder of an SQLite file, unless ``read_only``. Raises MetadataError when the file cannot be used."""
    if not isinstance(connection, SqliteConnection):
        return
    path = filesystem.local_path(connection.filename_uri)
    _check_sqlite_path(path, read_only)
    if read_only and os.path.exists(f"{path}-journal") and _writable(path):
        _roll_back(path)


def open_store(connection: ConnectionConfig, *, read_only: bool) -> mlmd.MetadataStore:
    """Opens the store; a new SQLite file is made unless ``read_only``. Raises MetadataError."""
    proto = connection_proto(connection, read_only=read_only)
    from ml_metadata.metadata_store import metadata_store as mlmd

    _quieten()
    store = _connect(mlmd.MetadataStore, proto, connection)
    return cast("mlmd.MetadataStore", PackingStore(store)) if isinstance(connection, PostgreSQLConnection) else store


def _connect(
    cls: type[mlmd.MetadataStore], proto: pb.ConnectionConfig, connection: ConnectionConfig
) -> mlmd.MetadataStore:
    for attempt in itertools.count(1):
        try:
            return cls(proto)
        except RuntimeError as error:
            raced = any(text in str(error) for text in _RACES)
            if not raced or attempt == _ATTEMPTS:
                raise _explain(error, connection) from error
        # Another process is just making the same database or tables: next time they are there.
        time.sleep(_WAIT_SECONDS * attempt * (0.5 + random.random()))


def _fill_mysql(proto: pb.MySQLDatabaseConfig, connection: MySQLConnection) -> None:
    for name in ("host", "port", "database", "user", "password", "socket", "skip_db_creation"):
        _set(proto, name, getattr(connection, name))
    for name in ("key", "cert", "ca", "capath", "cipher", "verify_server_cert"):
        _set(proto.ssl_options, name, getattr(connection.ssl, name)) if connection.ssl else None


def _fill_postgresql(proto: pb.PostgreSQLDatabaseConfig, connection: PostgreSQLConnection) -> None:
    for name in ("host", "hostaddr", "user", "password", "passfile", "skip_db_creation"):
        _set(proto, name, getattr(connection, name))
    proto.port = str(connection.port)
    proto.dbname = connection.database
    for name in ("sslmode", "sslcert", "sslkey", "sslpassword", "sslrootcert"):
        _set(proto.ssloption, name, getattr(connection.ssl, name)) if connection.ssl else None


def _set(proto: object, name: str, value: object) -> None:
    if value not in (None, "", False):
        setattr(proto, name, value)


def _check_sqlite_path(path: str, read_only: bool) -> None:
    # Only looks at names and modes: opening and closing the file here would drop the locks that another store of this
    # process holds on it (POSIX file locks belong to the process).
    if read_only:
        if not os.path.isfile(path):
            raise MetadataError(f"there is no metadata store at {path!r}; run a pipeline with this store first")
        return
    if os.path.isdir(path):
        raise MetadataError(f"expected a file for the metadata store, but {path!r} is a folder; name a file in it")
    folder = os.path.dirname(path) or "."
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise MetadataError(
            f"the folder {folder!r} of the metadata store cannot be made: {error.strerror}; choose another place"
        ) from error
    if not _writable(folder) or (os.path.exists(path) and not _writable(path)):
        raise MetadataError(f"the metadata store {path!r} cannot be written; make file and folder writable")


def _writable(path: str) -> bool:
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def _roll_back(path: str) -> None:
    # A writer was killed. SQLite undoes its unfinished transaction at the next read, for which a connection that may
    # only read is not enough. (A journal whose writer is alive is left alone by SQLite.)
    import sqlite3

    try:
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute("SELECT name FROM sqlite_master LIMIT 1").fetchall()
    except sqlite3.Error as error:
        raise MetadataError(
            f"the metadata store {path!r} has an unfinished transaction that cannot be undone ({error}); "
            "end the program that writes to it, then try again"
        ) from error


def _explain(error: RuntimeError, connection: ConnectionConfig) -> MetadataError:
    place, text = describe(connection), str(error)
    if "file is not a database" in text:
        return MetadataError(f"{place!r} is not an SQLite database; choose another file or move this one away")
    if "is greater than library version" in text:
        return MetadataError(
            f"the metadata store {place!r} was written by a newer ml_metadata ({text.split('.')[0]}); "
            "install that release of ml-metadata, or use another store"
        )
    if "is older than library version" in text:
        return MetadataError(
            f"the metadata store {place!r} was written by an older ml_metadata ({text.split('.')[0]}); "
            "upgrade it once: ml_metadata.MetadataStore(config, enable_upgrade_migration=True)"
        )
    if "attempt to write a readonly database" in text:
        return MetadataError(f"{place!r} holds no metadata store yet; run a pipeline with this store first")
    return MetadataError(f"the metadata store {place!r} cannot be opened: {text}")


class _Known(logging.Filter):
    """Drops what ml_metadata logs before it raises the same text: we retry, or raise it as MetadataError."""

    _MESSAGES = ("%s failed after retrying %d times.", "mlmd client %s: %s")

    def filter(self, record: logging.LogRecord) -> bool:
        return record.msg not in self._MESSAGES


_KNOWN = _Known()


def _quieten() -> None:
    # addFilter does nothing when the filter is there already.
    logging.getLogger("absl").addFilter(_KNOWN)
