"""`region NAME`: what changes in a shell that turns to another region. Answers the plain case on the hot path."""

from awsenv import hot, regions
from awsenv.hot import Answer
from awsenv.render import shells

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def answer(words: "list[str]", env: "Mapping[str, str]") -> "Answer | None":
    """The reply to a shim, None for all that wants a word of explanation, or the settings."""
    shell = shells.asking(env)
    if shell is None or len(words) != 1:
        return None
    region, present = asked(words[0], env), in_force(env)
    if not hot.is_region(region) or not regions.is_known(region):
        return None
    if words[0] != "-" and leaves_partition(region, env):
        return None
    if present and present in env.get("AWSENV_LABEL", ""):
        return None  # it may be part of the label, which the settings know how to make
    return Answer(shells.reply(shell, (), assignments(region, env)).encode(), tell(region, env))


def asked(word: str, env: "Mapping[str, str]") -> str:
    """The region that *word* stands for; "" where `-` has none before this one."""
    return env.get("AWSENV_PREVIOUS", "") if word == "-" else word


def in_force(env: "Mapping[str, str]") -> str:
    """The region that AWS's tools take from the environment; the AWS CLI and most SDKs read AWS_REGION first."""
    return env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or ""


def leaves_partition(region: str, env: "Mapping[str, str]") -> bool:
    """Whether the identity in use, by the region it has now, would be a stranger in *region*."""
    present = in_force(env)
    return bool(env.get("AWSENV_PROFILE") and present) and regions.partition_of(present) != regions.partition_of(region)


def assignments(region: str, env: "Mapping[str, str]") -> "list[tuple[str, str]]":
    """Both variables; and among the options of an identity, so that `refresh` and `use -` keep to it.

    Options that can't be read stay as they are: one of them may be what makes a session read-only.
    """
    assign = [("AWS_REGION", region), ("AWS_DEFAULT_REGION", region)]
    if env.get("AWSENV_PROFILE"):
        request = hot.parse("refresh", [], env)
        if request is not None:
            request.region = region
            assign.append(("AWSENV_OPTIONS", request.options()))
    return assign


def tell(region: str, env: "Mapping[str, str]") -> str:
    """The line for the person: `fuga · eu-west-1`."""
    from awsenv.text import show

    profile = env.get("AWSENV_PROFILE")
    return f"{show(profile)} · {region}" if profile else f"{region}, for this shell"
