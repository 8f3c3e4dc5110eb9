"""Kernels of the Python that runs this, whatever other kernels a machine has installed."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any


@contextmanager
def kernel_manager_class(
    variables: Mapping[str, str] | None = None, *, quiet: bool = False
) -> Iterator[type]:
    """Give a class of kernel managers that know one kernel, that of the running Python.

    None of their kernels outlives an interrupt of the body.

    Parameters
    ----------
    variables : mapping of str, optional
        Of the kernel's environment, beside those of this process.
    quiet : bool
        Drop what a kernel writes when it has no notebook to write into, as some do at their end.
    """
    import zmq
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpecManager
    from traitlets import default

    started: list[AsyncKernelManager] = []

    class ThisPython(AsyncKernelManager):
        @default("kernel_spec_manager")
        def _own_kernel_only(self) -> KernelSpecManager:
            return KernelSpecManager(kernel_dirs=[])

        @default("transport_encryption")
        def _encrypt_where_possible(self) -> str:
            return "auto" if zmq.has("curve") else "disabled"

        async def start_kernel(self, **options: Any) -> None:
            started.append(self)
            environment = options.pop("env", None) or os.environ
            if quiet:
                options["stderr"] = subprocess.DEVNULL
            await super().start_kernel(**options, env={**environment, **(variables or {})})

        async def shutdown_kernel(self, now: bool = False, restart: bool = False) -> None:
            # On Ctrl-C the kernel is in the middle of a cell, and would log its orderly end.
            if isinstance(sys.exc_info()[1], KeyboardInterrupt):
                now = True
                # A task that still watches the kernel would report its death in a traceback.
                logging.getLogger("asyncio").setLevel(logging.CRITICAL)
            elif not now:
                # The base class would interrupt the idle kernel first, which a kernel that is not
                # quite idle yet, on a busy machine, reports as an error.
                await self.request_shutdown(restart=restart)
                await self.finish_shutdown(restart=restart)
            await super().shutdown_kernel(now=now, restart=restart)

    try:
        yield ThisPython
    except KeyboardInterrupt:
        for manager in started:  # one that was just starting has not been shut down
            process = getattr(manager.provisioner, "process", None)
            if process is not None and process.poll() is None:
                process.kill()
        raise
