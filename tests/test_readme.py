"""The README: what it links to is there, and what it tells to call can be called."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("address", re.findall(r"\]\((?!https?:)([^)#]+)\)", README))
def test_a_link_leads_to_a_file(address):
    assert (ROOT / address).is_file()


def test_every_picture_has_a_text_alternative():
    assert all(re.findall(r"!\[([^\]]*)\]", README))


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:`|\$ )make (\w+)", README))))
def test_a_target_exists(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M)


def test_the_packages_of_debian_are_those_that_are_installed():
    [listed] = re.findall(r"^packages=\((.+)\)$", (ROOT / ".ci" / "run").read_text(), re.M)
    rows = re.findall(
        r"^\| ((?:`[a-z0-9-]+` ?)+)\|", README.partition("| Debian's packages")[2], re.M
    )
    assert sorted(listed.split()) == sorted(re.findall(r"`([^`]+)`", "".join(rows)))
