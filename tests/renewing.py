"""Processes that renew a login, by the dozen and to be killed: forks of one that has loaded everything already.

`Crowd` is what a test holds. This file, run as a program, is the other end: it reads a command a line, forks children that
each get a live token by the product's own code, stops or kills them where it was told, and answers with what became of them.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from awsenv.demo.house import REGION, SESSION, START_URL

POINTS = ("after the lock", "before the call", "after the reply", "before the rename", "after the rename")


@dataclass(frozen=True)
class End:
    """What became of a process: its exit status as awsenv's would be, negative for the signal that ended it."""

    code: int
    token: str = ""
    said: str = ""
    seconds: float = 0.0


class Crowd:
    """Use as a context manager. *env* leads to a home, to a store and to the fake AWS."""

    def __init__(self, env: Mapping[str, str], patches: str = "") -> None:
        """*patches*: Python that is run once before the first fork."""
        self._env = {**env, "PYTHONPATH": str(Path(__file__).parent.parent)}
        self._patches = patches

    def __enter__(self) -> Crowd:
        argv = [sys.executable, __file__, self._patches]
        self._process = subprocess.Popen(argv, env=self._env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def run(self, count: int = 1, **how: Any) -> list[End]:
        """*count* processes from a common start. *kill_after*: seconds until the first is killed; *halt*: one of POINTS at
        which the first stops, and is then killed; *leave*: it is left there, stopped, and its id is `stopped`.
        """
        self._process.stdin.write(json.dumps({"count": count, **how}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        self.stopped = answer["stopped"]
        return [End(**end) for end in answer["ends"]]

    def forget_stopped(self) -> None:
        """Kill the process that was left where it stopped."""
        self._process.stdin.write('{"count": 0}\n')
        self._process.stdin.flush()
        self._process.stdout.readline()


# ---- The other end --------------------------------------------------------------------------------------------------


def _session() -> Any:
    from awsenv.model import SsoSession

    endpoint = os.environ["AWS_ENDPOINT_URL_SSO"], os.environ["AWS_ENDPOINT_URL_SSO_OIDC"]
    return SsoSession(SESSION, START_URL, REGION, None, *endpoint)


def _halt_at(point: str) -> None:
    """Stop this process, as by Ctrl-Z, when it gets there. The product has no such switch: its functions are wrapped here."""
    from awsenv import turn
    from awsenv.aws import Aws

    def stop() -> None:
        os.kill(os.getpid(), signal.SIGSTOP)

    def wrapped(
        real: Callable[..., Any], before: bool, when: Callable[..., bool] = lambda *_: True
    ) -> Callable[..., Any]:
        def call(*words: Any, **named: Any) -> Any:
            if before and when(*words):
                stop()
            found = real(*words, **named)
            if not before and when(*words):
                stop()
            return found

        return call

    is_token = lambda old, new: str(new).endswith(".json")  # noqa: E731
    if point == "after the lock":
        turn.hold = wrapped(turn.hold, False)
    elif point == "before the call":
        Aws.renew_token = wrapped(Aws.renew_token, True)  # type: ignore[method-assign]
    elif point == "after the reply":
        Aws.renew_token = wrapped(Aws.renew_token, False)  # type: ignore[method-assign]
    elif point == "before the rename":
        os.rename = wrapped(os.rename, True, is_token)
    elif point == "after the rename":
        os.rename = wrapped(os.rename, False, is_token)
    else:
        raise ValueError(point)


def _child(start: int, result: str, halt: str | None) -> None:
    from awsenv import renewal
    from awsenv.errors import AwsenvError
    from awsenv.ports import real
    from awsenv.store import open_store
    from awsenv.world import World

    random.seed()
    if halt is not None:
        _halt_at(halt)
    world = World.current()
    ports = real(world, open_store(world.store_root)[0])
    os.read(start, 1)  # ends for all at once, when the parent closes its end
    began = time.monotonic()
    end: dict[str, Any] = {"code": 0}
    try:
        end["token"] = renewal.live_token(_session(), ports).access_token
    except AwsenvError as error:
        end = {"code": error.exit_code, "said": "\n".join(error.lines())}
    end["seconds"] = time.monotonic() - began
    Path(result + ".tmp").write_text(json.dumps(end))
    os.replace(result + ".tmp", result)


def _is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "TZ"


def _round(folder: str, asked: dict[str, Any], left: list[int]) -> dict[str, Any]:
    if not asked["count"]:
        for pid in left:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        left.clear()
    gate, start = os.pipe()
    children = [
        _forked(gate, start, f"{folder}/{n}", asked.get("halt") if n == 0 else None) for n in range(asked["count"])
    ]
    os.close(gate)
    time.sleep(0.02)  # until all of them wait
    os.close(start)
    first = next(iter(children), 0)
    if asked.get("halt"):
        until = time.monotonic() + 20
        while not _is_stopped(first) and time.monotonic() < until:
            time.sleep(0.005)
    if asked.get("leave"):
        left.append(first)
    elif asked.get("halt") or "kill_after" in asked:
        time.sleep(asked.get("kill_after", 0))
        os.kill(first, signal.SIGKILL)
    ends = [_end_of(pid, f"{folder}/{n}") for n, pid in enumerate(children) if pid not in left]
    return {"ends": ends, "stopped": left[0] if left else 0}


def _forked(gate: int, start: int, result: str, halt: str | None) -> int:
    Path(result).unlink(missing_ok=True)
    pid = os.fork()
    if pid:
        return pid
    os.close(start)
    try:
        _child(gate, result, halt)
        os._exit(0)
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(70)


def _end_of(pid: int, result: str) -> dict[str, Any]:
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    end: dict[str, Any] = json.loads(Path(result).read_text()) if code == 0 else {"code": code}
    return end


def main() -> None:
    import awsenv.aws
    import awsenv.ports
    import awsenv.renewal
    import awsenv.store
    import awsenv.world

    exec(sys.argv[1], {"awsenv": awsenv})
    from awsenv.aws import Aws
    from awsenv.world import World

    # What a first call imports and reads, once for all of them: botocore's data in its own cache.
    api = Aws(World.current())
    api._client("sso-oidc", REGION, os.environ["AWS_ENDPOINT_URL_SSO_OIDC"])
    loaded = api._session(False)
    Aws._session = lambda self, whole: loaded  # type: ignore[method-assign]
    left: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        for line in sys.stdin:
            print(json.dumps(_round(folder, json.loads(line), left)), flush=True)
        for pid in left:
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
