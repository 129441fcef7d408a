"""Ports of this machine, for servers that tests and benchmarks start."""

import socket
from random import SystemRandom

_BELOW_EPHEMERAL = range(20_000, 32_768)
_TRIES = 100


def free_port() -> int:
    """A port of this machine on which nothing listens now.

    Not one of those that the kernel gives to outgoing connections: such a one could be gone before its server starts.
    Raises OSError when none is found.
    """
    for port in SystemRandom().sample(_BELOW_EPHEMERAL, _TRIES):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError(f"None of {_TRIES} ports is free.")
