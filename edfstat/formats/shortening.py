"""Cuts lists that nobody asked for out of JSON text before it is decoded: finding their end is all they cost."""

from __future__ import annotations

__all__ = ["without_unread_lists"]

_NEVER = frozenset((b'"train_it_loss', b'"train_it_top1'))
_CURVES = frozenset((b'"train_ep_loss', b'"train_ep_top1'))
_START = b'"train_'


def without_unread_lists(text: bytes, *, curves: bool) -> bytes:
    """JSON text of jobs with the values logged within epochs, and training curves unless asked for, left out.

    Of a loss only whether it holds something that is no number is kept. A quote within a string is escaped, so a
    key with its colon and bracket cannot stand inside one; a list that holds other lists or texts is left as it
    is, for the decoder to judge. Text spaced in another way is left as it is too.

    Examples
    --------
    >>> without_unread_lists(b'{"a": 1, "train_it_loss": [1.5, 2], "train_ep_loss": [3, NaN]}', curves=False)
    b'{"a": 1, "train_it_loss": [], "train_ep_loss": [null]}'
    """
    dropped = _NEVER if curves else _NEVER | _CURVES
    find, parts, done, place = text.find, [], 0, 0
    while (at := find(_START, place)) >= 0:
        place = at + 14
        if text[place : place + 4] != b'": [':
            continue
        key, place = text[at:place], place + 4
        if key not in dropped:
            continue
        end = find(b"]", place)
        if end < 0:
            break
        body = text[place:end]
        if b"[" in body or b'"' in body or b"{" in body:
            continue
        parts.append(text[done:place])
        if key == b'"train_ep_loss' and (b"N" in body or b"u" in body or b"I" in body):
            parts.append(b"null")
        done = place = end
    parts.append(text[done:])
    return b"".join(parts)
