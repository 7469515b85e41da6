"""Where the metadata store lies: an SQLite file, a MySQL or a PostgreSQL database.

The fields are those of ML Metadata's ``ConnectionConfig``; the two functions have TFX's names
(``tfx.orchestration.metadata``). Nothing here imports ml_metadata.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, Field

from mlops_tfx.config import Config
from mlops_tfx.errors import ConfigError
from mlops_tfx.protos.forms import is_message


class SqliteConnection(Config):
    """An SQLite file, made (with its folder) at the first use.

    A lock file ``{filename_uri}.lock`` appears beside it: it makes several processes take turns at writing.
    """

    model_config = ConfigDict(frozen=True)

    filename_uri: str = Field(min_length=1)

    def __init__(self, filename_uri: str | os.PathLike[str], **fields: Any) -> None:
        path = os.fspath(filename_uri) if isinstance(filename_uri, os.PathLike) else filename_uri
        super().__init__(filename_uri=path, **fields)


class MySQLSsl(Config):
    """TLS settings of a MySQL connection: file names, and whether the server's certificate is checked."""

    model_config = ConfigDict(frozen=True)

    key: str | None = None
    cert: str | None = None
    ca: str | None = None
    capath: str | None = None
    cipher: str | None = None
    verify_server_cert: bool | None = None


class MySQLConnection(Config):
    """A MySQL database. ``socket`` names a Unix socket and replaces ``host`` and ``port``."""

    model_config = ConfigDict(frozen=True)

    host: str = ""
    port: int = Field(default=3306, ge=0, le=65535)
    database: str = Field(min_length=1)
    user: str = ""
    password: str = Field(default="", repr=False)
    socket: str | None = None
    ssl: MySQLSsl | None = None
    skip_db_creation: bool = False


class PostgreSQLSsl(Config):
    """TLS settings of a PostgreSQL connection, as in libpq."""

    model_config = ConfigDict(frozen=True)

    sslmode: str | None = None
    sslcert: str | None = None
    sslkey: str | None = None
    sslpassword: str | None = Field(default=None, repr=False)
    sslrootcert: str | None = None


class PostgreSQLConnection(Config):
    """A PostgreSQL database. ``hostaddr`` is a numeric address; ``passfile`` replaces ``password``."""

    model_config = ConfigDict(frozen=True)

    host: str = ""
    port: int = Field(default=5432, ge=0, le=65535)
    database: str = Field(min_length=1)
    user: str = ""
    password: str = Field(default="", repr=False)
    hostaddr: str | None = None
    passfile: str | None = None
    ssl: PostgreSQLSsl | None = None
    skip_db_creation: bool = False


ConnectionConfig = SqliteConnection | MySQLConnection | PostgreSQLConnection


def sqlite_metadata_connection_config(metadata_db_uri: str | os.PathLike[str]) -> SqliteConnection:
    """Returns the settings for an SQLite file."""
    return SqliteConnection(filename_uri=metadata_db_uri)


def mysql_metadata_connection_config(
    host: str, port: int, database: str, username: str, password: str
) -> MySQLConnection:
    """Returns the settings for a MySQL database."""
    return MySQLConnection(host=host, port=port, database=database, user=username, password=password)


def as_connection(given: Any) -> Any:
    """Returns the settings for a ``ConnectionConfig`` of ML Metadata; anything else as it is.

    Raises:
        ConfigError: the message names no database, or one that cannot be used.
    """
    if not is_message(given):
        return given
    kinds = {"sqlite": _from_sqlite, "mysql": _from_mysql, "postgresql": _from_postgresql}
    kind = given.WhichOneof("config") if "config" in given.DESCRIPTOR.oneofs_by_name else None
    if kind not in kinds:
        received = kind or type(given).__name__
        raise ConfigError(
            f"expected a ConnectionConfig with sqlite, mysql or postgresql, received {received}: a store on a server "
            "of its own, or in memory, is not supported; use sqlite_metadata_connection_config('a local file')"
        )
    return kinds[kind](getattr(given, kind))


def _from_sqlite(message: Any) -> SqliteConnection:
    if message.connection_mode == type(message).READONLY:
        raise ConfigError(
            f"expected a store to write to, received {message.filename_uri!r} with connection_mode=READONLY"
        )
    return SqliteConnection(message.filename_uri)


def _from_mysql(message: Any) -> MySQLConnection:
    return MySQLConnection(**_fields(message, {"ssl_options": "ssl"}))


def _from_postgresql(message: Any) -> PostgreSQLConnection:
    return PostgreSQLConnection(**_fields(message, {"ssloption": "ssl", "dbname": "database"}))


def _fields(message: Any, renamed: Mapping[str, str]) -> dict[str, Any]:
    return {renamed.get(field.name, field.name): value for field, value in message.ListFields()}
