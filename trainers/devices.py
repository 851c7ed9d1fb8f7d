"""The device a trial runs on, and the settings of torch while it does."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import cache

import torch

from edfstat.errors import InputError
from trainers.evaluation import Autocast

__all__ = [
    "CAPTURING", "alive", "autocast_for", "context", "cores", "drawing", "local_gpu", "own_stream", "pick", "release",
    "settings", "thread_count",
]  # fmt: skip

#: More than any machine has cores; beyond, libraries fail in ways of their own.
MOST_THREADS = 1024
#: Below this many multiply-adds an image, casting on a CPU costs about what bf16 arithmetic saves. Measured on one with
#: AMX: above it Vanilla and ResNet are mostly about twice as fast, ResNeXt 1.1 to 3 times, cell networks 0.9 to 1.3; on
#: one without, all of them 1.0 to 1.8 times.
SMALL_NET = 3_000_000
#: Held by the thread that captures a step as a CUDA graph: meanwhile no other captures, or gives graphs or memory back.
CAPTURING = threading.Lock()
_DRAWING = threading.Lock()


def pick(name: str) -> torch.device:
    """The device of a name; ``auto`` is the first GPU, else the CPU.

    Raises
    ------
    InputError
        If the name means no device that is here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"device is {name!r}; give 'auto', 'cpu' or 'cuda:0'") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InputError(f"device is {name!r}, but torch sees {torch.cuda.device_count()} GPUs; give 'cpu' or 'auto'")
    if device.type not in ("cpu", "cuda"):
        raise InputError(f"device is {name!r}; training runs on 'cpu' and 'cuda'")
    return device


def local_gpu() -> int:
    """Number of the GPU of this process among those that it sees, where several were started on one machine.

    Schedulers either show every process all GPUs of the machine, or each process one of its own, whose number
    is then 0.
    """
    local = int(os.environ.get("LOCAL_RANK", os.environ.get("SLURM_LOCALID", "0")))
    return local % max(1, torch.cuda.device_count())


def own_stream(device: torch.device) -> None:
    """Give what this thread asks of a GPU from here on a stream of its own, so that it runs beside other threads'."""
    if device.type == "cuda":
        torch.cuda.set_stream(torch.cuda.Stream(device))  # type: ignore[no-untyped-call]
        with CAPTURING:  # the libraries begin anew in each thread, by calls that a capture in another one may not bear
            one = torch.ones(1, 1, 1, 1, device=device)
            torch.nn.functional.conv2d(one, one)
            torch.mm(one[0, 0], one[0, 0])


def alive(device: torch.device) -> bool:
    """Whether the device computes: after a fault on a GPU, also in a process that shares it, none does in this one."""
    if device.type == "cuda":
        try:
            torch.cuda.current_stream(device).synchronize()
        except RuntimeError:
            return False
    return True


def release(device: torch.device) -> None:
    """Give back what a trial held, so that the trials beside it and the next one find it free."""
    if device.type == "cuda":
        with CAPTURING:
            gc.collect()
            torch.cuda.empty_cache()
    else:
        gc.collect()
        with contextlib.suppress(OSError, AttributeError, TypeError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)


def autocast_for(device: torch.device, precision: str, flops: int) -> tuple[str, Autocast]:
    """The precision used, and a context for forward passes.

    Parameters
    ----------
    device : torch.device
    precision : {"auto", "fp32", "bf16"}
        ``auto``: bf16 where the hardware computes in it; on a CPU only for nets large enough to gain.
    flops : int
        Multiply-adds of one image.
    """
    if precision not in ("auto", "fp32", "bf16"):
        raise InputError(f"precision is {precision!r}; choose from ['auto', 'fp32', 'bf16']")
    if precision == "auto":
        if device.type == "cuda":
            fast = torch.cuda.is_bf16_supported(including_emulation=False)
        else:
            fast = torch.cpu._is_avx512_bf16_supported() and flops >= SMALL_NET
        precision = "bf16" if fast else "fp32"
    if precision == "fp32":
        return precision, contextlib.nullcontext
    # Without its cache: weights are cast once a step anyway, and a captured graph must not hold cached casts.
    return precision, lambda: torch.autocast(device.type, torch.bfloat16, cache_enabled=device.type == "cpu")


@contextlib.contextmanager
def settings(device: torch.device, threads: int | None) -> Iterator[int]:
    """Threads and deterministic algorithms of one trial; all as before afterwards.

    Parameters
    ----------
    device : torch.device
    threads : int or None
        Threads of the CPU. Default: the environment variable EDFSTAT_THREADS, else 1, as many small trials side
        by side are faster than one on all cores.

    Yields
    ------
    int
        The number of threads.
    """
    number = thread_count(threads)
    if device.type == "cpu":
        _keep_memory()
    before = torch.get_num_threads()
    cudnn = torch.backends.cudnn
    kept = cudnn.deterministic, cudnn.benchmark
    try:
        torch.set_num_threads(number)
        cudnn.deterministic, cudnn.benchmark = True, False
        yield number
    finally:
        torch.set_num_threads(before)
        cudnn.deterministic, cudnn.benchmark = kept


@contextlib.contextmanager
def drawing(seed: int) -> Iterator[None]:
    """Let torch's generator of the CPU, which initialises weights, begin at a seed; it is as before afterwards.

    All threads have it in common, so those that train wait for one another here.
    """
    with _DRAWING, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


@cache
def _keep_memory() -> bool:
    """Let the process keep the memory that it frees, where the C library is glibc; whether it agreed.

    By default glibc returns large blocks to the system, which has to clear them page by page when the next step
    asks for them again. Only the time changes, and the memory held between steps stays that of a step.
    """
    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # another C library, or none that can be asked
        return False
    return all(mallopt(option, size) == 1 for option, size in ((mmap_threshold, 2**30), (trim_threshold, 2**31 - 1)))


def thread_count(threads: int | None = None) -> int:
    """Threads of the CPU that a trial takes: as given, else the environment variable EDFSTAT_THREADS, else 1.

    Raises
    ------
    InputError
        If that is not a whole number from 1.
    """
    text = os.environ.get("EDFSTAT_THREADS", "1") if threads is None else str(threads)
    if not text.isdecimal() or not 1 <= int(text) <= MOST_THREADS:
        raise InputError(f"threads (EDFSTAT_THREADS) is {text!r:.80}; give a whole number from 1 to {MOST_THREADS}")
    return int(text)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def context(device: torch.device) -> AbstractContextManager[object]:
    """Makes the device the current one, where there may be several."""
    return torch.cuda.device(device) if device.type == "cuda" else contextlib.nullcontext()
