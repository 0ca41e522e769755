"""Checks of the environment: identities that contradict each other, values left over, and what leads elsewhere.

What each tool makes of a variable was read from its source and run; see botocore's credentials.EnvProvider and
configprovider.EnvironmentProvider, for which an empty variable is a value like any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from awsenv import quick
from awsenv.doctor.examination import Examined
from awsenv.doctor.finding import Finding
from awsenv.endpoints import is_loopback
from awsenv.text import ago, word

_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
_FILES = {
    "AWS_CONFIG_FILE": ("error", "no profile of ~/.aws/config is seen, and no error says so"),
    "AWS_SHARED_CREDENTIALS_FILE": ("error", "no key of ~/.aws/credentials is seen, and no error says so"),
    "AWS_CA_BUNDLE": ("error", "every call of AWS CLI and boto3 fails"),
    "REQUESTS_CA_BUNDLE": ("error", "every call of AWS CLI and boto3 fails, unless AWS_CA_BUNDLE is set"),
    "AWS_WEB_IDENTITY_TOKEN_FILE": ("error", "the role in AWS_ROLE_ARN can't be assumed"),
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": ("error", "the container's role can't be asked for"),
}
# Another switcher's variables; what shows that it is at work here, rather than gone and leaving them; and who believes it.
_SWITCHERS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("aws-vault", ("AWS_VAULT",), "starship, powerlevel10k and oh-my-posh show it rather than AWS_PROFILE, and "
     "aws-vault refuses to run inside itself"),
    ("awsume", ("AWSUME_PROFILE", "AWSUME_EXPIRATION", "AWSUME_COMMAND"),
     "starship and powerlevel10k show it rather than AWS_PROFILE"),
    ("awsu", ("AWSU_PROFILE",), "starship shows it before all others"),
    ("aws-sso-cli", ("AWS_SSO_PROFILE", "AWS_SSO_ACCOUNT_ID", "AWS_SSO_ROLE_NAME", "AWS_SSO_ROLE_ARN",
     "AWS_SSO_SESSION_EXPIRATION", "AWS_SSO_DEFAULT_REGION", "AWS_SSO"),
     "powerlevel10k shows it before all others"),
    ("Granted", ("GRANTED_SSO", "GRANTED_SSO_START_URL", "GRANTED_SSO_ROLE_NAME", "GRANTED_SSO_REGION",
     "GRANTED_SSO_ACCOUNT_ID"), "its own commands believe it"),
    ("saml2aws", ("SAML2AWS_PROFILE",), "its own commands believe it"),
    ("aws-sso-util", ("AWS_CREDENTIALS_EXPIRATION",), "nothing reads it: the name that tools know is "
     "AWS_CREDENTIAL_EXPIRATION"),
    ("oh-my-zsh or the EB CLI", ("AWS_EB_PROFILE", "AWS_PROFILE_REGION"), "the EB CLI and that prompt believe it"),
    ("old AWS command line tools", ("AWS_CREDENTIAL_FILE",), "AWS's tools of today don't read it"),
)  # fmt: skip


def _cause(facts: Examined) -> tuple[str, ...]:
    """How to come to one identity."""
    return (f"awsenv use {word(facts.name)}",) if facts.name else ("awsenv use NAME",)


def _unset(facts: Examined, *names: str) -> tuple[str, ...]:
    is_fish = facts.surroundings is not None and facts.surroundings.shell == "fish"
    return (f"{'set -e' if is_fish else 'unset'} {' '.join(names)}",)


def profiles(facts: Examined) -> Iterator[Finding]:
    """Which profile: two variables name one, and none of it counts beside keys, except where it does."""
    env = facts.env
    one, other = env.get("AWS_PROFILE"), env.get("AWS_DEFAULT_PROFILE")
    if one and env.get("AWS_ACCESS_KEY_ID"):
        means = (
            "AWS CLI, boto3, Go and Terraform take the keys; the JavaScript SDK (CDK, Amplify) takes the profile: "
            "two identities in one shell"
        )
        said = f"AWS_PROFILE ({one}) is set beside AWS_ACCESS_KEY_ID"
        yield Finding("env-keys-and-profile", "warning", said, means=means, write=_unset(facts, "AWS_PROFILE"))
    if one and other and one != other:
        said = f"AWS_PROFILE is {one}, and AWS_DEFAULT_PROFILE is {other}"
        means = f"AWS CLI v2 takes {one}; boto3 and AWS CLI v1 take {other}"
        yield Finding("env-two-profiles", "error", said, means=means, write=_unset(facts, "AWS_DEFAULT_PROFILE"))
    named = {name: env.get(name) for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE")}
    for name, profile in named.items():
        if profile and profile not in facts.profiles and profile != "default":
            said = f"{name} names a profile that is in neither file: {profile}"
            means = "AWS CLI and boto3 then fail whatever they are asked, even with keys in the environment"
            yield Finding("env-unknown-profile", "error", said, means=means, write=_unset(facts, name))


def keys(facts: Examined) -> Iterator[Finding]:
    """Keys in the environment that are not whole, or don't belong together."""
    env = facts.env
    key, secret = env.get("AWS_ACCESS_KEY_ID"), env.get("AWS_SECRET_ACCESS_KEY")
    token, older = env.get("AWS_SESSION_TOKEN"), env.get("AWS_SECURITY_TOKEN")
    if key and not secret:
        means = "AWS CLI and boto3 stop at it (partial credentials), whatever else is configured"
        said = "AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY"
        yield Finding("env-half-key", "error", said, means=means, write=_unset(facts, "AWS_ACCESS_KEY_ID"))
    if secret and not key:
        said = "AWS_SECRET_ACCESS_KEY is set without AWS_ACCESS_KEY_ID"
        means = "AWS CLI and boto3 pass over it; a secret lies here for nothing"
        yield Finding("env-half-key", "warning", said, means=means, write=_unset(facts, "AWS_SECRET_ACCESS_KEY"))
    stray = [name for name in _KEYS[2:] if env.get(name)] if not (key or secret) else []
    if stray:
        said = f"{' and '.join(stray)} {'is' if len(stray) == 1 else 'are'} set without keys"
        means = "it goes along with the next keys that are set here, and AWS refuses those"
        yield Finding("env-stale-token", "warning", said, means=means, write=_unset(facts, *stray))
    elif older and older != token:
        said = "AWS_SECURITY_TOKEN is set" + (" to something else than AWS_SESSION_TOKEN" if token else "")
        means = "AWS CLI and boto3 take it rather than AWS_SESSION_TOKEN, and AWS then refuses the keys beside it"
        yield Finding("env-security-token", "error", said, means=means, write=_unset(facts, "AWS_SECURITY_TOKEN"))
    elif older:
        said = "AWS_SECURITY_TOKEN, the old name of AWS_SESSION_TOKEN, is set to the same"
        means = "AWS CLI and boto3 take it first: a tool that changes the keys and not this one breaks them"
        yield Finding("env-security-token", "note", said, means=means, write=_unset(facts, "AWS_SECURITY_TOKEN"))
    if key and key.startswith("AKIA") and (token or older):
        said = "a session token is set beside a long-lived access key (AKIA…), which has none"
        means = "AWS refuses the two together: the security token included in the request is invalid"
        yield Finding("env-stale-token", "error", said, means=means,
                      write=_unset(facts, *(name for name in _KEYS[2:] if env.get(name))))  # fmt: skip
    if key and secret and key.startswith("ASIA") and not (token or older):
        said = "a temporary access key (ASIA…) is set without its AWS_SESSION_TOKEN"
        means = "AWS refuses it: the security token included in the request is invalid"
        yield Finding("env-no-token", "error", said, means=means, write=_cause(facts))
    for name in _KEYS:
        value = env.get(name, "")
        if value and (value != value.strip() or value[0] in "'\"" or not value.isprintable()):
            said = f"{name} begins or ends with blanks or quotes, or holds a line break"
            yield Finding("env-blank-in-key", "error", said, means="AWS refuses the key: it takes them for a part of it",
                          write=_cause(facts))  # fmt: skip


