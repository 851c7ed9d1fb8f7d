"""Ports for programs that tests start."""

import socket


def held_port() -> socket.socket:
    """Of a free port, which nobody is given while this is open, and at which who reuses addresses can listen."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held
