"""The command line: ``python -m nn_helpers run``, ``runs``, ``study`` and ``execute``.

Exit codes: 0 done, 1 a notebook or a trial failed, 2 wrong use, 130 interrupted.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

from nn_helpers import parameters, runs

FAILED, WRONG_USE, INTERRUPTED = 1, 2, 130

_RUN_EXAMPLE = """\
examples:
  python -m nn_helpers run
  python -m nn_helpers run notebooks/03_tensorflow_mlp.ipynb -p n_epochs 2 -p hidden_layers "[100, 50]"
  python -m nn_helpers run notebooks/04_keras_mlp.ipynb -y "num_nodes: 200" --output tried
"""  # noqa: E501 - a command stands on one line
_RUNS_EXAMPLE = """\
example:
  python -m nn_helpers runs --sort test_accuracy
"""
_STUDY_EXAMPLE = """\
examples:
  python -m nn_helpers study notebooks/04_keras_mlp.ipynb --grid learning_rate=0.001,0.01 --grid num_nodes=50,100
  python -m nn_helpers study notebooks/03_tensorflow_mlp.ipynb --function --search learning_rate=1e-4:1e-1:log --trials 40 -p n_epochs 5
on each of several machines:
  python -m nn_helpers study notebooks/04_keras_mlp.ipynb --search num_nodes=16:512:log --trials 200 \\
    --storage postgresql://user@host/database --study widths --workers 4
"""  # noqa: E501 - a command stands on one line
_EXECUTE_EXAMPLE = """\
example:
  python -m nn_helpers execute notebooks/03_tensorflow_mlp.ipynb
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return options.command(options) or 0
    except runs.RunError as error:
        return _stop(f"{error.details}\n{error}".strip(), FAILED)
    except (ValueError, TypeError, FileNotFoundError, FileExistsError) as error:
        return _stop(f"error: {error}", WRONG_USE)
    except OSError as error:
        return _stop(f"error: {error}; what was done before stays", FAILED)
    except KeyboardInterrupt:
        study = options.command is _study
        stays = "the same command goes on" if study else "what was done stays as it is"
        return _stop(f"interrupted; {stays}", INTERRUPTED)


def _given(options: argparse.Namespace) -> dict[str, Any]:
    return parameters.collect(
        options.parameter_files, options.parameter_texts, options.parameter_pairs
    )


def _run(options: argparse.Namespace) -> None:
    results = runs.run_notebooks(options.notebooks, options.output, _given(options))
    print(f"\n{runs.format_results(results)}")


def _runs(options: argparse.Namespace) -> None:
    print(runs.format_runs(runs.load_runs(), options.sort))


def _study(options: argparse.Namespace) -> int:
    from nn_helpers import _study_plan, studies

    if options.grid and options.search:
        raise ValueError("a study is a --grid or a --search, not both")
    if options.grid and (options.trials or options.sampler):
        raise ValueError("a grid has as many trials as points: leave --trials and --sampler out")
    plan = studies.make_plan(
        options.notebook,
        _study_plan.read_grid(options.grid) or _study_plan.read_search(options.search),
        sampler=_study_plan.GRID if options.grid else options.sampler or "tpe",
        n_trials=options.trials,
        fixed=_given(options),
        metric=options.metric,
        minimize=options.minimize,
        function=options.function,
        storage=options.storage,
        study=options.study,
        seed=options.seed,
        grace=options.grace,
    )
    table = studies.run_study(plan, options.workers)
    print(f"\n{studies.format_trials(table, plan)}")
    return FAILED if (table["state"] == "failed").any() else 0


