"""Sweeps that grow: trials are added, those that there are stay, and whatever interrupts it, the next run goes on."""

import errno
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edfstat.errors import InputError
from submit import growth, opening, operations, workforce
from submit.config import read_config
from submit.directory import Sweep, open_sweep
from submit.feed import Feed
from submit.launching import launches, living_workers
from submit.planning import plan_more
from submit.presence import Presence, WorkerInfo
from submit.status import Tally, read_status
from submit.sweep import main
from tests.submit.sweeps import fake, finished_once, holding, let_go, wait_until, write


def spaces(**counts: int) -> list[dict[str, Any]]:
    return [{"name": name, "count": count} for name, count in counts.items()]


def small(**changes: Any) -> dict[str, Any]:
    return fake(1, epochs=1, **changes)


def run(path: Path) -> None:
    assert operations.run(path, cluster="debug", show=lambda _: None).complete


def by_space(sweep: Sweep) -> Counter[str]:
    return Counter(str(trial.trial["space"]) for trial in sweep.trials())


@pytest.mark.parametrize("reruns", [1, 2])
def test_larger_counts_and_further_spaces_are_added(tmp_path: Path, reruns: int) -> None:
    path = write(tmp_path, small(spaces=spaces(Vanilla=6, ResNet=3), reruns=reruns))
    run(path)
    directory = tmp_path / "sweep"
    before, worker = (directory / "trials.jsonl").read_bytes(), set((directory / "records").iterdir())
    write(tmp_path, small(spaces=spaces(DARTS=2, Vanilla=11, ResNet=3), reruns=reruns))
    run(path)
    sweep = open_sweep(directory)
    assert by_space(sweep) == {"Vanilla": 11 * reruns, "ResNet": 3 * reruns, "DARTS": 2 * reruns}
    assert (directory / "trials.jsonl").read_bytes().startswith(before)
    trials = list(sweep.trials())
    assert [trial.index for trial in trials] == list(range(16 * reruns))
    assert len({trial.id for trial in trials}) == 16 * reruns
    assert [sweep.trial(trial.index) for trial in trials] == trials
    costs = [trial.cost for trial in trials[9 * reruns :]]
    assert costs == sorted(costs, reverse=True)
    finished_once(directory)
    # Only what was added has run.
    (added,) = set((directory / "records").iterdir()) - worker
    assert len(added.read_text().splitlines()) == 7 * reruns
    population = operations.collect(path)
    assert population.sizes["model"] == population.attrs["sweep_trials"] == 16 * reruns


def test_a_sweep_grows_on_its_own_images_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place, images in enumerate(("here", "elsewhere")):
        (tmp_path / images).mkdir()
        pixels, labels = np.full((9, 8, 8), place, dtype=np.uint8), np.zeros(9, dtype=np.int64)
        arrays = {"train_images": pixels, "train_labels": labels, "test_images": pixels, "test_labels": labels}
        np.savez(tmp_path / images / "mine.npz", **arrays)
    config = {"dataset": "mine.npz", "backend": "torch"}
    monkeypatch.chdir(tmp_path / "here")
    sweep = opening.prepare(write(tmp_path, {**config, "spaces": spaces(ResNet=2)}))
    path = write(tmp_path, {**config, "spaces": spaces(ResNet=3)})
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="in the folder in which the sweep began"):
        growth.grow(sweep, read_config(path))
    assert open_sweep(sweep.path).size == 2
    monkeypatch.chdir(tmp_path / "here")
    grown = growth.grow(sweep, read_config(path))
    assert {trial.trial["dataset"] for trial in grown.trials()} == {str(tmp_path / "here" / "mine.npz")}
    assert grown.size == 3


def test_each_growth_draws_anew_and_the_same_growth_the_same(tmp_path: Path) -> None:
    drawn = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for count in (4, 8, 12):
            path = write(tmp_path / name, small(spaces=spaces(ResNet=count)))
            run(path)
        drawn.append([(trial.index, trial.id) for trial in open_sweep(tmp_path / name / "sweep").trials()])
    assert drawn[0] == drawn[1]
    assert len({trial for _, trial in drawn[0]}) == 12


class Broken(Exception):
    """The process ends here."""


