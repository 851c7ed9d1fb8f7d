"""What of a sweep may change between runs: workers, limits, resources. The trials that there are never do."""

from __future__ import annotations

from submit.config import Config
from submit.directory import Sweep, as_yaml, write_atomically
from submit.watching import say

__all__ = ["changed_means", "say_what_waits", "take_over"]

_MEANS = ("workers", "trial_timeout", "lease", "resources")


def changed_means(before: Config, now: Config) -> list[str]:
    """Which means are not the same in two configurations."""
    changed = [key for key in _MEANS if getattr(before, key) != getattr(now, key)]
    kept = before.storage.keep_checkpoints == now.storage.keep_checkpoints
    return changed if kept else [*changed, "storage.keep_checkpoints"]


def say_what_waits(sweep: Sweep, config: Config | None) -> None:
    """Tell that workers are at work with other means than those of `config`, if there is one."""
    if config is not None and (changed := changed_means(sweep.config, config)):
        say(
            f"{', '.join(changed)} changed in the sweep file, but workers are at work with what it said before; "
            "for the new, cancel and run again"
        )


def take_over(sweep: Sweep, config: Config | None) -> Sweep:
    """The sweep with the means of `config`, if there is one, on disk before any worker starts.

    Its trials, name and place stay.

    Call it while holding the right to launch, and once the scheduler would take workers that ask for so much.
    """
    if config is None:
        return sweep
    if config.trials_per_worker != sweep.config.trials_per_worker:
        say(
            f"trials_per_worker changed in the sweep file, but stays {sweep.config.trials_per_worker} for the trials "
            "that are planned; retry --slots changes it for those that failed"
        )
    changed = changed_means(sweep.config, config)
    if not changed:
        return sweep
    before, now = sweep.config.plain(), config.plain()
    kept = {key: before[key] for key in before if key not in (*_MEANS, "storage")}
    storage = {**before["storage"], "keep_checkpoints": now["storage"]["keep_checkpoints"]}
    made = Config.model_validate({**now, **kept, "storage": storage})
    write_atomically(sweep.path / "sweep.yaml", as_yaml(made))
    say(f"{', '.join(changed)} changed in the sweep file; from now on it is as there")
    return Sweep(sweep.path)
