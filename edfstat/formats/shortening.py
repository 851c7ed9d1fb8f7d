"""Takes the long lists out of JSON text before it is decoded: finding where they end is all that most of them cost."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["CURVES", "Shortened", "shortened"]

#: Lists that a population keeps as curves, and those logged within epochs, which nothing keeps.
CURVES = ("train_ep_loss", "train_ep_top1", "test_ep_top1")
_NAMES = (*CURVES, "train_it_loss", "train_it_top1")
_LOSS, _TEST = _NAMES.index("train_ep_loss"), _NAMES.index("test_ep_top1")
#: One of these letters is in every word that stands for a number: NaN, null, Infinity.
_LETTERS = (b"N", b"n", b"I")
#: A value that no file can hold by chance stands for a list that was taken out.
_TOKEN = secrets.token_hex(8)
_TAIL = 16

Places = NDArray[np.intp]


@dataclass
class Shortened:
    """Text of jobs without their long lists, and the lists that are to be kept, with the marks in their places."""

    text: bytes
    lists: dict[str, list[bytes]] = field(default_factory=dict)
    marks: dict[str, list[bytes]] = field(default_factory=dict)


def shortened(text: bytes, *, curves: bool) -> Shortened:
    """JSON text of jobs with the lists of numbers taken out, or emptied if they are not asked for.

    Of a loss that is not asked for only whether it holds something that is no number is kept, of test errors the
    last one. A list that holds other lists or texts, or a key spaced in an unusual way, is left as it is.

    Notes
    -----
    A quote within a string is escaped, so a key with its quotes, colon and bracket cannot stand inside one. The key
    may be that of an inner object, though: the caller checks that every mark turns up where it should.

    Examples
    --------
    >>> shortened(b'[{"a": 1, "train_it_loss": [1.5, 2], "train_ep_loss": [3, NaN]}]', curves=False).text
    b'[{"a": 1, "train_it_loss": [], "train_ep_loss": [null]}]'
    """
    found = _Lists(text)
    if not found.opens.size:
        return Shortened(text)
    return _with_marks(text, found) if curves else _emptied(text, found)


class _Lists:
    """The lists of numbers under known keys: where they open and close, and which they are."""

    def __init__(self, text: bytes) -> None:
        codes = np.frombuffer(text, dtype=np.uint8)
        quotes, opens = np.flatnonzero(codes == ord('"')), np.flatnonzero(codes == ord("["))
        closes = np.flatnonzero(codes == ord("]"))
        self.codes = codes
        after = np.searchsorted(quotes, opens)  # quotes before each bracket
        chosen = np.flatnonzero(after >= 2)
        if not chosen.size or not closes.size:
            self.opens = self.ends = self.keys = self.kinds = np.empty(0, dtype=np.intp)
            return
        key_end, key_start = quotes[after[chosen] - 1], quotes[after[chosen] - 2]
        kinds = _kinds(text, key_start + 1, key_end)
        gap = opens[chosen] - key_end
        plain = (kinds >= 0) & (codes[key_end + 1] == ord(":"))
        plain &= (gap == 2) | ((gap == 3) & (codes[opens[chosen] - 1] == ord(" ")))
        chosen, kinds, key_start = chosen[plain], kinds[plain], key_start[plain]
        last = np.searchsorted(closes, opens[chosen])
        ends = closes[np.minimum(last, closes.size - 1)]
        far = codes.size
        simple = (last < closes.size) & (ends < np.append(opens, far)[chosen + 1])
        simple &= ends < np.append(quotes, far)[after[chosen]]
        self.opens, self.ends = opens[chosen][simple], ends[simple]
        self.keys, self.kinds = key_start[simple], kinds[simple]


def _kinds(text: bytes, starts: Places, ends: Places) -> Places:
    """Index of each key among the known ones, -1 for others: by its length, first and last eight letters."""
    kinds = np.full(starts.size, -1, dtype=np.intp)
    if len(text) < 8:
        return kinds
    words = np.ndarray(len(text) - 7, np.dtype("<u8"), text, strides=(1,))
    lengths = ends - starts
    near = np.flatnonzero((lengths == 13) | (lengths == 12))
    first, last = words[starts[near]], words[ends[near] - 8]
    for kind, name in enumerate(_NAMES):
        code = name.encode()
        same = (first == int.from_bytes(code[:8], "little")) & (last == int.from_bytes(code[-8:], "little"))
        kinds[near[same & (lengths[near] == len(code))]] = kind
    return kinds


def _emptied(text: bytes, found: _Lists) -> Shortened:
    kinds, cut_from, cut_to = found.kinds, found.opens + 1, found.ends.copy()
    test = np.flatnonzero(kinds == _TEST)
    tails = found.codes[cut_to[test][:, None] - np.arange(1, _TAIL + 1)] == ord(",")
    last = np.where(tails.any(axis=1), cut_to[test] - tails.argmax(axis=1), 0)  # just after the last comma
    cut_to[test] = np.maximum(last, cut_from[test])
    spelled = _with_words(text, found)
    # A list that follows at once goes with its key, so that there is less to put together again.
    joint = (found.codes[found.ends[:-1] + 1] == ord(",")) & (kinds[:-1] != _TEST)
    joint &= (kinds[1:] != _TEST) & (kinds[1:] != _LOSS) & ~spelled[:-1]
    between = found.keys[1:] - found.ends[:-1]
    joint &= (between == 2) | ((between == 3) & (found.codes[found.ends[:-1] + 2] == ord(" ")))
    cut_from, cut_to = cut_from[np.append(True, ~joint)], cut_to[np.append(~joint, True)]
    parts = _between(text, cut_from, cut_to)
    for place in np.flatnonzero(spelled[np.append(True, ~joint)]):
        parts[place] += b"null"
    return Shortened(b"".join(parts))


def _with_words(text: bytes, found: _Lists) -> NDArray[np.bool_]:
    """Losses that hold a word such as NaN."""
    spelled = np.zeros(found.opens.size, dtype=bool)
    losses = np.flatnonzero(found.kinds == _LOSS)
    places = zip(found.opens[losses].tolist(), found.ends[losses].tolist(), strict=True)
    spelled[losses] = [any(text.find(letter, a, b) >= 0 for letter in _LETTERS) for a, b in places]
    return spelled


def _with_marks(text: bytes, found: _Lists) -> Shortened:
    kept = found.kinds < len(CURVES)
    cut_from = np.where(kept, found.opens, found.opens + 1)
    cut_to = np.where(kept, found.ends + 1, found.ends)
    parts = [b""] * (2 * cut_from.size + 1)
    parts[::2] = _between(text, cut_from, cut_to)
    lists: dict[str, list[bytes]] = {}
    marks: dict[str, list[bytes]] = {}
    for kind, name in enumerate(CURVES):
        places = np.flatnonzero(found.kinds == kind)
        lists[name] = [text[a:b] for a, b in zip(cut_from[places].tolist(), cut_to[places].tolist(), strict=True)]
        marks[name] = [b'"%b%d"' % (_TOKEN.encode(), place) for place in range(places.size)]
        for place, mark in zip(places.tolist(), marks[name], strict=True):
            parts[2 * place + 1] = mark
    return Shortened(b"".join(parts), lists, marks)


def _between(text: bytes, cut_from: Places, cut_to: Places) -> list[bytes]:
    """What is left around the cuts, in order."""
    starts, ends = [0, *cut_to.tolist()], [*cut_from.tolist(), len(text)]
    return [text[start:end] for start, end in zip(starts, ends, strict=True)]
