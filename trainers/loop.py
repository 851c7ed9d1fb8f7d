"""One trial in, one record out."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import torch

from edfstat.errors import InputError, ProcessUnusable, TrialInterrupted
from edfstat.formats.places import home_path
from edfstat.records import make_record
from edfstat.trials import Trial
from trainers import checkpoints, devices, outcomes, parallel, trial_folder, ways
from trainers.options import check_seconds
from trainers.progress import Progress
from trainers.session import Part, Seen, Session
from trainers.task import Task, prepare

__all__ = ["train"]

logger = logging.getLogger("trainers")

#: Seconds within an epoch after which `should_stop` is asked (again).
PATIENCE = 10.0


@dataclass
class Curves:
    """What was seen so far: one entry per epoch, and by what."""

    train_ep_loss: list[float | None] = field(default_factory=list)
    train_ep_top1: list[float | None] = field(default_factory=list)
    test_ep_top1: list[float | None] = field(default_factory=list)
    seconds: float = 0.0
    train_seconds: float = 0.0
    #: How it was computed: precision, threads, kernels. More than one unless a trial went on in another way.
    ways: list[dict[str, Any]] = field(default_factory=list)

    def add(self, seen: Seen) -> None:
        """Append what an epoch gave."""
        self.train_seconds += seen.seconds
        self.train_ep_loss.append(outcomes.clean(seen.loss, 5))
        self.train_ep_top1.append(seen.train_error)
        self.test_ep_top1.append(seen.test_error)


def train(
    trial: Trial,
    *,
    device: str = "auto",
    directory: str | PathLike[str] | None = None,
    should_stop: Callable[[], bool] | None = None,
    root: str | PathLike[str] | None = None,
    threads: int | None = None,
    precision: str = "auto",
    time_limit: float | None = None,
    listener: Callable[[str], None] | None = None,
    profile: bool = False,
    compile: bool = False,
) -> dict[str, Any]:
    """Train the network of a trial and return its record.

    The same trial on the same device and number of threads gives the same record except times, also if it was
    interrupted and went on from its checkpoint.

    Parameters
    ----------
    trial : Trial
        Architecture, data set, recipe, optimizer settings, seed; `options` as in `trainers.options.OPTIONS`.
    device : str, default "auto"
        The first GPU if there is one, else the CPU; or such as ``"cpu"``, ``"cuda:1"``.
    directory : path, optional
        The trial's own folder: ``checkpoint.pt`` after every epoch and where it stopped, ``progress.jsonl``,
        ``record.json`` at the end. If the record is there already, it is returned and nothing is trained.
    should_stop : callable, optional
        Asked after every epoch, and every ten seconds within a longer one and its evaluation; once true, a
        checkpoint is kept and `TrialInterrupted` is raised. An evaluation that was cut off begins anew.
    root : path, optional
        Where the data set is; default as in `datasets.get`.
    threads : int, optional
        Of the CPU. Default: the environment variable EDFSTAT_THREADS, else 1.
    precision : {"auto", "fp32", "bf16"}
        ``auto``: bf16 where the hardware computes in it and the net is large enough to gain.
    time_limit : float, optional
        Seconds of training (over all runs of the trial) after which it ends with status ``timeout``.
    listener : callable, optional
        Gets one line of text per epoch, until it raises. Default: the logger ``trainers``, level INFO.
    profile : bool, default False
        Write a torch profiler trace of up to five steps to ``trace.json`` in `directory`.
    compile : bool, default False
        Run the net through `torch.compile`, which takes about a minute and pays for long trainings only.

    Returns
    -------
    dict
        A record (`edfstat.records`). `status` is ``ok``, ``diverged`` (a loss that is not finite), ``oom``,
        ``timeout`` or ``error``; what was seen until then is kept.

    Raises
    ------
    InputError
        Before anything is trained: if the trial makes no sense, its data are not there, or `directory` cannot be
        written to or holds another trial.
    TrialInterrupted
        If `should_stop` asked for it.
    ProcessUnusable
        After a fault on the GPU. What the checkpoint holds is not lost; another process can go on from there.

    See Also
    --------
    train_many : Several, side by side.
    build : The network alone.

    Examples
    --------
    >>> from edfstat import Trial
    >>> net = {"block_type": "res_basic_block", "ds": [1, 1, 1, 1], "ws": [16, 16, 16, 16], "ss": [1, 1, 2, 2]}
    >>> record = train(Trial("ResNet", net, "digits", optim={"max_ep": 1}), device="cpu")
    >>> record["status"], len(record["test_ep_top1"])
    ('ok', 1)
    """
    where = devices.pick(device)
    folder = None if directory is None else home_path(directory)
    if folder is not None and (done := _finished(trial, folder, where)) is not None:
        if profile:
            raise InputError(f"{folder} holds the trial's record already; give another directory to profile it")
        return done
    if profile and folder is None:
        raise InputError("profile writes its trace to directory; give one")
    check_seconds(time_limit)
    devices.thread_count(threads)
    try:
        task = prepare(trial, root)
    except MemoryError:
        full = "the memory has no room for the images"
        record = make_record(trial, status="oom", message=full, provenance=outcomes.provenance(where))
        if folder is not None and _leader():
            trial_folder.make(folder)
            trial_folder.leave(record, folder)
        return record
    if folder is not None and _leader():
        trial_folder.make(folder)
    limit = trial.options.get("time_limit") if time_limit is None else time_limit
    curves = Curves()
    status, message = "ok", ""
    used: dict[str, Any] = {}
    session: Session | None = None
    # Only what is compiled draws from torch's own generators.
    drawn = torch.random.fork_rng([where] if where.type == "cuda" else []) if compile else nullcontext()
    with devices.settings(where, threads), devices.context(where), drawn:
        try:
            session = Session(task, where, precision=precision, compile=compile)
            used = {**ways.in_words([session.way]), "recipe": session.recipe.to_dict()}
            _run(task, session, curves, folder, should_stop, limit, listener, profile)
        except (TrialInterrupted, InputError):
            raise
        except Exception as error:
            # A trial that fails is a result: the process goes on to the next one.
            status, message = parallel.first_failure(*outcomes.status_of(error))
            if not devices.alive(where):
                raise ProcessUnusable(
                    f"{where} computes nothing more for this process ({message}); train in another one"
                ) from error
            if status == "error":
                logger.warning("trial %s: %s", trial.id[:12], message, exc_info=True)
                used["traceback"] = "".join(traceback.format_exception(error))[-4000:]
    with devices.CAPTURING:  # a graph that goes leaves the list of those that torch's generators are of
        session = None
    devices.release(where)
    used |= ways.in_words(curves.ways)
    record = _record(task, curves, status, message, outcomes.provenance(where, **used))
    if folder is not None and _leader():
        trial_folder.leave(record, folder)
    return record


def _finished(trial: Trial, folder: Path, device: torch.device) -> dict[str, Any] | None:
    """The trial's record, if there is one; the first process decides, as the others may see folders of their own."""
    record: dict[str, Any] | None = None
    refusal = ""
    if _leader():
        try:
            record = trial_folder.finished(folder, trial)
        except InputError as error:
            refusal = str(error)
    record, refusal = parallel.of_leader((record, refusal), device, parallel.place()[1])
    if refusal:
        raise parallel.Disagreement(refusal)
    return record


