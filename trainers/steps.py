"""One optimisation step: eager, or captured once as a CUDA graph and replayed."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainers.evaluation import Autocast
from trainers.recipes import Recipe

__all__ = ["Step", "graphed", "make_optimizer", "make_step", "set_rate"]

#: Takes a batch; gives the sum of losses and the number of wrong answers, on the device.
Step = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def make_optimizer(model: nn.Module, recipe: Recipe, device: torch.device) -> torch.optim.SGD:
    """Fused SGD with the recipe's momentum; weight decay spares 1-D parameters where the recipe says so."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [{"params": parameters, "weight_decay": recipe.weight_decay}]
    if not recipe.decay_norm:
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
    # A captured graph reads the rate from memory; a number would be frozen into it.
    rate = torch.tensor(recipe.base_lr, device=device) if device.type == "cuda" else recipe.base_lr
    return torch.optim.SGD(groups, lr=rate, momentum=recipe.momentum, nesterov=recipe.nesterov, fused=True)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of every group."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def make_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    recipe: Recipe,
    autocast: Autocast,
    *,
    share: float = 1.0,
    combine: Callable[[], None] | None = None,
) -> Step:
    """The step as one function of a batch.

    Parameters
    ----------
    model : Module
    optimizer : Optimizer
    recipe : Recipe
    autocast : callable
        Makes the context of the forward pass.
    share : float, default 1
        Share of the global batch that this process holds; it weighs the loss, whose sum over the processes is
        then the mean over the global batch.
    combine : callable, optional
        Sums the gradients over the processes.

    Returns
    -------
    callable
        (images, labels) -> (`share` times the mean loss of the main head, number wrong), without waiting for the
        device.
    """

    def entropy(logits: Tensor, labels: Tensor) -> Tensor:
        wide = logits if logits.dtype == torch.float64 else logits.float()
        mean = F.cross_entropy(wide, labels, label_smoothing=recipe.label_smoothing)
        return mean if share == 1 else share * mean

    def step(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        optimizer.zero_grad(set_to_none=True)
        with autocast():
            output = model(images)
        main, *extra = (output,) if isinstance(output, Tensor) else output
        loss = total = entropy(main, labels)
        for other in extra:
            total = total + recipe.aux_weight * entropy(other, labels)
        total.backward()  # type: ignore[no-untyped-call]
        if combine is not None:
            combine()
        optimizer.step()
        return loss.detach(), (main.detach().argmax(1) != labels).sum()

    return step


def graphed(
    step: Step,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: tuple[Tensor, Tensor],
    generator: torch.Generator | None,
) -> Step:
    """Capture a step as a CUDA graph: one launch instead of hundreds, which small nets are bound by.

    The steps that warm the libraries up are undone, random numbers included, so the training is meant to be the
    same as without a graph: those drawn inside come from `generator`, which the graph advances. Other threads may
    train meanwhile, but not capture: hold `devices.CAPTURING`.
    """
    drawn = None if generator is None else generator.get_state()
    images, labels = (part.clone(memory_format=torch.preserve_format) for part in batch)
    state = [*model.parameters(), *model.buffers()]
    before = [tensor.detach().clone() for tensor in state]
    momenta = {
        p: s["momentum_buffer"].clone() for p, s in optimizer.state.items() if s.get("momentum_buffer") is not None
    }
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step(images, labels)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    if generator is not None:
        graph.register_generator_state(generator)
    optimizer.zero_grad(set_to_none=True)
    # In a thread with a stream of its own the graph is of that stream: those of one stream share workspaces, which is
    # sound only where they run one after another.
    own = torch.cuda.current_stream()
    stream = None if own == torch.cuda.default_stream() else own
    with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
        loss, wrong = step(images, labels)
    with torch.no_grad():
        for tensor, old in zip(state, before):
            tensor.copy_(old)
        for parameter, slot in optimizer.state.items():
            # A momentum of zero is how SGD starts.
            if parameter in momenta:
                slot["momentum_buffer"].copy_(momenta[parameter])
            elif slot.get("momentum_buffer") is not None:
                slot["momentum_buffer"].zero_()
    if generator is not None and drawn is not None:
        generator.set_state(drawn)

    def replay(new_images: Tensor, new_labels: Tensor) -> tuple[Tensor, Tensor]:
        images.copy_(new_images)
        labels.copy_(new_labels)
        graph.replay()
        return loss, wrong

    return replay
