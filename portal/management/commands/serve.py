"""`manage.py serve`: the portal under gunicorn."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.management.base import BaseCommand, CommandError
from django.core.wsgi import get_wsgi_application
from gunicorn.app.base import BaseApplication

from portal.demo.preflight import is_free, loopback_problem


class Command(BaseCommand):
    help = "Serve the portal's pages, its API and DICOMweb."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=settings.OVERREAD_WEB_HOST, help="address to listen on (%(default)s)")
        parser.add_argument("--port", type=int, default=settings.OVERREAD_WEB_PORT, help="port (%(default)s)")
        parser.add_argument("--workers", type=int, default=2, help="processes (%(default)s)")
        parser.add_argument("--threads", type=int, default=8, help="requests each answers at a time (%(default)s)")

    def handle(self, *, host: str, port: int, workers: int, threads: int, **_: Any) -> None:
        if settings.OVERREAD_DEMO and (problem := loopback_problem("--host", host)):
            raise CommandError(problem)
        if not is_free(host, port):
            raise CommandError(f"Port {port} on {host} is in use: stop what listens there, or give another --port.")
        _Server(f"{host}:{port}", workers=workers, threads=threads).run()


class _Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    def __init__(self, address: str, *, workers: int, threads: int) -> None:
        self.options = {
            "bind": address,
            "workers": workers,
            "threads": threads,
            "worker_class": "gthread",
            "preload_app": True,
            "accesslog": None,  # a QIDO query carries patient identifiers; the proxy in front can log paths without it
            "graceful_timeout": 10,
            "timeout": 120,
            "keepalive": 5,
            "control_socket_disable": True,
            "proc_name": "overread-web",
        }
        super().__init__()

    def load_config(self) -> None:
        for name, value in self.options.items():
            self.cfg.set(name, value)

    def load(self) -> WSGIHandler:
        return get_wsgi_application()