def empty(facts: Examined) -> Iterator[Finding]:
    """Variables that are set to nothing, where that is not the same as unset."""
    meanings = {
        "AWS_PROFILE": "AWS CLI and boto3 look for a profile without a name, and fail",
        "AWS_DEFAULT_PROFILE": "boto3 and AWS CLI v1 look for a profile without a name, and fail",
        "AWS_REGION": "tools that read it first find no region, and don't look into the profile",
        "AWS_DEFAULT_REGION": "AWS CLI v1 and boto3 have no region, and don't look into the profile",
        "AWS_CONFIG_FILE": "AWS CLI and boto3 read no config file at all; awsenv reads ~/.aws/config",
        "AWS_SHARED_CREDENTIALS_FILE": "AWS CLI and boto3 read no credentials file; awsenv reads ~/.aws/credentials",
    }
    for name, means in meanings.items():
        if facts.env.get(name) == "":
            yield Finding("env-empty", "warning", f"{name} is set and empty", means=means, write=_unset(facts, name))


def expiry(facts: Examined) -> Iterator[Finding]:
    """A time that says when the keys end: boto3 acts on it."""
    text = facts.env.get("AWS_CREDENTIAL_EXPIRATION")
    if text and facts.env.get("AWS_ACCESS_KEY_ID"):
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None
        remedy = (*_cause(facts), *_unset(facts, "AWS_CREDENTIAL_EXPIRATION"))
        if moment is None or moment.tzinfo is None:
            said = "AWS_CREDENTIAL_EXPIRATION is no time with an offset from UTC (2030-01-31T12:00:00Z)"
            means = "AWS CLI and boto3 fail on it before they call anything"
            yield Finding("env-expiration", "error", said, means=means, write=remedy)
        elif moment.timestamp() <= facts.now:
            said = f"the keys in this shell ended {ago(facts.now - moment.timestamp())} ago (AWS_CREDENTIAL_EXPIRATION)"
            means = "AWS CLI and boto3 refuse to use them; if the keys are newer, the variable is stale"
            yield Finding("env-expired", "error", said, means=means,
                          write=("awsenv refresh",) if facts.env.get("AWSENV_PROFILE") else remedy)  # fmt: skip
    elif text:
        said = "AWS_CREDENTIAL_EXPIRATION is set without keys"
        means = "prompts show a countdown of credentials that are gone"
        yield Finding("env-expiration", "note", said, means=means, write=_unset(facts, "AWS_CREDENTIAL_EXPIRATION"))


