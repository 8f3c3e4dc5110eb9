"""A PostgreSQL server of Debian's packages on loopback, in a temporary folder."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

USER = "nobody"  # the server refuses to run as root


def find_binaries() -> Path | None:
    """Return the folder of ``initdb`` and ``pg_ctl``, the newest one, if there is any."""
    if found := shutil.which("pg_ctl"):
        return Path(found).parent
    folders = Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")
    return max((path.parent for path in folders), key=lambda p: int(p.parent.name), default=None)


class PostgresServer:
    """A server with an empty database, which can be started anew."""

    def __init__(self, binaries: Path, folder: Path):
        self._binaries, self._folder = binaries, folder
        self._data = folder / "data"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"postgresql://study@127.0.0.1:{self.port}/postgres"
        folder.mkdir()
        if os.getuid() == 0:
            shutil.chown(folder, USER)
        self._call("initdb", "-D", self._data, "-U", "study", "-A", "trust", "--no-sync")
        self.start()

    def _call(self, program: str, *arguments: object) -> None:
        command = [str(self._binaries / program), *map(str, arguments)]
        if os.getuid() == 0:
            command = ["runuser", "-u", USER, "--", *command]
        subprocess.run(command, cwd=self._folder, check=True, stdout=subprocess.DEVNULL)

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self._folder}"
        log = self._folder / "log"
        self._call("pg_ctl", "-D", self._data, "-o", options, "-l", log, "-w", "start")

    def stop(self) -> None:
        self._call("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop")
