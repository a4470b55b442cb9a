"""Addresses of a machine that has a network of its own, at which servers outside of it answer."""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import socket
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread

_CLONE_NEWNET = 0x40000000
"""linux/sched.h"""
_SIOCSIFFLAGS = 0x8914
"""linux/sockios.h"""
_UP_AND_RUNNING = 0x1 | 0x40
"""linux/if.h"""


@contextmanager
def answering(pid: int, address: tuple[str, int], server: tuple[str, int]) -> Iterator[None]:
    """Let a server of our network answer at an address in the network of a process.

    A socket stays in the network that it was made in, whoever holds it (network_namespaces(7)).
    """

    class Carrier(BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(server) as other:
                _carry(self.request, other)

    class Listener(ThreadingTCPServer):
        daemon_threads = True

    listener = Listener(address, Carrier, bind_and_activate=False)
    listener.socket.close()
    with ThreadPoolExecutor(1) as pool:  # the thread that changes its network ends after it
        listener.socket = pool.submit(_listening, pid, address).result()
    thread = Thread(target=lambda: listener.serve_forever(poll_interval=0.05))
    thread.start()
    try:
        yield
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()


def _listening(pid: int, address: tuple[str, int]) -> socket.socket:
    libc = ctypes.CDLL(None, use_errno=True)
    network = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    try:
        if libc.setns(network, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(network)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", _UP_AND_RUNNING))
    return socket.create_server(address)


def _carry(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes both ways until one side has ended."""
    towards = {one: other, other: one}
    while True:
        for end in select.select(list(towards), [], [])[0]:
            try:
                data = end.recv(1 << 16)
                towards[end].sendall(data)
            except OSError:
                return
            if not data:
                return
