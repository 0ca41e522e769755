"""What the fake was asked, and the faults it was told to commit: both lists are safe to use from any thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Call:
    """One answered request. Names and ids only; never a secret, a token or a code."""

    service: str
    operation: str
    status: int
    """HTTP status; 0 when the fake hung up without an answer."""
    access_key_id: str = ""
    principal: str = ""
    resource: str = ""
    session: str = ""
    """What a role's session was asked to be besides the role's: a line `Name=value` each, as STS has the names."""
    at: float = field(default_factory=time.monotonic, init=False, compare=False)
    """When it was answered, in seconds of time.monotonic()."""


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one call. With a delay alone, the true answer comes too late."""

    operation: str
    status: int | None = None
    code: str = "InternalFailure"
    message: str = "A planted fault."
    delay: float = 0.0
    html: bool = False
    body: bytes | None = None
    drop: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    redirect: str | None = None
    content_type: str | None = None
    truncated: bool = False
    reset: bool = False
    dribble: float = 0.0
    committed: bool = False

    @property
    def replaces(self) -> bool:
        """Another answer is given than the true one."""
        return self.status is not None or self.body is not None or self.html or self.redirect is not None


class Ledger:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[Call] = []
        self._faults: list[Fault] = []

    def record(self, call: Call) -> None:
        with self._lock:
            self._calls.append(call)

    @property
    def calls(self) -> tuple[Call, ...]:
        with self._lock:
            return tuple(self._calls)

    def plant(self, fault: Fault, times: int) -> None:
        with self._lock:
            self._faults += [fault] * times

    def next_fault(self, operation: str) -> Fault | None:
        """The oldest fault planted for the operation; it is used up."""
        with self._lock:
            for index, fault in enumerate(self._faults):
                if fault.operation == operation:
                    return self._faults.pop(index)
        return None

    def clear(self) -> None:
        with self._lock:
            self._calls.clear()
            self._faults.clear()