@pytest.mark.parametrize("step", ["sweep.yaml", "lines", "trials.table", "round"])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("with_file", [True, False])
def test_an_interrupted_growth_is_finished_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, after: bool, with_file: bool
) -> None:
    """Where it breaks before anything is written, only the file knows that there is to be more."""
    expected = []
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
        path = write(tmp_path / name, small(spaces=spaces(Vanilla=5)))
        run(path)
        write(tmp_path / name, small(spaces=spaces(Vanilla=9, ResNet=4)))
        if name == "whole":
            run(path)
            expected = list(open_sweep(tmp_path / "whole" / "sweep").trials())

    def breaking(act: Any, at: str) -> Any:
        def acted(*given: Any) -> Any:
            if step != at and getattr(given[0], "name", None) != step:
                return act(*given)
            if after:
                act(*given)
            raise Broken

        return acted

    directory = tmp_path / "broken" / "sweep"
    with monkeypatch.context() as patch:
        patch.setattr(growth, "write_atomically", breaking(growth.write_atomically, "atomically"))
        patch.setattr(growth, "write_trials", breaking(growth.write_trials, "lines"))
        patch.setattr(Sweep, "add_round", breaking(Sweep.add_round, "round"))
        with pytest.raises(Broken):
            operations.run(path, cluster="debug", show=lambda _: None)
    begun = step != "sweep.yaml" or after
    finished_before = read_status(open_sweep(directory)).finished
    assert finished_before == 5
    run(path if with_file or not begun else directory)
    assert list(open_sweep(directory).trials()) == expected
    finished_once(directory)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (small(spaces=spaces(Vanilla=4)), "5 of Vanilla are planned, more than 4"),
        (small(spaces=spaces(ResNet=9)), "Vanilla is planned, and not asked for"),
        (
            small(spaces=[{"name": "Vanilla", "count": 9, "caps": {"max_params": 10**6}}]),
            "Vanilla's definition or caps",
        ),
        (small(spaces=spaces(Vanilla=9), seed=2, reruns=2), "not the same: reruns, seed"),
        (small(spaces=spaces(Vanilla=5, Resnet=9)), "there is no design space Resnet"),
        (small(spaces=[*spaces(Vanilla=5), {"name": "DARTS", "count": 3, "caps": {"max_params": 5}}]), "DARTS"),
    ],
)
def test_what_is_no_growth_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changed: dict[str, Any], said: str
) -> None:
    path = write(tmp_path, small(spaces=spaces(Vanilla=5)))
    run(path)
    files = ("sweep.yaml", "trials.jsonl", "trials.table", "rounds/000.json")
    before = [(tmp_path / "sweep" / name).read_bytes() for name in files]
    write(tmp_path, changed)
    assert main(["run", str(path), "--cluster", "debug"]) == 2
    assert said in capsys.readouterr().err
    assert [(tmp_path / "sweep" / name).read_bytes() for name in files] == before
    assert len(list((tmp_path / "sweep" / "rounds").iterdir())) == 1
    run(tmp_path / "sweep")


def test_results_that_are_looked_up_do_not_grow(tmp_path: Path) -> None:
    config = {"backend": "lookup", "backend_options": {"results": "example"}, "workers": 1}
    path = write(tmp_path, {**config, "spaces": spaces(ResNet=5)})
    run(path)
    write(tmp_path, {**config, "spaces": spaces(ResNet=6)})
    with pytest.raises(InputError, match="looked up there cannot be more later"):
        operations.run(path, cluster="debug")


def test_workers_at_work_take_what_is_added(tmp_path: Path) -> None:
    path = write(tmp_path, fake(4, epochs=1, workers=1, options=holding(tmp_path)))
    operations.run(path, cluster="local", watch=False)
    sweep = open_sweep(tmp_path / "sweep")
    wait_until(lambda: read_status(sweep).running, what="a trial")
    write(tmp_path, fake(7, epochs=1, workers=1, options={"held": str(tmp_path / "held"), "but": 0}))
    assert operations.run(path, cluster="local", watch=False).total == 7
    let_go(tmp_path)
    assert operations.run(path, cluster="local").complete
    finished_once(tmp_path / "sweep")
    assert len(launches(sweep)) == 1


