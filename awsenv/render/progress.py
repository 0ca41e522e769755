"""How far a long enumeration is: a bar on stderr, where that is a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def bar(what: str, is_shown: bool, colour: bool) -> Iterator[Callable[[int, int], None]]:
    """Yields what is told (how many are done, of how many); the bar is gone at the end. Not shown, it does nothing."""
    if not is_shown:
        yield lambda done, total: None
        return
    from rich.console import Console  # rich is 6x a bare interpreter; only a bar pays
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True, no_color=not colour, highlight=False, emoji=False)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
