"""``python -m trainers TRIAL.json``: train one trial, also as one of several processes started for it.

Under ``torchrun --nproc-per-node 2 -m trainers TRIAL.json`` or ``srun -n 8 python -m trainers TRIAL.json`` the
processes share each batch; the first one writes and prints.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from signal import Signals
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edfstat.trials import Trial


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m trainers", description="Train one trial and print its record.")
    parser.add_argument("trial", type=Path, help="JSON file: space, net, dataset, recipe, optim, seed, options")
    parser.add_argument(
        "--directory", type=Path,
        help="folder of checkpoint, progress.jsonl and record.json; a second run goes on there, also after SIGTERM, "
        "SIGUSR1 or SIGUSR2 (default: none)",
    )  # fmt: skip
    parser.add_argument(
        "--device", default="auto", help="cpu, cuda, cuda:N, or auto: the first GPU if there is one (default auto)"
    )
    parser.add_argument(
        "--root", type=Path, help="folder of the data set (default: those of EDFSTAT_DATA, then the user's cache)"
    )
    parser.add_argument(
        "--precision", default="auto", choices=["auto", "fp32", "bf16"],
        help="auto: bf16 where the device computes in it and the network is large enough to gain (default auto)",
    )  # fmt: skip
    parser.add_argument(
        "--profile", action="store_true", help="write DIRECTORY/trace.json, a torch profiler trace of up to five steps"
    )
    args = parser.parse_args(argv)

    from edfstat.errors import TrialInterrupted
    from trainers.signals import noted_signals

    # Without a directory there is no place to save anything, and they end the process as usual.
    noted: AbstractContextManager[list[Signals]] = noted_signals() if args.directory else nullcontext([])
    with noted as came:
        try:
            return _trained(args, lambda: bool(came))
        except TrialInterrupted:
            # Where several processes train, the signal may have reached another one alone, or not yet this one.
            why, number = (f"by {came[0].name}", came[0]) if came else ("with the other processes", Signals.SIGTERM)
            return _left(args, f"stopped {why}", 128 + number)
        except KeyboardInterrupt:
            return _left(args, "interrupted", 130)


def _left(args: argparse.Namespace, what: str, code: int) -> int:
    path = args.directory and args.directory / "checkpoint.pt"
    left = f"; the same command goes on from {path}" if path and path.exists() else ""
    sys.stderr.write(f"{what}{left}\n")
    return code


def _trained(args: argparse.Namespace, should_stop: Callable[[], bool]) -> int:
    from edfstat.errors import InputError, ProcessUnusable, TrialInterrupted
    from trainers import devices, parallel
    from trainers.loop import train

    together = False
    try:
        trial = _trial_in(args.trial)
        device = devices.pick(args.device)
        name = f"cuda:{devices.local_gpu()}" if device.type == "cuda" and device.index is None else str(device)
        rank, _ = parallel.join(devices.pick(name))

        def say(text: str) -> None:
            if rank == 0:
                sys.stderr.write(text + "\n")
                sys.stderr.flush()

        record = train(
            trial, device=name, directory=args.directory, root=args.root, precision=args.precision,
            profile=args.profile, listener=say, should_stop=should_stop,
        )  # fmt: skip
        # A failure is one process's own; the other ends are reached by all of them.
        together = record["status"] in ("ok", "diverged", "timeout")
    except TrialInterrupted:
        together = True
        raise
    except InputError as error:
        together = isinstance(error, parallel.Disagreement)
        sys.stderr.write(f"error: {error}\n")
        return 2
    except ProcessUnusable as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    finally:
        parallel.leave(together=together)
    if rank == 0:
        sys.stdout.write(json.dumps(record) + "\n")
    return 0 if record["status"] in ("ok", "diverged") else 1


def _trial_in(path: Path) -> Trial:
    """The trial that a JSON file holds.

    Raises
    ------
    InputError
    """
    from edfstat.errors import InputError
    from edfstat.trials import Trial

    try:
        return Trial.from_dict(json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_each_once))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check the path") from None
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{path} holds no trial ({error}); give a JSON object with space and net") from None


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; of a key that is there twice nobody could say which one counts."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} is there twice")
    return found


if __name__ == "__main__":
    sys.exit(main())
