"""Checks of access keys in files: long-lived ones, half ones, the same one twice, in the wrong file."""

from __future__ import annotations

from collections.abc import Iterable

from awsenv.doctor.examination import Examined
from awsenv.doctor.finding import Finding
from awsenv.model import Setting

_TOKENS = ("aws_session_token", "aws_security_token")
_PAIRED = ("aws_access_key_id", "aws_secret_access_key", *_TOKENS)  # read from each file apart, and told of apart


def access_keys(facts: Examined) -> Iterable[Finding]:
    """Every access key. No finding holds more of one than its last four characters."""
    seen: dict[str, tuple[str, Setting]] = {}
    for name in facts.profiles:
        for in_credentials in (False, True):
            keys = facts.config.own_keys(name, in_credentials)
            key, secret = keys.get("aws_access_key_id"), keys.get("aws_secret_access_key")
            if key is None and secret is None:
                continue
            present = key or secret
            assert present is not None
            if key is None or secret is None:
                lacks = "aws_access_key_id" if key is None else "aws_secret_access_key"
                said = f'"{name}" has one half of an access key: {lacks} is not in the same section'
                means = "AWS CLI and boto3 never put a key together from two files"
                yield Finding("half-key", "error", said, present.where, means, (f"{lacks} = …",))
                continue
            if not key.value or not secret.value:
                continue  # lines.empty_values has it
            shown = f"****{key.value[-4:]}"
            has_token = any(keys[token].value for token in _TOKENS if token in keys)
            if key.value.startswith("ASIA") and not has_token:
                said = f'the key {shown} of "{name}" is temporary, and its session token is missing'
                yield Finding("key-without-token", "error", said, key.where, "AWS refuses it: InvalidClientTokenId",
                              ("aws_session_token = …",))  # fmt: skip
            elif not has_token:
                said = f'"{name}" is a long-lived access key ({shown}) in a file'
                means = "whoever reads the file once has it until somebody deactivates it"
                write = "awsenv sso add   (IAM Identity Center: keys that last hours)"
                yield Finding("long-lived-key", "warning", said, key.where, means, (write,))
            if not in_credentials:
                said = f'"{name}" has its access key in the config file'
                means = "AWS's tools ask a credential_process first, and people share their config"
                write = f"move the two lines to [{name}] of {facts.credentials_path}"
                yield Finding("key-in-config", "warning", said, key.where, means, (write,))
            first = seen.setdefault(key.value, (name, key))
            if first[0] != name:
                said = f'the key {shown} stands in two profiles: "{first[0]}" ({first[1].where.line}) and "{name}"'
                means = "when it is changed in one of them, the other fails"
                yield Finding("key-twice", "warning", said, key.where, means,
                              ("keep one, and name it as the source_profile",))  # fmt: skip


def two_files(facts: Examined) -> Iterable[Finding]:
    """One profile in both files, with another value of one setting in each: the credentials file's counts."""
    in_credentials = facts.documents_by_profile(1)
    for name, parts in facts.documents_by_profile(0).items():
        others = {setting.key: setting for part in in_credentials.get(name, ()) for setting in part.settings}
        for setting in (setting for part in parts for setting in part.settings):
            other = others.get(setting.key)
            if other is None or other.value == setting.value or setting.key in _PAIRED:
                continue
            said = f'{setting.key} of "{name}" is another one in the credentials file (line {other.where.line})'
            means = "AWS's tools take that one, and pass over this line"
            yield Finding("set-twice", "warning", said, setting.where, means, ("keep one of the two",))


CHECKS = (access_keys, two_files)
