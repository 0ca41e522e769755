"""A "no" from the fake AWS, before it is written in the protocol of the service that says it."""

from __future__ import annotations

from collections.abc import Mapping


class Refusal(Exception):
    """An answer of "no", in AWS's words; each service writes it in its own protocol."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None, error: str | None = None
    ) -> None:
        """*error*: OAuth's word for it, where that can't be told from *code*."""
        super().__init__(status, code, message)
        self.status, self.code, self.message, self.headers = status, code, message, dict(headers or {})
        self.error = error
