"""Who starts the workers of a study on this machine, watches them and shows the progress."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nn_helpers._execution import RunError, say
from nn_helpers._study_plan import Plan
from nn_helpers._study_slots import DIED, Slots, results
from nn_helpers.validation import check_integer

if TYPE_CHECKING:
    import optuna

POLL = 0.5  # seconds between two looks at the workers
QUIET = 10.0  # seconds between two lines of progress where there is no terminal
STOPPING = 30.0  # seconds that workers may take to give their trials back


def manage(plan: Plan, study: "optuna.Study", n_workers: int) -> "optuna.Study":
    """Work on a study until every slot is settled; return it."""
    n_workers = check_integer("workers", n_workers, 1)
    slots = Slots(study, plan.points(), plan.grace)
    slots.fill()
    if slots.is_finished():
        say(f"study {plan.study}: all {plan.n_trials} trials are done")
        return study
    say(f"study {plan.study}: {plan.n_trials} trials, {_count(n_workers, 'worker')} here")
    progress = _Progress(plan)
    with _workers(plan, n_workers) as workers:
        while not slots.is_finished():
            _bury(workers, slots)
            progress.show(slots.trials())
            if not workers and not slots.is_finished():
                raise RunError(
                    f"all workers of the study {plan.study} stopped before its end; "
                    "the same command goes on"
                )
            time.sleep(POLL)
    progress.show(slots.trials(), last=True)
    return study


@contextmanager
def _workers(plan: Plan, number: int) -> Iterator[dict[str, subprocess.Popen]]:
    """Run workers in processes of their own while the body runs."""
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    workers = {}
    try:
        for index in range(number):
            name = uuid.uuid4().hex
            workers[name] = subprocess.Popen(
                [sys.executable, "-m", "nn_helpers._study_worker"],
                stdin=subprocess.PIPE,
                text=True,
                start_new_session=True,  # Ctrl-C comes here, and is passed on once
            )
            order = {"plan": plan.to_json(), "worker": name, "cores": _share(index, number)}
            workers[name].stdin.write(json.dumps(order) + "\n")
            workers[name].stdin.flush()
        yield workers
    finally:
        for process in workers.values():
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + STOPPING
        for process in workers.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
        signal.signal(signal.SIGTERM, previous)


def _share(index: int, number: int) -> list[int] | None:
    """Return the cores of one of several workers; ``None`` if it may use all."""
    if number == 1:
        return None
    own = hasattr(os, "sched_getaffinity")
    cores = sorted(os.sched_getaffinity(0)) if own else list(range(os.cpu_count() or 1))
    if number >= len(cores):
        return [cores[index % len(cores)]]
    return cores[index * len(cores) // number : (index + 1) * len(cores) // number]


def _bury(workers: dict[str, subprocess.Popen], slots: Slots) -> None:
    """Take out the workers that ended, and release what they were working on."""
    ended = {name for name, process in workers.items() if process.poll() is not None}
    if ended:
        slots.release(ended, DIED)
        slots.fill()
    for name in ended:
        code = workers.pop(name).returncode
        if code < 0:
            say(f"a worker was ended by {signal.Signals(-code).name}; its trial is done again")


class _Progress:
    """Lines that say how far a study is: in a terminal one that changes, else few."""

    def __init__(self, plan: Plan):
        self.plan = plan
        self.in_terminal = sys.stderr.isatty()
        self.started = time.monotonic()
        self._shown, self._at, self._first = "", -QUIET, None

    def show(self, trials: list[Any], last: bool = False) -> None:
        """Show the present state, if it is worth a line."""
        text, now = self.describe(trials), time.monotonic()
        if self.in_terminal:
            print(f"\r\033[K{text}", end="\n" if last else "", file=sys.stderr, flush=True)
        elif last or (text != self._shown and now - self._at >= QUIET):
            say(text)
            self._shown, self._at = text, now

    def describe(self, trials: list[Any]) -> str:
        """Say how many trials are in which state, which is best, and how long it will take."""
        from optuna.trial import TrialState

        settled = results(trials)
        failed = sum(trial.state == TrialState.FAIL for trial in settled)
        running = sum(trial.state == TrialState.RUNNING for trial in trials)
        parts = [
            f"{len(settled) - failed} of {self.plan.n_trials} finished",
            f"{running} running",
            f"{failed} failed",
        ]
        complete = [trial for trial in settled if trial.state == TrialState.COMPLETE]
        if complete:
            best = (min if self.plan.minimize else max)(complete, key=lambda trial: trial.value)
            values = ", ".join(f"{name} {_short(value)}" for name, value in best.params.items())
            parts.append(f"best {self.plan.metric} {best.value:.4f} ({values})")
        if left := self._time_left(len(settled)):
            parts.append(f"about {left} left")
        return ", ".join(parts)

    def _time_left(self, done: int) -> str:
        """Estimate from the pace since this command started."""
        if self._first is None:
            self._first = done
        new, missing = done - self._first, self.plan.n_trials - done
        if not new or not missing:
            return ""
        seconds = (time.monotonic() - self.started) / new * missing
        return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
