"""A backend that pretends to train: epochs of a given length, a checkpoint after each, a result fixed by the trial."""

import contextlib
import json
import os
import time
from pathlib import Path

from edfstat.errors import TrialInterrupted
from edfstat.records import make_record


@contextlib.contextmanager
def sharing(trial):
    """Be counted among the trials that run now; yields how many those are."""
    folder = Path(trial.options.get("device", os.devnull))
    if not folder.is_dir():
        yield lambda: 1
        return
    mark = folder / trial.id
    mark.touch()
    try:
        yield lambda: len(list(folder.iterdir()))
    finally:
        mark.unlink()


def held(trial):
    """Whether the trial may not end yet: all but the first few stay in their last epoch until a file says go."""
    folder = Path(trial.options.get("held", os.devnull))
    if not folder.is_dir() or (folder / "go").exists() or (folder / trial.id).exists():
        return False
    if len(list(folder.iterdir())) >= trial.options.get("but", 0):
        return True
    (folder / trial.id).touch()
    return False


class FakeBackend:
    def run(self, trial, *, directory=None, device="auto", should_stop=None):
        epochs = int(trial.optim.get("max_ep", 3))
        length = float(trial.options.get("epoch_seconds", 0.0))
        state = Path(directory) / "checkpoint.json"
        done = json.loads(state.read_text())["epoch"] if state.exists() else 0
        first = done
        stopped = should_stop or (lambda: False)
        while done < epochs:
            if stopped():
                raise TrialInterrupted
            with sharing(trial) as crowd:
                while done + 1 == epochs and held(trial):
                    if stopped():
                        raise TrialInterrupted
                    time.sleep(0.02)
                time.sleep(length)
                if crowd() > trial.options.get("room", crowd()):
                    return make_record(trial, status="oom", message=f"{crowd()} trials share the device")
            done += 1
            temporary = state.with_name("new")
            temporary.write_text(json.dumps({"epoch": done}))
            temporary.replace(state)
        fate = (trial.options.get("fates") or {}).get(trial.space)
        if fate == "raise":
            raise RuntimeError("as asked")
        if fate == "die":
            os.kill(os.getpid(), 11)
        if fate == "oom":
            return make_record(trial, status="oom", message="out of memory, as asked")
        error = int(trial.id[:6], 16) / 0xFFFFFF * 100
        return make_record(
            trial, min_test_top1=error, test_ep_top1=[error] * epochs, provenance={"began_at_epoch": first}
        )
