"""Functions that this machine's C compiler makes of the C files beside this one, and whether layers use them.

They do on a CPU where a trial has one thread, as trials side by side have. They are compiled once for a machine, in
about four seconds, and kept in the user's cache; without a compiler torch's own layers do the same work.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import logging
import os
import platform
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from edfstat.formats.places import user_cache
from trainers.nets.replacing import called_plainly
from trainers.whole_files import remove_parts, replace_file

__all__ = ["TYPES", "available", "dense", "functions", "fused", "library", "places"]

logger = logging.getLogger("trainers")

SOURCES = tuple(Path(__file__).with_name(name) for name in ("cpu_norm.c", "cpu_conv.c"))
#: What they include.
HEADER = Path(__file__).with_name("cpu_lanes.h")
#: No part of the C library is used, so that a compiler without its development files will do.
FLAGS = ("-std=gnu11", "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-Wno-psabi", "-fPIC")
LINKED = ("-shared", "-nostdlib")
#: Numbers of the images that they take.
TYPES = (torch.float32, torch.bfloat16)
#: Seconds after which a compiler is given up.
PATIENCE = 120

_POINTER, _NUMBER, _REAL, _FLAG = ctypes.c_void_p, ctypes.c_long, ctypes.c_double, ctypes.c_int
_ARGUMENTS = {
    "norm_forward": [_POINTER] * 8 + [_NUMBER] * 2 + [_REAL] * 2 + [_FLAG] * 2,
    "norm_backward": [_POINTER] * 7 + [_NUMBER] * 2 + [_FLAG] * 2,
    "norm_fixed": [_POINTER] * 7 + [_NUMBER] * 2 + [_REAL] + [_FLAG] * 2,
    "conv_apply": [_POINTER] * 4 + [_NUMBER] * 9 + [_FLAG] * 2,
    "conv_filters": [_POINTER] * 4 + [_NUMBER] * 9 + [_FLAG],
    "conv_scratch": [_NUMBER] * 3,
}
_RESULTS = {"conv_scratch": _NUMBER}


def fused(x: Tensor) -> bool:
    """Whether layers that take x use them."""
    return x.device.type == "cpu" and called_plainly(x) and torch.get_num_threads() == 1 and available()


def available() -> bool:
    """Whether they could be compiled here."""
    return functions() is not None


@cache
def functions() -> ctypes.CDLL | None:
    """The compiled functions; None, with a reason in the log, where there are none."""
    try:
        return _loaded(_compiler())
    # RuntimeError: nobody's home is known, or what was compiled is not whole; ValueError: CC has an odd quote.
    except (OSError, RuntimeError, ValueError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        logger.info("layers are torch's own here, which take up to three times as long: %s", said.strip()[-500:])
        return None


def library() -> ctypes.CDLL:
    """The compiled functions, for those who asked whether they are `available`."""
    found = functions()
    assert found is not None, "cpu.available() was not asked"
    return found


def dense(x: Tensor) -> Tensor:
    """Images as the functions read them: the channels of a pixel side by side in memory."""
    return x.resolve_neg().contiguous(memory_format=torch.channels_last)


def places(*tensors: Tensor | None) -> list[int | None]:
    """Where tensors begin in memory, as arguments."""
    return [None if tensor is None else tensor.data_ptr() for tensor in tensors]


def _loaded(compiler: list[str]) -> ctypes.CDLL:
    key = _key(compiler)
    if (kept := _kept(key)) is not None:
        with contextlib.suppress(OSError):  # a home whose files cannot be run
            return _opened(kept)
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / "layers.so"
        _compile(compiler, made)
        try:
            library = _opened(made)
        except OSError:  # a place for temporary files that cannot be run
            return _opened(_keep(made.read_bytes(), key))
        try:
            _keep(made.read_bytes(), key)
        except OSError as error:  # each process compiles its own, then
            logger.info("compiled layers cannot be kept: %s", error)
        return library


def _kept(key: str) -> Path | None:
    """The file of that key, if it is what its name says, as a process that opens a damaged one dies.

    And if nobody else could have written it: what is opened is run.
    """
    for path in sorted(user_cache("kernels").glob(f"layers-{key}-*.so")):
        with contextlib.suppress(OSError):
            about = path.lstat()
            ours = about.st_uid == os.getuid() and stat.S_ISREG(about.st_mode) and not about.st_mode & 0o022
            if ours and path.stem.endswith(f"-{_digest(path.read_bytes())}"):
                return path
    return None


def _keep(content: bytes, key: str) -> Path:
    folder = user_cache("kernels")
    folder.mkdir(parents=True, exist_ok=True)
    remove_parts(folder)
    path = folder / f"layers-{key}-{_digest(content)}.so"

    def write(part: Path) -> None:
        part.touch(0o600)  # whatever others may do with new files by default
        part.write_bytes(content)

    replace_file(path, write)
    return path


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:20]


def _opened(path: Path) -> ctypes.CDLL:
    """The functions of a file.

    Raises
    ------
    OSError
        If the file cannot be opened as a library.
    RuntimeError
        If a function is not there: some options of a compiler hide them.
    """
    library = ctypes.CDLL(str(path))
    for name, kinds in _ARGUMENTS.items():
        function = getattr(library, name, None)
        if function is None:
            raise RuntimeError(f"the compiler left out {name}")
        function.argtypes, function.restype = kinds, _RESULTS.get(name)
    return library


def _compiler() -> list[str]:
    """The command of the environment variable CC, else cc."""
    if sys.platform != "linux":
        raise OSError(f"it is compiled on Linux only, not on {sys.platform}")
    command = shlex.split(os.environ.get("CC", "")) or ["cc"]
    if shutil.which(command[0]) is None:
        raise OSError(f"there is no C compiler {command[0]!r} on the PATH")
    return command


def _compile(compiler: list[str], target: Path) -> None:
    command = [*compiler, *FLAGS, *LINKED, "-o", str(target), *map(str, SOURCES)]
    subprocess.run(command, check=True, capture_output=True, text=True, errors="replace", timeout=PATIENCE)


def _key(compiler: list[str]) -> str:
    """What the functions depend on: machines of several kinds may share a home."""
    made_by = subprocess.run([*compiler, "--version"], check=True, capture_output=True, timeout=PATIENCE).stdout
    words = "\0".join((*compiler, *FLAGS, *LINKED, platform.machine())).encode()
    read = [path.read_bytes() for path in (*SOURCES, HEADER)]
    return _digest(b"\0".join([*read, made_by, words, _processor()]))


def _processor() -> bytes:
    """Model and instructions of the first core, as the system lists them."""
    try:
        text = Path("/proc/cpuinfo").read_bytes().partition(b"\n\n")[0]
    except OSError:
        return platform.processor().encode()
    told = (b"model name", b"flags", b"Features", b"CPU part", b"CPU implementer", b"isa")
    return b"\n".join(line for line in text.splitlines() if line.startswith(told))