def _run(
    task: Task, session: Session, curves: Curves, folder: Path | None, should_stop: Callable[[], bool] | None,
    limit: float | None, listener: Callable[[str], None] | None, profile: bool,
) -> None:  # fmt: skip
    """Train from the checkpoint, if there is one, to the last epoch."""
    start, part = _begin(task, session, curves, folder)
    progress = Progress(folder if _leader() else None, listener, done=start)
    epochs = session.recipe.epochs
    # An epoch that the time limit cut off is in the record of then, not in the checkpoint.
    spent = 0.0 if folder is None else trial_folder.seconds(folder, task.trial)
    before, begun = max(curves.seconds, spent), time.perf_counter()

    def agreed(flag: bool) -> bool:
        return parallel.agreed(flag, session.device, session.world)

    def over(limit: float) -> bool:
        curves.seconds = before + time.perf_counter() - begun
        return agreed(curves.seconds > limit)

    out_of_time = None if limit is None else partial(over, limit)
    for epoch in range(start, epochs):
        pause = None if should_stop is None else _now_and_then(should_stop, agreed)
        trace = folder / "trace.json" if profile and folder is not None and epoch == start and _leader() else None
        try:
            seen = session.epoch(epoch, part=part, out_of_time=out_of_time, pause=pause, trace=trace)
        finally:
            elapsed = time.perf_counter() - begun
            curves.seconds = before + elapsed
        if isinstance(seen, Part):
            _save(task, session, curves, folder, seen)
            where = f"step {seen.step} of {session.feed.steps} of epoch {epoch + 1}"
            raise TrialInterrupted(f"trial {task.trial.id[:12]} stopped after {where}")
        part = None
        curves.add(seen)
        progress({
            "epoch": epoch + 1, "epochs": epochs, "lr": seen.rate, "train_loss": curves.train_ep_loss[-1],
            "train_error": seen.train_error, "test_error": seen.test_error,
            "images_per_s": round(seen.images / seen.seconds, 1), "elapsed": round(curves.seconds, 3),
            "remaining": round(elapsed / (epoch + 1 - start) * (epochs - epoch - 1), 3),
        })  # fmt: skip
        if curves.train_ep_loss[-1] is None:
            raise outcomes.Stopped("diverged", f"the training loss was not finite in epoch {epoch + 1}")
        if seen.test_error is None:
            raise outcomes.Stopped("diverged", f"no output was finite after epoch {epoch + 1}")
        if epoch + 1 < epochs:
            _save(task, session, curves, folder)
            if should_stop is not None and agreed(should_stop()):
                raise TrialInterrupted(f"trial {task.trial.id[:12]} stopped after epoch {epoch + 1} of {epochs}")
            if out_of_time is not None and out_of_time():
                raise outcomes.Stopped("timeout", f"{limit:g} s were over after epoch {epoch + 1} of {epochs}")


