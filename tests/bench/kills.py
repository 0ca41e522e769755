"""Renewals that are killed at any moment, and what may come of that: `python -m tests.bench.kills [KILLS]`."""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from awsenv.demo.fake import FakeAws
from awsenv.demo.house import SESSION, START_URL, furnish, token_file
from awsenv.store import open_store
from awsenv.tokens import AwsTokenCache
from tests.renewing import POINTS, Crowd

_DELAY = 0.03  # seconds that AWS takes for a renewal, so that kills land in it


@dataclass
class Tally:
    """What happened in a run of kills. *lost*: kills between AWS's spending a token and its successor's rename."""

    kills: int = 0
    lost: int = 0
    logins: int = 0
    survivors: Counter[int] = field(default_factory=Counter)
    calls_after_death: int = 0
    longest: float = 0.0


class Stage:
    """A home, its token, and the crowd that renews it. Use as a context manager."""

    def __init__(self, fake: FakeAws, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.fake, self.home = fake, home
        self.house = furnish(home, fake)
        self.env = {"PATH": os.environ["PATH"], **self.house.environment, "AWSENV_STORE": str(home / "store")}
        self.path = token_file(home)
        self.tokens = AwsTokenCache(str(self.path.parent), open_store(str(home / "store"))[0], time.time)

    def login(self, **fields: object) -> None:
        token = self.fake.issue_token(START_URL, session=SESSION)
        self.path.write_text(json.dumps({**token, "expiresAt": "2020-01-01T00:00:00Z", **fields}))

    def expire(self) -> None:
        self.path.write_text(json.dumps({**self.fields(), "expiresAt": "2020-01-01T00:00:00Z"}))

    def fields(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.path.read_text())
        return found

    def is_free(self, within: float = 1.0) -> bool:
        """Whether the session's lock can be had in so many seconds."""
        until = time.monotonic() + within
        while time.monotonic() < until:
            with self.tokens.locked(SESSION, wait=False) as is_ours:
                if is_ours:
                    return True
            time.sleep(0.005)
        return False

    def settle(self) -> None:
        """Until AWS has done all that it was asked: a killed client's request is carried out all the same."""
        time.sleep(2 * _DELAY)


def kills(fake: FakeAws, home: Path, count: int, grace: float, crowd: Crowd | None = None) -> Tally:
    """Kill *count* renewals, at named points and at random; assert after each what must hold.

    The file can be parsed, the lock is free within a second, the next process ends well or asks for a login, which it may
    only where a kill came between the spending and the rename; and a dead token is not asked for again.
    """
    tally = Tally()
    stage = Stage(fake, home)
    fake.refresh_grace = grace
    stage.login()
    try:
        with crowd or Crowd(stage.env) as forks:
            for n in range(count):
                _kill_one(stage, forks, n, tally)
    finally:
        fake.refresh_grace = 0
        fake.forget()
    if grace:
        assert tally.logins == 0, tally
    else:
        assert tally.logins <= tally.lost, tally
    assert tally.calls_after_death == 0, tally
    return tally


def _kill_one(stage: Stage, forks: Crowd, n: int, tally: Tally) -> None:
    fake = stage.fake
    stage.expire()
    fake.forget()
    fake.fail("CreateToken", delay=_DELAY, times=50)
    before = stage.fields()["refreshToken"]
    if n % 3:
        # The first of four: whoever is waiting for it goes on.
        ends = forks.run(4, kill_after=random.uniform(0, 4 * _DELAY))
    else:
        ends = forks.run(1, halt=POINTS[n // 3 % len(POINTS)])
        assert ends[0].code == -9, ends
    tally.kills += 1
    stage.settle()
    after = stage.fields()  # it can be parsed, always
    is_spent = fake.count("CreateToken", 200) > 0
    is_lost = is_spent and after["refreshToken"] == before
    tally.lost += is_lost
    assert stage.is_free(), "a lock is held by nobody that lives"
    ends += forks.run(1)
    tally.longest = max([tally.longest, *(end.seconds for end in ends)])
    for end in ends:
        if end.code != -9:
            tally.survivors[end.code] += 1
            assert end.code == 0 or (end.code == 4 and _was_lost(stage, before)), ends
    if ends[-1].code == 4:
        calls = fake.count("CreateToken")
        assert {end.code for end in forks.run(4)} == {4}
        tally.calls_after_death += fake.count("CreateToken") - calls
        tally.logins += 1
        stage.login()
    elif {end.token for end in ends if end.code == 0} - {stage.fields()["accessToken"]}:
        raise AssertionError(f"two tokens at once: {ends}")


def _was_lost(stage: Stage, before: str) -> bool:
    """Whether AWS has spent what still lies in the file."""
    return stage.fields()["refreshToken"] == before and stage.fake.spent_tokens_reused == 1


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    with FakeAws() as fake, tempfile.TemporaryDirectory() as folder:
        for grace in (5.0, 0.0):
            began = time.monotonic()
            tally = kills(fake, Path(folder) / str(grace), count, grace)
            print(f"grace {grace:.0f} s: {tally} in {time.monotonic() - began:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
