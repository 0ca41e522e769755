"""`console`: the AWS web console as an identity, in a browser or as a link."""

from __future__ import annotations

from dataclasses import dataclass, replace

from awsenv import browser, console
from awsenv.commands.whoami import from_variables
from awsenv.endpoints import endpoint_of, is_loopback
from awsenv.errors import AwsenvError, Config, Denied, Unreachable, Usage
from awsenv.handover import hand_over
from awsenv.lease import Reading, plan_for, request_of_shell, take
from awsenv.model import Credentials, Lease, Outcome, Plan, Profile, UseRequest
from awsenv.network import for_call
from awsenv.ports import Ports, real
from awsenv.prompt import shown_for
from awsenv.quick import narrowed
from awsenv.sources.mfa_session import MfaSession
from awsenv.sources.sso import SsoRole
from awsenv.store import NoStore
from awsenv.text import word
from awsenv.world import World

_TAKES = (
    "it takes the session of a role, also one of Identity Center, that has not ended yet\n"
    "not one of `aws sts get-session-token` or `aws configure mfa-login`: name the profile of a role"
)


@dataclass(frozen=True)
class _Who:
    """The identity before it is fetched. *held* is what the shell's variables hold; *plan* None where they are foreign."""

    request: UseRequest | None
    plan: Plan | None
    held: Credentials | None
    region: str | None


@dataclass(frozen=True)
class _Goal:
    """Where to sign in (*base*) and to land. *home* is the partition's first region, *sts* the override of STS's endpoint."""

    region: str | None
    home: str
    base: str
    landing: str
    sts: str | None
    is_on_loopback: bool


def run(world: World, asked: UseRequest | None, service: str | None, region: str | None, print_only: bool) -> Outcome:
    """Open the console of *service* in *region*, or print the link; what can be refused is, before anything is fetched.

    *asked* None means this shell.
    """
    name = asked.profile if asked is not None else None
    wanted = console.service_of(service) if service is not None else None
    reading = Reading.of(world)
    who = _identity(world, reading, asked)
    ports = real(world, NoStore())
    if who.plan is not None:
        named = reading.config.profile(who.plan.profile)
        for called in ("sts", "signin"):  # the keys themselves go to the second
            for each in for_call(called, named, reading.config, world.env):
                ports.trust.require(each.origin, each.deed, each.where)
    goal = _goal(world, reading, who, wanted, region, ports.aws.regions())
    command = _browser_of(who.plan, reading)
    if not print_only:
        _require_browser(goal, ports.browser.why_not(command), name)

    label, credentials, notes = _fetched(world, reading, who)
    session = _session(world, credentials, who.region or goal.home, goal.sts, ports)
    try:
        token = ports.aws.signin_token(session, goal.base)
    except Denied as error:
        error.hint = error.hint or _TAKES
        raise
    url = console.login_url(goal.base, goal.landing, token)
    opens = " · ".join(part for part in (label, goal.region, wanted) if part)
    lines = tuple(f"awsenv: {note}" for note in notes)
    if print_only:
        said = f"console: {opens}; the link is as good as a password for {console.LINK_MINUTES} minutes"
        return Outcome(f"{url}\n", (*lines, said))
    if not hand_over(url, lambda local: ports.browser.open(local, command)):
        raise Unreachable("no browser came for the console's link", hint=_print_instead(name))
    said = f"console: {opens}, opened in your browser; the link works for {console.LINK_MINUTES} minutes"
    return Outcome(notes=(*lines, said))


def _goal(
    world: World, reading: Reading, who: _Who, service: str | None, asked: str | None, known: console.Regions
) -> _Goal:
    """Where *who* goes; raises Usage for a region that is not of the identity's partition."""
    partition = console.partition_of(who.plan, who.region or asked, known)
    region = who.region if asked is None else asked
    if region is not None:
        console.require_region(region, partition, known)
    config = reading.config
    profile = config.profile(who.plan.profile) if who.plan is not None else Profile("", {}, None)
    override = endpoint_of("signin", profile, config, world.env, reading.settings.allow_endpoint_override)
    return _Goal(
        region,
        console.hosts_of(partition).region,
        console.signin_base(partition, region, override),
        console.destination(partition, region, service),
        endpoint_of("sts", profile, config, world.env),
        override is not None and is_loopback(override),
    )


