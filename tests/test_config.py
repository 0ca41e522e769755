"""AwsConfig: both files merged as botocore merges them, every setting with its line, damage kept to the profile it is in."""

import botocore.configloader
import botocore.exceptions
import botocore.session
import pytest

from awsenv import sections
from awsenv.config import AwsConfig, meant, require_sound
from awsenv.errors import Config, UnknownProfile
from awsenv.plan import build

KEYS = b"aws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = wJalrXUtnFEMI\n"


def read(config, credentials=b""):
    config, credentials = (text.encode() if isinstance(text, str) else text for text in (config, credentials))
    return AwsConfig(config, credentials, "config", "credentials")


def values(config, name):
    return {key: setting.value for key, setting in config.profile(name).settings.items()}


def botocore_profiles(tmp_path, monkeypatch, config, credentials=b""):
    """The profiles as botocore merges them."""
    for name, variable, data in (
        ("config", "AWS_CONFIG_FILE", config),
        ("credentials", "AWS_SHARED_CREDENTIALS_FILE", credentials),
    ):
        (tmp_path / name).write_bytes(data)
        monkeypatch.setenv(variable, str(tmp_path / name))
    return botocore.session.Session().full_config["profiles"]


def refused_by_botocore(tmp_path, data):
    path = tmp_path / "config"
    path.write_bytes(data)
    try:
        botocore.configloader.load_config(str(path))
    except botocore.exceptions.ConfigParseError:
        return True
    return False


MERGES = {
    "quoted names": (b"[profile 'sp ace']\nregion=r\n[profile \"x\"]\nregion=s\n", b""),
    "bare sections are no profiles": (b"[a]\nregion=r\n[profile b]\nregion=s\n", b"[a]\noutput=json\n"),
    "credentials over config": (b"[profile a]\nregion=r\noutput=json\n", b"[a]\nREGION = s\n"),
    "a profile called profile c": (b"[profile c]\nregion=r\n", b"[profile c]\nregion=s\n"),
    "the later default whole": (b"[default]\nregion=r\noutput=json\n[profile default]\nregion=s\n", b""),
    "the later default whole, again": (b"[profile default]\nregion=r\n[default]\noutput=text\n", b"[default]\nx=y\n"),
    "one name, two quotings": (b"[profile a]\nregion=r\noutput=json\n[profile 'a']\nregion=s\n", b""),
    "three words": (b"[profile three words x]\nregion=r\n[profilefoo zzz]\nregion=s\n", b""),
    "open quotes": (b'[profile "a]\nregion=r\n[profile b]\nregion=s\n', b""),
    "CRLF": (b"[profile a]\r\nregion = r\r\n\r\n# x\r\noutput=json\r\n", b"[a]\r\nx=y\r\n"),
    "lone CR": (b"[profile a]\rregion = r\r", b""),
    "nested values": (b"[profile a]\ns3 =\n  max = 1\n  x = y\nregion = r\n", b""),
    "several lines": (b"[profile a]\nk = 1\n   2\n\n   3\nregion = r\n", b""),
    "colons": (b"[profile a]\nregion: r\nk : a=b\nl = a:b\n", b""),
    "indented": (b"  [profile a]\n  region = r\n  output = json\n", b""),
    "DEFAULT lends to its own file": (
        b"[DEFAULT]\nregion=r\noutput=json\n[profile a]\nregion=s\n[profile b]\n",
        b"[c]\nx=y\n[DEFAULT]\nk=v\n",
    ),
    "ideographic space": ("[profile\u3000a]\nregion=r\n[profile b\u3000c]\nregion=s\n".encode(), b""),
    "no percent magic": (b"[profile a]\nk = %(x)s $HOME ~\n", b""),
}


@pytest.mark.parametrize("case", MERGES)
def test_profiles_are_merged_as_botocore_merges_them(case, tmp_path, monkeypatch):
    data = MERGES[case]
    theirs = botocore_profiles(tmp_path, monkeypatch, *data)
    config = read(*data)
    assert set(config.names()) == set(theirs)
    for name in theirs:
        profile = config.profile(name)
        require_sound(profile)
        flat = {key: value for key, value in values(config, name).items() if not value.startswith("\n")}
        assert flat == {key: value for key, value in theirs[name].items() if isinstance(value, str)}
        for key, setting in profile.settings.items():
            if setting.value.startswith("\n"):
                assert {child: s.value for child, s in config.nested(setting).items()} == theirs[name][key]


def test_every_setting_knows_its_file_and_line():
    config = read("# x\n[profile a]\n\nregion = r\nrole_arn = x\n", "[a]\naws_access_key_id = k\nregion = s\n")
    assert {key: str(s.where) for key, s in config.profile("a").settings.items()} == {
        "region": "credentials:3",
        "role_arn": "config:5",
        "aws_access_key_id": "credentials:2",
    }
    assert str(config.profile("a").where) == "config:2"


