"""The other hot verbs, from variables and local files alone: `off`, `current`, `init SHELL`, `list --names`."""

import os
import sys
import time

from awsenv import shelf, variables
from awsenv.hot import Answer
from awsenv.render import shells

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def answer(verb: str, words: "list[str]", env: "Mapping[str, str]") -> "Answer | None":
    """The answer, or None for a form that wants Typer."""
    if verb == "off":
        return _off(env) if not words else None
    if verb == "init":
        return _init(words, env)
    if verb == "current":
        return _current(env) if not words else None
    return _names(env) if words == ["--names"] else None


def _off(env: "Mapping[str, str]") -> "Answer | None":
    shell, _, protocol = env.get("AWSENV_SHIM", "").partition(":")
    if shell not in shells.DIALECTS or protocol != str(shells.PROTOCOL):
        return None
    unset, said = reverse(env)
    text = shells.reply(shell, unset, ())
    return Answer(text.encode(), said)


def reverse(env: "Mapping[str, str]") -> "tuple[list[str], str]":
    """`off`: (names to unset, what to say). What changed behind our back stays; the shim puts back what was there before."""
    changed = [name for name in env.get("AWSENV_CHANGED", "").split() if name in variables.MANAGED]
    if not env.get("AWSENV_STASHED"):
        if not env.get("AWSENV_PROFILE"):
            return [], "nothing to put back: no awsenv identity in this shell"
        changed = drifted(env)
    unset = [name for name in variables.MANAGED if name not in changed] + list(variables.OWN)
    was = env.get("AWSENV_LABEL") or "awsenv"
    said = [f"off: {was} is gone from this shell"]
    if not env.get("AWSENV_STASHED"):
        said.append("what was there before it is not known here (a nested shell): nothing is put back")
    if changed:
        said.append("left as they are, changed since: " + ", ".join(changed))
    return unset, "; ".join(said)


def drifted(env: "Mapping[str, str]") -> "list[str]":
    """The identity variables that somebody else has set since, where no shim remembers what we set."""
    key = env.get("AWSENV_KEY_ID", "")
    if key.startswith("profile:"):
        return ["AWS_PROFILE"] if env.get("AWS_PROFILE", "") != key[8:] and env.get("AWS_PROFILE") else []
    if not env.get("AWS_ACCESS_KEY_ID") or env.get("AWS_ACCESS_KEY_ID") == key:
        return []
    return ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]


def _current(env: "Mapping[str, str]") -> Answer:
    profile = env.get("AWSENV_PROFILE")
    if not profile:
        return Answer(b"", "no awsenv identity in this shell", 3)
    from awsenv.text import left, show

    parts = [profile, env.get("AWSENV_ACCOUNT_ID", ""), env.get("AWSENV_ROLE", ""), env.get("AWS_REGION", "")]
    expires = env.get("AWSENV_EXPIRES_AT", "")
    if drifted(env):
        parts.append("≠ the variables that AWS tools read are no longer ours")
    elif expires.isascii() and expires.isdigit():
        parts.append(left(int(expires) - int(time.time())))
    return Answer((" · ".join(show(part) for part in parts if part) + "\n").encode("utf-8", "surrogateescape"))


def _init(words: "list[str]", env: "Mapping[str, str]") -> "Answer | None":
    values_only = words[:1] == ["--values"]
    name = words[-1] if words else ""
    if len(words) != 1 + values_only or name not in shells.DIALECTS:
        return None
    root = shelf.store_root({key: value for key, value in env.items() if key != "AWSENV_STORE"})
    if root is None:
        return None
    from awsenv import assets

    dialect = shells.DIALECTS[name]
    values = (
        ("__awsenv_python", sys.executable),
        ("__awsenv_main", assets.MAIN),
        ("__awsenv_store", root),
        ("__awsenv_completions", assets.folder("completions")),
    )
    lines = [dialect.assignment(key, value) for key, value in values]
    end = shells.SENTINEL + "\n" if values_only else assets.text("shell", dialect.file)
    return Answer(("\n".join(lines) + "\n" + end).encode("utf-8", "surrogateescape"))


def _names(env: "Mapping[str, str]") -> "Answer | None":
    from awsenv import sections
    from awsenv.text import show

    texts = []
    for path in shelf.config_paths(env):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            texts.append("")
            continue
        except OSError:
            return None
        if os.fstat(descriptor).st_mode & 0o170000 != 0o100000:
            os.close(descriptor)
            return None
        with open(descriptor, "rb") as file:
            texts.append(sections.decode(file.read()))
    names = [name if name.isprintable() else show(name) for name in sections.names(*texts)]
    return Answer("".join(f"{name}\n" for name in names).encode("utf-8", "surrogateescape"))
