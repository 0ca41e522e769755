"""AWS for real, by botocore: calls in, our values and our errors out. The only package that knows botocore."""

from __future__ import annotations

from awsenv.aws.identity_center import IdentityCenter
from awsenv.aws.sts import Sts
from awsenv.aws.web import Web


class Aws(Sts, IdentityCenter, Web):
    """The AwsApi port."""
