"""What a prompt shows of a lease: its label, its class, and which fields. Pure; the shells add the time that is left."""

from __future__ import annotations

import re
from dataclasses import dataclass

from awsenv.model import Lease
from awsenv.settings import FIELDS, LABEL_FIELDS, Settings

WIDTH = 64  # columns
_FIELD = re.compile(rf"\{{({'|'.join(LABEL_FIELDS)})\}}")


@dataclass(frozen=True)
class Shown:
    """*kind* is the class (`prod`, …) or None; *fields* what the segment shows, in order; *renews*: shells renew it."""

    label: str
    kind: str | None = None
    fields: tuple[str, ...] = FIELDS
    renews: bool = True


def shown_for(lease: Lease, settings: Settings) -> Shown:
    """How *lease* presents itself under *settings*."""
    kind = settings.class_of(lease.profile, lease.account_id, lease.role)
    parts = {
        "profile": lease.profile,
        "account": settings.accounts.get(lease.account_id or "", lease.account_id or ""),
        "role": lease.role or "",
        "region": lease.region or "",
        "class": kind or "",
    }
    wanted = _FIELD.findall(settings.label)
    # An access key has no role, and its account is known to AWS alone: half a label would be a lie.
    complete = all(parts[name] for name in wanted if name in ("account", "role"))
    text = _FIELD.sub(lambda found: parts[found[1]], settings.label) if complete else lease.profile
    # Whatever the label is made of, and however long it is: a session that may do less than its role says so.
    mark = f" {lease.narrowed}" if lease.narrowed else ""
    label = harmless(text.strip() or lease.profile)[: WIDTH - len(mark)] + mark
    # Last, where the hooks look for it: it is no part of the segment.
    fields = (*settings.fields, "tab") if settings.tab else settings.fields
    return Shown(label, kind, fields, settings.refresh_automatically)


def harmless(text: str) -> str:
    """*text* in the characters that no prompt gives a meaning to, at most 64 columns of them."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "_.@:/+=, -") else "?" for c in text)[:WIDTH]
