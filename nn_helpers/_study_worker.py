"""One worker of a study: ``python -m nn_helpers._study_worker``, started by `studies.run_study`.

It reads its order from standard input, a line of JSON, and stops when that input ends, so that it
does not outlive who started it.
"""

import itertools
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

POLL = 1.0  # seconds until an idle worker looks again
LONGEST_BEAT = 10.0  # seconds between two heartbeats
INTERRUPTED = 130


def main() -> int:
    """Work until every slot of the study is settled; return the exit code."""
    order = json.loads(sys.stdin.readline())
    _use_cores(order["cores"])
    for number in (signal.SIGINT, signal.SIGTERM):  # a background job inherits the first ignored
        signal.signal(number, signal.default_int_handler)
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    from nn_helpers._study_plan import Plan
    from nn_helpers._study_storage import FAILURES, reason_of

    try:
        work(Plan.from_json(order["plan"]), order["worker"])
    except KeyboardInterrupt:
        return INTERRUPTED
    except FAILURES as error:
        print(f"a worker stopped: {reason_of(error)}", file=sys.stderr)
        return 1
    return 0


def _use_cores(cores: list[int] | None) -> None:
    """Keep to some cores, with as many threads; before anything counts them."""
    if cores is None:
        return
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    for name in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(len(cores))


def _stop_with_parent() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGINT)


def work(plan: Any, worker: str) -> None:
    """Take trials of a study and carry them out until every slot is settled.

    Parameters
    ----------
    plan : Plan
    worker : str
        A name that no other worker has.
    """
    from nn_helpers._study_slots import STOPPED, Slots
    from nn_helpers._study_trials import make_evaluate
    from nn_helpers.studies import load_study

    study = load_study(plan)
    slots = Slots(study, plan.points(), plan.grace)
    evaluate = make_evaluate(plan)
    try:
        while True:
            trial = slots.take(worker)
            if trial is not None:
                _carry_out(plan, trial, evaluate)
            elif slots.is_finished():
                return
            else:
                time.sleep(min(POLL, plan.grace / 4))
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        slots.release([worker], STOPPED)
        raise


def _carry_out(plan: Any, trial: Any, evaluate: Any) -> None:
    """Carry out one trial and tell what came out."""
    import optuna
    from optuna.exceptions import UpdateFinishedTrialError
    from optuna.trial import TrialState

    from nn_helpers._study_slots import ERROR
    from nn_helpers._study_trials import TrialError, value_of
    from nn_helpers.search_space import suggest

    study, state, value = trial.study, TrialState.COMPLETE, None
    study.sampler = make_sampler(plan, trial.number)
    # The storage refuses whatever comes from a trial that was declared lost.
    with suppress(UpdateFinishedTrialError):
        with _heartbeat(trial, min(LONGEST_BEAT, plan.grace / 6)):
            try:
                metrics = evaluate(trial, {**plan.fixed, **suggest(trial, plan.space)})
                trial.set_user_attr("metrics", metrics)
                value = value_of(plan, metrics)
            except optuna.TrialPruned:
                state = TrialState.PRUNED
            except TrialError as error:
                state = TrialState.FAIL
                trial.set_user_attr(ERROR, str(error))
        values = None if value is None else [value]
        if state == TrialState.PRUNED:
            last = study._storage.get_trial(trial._trial_id)
            values = [last.intermediate_values[last.last_step]]
        study._storage.set_trial_state_values(trial._trial_id, state, values)


def make_sampler(plan: Any, number: int) -> Any:
    """Return the sampler for one trial: what it draws depends on the seed and the trial alone."""
    import optuna

    seed = plan.seed * 1_000_003 + number
    # With constant_liar, trials that run now count as bad: workers do not all try the same.
    return optuna.samplers.TPESampler(seed=seed % 2**32, constant_liar=True)


@contextmanager
def _heartbeat(trial: Any, interval: float) -> Iterator[None]:
    """Change a mark of the trial again and again while the body runs."""
    from optuna.exceptions import UpdateFinishedTrialError

    from nn_helpers._study_slots import HEARTBEAT
    from nn_helpers._study_storage import FAILURES

    over = threading.Event()

    def beat() -> None:
        # What fails here fails the trial's own next call as well, which tells it.
        with suppress(UpdateFinishedTrialError, *FAILURES):
            for count in itertools.count():
                trial.study._storage.set_trial_user_attr(trial._trial_id, HEARTBEAT, count)
                if over.wait(interval):
                    return

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


if __name__ == "__main__":
    sys.exit(main())
