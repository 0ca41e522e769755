"""AwsConfig + a profile's name → Plan, and the passes on top of it. Pure: no file, no clock, no network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from awsenv import overlay, wrapping
from awsenv.config import AwsConfig, require_sound
from awsenv.endpoints import endpoint_of
from awsenv.errors import Config, NoCredentials, SourceLoop, UnknownProfile, Usage
from awsenv.mfa import Device, device_of
from awsenv.model import COMMAND_LINE, Claim, Delicate, Note, Origin, Plan, Profile, Setting, Step, Where
from awsenv.network import needs_trust, network_of
from awsenv.sources import SOURCES, credential_source
from awsenv.sources.assume_role import HOUR, LONGEST, SHORTEST, AssumeRole, has_own_keys
from awsenv.sources.credential_process import CredentialProcess
from awsenv.sources.credential_source import EnvironmentKeys
from awsenv.sources.mfa_session import MfaSession
from awsenv.sources.static import StaticKeys
from awsenv.sources.web_identity import GithubRole, TokenFileRole
from awsenv.text import show

# What a profile holds that authenticates nobody by itself → what is missing beside it.
_LACKS = (
    ("web_identity_token_file", "remove the empty web_identity_token_file: beside it a role_arn is void"),
    ("aws_secret_access_key", "add: aws_access_key_id, in the same section of the same file"),
    ("sso_session", "add: sso_account_id and sso_role_name"),
    ("source_profile", "add: role_arn"),
)
_LACKS_ALL = "give it keys, a role_arn with a source_profile, or an sso_session with an account and a role"


@dataclass(frozen=True)
class PlanContext:
    """What the sources may ask (model.Context), answered from the two files and the environment's endpoint variables."""

    config: AwsConfig
    requested: Profile
    region: str | None
    env: Mapping[str, str]
    session_name: str
    trust_endpoints: bool = False
    as_source: bool = False
    before: Mapping[str, str] | None = None

    def endpoint(self, service: str) -> str | None:
        # From the profile that was asked for, not its source's: that is whose settings botocore's clients see. It asks for
        # the OIDC service only when a token has to be renewed, and so never misses the section before that.
        rarely = service in ("sso_oidc", "signin")
        return endpoint_of(service, self.requested, self.config, self.env, self.trust_endpoints, rarely)

    def sso_session(self, name: str) -> Profile | None:
        section = self.config.section("sso-session", name)
        if section is not None:
            require_sound(section)
        return section

    def own_keys(self, name: str, credentials_file: bool) -> Mapping[str, Setting]:
        return self.config.own_keys(name, credentials_file)

    def origin(self, setting: Setting) -> Origin:
        return self.config.origin(setting)


