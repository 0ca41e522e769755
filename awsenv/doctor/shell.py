"""Checks of awsenv in the shell: loaded, once, and the version that is installed; its completion; and the program itself."""

from __future__ import annotations

from collections.abc import Iterator

from awsenv.doctor.examination import Examined
from awsenv.doctor.finding import Finding
from awsenv.render.shells import DIALECTS
from awsenv.text import word

_INIT = {"bash": 'eval "$(awsenv init bash)"', "zsh": 'eval "$(awsenv init zsh)"', "fish": "awsenv init fish | source"}


def loaded(facts: Examined) -> Iterator[Finding]:
    """The function tells the program where the store is: without that, nobody but a path or a script started us."""
    around = facts.surroundings
    if around is None or around.is_loaded or not around.shell or not around.is_interactive or facts.env.get("CI"):
        return
    here = [loading for loading in around.loadings if loading.shell == around.shell and loading.kind != "stray"]
    means = "`awsenv use` can't change this shell"
    if here:
        said = (
            f"awsenv is not loaded in this {around.shell}, and {here[0].where.short(facts.home)} loads it in new ones"
        )
        yield Finding("shim-not-loaded", "note", said, means=means, write=(f"exec {around.shell}",))
    else:
        said = f"awsenv is not loaded in this {around.shell}"
        write = (f"awsenv setup {around.shell}", f"or, for this shell alone: {_INIT[around.shell]}")
        yield Finding("shim-not-loaded", "warning", said, means=means, write=write)


def twice(facts: Examined) -> Iterator[Finding]:
    """Start-up files that load it more than once, or in which `setup`'s lines were changed."""
    loadings = facts.surroundings.loadings if facts.surroundings is not None else ()
    for loading in loadings:
        if loading.kind == "stray":
            yield Finding("shim-by-hand", "warning", "awsenv's lines were changed by hand", loading.where,
                          "`awsenv setup` doesn't touch them any more", ("take out what is left of them",))  # fmt: skip
    for shell in DIALECTS:
        here = [loading for loading in loadings if loading.shell == shell and loading.kind != "stray"]
        for again in here[1:]:
            said = f"awsenv is loaded here, and already by {here[0].where.short(facts.home)}"
            yield Finding("shim-twice", "note", said, again.where,
                          "no harm is done, and starting a shell takes longer", ("this line can go",))  # fmt: skip


def copies(facts: Examined) -> Iterator[Finding]:
    """`setup` copies the shim, so that a shell starts without starting the program: an upgrade leaves it behind."""
    around = facts.surroundings
    if around is None:
        return
    for path, is_current in around.copies.items():
        shell = next((name for name, dialect in DIALECTS.items() if path.endswith(f"/{dialect.file}")), "")
        if not is_current:
            said = f"the shell function in {_short(path, facts)} is not this version's"
            yield Finding("shim-old", "warning", said, None, "new shells load it, and may not understand this awsenv",
                          (f"awsenv setup {shell}", f"exec {shell}   (in shells that are open)"))  # fmt: skip
    for loading in around.loadings:
        file = DIALECTS[loading.shell].file
        if loading.kind == "block" and not any(path.endswith(f"/{file}") for path in around.copies):
            yield Finding("shim-missing", "error", "the file that awsenv is loaded from here is gone", loading.where,
                          f"new {loading.shell} shells are without awsenv, and don't say so",
                          (f"awsenv setup {loading.shell}",))  # fmt: skip


def installation(facts: Examined) -> Iterator[Finding]:
    """The program: on PATH once, whole, with libraries that are new enough."""
    around = facts.surroundings
    if around is None:
        return
    if len(around.programs) > 1:
        first, *others = (_short(path, facts) for path in around.programs)
        said = f"there are {len(around.programs)} awsenv programs on PATH"
        means = f"{first} is started; {', '.join(others)} may be of another version"
        yield Finding("several-programs", "warning", said, means=means, write=("type -a awsenv",))
    for shell in around.completions:
        said = f"the completion for {shell} is missing from this installation"
        yield Finding("completion-missing", "warning", said, means=f"TAB completes nothing in {shell}",
                      write=("install awsenv again",))  # fmt: skip
    for library, (installed, least) in around.versions.items():
        if not installed:
            yield Finding("library", "error", f"{library} is not installed beside awsenv",
                          means="awsenv can't call AWS", write=("install awsenv again",))  # fmt: skip
        elif _number(installed) < _number(least):
            yield Finding("library", "warning", f"{library} {installed} is older than {least}, the least that awsenv "
                          "is tested with", write=("install awsenv again",))  # fmt: skip


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def _short(path: str, facts: Examined) -> str:
    return f"~{path[len(facts.home) :]}" if facts.home and path.startswith(f"{facts.home}/") else word(path)


CHECKS = (loaded, twice, copies, installation)
