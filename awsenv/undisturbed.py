"""A block that Ctrl-C and a closed terminal have to wait for."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def undisturbed(
    say: Callable[[str], None], why: str = "a login is just being renewed, and must be saved"
) -> Iterator[None]:
    """Ctrl-C, a closed terminal and a TERM wait until the block is done: what it spends can't be had a second time."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def note(number: int, frame: object) -> None:
        if not came and number == signal.SIGINT:
            say(f"awsenv: one moment: {why}")
        came.append(number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)  # None: not set by Python
        if came:
            os.kill(os.getpid(), came[0])