def account(facts: Examined) -> Iterator[Finding]:
    """AWS_ACCOUNT_ID goes into host names: another account's misroutes requests."""
    number = facts.env.get("AWS_ACCOUNT_ID")
    if not number:
        return
    means = "SDKs put it into the host names of some services (DynamoDB): requests go to another account's, and fail"
    profile = facts.profiles.get(facts.env.get("AWSENV_PROFILE") or facts.env.get("AWS_PROFILE") or "")
    setting = next(filter(None, map(profile.get, ("sso_account_id", "aws_account_id"))), None) if profile else None
    ours = facts.env.get("AWSENV_ACCOUNT_ID")
    known = ours or (setting.value if setting and not facts.env.get("AWS_ACCESS_KEY_ID") else "")
    if known and known != number:
        said = f"AWS_ACCOUNT_ID is {number}, and this shell's identity is of {known}"
        where = setting.where if setting is not None and not ours else None
        yield Finding("env-account", "error", said, where, means, _unset(facts, "AWS_ACCOUNT_ID"))
    elif not known and not facts.env.get("AWS_ACCESS_KEY_ID"):
        said = f"AWS_ACCOUNT_ID ({number}) is set without keys"
        yield Finding("env-account", "warning", said, means=means, write=_unset(facts, "AWS_ACCOUNT_ID"))


