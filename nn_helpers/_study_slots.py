"""How a study hands out its trials: each slot is finished exactly once, whoever dies.

A study has a fixed number of slots, one for each point of a grid or each trial of a search. A slot
is worked on in a trial of Optuna's, which waits, runs and ends. Workers agree through the storage
alone, by these rules:

- A trial goes from waiting to running for one worker only; the storage sees to that.
- Of two trials of one slot, the one with the lower number counts: whoever is about to start the
  other one discards it. So it does no harm that two workers fill the same empty slot.
- A running trial shows a heartbeat that changes. A worker that has watched one stand still for the
  grace period declares it lost, and the slot is filled again. Nobody compares clocks.
- A trial that was declared lost can no longer finish; the storage refuses its result.
"""

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState, create_trial

SLOT, HEARTBEAT, WORKER = "slot", "heartbeat", "worker"
ERROR, LOST, DUPLICATE = "error", "lost", "duplicate"
DIED, STOPPED = "died", "stopped"  # how a trial was lost
MAX_DEATHS = 3  # of the workers of one slot, which then counts as failed
UNFINISHED = (TrialState.WAITING, TrialState.RUNNING)
SETTLED = (TrialState.COMPLETE, TrialState.PRUNED)


def is_settled(trial: FrozenTrial) -> bool:
    """Tell whether the slot of this trial needs no other: it has a result, or the trial failed."""
    return trial.state in SETTLED or (trial.state == TrialState.FAIL and ERROR in trial.user_attrs)


def results(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """Return the trial that settles each slot, by slot.

    A slot whose workers died too often is settled by the last of them.
    """
    trials = list(trials)
    settled = {trial.user_attrs[SLOT]: trial for trial in trials if is_settled(trial)}
    for slot in _hopeless(trials):
        deaths = [t for t in trials if t.user_attrs[SLOT] == slot and _died(t)]
        settled.setdefault(slot, deaths[-1])
    return [settled[slot] for slot in sorted(settled)]


def error_of(trial: FrozenTrial) -> str | None:
    """Return why a trial of `results` has no result; ``None`` if it has one."""
    if trial.state != TrialState.FAIL:
        return None
    return trial.user_attrs.get(ERROR, f"its worker died {MAX_DEATHS} times")


def _died(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.FAIL and trial.user_attrs.get(LOST) == DIED


def _hopeless(trials: Iterable[FrozenTrial]) -> set[int]:
    deaths = Counter(trial.user_attrs[SLOT] for trial in trials if _died(trial))
    return {slot for slot, number in deaths.items() if number >= MAX_DEATHS}


class Slots:
    """The slots of a study, as one worker sees them.

    Parameters
    ----------
    study : optuna.Study
    points : sequence of dict
        For each slot the values that are fixed, none for a slot whose values a sampler chooses.
    grace : float
        Seconds after which a heartbeat that stands still means that its worker has died.
    """

    def __init__(self, study: optuna.Study, points: list[dict[str, Any]], grace: float):
        self.study, self.points, self.grace = study, points, grace
        self._seen: dict[int, tuple[Any, float]] = {}  # trial: its heartbeat, since when

    def trials(self) -> list[FrozenTrial]:
        """Return all trials of the slots, by number."""
        trials = self.study.get_trials(deepcopy=False)
        return [trial for trial in trials if trial.user_attrs.get(SLOT, -1) in self._numbers()]

    def _numbers(self) -> range:
        return range(len(self.points))

    def fill(self) -> None:
        """Let a trial wait for each slot that has none and is not settled."""
        trials = self.trials()
        taken = {
            trial.user_attrs[SLOT]
            for trial in trials
            if trial.state in UNFINISHED or is_settled(trial)
        }
        chosen = {t.user_attrs[SLOT]: t.params for t in trials if t.params}
        for slot in self._numbers():
            if slot not in taken | _hopeless(trials):
                # A lost trial is repeated as it was: an error of the machine is no reason to move.
                self._add(slot, self.points[slot] or chosen.get(slot, {}))

    def _add(self, slot: int, values: Mapping[str, Any]) -> None:
        self.study.add_trial(
            create_trial(
                state=TrialState.WAITING,
                system_attrs={"fixed_params": dict(values)},
                user_attrs={SLOT: slot},
            )
        )

    def take(self, worker: str) -> optuna.Trial | None:
        """Take a waiting trial; ``None`` if none waits now."""
        self.release_dead()
        self.fill()
        trials = self.trials()
        for trial in trials:
            if trial.state != TrialState.WAITING:
                continue
            if _is_duplicate(trial, trials):
                self._fail(trial, DUPLICATE, True)
            elif self._start(trial):
                started = optuna.trial.Trial(self.study, trial._trial_id)
                started.set_user_attr(WORKER, worker)
                return started
        return None

    def _start(self, trial: FrozenTrial) -> bool:
        try:
            return self._set_state(trial, TrialState.RUNNING)
        except UpdateFinishedTrialError:
            return False

    def _set_state(self, trial: FrozenTrial, state: TrialState) -> bool:
        return self.study._storage.set_trial_state_values(trial._trial_id, state)

    def _fail(self, trial: FrozenTrial, mark: str, value: Any) -> None:
        """End a trial without a result, unless another worker has ended it."""
        try:
            self.study._storage.set_trial_user_attr(trial._trial_id, mark, value)
            self._set_state(trial, TrialState.FAIL)
        except UpdateFinishedTrialError:
            pass

    def is_finished(self) -> bool:
        """Tell whether every slot is settled."""
        return len(results(self.trials())) == len(self.points)

    def release_dead(self) -> None:
        """Declare those running trials lost whose heartbeat has not changed for too long."""
        now = time.monotonic()
        for trial in self.trials():
            if trial.state == TrialState.RUNNING:
                beat = trial.user_attrs.get(HEARTBEAT)
                previous, since = self._seen.get(trial.number, (None, now))
                if beat != previous:
                    since = now
                self._seen[trial.number] = (beat, since)
                if now - since > self.grace:
                    self._fail(trial, LOST, DIED)

    def release(self, workers: Iterable[str], how: str) -> None:
        """Declare the running trials of workers lost that are known to have ended."""
        workers = set(workers)
        for trial in self.trials():
            if trial.state == TrialState.RUNNING and trial.user_attrs.get(WORKER) in workers:
                self._fail(trial, LOST, how)


def _is_duplicate(trial: FrozenTrial, trials: Iterable[FrozenTrial]) -> bool:
    """Tell whether another trial of the same slot comes first, runs, or has settled it."""
    return any(
        other.user_attrs[SLOT] == trial.user_attrs[SLOT]
        and other.number != trial.number
        and (
            other.state == TrialState.RUNNING
            or is_settled(other)
            or (other.state == TrialState.WAITING and other.number < trial.number)
        )
        for other in trials
    )
