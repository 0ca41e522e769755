"""A request → an identity in hand: read the files, plan, resolve. What `use`, `export`, `exec` and `whoami` share."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from awsenv import hot, overlay, shelf, spelling
from awsenv.config import AwsConfig
from awsenv.errors import AwsenvError, Config, LoginNeeded, NoCredentials, UnknownProfile, Usage
from awsenv.files import read
from awsenv.guard import Guard
from awsenv.model import Lease, Note, Plan, Problem, UseRequest, Where
from awsenv.plan import build
from awsenv.ports import Ports, real
from awsenv.resolve import chain_keys, resolve
from awsenv.settings import Settings, parse, void_aliases
from awsenv.sources.login import ConsoleLogin
from awsenv.sources.sso import SsoRole
from awsenv.store import FileStore, Store, open_store
from awsenv.text import show, word
from awsenv.world import World


@dataclass(frozen=True)
class Reading:
    """The user's files as they were read, and (path, fingerprint) of each from just before."""

    config: AwsConfig
    settings: Settings
    stamps: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, world: World) -> Reading:
        paths = (world.config_path, world.credentials_path, world.settings_path)
        stamps = tuple((path, shelf.fingerprint(shelf.stat_of(path))) for path in paths)
        config, settings = AwsConfig(read(paths[0]), read(paths[1]), *paths[:2]), read_settings(paths[2])
        void = void_aliases(settings, config.has)
        return cls(config, replace(settings, mistakes=(*settings.mistakes, *void)) if void else settings, stamps)

    def meant(self, name: str) -> str:
        """The profile that *name*, one of its own or an alias, stands for."""
        profile = self.settings.aliases.get(name)
        return profile if profile is not None and not self.config.has(name) and self.config.has(profile) else name


def read_settings(path: str) -> Settings:
    """awsenv's settings; a file that can't be read is a mistake in them, and stops nothing."""
    try:
        data = read(path)
    except Config as error:
        return Settings(mistakes=(Problem(Where(path, 1), error.what),))
    return parse(data.decode("utf-8", "replace"), path) if data else Settings()


@dataclass(frozen=True)
class Taken:
    """An identity and all that it stands on."""

    lease: Lease
    plan: Plan
    reading: Reading
    notes: tuple[str, ...]
    stamps: tuple[tuple[str, str], ...]
    keys: tuple[str, ...]
    store: Store
    region_is_ambient: bool
    options: str = ""  # of the request, as AWSENV_OPTIONS keeps them
    trouble: AwsenvError | None = None  # why a renewal that was due came to nothing: what is stored was taken


LARGEST_POLICY = 64 << 10  # bytes; without its blanks it is a 32nd of that


@dataclass(frozen=True)
class _Over:
    """The options over a profile, with the policy file that they name read. *stamps* are its (path, fingerprint), from just
    before; *spelled* the options with what was seen in it."""

    overlay: overlay.Overlay
    spelled: spelling.Over
    stamps: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, request: UseRequest) -> _Over:
        asked = overlay.asked(request.over)
        path = asked.policy_path
        if path is None:
            return cls(asked, request.over)
        stamp = shelf.fingerprint(shelf.stat_of(path))
        try:
            data = read(path, LARGEST_POLICY)
        except Config as error:
            raise Usage(f"--policy: {error.what}") from None
        whole, digest = overlay.with_policy(asked, data, dict(request.over).get(spelling.SEEN))
        spelled = spelling.canonical((*request.over, (spelling.SEEN, digest)))
        return cls(whole, spelled, ((path, stamp),))


def plan_for(world: World, reading: Reading, request: UseRequest) -> Plan:
    """The plan of *request* in this world."""
    return _plan(world, reading, replace(request, profile=reading.meant(request.profile)), _Over.of(request))


def _plan(world: World, reading: Reading, request: UseRequest, over: _Over) -> Plan:
    try:
        return build(
            reading.config,
            request.profile,
            env=world.env,
            session_name=world.session_name,
            region=request.region,
            ambient_region=hot.ambient_region(world.env),
            duration=request.duration,
            trust_endpoints=reading.settings.allow_endpoint_override,
            before=world.before,
            mfa_session=request.mfa_session,
            over=over.overlay,
        )
    except (UnknownProfile, NoCredentials) as error:
        _name_alias(reading, request.profile)
        stray = misplaced(world.home, world.credentials_path)
        if stray is not None:
            line = f"{stray} exists, and AWS tools read {world.credentials_path}"
            error.hint = f"{error.hint}\n{line}" if error.hint else line
        raise


def _name_alias(reading: Reading, name: str) -> None:
    """Raise UnknownProfile with the line of an alias, where *name* is one and stands for nothing."""
    profile = reading.settings.aliases.get(name)
    if profile is not None and not reading.config.has(name):
        error = reading.config.unknown(profile)
        what = f'the alias {name} stands for "{show(profile)}", and there is no such profile'
        raise UnknownProfile(what, reading.settings.origins[f"aliases.{name}"], error.hint) from None


