"""Words for people: text that is safe to show, the nearest name, a duration. Imports nothing until asked."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def show(text: str, limit: int = 120) -> str:
    """*text* as it may reach a terminal: what isn't printable (ESC, C1, bidi, line separators) is written as its escape.

    Longer than *limit* characters, it is cut in the middle.
    """
    if not (text.isprintable() and text.isascii()):
        text = "".join(c if c.isprintable() else _escaped(c) for c in text)
    if len(text) <= limit:
        return text
    return text[: limit // 2 - 1] + "…" + text[-(limit - limit // 2) :]


# Our own signs, for a terminal that knows ASCII alone. What is in people's names is left as it is.
_SIGNS = str.maketrans({"·": "-", "─": "-", "→": ">", "…": "...", "≠": "!=", "–": "-", "—": "-", "’": "'"})


def for_terminal(text: str, env: "Mapping[str, str]") -> str:
    """*text* with our signs in ASCII where the locale of *env* says that it is not UTF-8, as `LANG=C` does.

    Where no variable says anything, as in most containers, the terminal in front of it is a modern one.
    """
    says = env.get("LC_ALL") or env.get("LANG") or env.get("LC_CTYPE")
    return text if text.isascii() or not says or has_utf8(env) else text.translate(_SIGNS)


def has_utf8(env: "Mapping[str, str]") -> bool:
    """Whether the locale of *env* says UTF-8."""
    if not env.get("LC_ALL") and env.get("LANG") in ("C", "POSIX") and env.get("LC_CTYPE") in ("C.UTF-8", "C.utf8"):
        return False  # that LC_CTYPE is Python's own doing (PEP 538)
    locale = (env.get("LC_ALL") or env.get("LC_CTYPE") or env.get("LANG") or "").lower()
    return "utf" in locale


def _escaped(character: str) -> str:
    point = ord(character)
    return f"\\x{point:02x}" if point < 0x100 else f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def left(seconds: float) -> str:
    """Time left as the prompt shows it: `1h05m`, `47m`, `40s`, `expired`."""
    whole = int(seconds)
    if whole <= 0:
        return "expired"
    if whole >= 3600:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 60}m" if whole >= 60 else f"{whole}s"


def ago(seconds: float) -> str:
    """How long ago, in one unit: `40s`, `5m`, `2h`, `3 days`."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m"
    return f"{whole // 3600}h" if whole < 48 * 3600 else f"{whole // 86400} days"


def seconds_of(text: str) -> int | None:
    """`1h`, `45m`, `90s`, `1h30m` or plain seconds as a number of seconds; None for anything else."""
    if text.isascii() and text.isdigit():
        return int(text)
    total, number, last = 0, "", 4000
    for character in text:
        if character.isascii() and character.isdigit():
            number += character
            continue
        unit = {"h": 3600, "m": 60, "s": 1}.get(character, 0)
        if not (number and unit and unit < last):
            return None
        total += int(number) * unit
        number, last = "", unit
    return total if total and not number else None


def nearest(name: str, names: "list[str]") -> list[str]:
    """Up to three of *names* that *name* may have been meant as, best first."""
    from difflib import get_close_matches  # only a misspelling pays

    folded: dict[str, str] = {}
    for candidate in names:
        folded.setdefault(candidate.lower(), candidate)
    close = get_close_matches(name.lower(), list(folded), n=3, cutoff=0.6)
    return [folded[match] for match in close]


def word(text: str) -> str:
    """*text* as one word of a command that a person may paste: quoted unless it is plain."""
    if text and all((c.isascii() and c.isalnum()) or c in "_.-@+,/:%" for c in text):
        return text
    return "'" + show(text, 300).replace("'", "'\\''") + "'"
