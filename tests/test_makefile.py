"""`make`: what its targets run, what it refuses, and JupyterLab behind its token."""

import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from jupyter_lab import make_lab

ROOT = Path(__file__).resolve().parents[1]
INSTALL = re.compile(r"-m (?:venv|pip|uv)\b")


def make(*arguments, folder=ROOT, **variables):
    # An outer make hands its own options down by these.
    environment = {k: v for k, v in os.environ.items() if k not in {"MAKEFLAGS", "MAKELEVEL"}}
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=folder,
        env=environment | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def targets():
    return re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.M)[1].split()


@pytest.fixture
def folder(tmp_path):
    """The Makefile in a folder where everything seems to be installed."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / ".venv").mkdir()
    names = ["requirements.lock", "pyproject.toml", ".venv/.locked", ".venv/.installed"]
    for seconds, name in enumerate(names):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1e9 + seconds, 1e9 + seconds))
    return tmp_path


@pytest.fixture
def program(tmp_path):
    """Write a shell script that stands for a program."""

    def write(name, body):
        path = tmp_path / "programs" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return path

    return write


def test_help_is_the_default_and_lists_every_target():
    answer = make()
    assert answer.stdout == make("help").stdout
    assert re.findall(r"^  make (\w+) {2,}\S", answer.stdout, re.M) == targets()


@pytest.mark.parametrize("target", sorted(set(targets()) - {"help", "clean"}))
def test_an_installed_environment_is_left_alone(folder, target):
    assert not INSTALL.search(make("-n", target, folder=folder).stdout)

    os.utime(folder / "requirements.lock")
    assert "pip sync" in make("-n", target, folder=folder).stdout


def test_a_changed_pyproject_reinstalls_only_the_package(folder):
    os.utime(folder / "pyproject.toml")
    [install, _, run] = make("-n", "run", folder=folder).stdout.splitlines()
    assert "--no-deps --no-build-isolation --editable ." in install
    assert run == ".venv/bin/python -m nn_helpers run"


def test_a_python_out_of_range_is_refused_before_anything_is_removed(folder, program):
    os.utime(folder / "requirements.lock")
    python = program("python", '[ "$1" = -V ] && echo Python 3.10.4; exit 1')
    answer = make("run", f"PYTHON={python}", folder=folder)
    assert answer.returncode != 0
    assert answer.stderr.startswith(
        f"Python 3.11, 3.12 or 3.13 is needed, but {python} says 'Python 3.10.4': "
    )
    assert (folder / ".venv").is_dir()


def test_a_python_without_ensurepip_is_refused_by_the_name_of_the_package(folder, program):
    os.utime(folder / "requirements.lock")
    body = f'case "$*" in *ensurepip*) exit 1;; *) exec {sys.executable} "$@";; esac'
    answer = make("run", f"PYTHON={program('python', body)}", folder=folder)
    assert answer.returncode != 0
    assert f"apt-get install python3.{sys.version_info[1]}-venv" in answer.stderr


def test_the_lines_of_uv_in_the_lock_are_found():
    [command] = re.findall(r"^\t@(sed .*) >", (ROOT / "Makefile").read_text(), re.M)
    command = command.replace("$$", "$")
    lines = subprocess.run(command, cwd=ROOT, shell=True, capture_output=True, text=True).stdout
    entry, *hashes = lines.splitlines()
    assert re.fullmatch(r"uv==[\d.]+ \\", entry)
    assert hashes
    assert all(re.fullmatch(r" +--hash=sha256:[0-9a-f]{64}( \\)?", line) for line in hashes)
    assert not hashes[-1].endswith("\\")


@pytest.mark.parametrize(("uid", "allowed"), [(0, True), (1000, False)])
def test_only_root_is_given_allow_root(folder, program, uid, allowed):
    path = f"{program('id', f'echo {uid}').parent}:{os.environ['PATH']}"
    command = make("-n", "lab", folder=folder, PATH=path).stdout
    assert "--ip=127.0.0.1" in command
    assert ("--allow-root" in command) == allowed


@pytest.mark.parametrize(("failing", "run"), [("none", ["a", "b", "c"]), ("b", ["a", "b"])])
def test_record_runs_each_script_in_turn_until_one_fails(folder, program, failing, run):
    (folder / ".ci").mkdir()
    for name in ("c", "a", "b"):
        (folder / ".ci" / f"record_{name}.py").touch()
    (folder / ".ci" / "lock.py").touch()
    python = program("python", f'echo "ran $*"; case "$*" in *_{failing}.py) exit 3;; esac')
    answer = make("record", f"PY={python}", folder=folder)
    assert re.findall(r"^ran \.ci/record_(\w)\.py$", answer.stdout, re.M) == run
    assert (answer.returncode == 0) == (failing == "none")


def test_clean_keeps_the_results(folder):
    kept = [folder / "runs" / "__pycache__" / "a", folder / "notebooks" / "a.ipynb"]
    removed = [folder / "nn_helpers" / "__pycache__" / "a", folder / ".pytest_cache" / "a"]
    for path in kept + removed:
        path.parent.mkdir(parents=True)
        path.touch()
    assert make("clean", folder=folder).returncode == 0
    assert all(path.exists() for path in kept)
    assert not any(path.parent.exists() for path in [*removed, folder / ".venv" / "a"])


def status(url):
    class NoRedirect(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_):
            return None

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirect)
    try:
        with opener.open(url, timeout=20) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.fixture
def lab(tmp_path):
    with make_lab(tmp_path) as port_and_token:
        yield port_and_token


def test_lab_asks_for_its_token_and_listens_on_this_machine_only(lab):
    port, token = lab
    address = f"http://127.0.0.1:{port}"
    assert len(token) >= 32
    assert status(f"{address}/api/contents") == 403
    assert status(f"{address}/lab") == 302
    assert status(f"{address}/api/contents?token={token}") == 200
    assert status(f"{address}/lab?token={token}") == 200
    with pytest.raises(OSError, match=r".+"):
        socket.create_connection(("127.0.0.2", port), timeout=2)
