"""A process of `train_many` in which some trials stay where they are after their first epoch, until it is killed."""

import multiprocessing
import os
import time
from typing import Any

from trainers import checkpoints, workers

#: Environment variable with the ids of those trials.
NAMES = "EDFSTAT_TESTS_HELD"


def serve(*settings: Any) -> None:
    """What such a process runs, in place of that of `trainers.workers`."""
    save, parent = checkpoints.save, multiprocessing.parent_process()

    def saved(*place: Any, trial_id: str, state: dict[str, Any]) -> None:
        save(*place, trial_id=trial_id, state=state)
        if trial_id in os.environ[NAMES].split() and len(state["curves"]["train_ep_loss"]) == 1:
            while parent is not None and parent.is_alive():
                time.sleep(0.1)

    checkpoints.save = saved
    workers._serve(*settings)
