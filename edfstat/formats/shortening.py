"""Takes the long lists out of JSON text before it is decoded, so that of most of them only the end must be found."""

from __future__ import annotations

import secrets
from bisect import bisect_left
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["CURVES", "Shortened", "shortened"]

#: Lists that a population keeps as curves, and those logged within epochs, which nothing keeps.
CURVES = ("train_ep_loss", "train_ep_top1", "test_ep_top1")
_NAMES = (*CURVES, "train_it_loss", "train_it_top1")
_LOSS, _TEST = _NAMES.index("train_ep_loss"), _NAMES.index("test_ep_top1")
#: The longest key with its quotes, colon and space.
_AHEAD = 17
#: Between two lists that follow each other stand a bracket, a comma and perhaps a space.
_NEAR = 3
#: The last test error has fewer letters than these.
_TAIL = 16
#: Letters that are looked at together.
_BLOCK = 1 << 16
#: A value that no file can hold by chance stands for a list that was taken out.
_TOKEN = secrets.token_hex(8).encode()
_MARKS: list[bytes] = []
_QUOTE, _COLON, _COMMA, _SPACE, _OPEN = b'":, ['

Places = NDArray[np.intp]


@dataclass
class Shortened:
    """Text of jobs without their long lists, and the lists that were taken out, in order."""

    text: bytes
    lists: dict[str, list[bytes]] = field(default_factory=dict)

    def marks(self, name: str) -> list[bytes]:
        """What stands in the places of the lists of one name."""
        return _MARKS[: len(self.lists.get(name, ()))]


def shortened(text: bytes, *, curves: bool, stop: int | None = None, closing: bytes = b"") -> Shortened:
    """JSON text of jobs with the lists of numbers taken out, or emptied if they are not asked for.

    Of a loss that is not asked for only whether it holds something that is no number is kept, of test errors the
    last one. A key spaced in an unusual way keeps its list. Only the first `stop` letters are looked at; `closing`
    is put behind them.

    Notes
    -----
    A quote within a string is escaped, so a key with its quotes, colon and bracket cannot stand inside one. Its list
    is taken to end at the next bracket, which is wrong only where the list holds texts: then quotes are missing
    afterwards, and all is left as it was. The key may be that of an inner object: the caller checks that every mark
    turns up where it should.

    Examples
    --------
    >>> shortened(b'[{"a": 1, "train_it_loss": [1.5, 2], "train_ep_loss": [3, NaN]}]', curves=False).text
    b'[{"a": 1, "train_it_loss": [], "train_ep_loss": [null]}]'
    """
    codes = np.frombuffer(text, dtype=np.uint8, count=len(text) if stop is None else stop)
    found = _Lists(text, codes)
    if found.opens.size:
        cut, gone = _with_marks(text, found) if curves else _emptied(text, found)
        if _quotes(codes) == _quotes(np.frombuffer(cut.text, dtype=np.uint8)) + gone:
            return Shortened(cut.text + closing, cut.lists)
    return Shortened(text[: codes.size] + closing)


def _quotes(codes: NDArray[np.uint8]) -> int:
    return int(np.count_nonzero(codes == _QUOTE))


class _Lists:
    """The lists under known keys that hold no other list: where they open and close, and which they are."""

    def __init__(self, text: bytes, codes: NDArray[np.uint8]) -> None:
        brackets = _brackets(codes)
        opening = codes[brackets] == _OPEN
        places = np.flatnonzero(opening[:-1] & ~opening[1:])
        places = places[brackets[places] > _AHEAD]
        opens, ends = brackets[places], brackets[places + 1]
        key_ends = opens - 2 - (codes[opens - 1] == _SPACE)
        kinds = _kinds(text, codes, key_ends)
        known = np.flatnonzero(kinds >= 0)
        self.codes = codes
        self.opens, self.ends, self.kinds = opens[known], ends[known], kinds[known]
        self.keys = key_ends[known] - np.where(self.kinds == _TEST, len("test_ep_top1"), len("train_ep_loss")) - 1


def _brackets(codes: NDArray[np.uint8]) -> Places:
    """Places of brackets, block by block: small arrays are reused, large ones are asked of the system each time."""
    found = []
    for start in range(0, codes.size, _BLOCK):
        block = codes[start : start + _BLOCK] - np.uint8(_OPEN)
        found.append(np.flatnonzero((block & 0xFD) == 0) + start)  # the two differ in one bit
    return np.concatenate(found)


