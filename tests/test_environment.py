"""The three files that describe the environment agree, and conda's way of installing it works."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
FILES = ("pyproject.toml", "requirements.lock", "environment.yml")
URL = re.compile(r"://|--(?:extra-)?index-url|--find-links|\b[\w-]+\.(?:com|io|net|org)\b")


def load_lock_script():
    specification = importlib.util.spec_from_file_location("lock", ROOT / ".ci" / "lock.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def read_files() -> dict[str, str]:
    return {name: (ROOT / name).read_text() for name in FILES}


def locked_blocks(lock: str) -> dict[str, str]:
    """Return the text of each entry of the lock by its name."""
    blocks = re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.M)[1:]
    return {block.partition("==")[0]: block for block in blocks}


def locked_requirements(lock: str) -> list[Requirement]:
    return [
        Requirement(block.partition("\n")[0].removesuffix(" \\"))
        for block in locked_blocks(lock).values()
    ]


def pip_list(environment: str) -> list[str]:
    [pip] = [d["pip"] for d in yaml.safe_load(environment)["dependencies"] if isinstance(d, dict)]
    return pip


def pins(requirements: list[Requirement]) -> set[str]:
    return {f"{r.name}{r.specifier}" + (f"; {r.marker}" if r.marker else "") for r in requirements}


def asked_and_locked(asked: dict[str, str], build: list[str], lock: str) -> list[str]:
    blocks = locked_blocks(lock)
    locked = {r.name: r.specifier for r in locked_requirements(lock)}
    found = []
    for name, requirement in asked.items():
        if name not in locked:
            found.append(f"requirements.lock lacks {name}")
        elif str(locked[name]).removeprefix("==") not in Requirement(requirement).specifier:
            found.append(f"requirements.lock has {name}{locked[name]}, not {requirement}")
    annotated = {name for name, block in blocks.items() if "nn-helpers (pyproject.toml)" in block}
    found += [
        f"pyproject.toml and requirements.lock differ on whether {name} is asked for"
        for name in annotated ^ asked.keys()
    ]
    for requirement in map(Requirement, build):
        name = canonicalize_name(requirement.name)
        if requirement.specifier != locked.get(name):
            found.append(f"[build-system] asks for {requirement}, the lock has another {name}")
    return found + [f"{name} has no hash" for name, b in blocks.items() if "--hash=" not in b]


def locked_and_listed(pythons: str, lock: str, environment: str) -> list[str]:
    listed = [Requirement(line) for line in pip_list(environment) if not line.startswith("-")]
    found = [
        f"requirements.lock and environment.yml differ on {pin}"
        for pin in pins(locked_requirements(lock)) ^ pins(listed)
    ]
    if pip_list(environment)[-1] != "-e .":
        found.append("environment.yml does not end with -e .")
    [python] = re.findall(r"^  - python=([\d.]+)", environment, re.M)
    if f"{python}.0" not in SpecifierSet(pythons):
        found.append(f"environment.yml has Python {python}, not {pythons}")
    return found


def reasons_given(asked: dict[str, str], pyproject: str, environment: str) -> list[str]:
    found = []
    for name, requirement in asked.items():
        reason = re.search(rf'^  "{re.escape(requirement)}", +(# .+)$', pyproject, re.M)
        if not reason:
            found.append(f"pyproject.toml gives no reason for {name}")
        elif not re.search(rf"- {name}==[^#]*  {re.escape(reason[1])}$", environment, re.M):
            found.append(f"environment.yml does not give the reason of {name}")
    return found


def disagreements(files: dict[str, str]) -> list[str]:
    """Return a sentence for each point in which the three files contradict one another."""
    pyproject, lock, environment = (files[name] for name in FILES)
    described = tomllib.loads(pyproject)
    project = described["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    asked = {canonicalize_name(Requirement(r).name): r for requests in lists for r in requests}
    return [
        *asked_and_locked(asked, described["build-system"]["requires"], lock),
        *locked_and_listed(project["requires-python"], lock, environment),
        *reasons_given(asked, pyproject, environment),
        *(f"{name} names a host: {url}" for name in FILES for url in URL.findall(files[name])),
    ]


def test_the_files_agree():
    assert disagreements(read_files()) == []


@pytest.mark.parametrize(
    ("name", "pattern", "replacement", "complaint"),
    [
        ("requirements.lock", r"^tqdm==\S+", "tqdm==1.0", "has tqdm==1.0, not tqdm>=4.66"),
        ("requirements.lock", r"^tqdm==[^#]+# via\n(    #   .*\n)+", "", "lock lacks tqdm"),
        ("requirements.lock", r"^six==\S+", "six==1.0", "differ on six==1.0"),
        ("requirements.lock", r"^(six==\S+)( \\\n    --hash=\S+)+", r"\1", "six has no hash"),
        ("requirements.lock", r"\A", "--index-url https://host.invalid\n", "names a host"),
        ("environment.yml", r"tqdm==\S+", "tqdm==4.66.0", "differ on tqdm==4.66.0"),
        ("environment.yml", r" +- six==.*\n", "", "differ on six"),
        ("environment.yml", r"\Z", "      - -e .\n      - mypy==1.0\n", "differ on mypy==1.0"),
        ("environment.yml", r"(appnope==\S+); [^#]+ #", r"\1  #", "differ on appnope"),
        ("environment.yml", r"(tqdm==\S+)  # .*", r"\1", "the reason of tqdm"),
        ("environment.yml", r"(tqdm==\S+)  # .*", r"\1  # why not", "the reason of tqdm"),
        ("environment.yml", r"^  - python=[\d.]+", "  - python=3.14", "has Python 3.14"),
        ("environment.yml", r" +- -e \.\n", "", "does not end with -e ."),
        ("environment.yml", r"conda-forge", "https://channel.invalid", "names a host"),
        ("pyproject.toml", r'"tqdm>=4.66"', '"tqdm>=999"', "not tqdm>=999"),
        ("pyproject.toml", r'("tqdm>=4.66",) .*', r"\1", "no reason for tqdm"),
        ("pyproject.toml", r"^(dependencies = \[)", r'\1\n  "mypy>=1",  # no', "lacks mypy"),
        ("pyproject.toml", r'  "tqdm>=4.66".*\n', "", "whether tqdm is asked for"),
        ("pyproject.toml", r'(requires = \["flit_core)==[\d.]+', r"\1==3.9", "another flit-core"),
    ],
)
def test_a_disagreement_is_found(name, pattern, replacement, complaint):
    files = read_files()
    files[name], n = re.subn(pattern, replacement, files[name], count=1, flags=re.M)
    assert n == 1, f"{pattern} does not occur in {name}"
    found = disagreements(files)
    assert any(complaint in sentence for sentence in found), found


def test_environment_yml_is_what_make_lock_writes():
    files = read_files()
    written = load_lock_script().environment_yml(
        files["pyproject.toml"], files["requirements.lock"]
    )
    assert files["environment.yml"] == written, "environment.yml is stale: call make lock"


SUPPORTED = (
    "((platform_machine == 'arm64' and sys_platform == 'darwin') or "
    "(platform_machine == 'aarch64' and sys_platform == 'linux') or "
    "(platform_machine == 'x86_64' and sys_platform == 'linux'))"
)


@pytest.mark.parametrize(
    ("marker", "short"),
    [
        (f"python_full_version < '3.14' and {SUPPORTED}", ""),
        (f"implementation_name != 'PyPy' and {SUPPORTED}", ""),
        (f"python_full_version == '3.12.*' and {SUPPORTED}", "python_version == '3.12'"),
        (f"python_full_version < '3.12' and {SUPPORTED}", "python_version < '3.12'"),
        ("platform_machine == 'arm64' and sys_platform == 'darwin'", "sys_platform == 'darwin'"),
        ("platform_machine == 'aarch64'", "platform_machine == 'aarch64'"),
        ("python_full_version < '3.11.4'", "python_full_version < '3.11.4'"),
    ],
)
def test_markers_are_shortened_only_where_the_answer_stays(marker, short):
    assert load_lock_script().shorten(marker) == short


@pytest.fixture(scope="module")
def package_index():
    """Skip where no package index answers."""
    lock = locked_blocks((ROOT / "requirements.lock").read_text())
    with tempfile.TemporaryDirectory() as folder:
        probe = Path(folder, "probe.txt")
        probe.write_text(lock["six"])
        answer = uv_install_dry_run(probe, folder, "--no-cache")
    if answer.returncode:
        pytest.skip(f"no package index answers: {answer.stderr.strip()[-300:]}")


def uv_install_dry_run(requirements, target, *options):
    command = [sys.executable, "-m", "uv", "pip", "install", "--dry-run", "--no-deps"]
    command += ["--require-hashes", f"--target={target}", f"--requirements={requirements}"]
    return subprocess.run([*command, *options], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize(
    "platform", ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "aarch64-apple-darwin"]
)
def test_every_locked_package_has_a_wheel(platform, python, package_index, tmp_path):
    answer = uv_install_dry_run(
        ROOT / "requirements.lock",
        tmp_path,
        "--only-binary=:all:",
        f"--python-platform={platform}",
        f"--python-version={python}",
    )
    assert answer.returncode == 0, answer.stderr


def roomy_folder() -> str | None:
    """Return a folder in memory where that has room: gigabytes are slow to remove from a disk."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 8 * 2**30
    return str(memory) if roomy else None


