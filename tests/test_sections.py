"""Config text → sections and settings, with Python's RawConfigParser (which botocore uses) as the judge."""

import configparser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from awsenv import sections
from awsenv.config import AwsConfig

EXAMPLES = settings(max_examples=300, deadline=None, derandomize=True)

INDENTS = st.sampled_from(["", "", "", "", " ", "  ", "\t", "    ", "\u3000"])
NAMES = st.sampled_from(["a", "profile b", 'profile "c d"', "default", "é", " x ", "profile\tt", "[z"])
KEYS = st.sampled_from(["region", "Role_ARN", "s3", "k k", "x[0", "é"])
GAPS = st.sampled_from(["=", " = ", ":", " : ", "= ", "\t=\t"])
VALUES = st.sampled_from(["", "v", "a=b", "a # c", "[v]", "x ; y", "  v  ", "a:b:c", "é\u3000", "v\x0c", "[v"])


@st.composite
def texts(draw):
    """Lines in any order; most texts hold a header early, so that RawConfigParser takes many of them."""
    lines = ["[first]"]
    for number in range(draw(st.integers(0, 14))):
        kind = draw(st.integers(0, 9))
        indent = draw(INDENTS)
        if kind <= 1:
            lines.append(
                f"{indent}[{draw(NAMES)} {number}]" + draw(st.sampled_from(["", " # note", " ; note", " x=y"]))
            )
        elif kind <= 5:
            lines.append(f"{indent}{draw(KEYS)}{number}{draw(GAPS)}{draw(VALUES)}")
        elif kind == 6:
            lines.append(f"{indent}{draw(st.sampled_from('#;'))} [not a section]")
        elif kind == 7:
            lines.append(draw(st.sampled_from(["", " ", "\t"])))
        else:
            lines.append(f"    {draw(st.sampled_from(['more', 'a = b', '[x]', '[x', 'c: d']))}")
    return draw(st.sampled_from(["\n", "\n", "\r\n", "\r"])).join(lines) + draw(st.sampled_from(["", "\n"]))


def judged(text):
    """(section, key, value) by RawConfigParser, or None where it refuses the text."""
    parser = configparser.RawConfigParser(default_section=None)
    try:
        parser.read_file(_lines(text))
    except configparser.Error:
        return None
    return [(name, key, parser.get(name, key)) for name in parser.sections() for key in parser.options(name)]


def _lines(text):
    """Lines as a file opened by botocore gives them: universal newlines, and nothing else ends a line."""
    return [line + "\n" for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]


def ours(text):
    decoded = sections.decode(text.encode())
    found, problems = [], []
    for section in sections.split(decoded):
        values, damage = sections.settings(decoded, section)
        found += [(section[0], *value) for value in values]
        problems += damage
    return found, problems


@EXAMPLES
@given(texts())
def test_sections_and_settings_agree_with_rawconfigparser(text):
    judgement = judged(text)
    found, problems = ours(text)
    if judgement is None:
        assert AwsConfig(text.encode(), b"", "config", "credentials").damage(), "RawConfigParser refuses this text"
        return
    assert [(header, key, value) for header, key, value, _ in found] == judgement
    assert not [what for _, what in problems if "key = value" not in what]  # that rule is botocore's own


@EXAMPLES
@given(texts())
def test_every_setting_knows_its_line(text):
    found, _ = ours(text)
    lines = [line.rstrip("\n") for line in _lines(text)]
    for _, key, value, number in found:
        written_key, written = _cut(lines[number - 1])
        assert (written_key.lower(), written) == (key, value.split("\n")[0])
    assert len({number for *_, number in found}) == len(found)


@EXAMPLES
@given(texts())
def test_every_header_knows_its_line_and_its_body(text):
    decoded = sections.decode(text.encode())
    lines = [line.rstrip("\n") for line in _lines(text)]
    covered = 0
    for header, number, start, end, closed in sections.split(decoded):
        assert lines[number - 1].strip().startswith(f"[{header}]") or not closed
        assert covered <= start <= end <= len(decoded)
        covered = end
    assert covered == len(decoded)


def _cut(line):
    at = min(i for i in (line.find("="), line.find(":")) if i >= 0)
    return line[:at].strip(), line[at + 1 :].strip()


