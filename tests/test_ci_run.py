"""`.ci/run`: it installs what is missing where it may, and runs the tests whatever comes of it."""

import os
import re
import subprocess
from pathlib import Path

import pytest

RUN = Path(__file__).resolve().parents[1] / ".ci" / "run"
PACKAGES = re.search(r"^packages=\((.*)\)$", RUN.read_text(), re.M)[1].split()


@pytest.fixture
def run(tmp_path):
    """Call `.ci/run` with programs that only write down how they were called."""
    log = tmp_path / "log"

    def write(name, body=":"):
        path = tmp_path / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> {log}\n{body}\n')
        path.chmod(0o755)

    def call(uid=0, installed=(), apt="exit 0"):
        write("id", f"echo {uid}")
        write("make")
        write("apt-get", apt)
        write("dpkg-query", f'for name; do :; done; case " {" ".join(installed)} " in '
              '*" $name "*) echo installed;; *) exit 1;; esac')  # fmt: skip
        environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
        command = ["bash", str(RUN)]
        answer = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False
        )
        calls = [line for line in log.read_text().splitlines() if line.startswith(("apt", "make"))]
        return answer, calls

    return call


def test_what_is_missing_is_installed_after_one_update(run):
    answer, calls = run(installed=PACKAGES[1:-1])
    update, first, last, make = calls
    assert "update" in update
    assert first.endswith(f" {PACKAGES[0]}")
    assert last.endswith(f" {PACKAGES[-1]}")
    assert make == "make test"
    assert f"{PACKAGES[0]} {PACKAGES[-1]}" in answer.stdout


@pytest.mark.parametrize("case", [{"installed": PACKAGES}, {"uid": 1000}])
def test_nothing_is_installed_without_need_or_right(run, case):
    answer, calls = run(**case)
    assert calls == ["make test"]
    assert answer.stdout + answer.stderr == ""


def test_a_package_that_cannot_be_had_does_not_stop_the_tests(run):
    answer, calls = run(installed=PACKAGES[1:], apt="echo no network >&2; exit 100")
    assert calls[-1] == "make test"
    assert answer.returncode == 0
    assert answer.stderr == f"{PACKAGES[0]} cannot be installed\n"
