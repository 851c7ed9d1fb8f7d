"""A network in training: its state on the device, and what one epoch does to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from edfstat.errors import InputError
from trainers import devices, outcomes, parallel, steps, ways
from trainers.evaluation import count_wrong, precise_norm
from trainers.feeds import EPOCH, MODEL, DeviceFeed, Feed, seed_of
from trainers.schedules import learning_rate
from trainers.task import Task

if TYPE_CHECKING:
    from trainers.nets.drop_path import DropPath

__all__ = ["Part", "Seen", "Session"]

#: Several processes must ask one another whether to stop, which costs; they do so every so many steps.
ASKED = 16


@dataclass(frozen=True)
class Seen:
    """What an epoch gave: mean loss, errors in percent, the rate at its start, images and seconds of training.

    The test error is None where the loss, or the outputs for every test image, were not finite.
    """

    loss: float
    train_error: float | None
    test_error: float | None
    rate: float
    images: int
    seconds: float


@dataclass(frozen=True)
class Part:
    """An epoch that was left after some of its steps: sums over these, seconds, and the states of generators.

    After all of its steps, where it was left in the evaluation: that begins anew.
    """

    step: int
    loss: float
    wrong: int
    seconds: float
    drawn: dict[str, Tensor]

    @classmethod
    def from_values(cls, kept: dict[str, Any], steps: int) -> Part:
        """The part whose fields a checkpoint holds, of an epoch of so many steps.

        Raises
        ------
        ValueError, LookupError, TypeError
            If one lacks or makes no sense.
        """
        part = cls(
            int(kept["step"]), float(kept["loss"]), int(kept["wrong"]), float(kept["seconds"]), dict(kept["drawn"])
        )
        if not 0 < part.step <= steps:
            raise ValueError(f"it is of step {part.step} of {steps}")
        if not all(isinstance(state, Tensor) for state in part.drawn.values()):
            raise ValueError("its states of generators are no tensors")
        return part


class Session:
    """Net, optimizer and images of a task on a device.

    Parameters
    ----------
    task : Task
    device : torch.device
    precision : str
    compile : bool
    """

    def __init__(self, task: Task, device: torch.device, *, precision: str, compile: bool) -> None:
        from trainers.nets import build

        self.task, self.device, self.recipe = task, device, task.recipe
        self.rank, self.world = parallel.place()
        self.precision, self.autocast = devices.autocast_for(device, precision, task.complexity["flops"])
        # Initialised on the CPU: the same weights whatever the device.
        with devices.drawing(seed_of(task.trial.seed, MODEL)):
            net = build(
                task.architecture, num_classes=task.train.num_classes, in_channels=task.train.in_channels,
                image_size=task.recipe.image_size, stem=task.stem, aux=task.recipe.aux_weight > 0,
            )  # fmt: skip
        self.net = parallel.synced(net, self.world).to(device).to(memory_format=torch.channels_last)
        self.drop_path: DropPath = cast(Any, self.net).drop_path
        self.optimizer = steps.make_optimizer(self.net, self.recipe, device)
        self.feed = self._feed()
        self.model = cast(nn.Module, torch.compile(self.net)) if compile else self.net
        self.step = self._step()
        # Capture pays where launches bound the step.
        self.capture = device.type == "cuda" and self.world == 1 and not compile

    @property
    def way(self) -> ways.Way:
        """What its numbers depend on beside the trial itself."""
        return {
            "precision": self.precision, "threads": torch.get_num_threads(), "kernels": self._kernels(),
        }  # fmt: skip

    def _kernels(self) -> str:
        """What compiled the kernels that compute layers, as these differ by rounding; ``torch`` for its own.

        With `compile` this package's own compute the evaluation alone.
        """
        from trainers.nets import cpu, cpu_conv, cpu_norm, gpu
        from trainers.nets.convolutions import Conv

        if self.model is not self.net:
            return "torch.compile"
        if self.device.type == "cuda":
            return "triton" if self.precision == "bf16" and gpu.available() else "torch"
        suited = any(
            (isinstance(layer, Conv) and cpu_conv.suits(layer))
            or (isinstance(layer, nn.BatchNorm2d) and cpu_norm.suits(layer))
            for layer in self.net.modules()
        )
        return "c" if suited and cpu.fused(torch.empty(0)) else "torch"

    def _step(self) -> steps.Step:
        if self.world == 1:
            return steps.make_step(self.model, self.optimizer, self.recipe, self.autocast)
        batch = min(self.recipe.batch_size, self.feed.train_images)
        if batch < self.world:
            raise InputError(f"a batch of {batch} images is too small for {self.world} processes; start fewer")
        self.drop_path.split(batch, self.rank, self.world)
        return steps.make_step(
            self.model, self.optimizer, self.recipe, self.autocast,
            share=parallel.share_of(batch, self.rank, self.world),
            combine=lambda: parallel.sum_gradients(self.net.parameters()),
        )  # fmt: skip

    def _feed(self) -> Feed:
        place: dict[str, Any] = {"recipe": self.recipe, "device": self.device, "seed": self.task.trial.seed}
        if self.task.streams:
            from trainers.streams import StreamFeed

            return StreamFeed(self.task.train, self.task.test, rank=self.rank, world=self.world, **place)
        return DeviceFeed(self.task.train, self.task.test, rank=self.rank, world=self.world, **place)

    def epoch(
        self,
        epoch: int,
        *,
        part: Part | None = None,
        out_of_time: Callable[[], bool] | None = None,
        pause: Callable[[], bool] | None = None,
        trace: Path | None = None,
    ) -> Seen | Part:
        """Train one epoch and evaluate; or, where `pause` says so after a step, train a part of it.

        `part` is what an earlier call left of it.

        Raises
        ------
        Stopped
            If `out_of_time` says so between two steps.
        """
        # An epoch's random numbers depend on the seed and its number alone: that is what makes resuming exact.
        self._seed(seed_of(self.task.trial.seed, EPOCH, epoch, 1), part)
        self.drop_path.set(self.recipe.drop_path * epoch / self.recipe.epochs)
        begun = time.perf_counter()
        with _profiler(trace, self.feed.steps - (part.step if part else 0)) as profiler:
            done, sums, paused = self._train(epoch, part, out_of_time, pause, profiler)
        # The one moment in which the host waits for the device.
        loss, wrong = parallel.total(sums, self.world).tolist()
        seconds = time.perf_counter() - begun + (part.seconds if part else 0.0)
        mean_loss = loss / self.feed.steps
        counts: Tensor | None = None
        if not paused and outcomes.clean(mean_loss, 5) is not None:
            counts = self._evaluate(epoch, pause)
            paused = counts is None
        if paused:
            return Part(done, loss, int(wrong), seconds, self._drawn())
        images = self.feed.steps * min(self.recipe.batch_size, self.feed.train_images)
        test_error = None if counts is None else self._test_error(counts)
        return Seen(mean_loss, round(100 * wrong / images, 4), test_error, self._rate(epoch), images, seconds)

    def _evaluate(self, epoch: int, pause: Callable[[], bool] | None) -> Tensor | None:
        """What `count_wrong` gives, after precise batch-norm statistics; None if `pause` says so."""
        if self.recipe.precise_bn:
            precise_norm(self.net, self.feed, epoch, self.autocast)
        return count_wrong(
            self.net, self.feed, self.autocast, pause=lambda done: pause is not None and self._ask(done) and pause()
        )

    def _test_error(self, counts: Tensor) -> float | None:
        wrong, lost = parallel.total(counts.to(self.device), self.world).tolist()
        return round(100 * wrong / self.feed.test_images, 4) if lost < self.feed.test_images else None

    def _ask(self, done: int) -> bool:
        """Whether to look at the clock after so many steps or test batches."""
        return self.world == 1 or done % ASKED == 1

    def _seed(self, seed: int, part: Part | None) -> None:
        """Let the network draw as this seed says, from where a part of the epoch left off."""
        if self.model is self.net:
            self.drop_path.seed(seed)
        else:
            torch.manual_seed(seed)  # a generator of its own would cut a compiled network in pieces
        if part is not None:
            for name, generator in self._generators().items():
                if name in part.drawn:  # else it was trained in another way, or elsewhere
                    generator.set_state(part.drawn[name])

    def _generators(self) -> dict[str, torch.Generator]:
        """What the network draws from, by names that tell its kinds apart."""
        own, on_gpu = self.drop_path.generator, self.device.type == "cuda"
        if self.model is self.net:
            return {} if own is None else {f"own, {self.device.type}": own}
        if not on_gpu:
            return {"torch's, cpu": torch.default_generator}
        index = torch.cuda.current_device() if self.device.index is None else self.device.index
        return {"torch's, cpu": torch.default_generator, "torch's, cuda": torch.cuda.default_generators[index]}

    def _drawn(self) -> dict[str, Tensor]:
        return {name: generator.get_state() for name, generator in self._generators().items()}

    def _train(
        self,
        epoch: int,
        part: Part | None,
        out_of_time: Callable[[], bool] | None,
        pause: Callable[[], bool] | None,
        profiler: Any,
    ) -> tuple[int, Tensor, bool]:
        """Steps that are done, the sums of their losses and wrong answers, and whether it paused there."""
        self.model.train()
        steps.set_rate(self.optimizer, self._rate(epoch))
        # What all processes did of a part is in the sums of the first.
        start, before, missed = (part.step, part.loss, part.wrong) if part else (0, 0.0, 0)
        loss = torch.full((), before if self.rank == 0 else 0.0, device=self.device, dtype=torch.float64)
        wrong = torch.full((), missed if self.rank == 0 else 0, device=self.device, dtype=torch.int64)
        done, paused = start, False
        for done, (images, labels) in enumerate(self.feed.train(epoch, start), start + 1):
            if self.recipe.lr_step == "iteration":
                steps.set_rate(self.optimizer, self._rate(epoch + (done - 1) / self.feed.steps))
            # A graph keeps which layers were captured: with drop path they are all there from the second epoch on.
            if self.capture and (epoch > 0 or not self.recipe.drop_path):
                with devices.CAPTURING:
                    self.step = steps.graphed(
                        self.step, self.net, self.optimizer, (images, labels), self.drop_path.generator
                    )
                self.capture = False
            one, misses = self.step(images, labels)
            loss += one
            wrong += misses
            if profiler is not None:
                profiler.step()
            if not self._ask(done):
                continue
            if out_of_time is not None and out_of_time():
                raise outcomes.Stopped("timeout", f"the time limit was reached in epoch {epoch + 1}")
            paused = pause is not None and pause()
            if paused:
                break
        return done, torch.stack([loss, wrong.double()]), paused

    def _rate(self, epoch: float) -> float:
        recipe = self.recipe
        return learning_rate(
            epoch, base_lr=recipe.base_lr, epochs=recipe.epochs, warmup_epochs=recipe.warmup_epochs,
            schedule=recipe.schedule,
        )  # fmt: skip

    def state(self) -> dict[str, Any]:
        """Tensors that a checkpoint holds."""
        return {"net": self.net.state_dict(), "optimizer": self.optimizer.state_dict()}

    def check_state(self, state: dict[str, Any]) -> None:
        """Refuse what `load_state` could not go on from.

        Raises
        ------
        ValueError, LookupError, TypeError, AttributeError
            If something lacks, or is of another form than this network's.
        """
        if unknown := sorted(set(state["net"]) - set(self.net.state_dict())):
            raise ValueError(f"{unknown[0]} is no tensor of this network")
        weights = [p for group in self.optimizer.param_groups for p in group["params"]]
        pairs = [(name, tensor, state["net"][name]) for name, tensor in self.net.state_dict().items()]
        for place, slot in state["optimizer"]["state"].items():
            pairs += [(f"{name} of weight {place}", weights[place], part) for name, part in slot.items()]
        for name, ours, theirs in pairs:
            if theirs is not None and theirs.shape != ours.shape:
                raise ValueError(f"{name} has the shape {tuple(theirs.shape)}, not {tuple(ours.shape)}")

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.net.load_state_dict(state["net"])
        # Only the momenta: the rate of this run's groups lies where this run's device reads it.
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({**state["optimizer"], "param_groups": groups})


def _profiler(trace: Path | None, steps: int) -> Any:
    if trace is None:
        return nullcontext()
    kinds = [torch.profiler.ProfilerActivity.CPU]
    if torch.cuda.is_available():
        kinds.append(torch.profiler.ProfilerActivity.CUDA)
    # One step is let go and one warms the profiler up; five after them are written. Of two, all that there are.
    schedule = torch.profiler.schedule(wait=1, warmup=1, active=5, repeat=1) if steps > 2 else None
    return torch.profiler.profile(
        activities=kinds, record_shapes=True, schedule=schedule,
        on_trace_ready=lambda done: done.export_chrome_trace(str(trace)),
    )  # fmt: skip
