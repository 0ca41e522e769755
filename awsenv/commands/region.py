"""`region`: this shell's region, shown or changed; the identity stays."""

from __future__ import annotations

from awsenv import regional, regions
from awsenv.commands.use import asked_by_shim
from awsenv.errors import AwsenvError, Usage
from awsenv.hot import is_region
from awsenv.lease import Reading, plan_for, read_settings
from awsenv.model import Lease, Outcome, UseRequest
from awsenv.prompt import shown_for
from awsenv.render import shells
from awsenv.text import nearest, show
from awsenv.world import World


def run(world: World, name: str | None, force: bool) -> Outcome:
    """The region in force, or statements for the shim that asked for another one."""
    if name is None:
        return _present(world)
    shell = asked_by_shim(world, "region")
    region = regional.asked(name, world.env)
    if not region:
        raise Usage("there is no region before this one")
    if not is_region(region):
        raise Usage(f'"{show(region)}" is no region', hint="such as eu-west-1")
    if not force and name != "-":
        _require_known(region)
        _require_same_partition(region, world)
    assign = [*regional.assignments(region, world.env), *_label(region, world)]
    return Outcome(shells.reply(shell, (), assign), (regional.tell(region, world.env),))


def _require_known(region: str) -> None:
    if regions.is_known(region):
        return
    own = regions.PARTITIONS[regions.partition_of(region)]
    close = nearest(region, list(own)) or nearest(
        region, [name for names in regions.PARTITIONS.values() for name in names]
    )
    meant = f"did you mean {' or '.join(close)}?\n" if close else ""
    raise Usage(f"no region {region} is known here", hint=f"{meant}awsenv region {region} --force   (a new one, say)")


def _require_same_partition(region: str, world: World) -> None:
    """Keys of one partition are strangers in another: AWS answers that they don't exist."""
    if not regional.leaves_partition(region, world.env):
        return
    wanted, own = regions.partition_of(region), _partition_of_identity(world)
    if own == wanted:
        return  # it was the region until now that was none of its own
    own = own or regions.partition_of(regional.in_force(world.env))
    profile = show(world.env["AWSENV_PROFILE"])
    raise Usage(
        f"{region} is in the partition {wanted}, and {profile} is an identity of {own}",
        hint=f"awsenv region {region} --force",
    )


def _partition_of_identity(world: World) -> str | None:
    """As its profile's lines have it: of the role, of the portal, or of its own region; None where none of them says."""
    name = world.env["AWSENV_PROFILE"]
    try:
        reading = Reading.of(world)
        plan = plan_for(world, reading, UseRequest(name))
        own = reading.config.profile(name).get("region")
    except AwsenvError:
        return None  # the profile is gone or broken: that is for `use` to say
    for step in reversed(plan.steps):
        for setting in step.settings:
            if setting.key in ("role_arn", "mfa_serial") and setting.value.count(":") > 1:
                return setting.value.split(":")[1]
            if setting.key == "sso_region":
                return regions.partition_of(setting.value)
    return regions.partition_of(own.value) if own is not None and own.value else None


def _label(region: str, world: World) -> list[tuple[str, str]]:
    env = world.env
    profile = env.get("AWSENV_PROFILE")
    if not profile or not env.get("AWSENV_LABEL"):
        return []
    settings = read_settings(world.settings_path)
    if "{region}" not in settings.label:
        return []
    lease = Lease(profile, region, None, env.get("AWSENV_ACCOUNT_ID") or None, env.get("AWSENV_ROLE") or None)
    return [("AWSENV_LABEL", shown_for(lease, settings).label)]


def _present(world: World) -> Outcome:
    """The region on stdout, for `$(awsenv region)`; where it comes from beside it. Exit status 3 where there is none."""
    env = world.env
    region = regional.in_force(env)
    profile = env.get("AWSENV_PROFILE") or env.get("AWS_PROFILE") or env.get("AWS_DEFAULT_PROFILE") or "default"
    own = None
    try:
        own = Reading.of(world).config.profile(profile).get("region")
    except AwsenvError:
        pass  # a region in the environment counts without any profile
    line = f"{own.where.short(world.home)} (profile {profile})" if own is not None else ""
    if not region:
        if own is None or not own.value:
            return Outcome(notes=("no region in this shell", "  hint: awsenv region NAME"), exit_code=3)
        return Outcome(f"{show(own.value)}\n", (f"from {line}",))
    if not env.get("AWSENV_PROFILE"):
        origin = f"from {'AWS_REGION' if env.get('AWS_REGION') else 'AWS_DEFAULT_REGION'}"
    elif f"--region={region}" in env.get("AWSENV_OPTIONS", "").split():
        origin = "chosen in this shell" + (f"; {profile}'s own is {own.value}" if own is not None else "")
    elif own is not None and own.value == region:
        origin = f"from {line}"
    elif env.get("AWSENV_REGION_BEFORE") == region:
        origin = "what this shell had before awsenv"
    else:
        origin = "set by another hand than awsenv's"
    notes = [origin]
    if env.get("AWS_REGION") and env.get("AWS_DEFAULT_REGION", region) != region:
        notes.append(f"AWS_DEFAULT_REGION is another one, {env['AWS_DEFAULT_REGION']}: some tools take that")
    return Outcome(f"{show(region)}\n", tuple(notes))
