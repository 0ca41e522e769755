"""fzf, for whoever has it: the same list to choose from, with the person's own options for it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence

from awsenv import variables
from awsenv.text import show


def program(env: Mapping[str, str]) -> str | None:
    """The path of fzf, None where there is none."""
    return shutil.which("fzf", path=env.get("PATH", ""))


def pick(terminal: int, rows: Sequence[tuple[str, ...]], env: Mapping[str, str]) -> int | None:
    """The number of the row that the person took; None where they left. Raises OSError where fzf fails.

    It is asked through numbers: what a row shows may be cut, or be the same twice.
    """
    path = program(env)
    assert path is not None, "the caller has looked"
    cells = [[show(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = (
        f"{n}\t" + "  ".join(f"{cell:<{wide}}" for cell, wide in zip(row, widths, strict=True)).rstrip()
        for n, row in enumerate(cells)
    )
    # After the person's own FZF_DEFAULT_OPTS, which could otherwise change what comes back.
    options = ("--delimiter=\t", "--with-nth=2..", "--no-multi", "--no-ansi", "--tiebreak=index", "--prompt=profile: ")
    ours = {name: value for name, value in env.items() if name not in variables.WIRE}
    done = subprocess.run(
        [path, *options], input="\n".join(lines).encode("utf-8", "surrogateescape"), stdout=subprocess.PIPE,
        stderr=terminal, env=ours,
    )  # fmt: skip
    if done.returncode in (1, 130):
        return None
    if done.returncode:
        raise OSError(f'fzf ended with {done.returncode}; the awsenv setting [picker] program = "own" does without it')
    # --print-query and --expect among those options put lines before it, --print0 a NUL behind it.
    last = done.stdout.replace(b"\0", b"\n").strip().split(b"\n")[-1].split(b"\t")[0]
    number = int(last) if last.isdigit() else -1
    return number if 0 <= number < len(rows) and os.fsencode(str(number)) == last else None
