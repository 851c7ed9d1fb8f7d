"""A counter that knows only torch modules: hooks on convolutions, batch norms and linear layers."""

import torch
from torch import nn


def counted(network: nn.Module, image_size: int, in_channels: int = 3) -> dict[str, int]:
    """Parameters, multiply-adds, activations and batch-norm outputs, seen in one forward pass of one image."""
    seen = {"macs": 0, "acts": 0, "norms": 0}

    def hook(module: nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        if isinstance(module, nn.Conv2d):
            kernel = module.kernel_size[0] * module.kernel_size[1]
            seen["macs"] += output.numel() * kernel * module.in_channels // module.groups
            seen["acts"] += output.numel()
        elif isinstance(module, nn.Linear):
            seen["macs"] += inputs[0].numel() * module.out_features
            seen["acts"] += output.numel()
        elif isinstance(module, nn.BatchNorm2d):
            seen["norms"] += output.numel()

    handles = [m.register_forward_hook(hook) for m in network.modules() if not list(m.children())]
    device = next(network.parameters()).device
    was_training = network.training
    network.eval()
    with torch.no_grad():
        network(torch.zeros(1, in_channels, image_size, image_size, device=device))
    network.train(was_training)
    for handle in handles:
        handle.remove()
    return {"params": sum(p.numel() for p in network.parameters()), **seen}
