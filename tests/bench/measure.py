"""How long a process takes, what CPU it burns and how large it grows; always beside another one, in turns."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

BARE = [sys.executable, "-I", "-c", "pass"]  # B, the unit
_NULL = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]

# A process begins its life with its parent's peak: so the parent is a bare interpreter, and not this one with moto in it.
_PEAK = (
    "import os, sys\n"
    "pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(0, 1, os.devnull, 2, 0)])\n"
    "_, status, usage = os.wait4(pid, 0)\n"
    "print(usage.ru_maxrss)\n"
    "sys.exit(os.waitstatus_to_exitcode(status))\n"
)


@dataclass(frozen=True)
class Cost:
    """One run: seconds by the clock, seconds of CPU."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Ratio:
    """Medians of ratios of pairs, and the quartiles of the first."""

    wall: float
    cpu: float
    low: float
    high: float


def run(argv: Sequence[str], env: Mapping[str, str]) -> Cost:
    """Run *argv* to its end; raises RuntimeError where it fails, since a failure is quick."""
    return run_at_once(argv, env, 1)


def run_at_once(argv: Sequence[str], env: Mapping[str, str], count: int) -> Cost:
    """*count* processes started together: the time until the last one has ended, the CPU of all."""
    program = shutil.which(argv[0], path=env.get("PATH")) or argv[0]
    began = time.perf_counter()
    children = [os.posix_spawn(program, list(argv), dict(env), file_actions=_NULL) for _ in range(count)]
    ended = [os.wait4(child, 0) for child in children]
    wall = time.perf_counter() - began
    codes = {os.waitstatus_to_exitcode(status) for _, status, _ in ended} - {0}
    if codes:
        raise RuntimeError(f"{' '.join(argv)} ended with {codes}")
    return Cost(wall, sum(usage.ru_utime + usage.ru_stime for _, _, usage in ended))


def compare(ours: Callable[[], Cost], anchor: Callable[[], Cost], rounds: int) -> Ratio:
    """*ours* / *anchor*, in turns, after one round that counts for nothing."""
    ours(), anchor()
    walls, cpus = [], []
    for _ in range(rounds):
        theirs, mine = anchor(), ours()
        walls.append(mine.wall / theirs.wall)
        cpus.append(mine.cpu / theirs.cpu)
    low, _, high = statistics.quantiles(walls, n=4)
    return Ratio(statistics.median(walls), statistics.median(cpus), low, high)


def peak(argv: Sequence[str], env: Mapping[str, str]) -> float:
    """The largest resident size of *argv*, in MiB."""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", _PEAK, *argv], env=env, capture_output=True, check=True)
    return int(done.stdout) / 1024
