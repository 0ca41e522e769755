"""A few HTTP answers on 127.0.0.1, for a browser on this machine and for nothing else.

One thread, no http.server: its one-at-a-time loop is stopped for good by a connection that says nothing, its threads
outlive Ctrl-C, and it answers what it was never asked to.
"""

from __future__ import annotations

import os
import re
import selectors
import socket
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Self

from awsenv import pages

ADDRESS = "127.0.0.1"
_PATIENCE = 5.0  # seconds for one connection to say what it wants, however slowly it drips
_CROWD = 32  # connections at once; one more, and the oldest goes: a browser says what it wants at once
_LONGEST = 65536  # bytes; the cookies of every other server on 127.0.0.1 come along
_REQUEST = re.compile(rb"([A-Z]{1,20}) (/[\x21-\x7e]*) HTTP/1\.[01]")

_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_LOCAL = ("0100007F", "0000000000000000FFFF00000100007F")  # 127.0.0.1 as these tables write it
_LOCAL_BIG_ENDIAN = ("7F000001", "00000000000000000000FFFF7F000001")

_HEADERS = (
    "Content-Type: text/html; charset=utf-8",
    # data: is the empty icon, without which a browser asks for /favicon.ico
    "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy: no-referrer",
    "Cache-Control: no-store",
    "X-Content-Type-Options: nosniff",
    "Connection: close",
)
_REASONS = {200: "OK", 303: "See Other", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed"}


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer. With *is_last* the serving ends once it is sent."""

    page: str
    status: int = 200
    location: str | None = None
    is_last: bool = False

    def encoded(self) -> bytes:
        """The reply as it goes over the wire."""
        body = self.page.encode()
        lines = [f"HTTP/1.1 {self.status} {_REASONS[self.status]}", *_HEADERS, f"Content-Length: {len(body)}"]
        if self.location is not None:
            lines.append(f"Location: {self.location}")
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


NOT_FOUND = Reply(pages.NOT_FOUND, 404)
_NOT_ALLOWED = Reply(pages.NOT_FOUND, 405)
_UNREADABLE = Reply(pages.NOT_FOUND, 400)

Answer = Callable[[str, int], Reply]
"""(path with query, port of the peer) → what to say to a GET."""


@dataclass(slots=True)
class _Visit:
    until: float
    said: bytes = b""


class Loopback:
    """A listener on a free port of 127.0.0.1, from the moment it is made until the end of its `with`."""

    def __init__(self) -> None:
        self._visits: dict[socket.socket, _Visit] = {}  # oldest first
        self._selector = selectors.DefaultSelector()
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            self._listener.bind((ADDRESS, 0))
            self._listener.listen(64)
            self._listener.setblocking(False)
            self._selector.register(self._listener, selectors.EVENT_READ)
        except BaseException:
            self.close()
            raise
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the port; whoever is still connected is cut off."""
        for visitor in list(self._visits):
            self._forget(visitor)
        self._selector.close()
        self._listener.close()

    @property
    def authority(self) -> str:
        """`127.0.0.1:PORT`, as the Host header must say: a page elsewhere whose name resolves to us says another."""
        return f"{ADDRESS}:{self.port}"

    def serve(self, answer: Answer, seconds: float) -> bool:
        """Answer until a reply is the last one: True; False when the time is over. May be called again."""
        end = monotonic() + seconds
        while True:
            now = monotonic()
            for visitor in [visitor for visitor, visit in self._visits.items() if visit.until <= now]:
                self._forget(visitor)
            if now >= end:
                return False
            wake = min([end, *(visit.until for visit in self._visits.values())])
            for key, _ in self._selector.select(wake - now):
                if key.fileobj is self._listener:
                    self._welcome()
                elif isinstance(key.fileobj, socket.socket) and self._hear(key.fileobj, answer):
                    return True

    def _welcome(self) -> None:
        if len(self._visits) >= _CROWD:
            self._forget(next(iter(self._visits)))
        try:
            visitor, _ = self._listener.accept()
        except BlockingIOError:  # gone again
            return
        except OSError:  # no descriptor left
            sleep(0.05)
            return
        visitor.setblocking(False)
        self._visits[visitor] = _Visit(monotonic() + _PATIENCE)
        self._selector.register(visitor, selectors.EVENT_READ)

    def _hear(self, visitor: socket.socket, answer: Answer) -> bool:
        visit = self._visits.get(visitor)
        if visit is None:  # forgotten while it had something to say
            return False
        try:
            more = visitor.recv(8192)
        except BlockingIOError:
            return False
        except OSError:
            more = b""
        visit.said += more
        head, end, _ = visit.said.partition(b"\r\n\r\n")
        if more and not end and len(visit.said) < _LONGEST:
            return False
        try:
            if end:
                reply = self._reply(head, visitor.getpeername()[1], answer)
                # All of it: the kernel takes a page at once, and delivers it also after the end of this process.
                visitor.settimeout(_PATIENCE)
                visitor.sendall(reply.encoded())
                return reply.is_last
        except OSError:
            pass  # the browser has gone: its reply was never seen, so nothing has ended
        finally:
            self._forget(visitor)
        return False

    def _reply(self, head: bytes, port: int, answer: Answer) -> Reply:
        first, *headers = head.split(b"\r\n")
        request = _REQUEST.fullmatch(first)
        if request is None:
            return _UNREADABLE
        hosts = [
            value.strip() for name, _, value in (line.partition(b":") for line in headers) if name.lower() == b"host"
        ]
        if hosts != [self.authority.encode()]:
            return NOT_FOUND
        if request[1] != b"GET":
            return _NOT_ALLOWED
        return answer(request[2].decode("ascii"), port)

    def _forget(self, visitor: socket.socket) -> None:
        del self._visits[visitor]
        self._selector.unregister(visitor)
        visitor.close()


def is_ours(peer: int, port: int) -> bool:
    """Whether the socket connected from *peer* to *port* is ours or root's; True where there is no such table."""
    rows = []
    for table in _TABLES:
        try:
            with open(table, encoding="ascii") as file:
                rows += file.readlines()[1:]
        except OSError:
            continue
    return not rows or _owner(rows, peer, port) in (os.getuid(), 0)


def _owner(rows: list[str], peer: int, port: int) -> int | None:
    """The uid that the kernel's table has for that connection: proc(5), /proc/net/tcp; None where it isn't there."""
    for row in rows:
        fields = row.split()
        for address in (*_LOCAL, *_LOCAL_BIG_ENDIAN):
            if fields[1:3] == [f"{address}:{peer:04X}", f"{address}:{port:04X}"]:
                return int(fields[7])
    return None
