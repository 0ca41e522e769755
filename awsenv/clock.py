"""How far this machine's clock is from AWS's: learnt from the dates of its answers, and kept for the next call.

Every time in awsenv is by this machine's clock, right or wrong: the shells compare with it, and so do AWS's own tools.
Only what AWS says is by another one. It is put into ours where it comes in, by the date of that very answer; the fast
lane, the store and the variables then agree without knowing. What is left to see to is a clock that is set later on:
shelf.is_due and FileStore.get do that, by the moment at which the machine was started.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from awsenv import shelf
from awsenv.errors import Storage
from awsenv.store import FileStore, Store, write_private
from awsenv.text import ago

NEGLIGIBLE = 60.0  # seconds: a slow answer and a date in whole seconds are no skew, and every renewal window is longer
WORTH_A_WORD = 300.0  # seconds; AWS refuses what is signed 15 minutes off, and some services after five
_AGAIN = 86400.0  # seconds between two warnings about the same skew


@dataclass(frozen=True, slots=True)
class Skew:
    """AWS's clock less ours is *seconds*. *at* and *started* are by our clock: when it was measured, and when the machine
    was started; *warned* when a person was last told, None for never."""

    seconds: float
    at: float
    started: float
    warned: float | None = None

    def holds(self, now: float, started: float) -> bool:
        """Whether nobody seems to have set the clock since. Another start of the machine says so, too: better ask again."""
        return abs(started - self.started) < NEGLIGIBLE and self.at - NEGLIGIBLE <= now

    def to_local(self, moment: float) -> float:
        """A time of AWS's (epoch seconds), by our clock."""
        return moment if abs(self.seconds) < NEGLIGIBLE else moment - self.seconds

    @property
    def is_worth_a_word(self) -> bool:
        return abs(self.seconds) > WORTH_A_WORD

    def line(self) -> str:
        """For a person: `this machine's clock is 1h00m ahead of AWS's`."""
        way = "behind" if self.seconds > 0 else "ahead of"
        return f"this machine's clock is {ago(round(abs(self.seconds) / 60) * 60)} {way} AWS's"


def learnt(date: str, now: float, started: float) -> Skew | None:
    """What a Date header (RFC 9110, 5.6.7) tells at *now*; None where it is no date."""
    from email.utils import parsedate_to_datetime  # 5 ms; only a call to AWS pays

    try:
        moment = parsedate_to_datetime(date)
    except (ValueError, TypeError):
        return None
    if moment.tzinfo is None:  # "-0000"; an HTTP date is GMT whatever it says
        from datetime import UTC

        moment = moment.replace(tzinfo=UTC)
    return Skew(moment.timestamp() - now, now, started)


class ServerClock:
    """AWS's clock as far as it is known here: by the last answer, else by what an earlier process kept."""

    def __init__(self, store: Store, now: Callable[[], float], started: Callable[[], float]) -> None:
        self._path = f"{store.root}/marks/clock" if isinstance(store, FileStore) else None
        self._now, self._started = now, started
        self._heard: Skew | None = None

    def hear(self, date: str) -> Skew | None:
        """Learn from the Date of an answer that is AWS's."""
        skew = learnt(date, self._now(), self._started())
        if skew is not None:
            self._heard = skew
        return skew

    @property
    def skew(self) -> Skew | None:
        """AWS's clock less ours; None where nothing has been heard since our clock was last set."""
        return self._heard or self._kept()

    def to_local(self, moment: float) -> float:
        """A time of AWS's (epoch seconds), by our clock."""
        skew = self.skew
        return moment if skew is None else skew.to_local(moment)

    def warning(self) -> str | None:
        """One line for a person where our clock is off by minutes, said once a day; keeps what was learnt."""
        heard, kept = self._heard, self._kept()
        if heard is None:
            return None
        same = kept is not None and abs(kept.seconds - heard.seconds) < NEGLIGIBLE
        told = kept.warned if kept is not None and same else None
        due = heard.is_worth_a_word and (told is None or not 0 <= heard.at - told < _AGAIN)
        if due or not same:
            self._keep(replace(heard, warned=heard.at if due else told))
        return f"{heard.line()}: {ADVICE}" if due else None

    def _kept(self) -> Skew | None:
        words = ((shelf.read_private(self._path) if self._path is not None else None) or "").split()
        try:
            seconds, at, started, warned = (None if word == "-" else float(word) for word in words)
        except ValueError:
            return None
        if seconds is None or at is None or started is None:
            return None
        skew = Skew(seconds, at, started, warned)
        return skew if skew.holds(self._now(), self._started()) else None

    def _keep(self, skew: Skew) -> None:
        if self._path is None:
            return
        values = (skew.seconds, skew.at, skew.started, skew.warned)
        with suppress(Storage):  # what isn't kept is learnt again
            write_private(self._path, " ".join("-" if v is None else repr(float(v)) for v in values) + "\n")


ADVICE = "set it (sudo timedatectl set-ntp true), or AWS refuses what it signs"
