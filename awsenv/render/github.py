"""An identity for the later steps of a GitHub job: what the log must hide, and what the job's environment file gets. Pure."""

from __future__ import annotations

from collections.abc import Iterable

# The key's id, too: it tells whoever reads the log which session to look for.
HIDDEN = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def masks(assign: Iterable[tuple[str, str]]) -> str:
    """The commands that make the runner print *** for every secret from here on.

    https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#masking-a-value-in-a-log
    """
    return "".join(f"::add-mask::{value.replace('%', '%25')}\n" for name, value in assign if name in HIDDEN)


def environment_file(assign: Iterable[tuple[str, str]], delimiter: str) -> str:
    """Lines for the file that GITHUB_ENV names; *delimiter* is a word that nobody could guess and no value holds."""
    return "".join(f"{name}<<{delimiter}\n{value}\n{delimiter}\n" for name, value in assign)
