"""What is said, once, to a person who has to wait for somebody else's login."""

from __future__ import annotations

from typing import Any

from awsenv.model import Session
from awsenv.ports import Asker


class Waiting:
    """An `on_wait` for a session's lock (store.lock). *owner*: whose person is waited for, None while nobody's is."""

    def __init__(self, session: Session[Any], asker: Asker) -> None:
        self._session = session
        self._asker = asker
        self.owner: str | None = None

    def __call__(self, owner: str, is_person: bool) -> None:
        if is_person and self.owner is None:
            self.owner = owner or "unknown"
            what = f"waiting for the login to {self._session.title()} that process {self.owner} has begun"
            self._asker.say(f"awsenv: {what}; Ctrl-C stops")
