"""What the fake measured while it was used: refreshes at once, requests a second, spent tokens that came back."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager

WINDOW = 1.0  # seconds


class Meters:
    """Every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._refreshing: Counter[str] = Counter()  # not cleared: what is under way ends some time
        self.clear()

    def clear(self) -> None:
        with self._lock:
            self.spent_tokens_reused = 0
            self.most_refreshes_at_once = 0
            self.busiest_second = 0
            self._recent: deque[float] = deque()
            self._granted: dict[str, deque[float]] = {}

    def count_reuse(self) -> None:
        with self._lock:
            self.spent_tokens_reused += 1

    @contextmanager
    def refreshing(self, token: str) -> Iterator[None]:
        """Around all that happens to one refresh, planted delays included."""
        with self._lock:
            self._refreshing[token] += 1
            self.most_refreshes_at_once = max(self.most_refreshes_at_once, self._refreshing[token])
        try:
            yield
        finally:
            with self._lock:
                self._refreshing[token] -= 1

    def portal_request(self) -> None:
        now = time.monotonic()
        with self._lock:
            _slide(self._recent, now)
            self._recent.append(now)
            self.busiest_second = max(self.busiest_second, len(self._recent))

    def wait_before(self, access_token: str, most: int) -> float:
        """Seconds until the token may be used again when it may be used `most` times a second; 0: go, and it counts."""
        now = time.monotonic()
        with self._lock:
            granted = self._granted.setdefault(access_token, deque())
            _slide(granted, now)
            if len(granted) >= most:
                return granted[0] + WINDOW - now
            granted.append(now)
            return 0.0


def _slide(times: deque[float], now: float) -> None:
    while times and times[0] <= now - WINDOW:
        times.popleft()
