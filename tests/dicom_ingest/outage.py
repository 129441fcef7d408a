"""A real loss of the database, for those who must outlive it."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg2
from django.db import connection


@contextmanager
def database_away() -> Iterator[None]:
    """PostgreSQL hangs up on everybody but this thread, and takes no new connections."""
    name = connection.settings_dict["NAME"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (own,) = cursor.fetchone()
    with closing(psycopg2.connect(**connection.get_connection_params() | {"dbname": "postgres"})) as other:
        other.autocommit = True
        with other.cursor() as cursor:
            cursor.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> %s", [name, own]
            )
            try:
                yield
            finally:
                cursor.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
