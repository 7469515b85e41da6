"""``tfx.v1.orchestration.metadata``: where the metadata store lies, as messages of ML Metadata."""

from __future__ import annotations

from typing import Any

from mlops_tfx import connection

__all__ = ["ConnectionConfigType", "mysql_metadata_connection_config", "sqlite_metadata_connection_config"]

ConnectionConfigType = Any
"""``ml_metadata.proto.metadata_store_pb2.ConnectionConfig``; its module is loaded when one is made."""


def sqlite_metadata_connection_config(metadata_db_uri: str) -> ConnectionConfigType:
    """Returns a ConnectionConfig for an SQLite file; makes its folder."""
    from mlops_tfx.metadata.connect import prepare

    config = connection.sqlite_metadata_connection_config(metadata_db_uri)
    prepare(config, read_only=False)
    return _message(config)


def mysql_metadata_connection_config(
    host: str, port: int, database: str, username: str, password: str
) -> ConnectionConfigType:
    """Returns a ConnectionConfig for a MySQL database."""
    return _message(connection.mysql_metadata_connection_config(host, port, database, username, password))


def _message(config: connection.ConnectionConfig) -> ConnectionConfigType:
    from mlops_tfx.metadata.connect import connection_proto

    message = connection_proto(config)
    message.ClearField("retry_options")
    return message
