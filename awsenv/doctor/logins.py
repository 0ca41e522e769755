"""Checks of Identity Center: what a profile, its sso-session and its login need of each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from awsenv.doctor.examination import Examined
from awsenv.doctor.finding import Finding
from awsenv.model import Profile, Setting
from awsenv.text import nearest, word

_PAIR = ("sso_account_id", "sso_role_name")
_REFUSES = "AWS's tools refuse the profile"


def profiles(facts: Examined) -> Iterable[Finding]:
    """Every profile with an sso_ setting in it."""
    for profile in facts.profiles.values():
        session, start_url = profile.settings.get("sso_session"), profile.settings.get("sso_start_url")
        held = [profile.settings[key] for key in _PAIR if profile.get(key) is not None]
        missing = [key for key in _PAIR if profile.get(key) is None]
        if held and missing:
            said = f'"{profile.name}" has {held[0].key} without {missing[0]}'
            yield Finding("sso-half", "error", said, held[0].where, _REFUSES, (f"{missing[0]} = …",))
        if session is not None:
            yield from _with_session(profile, session, facts)
        elif held and start_url is None:
            said = f'"{profile.name}" does not say where to log in'
            yield Finding("sso-without-login", "error", said, held[0].where, _REFUSES, ("sso_session = NAME",))
        elif start_url is not None and profile.get("sso_region") is None:
            said = f'"{profile.name}" has an sso_start_url without sso_region'
            yield Finding("sso-region", "error", said, start_url.where, _REFUSES, ("sso_region = REGION",))
        elif start_url is not None and held:
            said = f'"{profile.name}" names its portal itself, as was done before there were sso-sessions'
            means = "AWS's tools never renew such a login: it ends after eight hours"
            write = ("[sso-session NAME] with sso_start_url and sso_region, and here: sso_session = NAME",)
            yield Finding("sso-legacy", "note", said, start_url.where, means, write)


def _with_session(profile: Profile, session: Setting, facts: Examined) -> Iterator[Finding]:
    section = facts.config.section("sso-session", session.value)
    if section is None:
        close = nearest(session.value, facts.config.section_names("sso-session"))
        write = (f"sso_session = {close[0]}",) if close else (f"[sso-session {session.value}]", "awsenv sso add")
        said = f'"{profile.name}" names an sso-session "{session.value}", and there is none'
        yield Finding("missing-sso-session", "error", said, session.where, _REFUSES, write)
        return
    for key, theirs in section.settings.items():
        ours = profile.settings.get(key)
        if ours is not None and ours.value != theirs.value:
            said = f"{key} differs from the one of the sso-session (line {theirs.where.line})"
            yield Finding("sso-conflict", "error", said, ours.where, _REFUSES,
                          ("remove this line: the sso-session has it",))  # fmt: skip


def sections(facts: Examined) -> Iterable[Finding]:
    """Every sso-session: where it logs in, and whether anybody has."""
    used = {p.settings["sso_session"].value for p in facts.profiles.values() if p.get("sso_session") is not None}
    for name in facts.config.section_names("sso-session"):
        section = facts.config.section("sso-session", name)
        if section is None:
            continue
        missing = [key for key in ("sso_start_url", "sso_region") if section.get(key) is None]
        for key in missing:
            also = section.get("region") if key == "sso_region" else None
            said = f'the sso-session "{name}" has no {key}' + (": region is another setting" if also else "")
            write = f"{key} = {also.value}" if also else f"{key} = …"
            yield Finding("sso-session-incomplete", "error", said, section.where,
                          "AWS's tools refuse every profile of it", (write,))  # fmt: skip
        if not missing and name in used and name not in facts.tokens:
            said = f'nobody is logged in to the sso-session "{name}"'
            means = "its profiles ask for a login first"
            yield Finding("not-logged-in", "note", said, section.where, means, (f"awsenv login {word(name)}",))


CHECKS = (profiles, sections)
