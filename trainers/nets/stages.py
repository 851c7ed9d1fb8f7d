"""Stage-wise networks as torch modules."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from trainers.nets.casting import cast_weights
from trainers.nets.convolutions import conv
from trainers.nets.drop_path import DropPath
from trainers.nets.layers import AuxiliaryHead, Layers, SqueezeExcitation, norm_relu, stage_stem
from trainers.spaces.stages import StageArchitecture

__all__ = ["Residual", "StageNet"]


class Residual(nn.Module):
    """A path beside a shortcut, then ReLU; the shortcut is projected where width or resolution change."""

    def __init__(self, path: Layers, inputs: int, outputs: int, stride: int, drop_path: DropPath) -> None:
        super().__init__()
        self.path = path
        self.drop_path = drop_path
        self.projection = (
            Layers(conv(inputs, outputs, 1, stride=stride), nn.BatchNorm2d(outputs))
            if stride != 1 or inputs != outputs
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """Output of shape (n, outputs, h / stride, w / stride)."""
        shortcut = x if self.projection is None else self.projection(x)
        if self.drop_path.dropping:
            return functional.relu(shortcut + self.drop_path(self.path(x)), inplace=True)
        output: Tensor = self.path(x, shortcut)
        return output


class StageNet(nn.Module):
    """Stem, stages, pooling and classifier of a `StageArchitecture`.

    While training with an auxiliary head, a call returns the logits and the auxiliary logits; else the logits.
    """

    def __init__(
        self,
        arch: StageArchitecture,
        *,
        num_classes: int,
        in_channels: int,
        stem: str,
        aux: bool,
    ) -> None:
        super().__init__()
        self.drop_path = DropPath()
        self.stem = stage_stem(stem, in_channels, arch.stem_width)
        self.stages = nn.ModuleList()
        width = arch.stem_width
        for stage, outputs in enumerate(arch.widths):
            self.stages.append(_stage(arch, stage, width, self.drop_path))
            width = outputs
        # The last stage but one, where a cell network of three resolutions has its head, too.
        self.aux_at = max(0, len(arch.widths) - 2)
        self.auxiliary = AuxiliaryHead(arch.widths[self.aux_at], num_classes, imagenet=stem != "cifar") if aux else None
        self.classifier = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Logits of images (n, channels, h, w); with the auxiliary ones while training with that head."""
        with cast_weights(self, x):
            return self._logits(x)

    def _logits(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        x = self.stem(x)
        side = None
        for position, stage in enumerate(self.stages):
            x = stage(x)
            if self.auxiliary is not None and self.training and position == self.aux_at:
                side = self.auxiliary(x)
        logits: Tensor = self.classifier(x.mean(dim=(2, 3)))
        return logits if side is None else (logits, side)

    def set_drop_path(self, probability: float) -> None:
        """Drop each residual path with this probability while training; blocks without shortcut have none."""
        self.drop_path.set(probability)


def _stage(arch: StageArchitecture, stage: int, inputs: int, drop_path: DropPath) -> nn.Sequential:
    outputs, stride = arch.widths[stage], arch.strides[stage]
    blocks = []
    for block in range(arch.depths[stage]):
        before, step = (inputs, stride) if block == 0 else (outputs, 1)
        if arch.block == "bottleneck":
            path = _bottleneck(before, arch.inner_widths[stage], outputs, step, arch.groups[stage])
            if arch.se_ratio:
                # After the 3x3 convolution's ReLU, before the last 1x1.
                path.insert(6, SqueezeExcitation(arch.inner_widths[stage], arch.squeezed_widths[stage][block > 0]))
        else:
            path = _two_convolutions(before, outputs, step)
        blocks.append(
            Layers(*path, nn.ReLU(inplace=True))
            if arch.block == "vanilla"
            else Residual(Layers(*path), before, outputs, step, drop_path)
        )
    return nn.Sequential(*blocks)


def _two_convolutions(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    first = conv(inputs, outputs, 3, stride=stride)
    return [first, *norm_relu(outputs), conv(outputs, outputs, 3), nn.BatchNorm2d(outputs)]


def _bottleneck(inputs: int, inner: int, outputs: int, stride: int, groups: int) -> list[nn.Module]:
    middle = conv(inner, inner, 3, stride=stride, groups=groups)
    return [
        conv(inputs, inner, 1), *norm_relu(inner), middle, *norm_relu(inner),
        conv(inner, outputs, 1), nn.BatchNorm2d(outputs),
    ]  # fmt: skip
