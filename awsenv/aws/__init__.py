"""AWS for real, by botocore: calls in, our values and our errors out. The only package that knows botocore."""

from __future__ import annotations

from awsenv.aws.identity_center import IdentityCenter
from awsenv.aws.signin import SignIn
from awsenv.aws.sts import Sts
from awsenv.aws.web import Web


class Aws(Sts, IdentityCenter, SignIn, Web):
    """The AwsApi port."""
