"""Cell networks as torch modules."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import relu

from trainers.nets.casting import cast_weights
from trainers.nets.convolutions import conv
from trainers.nets.drop_path import DropPath
from trainers.nets.joining import joined
from trainers.nets.layers import AuxiliaryHead, FactorizedReduction, Layers
from trainers.nets.operations import Nothing, operation, reads_rectified
from trainers.spaces.genotypes import CellArchitecture, Edge

__all__ = ["Cell", "CellNet"]


class Cell(nn.Module):
    """One cell: both inputs brought to `channels`, then the nodes, then the joined outputs.

    Parameters
    ----------
    edges : sequence of (str, int)
        Two per node.
    concat : sequence of int
        Indices whose outputs are joined.
    older, newer : int
        Channels of the two inputs.
    channels : int
        Channels inside the cell.
    reduces, after_reduction : bool
        Whether this cell halves the resolution, and whether the one before it did.
    drop_path : DropPath
    """

    def __init__(
        self,
        edges: tuple[Edge, ...],
        concat: tuple[int, ...],
        older: int,
        newer: int,
        channels: int,
        *,
        reduces: bool,
        after_reduction: bool,
        drop_path: DropPath,
    ) -> None:
        super().__init__()
        self.older = FactorizedReduction(older, channels) if after_reduction else _pointwise(older, channels)
        self.newer = _pointwise(newer, channels)
        self.reads = tuple(index for _, index in edges)
        self.concat = concat
        self.drop_path = drop_path
        self.operations = nn.ModuleList(
            operation(name, channels, 2 if reduces and index < 2 else 1) for name, index in edges
        )

    def forward(self, older: Tensor, newer: Tensor) -> Tensor:
        """Joined nodes, shape (n, len(concat) x channels, h, w), from two inputs after ReLU."""
        states = [self.older(older), self.newer(newer)]
        rectified: dict[int, Tensor] = {}
        for first in range(0, len(self.operations), 2):
            # Zeros need not be added: what is `none` beside another edge costs nothing.
            edges = [edge for edge in (first, first + 1) if not isinstance(self.operations[edge], Nothing)]
            paths = [self._edge(edge, states, rectified) for edge in edges or [first]]
            states.append(paths[0] if len(paths) == 1 else paths[0] + paths[1])
        return joined([states[index] for index in self.concat])

    def _edge(self, edge: int, states: list[Tensor], rectified: dict[int, Tensor]) -> Tensor:
        module, index = self.operations[edge], self.reads[edge]
        if reads_rectified(module) and index not in rectified:
            # Once for all edges that read it, forwards and backwards.
            rectified[index] = relu(states[index])
        result: Tensor = module(rectified[index] if reads_rectified(module) else states[index])
        # Dropping an identity would cut the only way around the others.
        return result if isinstance(module, nn.Identity | Nothing) else self.drop_path(result)


class CellNet(nn.Module):
    """Stem, cells, pooling and classifier of a `CellArchitecture`.

    While training with an auxiliary head, a call returns the logits and the auxiliary logits; else the logits.
    """

    def __init__(self, arch: CellArchitecture, *, num_classes: int, in_channels: int, stem: str, aux: bool) -> None:
        super().__init__()
        self.drop_path = DropPath()
        imagenet = stem == "imagenet"
        channels = arch.width
        self.second_stem: Layers | None = None
        if imagenet:
            half = channels // 2
            self.stem = Layers(*_stem_part(in_channels, half, 2), nn.ReLU(inplace=True), *_stem_part(half, channels, 2))
            self.second_stem = Layers(*_stem_part(channels, channels, 2))
            older = newer = channels
        else:
            self.stem = Layers(*_stem_part(in_channels, 3 * channels, 1))
            older = newer = 3 * channels
        self.cells = nn.ModuleList()
        self.aux_at = 2 * arch.depth // 3
        self.auxiliary = None
        after_reduction = imagenet
        for position in range(arch.depth):
            reduces = position in arch.reductions
            channels *= 2 if reduces else 1
            edges, concat = (arch.reduce, arch.reduce_concat) if reduces else (arch.normal, arch.normal_concat)
            cell = Cell(
                edges,
                concat,
                older,
                newer,
                channels,
                reduces=reduces,
                after_reduction=after_reduction,
                drop_path=self.drop_path,
            )
            self.cells.append(cell)
            older, newer, after_reduction = newer, len(concat) * channels, reduces
            if aux and position == self.aux_at:
                self.auxiliary = AuxiliaryHead(newer, num_classes, imagenet=imagenet)
        self.classifier = nn.Linear(newer, num_classes)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Logits of images (n, channels, h, w); with the auxiliary ones while training with that head."""
        with cast_weights(self, x):
            return self._logits(x)

    def _logits(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        older = newer = relu(self.stem(x), inplace=True)
        if self.second_stem is not None:
            newer = relu(self.second_stem(older), inplace=True)
        side = None
        for position, cell in enumerate(self.cells):
            output = cell(older, newer)
            # All that reads it begins with ReLU, but for the pooling at the end.
            last = position + 1 == len(self.cells)
            older, newer = newer, output if last else relu(output, inplace=True)
            if self.auxiliary is not None and self.training and position == self.aux_at:
                side = self.auxiliary(newer)
        logits: Tensor = self.classifier(newer.mean(dim=(2, 3)))
        return logits if side is None else (logits, side)

    def set_drop_path(self, probability: float) -> None:
        """Drop each path of a cell that is no identity with this probability while training."""
        self.drop_path.set(probability)


def _pointwise(inputs: int, outputs: int) -> Layers:
    return Layers(conv(inputs, outputs, 1), nn.BatchNorm2d(outputs))


def _stem_part(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    return [conv(inputs, outputs, 3, stride=stride), nn.BatchNorm2d(outputs)]
