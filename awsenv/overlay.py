"""What the command line puts on top of a profile's plan: one more hop, and the options of its last role. Pure.

The limits are those of the STS API reference, AssumeRole: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
AWS would refuse what is beyond them, too, but only after an MFA code was typed.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NoReturn

from awsenv import spelling
from awsenv.errors import Config, Usage
from awsenv.mfa import Device, device_of
from awsenv.model import COMMAND_LINE, Context, Profile, SessionPolicy, Setting, Step, Where
from awsenv.roles import checked_arn
from awsenv.sources.assume_role import AssumeRole
from awsenv.sources.sso import SsoRole
from awsenv.sources.static import StaticKeys
from awsenv.sources.web_identity import GithubRole, TokenFileRole
from awsenv.text import show

LONGEST_POLICY = 2048  # characters
_MOST_ARNS, _MOST_TAGS, _LONGEST_KEY, _LONGEST_VALUE = 10, 50, 128, 256
_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)
_POLICY_ARN = re.compile(r"arn:([\w-]+):iam::(aws|\d{12}):policy/[\w+=,.@/-]+", re.ASCII)
_NAME_OF = {  # options that are settings of a profile, too, and take their place
    "--session-name": "role_session_name",
    "--external-id": "external_id",
}
_ROLE_FIRST = "--role ARN puts a role on top, and the option belongs to that one"


@dataclass(frozen=True)
class Overlay:
    """The options, checked. *policy* is the file's content as AWS gets it, and never shown; *policy_path* is."""

    role: str | None = None
    session_name: str | None = None
    external_id: str | None = None
    source_identity: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    policy_path: str | None = None
    policy: str | None = field(default=None, repr=False)
    policy_arns: tuple[str, ...] = ()
    read_only: bool = False
    shown: tuple[tuple[str, str], ...] = ()  # (option, value) of all but --role, as `explain` lists them


NOTHING = Overlay()


def asked(over: spelling.Over) -> Overlay:
    """The options as values; raises Usage for what AWS could only refuse. The policy file is not read here."""
    given = {option: [value for name, value in over if name == option] for option, _ in over}

    def one(option: str) -> str | None:
        return given[option][-1] if option in given else None

    role = one("--role")
    overlay = Overlay(
        role=_role(role) if role is not None else None,
        session_name=_name("--session-name", one("--session-name")),
        external_id=_external_id(one("--external-id")),
        source_identity=_name("--source-identity", one("--source-identity")),
        tags=_tags(given.get("--tag", [])),
        policy_path=one("--policy"),
        policy_arns=_arns(given.get("--policy-arn", [])),
        read_only=spelling.FLAG in given,
        shown=tuple((name, value) for name, value in over if name not in ("--role", spelling.SEEN)),
    )
    if overlay.policy_path == "":
        raise Usage("--policy takes a file", hint="--policy policy.json")
    if overlay.read_only and (overlay.policy_path is not None or overlay.policy_arns):
        # "Session policies" in the IAM user guide: what any one of them allows is allowed.
        raise Usage("--read-only beside another session policy would not be read-only: AWS allows what either allows",
                    hint="keep one of them")  # fmt: skip
    return overlay


def with_policy(overlay: Overlay, data: bytes, seen: str | None) -> tuple[Overlay, str]:
    """*overlay* with the content of its policy file, and that content's SHA-256.

    Raises Usage for what is no policy, and Config where it is not the one of *seen*, which this shell was made with.
    """
    path = overlay.policy_path or ""
    policy = minified(data, path)
    digest = hashlib.sha256(policy.encode()).hexdigest()
    if seen is not None and digest != seen:
        raise Config("the policy has changed since `awsenv use`, and would give you another session", Where(path, 0),
                     "type that `awsenv use` again, with the file as it is now")  # fmt: skip
    return replace(overlay, policy=policy), digest


