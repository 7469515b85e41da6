"""Connection settings, and the ml_metadata settings made of them."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_tfx.connection import (
    MySQLConnection,
    MySQLSsl,
    PostgreSQLConnection,
    PostgreSQLSsl,
    SqliteConnection,
    mysql_metadata_connection_config,
    sqlite_metadata_connection_config,
)
from mlops_tfx.errors import ConfigError
from mlops_tfx.metadata.connect import connection_proto, describe

ALL = [
    SqliteConnection("runs/metadata.sqlite"),
    MySQLConnection(host="db", database="mlmd", user="me", password="secret"),
    PostgreSQLConnection(host="db", database="mlmd", user="me", password="secret"),
]


def test_sqlite_settings_reach_ml_metadata():
    from ml_metadata.proto import metadata_store_pb2 as pb

    modes = pb.SqliteMetadataSourceConfig
    proto = connection_proto(SqliteConnection(Path("a") / "b.sqlite"))
    assert (proto.sqlite.filename_uri, proto.sqlite.connection_mode) == ("a/b.sqlite", modes.READWRITE_OPENCREATE)
    assert proto.WhichOneof("config") == "sqlite"
    proto = connection_proto(SqliteConnection(filename_uri="file:///x/b.sqlite"), read_only=True)
    assert (proto.sqlite.filename_uri, proto.sqlite.connection_mode) == ("/x/b.sqlite", modes.READONLY)


def test_ml_metadata_does_not_retry_by_itself():
    # Its own retries wait 2 seconds on average.
    assert {connection_proto(connection).retry_options.max_num_retries for connection in ALL} == {1}


def test_mysql_settings_reach_ml_metadata():
    connection = MySQLConnection(
        host="db",
        port=3307,
        database="mlmd",
        user="me",
        password="secret",
        skip_db_creation=True,
        ssl=MySQLSsl(key="k", cert="c", ca="a", capath="p", cipher="x", verify_server_cert=True),
    )
    mysql = connection_proto(connection).mysql
    assert (mysql.host, mysql.port, mysql.database, mysql.user, mysql.password) == ("db", 3307, "mlmd", "me", "secret")
    assert mysql.skip_db_creation
    ssl = mysql.ssl_options
    assert (ssl.key, ssl.cert, ssl.ca, ssl.capath, ssl.cipher) == ("k", "c", "a", "p", "x")
    assert ssl.verify_server_cert
    plain = connection_proto(MySQLConnection(socket="/run/mysql.sock", database="mlmd")).mysql
    assert plain.socket == "/run/mysql.sock"
    assert not plain.HasField("ssl_options")
    assert not plain.skip_db_creation
    assert connection_proto(
        connection.model_copy(update={"skip_db_creation": False}), read_only=True
    ).mysql.skip_db_creation


def test_postgresql_settings_reach_ml_metadata():
    connection = PostgreSQLConnection(
        host="db",
        hostaddr="10.0.0.1",
        port=5433,
        database="mlmd",
        user="me",
        passfile="/p",
        ssl=PostgreSQLSsl(sslmode="verify-full", sslcert="c", sslkey="k", sslpassword="w", sslrootcert="r"),
    )
    server = connection_proto(connection).postgresql
    assert (server.host, server.hostaddr, server.port, server.dbname) == ("db", "10.0.0.1", "5433", "mlmd")
    assert (server.user, server.passfile, server.password) == ("me", "/p", "")
    ssl = server.ssloption
    assert (ssl.sslmode, ssl.sslcert, ssl.sslkey, ssl.sslpassword, ssl.sslrootcert) == (
        "verify-full",
        "c",
        "k",
        "w",
        "r",
    )
    assert not connection_proto(PostgreSQLConnection(database="mlmd")).postgresql.HasField("ssloption")


def test_tfxs_functions_give_the_same_settings():
    assert sqlite_metadata_connection_config("m.sqlite") == SqliteConnection("m.sqlite")
    assert sqlite_metadata_connection_config(metadata_db_uri="m.sqlite").filename_uri == "m.sqlite"
    assert mysql_metadata_connection_config("db", 3307, "mlmd", "me", "secret") == MySQLConnection(
        host="db", port=3307, database="mlmd", user="me", password="secret"
    )


@pytest.mark.parametrize("connection", ALL, ids=lambda connection: type(connection).__name__)
def test_settings_are_values_that_hide_their_password(connection):
    assert pickle.loads(pickle.dumps(connection)) == copy.deepcopy(connection) == connection
    assert hash(connection) == hash(copy.deepcopy(connection))
    assert "secret" not in repr(connection)
    assert "secret" not in describe(connection)
    with pytest.raises(ValueError, match="frozen"):
        connection.database = "other"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SqliteConnection(""), r"filename_uri: .*at least 1 character"),
        (lambda: SqliteConnection(3), r"filename_uri: .*valid string, received 3"),
        (lambda: SqliteConnection("x", mode="r"), r"SqliteConnection has no field 'mode'"),
        (lambda: MySQLConnection(host="db", database="d", usr="me"), r"no field 'usr'; did you mean 'user'"),
        (lambda: MySQLConnection(host="db", database=""), r"database: .*at least 1 character"),
        (lambda: MySQLConnection(database="d", port=70000), r"port: .*less than or equal to 65535, received 70000"),
        (lambda: PostgreSQLConnection(host="db"), r"database: Field required"),
        (lambda: PostgreSQLConnection(database="d", port="x"), r"port: .*valid integer"),
        (
            lambda: PostgreSQLConnection(database="d", ssl={"mode": "x"}),
            r"PostgreSQLSsl has no field 'mode'; did you mean 'sslmode'",
        ),
    ],
)
def test_wrong_settings_are_refused_by_name(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_anything_else_than_settings_is_refused():
    with pytest.raises(ConfigError, match=r"expected SqliteConnection, .* received connection='metadata\.sqlite'"):
        connection_proto("metadata.sqlite")


def test_importing_the_settings_and_the_store_does_not_import_ml_metadata():
    code = "import sys, mlops_tfx.connection, mlops_tfx.metadata; sys.exit('ml_metadata' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
