"""The guard: what a person is asked before a shell or a command becomes one of a class, where the settings want that."""

from __future__ import annotations

from collections.abc import Mapping

from awsenv import quick, spelling, turn
from awsenv.errors import Interrupted, Usage
from awsenv.model import Lease
from awsenv.ports import Asker
from awsenv.settings import Settings
from awsenv.text import for_terminal, show, word


def way_for(lease: Lease, settings: Settings) -> tuple[str, str] | None:
    """(class, `confirm` or `name`) where *settings* guard what *lease* is; None where nothing is asked.

    A session that can only look is what the guard wants people to take, and so it is not in its way.
    """
    if not settings.guards or lease.narrowed == spelling.narrowed(spelling.FLAG):
        return None
    kind = settings.class_of(lease.profile, lease.account_id, lease.role)
    way = settings.guards.get(kind or "")
    return (kind, way) if kind is not None and way is not None else None


class Guard:
    """Of one `use`, `refresh` or `exec` (*verb*). It asks once at most, however often it is passed."""

    def __init__(self, verb: str, env: Mapping[str, str], settings: Settings, asker: Asker) -> None:
        self._verb, self._env, self._settings, self._asker = verb, env, settings, asker
        self._is_open = False

    def let_pass(self, lease: Lease) -> None:
        """Ask the person, where *lease* is guarded and the shell is not that already.

        Raises Interrupted for a no, Usage where nobody can be asked.
        """
        found = way_for(lease, self._settings)
        if self._is_open or found is None or self._is_here(lease):
            return
        self._require_person(lease, found[0])
        turn.let_go()  # whoever waits for the same identity would wait for this person, too
        self._ask(lease, *found)
        self._is_open = True

    def _is_here(self, lease: Lease) -> bool:
        # What the config does not say of the account, the credentials may, and then we are called again.
        account = lease.account_id or ("" if lease.credentials else self._env.get("AWSENV_ACCOUNT_ID", ""))
        who = (lease.profile, account, lease.role or "", lease.narrowed)
        # `refresh` takes nobody anywhere, also where another hand has set other keys since.
        return quick.is_still(self._env, who, whatever_the_keys=self._verb == "refresh")

    def _require_person(self, lease: Lease, kind: str) -> None:
        from awsenv.offer import UNASKED  # a login is behind it, which is a lot to load

        if any(self._env.get(name) for name in UNASKED) or not self._asker.is_in_charge():
            verb = "exec" if self._verb == "exec" else "use"
            command = f"awsenv {verb} {word(lease.profile)}"
            raise Usage(
                f'"{lease.profile}" is {kind}, which the settings guard, and nobody can be asked here',
                self._settings.origins.get(f"guard.{kind}"),
                f"{command} --yes{' -- CMD' if verb == 'exec' else ''}",
            )

    def _ask(self, lease: Lease, kind: str, way: str) -> None:
        account = lease.account_id or ""
        named = self._settings.accounts.get(account)
        place = f"{named} ({account})" if named else account
        parts = (lease.profile, place, lease.role, lease.narrowed, lease.region)
        said = f"awsenv: this is {kind}: " + for_terminal(" · ".join(show(part) for part in parts if part), self._env)
        if way == "name":
            answer = self._asker.line(f"{said}. Type the profile's name to go on:")
            if answer != lease.profile.strip():
                raise Interrupted("that is not its name: nothing changed" if answer else "stopped: nothing changed")
        elif not self._asker.confirm(f"{said}. Go on?"):
            raise Interrupted("stopped: nothing changed")
