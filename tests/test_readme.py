"""What the README says is what happens: its commands are run, its transcript replayed, its hints and links real."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pexpect
import pytest

from awsenv import cli
from awsenv.demo.house import MFA_CODE
from awsenv.render.formats import FORMATS
from awsenv.render.shells import DIALECTS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
BIN = str(Path(sys.executable).parent)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_transcript_is_what_a_shell_in_the_demo_shows(tmp_path):
    (transcript,) = blocks("console")
    env = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(tmp_path), "LANG": "C.UTF-8", "TERM": "dumb"}
    shell = pexpect.spawn(
        f"{BIN}/awsenv", ["demo", "--shell", "bash"], env=env, encoding="utf-8", timeout=30, dimensions=(40, 200)
    )
    shell.expect("demo[#$] ")
    shell.sendline("bind 'set enable-bracketed-paste off'; PS1='READY> '; stty -echo")
    shell.expect("READY> ")
    expected = [line for line in transcript.splitlines() if line]
    for line in expected:
        if line.startswith("$ "):
            shell.sendline(line[2:])
            continue
        if line.strip() == "…":
            continue
        pattern = re.escape(line).replace("59m", r"(59m|1h00m)").replace("awsenv\\-you", r"awsenv-\S+")
        shell.expect(pattern)
        if line.startswith("MFA code"):
            shell.sendline(MFA_CODE)
    shell.sendline("exit 3")
    shell.expect(pexpect.EOF)
    shell.close()
    assert shell.exitstatus == 3


def test_the_demo_runs_one_command_without_any_network_and_cleans_up(tmp_path):
    script = 'awsenv login 2>/dev/null; awsenv exec piyo-prod -- aws sts get-caller-identity --query Arn --output text; echo "$HOME"; exit 9'
    env = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(tmp_path), "AWS_PROFILE": "mine", "AWS_ACCESS_KEY_ID": "AKIAMINE",
           "AWSENV_PROFILE": "x", "http_proxy": "http://192.0.2.1:9", "https_proxy": "http://192.0.2.1:9"}  # fmt: skip
    done = subprocess.run(
        [f"{BIN}/awsenv", "demo", "--", "sh", "-c", script], env=env, capture_output=True, text=True, timeout=60
    )
    arn, home = done.stdout.split()
    assert arn.startswith("arn:aws:sts::444444444444:assumed-role/ReadOnly/awsenv-"), done.stderr
    assert done.returncode == 9
    assert home != str(tmp_path) and not Path(home).exists()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(out), str(ROOT)], check=True, timeout=300
    )
    (built,) = out.glob("awsenv_shell-*.whl")
    return built


def test_the_wheel_carries_shims_and_completions_where_installers_place_them(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for dialect in DIALECTS.values():
        assert f"awsenv/data/shell/{dialect.file}" in names
        assert f"awsenv/data/shell/{dialect.verbs}" in names
    data = [name.partition(".data/data/")[2] for name in names if ".data/data/" in name]
    assert sorted(data) == [
        "share/bash-completion/completions/awsenv",
        "share/fish/vendor_completions.d/awsenv.fish",
        "share/zsh/site-functions/_awsenv",
    ]
    for file in (ROOT / "completions").iterdir():
        assert f"awsenv/data/completions/{file.name}" in names
    assert not [name for name in names if name.startswith(("tests/", "awsenv/__pycache__"))]


def test_the_readmes_install_gives_a_working_demo_in_a_new_environment(tmp_path):
    (commands,) = [block for block in blocks("sh") if "pip install" in block and "pipx" not in block]
    install, demo = commands.strip().splitlines()
    assert demo == "awsenv demo"
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    bin_ = tmp_path / "venv/bin"
    env = {**os.environ, "PATH": f"{bin_}:/usr/bin:/bin", "HOME": str(tmp_path), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    subprocess.run(["bash", "-c", f"{install} -q"], cwd=ROOT, env=env, check=True, timeout=500)
    done = subprocess.run(
        [str(bin_ / "awsenv"), "demo", "--", "sh", "-c", "awsenv login && awsenv whoami piyo-prod"],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "444444444444" in done.stdout, done.stderr
    script = 'eval "$(awsenv init bash)" && awsenv demo -- bash -c \'eval "$(awsenv init bash)"; awsenv login; awsenv use piyo; awsenv current\''
    done = subprocess.run(["bash", "-c", script], env=env, cwd=tmp_path, capture_output=True, text=True)
    assert "piyo · 333333333333 · Deploy" in done.stdout, done.stderr


def test_every_verb_format_and_shell_is_in_the_readme():
    for verb in cli.verbs():
        assert re.search(rf"`(awsenv )?{verb}\b", README), verb
    for name in (*FORMATS, *DIALECTS):
        assert re.search(rf"\b{name}\b", README), name


def test_every_command_that_a_hint_names_exists():
    hints = []
    words = set(" ".join(cli.verbs()).split())
    for path in (ROOT / "awsenv").rglob("*.py"):
        if "demo" not in path.parts:
            hints += re.findall(r"awsenv ([a-z]+) (?:--|\{|NAME|-|TAB)", path.read_text())
    assert len(hints) > 5
    assert not [verb for verb in hints if verb not in words and verb not in ("is", "has")]
    two = [
        verb
        for path in (ROOT / "awsenv").rglob("*.py")
        for verb in re.findall(r"awsenv (sso [a-z]+)", path.read_text())
    ]
    assert two and not [verb for verb in two if verb not in cli.verbs()]


def test_links_of_the_readme_lead_somewhere():
    prose = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)\)", prose):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_no_text_tells_anyone_to_install_the_other_project():
    for path in (ROOT / "README.md", *(ROOT / "awsenv").rglob("*.py"), *(ROOT / "shell").glob("awsenv.*")):
        assert not re.search(r"pip(x)? install '?awsenv(?!-shell)", path.read_text()), path


def test_the_settings_shown_are_settings_without_mistakes():
    from awsenv.settings import parse

    (text,) = [block for block in blocks("toml") if "[classes]" in block]
    settings = parse(text, "README")
    assert settings.mistakes == () and settings.class_of("x", "444444444444", None) == "prod"
