"""What a person has in an Identity Center: every account and its roles, within AWS's limits, and resumable."""

from __future__ import annotations

import hashlib
import json
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import TypeVar

from awsenv import shelf
from awsenv.config_writer import is_plain_value
from awsenv.errors import Busy, Denied, Storage, TokenRejected, Unreachable
from awsenv.model import Account, SsoSession, SsoToken
from awsenv.ports import AwsApi
from awsenv.store import FileStore, Store, remove, write_private
from awsenv.text import show

# AWS allows 20 a second over all calls of a person (IAM Identity Center quotas); the rest is left to their other tools.
RATE = 17.0
WORKERS = 8  # at 17 a second enough for answers that take 0.4 s
KEPT_FOR = 3600.0  # seconds that the accounts of an interrupted run are good for
_TRIES = 8
_LONGEST_PAUSE = 300.0  # seconds; whoever asks for more is obeyed by giving up
_LONGEST_ROLE = 256  # characters; a permission set has at most 32
_T = TypeVar("_T")


@dataclass(frozen=True)
class Offer:
    """*accounts* are all that the portal lists; *roles* those of the ones that were asked for, by account id.

    *unknown*: ids of accounts whose roles AWS would not tell. *skipped*: lines about what can't be written to a config.
    *resumed*: how many accounts a run before this one had finished.
    """

    accounts: tuple[Account, ...]
    roles: Mapping[str, tuple[str, ...]]
    unknown: frozenset[str] = frozenset()
    skipped: tuple[str, ...] = ()
    resumed: int = 0


class Stopped(Exception):
    """Within a worker: nobody waits for its answer any more."""


class Rejected(Exception):
    """Between a worker and who waits: *token* was turned down, with *error*."""

    def __init__(self, error: TokenRejected, token: SsoToken) -> None:
        super().__init__()
        self.error, self.token = error, token


