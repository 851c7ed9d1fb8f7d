"""Photographs from files to pixels: by torchvision's decoders, on the device where it can.

torchvision has announced that it will leave decoding to other packages one day; Pillow then takes its place on the
CPU, with the same pixels and a quarter slower.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import cache
from os import PathLike
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["PhotographError", "decoded", "decoded_together", "decodes", "read", "resized"]


class PhotographError(ValueError):
    """A file that no decoder reads."""


def read(path: str | PathLike[str]) -> Tensor:
    """The bytes of a file, shape (n,), on the CPU."""
    return torch.from_numpy(np.fromfile(path, dtype=np.uint8))


def decoded(data: Tensor, name: str = "the photograph") -> Tensor:
    """Pixels of one photograph, decoded on the CPU without holding the interpreter's lock.

    Parameters
    ----------
    data : Tensor
        Bytes of a JPEG or PNG file; which of them says its content, not its name.
    name : str
        What to call it in an error.

    Returns
    -------
    Tensor
        uint8, shape (3, h, w): red, green, blue.

    Raises
    ------
    PhotographError
        If it is damaged or of another format.
    """
    try:
        pixels = _decoder()(data)
    except (RuntimeError, OSError, ValueError) as error:
        raise PhotographError(f"{name} cannot be decoded ({str(error).splitlines()[0]}); replace it") from None
    if pixels.dtype != torch.uint8 or pixels.ndim != 3:
        raise PhotographError(f"{name} is an animation or has 16 bits a colour; replace it by a JPEG")
    return pixels


@cache
def _decoder() -> Callable[[Tensor], Tensor]:
    try:
        from torchvision.io import ImageReadMode, decode_image
    except ImportError:
        return by_pillow
    return lambda data: cast(Tensor, decode_image(data, mode=ImageReadMode.RGB))


def by_pillow(data: Tensor) -> Tensor:
    """What `decoded` gives, by Pillow."""
    from PIL import Image

    with Image.open(io.BytesIO(data.numpy().tobytes())) as photograph:
        wide = "I;16" in photograph.mode
        pixels = np.array(photograph if wide else photograph.convert("RGB"))
    return torch.from_numpy(pixels).movedim(-1, 0)


def decoded_together(files: Sequence[Tensor], device: torch.device, names: Sequence[str]) -> list[Tensor]:
    """Pixels of several photographs on a device, decoded there as far as it can.

    ImageNet has a few files that are no JPEG, and some in colours for printing, which the device may not read: they
    are decoded on the CPU.

    Parameters
    ----------
    files : sequence of Tensor
        Bytes of each file, on the CPU.
    device : torch.device
    names : sequence of str
        What to call each in an error.

    Returns
    -------
    list of Tensor
        uint8, shape (3, h, w) each, on the device.

    Raises
    ------
    PhotographError
        If one cannot be decoded anywhere.
    """
    from torchvision.io import ImageReadMode, decode_jpeg

    def on_device(part: list[Tensor]) -> list[Tensor]:
        if device.type == "cpu":
            return cast(list[Tensor], decode_jpeg(part, mode=ImageReadMode.RGB, device=device))
        # torchvision decodes in a stream of its own, into memory of the current one, without waiting for what that has
        # still to read there, such as the photographs of the batch before. Memory of a stream that does nothing else is
        # free once those who read it are done.
        reader, stream = torch.cuda.current_stream(device), _stream(device)
        with torch.cuda.stream(stream):
            pixels = cast(list[Tensor], decode_jpeg(part, mode=ImageReadMode.RGB, device=device))
        reader.wait_stream(stream)
        for each in pixels:
            each.record_stream(reader)
        return pixels

    try:
        return on_device(list(files))
    except RuntimeError:  # one spoils the whole call
        pixels = []
        for data, name in zip(files, names):
            try:
                pixels += on_device([data])
            except RuntimeError:
                pixels.append(decoded(data, name).to(device))
        return pixels


@cache
def _stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


@cache
def decodes(device: torch.device) -> bool:
    """Whether photographs can be decoded on the device: a GPU, and a torchvision that was built for it."""
    if device.type != "cuda":
        return False
    try:
        from torchvision.io import decode_jpeg, encode_jpeg

        decode_jpeg(encode_jpeg(torch.zeros(3, 16, 16, dtype=torch.uint8)), device=device)
    except (ImportError, RuntimeError):
        return False
    return True


def resized(pixels: Tensor, height: int, width: int) -> Tensor:
    """Pixels of shape (3, h, w) at another size, bilinear and antialiased; bytes on the device they are on."""
    # GPUs have no such kernel for bytes.
    exact = pixels if pixels.device.type == "cpu" else pixels.float()
    scaled = F.interpolate(exact[None], size=(height, width), mode="bilinear", antialias=True)[0]
    return scaled if scaled.dtype == torch.uint8 else scaled.round_().clamp_(0, 255).to(torch.uint8)
