"""JupyterLab as `make lab` starts it, on a free port and with its settings in a folder of ours."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def make_lab(folder: Path, project: Path = ROOT, **variables: str):
    """Yield the port and the token of a running `make lab` in `project`, as it prints them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # An outer make hands its own options down by these.
    environment = {k: v for k, v in os.environ.items() if k not in {"MAKEFLAGS", "MAKELEVEL"}}
    for kind in ("CONFIG", "DATA", "RUNTIME"):
        environment[f"JUPYTER_{kind}_DIR"] = str(folder / kind)
    environment.pop("JUPYTER_TOKEN", None)
    command = ["make", "-o", ".venv/.installed", "lab", f"PY={sys.executable}"]
    log = folder / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, f"LAB_FLAGS=--no-browser --port={port}"],
            cwd=project,
            env=environment | variables,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 60
        printed = rf"http://127\.0\.0\.1:{port}/lab\?token=(\w+)"
        # It prints its address a moment before it listens there.
        while not ((url := re.search(printed, log.read_text())) and listens(port)):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield port, url[1]
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=20)
