"""Networks: torch modules built from architectures."""

from trainers.nets.building import build
from trainers.nets.cells import CellNet
from trainers.nets.drop_path import DropPath
from trainers.nets.stages import StageNet

__all__ = ["CellNet", "DropPath", "StageNet", "build"]
