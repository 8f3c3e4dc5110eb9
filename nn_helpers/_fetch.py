"""Fetch Fashion-MNIST into a folder: from a mirror over HTTP, or from Debian's package.

One process writes at a time. Content is verified in memory before it is written, under a temporary
name that becomes the final one when the file is whole.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from itertools import count
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from filelock import FileLock, Timeout

from nn_helpers._progress import progress_bar

MIRRORS = (
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",  # Keras' own
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",  # the authors'
)
PACKAGE = "dataset-fashion-mnist"

ATTEMPTS = 3  # at one file of one mirror, when the answer breaks off or the server is overloaded
RETRY_SECONDS = 0.5  # before the second attempt; doubled before each further one
ANSWER_SECONDS = 10  # within which a mirror must begin to answer
STALL_SECONDS = 20  # within which STALL_BYTES must arrive
STALL_BYTES = 16 * 1024
APT_STALL_SECONDS = 60  # within which apt-get must write something
LOCK_SECONDS = 3600  # how long to wait for another process that fetches
MAX_BYTES = 64 * 1024**2  # more than any of the files holds
RETRY_STATUS = (408, 429, 500, 502, 503, 504)

Decode = Callable[[str, bytes, str], bytes]


def fetch_into(folder: Path, names: Iterable[str], decode: Decode) -> None:
    """Fetch into `folder` those of the files `names` that it does not hold yet, decompressed.

    Parameters
    ----------
    folder : Path
        Made if it does not exist.
    names : iterable of str
    decode : callable
        ``decode(name, raw, origin)`` returns the verified content of `raw`, or raises a
        ``ValueError`` that begins with `origin`.

    Raises
    ------
    ConnectionError
        If a file cannot be fetched from anywhere.
    OSError
        If `folder` cannot be written, or another process does not finish writing.
    """
    with _only_writer(folder):
        wanted = [name for name in names if not _holds(folder / name, decode)]
        faults = []
        for mirror in (*MIRRORS, None):
            contents = _from_mirror(mirror, wanted, decode) if mirror else _from_apt(wanted, decode)
            try:
                for name, content in contents:
                    _store(folder / name, content)
                    wanted.remove(name)
            except _SourceError as fault:
                faults.append(str(fault))
            if not wanted:
                return
    raise ConnectionError(
        f"Fashion-MNIST's {wanted[0]} cannot be fetched: {', '.join(faults)}; check the network, "
        f"or install the data (on Debian with `apt-get install {PACKAGE}`), or put the four files "
        "in a folder and pass it as data_dir"
    )


class _SourceError(Exception):
    """Why a source did not give a file."""


def _holds(path: Path, decode: Decode) -> bool:
    try:
        decode(path.name, path.read_bytes(), path.name)
    except (OSError, ValueError):
        return False
    return True


# Storing


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Turn the failure to write into one sentence that names the folder and the remedy."""
    try:
        yield
    except Timeout as error:
        raise TimeoutError(
            f"another process has been writing to the cache folder {folder} for {LOCK_SECONDS} s; "
            "end it and load again"
        ) from error
    except OSError as error:
        message = (
            f"the cache folder {folder} cannot be written ({error.strerror or error}); give it "
            "write permission and 60 MB of space, or put the four Fashion-MNIST files in a folder "
            "and name that as data_dir or in the environment variable FASHION_MNIST_DIR"
        )
        raise type(error)(message) from error


