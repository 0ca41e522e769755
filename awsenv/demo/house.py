"""A throw-away home with the how-to's profiles, whose keys, roles and sign-in the fake AWS knows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .fake import FakeAws  # importing it takes half a second, for moto's sake

SESSION = "test"
START_URL = "https://d-1234567890.awsapps.com/start"
REGION = "ap-northeast-1"
MFA_SERIAL = "arn:aws:iam::111111111111:mfa/hoge"
MFA_CODE = "123456"
SWITCHED_ROLE = "arn:aws:iam::222222222222:role/SwitchedRole"
DEPLOY = "arn:aws:iam::333333333333:role/Deploy"
READ_ONLY = "arn:aws:iam::444444444444:role/ReadOnly"
FROM_GITHUB = "arn:aws:iam::333333333333:role/FromGithub"
# What the person has at the portal. Only the first has profiles; the others are there to be imported.
ACCOUNTS = {
    "123456789012": ("demo-admin", ["AdministratorAccess", "ViewOnlyAccess"]),
    "222222222222": ("demo-staging", ["Developer", "ViewOnlyAccess"]),
    "444444444444": ("demo-production", ["ViewOnlyAccess"]),
    "666666666666": ("Data Lab (EU)", ["Analyst", "ViewOnlyAccess"]),
}

CONFIG = f"""\
[profile hoge1]
region = {REGION}
output = json

[profile fuga]
region = {REGION}
role_arn = {SWITCHED_ROLE}
mfa_serial = {MFA_SERIAL}
source_profile = hoge1

[profile AdministratorAccess-123456789012]
sso_session = {SESSION}
sso_account_id = 123456789012
sso_role_name = AdministratorAccess
region = {REGION}
output = json

[profile piyo]
region = {REGION}
role_arn = {DEPLOY}
source_profile = AdministratorAccess-123456789012

[profile piyo-prod]
region = {REGION}
role_arn = {READ_ONLY}
source_profile = piyo

[sso-session {SESSION}]
sso_start_url = {START_URL}
sso_region = {REGION}
sso_registration_scopes = sso:account:access
"""

# What a person's own shell may bring along that would lead out of the house: names, and beginnings of names.
FOREIGN = ("BOTO_CONFIG", "BASH_ENV", "ENV", "ZDOTDIR", "HISTFILE", "PROMPT_COMMAND", "PS1", "PROMPT", "RPROMPT")
FOREIGN_BEGINNINGS = ("AWS", "GRANTED_", "__awsenv_")


@dataclass(frozen=True)
class House:
    """`environment` holds what leads every program to this home and to the fake AWS; see environment_for."""

    home: Path
    environment: Mapping[str, str] = field(repr=False)
    mfa_code: str


def furnish(home: Path, fake: FakeAws, logged_in: bool = True) -> House:
    """Writes the profiles into `home` (an empty folder, made where missing) and makes the fake know all they name.

    `logged_in`: with a live sign-in at Identity Center, in AWS's own token file.
    """
    access_key_id, secret_access_key = fake.user("111111111111", "hoge1")
    fake.mfa_device(MFA_SERIAL, MFA_CODE, user="hoge1")
    fake.portal(START_URL, REGION, ACCOUNTS)
    fake.role(SWITCHED_ROLE, ["arn:aws:iam::111111111111:user/hoge1"], mfa=True)
    fake.role(DEPLOY, [fake.permission_set_role("123456789012", "AdministratorAccess")])
    fake.role(READ_ONLY, [DEPLOY])
    fake.role(FROM_GITHUB, web_identities=[fake.JOB])
    fake.account_alias("222222222222", "demo-staging")
    fake.account_alias("444444444444", "demo-production")

    aws, run = home / ".aws", home / ".run"
    for folder in (home, aws, aws / "sso", aws / "sso" / "cache", run):
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)
    keys = f"[hoge1]\naws_access_key_id = {access_key_id}\naws_secret_access_key = {secret_access_key}\n"
    write(aws / "config", CONFIG)
    write(aws / "credentials", keys)
    if logged_in:
        write(token_file(home), json.dumps(fake.issue_token(START_URL, session=SESSION), indent=2))

    own = {
        "HOME": home,
        "XDG_CONFIG_HOME": home / ".config",
        "XDG_CACHE_HOME": home / ".cache",
        "XDG_DATA_HOME": home / ".local/share",
        "XDG_STATE_HOME": home / ".local/state",
        "XDG_RUNTIME_DIR": run,
        "AWS_CONFIG_FILE": aws / "config",
        "AWS_SHARED_CREDENTIALS_FILE": aws / "credentials",
        "HISTFILE": home / ".history",
    }
    return House(home, {name: str(path) for name, path in own.items()} | fake.environment(), MFA_CODE)


def token_file(home: Path) -> Path:
    """AWS's own place for the token of the sso-session; the name is the SHA-1 of the session's."""
    return home / ".aws/sso/cache" / (hashlib.sha1(SESSION.encode()).hexdigest() + ".json")


def write(path: Path, text: str) -> None:
    """Never readable by others, not even for a moment."""
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


def environment_for(house: House, base_env: Mapping[str, str]) -> dict[str, str]:
    """`base_env` without inherited AWS settings and shell start-up files, and with the house's own."""
    kept = {
        name: value
        for name, value in base_env.items()
        if name not in FOREIGN and not name.startswith(FOREIGN_BEGINNINGS)
    }
    return kept | dict(house.environment)
