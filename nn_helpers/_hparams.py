"""A run for TensorBoard's HParams tab, written without TensorFlow."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_hparams(
    folder: Path, run: str, parameters: Mapping[str, Any], metrics: Mapping[str, Any]
) -> None:
    """Write the parameters and the metrics of a run as one event file.

    Parameters
    ----------
    folder : Path
        For the file ``events.out.tfevents.…``; made if it is missing.
    run : str
        Tells the runs apart in TensorBoard.
    parameters : mapping
        Numbers, strings and bools stay what they are, anything else becomes text.
    metrics : mapping
        Each number becomes a scalar at step 0; other metrics are left out.
    """
    from tensorboard.plugins.hparams import summary_v2 as hparams
    from tensorboard.plugins.scalar.summary_v2 import scalar_pb

    values = {name: _simple(value) for name, value in parameters.items()}
    numbers = {name: value for name, value in metrics.items() if _is_number(value)}
    summaries = [
        hparams.hparams_config_pb(
            [hparams.HParam(name) for name in values], [hparams.Metric(name) for name in numbers]
        ),
        hparams.hparams_pb(values, trial_id=run),
        *(scalar_pb(name, value) for name, value in numbers.items()),
    ]
    folder.mkdir(parents=True, exist_ok=True)
    _write_events(folder / f"events.out.tfevents.{int(time.time())}.hparams", summaries)


def _simple(value: Any) -> bool | int | float | str:
    return value if isinstance(value, (bool, int, float, str)) else json.dumps(value, default=str)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _write_events(path: Path, summaries: list[Any]) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.record_writer import RecordWriter

    now = time.time()
    events = [Event(wall_time=now, file_version="brain.Event:2")]
    events += [Event(wall_time=now, step=0, summary=summary) for summary in summaries]
    with path.open("wb") as file:
        writer = RecordWriter(file)
        for event in events:
            writer.write(event.SerializeToString())
        writer.flush()
