"""Finds shell/ and completions/: inside the package in a wheel, beside it in a checkout. Imports only os."""

import os

_PACKAGE = os.path.dirname(os.path.abspath(__file__))
MAIN = os.path.join(_PACKAGE, "__main__.py")


def folder(kind: str) -> str:
    """The absolute path of `shell` or `completions`."""
    inside = os.path.join(_PACKAGE, "data", kind)
    return inside if os.path.isdir(inside) else os.path.join(os.path.dirname(_PACKAGE), kind)


def text(kind: str, name: str) -> str:
    """One of their files, as it stands."""
    with open(os.path.join(folder(kind), name), encoding="utf-8") as file:
        return file.read()
