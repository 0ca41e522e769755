"""Ways of authenticating that awsenv knows of and can't use yet: named, so that no lesser source is taken instead."""

from __future__ import annotations

from awsenv.errors import Config
from awsenv.model import Claim, Context, Profile


def claim_login(profile: Profile, context: Context) -> Claim | None:
    """`login_session`, written by `aws login`."""
    _refuse(profile, "login_session")
    return None


def _refuse(profile: Profile, key: str) -> None:
    setting = profile.settings.get(key)
    if setting is not None:
        raise Config(f'awsenv can\'t use {key} yet, which is how "{profile.name}" authenticates', setting.where)