def regions(facts: Examined) -> Iterator[Finding]:
    """Two variables for one thing."""
    one, other = facts.env.get("AWS_REGION"), facts.env.get("AWS_DEFAULT_REGION")
    if one and other and one != other:
        said = f"AWS_REGION is {one}, and AWS_DEFAULT_REGION is {other}"
        means = f"AWS CLI v2, Go and JavaScript work in {one}; boto3 and AWS CLI v1 in {other}"
        yield Finding(
            "env-two-regions", "warning", said, means=means, write=(f"export AWS_DEFAULT_REGION={word(one)}",)
        )


def roles(facts: Examined) -> Iterator[Finding]:
    """AWS_ROLE_ARN and its kin are for pods: beside a profile they take its place."""
    env = facts.env
    found = [name for name in ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME") if env.get(name)]
    if found and env.get("AWS_PROFILE") and found != ["AWS_ROLE_SESSION_NAME"]:
        said = f"{' and '.join(found)} {'is' if len(found) == 1 else 'are'} set beside AWS_PROFILE"
        means = "AWS CLI and boto3 assume that role by web identity rather than use the profile's login, key or program"
        if found == ["AWS_ROLE_ARN"]:
            means = "it takes the place of the role of a profile with a web identity"
        yield Finding("env-role", "warning", said, means=means, write=_unset(facts, *found))


def files(facts: Examined) -> Iterator[Finding]:
    """Variables that name a file which is not there."""
    missing = facts.surroundings.missing if facts.surroundings is not None else {}
    for name, path in missing.items():
        level, means = _FILES[name]
        yield Finding("env-no-such-file", level, f"{name} names a file that is not there: {path}", means=means,
                      write=_unset(facts, name))  # fmt: skip


def endpoints(facts: Examined) -> Iterator[Finding]:
    """Addresses in place of AWS's own."""
    if facts.env.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return
    found = {n: u for n, u in sorted(facts.env.items()) if u and f"{n}_".startswith("AWS_ENDPOINT_URL_")}
    if found:
        hosts = " and ".join(dict.fromkeys(_host(url) for url in found.values()))
        what = "every service" if "AWS_ENDPOINT_URL" in found else "these services"
        said = f"{', '.join(found)} {'is' if len(found) == 1 else 'are'} set: {hosts}"
        yield Finding(
            "env-endpoint",
            "note",
            said,
            means=f"AWS's tools call {what} there, and not at AWS",
            write=() if all(map(is_loopback, found.values())) else _unset(facts, *found),  # a stand-in here is meant
        )


def _host(url: str) -> str:
    """The URL as far as it may be shown: no user and password, no query."""
    scheme, found, rest = url.partition("://")
    host = rest.split("/")[0].split("?")[0].rpartition("@")[2]
    return f"{scheme}://{host}" if found else url.split("/")[0].rpartition("@")[2]


def machine(facts: Examined) -> Iterator[Finding]:
    """The container's or the instance's own role: what stands in its way, and when it steps in unasked."""
    env = facts.env
    sources = {s.value for s in (p.get("credential_source") for p in facts.profiles.values()) if s is not None}
    full = env.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    given = next((name for name in ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI")
                  if env.get(name)), None)  # fmt: skip
    if given:
        means = "a tool that finds no other credentials takes the container's role, and does not say so"
        yield Finding("env-container", "note", f"{given} is set", means=means)
    if env.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true" and "Ec2InstanceMetadata" in sources:
        said = "AWS_EC2_METADATA_DISABLED is true, and a profile takes the role of its instance"
        means = "such a profile has no credentials"
        yield Finding(
            "env-metadata-disabled", "warning", said, means=means, write=_unset(facts, "AWS_EC2_METADATA_DISABLED")
        )
    if env.get("AWS_SDK_LOAD_CONFIG", "").lower() in ("0", "f", "false"):
        said = "AWS_SDK_LOAD_CONFIG is off"
        means = "older Go and JavaScript SDKs then don't read ~/.aws/config: no roles, no region"
        yield Finding("env-load-config", "note", said, means=means, write=_unset(facts, "AWS_SDK_LOAD_CONFIG"))
    wanted = {"169.254.169.254"} if "Ec2InstanceMetadata" in sources else set()
    wanted |= {"169.254.170.2"} if env.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") else set()
    local = [url for name, url in env.items() if name.startswith("AWS_ENDPOINT_URL") and is_loopback(url)]
    wanted |= {"127.0.0.1", "localhost"} if local or (full and is_loopback(full)) else set()
    yield from _proxies(env, wanted)


def _proxies(env: Mapping[str, str], wanted: set[str]) -> Iterator[Finding]:
    proxy = next((name for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
                  if env.get(name)), None)  # fmt: skip
    spared = env.get("no_proxy", env.get("NO_PROXY", ""))
    names = {part.strip() for part in spared.split(",")}
    lacking = sorted(wanted - names) if proxy and "*" not in names else []
    if lacking:
        said = f"{proxy} is set, and NO_PROXY lacks {', '.join(lacking)}"
        means = "what is on this machine is asked for by way of the proxy, which can't reach it"
        yield Finding("env-proxy", "warning", said, means=means,
                      write=(f"export NO_PROXY={word(','.join([*filter(None, [spared]), *lacking]))}",))  # fmt: skip


def switchers(facts: Examined) -> Iterator[Finding]:
    """Variables of other switchers. Beside an identity of ours they are stale: `use` unsets them."""
    for tool, names, means in _SWITCHERS:
        found = [name for name in names if facts.env.get(name)]
        if found:
            here = bool(facts.env.get("AWSENV_PROFILE")) or not facts.env.get("AWS_ACCESS_KEY_ID")
            said = f"{', '.join(found)} {'is' if len(found) == 1 else 'are'} left from {tool}"
            if not here:
                said = f"{', '.join(found)} {'is' if len(found) == 1 else 'are'} set: {tool} is at work in this shell"
            yield Finding("env-switcher", "warning" if here else "note", said, means=means, write=_unset(facts, *found))


def drift(facts: Examined) -> Iterator[Finding]:
    """What awsenv says this shell is, and what AWS's tools take it for."""
    env = facts.env
    name = env.get("AWSENV_PROFILE")
    if not name:
        return
    changed = quick.drifted(env)
    keys_gone = (
        not changed and not env.get("AWS_ACCESS_KEY_ID") and not env.get("AWSENV_KEY_ID", "").startswith("profile:")
    )
    if changed or keys_gone:
        what = f"{changed[0]} was changed since" if changed else "AWS_ACCESS_KEY_ID is gone since"
        means = "the prompt and `awsenv current` tell of one identity, and AWS's tools use another"
        yield Finding("env-drift", "warning", f"awsenv made this shell {name}, and {what}", means=means,
                      write=(f"awsenv use {word(name)}", "awsenv off"))  # fmt: skip
    ends = env.get("AWSENV_EXPIRES_AT", "")
    # With AWS_CREDENTIAL_EXPIRATION there is a finding already.
    if ends.isascii() and ends.isdigit() and int(ends) <= facts.now and not env.get("AWS_CREDENTIAL_EXPIRATION"):
        said = f"the identity of this shell ended {ago(facts.now - int(ends))} ago"
        yield Finding("env-expired", "error", said, means="AWS refuses its keys", write=("awsenv refresh",))


CHECKS = (
    profiles, keys, empty, expiry, account, regions, roles, files, endpoints, machine, switchers, drift,
)  # fmt: skip
