"""World: the environment, the clock, the paths and who we are, read here and passed on as one value."""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from awsenv import shelf, stash, variables
from awsenv.errors import Config


def _started() -> float:
    return time.time() - shelf.uptime()


@dataclass(frozen=True)
class World:
    """What is outside, at one moment. *clock* gives epoch seconds; *store_root* is None where none can be named."""

    env: Mapping[str, str]
    home: str
    config_path: str
    credentials_path: str
    store_root: str | None
    user: str
    clock: Callable[[], float] = time.time
    started: Callable[[], float] = _started  # when the machine was, by its clock: it changes when that is set
    shell: str | None = None  # which shim asked: bash, zsh, fish
    protocol: str = ""
    kept: bytes | None = None  # what the shell had before awsenv, as its shim keeps it
    mfa_on_stdin: bool = False  # --mfa-stdin: MFA codes are the lines of stdin
    unattended: bool = False  # a program has started us, and whoever sits at the terminal knows nothing of it

    @classmethod
    def current(cls) -> World:
        """The world as it is; raises Config where there is no home folder."""
        env = dict(os.environ)
        home = _home(env)
        env["HOME"] = home
        config, credentials = shelf.config_paths(env)
        if config.startswith("~") or credentials.startswith("~"):
            raise Config(f"can't tell whose home folder is meant: {config if config.startswith('~') else credentials}")
        shell, _, protocol = env.get("AWSENV_SHIM", "").partition(":")
        return cls(
            env=env,
            home=home,
            config_path=config,
            credentials_path=credentials,
            store_root=shelf.store_root(env),
            user=_user(env),
            shell=shell or None,
            protocol=protocol,
            kept=_kept(env.pop("AWSENV_STASH_FD", "")),
        )

    @property
    def before(self) -> Mapping[str, str] | None:
        """The environment as it was before awsenv; None where that can't be told."""
        return stash.before(self.env, self.kept)

    @property
    def sso_cache_dir(self) -> str:
        """AWS's folder of Identity Center tokens; AWS's tools have no variable for it."""
        return f"{self.home}/.aws/sso/cache"

    @property
    def login_cache_dir(self) -> str:
        """AWS's folder of `aws login` tokens; in its variable, AWS's tools expand `$NAME` and `~`."""
        named = self.env.get("AWS_LOGIN_CACHE_DIRECTORY")
        if not named:
            return f"{self.home}/.aws/login/cache"
        path = re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda m: self.env.get(m[1] or m[2], m[0]), named)
        return f"{self.home}{path[1:]}" if path == "~" or path.startswith("~/") else path

    @property
    def settings_path(self) -> str:
        """Where awsenv's own settings are."""
        from platformdirs import user_config_dir  # a third of a bare interpreter; only a miss pays

        return f"{user_config_dir('awsenv', appauthor=False)}/config.toml"

    @property
    def trust_dir(self) -> str:
        """Where it is remembered which files may start programs. Not the store: a restart must not forget it."""
        from platformdirs import user_state_dir

        return f"{user_state_dir('awsenv', appauthor=False)}/trust"

    @property
    def session_name(self) -> str:
        """The default role session name, `awsenv-<user>`, in the characters that STS takes ([\\w+=,.@-], 2 to 64)."""
        plain = "".join(c if c.isascii() and (c.isalnum() or c in "_+=,.@-") else "-" for c in self.user)
        return f"awsenv-{plain}"[:64]

    def child_env(self) -> dict[str, str]:
        """The environment for what awsenv starts: without what the shim told us alone."""
        return {name: value for name, value in self.env.items() if name not in variables.WIRE}


def _home(env: Mapping[str, str]) -> str:
    home = env.get("HOME")
    if home is None:
        import pwd

        try:
            home = pwd.getpwuid(os.getuid()).pw_dir
        except KeyError:
            home = ""
    if not home.startswith("/"):
        raise Config(f"HOME is not an absolute path: {home!r}", hint="export HOME=/home/you")
    return home


def _kept(descriptor: str) -> bytes | None:
    """What the shim wrote into the pipe that it left open for us, to its end; None for none."""
    if not (descriptor.isascii() and descriptor.isdigit()):
        return None
    number = int(descriptor)
    try:
        if not stat.S_ISFIFO(os.fstat(number).st_mode):
            return None
        data = b""
        while piece := os.read(number, 1 << 16):
            data += piece
        if number > 2:
            os.close(number)
    except OSError:
        return None
    return data


def _user(env: Mapping[str, str]) -> str:
    named = env.get("USER") or env.get("LOGNAME")
    if named:
        return named
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