class Pace:
    """Turns for requests, evenly spaced over all threads: never a burst, and slower after AWS said that it is too much."""

    def __init__(
        self,
        rate: float = RATE,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.rate = self._full = rate  # requests a second
        self._monotonic, self._jitter = monotonic, jitter
        self._stop = threading.Event()
        self._sleep = sleep or self._stop.wait
        self._lock = threading.Lock()
        self._next = self._slowed = float("-inf")

    def turn(self) -> None:
        """Wait for the next request's turn; raises Stopped after stop()."""
        with self._lock:
            now = self._monotonic()
            at = max(now, self._next)
            self._next = at + 1 / self.rate
        self._wait(at - now)

    def slow_down(self, retry_after: float | None, attempt: int) -> None:
        """No turn for *retry_after* seconds, else for a while that grows with *attempt* (0, 1, …); then half as many."""
        pause = retry_after if retry_after is not None else min(20.0, 0.5 * 2**attempt) * (0.5 + self._jitter() / 2)
        with self._lock:
            now = self._monotonic()
            if now - self._slowed > 1:  # the answers to one burst come together
                self.rate, self._slowed = max(1.0, self.rate / 2), now
            self._next = max(self._next, now + pause + self._jitter() / self.rate)

    def went_well(self) -> None:
        """A little faster again."""
        with self._lock:
            self.rate = min(self._full, self.rate * 1.02)

    def stop(self) -> None:
        """Whoever waits for a turn, or will, gets none."""
        self._stop.set()

    def _wait(self, seconds: float) -> None:
        if seconds > 0:
            self._sleep(seconds)
        if self._stop.is_set():
            raise Stopped


class Memo:
    """The accounts that an interrupted run had finished, in our own store: for the next run of the same login."""

    def __init__(self, store: Store, session: SsoSession, login_id: str, now: float) -> None:
        self._path: str | None = None
        self._now = now
        if isinstance(store, FileStore):
            of = "\0".join((session.key, session.start_url, session.region, session.portal_endpoint or "", login_id))
            digest = hashlib.sha256(of.encode("utf-8", "surrogateescape")).hexdigest()
            self._path = f"{store.root}/marks/portal-{digest}"

    def load(self) -> dict[str, tuple[str, ...]]:
        """Account id → roles; nothing where there is none, or none that is younger than an hour."""
        text = shelf.read_private(self._path) if self._path else None
        try:
            saved_at, roles = json.loads(text or "null")
            if not 0 <= self._now - saved_at < KEPT_FOR:
                raise ValueError
            return {str(account): tuple(str(role) for role in names) for account, names in roles.items()}
        except (ValueError, TypeError, AttributeError):
            self.forget()
            return {}

    def save(self, roles: Mapping[str, Iterable[str]]) -> None:
        """Keep *roles*; where that can't be done, the next run begins anew, and nothing else is lost."""
        text = json.dumps([self._now, {account: list(names) for account, names in roles.items()}]) + "\n"
        if self._path and len(text) <= shelf.LARGEST:  # beyond that nobody would read it again: some 20,000 roles
            try:
                write_private(self._path, text)
            except Storage:
                self._path = None

    def forget(self) -> None:
        """It has served."""
        if self._path:
            try:
                remove(self._path)
            except Storage:
                self._path = None


class Portal:
    """One person's portal. *renew* gives the successor of a token that AWS turned down; *pace* and *memo* are this run's."""

    def __init__(
        self,
        aws: AwsApi,
        session: SsoSession,
        token: SsoToken,
        renew: Callable[[SsoToken], SsoToken],
        pace: Pace,
        memo: Memo,
    ) -> None:
        self._aws, self._session, self._token, self._renewed = aws, session, token, renew
        self._pace, self._memo = pace, memo
        self._queue: deque[Account] = deque()
        self._answers: SimpleQueue[tuple[Account, tuple[str, ...] | BaseException]] = SimpleQueue()

    def offer(self, wanted: Callable[[Account], bool], progress: Callable[[int, int], None]) -> Offer:
        """All accounts, and the roles of those that are *wanted*. *progress* is told how many of how many are done.

        Raises LoginNeeded, Unreachable and Denied. Whatever ends it early, Ctrl-C too, what is finished is in the memo.
        """
        try:
            accounts, skipped = _sound(self._with_renewal(self._list_accounts))
            asked = [account for account in accounts if wanted(account)]
            known = self._memo.load()
            done = {account.id: known[account.id] for account in asked if account.id in known}
            resumed = len(done)
            unknown = self._roles_of([a for a in asked if a.id not in done], done, known, len(asked), progress)
        finally:
            self._pace.stop()
        roles = {}
        for account in asked:
            good, bad = _sound_roles(account, done.get(account.id, ()))
            roles[account.id] = good
            skipped += bad
        told = {account: names for account, names in roles.items() if account not in unknown}
        return Offer(tuple(accounts), told, frozenset(unknown), tuple(skipped), resumed)

    def _list_accounts(self) -> list[Account]:
        return self._patiently(lambda: self._aws.accounts(self._token.access_token, self._session, self._pace.turn))

    def _with_renewal(self, call: Callable[[], list[Account]]) -> list[Account]:
        try:
            return call()
        except TokenRejected:
            self._token = self._renewed(self._token)
            return call()

    def _roles_of(
        self,
        asked: list[Account],
        done: dict[str, tuple[str, ...]],
        known: dict[str, tuple[str, ...]],
        total: int,
        progress: Callable[[int, int], None],
    ) -> set[str]:
        """Fill *done*; the ids of those whose roles AWS would not tell."""
        unknown: set[str] = set()
        progress(total - len(asked), total)
        self._queue.extend(asked)
        left, saved = len(asked), time.monotonic()
        workers = [threading.Thread(target=self._work, daemon=True) for _ in range(min(WORKERS, left))]
        for worker in workers:
            worker.start()
        renewals = 1
        try:
            while left:
                account, answer = self._answers.get()
                if isinstance(answer, Rejected) and (renewals or answer.token is not self._token):
                    if answer.token is self._token:
                        self._token, renewals = self._renewed(self._token), renewals - 1
                    self._again(account)
                    continue
                left -= 1
                if isinstance(answer, Denied):
                    unknown.add(account.id)
                elif isinstance(answer, BaseException):
                    raise answer.error if isinstance(answer, Rejected) else answer
                else:
                    done[account.id] = known[account.id] = answer
                progress(total - left, total)
                if time.monotonic() - saved > 2:
                    self._memo.save(known)
                    saved = time.monotonic()
        finally:
            self._pace.stop()
            self._memo.save(known)
        return unknown

    def _again(self, account: Account) -> None:
        """Once more, by a worker of its own: the others may have gone home."""
        self._queue.append(account)
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while True:
            try:
                account = self._queue.popleft()
            except IndexError:
                return
            try:
                answer: tuple[str, ...] | BaseException = tuple(self._patiently(partial(self._ask, account.id)))
            except Stopped:
                return
            except BaseException as error:  # raised again by the thread that waits
                answer = error
            self._answers.put((account, answer))

    def _ask(self, account: str) -> list[str]:
        token = self._token
        try:
            return self._aws.roles(token.access_token, self._session, account, self._pace.turn)
        except TokenRejected as error:
            raise Rejected(error, token) from None

    def _patiently(self, call: Callable[[], list[_T]]) -> list[_T]:
        """*call*, repeated while AWS is busy or away for a moment."""
        attempt = 0
        while True:
            try:
                result = call()
                self._pace.went_well()
                return result
            except Busy as error:
                attempt += 1
                if attempt == _TRIES or (error.retry_after or 0) > _LONGEST_PAUSE:
                    raise
                self._pace.slow_down(error.retry_after, attempt - 1)
            except Unreachable:
                attempt += 4  # once more, and no oftener: an hour without a network is not to be sat out
                if attempt >= _TRIES:
                    raise
                self._pace.slow_down(None, 1)


def _sound(accounts: Iterable[Account]) -> tuple[list[Account], list[str]]:
    """Those whose id is one, each once, by id; and a line about each other."""
    found: dict[str, Account] = {}
    skipped = []
    for account in accounts:
        if len(account.id) == 12 and account.id.isascii() and account.id.isdigit():
            found.setdefault(account.id, account)
        else:
            skipped.append(f'left out: "{show(account.name)}", whose id is no account id: {show(account.id)}')
    return sorted(found.values(), key=lambda account: account.id), skipped


def _sound_roles(account: Account, roles: Iterable[str]) -> tuple[tuple[str, ...], list[str]]:
    good, skipped = [], []
    for role in dict.fromkeys(roles):
        if is_plain_value(role) and len(role) <= _LONGEST_ROLE:
            good.append(role)
        else:
            skipped.append(f'left out: the role "{show(role)}" in {account.id}, a name that no config file can hold')
    return tuple(good), skipped
