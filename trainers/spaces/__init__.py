"""Design spaces: sets of architectures, their exact sizes and complexities, and uniform samples. No torch."""

from trainers.spaces.architectures import Architecture, as_architecture
from trainers.spaces.catalogue import CIFAR_CAPS, SPACES
from trainers.spaces.cells import CellSpace
from trainers.spaces.counting import CONVENTIONS, complexity
from trainers.spaces.definitions import from_dict, space_named
from trainers.spaces.drawing import draw, save_drawing
from trainers.spaces.errors import ArchitectureError
from trainers.spaces.generated import GeneratedSpace
from trainers.spaces.genotypes import OPERATIONS, CellArchitecture
from trainers.spaces.parametrized import REGNETS, regnet
from trainers.spaces.settings import log_uniform, reruns, sample_settings, trials
from trainers.spaces.space import Space
from trainers.spaces.stages import StageArchitecture
from trainers.spaces.standard import StageSpace
from trainers.spaces.tables import Architectures, CellTable, StageTable

__all__ = [
    "CIFAR_CAPS",
    "CONVENTIONS",
    "OPERATIONS",
    "REGNETS",
    "SPACES",
    "Architecture",
    "ArchitectureError",
    "Architectures",
    "CellArchitecture",
    "CellSpace",
    "CellTable",
    "GeneratedSpace",
    "Space",
    "StageArchitecture",
    "StageSpace",
    "StageTable",
    "as_architecture",
    "complexity",
    "draw",
    "from_dict",
    "log_uniform",
    "regnet",
    "reruns",
    "sample_settings",
    "save_drawing",
    "space_named",
    "trials",
]