def test_keys_are_read_from_each_file_apart():
    config = read("[profile a]\naws_access_key_id = c\n", "[a]\naws_secret_access_key = s\n")
    assert list(config.own_keys("a", credentials_file=True)) == ["aws_secret_access_key"]
    assert list(config.own_keys("a", credentials_file=False)) == ["aws_access_key_id"]


@pytest.mark.parametrize(
    ("value", "means"),
    [
        ("hoge1 # comment", "hoge1"),
        ("hoge1\t; comment", "hoge1"),
        ("hoge1  #", "hoge1"),
        ("# nothing", ""),
        ("https://d-1.awsapps.com/start#/", "https://d-1.awsapps.com/start#/"),
        ("a#b;c", "a#b;c"),
    ],
)
def test_a_comment_ends_the_value_where_a_blank_precedes_it(value, means):
    assert meant(value) == means


STRIPPED = ["region", "output", "role_arn", "mfa_serial", "source_profile", "credential_source", "duration_seconds"]
STRIPPED += ["sso_session", "sso_start_url", "sso_region", "sso_account_id", "sso_role_name", "sso_registration_scopes"]
KEPT = [
    "credential_process",
    "mfa_process",
    "external_id",
    "role_session_name",
    "login_session",
    "web_identity_token_file",
]
KEPT += ["aws_access_key_id", "aws_secret_access_key", "aws_session_token", "ca_bundle", "endpoint_url", "services"]


@pytest.mark.parametrize("key", STRIPPED)
def test_a_comment_is_taken_off(key):
    setting = read(f"[profile a]\n{key} = v # c\n").profile("a").settings[key]
    assert (setting.value, setting.comment) == ("v", "# c")


@pytest.mark.parametrize("key", KEPT)
def test_what_may_hold_a_hash_in_earnest_is_kept_whole(key):
    setting = read(f"[profile a]\n{key} = v # c\n").profile("a").settings[key]
    assert (setting.value, setting.comment) == ("v # c", "")


def test_a_name_that_exists_just_so_is_kept_with_its_hash():
    text = "[profile a]\nsource_profile = x # y\nsso_session = s ; t\n[profile 'x # y']\n[profile x]\n[sso-session 's ; t']\n"
    config = read(text)
    assert values(config, "a") == {"source_profile": "x # y", "sso_session": "s ; t"}
    assert values(read(text.replace("'x # y'", "z").replace("'s ; t'", "s")), "a") == {
        "source_profile": "x",
        "sso_session": "s",
    }


