"""The row of the list that `use` without a name shows: from the start of the process until the first picture is there."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence

import pexpect

from tests.bench.rows import Line, Stage
from tests.bench.scene import argv

PROFILES = 5000
ROUNDS = 15
BAR = 6.5  # B; a tenth of a second where a bare interpreter takes 15 ms


def first_picture(stage: Stage) -> Iterator[Line]:
    """Our own list, on a terminal of 80 columns; the anchor is a bare interpreter on such a terminal, until it has printed."""
    env = {**stage.scene(PROFILES).shim(), "TERM": "xterm"}
    ratios, times = [], []
    for _ in range(ROUNDS + 1):
        bare = _seconds([sys.executable, "-I", "-c", "print('here')"], env, "here", "")
        ours = _seconds(argv("use"), {**env, "PATH": "/nonexistent"}, f" of {PROFILES:,}", "\x1b")
        ratios.append(ours / bare)
        times.append(ours * 1000)
    low, median, high = statistics.quantiles(ratios[1:], n=4)
    more = f"{low:.2f} to {high:.2f}; {statistics.median(times[1:]):.0f} ms"
    yield Line(f"use without a name, {PROFILES:,} profiles", median, BAR, "B", "a bare python's print", more=more)


def _seconds(command: Sequence[str], env: Mapping[str, str], awaited: str, leave: str) -> float:
    """Until *awaited* is on the screen; then *leave* is typed, and the end awaited."""
    began = time.perf_counter()
    child = pexpect.spawn(
        command[0], list(command[1:]), env=dict(env), timeout=20, dimensions=(24, 80), encoding="utf-8"
    )
    child.expect_exact(awaited)
    took = time.perf_counter() - began
    child.send(leave)
    child.expect(pexpect.EOF)
    child.close()
    return took


ROWS = {14: first_picture}
