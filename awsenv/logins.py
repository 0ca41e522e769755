"""Which login is meant: an sso-session by its name, a profile's own, this shell's, or the only one."""

from __future__ import annotations

from dataclasses import dataclass

from awsenv.config import AwsConfig
from awsenv.endpoints import endpoint_of
from awsenv.errors import AwsenvError, Config, Usage
from awsenv.lease import Reading, plan_for
from awsenv.model import AS_IT_COMES, LoginSession, Network, Profile, Setting, SsoSession, UseRequest
from awsenv.network import network_of
from awsenv.sources import login, sso
from awsenv.sources.login import ConsoleLogin
from awsenv.sources.sso import SsoRole, scopes_of
from awsenv.text import nearest, show, word
from awsenv.trust import gate
from awsenv.world import World

AnySession = SsoSession | LoginSession


def named(world: World, reading: Reading, name: str | None) -> AnySession:
    """The login that *name*, an sso-session, a profile or a start URL, stands for; None: this shell's, or the only sso-session.

    A session wins over a profile of the same name. Raises Config or Usage.
    """
    known = reading.config.section_names("sso-session")
    if name is None:
        current = world.env.get("AWSENV_PROFILE") or world.env.get("AWS_PROFILE")
        if current:
            try:
                return of_profile(world, reading, current)
            except AwsenvError:
                pass  # this shell lives on something else, or its profile is gone: that decides nothing
        return of_section(world, reading, section_name(reading, None, "awsenv login"))
    if name in known:
        return of_section(world, reading, name)
    if reading.config.has(reading.meant(name)):
        return of_profile(world, reading, reading.meant(name))
    for known_login in every(world, reading)[0]:
        if known_login.session.key == name:  # a legacy login has no other name of its own
            return known_login.session
    close = nearest(name, [*known, *reading.config.names()])
    what = f'there is no sso-session and no profile "{show(name)}"'
    raise Config(what, None, _instead(close, known))


def network(world: World, reading: Reading, name: str | None) -> Network:
    """How AWS is reached for `named(world, reading, name)`: as the profile says that was named, else as it comes."""
    wanted = name or world.env.get("AWSENV_PROFILE") or world.env.get("AWS_PROFILE") or ""
    meant = reading.meant(wanted)
    if wanted in reading.config.section_names("sso-session") or not reading.config.has(meant):
        return AS_IT_COMES
    return network_of(reading.config.profile(meant), world.env)


def section_name(reading: Reading, name: str | None, verb: str) -> str:
    """The sso-session *name*, or the only one; raises Usage where *verb* needs one named, Config where there is none such."""
    known = reading.config.section_names("sso-session")
    if name is None:
        if len(known) == 1:
            return known[0]
        if not known:
            raise Usage("there is no [sso-session] in your AWS config yet", hint="awsenv sso add")
        listed = "\n".join(f"{verb} {word(each)}" for each in known[:9])
        raise Usage(f"which sso-session? There are {len(known)} of them", hint=listed)
    if name not in known:
        close = nearest(name, known)
        raise Config(f'there is no [sso-session] "{show(name)}"', hint=_instead(close, known))
    return name


def _instead(close: list[str], known: list[str]) -> str:
    """What was meant, what there is, or how to get one."""
    if close:
        return f"did you mean {' or '.join(show(each) for each in close)}?"
    return f"there are: {', '.join(show(each) for each in known[:9])}" if known else "awsenv sso add"


def of_section(world: World, reading: Reading, name: str) -> SsoSession:
    """The login of `[sso-session name]`, without a profile's settings; raises Config where it can't be used."""
    section = reading.config.section("sso-session", name)
    assert section is not None, "the caller has its name from the file"
    if section.problems:
        raise Config(section.problems[0].what, section.problems[0].where)
    for key in ("sso_start_url", "sso_region"):
        if section.get(key) is None:
            raise Config(f"[sso-session {word(show(name))}] has no {key}", section.where)
    bare, trust = Profile("", {}, None), reading.settings.allow_endpoint_override
    return SsoSession(
        name=name,
        start_url=section.settings["sso_start_url"].value,
        region=section.settings["sso_region"].value,
        asked_scopes=scopes_of(section.settings.get("sso_registration_scopes")),
        portal_endpoint=endpoint_of("sso", bare, reading.config, world.env, trust),
        oidc_endpoint=endpoint_of("sso_oidc", bare, reading.config, world.env, trust),
        where=section.where,
    )


def of_profile(world: World, reading: Reading, name: str) -> AnySession:
    """The login at the root of the profile's chain; raises Config where its chain begins with something else, or where a
    file that is not trusted says who gets the login's tokens."""
    plan = plan_for(world, reading, UseRequest(name))
    root = plan.steps[0]
    if not isinstance(root, SsoRole | ConsoleLogin):
        profile = reading.config.profile(name)
        raise Config(
            f'"{show(name)}" needs no login: {root.title()}',
            profile.where,
            f"awsenv use {word(name)}",
        )
    keeper = gate(world)
    for each in plan.delicate:
        keeper.require(each.origin, each.deed, each.where)
    return root.session


def region_setting(config: AwsConfig, session: SsoSession) -> Setting | None:
    """The line that says in which region the portal of *session* is; None where none can be told."""
    if session.name is not None:
        section = config.section("sso-session", session.name)
        return section.get("sso_region") if section is not None else None
    for name in config.names():
        profile = config.profile(name)
        url = profile.get("sso_start_url")
        if url is not None and url.value == session.start_url and profile.get("sso_session") is None:
            return profile.get("sso_region")
    return None


@dataclass(frozen=True)
class Login:
    """A login that the config knows, and the profiles that hang on it. *profile* leads to it where it has no name."""

    session: AnySession
    profiles: tuple[str, ...]

    @property
    def profile(self) -> str | None:
        return self.profiles[0] if self.profiles else None


def every(world: World, reading: Reading) -> tuple[list[Login], list[AwsenvError]]:
    """All logins of the config, sso-sessions first, and what is wrong with those that can't be used."""
    found: dict[str, tuple[AnySession, list[str]]] = {}
    wrong: list[AwsenvError] = []
    for name in reading.config.section_names("sso-session"):
        try:
            session = of_section(world, reading, name)
        except AwsenvError as error:
            wrong.append(error)
        else:
            found[session.key] = (session, [])
    for name in reading.config.names():
        try:
            root = plan_for(world, reading, UseRequest(name)).steps[0]
        except AwsenvError:
            continue  # `list` and `explain` say why; it is no login
        if isinstance(root, SsoRole | ConsoleLogin):
            found.setdefault(root.session.key, (root.session, []))[1].append(name)
    return [Login(session, tuple(profiles)) for session, profiles in found.values()], wrong


def group_of(session: AnySession) -> str:
    """What the store calls everything that came from this login."""
    return sso.login_group(session) if isinstance(session, SsoSession) else login.login_group(session)