@pytest.fixture
def fresh_copy():
    """A copy of what a clone would hold, in a folder that is removed with all put beside it."""
    git = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    with tempfile.TemporaryDirectory(dir=roomy_folder()) as folder:
        for name in filter(None, names.split("\0")):
            if (ROOT / name).is_file():
                copy = Path(folder, "project", name)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, copy)
        yield Path(folder, "project")


@pytest.mark.slow
def test_the_pip_list_installs_in_one_call_as_conda_makes_it(fresh_copy, package_index):
    files = read_files()
    environment = fresh_copy.parent / "environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    python = environment / "bin" / "python"

    def call(*arguments, cwd):
        answer = subprocess.run(
            [python, *arguments], cwd=cwd, capture_output=True, text=True, check=False
        )
        assert answer.returncode == 0, answer.stdout[-3000:] + answer.stderr[-3000:]
        return answer.stdout

    requirements = fresh_copy / "condaenv.abcdefgh.requirements.txt"
    requirements.write_text("\n".join(pip_list(files["environment.yml"])))
    install = ["-m", "pip", "install", "-U", "-r", str(requirements), "--exists-action=b"]
    call(*install, cwd=fresh_copy)

    imported = "import tensorflow, papermill, nn_helpers; print(nn_helpers.__file__)"
    assert call("-c", imported, cwd=environment).strip() == str(
        fresh_copy / "nn_helpers" / "__init__.py"
    )
    call("-m", "pip", "check", cwd=environment)
    installed = {
        canonicalize_name(package["name"]): package["version"]
        for package in json.loads(call("-m", "pip", "list", "--format=json", cwd=environment))
    }
    expected = {
        requirement.name: str(requirement.specifier).removeprefix("==")
        for requirement in locked_requirements(files["requirements.lock"])
        if requirement.marker is None or Marker(str(requirement.marker)).evaluate()
    }
    version = tomllib.loads(files["pyproject.toml"])["project"]["version"]
    assert installed == expected | {"nn-helpers": version, "pip": installed["pip"]}
