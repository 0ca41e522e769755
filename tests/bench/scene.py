"""A furnished home to measure and to test in: the how-to's profiles, three more, and as many others as a row asks for."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from awsenv import assets
from awsenv.demo.house import REGION, furnish, write

if TYPE_CHECKING:
    from awsenv.demo.fake import FakeAws

STATIC = "hoge1"
SSO = "AdministratorAccess-123456789012"
CHAIN = "piyo"  # a role, behind SSO
ROLE = "operator"  # a role that a static key may assume without MFA: one AssumeRole, nobody asked
FLOATING = "floating"  # a static key without a region: the shell's own region is kept
OPERATOR = "arn:aws:iam::555555555555:role/Operator"

_MORE = f"""
[profile {ROLE}]
region = {REGION}
role_arn = {OPERATOR}
source_profile = {STATIC}
"""


@dataclass(frozen=True)
class Scene:
    """A home, its store, and the environment that leads to them and to the fake AWS."""

    home: Path
    store: Path
    env: Mapping[str, str]

    def shim(self, shell: str = "bash", **more: str) -> dict[str, str]:
        """The environment of a captured call, as the shim of *shell* makes it."""
        return {**self.env, "AWSENV_SHIM": f"{shell}:1", "AWSENV_STORE": str(self.store), **more}

    def plain(self, **more: str) -> dict[str, str]:
        """The environment of every other call."""
        return {**self.env, "AWSENV_STORE": str(self.store), **more}

    def empty_store(self) -> None:
        """Nothing is kept any more: the next `use` is a cold one."""
        shutil.rmtree(self.store, ignore_errors=True)

    def entries(self) -> list[Path]:
        """The files that hold keys, the one written last at the end."""
        return sorted((self.store / "keys").iterdir(), key=lambda path: path.stat().st_mtime_ns)


def argv(*words: str) -> list[str]:
    """The command line with which a shim runs `awsenv WORDS…`."""
    return [sys.executable, "-I", "-S", assets.MAIN, *words]


def furnished(home: Path, fake: FakeAws, others: int = 0) -> Scene:
    """A scene in *home* (made where it is missing) with *others* role profiles around those that are used."""
    home.mkdir(parents=True, exist_ok=True)
    house = furnish(home, fake)
    fake.role(OPERATOR, ["arn:aws:iam::111111111111:user/hoge1"])
    config, credentials = home / ".aws/config", home / ".aws/credentials"
    write(config, _padding(0, others // 2) + config.read_text() + _MORE + _padding(others // 2, others))
    keys = credentials.read_text()
    write(credentials, keys + keys.replace(f"[{STATIC}]", f"[{FLOATING}]"))
    # Nothing of the caller's environment: no PYTHONDONTWRITEBYTECODE, no AWS_CA_BUNDLE, no profile of theirs.
    env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "USER": "tester", **house.environment}
    return Scene(home, home / "store", env)


def _padding(first: int, end: int) -> str:
    return "".join(
        f"[profile team-{n:04d}]\nregion = eu-west-1\nrole_arn = arn:aws:iam::{n:012d}:role/Developer\n"
        f"source_profile = {STATIC}\n\n"
        for n in range(first, end)
    )
