"""Which URL a service is called at: botocore's answer for sts, and a stricter one for the services that carry tokens."""

import copy
import itertools

import botocore.config
import botocore.exceptions
import botocore.session
import pytest
from botocore import UNSIGNED

from awsenv.config import AwsConfig
from awsenv.endpoints import endpoint_of, is_aws_owned, is_loopback
from awsenv.errors import Config
from awsenv.plan import build

# Every setting that has a say; each is there or not, on or off, in all combinations.
ENV = {
    "AWS_ENDPOINT_URL_{}": ("http://127.0.0.1:1",),
    "AWS_ENDPOINT_URL": ("http://127.0.0.1:2", ""),
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": ("true", "False", ""),
}
PROFILE = {
    "services": ("local", "none"),
    "endpoint_url": ("http://127.0.0.1:3",),
    "ignore_configured_endpoint_urls": ("TRUE", "no"),
}
SECTION = "[services local]\nSTS =\n  endpoint_url = http://127.0.0.1:4\nsso =\n  endpoint_url = http://127.0.0.1:5\n"


def combinations(choices, service):
    keys = [key.format(service.upper()) for key in choices]
    for values in itertools.product(*((None, *given) for given in choices.values())):
        yield {key: value for key, value in zip(keys, values, strict=True) if value is not None}


CASES = [(env, profile) for env in combinations(ENV, "sts") for profile in combinations(PROFILE, "sts")]


def theirs(service, env, tmp_path, monkeypatch):
    """What botocore hands to a client of *service* as its endpoint."""
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    session = botocore.session.Session(profile="a")
    store = copy.copy(session.get_component("config_store"))
    session._add_configured_endpoint_provider(client_name=service, config_store=store)
    if store.get_config_variable("ignore_configured_endpoint_urls"):
        return None
    return store.get_config_variable("endpoint_url")


def test_sts_is_called_where_botocore_calls_it(tmp_path):
    seen = set()
    for env, settings in CASES:
        text = "[profile a]\n" + "".join(f"{key} = {value}\n" for key, value in settings.items()) + SECTION
        (tmp_path / "config").write_text(text)
        config = AwsConfig(text.encode(), b"", "config", "credentials")
        with pytest.MonkeyPatch.context() as patch:
            try:
                expected = theirs("sts", env, tmp_path, patch)
            except botocore.exceptions.InvalidConfigError:
                expected = "refused"
        try:
            ours = endpoint_of("sts", config.profile("a"), config, env)
        except Config:
            ours = "refused"
        assert ours == expected, (env, settings)
        seen.add(ours)
    assert seen == {None, "refused"} | {f"http://127.0.0.1:{n}" for n in (1, 2, 3, 4)}


@pytest.mark.parametrize("service", ["sso", "sso_oidc", "signin"])
def test_the_general_endpoints_never_reach_a_service_that_carries_tokens(service):
    config = AwsConfig(b"[profile a]\nendpoint_url = http://127.0.0.1:3\n", b"", "config", "credentials")
    assert endpoint_of(service, config.profile("a"), config, {"AWS_ENDPOINT_URL": "http://127.0.0.1:2"}) is None


@pytest.mark.parametrize("service", ["sso", "sso_oidc", "signin"])
@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "https://oidc.eu-west-1.amazonaws.com", "http://evil.example"])
def test_a_services_own_endpoint_is_taken_where_the_token_stays_with_us_or_aws(service, url):
    text = f"[profile a]\nservices = s\n[services s]\n# x\n{service} =\n\n  endpoint_url = {url}\n"
    config = AwsConfig(text.encode(), b"", "config", "credentials")
    variable = f"AWS_ENDPOINT_URL_{service.upper()}"
    if "evil" not in url:
        assert endpoint_of(service, config.profile("a"), config, {}) == url
        assert endpoint_of(service, config.profile("a"), config, {variable: url}) == url
        return
    with pytest.raises(Config) as by_line:
        endpoint_of(service, config.profile("a"), config, {})
    assert str(by_line.value.where) == "config:7"
    with pytest.raises(Config, match=variable) as by_name:
        endpoint_of(service, config.profile("a"), config, {variable: url})
    assert by_name.value.exit_code == 3


