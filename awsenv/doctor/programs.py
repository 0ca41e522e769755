"""Checks of the programs that a file names: AWS's tools start them without a shell, and awsenv only from trusted files."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator

from awsenv.doctor.examination import Examined
from awsenv.doctor.finding import Finding
from awsenv.model import Setting
from awsenv.text import word

KEYS = ("credential_process", "mfa_process")
_SHELLS = ("sh", "bash", "zsh", "dash", "ksh", "fish", "env")
_OPERATORS = ("|", "||", "&", "&&", ";", ">", ">>", "<", "2>&1", "2>/dev/null")
_EXPANDED = re.compile(r"\$[A-Za-z_{(]|`")


def words_of(setting: Setting) -> tuple[str, ...] | None:
    """The command's words as botocore splits them; None where a quote isn't closed."""
    try:
        return tuple(shlex.split(setting.value))
    except ValueError:
        return None


def commands(facts: Examined) -> Iterable[Finding]:
    """Every `credential_process` and `mfa_process`. Their arguments may be secrets: none is quoted."""
    told: set[str] = set()
    for profile in facts.profiles.values():
        for key in KEYS:
            setting = profile.settings.get(key)
            if setting is None:
                continue
            command = words_of(setting)
            if not command or not command[0]:
                said = f"{key} opens a quote, and does not close it" if command is None else f"{key} names no program"
                yield Finding("program-unreadable", "error", said, setting.where, "AWS's tools refuse the profile",
                              (f"{key} = /path/to/program …",))  # fmt: skip
                continue
            yield from _shell_words(key, setting, command)
            yield from _program(setting, command, facts)
            file = setting.where.file
            if file in facts.strangers and file not in told:
                told.add(file)
                said = f"this file names a program, and awsenv starts none of it: {facts.strangers[file]}"
                write = (f"awsenv trust {word(file)}",)
                yield Finding("untrusted-file", "warning", said, setting.where,
                              "AWS's tools start it without a question", write)  # fmt: skip


def _shell_words(key: str, setting: Setting, command: tuple[str, ...]) -> Iterator[Finding]:
    name = command[0].rpartition("/")[2]
    if name in _SHELLS:
        return
    shell = f"{key} = sh -c '…'"
    if any(part in _OPERATORS or part.endswith(";") for part in command):
        said = f"{key} holds a pipe or another sign of the shell's, and no shell reads it"
        means = "AWS CLI and boto3 hand it to the program as an argument; some SDKs do start a shell"
        yield Finding("program-shell", "error", said, setting.where, means, (shell,))
    elif any(_EXPANDED.search(part) for part in command):
        said = f"{key} holds a variable or a command in $(…), and no shell reads it"
        means = "AWS CLI and boto3 hand it to the program as it stands; some SDKs do start a shell"
        yield Finding("program-variable", "error", said, setting.where, means, (f"the value itself, or: {shell}",))
    if any(part.startswith("~/") for part in command):
        said = f"{key} holds a ~, and nobody makes a home folder of it"
        means = "AWS CLI and boto3 look for a folder called ~"
        yield Finding("program-tilde", "error", said, setting.where, means, ("write the whole path",))


def _program(setting: Setting, command: tuple[str, ...], facts: Examined) -> Iterator[Finding]:
    name = command[0]
    if name.startswith(("~", "$")):
        return
    if "/" in name and not name.startswith("/"):
        said = f"the program {name} is looked for in whatever folder one is in"
        yield Finding("program-relative", "warning", said, setting.where,
                      "AWS's tools find it in one folder and not in the next", ("write the whole path",))  # fmt: skip
    elif facts.programs.get(name) is False:
        said = f"there is no program {name}"
        yield Finding("program-missing", "error", said, setting.where, "AWS's tools fail with this profile",
                      ("install it, or write its whole path",))  # fmt: skip


def token_files(facts: Examined) -> Iterable[Finding]:
    """`web_identity_token_file`: botocore takes the path as it stands."""
    for profile in facts.profiles.values():
        setting = profile.get("web_identity_token_file")
        if setting is None:
            continue
        if profile.get("role_arn") is None:
            said = f'"{profile.name}" has a web_identity_token_file, and no role to assume with it'
            yield Finding("role-missing", "error", said, setting.where, "AWS's tools refuse the profile",
                          ("role_arn = ARN",))  # fmt: skip
        if setting.value.startswith("~"):
            said = "web_identity_token_file holds a ~"
            write = (f"web_identity_token_file = {facts.home}{setting.value[1:]}",)
            yield Finding("token-file-tilde", "error", said, setting.where,
                          "AWS CLI and boto3 look for a folder called ~", write)  # fmt: skip
        elif setting.value not in facts.stats:
            said = f"there is no file {setting.value} here"
            means = "right on a laptop, if the profile is meant for CI or a pod; else its program doesn't run"
            yield Finding("token-file-missing", "note", said, setting.where, means)


CHECKS = (commands, token_files)
