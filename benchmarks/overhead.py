"""How much of a trial is not its network: CPU time of `trainers.train` less that of the net's own steps."""

import tempfile
import time
from unittest.mock import patch

import torch

from edfstat import Trial
from trainers import loop, train
from trainers.session import Session


class Clock:
    """CPU seconds spent inside of what is wrapped, counted once where wrapped functions call one another."""

    def __init__(self):
        self.seconds, self.depth, self.begun = 0.0, 0, 0.0

    def enter(self, *_):
        self.begun = self.begun if self.depth else time.process_time()
        self.depth += 1

    def leave(self, *_):
        self.depth -= 1
        if not self.depth:
            self.seconds += time.process_time() - self.begun

    def around(self, function):
        def timed(*args):
            self.enter()
            try:
                return function(*args)
            finally:
                self.leave()

        return timed


def outside_the_net(net, *, precision="auto", images=1280, test_images=256, epochs=2):
    """Percent of the CPU time of the epochs of a trial on this thread that is not the net, and both times.

    The net: forward, backward, optimizer, and the forward passes of the evaluation. Not the net: everything else
    that a trial does each epoch. Starting it (reading images, building the net, the first step) is left out.
    """
    clock, marks = Clock(), []

    class Timed(Session):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            self.step = clock.around(self.step)
            self.net.register_forward_pre_hook(clock.enter)
            self.net.register_forward_hook(clock.leave)

        def epoch(self, *args, **options):
            marks.append((time.process_time(), clock.seconds))
            return super().epoch(*args, **options)

    options = {"train_images": images, "test_images": test_images}
    trial = Trial(
        "benchmark", net, "synthetic", {"precise_bn": 256}, {"max_ep": epochs + 2, "base_lr": 0.01}, 0, options
    )
    threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder, patch.object(loop, "Session", Timed):
        how = {"device": "cpu", "threads": 1, "precision": precision}
        record = train(trial, directory=folder, listener=lambda line: None, **how)
    torch.set_num_threads(threads)
    if record["status"] != "ok":
        raise RuntimeError(f"the trial ended with status {record['status']}: {record['message']}")
    # From the start of the second epoch to that of the last: whole epochs with their checkpoints.
    whole, inside = (marks[-1][i] - marks[1][i] for i in (0, 1))
    return {"percent": 100 * (whole - inside) / whole, "whole": whole, "net": inside, "epochs": epochs}
