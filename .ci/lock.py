"""Compile pyproject.toml into requirements.lock and environment.yml: ``make lock``.

Both files name the same versions. The lock adds the hashes; environment.yml has none, since conda
hands its ``pip`` list to one call of pip, which in hash mode refuses an editable install.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from packaging.markers import Marker
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PYTHON = "3.11"  # of environment.yml: the Python that computed the committed outputs

PLATFORMS = [("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64")]
VERSIONS = ["3.11.0", "3.11.99", "3.12.0", "3.12.99", "3.13.0", "3.13.99"]
ENVIRONMENTS = [
    {
        "sys_platform": system,
        "platform_system": system.capitalize(),
        "platform_machine": machine,
        "python_version": version.rpartition(".")[0],
        "python_full_version": version,
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    for system, machine in PLATFORMS
    for version in VERSIONS
]
SHORT_MARKERS = [
    *(f"python_version {sign} '3.{minor}'" for minor in (12, 13) for sign in ("<", "==", ">=")),
    *(f"sys_platform == '{system}'" for system in ("linux", "darwin")),
    *(f"platform_machine == '{machine}'" for _, machine in PLATFORMS),
]

ENTRY = re.compile(r"^(?P<name>[a-z0-9-]+)==(?P<version>\S+)(?: ; (?P<marker>.*?))?(?= \\$)", re.M)
DIRECT = re.compile(r'^  "(?P<name>[\w.-]+)[^"]*",\s+# (?P<reason>.+)$', re.M)


class Entry(NamedTuple):
    """One package of the lock."""

    name: str
    version: str
    marker: str  # empty where it is installed everywhere
    via: list[str]  # what needs it


def shorten(marker: str) -> str:
    """Return the shortest marker with the same answer on every supported platform and Python."""
    answers = [Marker(marker).evaluate(environment) for environment in ENVIRONMENTS]
    if all(answers):
        return ""
    for short in SHORT_MARKERS:
        if answers == [Marker(short).evaluate(environment) for environment in ENVIRONMENTS]:
            return short
    return marker


def shorten_markers(lock: str) -> str:
    """Return the lock with each entry's marker shortened."""

    def entry(match: re.Match) -> str:
        marker = shorten(match["marker"]) if match["marker"] else ""
        return f"{match['name']}=={match['version']}" + (f" ; {marker}" if marker else "")

    return ENTRY.sub(entry, lock)


def parse_lock(lock: str) -> list[Entry]:
    """Return the entries of the lock, in its order."""
    starts = list(ENTRY.finditer(lock))
    ends = [start.start() for start in starts[1:]] + [len(lock)]
    return [
        Entry(
            start["name"],
            start["version"],
            start["marker"] or "",
            re.findall(r"^    # (?:via |  )(.+)$", lock[start.end() : end], re.M),
        )
        for start, end in zip(starts, ends, strict=True)
    ]


def direct_dependencies(pyproject: str) -> dict[str, str]:
    """Return the reason of each dependency that pyproject.toml names, in its order."""
    return {
        canonicalize_name(match["name"]): match["reason"] for match in DIRECT.finditer(pyproject)
    }


def environment_yml(pyproject: str, lock: str) -> str:
    """Return environment.yml for the versions of the lock and the reasons of pyproject.toml."""
    entries = {entry.name: entry for entry in parse_lock(lock)}
    reasons = direct_dependencies(pyproject)

    def line(name: str, comment: str) -> str:
        entry = entries[name]
        marker = f"; {entry.marker}" if entry.marker else ""
        return f"      - {name}=={entry.version}{marker}  # {comment}"

    return "\n".join(
        [
            "# Written by `make lock` for conda and Binder: the versions of requirements.lock.",
            "name: nn-helpers",
            "channels:",
            "  - conda-forge",
            "dependencies:",
            f"  - python={PYTHON}  # the one that computed the committed outputs",
            "  - pip  # installs everything below, in one call",
            "  - pip:",
            "      # What the notebooks, the package and its tests use",
            *(line(name, reason) for name, reason in reasons.items()),
            "      # What these need in turn",
            *(
                line(name, f"via {', '.join(entry.via)}")
                for name, entry in entries.items()
                if name not in reasons
            ),
            "      # The package itself, as it stands in this folder",
            "      - -e .",
            "",
        ]
    )


def compile_lock(upgrade: bool) -> str:
    """Return the lock that uv compiles: the versions of the present one unless `upgrade`."""
    present = ROOT / "requirements.lock"
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / present.name
        if present.exists():
            output.write_bytes(present.read_bytes())
        subprocess.run(
            [
                *(sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--extra=dev"),
                *("--universal", "--python-version=3.11", "--generate-hashes", "--quiet"),
                *("--custom-compile-command=make lock", f"--output-file={output}"),
                *(["--upgrade"] if upgrade else []),
            ],
            cwd=ROOT,
            check=True,
        )
        return output.read_text()


def write(path: Path, text: str) -> None:
    """Write the file whole or not at all."""
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_text(text)
    os.replace(temporary, path)


def main() -> None:
    """Write both files."""
    lock = shorten_markers(compile_lock(upgrade="--upgrade" in sys.argv[1:]))
    environment = environment_yml((ROOT / "pyproject.toml").read_text(), lock)
    write(ROOT / "requirements.lock", lock)
    write(ROOT / "environment.yml", environment)


if __name__ == "__main__":
    main()