@st.composite
def damaged(draw):
    """A text and something done to it that RawConfigParser may or may not stand."""
    lines = draw(texts()).split("\n")
    hurt = st.sampled_from(
        ["[first]", "junk", "= v", "[", "[]", "[open", "[open = x", "\ufeff", "region0=again", " junk", "[DEFAULT]"]
    )
    for _ in range(draw(st.integers(1, 3))):
        lines.insert(draw(st.integers(0, len(lines))), draw(hurt))
    return "\n".join(lines)


@EXAMPLES
@given(damaged())
def test_what_aws_tools_refuse_is_never_missed(text):
    parser = configparser.RawConfigParser()
    try:
        parser.read_file(_lines(text))
    except configparser.Error:
        assert AwsConfig(text.encode(), b"", "config", "credentials").damage(), "RawConfigParser refuses this text"


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("profile a", ("profile", "a")),
        ("profile   a\t", ("profile", "a")),
        ('profile "sp ace"', ("profile", "sp ace")),
        ("profile 'it''s'", ("profile", "its")),
        (r"profile a\ b", ("profile", "a b")),
        ("profile three words x", ("profile", "three", "words", "x")),
        ('profile "open', ()),
        ("profile\u3000a", ("profile\u3000a",)),
        ("profile a\u00a0b", ("profile", "a\u00a0b")),
        ("profile a\x0cb", ("profile", "a\x0cb")),
    ],
)
def test_a_header_is_parted_as_shlex_parts_it(header, words):
    import shlex

    try:
        expected = tuple(shlex.split(header))
    except ValueError:
        expected = ()
    assert sections.words(header) == words == expected


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("default", "default"),
        ("profile default", "default"),
        ("profile a", "a"),
        ("profilefoo zzz", "zzz"),
        ("profile", None),
        ("profile a b", None),
        ("a", None),
        (" default", None),
        ("Profile a", None),
        ("sso-session a", None),
    ],
)
def test_a_header_names_the_profile_that_botocore_sees(header, name):
    from botocore.configloader import build_profile_map

    assert sections.profile_name(header) == name
    assert list(build_profile_map({header: {}})["profiles"]) == ([] if name is None else [name])


@pytest.mark.parametrize(
    ("line", "header"),
    [
        ("[profile a] # note [1]", "profile a"),
        ('[profile "a]b"] ; x', 'profile "a]b"'),
        ("[profile 'a]b']", "profile 'a]b'"),
        (r"[profile a\]b]", r"profile a\]b"),
        ('[profile "a]', 'profile "a'),
        ("[a]b]", "a"),
    ],
)
def test_a_header_ends_at_the_first_bracket_outside_quotes(line, header):
    [section] = sections.split(line)
    assert (section[0], section[4]) == (header, True)


def test_names_are_each_profile_once_in_the_order_of_the_files():
    config = "[default]\n[plugins]\n[profile b]\n[profile 'c d']\n[sso-session s]\n[profile b]\n[DEFAULT]\n[]\n"
    credentials = "[a]\n[b]\n[profile c]\n[DEFAULT]\n[]\n"
    assert sections.names(config, credentials) == ["default", "b", "c d", "a", "profile c"]
    assert sections.names(config, credentials) == AwsConfig(config.encode(), credentials.encode(), "c", "k").names()


def test_a_byte_order_mark_and_stray_bytes_are_read_over():
    text = sections.decode(b"\xef\xbb\xbf[profile a]\r\nregion = \xff\r\n")
    [section] = sections.split(text)
    assert sections.settings(text, section) == ([("region", "\udcff", 2)], [])


def test_offsets_survive_the_unifying_of_line_ends():
    data = b"[a]\r\nx = 1\r\n\ry = 2\r"
    assert len(sections.unified(data)) == len(data)
    assert sections.unified(data).index(b"2") == data.index(b"2")


def test_nested_settings_know_their_lines():
    text = "[services s]\nsts =\n  # here\n  endpoint_url = http://a\n\n  x=y\n  endpoint_url=http://b\nsso =\n  z = 1"
    assert sections.nested(text, 2) == {"endpoint_url": ("http://b", 7), "x": ("y", 6)}
    assert sections.nested(text, 8) == {"z": ("1", 9)}


def test_a_long_run_of_indented_brackets_is_read_in_one_pass(monkeypatch):
    read = 0
    whole = sections._indentation

    def counted(lines, level, in_option):
        nonlocal read
        read += len(lines)
        return whole(lines, level, in_option)

    monkeypatch.setattr(sections, "_indentation", counted)
    text = "[a]\nk = v\n" + "  [x]\n" * 3000
    assert len(sections.split(text)) == 1
    assert read <= len(text)