def _require_browser(goal: _Goal, here: str | None, name: str | None) -> None:
    """Raise where no browser *here* could come for the link, or the link leads to somebody whom only keys are trusted to."""
    if here is not None:
        raise Usage(f"the console opens in a browser, and this is {here}", hint=_print_instead(name))
    url = console.login_url(goal.base, goal.landing, "")
    if not browser.is_openable(url, goal.region or goal.home, goal.is_on_loopback):
        raise Config(f"no browser is sent to {goal.base}, which is not AWS's", hint=_print_instead(name))


def _identity(world: World, reading: Reading, asked: UseRequest | None) -> _Who:
    """Who is meant: who is *asked* for, or this shell; raises Usage where the shell is nobody."""
    env = world.env
    if asked is not None:
        plan = plan_for(world, reading, asked)
        return _Who(asked, plan, None, plan.region)
    region = env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or None
    key, ours = env.get("AWS_ACCESS_KEY_ID"), env.get("AWSENV_PROFILE")
    if key and not (ours and key == env.get("AWSENV_KEY_ID")):
        return _Who(None, None, from_variables(world), region)
    # The shell's own session, as long as it lives: another one could cost an MFA code.
    held = from_variables(world) if key and not _has_ended(world) else None
    profile = ours if key else env.get("AWS_PROFILE") or ours
    if not profile:
        raise Usage("no identity in this shell", hint="awsenv console NAME")
    # With the options that made it: a read-only shell opens no other console.
    request = (request_of_shell(world) if profile == ours else None) or UseRequest(profile)
    try:
        plan = plan_for(world, reading, request)
    except AwsenvError:
        if held is None:
            raise
        return _Who(request, None, held, region)  # the profile is gone meanwhile; the keys are not
    if isinstance(plan.steps[-1], MfaSession):
        held = None  # a user's session, which the console does not take: the keys themselves get another
    return _Who(request, plan, held, region or plan.region)


def _has_ended(world: World) -> bool:
    ends = world.env.get("AWSENV_EXPIRES_AT", "")
    return ends.isascii() and ends.isdigit() and int(ends) <= world.clock()


def _browser_of(plan: Plan | None, reading: Reading) -> tuple[str, ...] | None:
    """The command set for the sso-session that the chain begins with; None for the person's usual browser."""
    keys = [step.session.key for step in plan.steps if isinstance(step, SsoRole)] if plan is not None else []
    return reading.settings.browsers.get(keys[0]) if keys else None


def _fetched(world: World, reading: Reading, who: _Who) -> tuple[str, Credentials, tuple[str, ...]]:
    """What to call the identity, its credentials, and what there is to say of getting them."""
    if who.held is None:
        assert who.request is not None, "only keys that are held can be nobody's"
        taken = take(world, replace(who.request, mfa_session=False))
        assert taken.lease.credentials is not None, "keys mode always has them"
        return shown_for(taken.lease, reading.settings).label, taken.lease.credentials, taken.notes
    if who.request is None:
        return f"the keys ****{who.held.access_key_id[-4:]} of this shell", who.held, ()
    env = world.env
    about = (env.get("AWSENV_ACCOUNT_ID"), env.get("AWSENV_ROLE"))
    lease = Lease(who.request.profile, who.region, who.held, *about, narrowed=narrowed(env))
    return shown_for(lease, reading.settings).label, who.held, ()


def _session(world: World, credentials: Credentials, region: str, sts: str | None, ports: Ports) -> Credentials:
    """Credentials that the console takes: a session's are; an IAM user's keys become one by GetFederationToken.

    An IAM user's own console session would need a password. What this one may do is what the user may, in the console
    also in IAM: "Permissions for GetFederationToken", IAM user guide. Its twelve hours are AWS's default.
    """
    if credentials.session_token is not None:
        return credentials
    name = world.session_name[:32]  # the STS model's limit for it; a role session's is 64
    try:
        return ports.aws.federation_token(credentials, name=name, region=region, endpoint=sts)
    except Denied as error:
        error.hint = error.hint or (
            "the console takes an IAM user's keys by sts:GetFederationToken alone: have it allowed, or use a role's profile"
        )
        raise


def _print_instead(name: str | None) -> str:
    return f"awsenv console {f'{word(name)} ' if name is not None else ''}--print"
