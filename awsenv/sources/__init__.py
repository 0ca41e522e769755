"""SOURCES: every way a profile can authenticate, in the order in which they are asked; the first to claim it has it."""

from __future__ import annotations

from collections.abc import Callable

from awsenv.model import Claim, Context, Profile
from awsenv.sources import assume_role, credential_process, login, sso, static, web_identity

# The order is botocore's (credentials.create_credential_resolver), less what looks beyond the named profile: an explicit
# profile never falls through to a container's or an instance's credentials.
SOURCES: tuple[Callable[[Profile, Context], Claim | None], ...] = (
    web_identity.claim_github,  # in GitHub Actions, where the profile names a role for it: nothing else of it is meant there
    assume_role.claim,  # before SSO: a profile with role_arn and sso_* is a role profile; passes where it is a source with keys
    web_identity.claim,  # the same key, role_arn, with a token file instead of a source
    sso.claim,  # beats keys in either file
    static.claim_in_credentials,  # keys in the credentials file beat what follows
    login.claim,
    credential_process.claim,  # beats keys in the config file
    static.claim_in_config,
)
