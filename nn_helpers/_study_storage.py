"""Where a study is kept: a file that processes share, or a database that machines share.

Both are Optuna's storages, made to outlive what kills a long study: a process that dies while it
writes, a full disk, a database that is started anew.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy import exc
from sqlalchemy.engine import make_url

from nn_helpers._execution import say

PATIENCE = 600  # seconds that a database may be away
LONGEST_PAUSE = 5  # seconds between two attempts
TABLE_ATTEMPTS = 5  # several workers may create the tables at the same time

FAILURES = (OSError, exc.SQLAlchemyError, optuna.exceptions.StorageInternalError)

optuna.logging.set_verbosity(optuna.logging.ERROR)
logging.getLogger("alembic").setLevel(logging.ERROR)


class StorageError(OSError):
    """A study's storage cannot be reached or used; the message says which and why."""


def reason_of(error: BaseException) -> str:
    """Return what a driver or the system said, in one line."""
    cause = error.__cause__ if isinstance(error, optuna.exceptions.StorageInternalError) else error
    return str(getattr(cause, "orig", None) or cause).strip().partition("\n")[0]


def open_storage(storage: str | Path) -> optuna.storages.BaseStorage:
    """Open the storage of a study, made if it is missing.

    Parameters
    ----------
    storage : str or Path
        A database's URL, ``postgresql://user@host/name``, or the path of a file.

    Raises
    ------
    ValueError
        If a URL cannot be understood.
    StorageError
        If the database does not answer, or the file cannot be written.
    """
    if "://" not in str(storage):
        return _open_file(Path(storage))
    try:
        shown = make_url(str(storage)).render_as_string(hide_password=True)
    except exc.ArgumentError:
        raise ValueError(
            "storage must be a file or a URL such as postgresql://user@host/name, "
            "got one that cannot be understood"
        ) from None
    for attempt in range(1, TABLE_ATTEMPTS + 1):
        try:
            return optuna.storages.get_storage(_PatientDatabase(_with_driver(str(storage))))
        except exc.NoSuchModuleError:
            raise ValueError(
                f"storage must be a file or a URL such as postgresql://user@host/name, got {shown}"
            ) from None
        except (exc.IntegrityError, exc.ProgrammingError):
            if attempt == TABLE_ATTEMPTS:
                raise
            time.sleep(attempt / 2)
        except (exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
            raise StorageError(
                f"the storage {shown} cannot be opened ({reason_of(error)})"
            ) from None
        except ImportError:
            raise ValueError(f"storage {shown} needs a database driver that is not here") from None


def _with_driver(url: str) -> str:
    """Name the driver that this package installs."""
    scheme, _, rest = url.partition("://")
    return f"postgresql+psycopg://{rest}" if scheme in ("postgresql", "postgres") else url


def _open_file(path: Path) -> JournalStorage:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(_WholeLines(path))
    except OSError as error:
        raise StorageError(f"the storage {path} cannot be opened ({error.strerror})") from None


class _WholeLines(JournalFileBackend):
    """A journal in which a line that a dying process left unfinished harms no later one.

    Its lock is one that the system takes from a process that dies.
    """

    def __init__(self, path: Path):
        super().__init__(str(path), FileLock(f"{path}.lock"))

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        with self._lock_whole_lines() as size:
            try:
                super().append_logs(logs)
            except OSError:
                os.truncate(self._file_path, size)
                raise

    @contextmanager
    def _lock_whole_lines(self) -> Iterator[int]:
        """Hold the lock, and give the size of the whole lines; nothing stands after them."""
        self._lock.acquire()  # Optuna takes it again, which the same thread may
        try:
            with open(self._file_path, "rb+") as file:
                size = file.seek(0, os.SEEK_END)
                if size and (file.seek(-1, os.SEEK_END), file.read(1))[1] != b"\n":
                    file.seek(0)
                    size = file.read().rfind(b"\n") + 1
                    file.truncate(size)
            yield size
        finally:
            self._lock.release()


class _PatientDatabase(RDBStorage):
    """A database that may go away for a while: what fails meanwhile is done again.

    Doing a thing twice, where only the answer was lost, is harmless: a trial that nobody works on
    is found by its missing heartbeat, a finished one refuses to be finished again.
    """

    def __init__(self, url: str):
        super().__init__(url, engine_kwargs={"pool_pre_ping": True})


_within = threading.local()


def _patient(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def call(*arguments: Any, **options: Any) -> Any:
        if getattr(_within, "call", False):  # the outermost call tries again, as a whole
            return method(*arguments, **options)
        deadline, pause, told = time.monotonic() + PATIENCE, 0.2, False
        while True:
            _within.call = True
            try:
                return method(*arguments, **options)
            except (exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
                if not _is_lost_connection(error) or time.monotonic() > deadline:
                    raise
            finally:
                _within.call = False
            if pause > 1 and not told:
                say("the study's database does not answer; trying again")
                told = True
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    return call


def _is_lost_connection(error: BaseException | None) -> bool:
    """Tell whether a database went away; what its driver said may be a cause or a context."""
    while error is not None:
        if isinstance(error, (exc.OperationalError, exc.InterfaceError, exc.PendingRollbackError)):
            return True
        if isinstance(error, exc.DBAPIError) and error.connection_invalidated:
            return True
        error = error.__cause__ or error.__context__
    return False


for _name, _method in vars(RDBStorage).items():
    if callable(_method) and _name.startswith(("create_", "delete_", "set_", "get_", "_get_t")):
        setattr(_PatientDatabase, _name, _patient(_method))
for _name in ("_create_new_trial", "_set_trial_param", "_get_best_trial_id"):
    setattr(_PatientDatabase, _name, _patient(getattr(RDBStorage, _name)))