def _begin(task: Task, session: Session, curves: Curves, folder: Path | None) -> tuple[int, Part | None]:
    """Epochs that a checkpoint holds, which must be one for all processes, and what it holds of the next epoch."""
    start, part = _resume(task, session, curves, folder)
    place = start * (session.feed.steps + 1) + (part.step if part else 0)
    if not parallel.alike(place, session.device, session.world):
        raise parallel.Disagreement(
            f"the processes of the trial found different checkpoints in {folder} (here of epoch {start}); let all of "
            "them see one folder, or delete its checkpoint"
        )
    ways.note(curves.ways, session.way)
    return start, part


def _leader() -> bool:
    return parallel.place()[0] == 0


def _now_and_then(should_stop: Callable[[], bool], agreed: Callable[[bool], bool]) -> Callable[[], bool]:
    """Whether to stop within an epoch, asked once it has taken a while: most are short."""
    asked = time.monotonic()

    def pause() -> bool:
        nonlocal asked
        now = time.monotonic()
        if now - asked < PATIENCE:
            return agreed(False)
        asked = now
        return agreed(should_stop())

    return pause


def _save(task: Task, session: Session, curves: Curves, folder: Path | None, part: Part | None = None) -> None:
    if folder is not None and _leader():
        state = {**session.state(), "curves": vars(curves), "part": None if part is None else vars(part)}
        checkpoints.save(checkpoints.checkpoint_path(folder), trial_id=task.trial.id, state=state)


def _resume(task: Task, session: Session, curves: Curves, folder: Path | None) -> tuple[int, Part | None]:
    """Epochs that are done already, and what of the next one."""
    if folder is None:
        return 0, None
    path = checkpoints.checkpoint_path(folder)
    try:
        state = checkpoints.load(path, trial_id=task.trial.id)
        part = None if state is None else _restore(session, curves, state, path)
    except checkpoints.DamagedCheckpoint as error:
        # Written by a disk that failed, say. The work is lost, the trial is not.
        logger.warning("%s; starting from the first epoch, the file is kept as %s.refused", error, path.name)
        if _leader():
            path.replace(path.with_name(f"{path.name}.refused"))
        return 0, None
    return len(curves.train_ep_loss), part


def _restore(session: Session, curves: Curves, state: dict[str, Any], path: Path) -> Part | None:
    """Go on from a state, and return the part of an epoch in it; one that does not fit changes nothing."""
    try:
        kept = state.pop("part", None)
        part = None if kept is None else Part.from_values(kept, session.feed.steps)
        seen = Curves(**state.pop("curves"))
        if len({len(seen.train_ep_loss), len(seen.train_ep_top1), len(seen.test_ep_top1)}) != 1:
            raise ValueError("its curves have different lengths")
        if len(seen.train_ep_loss) > session.recipe.epochs:
            raise ValueError(f"it is of epoch {len(seen.train_ep_loss)} of {session.recipe.epochs}")
        session.check_state(state)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise checkpoints.DamagedCheckpoint(f"{path} does not fit the trial ({error!r:.200}); delete it") from None
    session.load_state(state)
    vars(curves).update(vars(seen))
    return part


def _record(task: Task, curves: Curves, status: str, message: str, provenance: dict[str, Any]) -> dict[str, Any]:
    steps = len(curves.train_ep_loss)
    per_epoch = max(1, len(task.train) // min(task.recipe.batch_size, len(task.train)))
    finals = curves.test_ep_top1[-1] if len(curves.test_ep_top1) == task.recipe.epochs else None
    recipe = task.recipe
    record = make_record(
        task.trial, status=status, message=message, provenance={**provenance, "seconds": round(curves.seconds, 3)},
        **task.complexity,
        min_test_top1=outcomes.best(curves.test_ep_top1), final_test_top1=finals,
        test_ep_top1=curves.test_ep_top1, train_ep_top1=curves.train_ep_top1, train_ep_loss=curves.train_ep_loss,
        iter_time=round(curves.train_seconds / (steps * per_epoch), 6) if steps else None,
    )  # fmt: skip
    # The published key set, with what the recipe decided where the trial left it open; no setting under two names.
    given = {name: value for name, value in record["optim"].items() if name not in ("weight_decay", "epochs")}
    record["optim"] = {"base_lr": recipe.base_lr, "wd": recipe.weight_decay, "max_ep": recipe.epochs, **given}
    return record
