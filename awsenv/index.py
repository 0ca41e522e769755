"""What hot.py reads beside the keys: what a `use` answered, and on which files and keys that stands. No secrets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from awsenv import hot, shelf
from awsenv.change import said_of
from awsenv.files import locate, read
from awsenv.guard import way_for
from awsenv.model import EnvChange, Plan
from awsenv.sources.static import StaticKeys
from awsenv.store import FileStore, remove, write_private

if TYPE_CHECKING:
    from awsenv.lease import Taken
    from awsenv.world import World

_FROM_SHELL = frozenset(("AWS_REGION", "AWS_DEFAULT_REGION", "AWSENV_REGION_BEFORE"))


def remember(world: World, taken: Taken, request: hot.Use, change: EnvChange) -> None:
    """Record what `use` answers to *request*, which is *change*, where it can be answered so again; raises Storage."""
    if isinstance(taken.store, FileStore) and not any(step.is_of_this_shell() for step in taken.plan.steps):
        write(
            taken.store.root,
            request,
            world.env,
            taken.plan,
            change,
            said=said_of(taken.lease),
            keys=taken.keys,
            files=taken.stamps,
            region_is_ambient=taken.region_is_ambient,
            is_guarded=way_for(taken.lease, taken.reading.settings) is not None,
        )


def write(
    root: str,
    request: hot.Use,
    env: Mapping[str, str],
    plan: Plan,
    change: EnvChange,
    *,
    said: str,
    keys: Sequence[str],
    files: Sequence[tuple[str, str]],
    region_is_ambient: bool,
    is_guarded: bool,
) -> None:
    """Record the answer to *request*. *files* are (path, fingerprint) from before they were read; *keys* the chain's.
    What *is_guarded* is no shell's without a question, however warm.

    Nothing is written for what a line can't hold; raises Storage where the file can't be.
    """
    name = shelf.index_name(request)
    if name is None:
        return
    lines = [["file", path, stamp] for path, stamp in files]
    kept = [key for key, step in zip(keys, plan.steps, strict=True) if step.stored]
    lines += [["chain", key] for key in kept]
    elsewhere = _FROM_SHELL
    if request.mode == "keys" and plan.steps[-1].stored:
        lines.append(["key", keys[-1]])
        if "AWSENV_REFRESH_AT" in change.unset:
            lines.append(["without", "AWSENV_REFRESH_AT"])
        elsewhere |= frozenset(shelf.STORED)
    elif request.mode == "keys":
        slices = _slices(plan.steps[-1], files)
        lines += slices
        elsewhere |= {line[1] for line in slices}
    lines.append(["region", "*" if region_is_ambient else plan.region or ""])
    lines += [["set", name, value] for name, value in change.assign if name not in elsewhere]
    if is_guarded:
        lines.append(["guard", "ask"])
    lines.append(["said", said])
    if any(c in "\n\t" or c == "\r" for line in (*lines, [request.profile]) for field in line for c in field):
        return
    text = shelf.header(request, env) + "\n".join("\t".join(line) for line in lines) + "\n"
    write_private(f"{root}/index/{name}", text)


def _slices(step: object, files: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Where a static key's values stand in the user's own file, so that they are read there and copied nowhere."""
    assert isinstance(step, StaticKeys), "every other source is stored"
    paths = [path for path, _ in files]
    found = []
    places = [
        ("AWS_ACCESS_KEY_ID", step.settings[0].where),
        ("AWS_SECRET_ACCESS_KEY", step.secret_at),
        ("AWSENV_KEY_ID", step.settings[0].where),
    ]
    if step.token_at is not None:
        places.append(("AWS_SESSION_TOKEN", step.token_at))
    for name, where in places:
        value, offset = locate(read(where.file), where)
        found.append(["slice", name, str(paths.index(where.file)), str(offset), str(len(value.encode()))])
    return found


def forget(root: str, request: hot.Use) -> None:
    """Remove the recorded answer and every key of its chain: the login that they came from is gone."""
    name = shelf.index_name(request)
    text = shelf.read_private(f"{root}/index/{name}") if name is not None else None
    if text is None:
        return
    paths = [f"{root}/keys/{line.split(chr(9))[1]}" for line in text.split("\n") if line.startswith("chain\t")]
    for path in (*paths, f"{root}/index/{name}"):
        remove(path)
