"""Draw assets/tensorboard_graph.png: the network 784-3-2-10 as TensorBoard shows its graph."""

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright

from nn_helpers import mlp
from nn_helpers._tensorflow import tf

LAYER_DIMS = [784, 3, 2, 10]
FILE = Path(__file__).resolve().parents[1] / "assets" / "tensorboard_graph.png"
MARGIN = 16  # pixels around the graph
QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


def log_graph(folder: str) -> None:
    """Log the graph of the cost, as notebook 03 does."""
    parameters = mlp.initialize_parameters(LAYER_DIMS, seed=1)
    variables = {name: tf.Variable(value, name=name) for name, value in parameters.items()}

    @tf.function(input_signature=mlp.input_specs(LAYER_DIMS))
    def cost_graph(X, Y):
        return mlp.compute_cost(mlp.forward_propagation(X, variables), Y)

    with tf.summary.create_file_writer(folder).as_default():
        tf.summary.graph(cost_graph.get_concrete_function().graph)


@contextmanager
def tensorboard(folder: str):
    """Yield the address of a TensorBoard that shows the logs in `folder`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", f"--logdir={folder}", f"--port={port}"]
    process = subprocess.Popen([*command, "--host=127.0.0.1"], stderr=subprocess.DEVNULL)
    try:
        with socket.socket() as client:
            while client.connect_ex(("127.0.0.1", port)):
                if process.poll() is not None:
                    sys.exit(f"TensorBoard ended with code {process.returncode}")
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/#graphs"
    finally:
        process.terminate()
        process.wait(timeout=20)


def settled(element) -> dict[str, float]:
    """Return where an element is, once it has stopped moving there."""
    before, now = None, element.bounding_box()
    while now != before:
        time.sleep(1)
        before, now = now, element.bounding_box()
    return now


def main() -> None:
    chromium = shutil.which("chromium")
    if not chromium:
        sys.exit("chromium is not installed: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        log_graph(folder)
        with tensorboard(folder) as address:
            browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
            page = browser.new_page(viewport={"width": 1300, "height": 1000}, device_scale_factor=2)
            page.goto(address)
            graph = page.locator("tf-graph-scene svg g.core").first
            graph.wait_for(timeout=60000)
            box = settled(graph)
            page.screenshot(
                path=FILE,
                clip={
                    "x": box["x"] - MARGIN,
                    "y": box["y"] - MARGIN,
                    "width": box["width"] + 2 * MARGIN,
                    "height": box["height"] + 2 * MARGIN,
                },
            )
            browser.close()


if __name__ == "__main__":
    main()
