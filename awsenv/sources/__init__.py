"""SOURCES: every way a profile can authenticate, in the order in which they are asked; the first to claim it has it."""

from __future__ import annotations

from collections.abc import Callable

from awsenv.model import Claim, Context, Profile
from awsenv.sources import assume_role, later, sso, static

# The order is botocore's (credentials.create_credential_resolver), less what looks beyond the named profile: an explicit
# profile never falls through to a container's or an instance's credentials.
SOURCES: tuple[Callable[[Profile, Context], Claim | None], ...] = (
    assume_role.claim,  # before SSO: a profile with role_arn and sso_* is a role profile; passes where it is a source with keys
    later.claim_web_identity,  # the same key, role_arn, with a token file instead of a source
    sso.claim,  # beats keys in either file
    static.claim_in_credentials,  # keys in the credentials file beat what follows
    later.claim_login,
    later.claim_process,  # beats keys in the config file
    static.claim_in_config,
)
