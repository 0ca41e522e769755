"""AWS's web pages, as far as a program asks them: is one there, where does it lead, and the console's sign-in token."""

from __future__ import annotations

import json
from functools import partial
from urllib.parse import urlencode, urljoin, urlsplit

from botocore.awsrequest import AWSRequest

from awsenv.aws.client import Clients
from awsenv.aws.exchange import not_aws, reaching, within
from awsenv.errors import Busy, Denied, Unreachable
from awsenv.model import Credentials


class Web(Clients):
    """AwsApi's calls to what is no API of botocore's."""

    def reach(self, url: str) -> None:
        with reaching(urlsplit(url).hostname or url):
            within(partial(self._http(url).send, AWSRequest(method="HEAD", url=url).prepare()))

    def redirect_of(self, url: str) -> str | None:
        host = urlsplit(url).hostname or url
        with reaching(host):
            for method in ("HEAD", "GET"):  # not every server answers to HEAD
                request = AWSRequest(method=method, url=url).prepare()
                reply = within(partial(self._http(url).send, request))
                if reply.status_code not in (405, 501):
                    break
        if 300 <= reply.status_code < 400 and reply.headers.get("Location"):
            return urljoin(url, str(reply.headers["Location"]))
        if reply.status_code >= 400:
            raise Unreachable(f"{host} answered {reply.status_code}")
        return None

    def signin_token(self, credentials: Credentials, base: str) -> str:
        url, host = f"{base}/federation", urlsplit(base).hostname or base
        keys = (credentials.access_key_id, credentials.secret_access_key, credentials.session_token)
        session = json.dumps(dict(zip(("sessionId", "sessionKey", "sessionToken"), keys, strict=True)))
        # AWS's guide shows a query string; its own IDE toolkits post a form. The keys stay out of URLs so, which proxies
        # log and errors quote. No SessionDuration: refused after GetFederationToken and for a role reached by a role.
        form = urlencode({"Action": "getSigninToken", "Session": session})
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        request = AWSRequest(method="POST", url=url, data=form, headers=headers).prepare()
        with reaching(host):
            reply = within(partial(self._http(url).send, request))
        if reply.status_code == 429 or reply.status_code >= 500:
            raise Busy(f"AWS (sign-in) is busy or broken just now: {reply.status_code}", hint="try again in a minute")
        if reply.status_code in (400, 401, 403):
            raise Denied(f"the console does not take these credentials ({host} answered {reply.status_code})")
        try:
            token = json.loads(reply.content)["SigninToken"]
        except (ValueError, KeyError, TypeError):
            raise not_aws(host) from None
        if reply.status_code != 200 or not (isinstance(token, str) and token):
            raise not_aws(host)
        return token
