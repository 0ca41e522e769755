"""What a profile says of a role to assume, checked before AWS is asked: its ARN and its length. Pure."""

from __future__ import annotations

from awsenv.errors import Config
from awsenv.model import Setting
from awsenv.text import show


def checked_arn(role: Setting) -> str:
    """The ARN of a role; raises Config with the line of anything else, which AWS could only refuse."""
    parts = role.value.split(":", 5)
    if len(parts) < 6 or parts[0] != "arn" or not parts[5].startswith("role/") or len(role.value.split()) != 1:
        what = f"{show(role.value)} is not the ARN of a role" if role.value else f"{role.key} is empty"
        raise Config(what, role.where, "arn:aws:iam::ACCOUNT:role/NAME")
    if not (len(parts[4]) == 12 and parts[4].isascii() and parts[4].isdigit()):
        raise Config(f"an account id has twelve digits: {show(parts[4])}", role.where)
    return role.value


def principal_of(arn: str) -> tuple[str | None, str | None]:
    """(account id, role name) of a role's ARN; the path before the name is no part of it."""
    parts = arn.split(":", 5)
    if len(parts) < 6:
        return None, None
    return parts[4] or None, parts[5].rpartition("/")[2]