# What makes botocore lose the whole file: (file, the line that is named, the profiles that can't be used any more).
DAMAGE = {
    "bom": (b"\xef\xbb\xbf[profile a]\nregion=r\n[profile b]\nregion=s\n", None, ""),
    "duplicate section": (b"[profile a]\nregion=r\n[profile b]\nregion=s\n[profile a]\n", 5, "a"),
    "duplicate key": (b"[profile a]\nregion=r\nREGION = t\n[profile b]\nregion=s\n", 3, "a"),
    "junk": (b"[profile a]\nregion=r\n[profile b]\njunk\nregion=s\n", 4, "b"),
    "no key": (b"[profile a]\n= r\n[profile b]\nregion=s\n", 2, "a"),
    "open header": (b"[profile a]\nregion=r\n[profile b\nregion=s\n", 3, "b"),
    "empty header": (b"[profile a]\nregion=r\n[]\nx=y\n[profile b]\nregion=s\n", None, ""),
    "no section yet": (b"region=r\n[profile a]\nregion=r\n[profile b]\nregion=s\n", None, ""),
    "invalid UTF-8 in a value": (b"[profile a]\nregion=\xff\n[profile b]\nregion=s\n", 2, "a"),
    "invalid UTF-8 in a key": (b"[profile a]\nregi\xe9n=r\n[profile b]\nregion=s\n", 2, "a"),
    "invalid UTF-8 in a comment": (b"[profile a]\n# \xe9\nregion=r\n[profile b]\nregion=s\n", None, ""),
    "nested junk": (b"[profile a]\ns3 =\n  x = y\n  junk\nregion=r\n[profile b]\nregion=s\n", 4, "a"),
    "key twice in DEFAULT": (b"[DEFAULT]\nx=y\n[profile a]\nregion=r\n[profile b]\n[DEFAULT]\nx=z\n", 7, "ab"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_stays_in_the_profile_it_is_in(kind, tmp_path):
    data, line, touched = DAMAGE[kind]
    assert refused_by_botocore(tmp_path, data), "this is no damage"
    config = read(data)
    assert config.damage()
    for name in "ab":
        if name not in touched:
            require_sound(config.profile(name))
            continue
        with pytest.raises(Config) as refused:
            require_sound(config.profile(name))
        assert str(refused.value.where) == f"config:{line}"


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_in_the_config_file_does_not_reach_the_credentials_file(kind):
    config = read(DAMAGE[kind][0], b"[c]\n" + KEYS)
    require_sound(config.profile("c"))


def test_a_sound_file_has_no_damage():
    for data in MERGES.values():
        assert read(*data).damage() == []


def test_the_credentials_file_is_read_by_the_same_rules():
    config = read(b"", b"\xef\xbb\xbf[a]\n" + KEYS + b"[b]\n" + KEYS + KEYS + b"[DEFAULT]\nregion = r\n[]\nx = y\n")
    assert config.names() == ["a", "b"]
    assert values(config, "a")["region"] == "r"
    require_sound(config.profile("a"))
    with pytest.raises(Config) as refused:
        require_sound(config.profile("b"))
    assert str(refused.value.where) == "credentials:7"


@pytest.mark.parametrize(
    ("header", "asked", "line_to_write"),
    [
        ("[hoge1] # free", "hoge1", "[profile hoge1]"),
        ("[profile a b]", "a b", '[profile "a b"]'),
        ('[profile "a b]', "a b", '[profile "a b"]'),
        ("[Profile x]", "x", "[profile x]"),
        ("[profile\u3000x]", "x", "[profile x]"),
    ],
)
def test_a_header_that_aws_tools_ignore_is_explained(header, asked, line_to_write):
    with pytest.raises(UnknownProfile) as unknown:
        read(f"{header}\nregion = r\n").profile(asked)
    assert str(unknown.value.where) == "config:1"
    assert unknown.value.hint == f"config:1 should read: {line_to_write}"


def test_an_unknown_profile_brings_the_nearest_names():
    with pytest.raises(UnknownProfile) as unknown:
        read("[profile staging]\n[profile prod]\n").profile("stagng")
    assert unknown.value.hint == "did you mean staging?"


def test_no_files_at_all_is_said_so():
    with pytest.raises(UnknownProfile, match="neither config nor credentials holds any"):
        read("").profile("a")


@pytest.mark.parametrize("header", ["[profile a] # [1]", "[profile 'a'] ; was [b]"])
def test_a_profile_that_aws_tools_miss_is_ours_alone(header, tmp_path, monkeypatch):
    data = f"{header}\nregion=r\n"
    assert "a" not in botocore_profiles(tmp_path, monkeypatch, data.encode())
    config = read(data)
    assert config.profile("a").ours_alone
    assert [str(note.where) for note in config.notes_for("a")] == ["config:1"]
    assert not read(data, "[a]\nx=y\n").profile("a").ours_alone


def test_sso_sessions_and_services_are_replaced_whole_by_a_later_one(tmp_path):
    data = b"[sso-session s]\nsso_region=r\nx=y\n[sso-session 's']\nsso_region=t\n[services v]\nsts =\n  endpoint_url = u\n"
    (tmp_path / "config").write_bytes(data)
    theirs = botocore.configloader.load_config(str(tmp_path / "config"))
    config = read(data)
    assert {key: s.value for key, s in config.section("sso-session", "s").settings.items()} == theirs["sso_sessions"][
        "s"
    ]
    sts = config.section("services", "v").settings["sts"]
    assert {key: s.value for key, s in config.nested(sts).items()} == theirs["services"]["v"]["sts"]
    assert config.section_names("sso-session") == ["s"]
    assert config.section("services", "none") is None


@pytest.fixture
def parsed(monkeypatch):
    """The headers of the sections whose settings were read."""
    headers = []
    whole = sections.settings
    monkeypatch.setattr(sections, "settings", lambda text, section: headers.append(section[0]) or whole(text, section))
    return headers


@pytest.mark.parametrize("count", [10, 5000])
def test_a_plan_parses_the_sections_it_needs_however_many_there_are(count, parsed):
    role = "role_arn = arn:aws:iam::123456789012:role/R"
    text = "".join(f"[profile p{i}]\n{role}\nsource_profile = q{i}\n" for i in range(count))
    keys = "".join(f"[q{i}]\n{KEYS.decode()}" for i in range(count))
    build(read(text, keys), "p7", env={}, session_name="x")
    assert parsed == ["profile p7", "q7", "q7"]


def test_the_headers_of_a_large_file_are_read_in_one_pass(monkeypatch):
    """One `_header` per section and no `_indentation` at all: nothing in the scan looks back."""
    seen = []
    whole = sections._header
    monkeypatch.setattr(sections, "_header", lambda rest: seen.append(rest) or whole(rest))
    monkeypatch.setattr(sections, "_indentation", lambda *_: pytest.fail("looked back"))
    read("".join(f"[profile p{i}]\nregion = r\n" for i in range(5000)))
    assert len(seen) == 5000
