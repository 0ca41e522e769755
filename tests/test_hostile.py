"""No text from a config file is ever run by a shell, and none reaches a terminal with its control characters."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from awsenv import assets, hot, shelf
from awsenv.change import change_for, export_for
from awsenv.model import Credentials, Lease
from awsenv.prompt import shown_for
from awsenv.render import github
from awsenv.render.formats import FORMATS
from awsenv.render.shells import reply
from awsenv.settings import Settings
from tests.payloads import PAYLOADS, has_controls
from tests.shells import Shell

# In the credentials file a section's name is the profile's, verbatim: what can stand in a header can be a name.
NAMEABLE = {
    pid: text
    for pid, text in PAYLOADS.items()
    if text and text == text.strip() and "]" not in text and not any(c in text for c in "\n\r\0")
}
KEYS = "aws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = wJalr/+=\n"


@pytest.fixture(scope="module")
def hostile_home(tmp_path_factory) -> Path:
    """A home whose credentials file has every nameable payload as a profile."""
    home = tmp_path_factory.mktemp("hostile")
    (home / ".aws").mkdir()
    text = "".join(f"[{name}]\n{KEYS}\n" for name in NAMEABLE.values())
    (home / ".aws/credentials").write_bytes(text.encode("utf-8", "surrogateescape"))
    return home


def real_shell(name: str, tmp_path: Path, home: Path) -> Shell:
    shell = Shell(name, tmp_path)
    shell.values |= {"__awsenv_main": assets.MAIN, "__awsenv_store": str(tmp_path / "store")}
    shell.env["HOME"] = str(home)
    return shell


@pytest.mark.parametrize("pid", NAMEABLE)
def test_a_hostile_profile_name_arrives_byte_exact_or_is_refused(hostile_home, shell_name, tmp_path, pid):
    name = NAMEABLE[pid]
    shell = real_shell(shell_name, tmp_path, hostile_home)
    script = (
        f'awsenv use -- "$NAME"; {shell.said("first")}{shell.dump("cold")}awsenv use -- "$NAME"; {shell.dump("warm")}'
    )
    script += f"awsenv off; {shell.dump('after')}"
    result = shell.run(script, env={"NAME": name})
    assert not (tmp_path / "PWN").exists()
    if has_controls(name):
        assert "first 3" in result.stdout and "AWSENV_PROFILE" not in result.environment("cold"), result.stderr
        assert not has_controls(result.stderr.replace("\n", ""))
        return
    assert "first 0" in result.stdout, result.stderr
    for moment in ("cold", "warm"):
        after = result.environment(moment)
        assert after["AWSENV_PROFILE"] == name
        assert after["AWS_SECRET_ACCESS_KEY"] == "wJalr/+="
        assert re.fullmatch(r"[\w.@:/+=, ?-]{1,64}", after["AWSENV_LABEL"], re.ASCII)
    assert "AWS_SECRET_ACCESS_KEY" not in result.environment("after")


def lease_of(value: str) -> Lease:
    return Lease(value, value, Credentials("AKIA", value, value, 0.0, 4e9, value), value, value)


@pytest.mark.parametrize("pid", PAYLOADS)
@pytest.mark.parametrize("dialect", ["bash", "zsh", "fish"])
def test_a_hostile_value_in_every_field_is_exact_in_the_shell_or_refused_as_a_whole(tmp_path, pid, dialect):
    value = PAYLOADS[pid]
    change = change_for(
        lease_of(value), shown_for(lease_of(value), Settings(accounts={value: value})), region_before=value
    )
    if has_controls(value):
        with pytest.raises(ValueError, match=r"^AWS"):
            reply(dialect, change.unset, change.assign)
        return
    script = reply(dialect, change.unset, change.assign).encode("utf-8", "surrogateescape") + b"/usr/bin/env -0\n"
    argv = {"bash": ["bash"], "zsh": ["zsh", "-f"], "fish": ["fish", "--no-config"]}[dialect]
    done = subprocess.run(
        argv, input=script, cwd=tmp_path, env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}, capture_output=True
    )
    environment = dict(pair.split(b"=", 1) for pair in done.stdout.split(b"\0") if b"=" in pair)
    assert os.listdir(tmp_path) == []
    for name, expected in change.assign:
        assert environment[name.encode()] == expected.encode("utf-8", "surrogateescape"), name


@pytest.mark.parametrize("pid", PAYLOADS)
@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_hostile_value_is_exact_in_every_format_or_refused(tmp_path, pid, name):
    value = PAYLOADS[pid]
    lease = lease_of(value)
    try:
        text = FORMATS[name](lease, export_for(lease))
    except Exception as error:
        assert type(error).__name__ in ("Usage", "Config")
        assert has_controls(value) or name == "dotenv"
        return
    raw = text.encode("utf-8", "surrogateescape")
    if name in ("json", "process"):
        document = json.loads(text)
        assert document["SecretAccessKey"] == value and text.isascii()
        return
    assert not has_controls(value)
    if name == "dotenv":
        assert f"\nAWS_SECRET_ACCESS_KEY={value}\n".encode("utf-8", "surrogateescape") in raw
    elif name == "github":
        masked = [line.removeprefix("::add-mask::").replace("%25", "%") for line in text.split("\n")[:-1]]
        assert value in masked and len(masked) == 3 and text.count("::add-mask::") == 3 + value.count("::add-mask::")
        file = github.environment_file(export_for(lease).assign, "d" * 32)
        assert re.search(rf"^AWS_SECRET_ACCESS_KEY<<d+\n{re.escape(value)}\nd+$", file, re.MULTILINE)
    elif name == "powershell":
        assert raw.count(b"\n") == len(export_for(lease).unset) + len(export_for(lease).assign)
    else:
        argv = ["fish", "--no-config"] if name == "fish" else ["sh"]
        done = subprocess.run(
            argv,
            input=raw + b"/usr/bin/env -0\n",
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
            capture_output=True,
        )
        assert b"AWS_SECRET_ACCESS_KEY=" + value.encode("utf-8", "surrogateescape") + b"\0" in done.stdout
        assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "verb", ["list", "list --names", "list --json", "explain", "use", "export", "whoami", "exec", "current"]
)
def test_no_verb_prints_a_control_character_of_a_profile_name(hostile_home, tmp_path, verb):
    words, extra = verb.split(), {"AWSENV_SHIM": "bash:1", "AWSENV_STORE": str(tmp_path / "store")}
    for name in [*NAMEABLE.values(), "nonesuch\x1b]0;OWNED\a"]:
        if verb.startswith("list") and name != NAMEABLE["P01"]:
            continue
        env = {"PATH": os.environ["PATH"], "HOME": str(hostile_home), **extra}
        argv = [*words] if verb.startswith("list") else [*words, "--", name]
        if verb == "current":
            argv, env = words, {**env, "AWSENV_PROFILE": name, "AWSENV_ROLE": name}
        if verb in ("use", "whoami", "exec", "explain", "export") and name in list(NAMEABLE.values())[5:30:5]:
            continue  # every process is 0.2 s: a fifth of the payloads is left to the tests above
        done = subprocess.run(
            [sys.executable, "-I", "-S", assets.MAIN, *argv], env=env, capture_output=True, cwd=tmp_path, timeout=30
        )
        # sanctioned: newlines alone; the eval channel of `use` and the shell text of `export` are not a terminal
        shown = done.stderr if verb in ("use", "export", "exec") else done.stdout + done.stderr
        text = shown.decode("utf-8", "replace")
        assert not has_controls(text.replace("\n", "")), (verb, name, text)
        assert "\u202e" not in text and "\u2028" not in text and "Traceback" not in text
        if verb in ("exec", "whoami"):
            break  # these two reach for a program or the network; the names' way through them is the same code


def test_the_label_is_made_of_harmless_characters_alone():
    for value in PAYLOADS.values():
        assert re.fullmatch(r"[\w.@:/+=, ?-]{0,64}", shown_for(lease_of(value), Settings()).label, re.ASCII)
        static = Lease(value, None, Credentials("AKIA", "x"), None, None)
        assert re.fullmatch(
            r"[\w.@:/+=, ?-]{0,64}", shown_for(static, Settings(label=value + "{profile}")).label, re.ASCII
        )


def test_an_index_file_is_named_so_that_it_stays_in_its_folder():
    for value in PAYLOADS.values():
        name = shelf.index_name(hot.Use(value))
        assert name is None or ("/" not in name and "\0" not in name and not name.startswith(".") and len(name) <= 200)