@contextmanager
def _only_writer(folder: Path) -> Iterator[None]:
    lock = FileLock(folder / ".lock", timeout=LOCK_SECONDS)
    with _explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _store(path: Path, content: bytes) -> None:
    """Write the file whole or not at all; the only writer may use a fixed temporary name."""
    temporary = path.with_name(f".{path.name}.part")
    with _explained(path.parent):
        try:
            with open(temporary, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


# Mirrors


def _from_mirror(mirror: str, names: Iterable[str], decode: Decode) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the verified content of each file."""
    for name in tuple(names):
        yield name, _transfer(mirror, name, decode)


def _transfer(mirror: str, name: str, decode: Decode) -> bytes:
    """The verified content of a file; a transfer that breaks off is resumed, a few times."""
    url, received = f"{mirror}{name}.gz", bytearray()
    for attempt in count(1):
        try:
            _receive(url, name, received)
            return decode(name, received, url)
        except ValueError as fault:
            raise _SourceError(str(fault)) from None
        except OSError as error:
            overloaded = isinstance(error, HTTPError) and error.code in RETRY_STATUS
            if attempt == ATTEMPTS or not (overloaded or received):
                raise _SourceError(f"{url} ({_reason(error)})") from None
        time.sleep(RETRY_SECONDS * 2 ** (attempt - 1))


def _reason(error: OSError) -> str:
    if isinstance(error, HTTPError):
        return f"HTTP status {error.code}"
    reason = getattr(error, "reason", error)
    return str(getattr(reason, "strerror", None) or reason)


def _receive(url: str, name: str, received: bytearray) -> None:
    """Append to `received` the rest of the answer; start again where a server cannot resume.

    A thread reads, so that whatever keeps it waiting (name lookup, one address after the other, a
    trickle of bytes), the wait here is limited.
    """
    answers, abandoned = SimpleQueue(), Event()
    Thread(target=_read, args=(url, len(received), answers, abandoned), daemon=True).start()
    bar = None
    try:
        resumed, length = _next(answers, ANSWER_SECONDS, "no answer")
        if not resumed:
            received.clear()
        bar = progress_bar(len(received) + length, f"Fetching {name}", unit="B", scale=True)
        bar.update(len(received))
        deadline, recent = time.monotonic() + STALL_SECONDS, 0
        while piece := _next(answers, deadline - time.monotonic(), "stalled"):
            received += piece
            recent += len(piece)
            bar.update(len(piece))
            if len(received) > MAX_BYTES:
                raise ValueError(f"{url} sends far more bytes than the file holds")
            if recent >= STALL_BYTES:
                deadline, recent = time.monotonic() + STALL_SECONDS, 0
    finally:
        abandoned.set()
        if bar is not None:
            bar.close()


def _next(answers: SimpleQueue, seconds: float, fault: str) -> tuple[bool, int] | bytes:
    """What the reading thread says next; its exception is raised here."""
    try:
        answer = answers.get(timeout=max(0, seconds))
    except Empty:
        raise TimeoutError(fault) from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _read(url: str, start: int, answers: SimpleQueue, abandoned: Event) -> None:
    """Put whether the server resumes at `start` and how much is to come, the pieces, then b""."""
    try:
        request = Request(url, headers={"Range": f"bytes={start}-"} if start else {})
        # The time limit only ends this thread, after the one that waits for it has given up.
        with urlopen(request, timeout=2 * STALL_SECONDS) as response:
            answers.put((_resumes(response, start), response.length or 0))
            while (piece := response.read1(64 * 1024)) and not abandoned.is_set():
                answers.put(piece)
            if response.length:
                raise ConnectionError(f"cut off {response.length:,} bytes before the end")
        answers.put(b"")
    except OSError as error:
        answers.put(error)
    except (HTTPException, ValueError) as error:
        answers.put(ConnectionError(f"{type(error).__name__} {error}".strip()))


def _resumes(response, start: int) -> bool:
    content_range = response.headers.get("Content-Range", "")
    return response.status == 206 and content_range.startswith(f"bytes {start}-")


# Debian's package


def _from_apt(names: Iterable[str], decode: Decode) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the verified content of each file, from Debian's package.

    apt-get keeps its lists and its cache in a temporary folder: this needs neither root nor lists
    that are already there, and installs nothing.
    """
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise _SourceError("apt-get (not on this system)")
    bar = progress_bar(3, f"Fetching {PACKAGE} with apt-get", unit="step")
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
            unpacked = _unpack(Path(temporary), bar)
            for name in tuple(names):
                raw = (unpacked / f"{name}.gz").read_bytes()
                yield name, decode(name, raw, f"{PACKAGE}'s {name}.gz")
    except ValueError as fault:
        raise _SourceError(str(fault)) from None
    except OSError as error:
        raise _SourceError(f"apt-get ({_reason(error)})") from None
    finally:
        bar.close()


def _unpack(folder: Path, bar) -> Path:
    """Download Debian's package to `folder` and unpack it there; return where the files are."""
    apt_get = ["apt-get", "--quiet"]
    for directory, option in (("lists", "Dir::State::Lists"), ("cache", "Dir::Cache")):
        (folder / directory).mkdir()
        apt_get += ["-o", f"{option}={folder / directory}"]
    # Root's apt-get would read `folder` as another user, who may not enter it.
    apt_get += ["-o", "APT::Sandbox::User=root", "-o", "APT::Update::Error-Mode=any"]
    apt_get += ["-o", "Acquire::Retries=1"]
    update = None
    try:
        _run([*apt_get, "update"], folder, bar)
    except ConnectionError as fault:
        update = fault  # another repository's, or a hook's, need not matter
    try:
        _run([*apt_get, "download", PACKAGE], folder, bar)
    except ConnectionError as fault:
        raise update or fault from None
    _run(["dpkg", "-x", str(next(folder.glob("*.deb"))), "unpacked"], folder, bar)
    return folder / "unpacked/usr/share/datasets/fashion-mnist"


def _run(command: list[str], folder: Path, bar) -> None:
    """Run `command` in `folder`; end it when nothing in there grows any more."""
    with open(folder / "messages", "w+b") as messages:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=messages,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _watch(process, folder, bar)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if process.returncode != 0:
            messages.seek(0)
            lines = messages.read().decode(errors="replace").split("\n")
            errors = [line for line in lines if line.startswith(("E:", "dpkg"))]
            raise ConnectionError((errors or [f"{command[0]} failed"])[0].strip())
    bar.update()


def _watch(process: subprocess.Popen, folder: Path, bar) -> None:
    size, deadline = -1, 0.0
    while process.poll() is None:
        now = time.monotonic()
        if (current := _size(folder)) != size:
            size, deadline = current, now + APT_STALL_SECONDS
            bar.set_postfix_str(f"{size / 1e6:.1f} MB")
        if now > deadline:
            raise ConnectionError("stalled")
        time.sleep(0.05)


def _size(folder: Path) -> int:
    """Bytes of the files in a folder that another process is changing."""
    sizes = []
    for parent, _, files in os.walk(folder):
        for file in files:
            try:
                sizes.append(os.path.getsize(os.path.join(parent, file)))
            except FileNotFoundError:
                continue
    return sum(sizes)
