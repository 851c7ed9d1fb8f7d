"""A backend that pretends to train: epochs of a given length, a checkpoint after each, a result fixed by the trial."""

import json
import os
import time
from pathlib import Path

from edfstat.errors import TrialInterrupted
from edfstat.records import make_record


class FakeBackend:
    def run(self, trial, *, directory=None, device="auto", should_stop=None):
        epochs = int(trial.optim.get("max_ep", 3))
        length = float(trial.options.get("epoch_seconds", 0.0))
        state = Path(directory) / "checkpoint.json"
        done = json.loads(state.read_text())["epoch"] if state.exists() else 0
        first = done
        while done < epochs:
            if should_stop is not None and should_stop():
                raise TrialInterrupted
            time.sleep(length)
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
