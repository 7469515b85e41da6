"""Where the metadata store lies: an SQLite file, a MySQL or a PostgreSQL database.

The fields are those of ML Metadata's ``ConnectionConfig``; the two functions have TFX's names
(``tfx.orchestration.metadata``). Nothing here imports ml_metadata.
"""

from __future__ import annotations

import os
from typing import Any

from pydantic import ConfigDict, Field

from mlops_tfx.config import Config


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
