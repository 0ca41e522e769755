"""Checks of the files themselves: where they are, who may read and change them, and awsenv's own settings."""

from __future__ import annotations

from collections.abc import Iterable

from awsenv.doctor.examination import Examined, Stat
from awsenv.doctor.finding import Finding, Mode
from awsenv.doctor.vocabulary import SECRET
from awsenv.text import word

_FILE, _FOLDER = 0o600, 0o700


def permissions(facts: Examined) -> Iterable[Finding]:
    """What others may do with AWS's files: secrets are nobody's to read, and nothing is anybody's to change."""
    for stat in facts.stats.values():
        if not _is_ours_to_judge(stat, facts):
            continue
        name = _short(stat.path, facts)
        if stat.owner not in (facts.user, 0):
            said = f"{name} belongs to somebody else (user {stat.owner})"
            means = "who owns it can put another identity, or another program, in its place"
            yield Finding("foreign-owner", "error", said, None, means, (f"chown {facts.user} {word(stat.path)}",))
            continue
        if stat.owner != facts.user:
            continue
        is_secret = _is_secret(stat, facts)
        right = _FOLDER if stat.kind == "folder" else _FILE
        if stat.mode & 0o022:
            level, code = "error", "writable-by-others"
            said = f"others may change {name} (mode {stat.mode:04o})"
            means = "whoever can write there can start a program in your name (credential_process)"
            if not is_secret:  # others may have to read it: a project's config file, a container's mount
                right = stat.mode & 0o7755
        elif stat.mode & 0o077 and is_secret:
            level, code = "warning", "readable-by-others"
            said = f"others may read {name} (mode {stat.mode:04o})"
            means = "there are secrets in it" + ("; the AWS CLI warns of it too" if stat.kind == "file" else "")
        else:
            continue
        yield Finding(
            code, level, said, None, means, (f"chmod {right:o} {word(stat.path)}",), (Mode(stat.path, right),)
        )


def _is_ours_to_judge(stat: Stat, facts: Examined) -> bool:
    inside = stat.path.startswith(f"{facts.home}/.aws/") or stat.path == f"{facts.home}/.aws"
    return stat.kind != "other" and (inside or stat.path in (facts.config_path, facts.credentials_path))


def _is_secret(stat: Stat, facts: Examined) -> bool:
    if stat.kind == "folder":
        return False  # AWS's tools make them 0755, and keep each secret file 0600
    if stat.path == facts.config_path:
        return any(s.key in SECRET and s.value for part in facts.documents[0].parts for s in part.settings)
    return True


def _short(path: str, facts: Examined) -> str:
    return f"~{path[len(facts.home) :]}" if path.startswith(f"{facts.home}/") else path


def links(facts: Examined) -> Iterable[Finding]:
    """A link in the place of a file: one that leads nowhere, or out of the home folder."""
    for path in (facts.config_path, facts.credentials_path, f"{facts.home}/.aws"):
        stat = facts.stats.get(path)
        if stat is None or stat.target is None:
            continue
        name, target = _short(path, facts), _short(stat.target, facts)
        if stat.kind == "nothing":
            said = f"{name} is a link to {target}, which isn't there"
            yield Finding("dangling-link", "error", said, None, "AWS's tools read nothing, and say nothing of it",
                          (f"ls -l {word(path)}",))  # fmt: skip
        elif not stat.target.startswith(f"{facts.home}/"):
            said = f"{name} is a link to {target}, outside of your home folder"
            yield Finding("link-away", "note", said, None, "who can write there decides what AWS's tools do here")


def near_folders(facts: Examined) -> Iterable[Finding]:
    """`~/.awx/credentials`: a folder that is nearly ~/.aws, with AWS's files in it."""
    for path in facts.neighbours:
        right = f"{facts.home}/.aws/{path.rpartition('/')[2]}"
        is_there = right in facts.stats
        said = f"{_short(path, facts)} is in a folder that is nearly ~/.aws"
        means = "AWS's tools never read it"
        move = f"mv {word(path)} {word(right)}"
        write = f"compare it with {_short(right, facts)}, and remove it" if is_there else move
        yield Finding("near-folder", "warning" if is_there else "error", said, None, means, (write,))


def own_settings(facts: Examined) -> Iterable[Finding]:
    """Mistakes in awsenv's settings, which stop nothing and leave the default in force."""
    for mistake in facts.settings.mistakes:
        yield Finding("settings", "error", mistake.what, mistake.where, "awsenv goes on with its default",
                      ("awsenv settings --template",))  # fmt: skip


CHECKS = (permissions, links, near_folders, own_settings)
