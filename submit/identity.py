"""Whether a sweep file still describes the sweep that was begun: its trials stay, more of the same may come."""

from __future__ import annotations

from collections.abc import Iterator

from edfstat.trials import canonical_json
from submit.config import Config

__all__ = ["differences", "further"]

#: What decides the trials beside the spaces; means such as workers and resources may change between runs.
_SAME = ("caps", "dataset", "recipe", "optim", "reruns", "seed", "backend", "backend_options")


def differences(planned: Config, asked: Config) -> list[str]:
    """Why what is asked for is another sweep than the planned one; empty if it is the same, or the same grown."""
    before, now = planned.plain(), asked.plain()
    changed = [key for key in _SAME if canonical_json(before[key]) != canonical_json(now[key])]
    return [*([f"not the same: {', '.join(changed)}"] if changed else []), *_of_spaces(planned, asked)]


def _of_spaces(planned: Config, asked: Config) -> Iterator[str]:
    now = {choice.name: choice for choice in asked.spaces}
    for choice in planned.spaces:
        found = now.get(choice.name)
        if found is None:
            yield f"{choice.name} is planned, and not asked for"
        elif (found.definition, found.caps) != (choice.definition, choice.caps):
            yield f"not the same: {choice.name}'s definition or caps"
        elif found.count < choice.count:
            yield f"{choice.count} of {choice.name} are planned, more than {found.count}"
    if planned.backend == "lookup" and further(planned, asked):
        yield "of results that are looked up there cannot be more later"


def further(planned: Config, asked: Config) -> dict[str, int]:
    """How many architectures of which space are asked for beyond the planned."""
    before = {choice.name: choice.count for choice in planned.spaces}
    more = {choice.name: choice.count - before.get(choice.name, 0) for choice in asked.spaces}
    return {name: count for name, count in more.items() if count > 0}