def test_who_watches_sees_that_there_is_more(tmp_path: Path) -> None:
    path = write(tmp_path, small(spaces=spaces(Vanilla=4)))
    run(path)
    sweep = open_sweep(tmp_path / "sweep")
    tally = Tally.kept(sweep)
    assert read_status(sweep, tally).complete
    write(tmp_path, small(spaces=spaces(Vanilla=6)))
    run(path)
    now = read_status(sweep, tally)
    assert (now.finished, now.total) == (6, 6)


def test_two_that_grow_at_once_add_it_once(tmp_path: Path) -> None:
    path = write(tmp_path, fake(4, epochs=1, options=holding(tmp_path)))
    operations.run(path, cluster="local", watch=False)
    write(tmp_path, fake(9, epochs=1, options={"held": str(tmp_path / "held"), "but": 0}))
    options = {"cluster": "local", "watch": False}
    both = [threading.Thread(target=operations.run, args=(path,), kwargs=options) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    let_go(tmp_path)
    assert operations.run(path, cluster="local").total == 9
    finished_once(tmp_path / "sweep")
    assert len(list((tmp_path / "sweep" / "rounds").iterdir())) == 2


def test_failed_trials_of_a_growth_are_retried(tmp_path: Path) -> None:
    path = write(tmp_path, small(spaces=spaces(Vanilla=4), options={"fates": {"Vanilla": "raise"}}))
    operations.run(path, cluster="debug", show=lambda _: None)
    assert operations.retry(path) == 4
    write(tmp_path, small(spaces=spaces(Vanilla=6), options={"fates": {"Vanilla": "raise"}}))
    operations.run(path, cluster="debug", show=lambda _: None)
    assert operations.status(path).by_status == {"error": 6}
    assert operations.retry(path) == 6
    now = operations.run(path, cluster="debug", show=lambda _: None)
    assert (now.finished, now.by_status) == (6, {"error": 6})
    tally = Tally(open_sweep(tmp_path / "sweep"))
    tally.update()
    # A retry gives all its trials the same number, one above the highest so far.
    assert sorted(tally.attempt.tolist()) == [3] * 6


def test_commands_say_what_run_would_add(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, small(spaces=spaces(Vanilla=4)))
    run(path)
    write(tmp_path, small(spaces=spaces(Vanilla=10)))
    assert main(["plan", str(path)]) == 0
    assert "begun:   4 of them are planned before; run adds 6 others" in capsys.readouterr().out
    assert main(["status", str(path)]) == 0
    assert "more       6 trials that the sweep file asks for, and run adds" in capsys.readouterr().out
    run(path)
    assert main(["plan", str(tmp_path / "sweep")]) == 0
    said = capsys.readouterr().out
    assert "trials:  10 in" in said
    assert "begun" not in said
    made = opening.plan(tmp_path / "sweep")
    assert made.trials == list(open_sweep(tmp_path / "sweep").trials())
    assert sorted(i for start, stop in made.first.batches for i in range(start, stop)) == list(range(10))


def test_a_view_from_before_a_growth_has_nothing_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file server may show the new round of work before the new table, to who counts and to who works."""
    path = write(tmp_path, small(spaces=spaces(Vanilla=4)))
    run(path)
    sweep = open_sweep(tmp_path / "sweep")
    tally = Tally.kept(sweep)
    old = sweep.table
    write(tmp_path, small(spaces=spaces(Vanilla=6)))
    with monkeypatch.context() as patch:
        patch.setattr(workforce, "launch", lambda *_: ("", []))
        patch.setattr(workforce, "start_here", lambda _: None)
        operations.run(path, cluster="debug", show=lambda _: None)
    with monkeypatch.context() as patch:
        patch.setattr(Sweep, "has_grown", lambda _: False)
        now = read_status(sweep, tally)
        assert (now.finished, now.total) == (4, 4)
        patch.setattr(Sweep, "table", old)
        feed = Feed(Sweep(sweep.path), Presence(sweep.folder("workers"), WorkerInfo("me"), 300.0))
        assert feed.next() is None
    item = feed.next()
    assert item is not None
    assert item.planned.index == 4
    now = read_status(sweep, tally)
    assert (now.finished, now.total) == (4, 6)


def test_a_growth_is_cut_for_the_workers_that_the_file_asks_for(tmp_path: Path) -> None:
    path = write(tmp_path, small(spaces=spaces(Vanilla=4), workers=1))
    run(path)
    write(tmp_path, small(spaces=spaces(Vanilla=64), workers=30))
    run(path)
    *_, added = open_sweep(tmp_path / "sweep").rounds()
    # Half of a thirtieth of the work is about one of sixty trials; one worker's half would be far more.
    assert max(stop - start for start, stop in added.batches) <= 3


def test_who_asks_for_less_than_another_has_just_added_is_refused(tmp_path: Path) -> None:
    """Both files asked for more than there was; the first to hold the right to launch decides."""
    path = write(tmp_path, small(spaces=spaces(Vanilla=4)))
    run(path)
    sweep = open_sweep(tmp_path / "sweep")
    write(tmp_path, small(spaces=spaces(Vanilla=9)))
    run(path)
    late = read_config(small(spaces=spaces(Vanilla=6, ResNet=2)))
    for act in (
        lambda: workforce.ensure_workers(sweep, "local", 1, late),
        lambda: workforce.run_here(sweep, late, lambda _: None),
    ):
        with pytest.raises(InputError, match="9 of Vanilla are planned, more than 6"):
            act()
    assert by_space(open_sweep(sweep.path)) == {"Vanilla": 9}


def test_workers_that_end_while_more_is_drawn_are_followed_by_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, fake(4, epochs=1, workers=1, options=holding(tmp_path)))
    operations.run(path, cluster="local", watch=False)
    sweep = open_sweep(tmp_path / "sweep")
    wait_until(lambda: read_status(sweep).running, what="a trial")
    write(tmp_path, fake(7, epochs=1, workers=1, options={"held": str(tmp_path / "held"), "but": 0}))

    def slowly(*given: Any) -> Any:
        let_go(tmp_path)
        wait_until(lambda: not living_workers(sweep), what="the end of the workers")
        return plan_more(*given)

    monkeypatch.setattr(growth, "plan_more", slowly)
    operations.run(path, cluster="local", watch=False)
    wait_until(lambda: read_status(open_sweep(sweep.path)).complete, what="the end")
    assert len(launches(sweep)) == 2


def test_workers_of_a_version_that_knew_no_growth_are_left_alone(tmp_path: Path) -> None:
    path = write(tmp_path, fake(4, epochs=1, workers=1, options=holding(tmp_path)))
    operations.run(path, cluster="local", watch=False)
    sweep = open_sweep(tmp_path / "sweep")
    wait_until(lambda: read_status(sweep).running, what="a trial")
    (sweep.path / "code" / "submit" / "growth.py").unlink()
    write(tmp_path, fake(7, epochs=1, workers=1, options={"held": str(tmp_path / "held"), "but": 0}))
    with pytest.raises(InputError, match="an earlier version, which takes no further trials; wait, or cancel it"):
        operations.run(path, cluster="local", watch=False)
    assert by_space(open_sweep(sweep.path)) == {"Vanilla": 4}
    let_go(tmp_path)
    wait_until(lambda: read_status(sweep).complete and not living_workers(sweep), what="the end")
    # Those that are started now read the whole plan.
    assert operations.run(path, cluster="local").finished == 7


def test_commands_tell_what_an_interrupted_growth_left_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, small(spaces=spaces(Vanilla=4)))
    run(path)
    write(tmp_path, small(spaces=spaces(Vanilla=6, ResNet=3)))

    def full(*_: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(growth, "write_trials", full)
        assert main(["run", str(path), "--cluster", "debug"]) == 1
    capsys.readouterr()
    assert main(["status", str(path)]) == 0
    assert "more       5 trials that the sweep file asks for, and run adds" in capsys.readouterr().out
    assert main(["plan", str(path)]) == 0
    assert "begun:   4 of them are planned before; run adds 5 others" in capsys.readouterr().out
    assert main(["plan", str(tmp_path / "sweep")]) == 0
    said = capsys.readouterr().out
    assert "Vanilla: 4 of" in said
    assert "ResNet" not in said