def minified(data: bytes, path: str) -> str:
    """A policy file's text as AWS gets it; raises Usage, with the line, for what is none. Nothing of it is quoted."""
    where = Where(path, 0)
    if not data:
        raise Usage("there is no such file, or it is empty", where, "--policy FILE, with a policy in JSON")
    try:
        policy = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_object, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise Usage(f"this is no JSON: {error.msg}", Where(path, error.lineno)) from None
    except UnicodeDecodeError:
        raise Usage("this is no JSON: it is not UTF-8", where) from None
    except RecursionError:
        raise Usage("this is nested too deep for a policy", where) from None
    except ValueError as twice:
        raise Usage(f"this is no policy: {twice}", where) from None
    statement = policy.get("Statement") if isinstance(policy, dict) else None
    if not isinstance(statement, dict | list) or not statement:
        raise Usage("a policy is a JSON object with a Statement, and this is none", where)
    text = json.dumps(policy, separators=(",", ":"))
    if len(text) > LONGEST_POLICY:
        raise Usage(f"a session policy has at most {LONGEST_POLICY} characters; this one has {len(text)} without its blanks",
                    where, "a managed policy may be longer: --policy-arn ARN")  # fmt: skip
    return text


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """JSON readers differ in which of two equal keys they take."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("one of its objects has the same key twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def hop(overlay: Overlay, before: Sequence[Step], requested: Profile, context: Context) -> AssumeRole:
    """The role of `--role`, assumed with what *before* gives. An IAM user's own device goes along: share_mfa decides how."""
    assert overlay.role is not None, "there is a hop only where one is asked for"
    keys = before[-1]
    is_user = len(before) == 1 and isinstance(keys, StaticKeys) and not keys.may_be_role_session
    device: Device | None = device_of(requested, context) if is_user else None
    return AssumeRole(
        profile=requested.name,
        settings=(Setting("--role", overlay.role, COMMAND_LINE), *(device.settings if device is not None else ())),
        role_arn=overlay.role,
        session_name=context.session_name,
        device=device,
        region=context.region,
        endpoint=context.endpoint("sts"),
    )


def applied(steps: tuple[Step, ...], overlay: Overlay) -> tuple[Step, ...]:
    """*steps* with the options on the last of them; raises Usage where that is none that could take them."""
    if not overlay.shown:
        return steps
    last = steps[-1]
    if isinstance(last, AssumeRole):
        changed: Step = replace(
            last,
            session_name=overlay.session_name or last.session_name,
            external_id=overlay.external_id or last.external_id,
            source_identity=overlay.source_identity,
            tags=overlay.tags,
            policy=_policy(overlay, last.role_arn),
            settings=_settings(last, overlay),
        )
    elif isinstance(last, TokenFileRole | GithubRole):
        for option in ("--external-id", "--source-identity", "--tag"):
            if any(name == option for name, _ in overlay.shown):
                what = f'{option} has nothing to apply to: "{last.profile}" assumes its role with a token, where AWS takes none'
                raise Usage(what, _where(last), _ROLE_FIRST)
        changed = replace(
            last,
            session_name=overlay.session_name or last.session_name,
            policy=_policy(overlay, last.role_arn),
            settings=_settings(last, overlay),
        )
    else:
        raise _nothing_to_apply_to(overlay.shown[0][0], last)
    return (*steps[:-1], changed)


def _policy(overlay: Overlay, role_arn: str) -> SessionPolicy:
    partition, account = role_arn.split(":")[1], role_arn.split(":")[4]
    if overlay.read_only:
        return SessionPolicy(arns=(f"arn:{partition}:iam::aws:policy/ReadOnlyAccess",))
    for arn in overlay.policy_arns:
        theirs, owner = arn.split(":")[1], arn.split(":")[4]
        if theirs != partition or owner not in ("aws", account):
            raise Usage(f"--policy-arn {show(arn)} is not of the role's account, {account} in the partition {partition}",
                        hint="AWS takes its own managed policies, and those of the role's account")  # fmt: skip
    return SessionPolicy(overlay.policy, overlay.policy_arns)


