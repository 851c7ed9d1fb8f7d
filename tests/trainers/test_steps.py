"""Steps of optimisation against the arithmetic by hand, and what changes from one to the next."""

import contextlib
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import trainers.session
import trainers.steps
from tests.trainers.trials import trial
from trainers.recipes import resolve
from trainers.session import Session
from trainers.steps import Step, make_optimizer, make_step
from trainers.task import prepare

RNG = np.random.default_rng(0)
IMAGES, LABELS = RNG.normal(size=(6, 5)), np.array([0, 1, 2, 0, 1, 1])


class Heads(nn.Module):
    """A linear layer with biases, and one without for the auxiliary head."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.from_numpy(RNG.normal(size=(3, 5))))
        self.bias = nn.Parameter(torch.from_numpy(RNG.normal(size=3)))
        self.side = nn.Parameter(torch.from_numpy(RNG.normal(size=(3, 5))))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x @ self.weight.T + self.bias, x @ self.side.T


def entropy(logits: np.ndarray, smoothing: float) -> tuple[float, np.ndarray]:
    """Mean cross-entropy with a share of each label spread over all classes, and its gradient."""
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    wanted = (1 - smoothing) * np.eye(3)[LABELS] + smoothing / 3
    return float(-(wanted * np.log(chances)).sum(1).mean()), (chances - wanted) / len(LABELS)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"nesterov": False, "momentum": 0.5},
        {"weight_decay": 0.3},
        {"weight_decay": 0.3, "decay_norm": False},
        {"label_smoothing": 0.2},
        {"aux_weight": 0.4, "label_smoothing": 0.1},
    ],
    ids=lambda settings: ", ".join(settings) or "default",
)
def test_two_steps_by_hand(settings: dict[str, Any]) -> None:
    recipe = resolve({"base_lr": 0.5, **settings})
    net = Heads()
    weights = [p.detach().numpy().copy() for p in (net.weight, net.bias, net.side)]
    step = make_step(net, make_optimizer(net, recipe, torch.device("cpu")), recipe, contextlib.nullcontext)
    speeds = [np.zeros_like(w) for w in weights]
    for _ in range(2):
        loss, wrong = step(torch.from_numpy(IMAGES), torch.from_numpy(LABELS))
        logits = IMAGES @ weights[0].T + weights[1]
        expected, slope = entropy(logits, recipe.label_smoothing)
        _, aside = entropy(IMAGES @ weights[2].T, recipe.label_smoothing)
        assert float(loss) == pytest.approx(expected, rel=1e-12), "of the main head alone"
        assert int(wrong) == (logits.argmax(1) != LABELS).sum()
        gradients = [slope.T @ IMAGES, slope.sum(0), recipe.aux_weight * (aside.T @ IMAGES)]
        for i, (weight, gradient) in enumerate(zip(weights, gradients)):
            decay = recipe.weight_decay if weight.ndim > 1 or recipe.decay_norm else 0.0
            change = gradient + decay * weight
            speeds[i] = recipe.momentum * speeds[i] + change
            weights[i] = weight - 0.5 * (change + recipe.momentum * speeds[i] if recipe.nesterov else speeds[i])
    for ours, by_hand in zip((net.weight, net.bias, net.side), weights):
        np.testing.assert_allclose(ours.detach().numpy(), by_hand, rtol=1e-12)


def session(**recipe: Any) -> Session:
    """Two steps of 200 images an epoch."""
    task = prepare(trial(4, recipe={"batch_size": 200, **recipe}))
    return Session(task, torch.device("cpu"), precision="fp32", compile=False)


@pytest.mark.parametrize(("lr_step", "times"), [("epoch", [0, 0, 1, 1]), ("iteration", [0, 0.5, 1, 1.5])])
def test_the_rate_of_every_step(lr_step: str, times: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    ours, rates = session(lr_step=lr_step), []
    step = ours.step

    def watched(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        rates.append(ours.optimizer.param_groups[0]["lr"])
        return step(images, labels)

    ours.step = watched
    for epoch in range(2):
        ours.epoch(epoch)
    assert rates == pytest.approx([0.05 * (1 + np.cos(np.pi * t / 4)) for t in times])


class Graph:
    """Stands for a CUDA graph: what is done while it is captured is done again, in the same tensors, at each replay."""

    def __init__(self, step: Step) -> None:
        self.eager, self.generators = step, list[torch.Generator]()

    def register_generator_state(self, generator: torch.Generator) -> None:
        self.generators.append(generator)

    def step(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        self.batch, self.result = (images, labels), self.eager(images, labels)
        return self.result

    def replay(self) -> None:
        for kept, new in zip(self.result, self.eager(*self.batch)):
            kept.copy_(new)


@pytest.mark.parametrize(
    "recipe", [{"precise_bn": 0}, {"drop_path": 0.3}, {"lr_step": "iteration", "decay_norm": False}], ids=str
)
def test_what_warms_a_graph_up_leaves_no_trace(recipe: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights, statistics, momenta and random numbers: all as if the first step that counts were the first."""
    eager, captured = session(**recipe), session(**recipe)
    wanted = [eager.epoch(epoch) for epoch in range(4)]
    graph = Graph(captured.step)
    stream = SimpleNamespace(wait_stream=lambda other: None)
    for name in ("Stream", "current_stream", "default_stream"):
        monkeypatch.setattr(torch.cuda, name, lambda: stream)
    monkeypatch.setattr(torch.cuda, "stream", contextlib.nullcontext)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: graph)
    monkeypatch.setattr(torch.cuda, "graph", lambda *_, **__: contextlib.nullcontext())
    captured.step, captured.capture = graph.step, True
    found = [captured.epoch(epoch) for epoch in range(4)]
    assert not captured.capture
    assert graph.generators == [captured.drop_path.generator]
    for ours, theirs in zip(found, wanted):
        assert (ours.loss, ours.train_error, ours.test_error) == (theirs.loss, theirs.train_error, theirs.test_error)
    for name, value in eager.net.state_dict().items():
        assert torch.equal(value, captured.net.state_dict()[name]), name


def test_the_chance_of_dropping_rises_from_nothing_by_epochs() -> None:
    ours, seen = session(drop_path=0.2), []
    for epoch in range(4):
        ours.epoch(epoch)
        seen.append(float(ours.drop_path.probability))
    assert seen == pytest.approx([0, 0.05, 0.1, 0.15])


@pytest.mark.parametrize("images", [0, 200])
def test_statistics_are_taken_anew_where_the_recipe_says_so(images: int, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    monkeypatch.setattr(trainers.session, "precise_norm", lambda net, feed, epoch, autocast: taken.append(epoch))
    session(precise_bn=images).epoch(1)
    assert taken == ([1] if images else [])
