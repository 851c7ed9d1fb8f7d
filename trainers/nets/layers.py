"""The few layers that every network is made of, and how they are initialised."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainers.nets import cpu, fusing, gpu
from trainers.nets.convolutions import conv

__all__ = [
    "AuxiliaryHead",
    "FactorizedReduction",
    "Layers",
    "SqueezeExcitation",
    "initialise",
    "norm_relu",
    "stage_stem",
]


class Layers(nn.Sequential):
    """Layers one after another, by fewer passes over the images where kernels of this package take several at once."""

    def forward(self, x: Tensor, added: Tensor | None = None) -> Tensor:
        """Output of the last layer; with `added`, the ReLU of both together."""
        if cpu.fused(x):
            return fusing.on_cpu(self, x, added)
        if gpu.fused(x):
            return fusing.on_gpu(self, x, added)
        for layer in self:
            x = layer(x)
        return x if added is None else functional.relu(added + x, inplace=True)


def norm_relu(channels: int) -> list[nn.Module]:
    """Batch norm and ReLU, which follow nearly every convolution."""
    return [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]


def stage_stem(stem: str, inputs: int, width: int) -> Layers:
    """First layers of a stage-wise network; see `trainers.spaces.complexity` for the names."""
    if stem == "imagenet":
        wide = nn.Conv2d(inputs, width, 7, stride=2, padding=3, bias=False)
        return Layers(wide, *norm_relu(width), nn.MaxPool2d(3, stride=2, padding=1))
    return Layers(conv(inputs, width, 3, stride=2 if stem == "simple" else 1), *norm_relu(width))


class FactorizedReduction(nn.Module):
    """Halve the resolution by two strided 1x1 convolutions, the second on the image shifted by one pixel.

    ReLU comes before it, where others share it.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = conv(inputs, outputs // 2, 1, stride=2)
        self.second = conv(inputs, outputs - outputs // 2, 1, stride=2)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Input of shape (n, inputs, h, w) at half the resolution, rounded up."""
        # At odd sizes the shifted image is one pixel short of what the other convolution sees.
        missing = (0, x.shape[3] % 2, 0, x.shape[2] % 2)
        shifted = functional.pad(x[:, :, 1:, 1:], missing) if any(missing) else x[:, :, 1:, 1:]
        joined: Tensor = self.norm(torch.cat([self.first(x), self.second(shifted)], dim=1))
        return joined


class AuxiliaryHead(nn.Module):
    """Classifier on features from two thirds of the depth, for deep supervision while training.

    Parameters
    ----------
    channels : int
        Channels of the features.
    classes : int
    imagenet : bool
        ImageNet's head pools with stride 2 and has no second batch norm.
    """

    def __init__(self, channels: int, classes: int, *, imagenet: bool) -> None:
        super().__init__()
        self.stride = 2 if imagenet else 3
        self.squeeze = Layers(conv(channels, 128, 1), *norm_relu(128))
        second = [nn.ReLU(inplace=True)] if imagenet else norm_relu(768)
        self.features = Layers(nn.Conv2d(128, 768, 2, bias=False), *second)
        self.classifier = nn.Linear(768, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits from features of shape (n, channels, h, w), of any size."""
        x = functional.relu(x)
        if min(x.shape[2:]) >= 5 + self.stride:
            x = functional.avg_pool2d(x, 5, stride=self.stride)
        else:
            # Images smaller than CIFAR's leave no 2x2 windows; pool to 2x2 whatever there is.
            x = functional.adaptive_avg_pool2d(x, 2)
        x = self.features(self.squeeze(x))
        logits: Tensor = self.classifier(x.mean(dim=(2, 3)))
        return logits


class SqueezeExcitation(nn.Module):
    """Scale each channel by what two small layers make of all channels' means.

    Parameters
    ----------
    channels : int
        Channels to scale.
    squeezed : int
        Channels between the two layers.
    """

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.excite = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Scaled channels, of the shape of the input (n, channels, h, w)."""
        means = x.mean(dim=(2, 3), keepdim=True)
        scale: Tensor = torch.sigmoid(self.excite(functional.relu(self.squeeze(means))))
        return x * scale


def initialise(network: nn.Module) -> None:
    """Fan-out Gaussian convolutions, unit batch norms, small classifiers, as the authors' code has them."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
            nn.init.normal_(module.weight, 0.0, math.sqrt(2.0 / fan_out))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0.0, 0.01)
            nn.init.zeros_(module.bias)
