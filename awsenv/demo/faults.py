"""What a planted fault does to an answer: another one, a broken one, a slow one, or none at all."""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Callable
from http import HTTPStatus

from werkzeug.wrappers import Response

from .ledger import Fault
from .refusal import Refusal

# A captive portal. Not well-formed XML, like most pages.
GUEST_NETWORK = "<!DOCTYPE html><html><head><meta charset=utf-8></head><body><p>Sign in to the guest network</html>"


def another_answer(fault: Fault, refuse: Callable[[Refusal], Response]) -> Response:
    """The answer of a fault that replaces the true one; `refuse` writes an error as the service does."""
    status = fault.status or (302 if fault.redirect else 200)
    if fault.html or fault.redirect:
        response = Response(GUEST_NETWORK, status, mimetype="text/html")
    elif fault.body is not None:
        response = Response(fault.body, status, mimetype="application/json")
    else:
        response = refuse(Refusal(status, fault.code, fault.message))
    if fault.redirect:
        response.headers["Location"] = fault.redirect
    return response


def disfigure(fault: Fault, response: Response) -> None:
    """What goes wrong on the way, whether the answer is the true one or not."""
    response.headers.update(dict(fault.headers))
    if fault.content_type:
        response.headers["Content-Type"] = fault.content_type
    if fault.truncated:
        body = response.get_data()
        response.content_length = len(body)  # a promise that is not kept
        response.response = [body[: len(body) // 2]]


def reset(connection: socket.socket) -> None:
    """Closes with a TCP RST rather than a FIN, so that the client's read fails as when a firewall cuts in."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(connection.detach())  # a mere close() would wait for the files that werkzeug made of the socket


def dribble(connection: socket.socket, response: Response, pause: float, stopping: threading.Event) -> None:
    """The whole answer byte by byte, headers first: no single read ever times out, only all of them together."""
    head = f"HTTP/1.1 {response.status_code} {HTTPStatus(response.status_code).phrase}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in response.headers.items()) + "Connection: close\r\n\r\n"
    for byte in head.encode("latin-1") + response.get_data():
        connection.sendall(bytes([byte]))
        if stopping.wait(pause):
            return
