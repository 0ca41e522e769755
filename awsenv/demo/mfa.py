"""The MFA devices that the fake knows, each with the code it shows at the moment."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, replace

from .refusal import Refusal
from .trust import Caller, unfit


@dataclass(frozen=True)
class Device:
    account: str
    code: str
    user: str | None = None
    single_use: bool = False
    is_spent: bool = False


class MfaDevices:
    def __init__(self) -> None:
        self._devices: dict[str, Device] = {}
        self._lock = threading.Lock()

    def add(self, serial: str, device: Device) -> None:
        self._devices[serial] = device

    def check(self, caller: Caller, serial: str | None, code: str | None) -> bool:
        """True when a valid code came, False when nothing came. Raises Refusal in AWS's words otherwise."""
        if serial is None and code is None:
            return False
        if code is not None and not re.fullmatch(r"\d{6}", code, re.ASCII):
            raise unfit(code, "tokenCode", r"satisfy regular expression pattern: [\d]*, and have length 6")
        if serial is None or code is None:
            raise _failed(", must provide both MFA serial number and one time pass code.")
        device = self._devices.get(serial)
        if device is None or caller.kind != "user" or not _is_of(device, caller):
            advice = "Please verify your MFA serial number is valid and associated with this user."
            raise _failed(f", unable to validate MFA code.  {advice}")
        with self._lock:
            if code != device.code or self._devices[serial].is_spent:
                raise _failed(" with invalid MFA one time pass code.")
            # AWS takes each code once; the demo's only code has to work for the whole visit.
            self._devices[serial] = replace(device, is_spent=device.single_use)
        return True


def _is_of(device: Device, caller: Caller) -> bool:
    return device.account == caller.account and device.user in (None, caller.identity.rpartition("/")[2])


def _failed(how: str) -> Refusal:
    return Refusal(403, "AccessDenied", f"MultiFactorAuthentication failed{how}")