def test_a_foreign_host_is_taken_where_the_users_settings_trust_it():
    text = "[profile a]\nservices = s\nendpoint_url = http://general.example\n[services s]\nsso =\n  endpoint_url = https://x.example\n"
    config = AwsConfig(text.encode(), b"", "config", "credentials")
    profile = config.profile("a")
    assert endpoint_of("sso", profile, config, {}, trust_any=True) == "https://x.example"
    assert endpoint_of("sso", profile, config, {"AWS_ENDPOINT_URL_SSO": "http://y"}, trust_any=True) == "http://y"
    assert endpoint_of("sso_oidc", profile, config, {"AWS_ENDPOINT_URL": "http://y"}, trust_any=True) is None


def test_that_trust_reaches_the_plan():
    text = "[profile a]\nsso_session = s\nsso_account_id = 123456789012\nsso_role_name = Dev\n"
    text += "[sso-session s]\nsso_start_url = https://d-1.awsapps.com/start\nsso_region = eu-west-1\n"
    config = AwsConfig(text.encode(), b"", "config", "credentials")
    env = {"AWS_ENDPOINT_URL_SSO": "https://x.example"}
    plan = build(config, "a", env=env, session_name="x", trust_endpoints=True)
    assert plan.steps[0].session.portal_endpoint == "https://x.example"
    with pytest.raises(Config):
        build(config, "a", env=env, session_name="x")


LOOPBACK = ["http://localhost", "http://LOCALHOST:80/x", "https://127.0.0.1", "http://127.8.9.1:4566", "http://[::1]:1"]
OWNED = [
    "https://oidc.us-east-1.amazonaws.com",
    "https://portal.sso.eu-west-1.amazonaws.com/",
    "https://OIDC.eu-central-1.api.aws",
    "https://oidc-fips.us-gov-west-1.amazonaws.com",
    "https://portal.sso.cn-north-1.amazonaws.com.cn",
    "https://oidc.eusc-de-east-1.amazonaws.eu",
    "https://us-east-1.signin.aws.amazon.com",
    "https://signin.aws.amazon.com:443/v1/token",
    "https://us-gov-west-1.signin.amazonaws-us-gov.com",
]
FOREIGN = [
    "",
    "oidc.us-east-1.amazonaws.com",
    "http://oidc.us-east-1.amazonaws.com",
    "ftp://localhost",
    "http://localhost.evil.example",
    "http://127.0.0.1.evil.example",
    "http://127.evil.example",
    "http://128.0.0.1",
    "http://localhost@evil.example",
    "http://evil.example#@localhost",
    "http://evil.example\\@localhost",
    "http://loc\u0430lhost",
    "http://evil.example\t.localhost",
    "https://evil.example/oidc.us-east-1.amazonaws.com",
    "https://evil.example?.amazonaws.com",
    "https://oidc.us-east-1.amazonaws.com.evil.example",
    "https://oidc.us-east-1.amazonaws.com@evil.example",
    "https://evil.example\\.oidc.us-east-1.amazonaws.com",
    "https://evilamazonaws.com",
    # hosts under AWS's names where anybody's code answers
    "https://abc123.execute-api.us-east-1.amazonaws.com",
    "https://oidc.s3.amazonaws.com",
    "https://oidc.s3.us-east-1.amazonaws.com",
    "https://search-x.us-east-1.es.amazonaws.com",
    "https://oidc-1.us-east-1.elb.amazonaws.com",
    "https://sts.us-east-1.amazonaws.com",
    "http://[",
]


@pytest.mark.parametrize("url", LOOPBACK)
def test_this_machine_is_known_as_such(url):
    assert is_loopback(url)


@pytest.mark.parametrize("url", OWNED)
def test_a_host_of_aws_is_known_as_such(url):
    assert is_aws_owned(url)


@pytest.mark.parametrize("url", FOREIGN)
def test_no_other_url_passes_for_one_of_them(url):
    assert not is_loopback(url)
    assert not is_aws_owned(url)


REGIONS = ("us-east-1", "ap-southeast-4", "cn-north-1", "us-gov-west-1", "eusc-de-east-1")
VARIANTS = [(dual, fips) for dual in (False, True) for fips in (False, True)]


@pytest.mark.parametrize("service", ["sso", "sso-oidc", "signin"])
@pytest.mark.parametrize("region", REGIONS)
def test_every_endpoint_of_aws_itself_is_known_as_such(service, region):
    session = botocore.session.Session()
    for dual, fips in VARIANTS:
        config = botocore.config.Config(use_dualstack_endpoint=dual, use_fips_endpoint=fips, signature_version=UNSIGNED)
        url = session.create_client(service, region_name=region, config=config).meta.endpoint_url
        assert is_aws_owned(url), url