def _execute(options: argparse.Namespace) -> None:
    runs.execute_in_place(options.notebooks)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m nn_helpers",
        description="Run the notebooks without a browser.",
        epilog="Each command has an example: python -m nn_helpers run --help",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    run = _command(
        commands,
        "run",
        _run,
        "execute copies of notebooks and print what they measured",
        "The committed notebooks stay as they are; each run leaves a folder under runs/.",
        _RUN_EXAMPLE,
    )
    _add_notebooks(run)
    _add_parameters(run)
    run.add_argument(
        "--output", metavar="DIR", help="folder for another copy of each executed notebook"
    )
    listing = _command(
        commands,
        "runs",
        _runs,
        "print a table of all recorded runs",
        "The oldest stands first.",
        _RUNS_EXAMPLE,
    )
    listing.add_argument(
        "--sort", metavar="NAME", help="a metric or a parameter, the highest first"
    )
    study = _command(
        commands,
        "study",
        _study,
        "vary parameters of a notebook over a grid, or search for the best",
        "The same command goes on where a study stopped.",
        _STUDY_EXAMPLE,
    )
    study.add_argument("notebook", metavar="NOTEBOOK", help="a notebook's path")
    _add_parameters(study)
    _add_study_options(study)
    execute = _command(
        commands,
        "execute",
        _execute,
        "execute notebooks in place, for committing",
        "A notebook that fails stays as it was.",
        _EXECUTE_EXAMPLE,
    )
    _add_notebooks(execute)
    return parser


def _command(
    commands: Any,
    name: str,
    function: Callable[[argparse.Namespace], int | None],
    purpose: str,
    note: str,
    example: str,
) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name,
        help=purpose,
        description=f"{purpose[0].upper()}{purpose[1:]}. {note}",
        epilog=example,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(command=function)
    return command


def _add_notebooks(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "notebooks",
        metavar="NOTEBOOK",
        nargs="*",
        help="a notebook's path (default: the project's five)",
    )


def _add_parameters(command: argparse.ArgumentParser) -> None:
    """Add papermill's options for parameters."""
    for flag, long, name, metavar, purpose in (
        (
            "-p",
            "--parameters",
            "parameter_pairs",
            ("NAME", "VALUE"),
            "a value in place of a notebook's default",
        ),
        (
            "-y",
            "--parameters_yaml",
            "parameter_texts",
            "YAML",
            'values as YAML, such as "hidden_layers: [100, 50]"',
        ),
        ("-f", "--parameters_file", "parameter_files", "FILE", "a YAML file of values"),
    ):
        command.add_argument(
            flag,
            long,
            dest=name,
            metavar=metavar,
            nargs=2 if flag == "-p" else None,
            action="append",
            default=[],
            help=f"{purpose}; may be repeated",
        )


def _add_study_options(command: argparse.ArgumentParser) -> None:
    for option, metavar, purpose in (
        ("--grid", "NAME=VALUE,…", "values of which every combination is tried; may be repeated"),
        ("--search", "NAME=LOW:HIGH[:log]", "a range, or values; may be repeated"),
    ):
        command.add_argument(option, metavar=metavar, action="append", default=[], help=purpose)
    for option, kind, default, metavar, purpose in (
        ("--trials", int, None, "N", "trials of a search (default: 20)"),
        ("--sampler", str, None, "NAME", "of a search: tpe or random (default: tpe)"),
        ("--metric", str, "validation_accuracy", "NAME", "what counts (default: %(default)s)"),
        ("--storage", str, None, "URL", "a database or a file (default: a file under runs/)"),
        ("--study", str, None, "NAME", "who gives the same name works on the same study"),
        ("--workers", int, 1, "N", "processes here, each with its share of the cores"),
        ("--seed", int, 1, "N", "of the sampler"),
        ("--grace", float, 60.0, "SECONDS", "silence after which a worker counts as dead"),
    ):
        command.add_argument(option, type=kind, default=default, metavar=metavar, help=purpose)
    command.add_argument("--minimize", action="store_true", help="the lowest metric is the best")
    command.add_argument(
        "--function", action="store_true", help="train without executing the notebook"
    )


def _stop(message: str, code: int) -> int:
    print(message, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
