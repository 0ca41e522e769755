"""The worker that renews a login after its caller has answered: how it is started, and what it does."""

from __future__ import annotations

import json
import sys

from awsenv import assets, renewal
from awsenv.model import Network, SsoSession
from awsenv.network import variables_of
from awsenv.ports import Ports
from awsenv.process import start_detached
from awsenv.world import World

VERB = "renew-login"  # not for people: it is missing in every help


class DetachedWorker:
    """The Background port."""

    def __init__(self, world: World, network: Network) -> None:
        self._world = world
        self._network = network

    def renew_login(self, session: SsoSession) -> None:
        argv = [sys.executable, "-I", "-S", assets.MAIN, VERB, _written(session)]
        env = {**self._world.child_env(), **variables_of(self._network)}
        if self._world.store_root is not None:
            env["AWSENV_STORE"] = self._world.store_root  # the same lock and the same marks, wherever a shim put them
        start_detached(argv, env)


def work(text: str, ports: Ports) -> None:
    """The worker's whole life; *text* is what `renew_login` handed on."""
    fields = json.loads(text)
    asked = fields.pop("asked_scopes")
    renewal.renew_in_background(SsoSession(**fields, asked_scopes=tuple(asked) if asked is not None else None), ports)


def _written(session: SsoSession) -> str:
    """Names and addresses; no secret, so that it may stand in argv."""
    return json.dumps(
        {
            "name": session.name,
            "start_url": session.start_url,
            "region": session.region,
            "asked_scopes": session.asked_scopes,
            "portal_endpoint": session.portal_endpoint,
            "oidc_endpoint": session.oidc_endpoint,
        }
    )
