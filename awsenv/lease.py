"""A request → an identity in hand: read the files, plan, resolve. What `use`, `export`, `exec` and `whoami` share."""

from __future__ import annotations

import os
from dataclasses import dataclass

from awsenv import hot, shelf
from awsenv.config import AwsConfig
from awsenv.errors import Config, LoginNeeded, NoCredentials, UnknownProfile
from awsenv.files import read
from awsenv.model import Lease, Note, Plan, Problem, UseRequest, Where
from awsenv.plan import build
from awsenv.ports import Ports, real
from awsenv.resolve import chain_keys, resolve
from awsenv.settings import Settings, parse
from awsenv.sources.sso import SsoRole
from awsenv.store import FileStore, Store, open_store
from awsenv.text import word
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
        return cls(AwsConfig(read(paths[0]), read(paths[1]), *paths[:2]), read_settings(paths[2]), stamps)


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


def plan_for(world: World, reading: Reading, request: UseRequest) -> Plan:
    """The plan of *request* in this world."""
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
        )
    except (UnknownProfile, NoCredentials) as error:
        stray = misplaced(world.home, world.credentials_path)
        if stray is not None:
            line = f"{stray} exists, and AWS tools read {world.credentials_path}"
            error.hint = f"{error.hint}\n{line}" if error.hint else line
        raise


def take(world: World, request: UseRequest, login: str = "by setting") -> Taken:
    """The identity that *request* asks for; raises whatever of the error tree stands in its way.

    *login*, where that takes one: `by setting` (a person at a terminal is asked, unless the settings say otherwise),
    `allowed` (the command line says so) or `never`.
    """
    reading = Reading.of(world)
    plan = plan_for(world, reading, request)
    store, trouble = open_store(world.store_root)
    ports = real(world, store)
    about = (*(Note(mistake.what, mistake.where) for mistake in reading.settings.mistakes), *plan.notes)
    notes = (*((trouble,) if trouble else ()), *(note.line(world.home) for note in about))
    account, role = plan.principal
    named = reading.config.profile(request.profile).get("region")
    ambient = request.region is None and named is None
    if request.mode == "profile":
        require_renewable_by_sdks(plan, reading)
        lease = Lease(request.profile, plan.region, None, account, role)
        return Taken(lease, plan, reading, notes, reading.stamps, ("",) * len(plan.steps), store, ambient)
    try:
        resolved = resolve(plan, store, ports, fresh=request.fresh)
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
        request.profile, plan.region, credentials, credentials.account_id or account, role, reused=resolved.reused
    )
    # The stamps before the keys: another login in this very moment then leaves its keys beside older stamps, and the record
    # is void. The other way round, the new login's stamps would vouch for the old one's keys.
    stamps = (*reading.stamps, *_token_stamps(plan, world))
    keys = tuple(chain_keys(plan, ports))
    return Taken(lease, plan, reading, (*notes, *resolved.notes), stamps, keys, store, ambient)


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
    for step in plan.steps:
        lost = step.lost_on_aws_tools()
        if lost is not None:
            raise Config(f'"{step.profile}": {lost[0]}', lost[1], f"awsenv use {word(plan.profile)} --as keys")
    damage = reading.config.damage()
    if plan.ours_alone or damage:
        what, where = (damage[0].what, damage[0].where) if damage else ("AWS tools don't see this section", None)
        raise Config(
            f'only awsenv can read "{plan.profile}": {what}', where, f"awsenv use {word(plan.profile)} --as keys"
        )


def _token_stamps(plan: Plan, world: World) -> list[tuple[str, str]]:
    from awsenv.tokens import token_path

    paths = [token_path(world.sso_cache_dir, step.session.key) for step in plan.steps if isinstance(step, SsoRole)]
    return [(path, shelf.fingerprint(shelf.stat_of(path))) for path in paths]


def _forget_if_logged_out(plan: Plan, store: Store, ports: Ports, request: UseRequest) -> None:
    gone = any(isinstance(step, SsoRole) and ports.tokens.load(step.session.key) is None for step in plan.steps)
    if gone and isinstance(store, FileStore):
        from awsenv.index import forget

        forget(store.root, hot_request(request))


def hot_request(request: UseRequest) -> hot.Use:
    """The same request as the front door spells it."""
    spelled = hot.Use(request.profile)
    spelled.region, spelled.duration, spelled.mode = request.region, request.duration, request.mode
    spelled.fresh = request.fresh
    return spelled