def _settings(step: Step, overlay: Overlay) -> tuple[Setting, ...]:
    replaced = {_NAME_OF[option] for option, _ in overlay.shown if option in _NAME_OF}
    kept = tuple(setting for setting in step.settings if setting.key not in replaced)
    return (*kept, *(Setting(option, value or "yes", COMMAND_LINE) for option, value in overlay.shown))


def _nothing_to_apply_to(option: str, last: Step) -> Usage:
    """GetFederationToken would put a policy on a user's key, but bars IAM and nearly all of STS: that is no read-only user."""
    if isinstance(last, SsoRole):
        who = "is an Identity Center role, whose session AWS makes as the permission set says"
    elif isinstance(last, StaticKeys):
        who = "is an access key, and no role"
    else:
        who = f"is {last.title()}, and no role that awsenv assumes"
    return Usage(f'{option} has nothing to apply to: "{last.profile}" {who}', _where(last), _ROLE_FIRST)


def _where(step: Step) -> Where | None:
    return step.settings[0].where if step.settings else None


def _role(arn: str) -> str:
    try:
        return checked_arn(Setting("--role", arn, COMMAND_LINE))
    except Config as error:
        raise Usage(f"--role: {error.what}", hint=error.hint or "--role arn:aws:iam::ACCOUNT:role/NAME") from None


def _name(option: str, value: str | None) -> str | None:
    if value is None or _NAME.fullmatch(value):
        return value
    if option == "--source-identity" and value.lower().startswith("aws:"):
        raise Usage("--source-identity can't begin with aws:, which AWS keeps for itself")
    raise Usage(f"{option} {show(value)}: it has 2 to 64 letters without accents, digits and _+=,.@-")


def _external_id(value: str | None) -> str | None:
    if value is None or _EXTERNAL_ID.fullmatch(value):
        return value
    raise Usage(f"--external-id {show(value)}: it has 2 to 1224 letters without accents, digits and _+=,.@:/-")


def _tags(words: Sequence[str]) -> tuple[tuple[str, str], ...]:
    if len(words) > _MOST_TAGS:
        raise Usage(f"a session has at most {_MOST_TAGS} tags, not {len(words)}")
    found: dict[str, tuple[str, str]] = {}
    for text in words:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise Usage(f"--tag {show(text)} is no KEY=VALUE", hint="--tag Project=Apollo")
        if key.lower().startswith("aws:"):
            raise Usage(f"--tag {show(text)}: AWS keeps keys that begin with aws: for itself")
        if len(key) > _LONGEST_KEY or len(value) > _LONGEST_VALUE:
            raise Usage(
                f"--tag {show(text)}: a key has at most {_LONGEST_KEY} characters, and a value {_LONGEST_VALUE}"
            )
        if not all(map(_is_of_tags, key + value)):
            raise Usage(f"--tag {show(text)}: a tag has letters, digits, blanks and _.:/=+-@")
        if key.casefold() in found:
            raise Usage(f"--tag {show(key)} is given twice; AWS doesn't tell big letters from small ones")
        found[key.casefold()] = (key, value)
    return tuple(found.values())


def _is_of_tags(character: str) -> bool:
    """The STS model's [\\p{L}\\p{Z}\\p{N}_.:/=+\\-@], less the two of \\p{Z} that break lines."""
    category = unicodedata.category(character)
    return character in "_.:/=+-@" or (category[0] in "LZN" and category not in ("Zl", "Zp"))


def _arns(arns: Sequence[str]) -> tuple[str, ...]:
    for arn in arns:
        if not (_POLICY_ARN.fullmatch(arn) and 20 <= len(arn) <= 2048):
            raise Usage(f"--policy-arn {show(arn)} is not the ARN of a managed policy",
                        hint="--policy-arn arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")  # fmt: skip
    unique = tuple(dict.fromkeys(arns))
    if len(unique) > _MOST_ARNS:
        raise Usage(f"a session takes at most {_MOST_ARNS} managed policies, not {len(unique)}")
    return unique