def _kinds(text: bytes, codes: NDArray[np.uint8], ends: Places) -> Places:
    """Index among the known keys of each that ends with a quote at these places, -1 for others.

    Told by the first and the last eight letters, quotes and colon.
    """
    kinds = np.full(ends.size, -1, dtype=np.intp)
    if not ends.size:
        return kinds
    words = np.ndarray(len(text) - 7, np.dtype("<u8"), text, strides=(1,))
    closed = (codes[ends] == _QUOTE) & (codes[ends + 1] == _COLON)
    last = words[ends - 8]
    for kind, name in enumerate(_NAMES):
        same = np.flatnonzero(closed & (last == int.from_bytes(name[-8:].encode(), "little")))
        start = ends[same] - len(name)
        same = same[words[start] == int.from_bytes(name[:8].encode(), "little")]
        kinds[same[codes[ends[same] - len(name) - 1] == _QUOTE]] = kind
    return kinds


def _follows(found: _Lists) -> NDArray[np.bool_]:
    """Whether each list but the first comes right after the one before."""
    return found.keys[1:] - found.ends[:-1] <= _NEAR  # type: ignore[no-any-return]


def _emptied(text: bytes, found: _Lists) -> tuple[Shortened, int]:
    """The text with empty lists, and the quotes that are gone."""
    kinds, cut_from, cut_to = found.kinds, found.opens + 1, found.ends.copy()
    test = np.flatnonzero(kinds == _TEST)
    tails = found.codes[cut_to[test][:, None] - np.arange(1, _TAIL + 1)] == _COMMA
    last = np.where(tails.any(axis=1), cut_to[test] - tails.argmax(axis=1), 0)  # just after the last comma
    cut_to[test] = np.maximum(last, cut_from[test])
    spelled = _with_words(text, found)
    # A list that follows at once goes with its key, so that there is less to put together again.
    joint = _follows(found) & (kinds[:-1] != _TEST) & (kinds[1:] != _TEST) & (kinds[1:] != _LOSS) & ~spelled[:-1]
    cut_from, cut_to = cut_from[np.append(True, ~joint)], cut_to[np.append(~joint, True)]
    parts = _between(text, cut_from, cut_to, found.codes.size)
    for place in np.flatnonzero(spelled[np.append(True, ~joint)]):
        parts[place] += b"null"
    return Shortened(b"".join(parts)), 2 * int(joint.sum())


def _with_words(text: bytes, found: _Lists) -> NDArray[np.bool_]:
    """Losses that hold a word: NaN, null, Infinity."""
    spelled = np.zeros(found.opens.size, dtype=bool)
    losses = np.flatnonzero(found.kinds == _LOSS)
    opens, ends = found.opens[losses].tolist(), found.ends[losses].tolist()
    for letter in (b"N", b"u", b"I"):
        place = text.find(letter, opens[0]) if opens else -1
        while place >= 0 and (after := bisect_left(ends, place)) < len(ends):
            spelled[losses[after]] |= place > opens[after]
            place = text.find(letter, ends[after] if place > opens[after] else opens[after])
    return spelled


def _with_marks(text: bytes, found: _Lists) -> tuple[Shortened, int]:
    """The text with marks for lists, and the quotes that are gone."""
    kept = found.kinds < len(CURVES)
    cut_from = np.where(kept, found.opens, found.opens + 1)
    cut_to = np.where(kept, found.ends + 1, found.ends)
    parts = [b""] * (2 * cut_from.size + 1)
    parts[::2] = _between(text, cut_from, cut_to, found.codes.size)
    lists: dict[str, list[bytes]] = {}
    for kind, name in enumerate(CURVES):
        places = np.flatnonzero(found.kinds == kind)
        lists[name] = [text[a:b] for a, b in zip(cut_from[places].tolist(), cut_to[places].tolist(), strict=True)]
        _MARKS.extend(b'"%b%d"' % (_TOKEN, place) for place in range(len(_MARKS), places.size))
        for place, mark in zip(places.tolist(), _MARKS, strict=False):
            parts[2 * place + 1] = mark
    return Shortened(b"".join(parts), lists), -2 * int(kept.sum())


def _between(text: bytes, cut_from: Places, cut_to: Places, stop: int) -> list[bytes]:
    """What is left around the cuts, in order."""
    starts, ends = [0, *cut_to.tolist()], [*cut_from.tolist(), stop]
    return [text[start:end] for start, end in zip(starts, ends, strict=True)]
