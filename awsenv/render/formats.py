"""FORMATS: what `export` can print. Each is a function from a lease and its environment change to text."""

from __future__ import annotations

import json
from collections.abc import Callable

from awsenv.errors import Config, Usage
from awsenv.model import EnvChange, Lease, rfc3339
from awsenv.render.github import masks
from awsenv.render.shells import is_exportable, quote_fish, quote_posix


def env(lease: Lease, change: EnvChange) -> str:
    """For `eval` in bash, zsh and any POSIX shell."""
    lines = [f"unset {' '.join(change.unset)}"]
    lines += [f"export {name}={quote_posix(value)}" for name, value in _safe(change)]
    return "\n".join(lines) + "\n"


def fish(lease: Lease, change: EnvChange) -> str:
    """For `| source` in fish."""
    lines = [f"set -e {name};" for name in change.unset]
    lines += [f"set -gx {name} {quote_fish(value)};" for name, value in _safe(change)]
    return "\n".join(lines) + "\n"


def powershell(lease: Lease, change: EnvChange) -> str:
    """For `| Out-String | Invoke-Expression`. PowerShell takes typographic quotes for quotes too; each is doubled."""
    lines = [f"Remove-Item Env:{name} -ErrorAction SilentlyContinue" for name in change.unset]
    for name, value in _safe(change):
        quoted = "".join(c * 2 if c in "'‘’‚‛" else c for c in value)
        lines.append(f"$Env:{name} = '{quoted}'")
    return "\n".join(lines) + "\n"


def dotenv(lease: Lease, change: EnvChange) -> str:
    """`K=v`, unquoted: what docker's --env-file and every dotenv library read alike; refuses what they don't."""
    for name, value in _safe(change):
        if any(c in " \t\"'#`$\\" for c in value):
            raise Usage(f"{name} holds a character that .env files do not carry safely", hint="use --format env")
    return "".join(f"{name}={value}\n" for name, value in change.assign)


def github(lease: Lease, change: EnvChange) -> str:
    """For the log of a GitHub job: what makes the runner hide the secrets that `export` then writes to GITHUB_ENV."""
    return masks(_safe(change))


def process(lease: Lease, change: EnvChange) -> str:
    """The credential_process document (AWS SDKs and Tools Reference, "Process credential provider")."""
    credentials = lease.credentials
    assert credentials is not None, "export always has keys"
    document: dict[str, object] = {
        "Version": 1,
        "AccessKeyId": credentials.access_key_id,
        "SecretAccessKey": credentials.secret_access_key,
    }
    if credentials.session_token is not None:
        document["SessionToken"] = credentials.session_token
    if credentials.expires_at is not None:
        document["Expiration"] = rfc3339(credentials.expires_at)
    if lease.account_id:
        document["AccountId"] = lease.account_id
    return json.dumps(document, indent=2) + "\n"


def _safe(change: EnvChange) -> tuple[tuple[str, str], ...]:
    for name, value in change.assign:
        if not is_exportable(value):
            raise Config(f"{name} would hold control characters; they are not put into a shell")
    return change.assign


FORMATS: dict[str, Callable[[Lease, EnvChange], str]] = {
    "env": env,
    "fish": fish,
    "json": process,
    "process": process,
    "dotenv": dotenv,
    "powershell": powershell,
    "github": github,
}
