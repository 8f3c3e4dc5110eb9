"""Build the committed articles with Jekyll and serve them on this machine only, for `make site`."""

import argparse
import functools
import shutil
import subprocess
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MATHJAX = Path("/usr/share/javascript/mathjax")  # where Debian's package puts it
BASE_URL = "/blog"  # as in tests/site/_config.yml


class SiteError(Exception):
    """The site cannot be built or served; the message says why and what to do."""


def build(folder: Path, assets: Path = ROOT / "assets") -> Path:
    """Build the site under `folder`, whatever was there, and return the folder to serve.

    Raises
    ------
    SiteError
        If Jekyll or MathJax is missing, or Jekyll finds a fault.
    """
    if not shutil.which("jekyll"):
        raise SiteError("jekyll is not installed: apt-get install jekyll")
    if not (MATHJAX / "MathJax.js").is_file():
        raise SiteError(f"MathJax is not in {MATHJAX}: apt-get install libjs-mathjax")
    source, served = folder / "source", folder / "served"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "tests" / "site", source)
    for name in ("articles", "images"):
        shutil.copytree(assets / name, source / "assets" / name)
    target = served / BASE_URL.strip("/")
    command = ["jekyll", "build", "--quiet", "--source", source, "--destination", target]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise SiteError(f"jekyll cannot build the articles: {answer.stderr.strip()}")
    (target / "mathjax").symlink_to(MATHJAX)
    return served


class _Handler(SimpleHTTPRequestHandler):
    def log_message(self, *_) -> None:
        """Keep the terminal for the address."""


def server(served: Path, port: int) -> ThreadingHTTPServer:
    """Listen on this machine only; port 0 stands for any that is free.

    Raises
    ------
    SiteError
        If something else listens there.
    """
    handler = functools.partial(_Handler, directory=str(served))
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), handler)
    except (OSError, OverflowError) as error:
        raise SiteError(
            f"port {port} cannot be had ({error}), choose another: make site SITE_PORT=4001"
        ) from None


def address(site: ThreadingHTTPServer) -> str:
    """Return where a browser finds the index of the articles."""
    return f"http://127.0.0.1:{site.server_address[1]}{BASE_URL}/"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where the site is built")
    parser.add_argument("--port", type=int, default=4000)
    arguments = parser.parse_args()
    try:
        site = server(build(arguments.folder), arguments.port)
    except SiteError as error:
        sys.exit(str(error))
    print(f"The articles are at {address(site)} until Ctrl-C.", flush=True)
    with site:
        try:
            site.serve_forever()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