def build(
    config: AwsConfig,
    name: str,
    *,
    env: Mapping[str, str],
    session_name: str,
    region: str | None = None,
    ambient_region: str | None = None,
    duration: int | None = None,
    trust_endpoints: bool = False,
    before: Mapping[str, str] | None = None,
    mfa_session: bool = True,
    over: overlay.Overlay = overlay.NOTHING,
    asked_by: tuple[str, ...] = (),
) -> Plan:
    """How *name* gets its credentials, root first.

    *region* was asked for and wins over the profile's own, *ambient_region* is what the user had before awsenv;
    *duration* is the seconds asked for on the last AssumeRole; *trust_endpoints* lets tokens go to any host; *before* is
    the environment as it was before awsenv, None where that can't be told; without *mfa_session* a user's keys stay as
    they are, whatever device the profile names; *over* is what the command line puts on top; *asked_by* are the profiles
    whose credential_process asks awsenv for this one. Raises Config (UnknownProfile, SourceLoop, …) with the file and
    line, or Usage where *duration*, or something of *over*, has nothing to apply to.
    """
    requested = config.profile(name)
    require_sound(requested)
    own = requested.get("region")
    effective = region or (own.value if own is not None else None) or ambient_region
    context = PlanContext(config, requested, effective, env, session_name, trust_endpoints, before=before)
    claims, profiles = _chain(config, requested, context)
    steps = tuple(claim.step for claim in reversed(claims))
    notes = tuple(note for claim in claims for note in claim.notes)
    notes += tuple(note for profile in profiles for note in config.notes_for(profile.name)) + _comments(profiles, steps)
    trail = (*asked_by, *(profile.name for profile in profiles))
    of_wrapped: tuple[Delicate, ...] = ()
    wrapped = _asked_of_awsenv(steps[0], config, trail)
    if wrapped is not None:
        is_all = len(steps) == 1  # else it is the source of what was asked for, which takes the options
        inner = build(
            config,
            wrapped,
            env=env,
            session_name=session_name,
            region=region if is_all else None,
            ambient_region=ambient_region,
            duration=duration if is_all else None,
            trust_endpoints=trust_endpoints,
            before=before,
            mfa_session=mfa_session or not is_all,
            over=over if is_all else overlay.NOTHING,
            asked_by=trail,
        )
        notes += inner.notes
        if is_all:
            hidden = _is_ours_alone(config, profiles)
            return replace(inner, profile=name, region=effective, notes=notes, ours_alone=hidden, wraps=wrapped)
        steps, of_wrapped = (*inner.steps, *steps[1:]), inner.delicate  # its steps are called where its own lines say
    if over.role is not None:
        steps = (*steps, overlay.hop(over, steps, requested, context))
    steps = overlay.applied(steps, over)
    if duration is not None:
        steps = _with_duration(steps, duration)
    steps, shared = share_mfa(steps)
    if mfa_session:
        steps, alone = _own_mfa(steps, requested, context)
        shared += alone
    steps, capped = cap_chained_roles(steps)
    return Plan(
        name,
        effective,
        steps,
        notes + shared + capped,
        _is_ours_alone(config, profiles),
        network_of(requested, env),
        tuple(dict.fromkeys((*of_wrapped, *needs_trust(steps, requested, config, env)))),
    )


def _asked_of_awsenv(root: Step, config: AwsConfig, trail: tuple[str, ...]) -> str | None:
    """The profile that the program of *root* would ask awsenv for: we are awsenv, and start no process for it."""
    name = wrapping.target(root.command) if isinstance(root, CredentialProcess) else None
    if name is None or not isinstance(root, CredentialProcess):
        return None
    if name in trail:
        shown = " → ".join(show(each) for each in (*trail[trail.index(name) :], name))
        raise Config(f"the program asks awsenv for its own profile: {shown}", root.where, "it must name another one")
    if not config.has(name):
        error = config.unknown(name)
        raise UnknownProfile(f"this program asks awsenv for it: {error.what}", root.where, error.hint)
    return name


def _chain(config: AwsConfig, profile: Profile, context: PlanContext) -> tuple[list[Claim], list[Profile]]:
    claims: list[Claim] = []
    profiles: dict[str, Profile] = {profile.name: profile}
    trail: list[tuple[str, Setting]] = []
    while True:
        claim = _first_claim(profile, context, trail)
        claims.append(claim)
        source = claim.upstream
        if source is None:
            return claims, list(profiles.values())
        if source.key == "credential_source":
            claims.append(Claim(credential_source.root(profile.name, source, context)))
            return claims, list(profiles.values())
        trail.append((profile.name, source))
        if not config.has(source.value):
            raise _missing(config, trail)
        # botocore's rule (AssumeRoleProvider._validate_source_profile): nobody twice, but for one with keys that names itself.
        again = profiles.get(source.value)
        if again is not None and not (again is profile and has_own_keys(again)):
            raise _loop(trail)
        profile = again or config.profile(source.value)
        require_sound(profile)
        profiles[profile.name] = profile
        context = replace(context, as_source=True)


