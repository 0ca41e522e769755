"""`python -m tests.bench [ROW…]`: prints each row as ours, bar, anchor. Fails on broken counts, never on times."""

from __future__ import annotations

import argparse
import math
import os
import sys
import tempfile
import time
from pathlib import Path

from awsenv.demo.fake import FakeAws
from tests.bench import picker_row, rows, shell_rows, tab_row
from tests.bench.rows import Line, Stage

ROWS = dict(sorted({**rows.ROWS, **shell_rows.ROWS, **tab_row.ROWS, **picker_row.ROWS}.items()))


def main() -> int:
    """The exit status: 1 where a count is over its bar."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("rows", nargs="*", type=int, metavar="ROW", help=f"of {', '.join(map(str, ROWS))}")
    wanted = parser.parse_args().rows or list(ROWS)
    if unknown := [row for row in wanted if row not in ROWS]:
        parser.error(f"no row {unknown[0]} here; there are {', '.join(map(str, ROWS))}")

    began = time.monotonic()
    print(f"{sys.executable} ({sys.version.split()[0]}), {os.cpu_count()} cores; B = `python -I -c pass`, in turns")
    print(f"{'row':>3}  {'what':<44} {'ours':>9}  {'bar':>9}  {'':<4}  {'anchor':<26} spread, remarks")
    broken = False
    with tempfile.TemporaryDirectory(prefix="awsenv-bench-") as folder, FakeAws() as fake:
        stage = Stage(Path(folder), fake)
        for row in wanted:
            try:
                for line in ROWS[row](stage):
                    print(_printed(row, line), flush=True)
                    broken = broken or (line.structural and line.is_over)
            except LookupError as error:
                print(f"{row:>3}  not measured: {error}", flush=True)
    print(f"{time.monotonic() - began:.0f} s" + ("; a count is over its bar" if broken else ""))
    return 1 if broken else 0


def _printed(row: int, line: Line) -> str:
    digits = 2 if line.unit else 0
    ours = "not here" if math.isnan(line.ours) else f"{line.ours:.{digits}f} {line.unit:<3}"
    # What is there for comparison alone has no bar.
    bar = f"{line.bar:.{digits}f} {line.unit:<3}" if math.isfinite(line.bar) else ""
    verdict = "over" if line.is_over else "ok" if bar else ""
    return f"{row:>3}  {line.what:<44} {ours:>9}  {bar:>9}  {verdict:<4}  {line.anchor:<26} {line.more}".rstrip()


if __name__ == "__main__":
    sys.exit(main())