def take(world: World, request: UseRequest, login: str = "by setting", guarded: str | None = None) -> Taken:
    """The identity that *request* asks for; raises whatever of the error tree stands in its way.

    *login*, where that takes one: `by setting` (a person at a terminal is asked, unless the settings say otherwise),
    `allowed` (the command line says so) or `never`. *guarded*: the verb, where a person may have to agree first.
    """
    reading = Reading.of(world)
    request = replace(request, profile=reading.meant(request.profile))
    over = _Over.of(request)
    plan = _plan(world, reading, request, over)
    options = hot_request(replace(request, over=over.spelled)).options()
    store, trouble = open_store(world.store_root, world.started)
    ports = real(world, store, plan.network)
    about = (*(Note(mistake.what, mistake.where) for mistake in reading.settings.mistakes), *plan.notes)
    notes = (*((trouble,) if trouble else ()), *(note.line(world.home) for note in about))
    account, role = plan.principal
    named = reading.config.profile(request.profile).get("region")
    ambient = request.region is None and named is None
    guard = Guard(guarded, world.env, reading.settings, ports.asker) if guarded and not request.agreed else None
    if guard is not None:  # before anybody types a code or logs in
        guard.let_pass(Lease(request.profile, plan.region, None, account, role, narrowed=plan.steps[-1].narrowed()))
    if request.mode == "profile":
        _require_nothing_over(request)
        require_renewable_by_sdks(plan, reading)
        lease = Lease(request.profile, plan.region, None, account, role)
        return Taken(lease, plan, reading, notes, reading.stamps, ("",) * len(plan.steps), store, ambient, options)
    try:
        resolved = resolve(plan, store, ports, fresh=request.fresh, early=request.early)
    except LoginNeeded as error:
        _forget_if_logged_out(plan, store, ports, request)
        if login == "never" or error.session is None:
            raise
        from awsenv.offer import logged_in  # a login is the rare case, and its modules many

        if not logged_in(error, world.env, ports, reading.settings, consented=login == "allowed"):
            raise
        resolved = resolve(plan, store, ports, fresh=request.fresh)
    credentials = resolved.credentials
    lease = Lease(
        request.profile, plan.region, credentials, credentials.account_id or account, role, reused=resolved.reused,
        narrowed=plan.steps[-1].narrowed(),
    )  # fmt: skip
    if guard is not None:
        guard.let_pass(lease)  # some say only now which account they are in
    # The stamps before the keys: another login in this very moment then leaves its keys beside older stamps, and the record
    # is void. The other way round, the new login's stamps would vouch for the old one's keys.
    stamps = (*reading.stamps, *over.stamps, *_token_stamps(plan, world))
    keys = tuple(chain_keys(plan, ports))
    skewed = ports.clock.warning() if not lease.reused else None
    said = (*notes, *resolved.notes, *((skewed,) if skewed else ()))
    return Taken(lease, plan, reading, said, stamps, keys, store, ambient, options, resolved.trouble)


def misplaced(home: str, credentials_path: str) -> str | None:
    """A credentials file in a folder that is nearly `~/.aws` (`~/.awx`), where the real one is missing."""
    if shelf.stat_of(credentials_path) is not None:
        return None
    try:
        folders = sorted(
            name for name in os.listdir(home) if name != ".aws" and name.startswith(".aw") and len(name) < 6
        )
    except OSError:
        return None
    return next((f"{home}/{name}/credentials" for name in folders if shelf.stat_of(f"{home}/{name}/credentials")), None)


def require_renewable_by_sdks(plan: Plan, reading: Reading) -> None:
    """Raise Config where AWS's own tools could not get, or renew, this profile's credentials without a person or at all."""
    for step in plan.steps if plan.wraps is None else ():  # a wrapped profile's steps are ours to take
        lost = step.lost_on_aws_tools()
        if lost is not None:
            raise Config(f'"{step.profile}": {lost[0]}', lost[1], f"awsenv use {word(plan.profile)} --as keys")
    damage = reading.config.damage()
    if plan.ours_alone or damage:
        what, where = (damage[0].what, damage[0].where) if damage else ("AWS tools don't see this section", None)
        raise Config(
            f'only awsenv can read "{plan.profile}": {what}', where, f"awsenv use {word(plan.profile)} --as keys"
        )


def _require_nothing_over(request: UseRequest) -> None:
    if request.over:
        option = request.over[0][0]
        words = " ".join(
            f"{name} {word(value)}" if value else name for name, value in request.over if name != spelling.SEEN
        )
        raise Usage(
            f"--as profile leaves the fetching to AWS tools, which know nothing of {option}",
            hint=f"awsenv use {word(request.profile)} {words} --as keys",
        )


def request_of_shell(world: World) -> UseRequest | None:
    """What made this shell who it is, with its options; None where it is nobody of ours.

    Raises Usage where the options can't be read (another version's, say): without them it would be another session.
    """
    spelled = hot.parse("refresh", [], world.env)
    profile = world.env.get("AWSENV_PROFILE")
    if spelled is None and profile:
        what = "AWSENV_OPTIONS, with which this shell was made, can't be read"
        raise Usage(what, hint=f"awsenv use {word(profile)}   (with the options that you want)")
    if spelled is None:
        return None
    return UseRequest(spelled.profile, spelled.region, spelled.duration, over=spelled.over)


def _token_stamps(plan: Plan, world: World) -> list[tuple[str, str]]:
    from awsenv.login_tokens import login_path
    from awsenv.tokens import token_path

    paths = [token_path(world.sso_cache_dir, step.session.key) for step in plan.steps if isinstance(step, SsoRole)]
    paths += [
        login_path(world.login_cache_dir, step.session.key) for step in plan.steps if isinstance(step, ConsoleLogin)
    ]
    return [(path, shelf.fingerprint(shelf.stat_of(path))) for path in paths]


def _forget_if_logged_out(plan: Plan, store: Store, ports: Ports, request: UseRequest) -> None:
    sessions = [step.session for step in plan.steps if isinstance(step, SsoRole | ConsoleLogin)]
    gone = any(session.cache(ports).load(session.key) is None for session in sessions)
    if gone and isinstance(store, FileStore):
        from awsenv.index import forget

        forget(store.root, hot_request(request))


def hot_request(request: UseRequest) -> hot.Use:
    """The same request as the front door spells it."""
    spelled = hot.Use(request.profile)
    spelled.region, spelled.duration, spelled.mode = request.region, request.duration, request.mode
    spelled.fresh, spelled.over = request.fresh, request.over
    return spelled
