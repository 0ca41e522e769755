"""The other hot verbs, from the store, variables and local files: `export`, `off`, `region`, `current`, `init`, `list`."""

import os
import sys
import time

from awsenv import hot, shelf, variables
from awsenv.hot import Answer
from awsenv.render import shells

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def answer(verb: str, words: "list[str]", env: "Mapping[str, str]") -> "Answer | None":
    """The answer, or None for a form that wants Typer."""
    if verb == "off":
        return _off(env) if not words else None
    if verb == "export":
        return _export(words, env)
    if verb == "region":
        from awsenv import regional

        return regional.answer(words, env)
    if verb == "init":
        return _init(words, env)
    if verb == "current":
        return _current(env) if not words else None
    return _names(env) if words == ["--names"] else None


def document_request(words: "list[str]") -> "hot.Use | None":
    """What `export` is asked for where that is the document of a credential_process; None for all that wants Typer."""
    spelled = hot.split(words, ("--region", "--duration", "--format"))
    if spelled is None or len(spelled[0]) != 1 or not spelled[0][0]:
        return None
    request = hot.Use(spelled[0][0])
    request.fresh = spelled[2]
    form = "env"
    for option, value in spelled[1]:
        if option == "--format":
            form = value
        elif not hot.apply(request, option, value):
            return None
    return request if form in ("process", "json") else None


def _export(words: "list[str]", env: "Mapping[str, str]") -> "Answer | None":
    """The document for an SDK. It asks ahead of time: one caller then renews, the others get what is still good."""
    request = document_request(words)
    place = hot.place_of(request, env) if request is not None else None
    if request is None or place is None or request.fresh or os.isatty(1):  # secrets on a screen: the cold path refuses
        return None
    root, name = place
    seen = hot.look_up(root, name, request, env)
    if seen is not None:
        expires, refresh_at, issued = seen.times[:3]
        now = time.time()
        if expires is None or refresh_at is None or now < shelf.early(expires, refresh_at, issued):
            return _document(seen)
    from awsenv import turn  # a warm answer needs no lock

    if seen is not None and turn.is_tried(root, name, now):
        return _document(seen)
    if env.get("AWSENV_INSIDE"):
        return None  # a program of awsenv's own asks: who started it may have this very lock, and waits for us

    def again() -> "Answer | None":
        found = hot.look_up(root, name, request, env)
        return None if found is None or (seen is not None and found.times == seen.times) else _document(found)

    return turn.wait(root, name, again)


_MEMBERS = (
    ("AccessKeyId", "AWS_ACCESS_KEY_ID"),
    ("SecretAccessKey", "AWS_SECRET_ACCESS_KEY"),
    ("SessionToken", "AWS_SESSION_TOKEN"),
    ("Expiration", "AWS_CREDENTIAL_EXPIRATION"),
    ("AccountId", "AWS_ACCOUNT_ID"),
)


def _document(found: "hot.Found") -> "Answer | None":
    """As render.formats.process prints it; None where JSON, which costs as much as a whole interpreter, had to quote."""
    values = dict(found.assign)
    lines = ['  "Version": 1']
    for member, name in _MEMBERS:
        value = values.get(name)
        if value is None:
            if member in ("AccessKeyId", "SecretAccessKey"):
                return None
            continue
        if not (value.isascii() and value.isprintable()) or '"' in value or "\\" in value:
            return None
        lines.append(f'  "{member}": "{value}"')
    return Answer(("{\n" + ",\n".join(lines) + "\n}\n").encode())


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
    said = [f"off: {was} is gone from this shell" if env.get("AWSENV_PROFILE") else "off: the region is as it was"]
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


def who_of(env: "Mapping[str, str]") -> "tuple[str, str, str, str]":
    """(profile, account, role, what a policy makes of it) by awsenv's variables; "" for what they don't say."""
    return env.get("AWSENV_PROFILE", ""), env.get("AWSENV_ACCOUNT_ID", ""), env.get("AWSENV_ROLE", ""), narrowed(env)


def is_still(env: "Mapping[str, str]", who: "tuple[str, str, str, str]", whatever_the_keys: bool = False) -> bool:
    """Whether the shell is *who* (profile, account, role, what a policy makes of it; "" for none) already.

    Not so where another hand has set something since, unless *whatever_the_keys*: then it is whoever it says.
    """
    identity, profile = env.get("AWS_ACCESS_KEY_ID", ""), env.get("AWS_PROFILE", "")
    if profile:
        identity = f"{'both:' if identity else ''}profile:{profile}"  # as the prompt hooks tell it
    return who_of(env) == who and bool(identity) and (whatever_the_keys or identity == env.get("AWSENV_KEY_ID"))


def narrowed(env: "Mapping[str, str]") -> str:
    """What a session policy makes of this shell's identity: "read-only", "limited", or "" for none."""
    options = env.get("AWSENV_OPTIONS", "")
    if "--read-only" not in options and "--policy" not in options:
        return ""
    from awsenv import spelling

    return spelling.narrowed(options)


def _current(env: "Mapping[str, str]") -> Answer:
    profile = env.get("AWSENV_PROFILE")
    if not profile:
        return Answer(b"", "no awsenv identity in this shell", 3)
    from awsenv.text import left, show

    parts = [profile, env.get("AWSENV_ACCOUNT_ID", ""), env.get("AWSENV_ROLE", "")]
    parts += [narrowed(env), env.get("AWS_REGION", "")]
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
        ("__awsenv_shell", assets.folder("shell")),
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
