"""The rules by which workers share a study, against every order of events that they allow."""

import hypothesis.strategies as st
import optuna
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from nn_helpers._study_slots import DIED, MAX_DEATHS, SLOT, STOPPED, Slots, results

N_SLOTS = 4
WORKERS = 3


class Workers(RuleBasedStateMachine):
    """Workers that take trials, finish them, die, are thought dead, and start late."""

    def __init__(self):
        super().__init__()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.study = optuna.create_study()
        self.points = [{"x": slot} for slot in range(N_SLOTS)]
        self.slots = [self.new_worker() for _ in range(WORKERS)]
        self.working = {}  # the trial of each worker
        self.finished = []  # slots of the results that the storage took

    def new_worker(self):
        return Slots(self.study, self.points, grace=1e9)

    def free(self):
        return [worker for worker in range(WORKERS) if worker not in self.working]

    @rule(index=st.integers(0, WORKERS - 1))
    def take(self, index):
        if index in self.working:
            return
        trial = self.slots[index].take(f"worker {index}")
        if trial is not None:
            trial.suggest_int("x", 0, N_SLOTS)
            assert trial.params == {"x": trial.user_attrs[SLOT]}
            self.working[index] = trial

    @rule(index=st.integers(0, WORKERS - 1))
    def fill_as_if_nobody_had(self, index):
        """Two workers that look at the same time both find a slot empty."""
        self.slots[index]._add(index, self.points[index])

    @precondition(lambda self: self.working)
    @rule(data=st.data())
    def finish(self, data):
        index = data.draw(st.sampled_from(sorted(self.working)))
        trial = self.working.pop(index)
        try:
            self.study._storage.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, [1.0])
        except UpdateFinishedTrialError:
            return  # it had been declared lost
        self.finished.append(trial.user_attrs[SLOT])

    @precondition(lambda self: self.working)
    @rule(data=st.data(), known=st.booleans())
    def declare_lost(self, data, known):
        """A worker is declared lost: it may be dead, or only slow and go on."""
        index = data.draw(st.sampled_from(sorted(self.working)))
        self.slots[(index + 1) % WORKERS].release([f"worker {index}"], STOPPED)
        if known:
            del self.working[index]
            self.slots[index] = self.new_worker()

    @invariant()
    def no_slot_is_finished_twice(self):
        assert len(set(self.finished)) == len(self.finished)
        assert [t.user_attrs[SLOT] for t in results(self.slots[0].trials())] == sorted(
            self.finished
        )

    def teardown(self):
        """Whatever happened: workers that go on finish every slot exactly once."""
        for index in list(self.working):
            self.slots[0].release([f"worker {index}"], STOPPED)
        self.working = {}
        last = self.new_worker()
        while (trial := last.take("last")) is not None:
            self.study._storage.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, [1.0])
            self.finished.append(trial.user_attrs[SLOT])
        assert sorted(self.finished) == list(range(N_SLOTS))
        assert last.is_finished()


TestWorkers = Workers.TestCase
TestWorkers.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


@pytest.fixture
def study():
    return optuna.create_study()


def test_a_heartbeat_that_stands_still_means_that_the_worker_died(study, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("nn_helpers._study_slots.time.monotonic", lambda: now[0])
    first, second = (Slots(study, [{}], grace=10) for _ in range(2))
    trial = first.take("first")
    for beat in range(5):  # it beats: nobody takes its trial away, however long it takes
        trial.set_user_attr("heartbeat", beat)
        assert second.take("second") is None
        now[0] += 9
    assert second.take("second") is None
    now[0] += 2
    again = second.take("second")
    assert (again.user_attrs[SLOT], again.number) == (0, 1)
    assert study.trials[0].user_attrs["lost"] == DIED
    with pytest.raises(UpdateFinishedTrialError):
        study._storage.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, [1.0])


def test_a_slot_whose_workers_die_again_and_again_is_given_up(study):
    slots = Slots(study, [{}, {}], grace=1e9)
    for death in range(MAX_DEATHS):
        assert slots.take(f"w{death}").user_attrs[SLOT] in (0, 1)
        other = slots.take("other")
        slots.release([f"w{death}"], DIED)
        if death == 0:
            study._storage.set_trial_state_values(other._trial_id, TrialState.COMPLETE, [1.0])
    assert slots.is_finished()
    assert slots.take("last") is None
    states = [trial.state.name for trial in results(slots.trials())]
    assert sorted(states) == ["COMPLETE", "FAIL"]


def test_a_repeated_trial_of_a_search_keeps_its_values(study):
    slots = Slots(study, [{}], grace=1e9)
    value = slots.take("a").suggest_float("x", 0, 1)
    slots.release(["a"], DIED)
    assert slots.take("b").suggest_float("x", 0, 1) == value