def _first_claim(profile: Profile, context: PlanContext, trail: list[tuple[str, Setting]]) -> Claim:
    for source in SOURCES:
        claim = source(profile, context)
        if claim is not None:
            return claim
    held = ", ".join(show(key) for key in profile.settings) or "nothing"
    hint = next((hint for key, hint in _LACKS if key in profile.settings), _LACKS_ALL)
    if trail:
        what = f'the source profile "{profile.name}" has no credentials; it holds: {held}'
        raise NoCredentials(what, profile.where, hint, _lines(trail))
    raise NoCredentials(f'"{profile.name}" does not say how to authenticate; it holds: {held}', profile.where, hint)


def _missing(config: AwsConfig, trail: list[tuple[str, Setting]]) -> UnknownProfile:
    _, source = trail[-1]
    error = config.unknown(source.value)
    reason = f"{error.where}: {error.what}" if error.where else "there is no such profile"
    what = f'source_profile names "{show(source.value)}": {reason}'
    return UnknownProfile(what, source.where, error.hint, _lines(trail))


def _loop(trail: list[tuple[str, Setting]]) -> SourceLoop:
    _, source = trail[-1]
    what = f'the source profiles lead in a circle, back to "{show(source.value)}":'
    return SourceLoop(what, source.where, "one of them needs keys or an sso_session of its own", _lines(trail))


def _lines(trail: list[tuple[str, Setting]]) -> list[str]:
    return [f"{name} → {show(source.value)}   ({source.where})" for name, source in trail]


def _is_ours_alone(config: AwsConfig, profiles: list[Profile]) -> bool:
    sessions = [
        config.section("sso-session", p.settings["sso_session"].value) for p in profiles if p.get("sso_session")
    ]
    return any(profile.ours_alone for profile in (*profiles, *(section for section in sessions if section is not None)))


def _with_duration(steps: tuple[Step, ...], seconds: int) -> tuple[Step, ...]:
    if not SHORTEST <= seconds <= LONGEST:
        raise Usage(f"a role lasts from {SHORTEST} to {LONGEST} seconds (15m to 12h), not {seconds}")
    for i in range(len(steps) - 1, -1, -1):
        step = steps[i]
        if isinstance(step, AssumeRole | TokenFileRole | GithubRole):
            kept = tuple(setting for setting in step.settings if setting.key != "duration_seconds")
            said = Setting("--duration", str(seconds), COMMAND_LINE)
            return (*steps[:i], replace(step, seconds=seconds, settings=(*kept, said)), *steps[i + 1 :])
    last = steps[-1]
    raise Usage(
        f'--duration has nothing to apply to: "{last.profile}" assumes no role by itself',
        last.settings[0].where if last.settings else None,
        "the length of its session is set on the permission set" if last.is_role_session else None,
    )


def share_mfa(steps: tuple[Step, ...]) -> tuple[tuple[Step, ...], tuple[Note, ...]]:
    """One code for every role behind a device: it buys the user a session, and that one assumes them.

    Where it can't, the code goes along with AssumeRole, and a note says why. A role that is assumed with such a session
    gets an hour: so says AWS's knowledge center (repost.aws/knowledge-center/iam-role-chaining-limit, and the error that
    many trackers quote), though its guide calls only role to role chaining. For more, the code goes along, which is right
    under both readings; where there is no such limit, nothing is lost by an hour that is asked for, or AWS's default.
    """
    shared: list[Step] = []
    notes: list[Note] = []
    for i, step in enumerate(steps):
        if isinstance(step, AssumeRole) and step.device is not None and i:
            device, reason = step.device, _no_session(steps[i - 1], step)
            if reason is not None:
                notes.append(Note(f"{step.profile}: this role takes a code of its own: {reason}", device.where))
            else:
                shared.append(_session(step.profile, device, step.region, step.endpoint))
                rest = tuple(setting for setting in step.settings if setting not in device.settings)
                step = replace(step, device=None, settings=rest)
        shared.append(step)
    return tuple(shared), tuple(notes)


