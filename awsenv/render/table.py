"""A table for people, by rich: cells are data and never markup."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

from awsenv.text import show


def table(header: Sequence[str], rows: Iterable[Sequence[str]], width: int, colour: bool) -> str:
    """*rows* under *header*, each cell whole, on a terminal *width* columns wide; with *colour*, the header is dim."""
    from rich.box import SIMPLE_HEAD  # rich is 6x a bare interpreter; only a table pays
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="dim" if colour else "")
    for name in header:
        grid.add_column(Text(name), overflow="ignore", no_wrap=True)
    for row in rows:
        grid.add_row(*(Text(show(cell)) for cell in row))
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=colour, no_color=not colour, highlight=False, emoji=False)
    console.print(grid)
    return "\n".join(line.rstrip() for line in out.getvalue().split("\n") if line.strip()) + "\n"
