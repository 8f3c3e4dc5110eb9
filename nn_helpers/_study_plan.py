"""What a study is to do: read from the command line, checked, and handed to its workers."""

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nn_helpers.parameters import Declaration, parse_value
from nn_helpers.search_space import Choice, Range, SearchSpace, as_category, draw
from nn_helpers.validation import check_choice, check_integer, check_positive

SAMPLERS = ("random", "tpe")
GRID = "grid"
MAX_POINTS = 100_000  # of a grid


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that a worker has to know.

    Attributes
    ----------
    notebook : str
        Absolute path.
    study : str
    storage : str
        A file's absolute path, or a database's URL.
    runs : str
        The folder for the runs of the trials.
    space : dict
        Of each parameter that varies, a `Range` or a `Choice`.
    sampler : {"grid", "random", "tpe"}
    n_trials : int
    fixed : dict
        Values of other parameters in place of the notebook's own.
    metric : str
    minimize : bool
    function : bool
        Call the training function in place of executing the notebook.
    seed : int
        Of the samplers.
    grace : float
        Seconds without a heartbeat after which a worker counts as dead.
    """

    notebook: str
    study: str
    storage: str
    runs: str
    space: SearchSpace
    sampler: str
    n_trials: int
    fixed: Mapping[str, Any] = field(default_factory=dict)
    metric: str = "validation_accuracy"
    minimize: bool = False
    function: bool = False
    seed: int = 1
    grace: float = 60.0

    def points(self) -> list[dict[str, Any]]:
        """Return for each slot the values that are fixed from the start, as Optuna stores them."""
        names = list(self.space)
        if self.sampler == GRID:
            products = itertools.product(*(self.space[name].values for name in names))
            drawn = (dict(zip(names, values, strict=True)) for values in products)
        elif self.sampler == "random":
            drawn = iter(draw(self.space, self.n_trials, self.seed))
        else:
            drawn = ({} for _ in range(self.n_trials))
        return [{name: as_category(value) for name, value in one.items()} for one in drawn]

    def identity(self) -> dict[str, Any]:
        """Return what two commands must have in common to work on one study."""
        text = json.loads(self.to_json())
        left_out = ("study", "storage", "runs", "grace", "n_trials", "notebook")
        return {"notebook": Path(self.notebook).name} | {
            name: value for name, value in text.items() if name not in left_out
        }

    def to_json(self) -> str:
        """Write the plan as text for a worker."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        """Read what `to_json` wrote."""
        values = json.loads(text)
        values["space"] = {
            name: Choice(tuple(one["values"])) if "values" in one else Range(**one)
            for name, one in values["space"].items()
        }
        return cls(**values)


def read_grid(entries: Sequence[str]) -> dict[str, Choice]:
    """Read ``NAME=VALUE,VALUE,…`` of the command line."""
    return {name: Choice(_values(name, text)) for name, text in _split(entries, "--grid")}


def read_search(entries: Sequence[str]) -> dict[str, Range | Choice]:
    """Read ``NAME=LOW:HIGH``, ``NAME=LOW:HIGH:log`` or ``NAME=VALUE,VALUE,…``."""
    space: dict[str, Range | Choice] = {}
    for name, text in _split(entries, "--search"):
        low, colon, rest = text.partition(":")
        if not colon:
            space[name] = Choice(_values(name, text))
            continue
        high, _, scale = rest.partition(":")
        ends = [parse_value(low), parse_value(high)]
        if scale not in ("", "log") or not all(type(end) in (int, float) for end in ends):
            raise ValueError(f"{name} must be searched in LOW:HIGH or LOW:HIGH:log, got {text}")
        if not -math.inf < ends[0] < ends[1] < math.inf or (scale and ends[0] <= 0):
            positive = "positive, " if scale else ""
            raise ValueError(f"{name} must go from a {positive}lower to a higher end, got {text}")
        space[name] = Range(*ends, log=bool(scale))
    return space


def _split(entries: Sequence[str], option: str) -> list[tuple[str, str]]:
    pairs = []
    for entry in entries:
        name, equals, text = entry.partition("=")
        if not (name.isidentifier() and equals and text):
            raise ValueError(f"{option} must be given as NAME=…, got {entry!r}")
        if name in (known for known, _ in pairs):
            raise ValueError(f"{option} {name} is given twice; write all its values in one")
        pairs.append((name, text))
    return pairs


def _values(name: str, text: str) -> tuple[Any, ...]:
    """Read values between commas; those inside brackets belong to a list."""
    pieces, depth = [""], 0
    for character in text:
        depth += {"[": 1, "]": -1}.get(character, 0)
        if character == "," and depth == 0:
            pieces.append("")
        else:
            pieces[-1] += character
    values = tuple(parse_value(piece.strip()) for piece in pieces)
    if "" in values or len({repr(value) for value in values}) < len(values):
        raise ValueError(f"{name} must be given different values between commas, got {text}")
    return values


def check_plan(plan: Plan, declaration: Declaration) -> None:
    """Refuse a plan whose values the notebook would refuse, before any trial.

    Every point of a grid is checked, of a search all combinations of the ends of its ranges and of
    its choices.

    Raises
    ------
    TypeError, ValueError
        If a value is wrong, nothing varies, or a parameter is both fixed and varied.
    """
    if not plan.space:
        raise ValueError("a study needs at least one parameter that varies: --grid or --search")
    for name in plan.space.keys() & plan.fixed.keys():
        raise ValueError(f"{name} is fixed by -p and varies in the study; leave one of them out")
    check_integer("trials", plan.n_trials, 1)
    check_integer("seed", plan.seed, 0)
    check_positive("grace", plan.grace)
    check_choice("sampler", plan.sampler, (GRID, *SAMPLERS))
    ends = [
        one.values if isinstance(one, Choice) else (one.low, one.high)
        for one in plan.space.values()
    ]
    if (number := math.prod(map(len, ends))) > MAX_POINTS:
        raise ValueError(f"a study may have {MAX_POINTS} points at most, this one has {number}")
    for values in itertools.product(*ends):
        declaration.check({**plan.fixed, **dict(zip(plan.space, values, strict=True))})
