"""An MFA device of an IAM user, and how the code that it shows is come by: a terminal, a program, or our stdin."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from awsenv.errors import Config, LoginNeeded, WrongCode
from awsenv.model import Context, Credentials, Profile, Setting, Where
from awsenv.ports import Ports
from awsenv.program import Program, shown, words
from awsenv.text import show

KEYS = ("mfa_serial", "mfa_process")
_TRIES = 3
_CODE = re.compile(r"[0-9]{6}")
# "You cannot use FIDO security keys or passkeys with the AWS CLI or AWS API operations": IAM user guide, on MFA.
_FIDO = re.compile(r"arn:[\w-]+:iam::\d*:u2f/")


@dataclass(frozen=True)
class Device:
    """*settings* are the lines that name it, and its program where it has one."""

    serial: str
    settings: tuple[Setting, ...]
    program: Program | None = None

    @property
    def where(self) -> Where:
        """The line that names it."""
        return self.settings[0].where

    def check(self, profile: str, ports: Ports) -> None:
        """Raise where no code can come: LoginNeeded without a terminal, Config where its program may not be started."""
        if ports.asker.has_codes():
            return
        if self.program is not None:
            if ports.asker.is_hook():  # it may show a window or want a key touched, and nobody has typed anything
                raise LoginNeeded(f'"{profile}" needs an MFA code of {show(self.program.name)}', self.where)
            self.program.check(profile, ports)
        elif not ports.asker.is_present():
            raise LoginNeeded(
                f'"{profile}" needs an MFA code, and there is no terminal to ask for it on',
                self.where,
                "run it once in a terminal: the session is then kept until it expires\n"
                "or hand it the code: --mfa-stdin reads it from stdin, the setting mfa_process names a program",
            )

    def spent(self, profile: str, ports: Ports, exchange: Callable[[str], Credentials]) -> Credentials:
        """What *exchange* gives for a code. At a terminal a refused one is asked for again, three times in all.

        A program is asked once: it would print the same code again, and AWS takes none twice. Raises WrongCode.
        """
        by_hand = self.program is None and not ports.asker.has_codes()
        for left in reversed(range(_TRIES if by_hand else 1)):
            try:
                return exchange(self._code(profile, ports))
            except WrongCode as wrong:
                if not left:
                    raise WrongCode(wrong.what, self.where, wrong.hint) from None
                ports.asker.say(f"{wrong.what}\nwait for the next one, and type that")
        raise AssertionError("the last try returns or raises")

    def _code(self, profile: str, ports: Ports) -> str:
        if self.program is None or ports.asker.has_codes():
            return ports.asker.mfa_code(self.serial, profile)
        printed = self.program.printed(profile, ports)
        code = printed.decode("ascii", "replace").strip()
        if not _CODE.fullmatch(code):
            what = f'{show(self.program.name)}, which prints the MFA code for "{profile}", prints '
            raise Config(what + ("something else than six digits" if code else "nothing"), self.program.where)
        return code


def device_of(profile: Profile, context: Context) -> Device | None:
    """The device that *profile* names; None for none. Raises Config for one whose code no call can carry."""
    serial, process = profile.get("mfa_serial"), profile.get("mfa_process")
    if serial is None:
        return None
    if _FIDO.match(serial.value):
        raise Config(
            f'"{profile.name}" names a FIDO key or passkey: it works in a browser alone, and shows no code for AWS\'s API',
            serial.where,
            "add an authenticator app to the same user as one more device, and write its arn:…:mfa/NAME here",
        )
    if process is None:
        return Device(serial.value, (serial,))
    command = words(process)
    program = Program(command, context.origin(process), process.where)
    return Device(serial.value, (serial, shown(process, command)), program)
