"""Architectures as canonical text: what the file says, with sorted keys, as `json.dumps` spells it."""

from __future__ import annotations

import json

import msgspec

from edfstat.formats.curves import BadJob
from edfstat.formats.limits import MAX_VALUE_BYTES

__all__ = ["net_texts"]

_ANY = msgspec.json.Decoder()
_SORTED = msgspec.json.Encoder(order="sorted")
#: A text with a line break between two nets, none of which has one: before they are spelled anew, and after.
_BETWEEN, _PARTED = b',"\\n",', ', "\\n", '
_DIGITS = bytes(ord("9") if chr(i).isdecimal() else ord("e") if chr(i) == "E" else i for i in range(128)) + bytes(128)


def net_texts(texts: list[bytes]) -> list[str]:
    """Canonical text of each architecture, of many at a time.

    Raises
    ------
    BadJob
        If one is no object, or too long.
    """
    joined = b",".join(texts)
    quick = {text[:1] for text in texts} == {b"{"} and max(map(len, texts)) <= MAX_VALUE_BYTES
    if quick and joined.isascii() and b"\\" not in joined and not _spelled_otherwise(joined):
        try:
            text = _SORTED.encode(_ANY.decode(b"[" + _BETWEEN.join(texts) + b"]"))
            lines = msgspec.json.format(text, indent=0)[1:-1].decode("ascii").split(_PARTED)
        except (msgspec.DecodeError, RecursionError):
            lines = []
        if len(lines) == len(texts):
            return lines
    return [_net_text(text, index) for index, text in enumerate(texts)]


def _spelled_otherwise(text: bytes) -> bool:
    """Whether msgspec might spell a number differently: very small, very large, or with an exponent."""
    shape = text.translate(_DIGITS)
    return b"9e" in shape or b".9999" in shape or b"999999999999999" in shape


def _net_text(text: bytes, index: int) -> str:
    if not text or text == b"null":
        return "{}"
    if len(text) > MAX_VALUE_BYTES:
        raise BadJob(index, "net", f"it has {len(text)} bytes; a net has at most {MAX_VALUE_BYTES}")
    if text[:1] != b"{":
        raise BadJob(index, "net", f"Expected object, got {text[:40].decode(errors='replace')}")
    try:
        return json.dumps(_ANY.decode(text), sort_keys=True)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError) as error:
        raise BadJob(index, "net", str(error)) from None
