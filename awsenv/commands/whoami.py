"""`whoami`: ask AWS who these credentials are. The check of the connection."""

from __future__ import annotations

import json

from awsenv.endpoints import endpoint_of
from awsenv.errors import Usage
from awsenv.lease import request_of_shell, take
from awsenv.model import Credentials, Outcome, UseRequest
from awsenv.network import for_call
from awsenv.ports import real
from awsenv.store import NoStore
from awsenv.text import show
from awsenv.world import World


def run(world: World, request: UseRequest | None, as_json: bool) -> Outcome:
    """Account, ARN and alias: of *request*'s profile, or of what this shell's variables hold."""
    notes: tuple[str, ...] = ()
    endpoint = world.env.get("AWS_ENDPOINT_URL_STS") or world.env.get("AWS_ENDPOINT_URL")
    if request is None and world.env.get("AWS_ACCESS_KEY_ID"):
        credentials, region = from_variables(world), world.env.get("AWS_REGION") or world.env.get("AWS_DEFAULT_REGION")
        ports = real(world, NoStore())
    else:
        profile = world.env.get("AWS_PROFILE")
        if request is None:
            request = UseRequest(profile) if profile else request_of_shell(world)
        if request is None:
            raise Usage("no identity in this shell", hint="awsenv use NAME   (or: awsenv whoami NAME)")
        taken = take(world, request)
        assert taken.lease.credentials is not None, "keys mode always has them"
        credentials, region, notes = taken.lease.credentials, taken.lease.region, taken.notes
        config = taken.reading.config
        named = config.profile(taken.lease.profile)
        endpoint = endpoint_of("sts", named, config, world.env)
        ports = real(world, NoStore(), taken.plan.network)
        for each in for_call("sts", named, config, world.env):
            ports.trust.require(each.origin, each.deed, each.where)
    aws = ports.aws
    account, arn, user_id = aws.caller(credentials, region=region, endpoint=endpoint)
    alias = aws.account_alias(credentials, region=region)
    if as_json:
        text = json.dumps({"account": account, "alias": alias, "arn": arn, "user_id": user_id}, indent=2)
    else:
        text = f"account  {show(account)}{f' ({show(alias)})' if alias else ''}\narn      {show(arn, 300)}"
    return Outcome(text + "\n", tuple(f"awsenv: {note}" for note in notes))


def from_variables(world: World) -> Credentials:
    """The keys in this shell's variables; raises Usage where half of them are missing."""
    secret = world.env.get("AWS_SECRET_ACCESS_KEY")
    if not secret:
        raise Usage("AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY", hint="awsenv use NAME")
    token = world.env.get("AWS_SECURITY_TOKEN") or world.env.get("AWS_SESSION_TOKEN")  # botocore's order
    return Credentials(world.env["AWS_ACCESS_KEY_ID"], secret, token or None)
