"""What hot.py reads beside the keys: what a `use` answered, and on which files and keys that stands. No secrets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from awsenv import hot, shelf
from awsenv.files import locate, read
from awsenv.model import EnvChange, Plan
from awsenv.sources.static import StaticKeys
from awsenv.store import remove, write_private

_FROM_SHELL = frozenset(("AWS_REGION", "AWS_DEFAULT_REGION", "AWSENV_REGION_BEFORE"))


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
) -> None:
    """Record the answer to *request*. *files* are (path, fingerprint) from before they were read; *keys* the chain's.

    Nothing is written for what a line can't hold; raises Storage where the file can't be.
    """
    name = shelf.index_name(request)
    if name is None:
        return
    lines = [[shelf.FORMAT], ["profile", request.profile], ["inputs", shelf.inputs(env)]]
    lines += [["file", path, stamp] for path, stamp in files]
    kept = [key for key, step in zip(keys, plan.steps, strict=True) if step.stored]
    lines += [["chain", key] for key in kept]
    elsewhere = _FROM_SHELL
    if request.mode == "keys" and plan.steps[-1].stored:
        lines.append(["key", keys[-1]])
        elsewhere |= frozenset(shelf.STORED)
    elif request.mode == "keys":
        slices = _slices(plan.steps[-1], files)
        lines += slices
        elsewhere |= {line[1] for line in slices}
    lines.append(["region", "*" if region_is_ambient else plan.region or ""])
    lines += [["set", name, value] for name, value in change.assign if name not in elsewhere]
    lines.append(["said", said])
    if any(c in "\n\t" or c == "\r" for line in lines for field in line for c in field):
        return
    write_private(f"{root}/index/{name}", "\n".join("\t".join(line) for line in lines) + "\n")


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
