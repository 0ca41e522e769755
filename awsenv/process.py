"""Becoming another program: `exec`."""

from __future__ import annotations

import os
from collections.abc import Mapping

from awsenv.errors import Usage


def become(command: tuple[str, ...], env: Mapping[str, str]) -> None:
    """Replace this process; returns never, raises Usage where there is no such program."""
    try:
        os.execvpe(command[0], list(command), dict(env))
    except FileNotFoundError:
        raise Usage(f"there is no program {command[0]}") from None
    except OSError as error:
        raise Usage(f"can't run {command[0]}: {error.strerror}") from None
