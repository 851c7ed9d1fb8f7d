"""Images per second of training, the plain loop and ours taking turns: what bench_train_step and gpu measure with.

Every trainee is a process of its own, as a user would start it, and waits while it is not its turn.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from multiprocessing import get_context

import numpy as np

RESNET56 = {"block_type": "res_basic_block", "ds": [1, 9, 9, 9], "ws": [16, 16, 32, 64], "ss": [1, 1, 2, 2]}
SPACES = ("Vanilla", "ResNet", "ResNeXt-A", "ResNeXt-B", "NASNet", "Amoeba", "PNAS", "ENAS", "DARTS")
BATCH = 128


def nets():
    """ResNet-56, and of each space the network of median operations among 101 sampled as the paper samples."""
    from trainers.spaces import CIFAR_CAPS
    from trainers.spaces import SPACES as ALL

    chosen = {"ResNet-56": RESNET56}
    for name in SPACES:
        drawn = ALL[name].sample(101, rng=0, **CIFAR_CAPS)
        order = np.argsort(ALL[name].complexity(drawn)["flops"], kind="stable")
        chosen[name] = drawn[int(order[50])].to_net()
    return chosen


def plain(net, *, device="cpu", threads=1, workers=0, images=12_800):
    """A loop as it is usually written; gives a function that trains for some seconds and says how fast."""
    import torch
    from torch.utils.data import DataLoader

    from benchmarks.plain_loop import Transformed, sgd, stock, train_epoch
    from datasets import synthetic
    from trainers import build

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    data = Transformed(synthetic.make(images), augment=True)
    loader = DataLoader(
        data, BATCH, shuffle=True, drop_last=True, num_workers=workers, persistent_workers=workers > 0,
        pin_memory=device != "cpu",
    )  # fmt: skip
    model = stock(build(net, num_classes=10)).to(device)
    optimizer = sgd(model, lr=0.01)

    def run(seconds):
        # The clock starts with the first batch: starting workers is once an epoch, and epochs here are short.
        batches, begun = 0, 0.0

        def until_over():
            nonlocal batches, begun
            while not begun or time.perf_counter() - begun < seconds:
                for batch in loader:
                    begun = begun or time.perf_counter()
                    yield batch
                    batches += 1
                    if time.perf_counter() - begun >= seconds:
                        return

        train_epoch(model, until_over(), optimizer, device)  # which waits for the device in each step
        return BATCH * batches / (time.perf_counter() - begun)

    return run


def ours(
    net,
    *,
    device="cpu",
    threads=1,
    images=BATCH,
    test_images=10,
    precision="auto",
    graph=True,
    whole=False,
    compile=False,
):
    """`trainers.session`, epoch by epoch, as `trainers.train` runs it.

    The evaluation is kept out, as it is for the plain loop; `whole` counts the time of everything in an epoch.
    """
    from dataclasses import replace

    import torch

    from datasets import synthetic
    from edfstat import Trial
    from trainers import devices
    from trainers.session import Session
    from trainers.task import prepare

    recipe = {"precise_bn": 1024 if whole else 0, "schedule": "constant"}
    how = {"recipe": recipe, "optim": {"max_ep": 10**6, "base_lr": 0.01}}
    task = prepare(Trial("benchmark", net, "synthetic", options={"test_images": 10}, **how))
    task = replace(task, train=synthetic.make(images), test=synthetic.make(test_images, split="test"))
    where = torch.device(device)
    # Entered and not left, as the process is the trial's; held by `run`, as it ends once nobody holds it.
    settings = ExitStack()
    settings.enter_context(devices.settings(where, threads))
    session = Session(task, where, precision=precision, compile=compile)
    session.capture = session.capture and graph
    epochs = iter(range(10**6))

    def run(seconds, _held=settings):
        begun = time.perf_counter()
        seen = []
        while time.perf_counter() - begun < seconds:
            seen.append(session.epoch(next(epochs)))
        spent = time.perf_counter() - begun if whole else sum(one.seconds for one in seen)
        return sum(one.images for one in seen) / spent

    return run


def ours_in_threads(net, *, number, device="cpu", **options):
    """Several of `ours` in one process, in threads with a CUDA stream each, as where there is no MPS."""
    import torch

    from trainers import devices

    where = torch.device(device)
    # A thread for each, as what it trains stays in its stream.
    lanes = [ThreadPoolExecutor(1, initializer=devices.own_stream, initargs=(where,)) for _ in range(number)]

    starting = [lane.submit(ours, net, device=device, **options) for lane in lanes]
    runs = [done.result() for done in starting]

    def run(seconds):
        training = [lane.submit(one, seconds) for lane, one in zip(lanes, runs)]
        return sum([done.result() for done in training])

    return run


def _serve(pipe, make, net, options):
    run = make(net, **options)
    run(0.001)  # warm-up: one step or epoch
    pipe.send("ready")
    while (seconds := pipe.recv()) is not None:
        pipe.send(run(seconds))


class Team:
    """Processes that train side by side when told to; `ready` waits until they can."""

    #: Seconds after which a process that does not answer is given up.
    PATIENCE = 150

    def __init__(self, size, make, net, **options):
        context = get_context("spawn")
        self.members = []
        for _ in range(size):
            here, there = context.Pipe()
            # No daemons, as a DataLoader starts processes itself.
            process = context.Process(target=_serve, args=(there, make, net, options))
            process.start()
            there.close()
            self.members.append((process, here))

    def ready(self):
        """Wait until all have made a first step; gives the team itself."""
        for _, pipe in self.members:
            self._answer(pipe)
        return self

    def _answer(self, pipe):
        try:
            if pipe.poll(self.PATIENCE):
                return pipe.recv()
        except EOFError:
            raise RuntimeError("a process that was to be measured ended; its output says why") from None
        raise RuntimeError(f"a process that was to be measured did not answer for {self.PATIENCE} s")

    def run(self, seconds):
        """Train for about that long; images per second in all."""
        for _, pipe in self.members:
            pipe.send(seconds)
        return sum([self._answer(pipe) for _, pipe in self.members])

    def close(self):
        """End the processes."""
        for _, pipe in self.members:
            with suppress(OSError):
                pipe.send(None)
        for process, pipe in self.members:
            process.join(10)
            process.kill()
            process.join()
            pipe.close()


def in_turns(starts, seconds, rounds):
    """Images per second of each team in each round; teams take turns.

    `starts` maps names to functions that start a `Team`; all are started at once and ended here.
    """
    teams = {}
    try:
        for name, start in starts.items():
            teams[name] = start()
        for team in teams.values():
            team.ready()
        rates = [[team.run(seconds) for team in teams.values()] for _ in range(rounds)]
    finally:
        for team in teams.values():
            team.close()
    return dict(zip(teams, map(list, zip(*rates))))