def _no_session(upstream: Step, role: AssumeRole) -> str | None:
    """Why no session of a user's can stand between the two; None where one can."""
    if role.seconds is not None and role.seconds > HOUR:
        return f"{role.seconds} s are asked for, and what is assumed with a session gets {HOUR} s"
    if isinstance(upstream, StaticKeys | EnvironmentKeys) and not upstream.may_be_role_session:
        return None
    if upstream.is_role_session or isinstance(upstream, StaticKeys | EnvironmentKeys):
        return f"{upstream.called()} is a session already, and only a user's own key gets one"
    return f"{upstream.called()} may be a session already, and only a user's own key gets one"


def _own_mfa(
    steps: tuple[Step, ...], requested: Profile, context: PlanContext
) -> tuple[tuple[Step, ...], tuple[Note, ...]]:
    """A user's profile with an mfa_serial is the user with MFA; AWS's tools pass over the setting, and he is without."""
    keys = steps[-1]
    if len(steps) > 1 or not isinstance(keys, StaticKeys):
        return steps, ()
    device = device_of(requested, context)
    if device is None:
        return steps, ()
    if keys.may_be_role_session:
        return steps, (Note("mfa_serial has no effect: the key comes with a session already", device.where),)
    note = Note(
        "mfa_serial: a code is asked for here; AWS tools use the key without one, and say nothing", device.where
    )
    # A missing `services` section is no reason to refuse keys that AWS's tools would read without a call.
    endpoint = endpoint_of("sts", requested, context.config, context.env, may_lack_section=True)
    return (keys, _session(requested.name, device, context.region, endpoint)), (note,)


def _session(profile: str, device: Device, region: str | None, endpoint: str | None) -> MfaSession:
    return MfaSession(profile=profile, settings=device.settings, device=device, region=region, endpoint=endpoint)


def cap_chained_roles(steps: tuple[Step, ...]) -> tuple[tuple[Step, ...], tuple[Note, ...]]:
    """AWS gives a role assumed from a role session an hour at the most, and refuses to be asked for more."""
    capped: list[Step] = []
    notes: list[Note] = []
    for i, step in enumerate(steps):
        reason = _cap_reason(steps[i - 1]) if i else None
        if reason and isinstance(step, AssumeRole) and step.seconds is not None and step.seconds > HOUR:
            what = f"{step.profile}: {step.seconds} s asked for, {HOUR} s taken: {reason}, and AWS caps what is chained on one"
            notes.append(Note(what, _asked_at(step)))
            step = replace(step, seconds=HOUR)
        capped.append(step)
    return tuple(capped), tuple(notes)


def _asked_at(step: AssumeRole) -> Where | None:
    """The line that asks for the step's length; None where the command line does."""
    setting = next((s for s in step.settings if s.key == "duration_seconds"), None)
    return setting.where if setting is not None and setting.value == str(step.seconds) else None


def _cap_reason(upstream: Step) -> str | None:
    if upstream.is_role_session:
        return f"{upstream.called()} is a role session"
    if upstream.may_be_role_session and not isinstance(upstream, CredentialProcess):
        return f"{upstream.called()} holds a session token, which may be a role session"
    if isinstance(upstream, CredentialProcess):
        return f'what the program of "{upstream.profile}" prints may be a role session'
    return None


def _comments(profiles: list[Profile], steps: tuple[Step, ...]) -> tuple[Note, ...]:
    """A note for every value that we read without its comment: the profiles' own, and what they took from elsewhere."""
    used = [setting for profile in profiles for setting in profile.settings.values()]
    used += [setting for step in steps for setting in step.settings]
    return tuple(
        Note(
            f"{s.key}: read as {s.value or 'empty'}; the AWS CLI takes the comment behind it as part of the value",
            s.where,
        )
        for s in {s.where: s for s in used}.values()
        if s.comment
    )
