"""Trials on real digits: same trial same record, interruption, statuses, checkpoints that are refused."""

import contextlib
import gzip
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from edfstat import InputError, ProcessUnusable, Trial, TrialInterrupted, backends
from edfstat.records import RECORD_KEYS
from tests.trainers.trials import NET, outcome, trial
from trainers import devices, train
from trainers.__main__ import main
from trainers.evaluation import count_wrong
from trainers.feeds import DeviceFeed
from trainers.outcomes import status_of
from trainers.recipes import resolve
from trainers.session import Seen, Session
from trainers.task import prepare


def test_an_interrupted_trial_gives_the_record_of_an_uninterrupted_one(tmp_path: Path) -> None:
    whole = train(trial(), device="cpu")
    assert outcome(train(trial(), device="cpu")) == outcome(whole)
    for _ in range(2):
        with pytest.raises(TrialInterrupted):
            train(trial(), device="cpu", directory=tmp_path, should_stop=lambda: True)
        # The global generator's state must not matter.
        torch.rand(3)
    torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    resumed = backends()["torch"].run(trial(), directory=tmp_path, device="cpu")
    assert outcome(resumed) == outcome(whole)
    rows = [json.loads(line) for line in (tmp_path / "progress.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert [row["test_error"] for row in rows] == whole["test_ep_top1"]
    assert not (tmp_path / "checkpoint.pt").exists()
    assert train(trial(), device="cpu", directory=tmp_path) == resumed


def test_another_seed_gives_another_record_and_the_best_epoch_is_the_error() -> None:
    one, two = (train(trial(seed=seed), device="cpu") for seed in (1, 2))
    assert one["train_ep_loss"] != two["train_ep_loss"]
    assert one["min_test_top1"] == min(one["test_ep_top1"])
    assert one["final_test_top1"] == one["test_ep_top1"][-1]


def test_params_and_flops_are_those_of_the_arithmetic_by_hand() -> None:
    record = train(trial(1), device="cpu")
    # 1 stem and 6 block convolutions of 3x3, two 1x1 shortcuts, 9 norms, the classifier.
    assert record["params"] == 9 * 16 + 6 * 9 * 256 + 2 * 256 + 9 * 32 + 170


@pytest.mark.parametrize(("stem", "first", "size"), [("simple", 9 * 16, 4), ("imagenet", 49 * 16, 2)])
def test_first_layers_are_those_that_the_options_say(stem: str, first: int, size: int) -> None:
    wanted = trial(1, options={"stem": stem})
    record = train(wanted, device="cpu")
    others = 6 * 9 * 256 + 2 * 256 + 9 * 32 + 170
    assert (record["status"], record["params"]) == ("ok", first + others)
    network = Session(prepare(wanted), torch.device("cpu"), precision="fp32", compile=False).net
    assert sum(weight.numel() for weight in network.parameters()) == first + others
    assert network.stem(torch.zeros(1, 1, 8, 8)).shape == (1, 16, size, size)


def test_a_record_holds_nothing_but_plain_json_values() -> None:
    """Writers of JSON differ in which subclasses of str they take, such as that of torch's version."""

    def kinds(value: Any) -> set[type]:
        inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return {type(value)}.union(*map(kinds, inside))

    record = train(trial(1), device="cpu")
    assert kinds(record) <= {dict, list, str, int, float, bool, type(None)}
    assert record["provenance"]["torch"] == str(torch.__version__)
    assert set(record) == set(RECORD_KEYS)


def test_divergence_is_an_outcome() -> None:
    record = train(trial(4, optim={"max_ep": 4, "base_lr": 1e12}), device="cpu")
    assert record["status"] == "diverged"
    assert record["train_ep_loss"][-1] is None
    assert "not finite" in record["message"]


def test_a_network_whose_outputs_are_no_numbers_has_no_error(tmp_path: Path) -> None:
    """The largest of NaN is the first class, whose share of the test images would count as right answers."""
    one_step = {"options": {"train_images": 128, "test_images": 100}}
    record = train(trial(2, optim={"max_ep": 2, "base_lr": 1e30}, **one_step), device="cpu")
    assert record["train_ep_loss"][0] is not None, "the loss before the first step is finite"
    assert (record["status"], record["test_ep_top1"], record["min_test_top1"]) == ("diverged", [None], None)
    assert "no output was finite after epoch 1" in record["message"]


def test_outputs_that_are_no_numbers_are_wrong_answers() -> None:
    class Some(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    class Given:
        test_steps = 2

        def test(self) -> Any:
            answers = torch.eye(4)
            answers[0], answers[1, 2] = float("nan"), float("inf")
            yield answers, torch.tensor([0, 1, 2, 3])
            yield torch.eye(4)[:2], torch.tensor([0, 0])

    assert count_wrong(Some(), Given(), contextlib.nullcontext).tolist() == [3, 2]  # type: ignore[arg-type]


def test_a_time_limit_counts_all_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also what an epoch took that was cut off, of which no checkpoint is left."""
    runs = [train(trial(10_000), device="cpu", directory=tmp_path, time_limit=1.0) for _ in range(3)]
    assert {record["status"] for record in runs} == {"timeout"}
    seconds = [record["provenance"]["seconds"] for record in runs]
    assert 1.0 <= seconds[0] <= seconds[1] <= seconds[2] < seconds[0] + 1.0
    drawn = DeviceFeed.train

    def slowly(feed: DeviceFeed, epoch: int, start: int = 0) -> Iterator[Any]:
        for batch in drawn(feed, epoch):
            time.sleep(0.01)
            yield batch

    monkeypatch.setattr(DeviceFeed, "train", slowly)  # ten steps, of which none but the first two are in time
    record = train(trial(options={"train_images": 1347}), device="cpu", time_limit=0.02)
    assert record["train_ep_loss"] == []
    assert record["provenance"]["seconds"] >= 0.02


def test_a_recipe_without_head_or_dropped_paths_overrules_the_network() -> None:
    """Published cell networks say that they train with both."""
    edges = [["sep_conv_3x3", 0], ["skip_connect", 1]]
    genotype = {"normal": edges, "normal_concat": [2], "reduce": edges, "reduce_concat": [2]}
    net = {"genotype": genotype, "width": 8, "depth": 3, "aux": True, "drop_prob": 0.3}

    def used(**settings: Any) -> tuple[float, float]:
        recipe = prepare(Trial("any", net, "digits", settings or "default")).recipe
        return recipe.aux_weight, recipe.drop_path

    assert used() == used(cutout=2) == (0.4, 0.3)
    assert used(aux_weight=0, drop_path=0) == (0, 0)
    assert used(base="enhanced", drop_path=0) == (0.4, 0)
    assert used(aux_weight=0.1, drop_path=0.05) == (0.1, 0.05)


def test_a_rate_that_is_no_number_is_called_that() -> None:
    with pytest.raises(InputError, match="base_lr is nan"):
        resolve({"base_lr": float("nan")}, dataset="digits")


def test_a_time_limit_and_an_accident_are_records(monkeypatch: pytest.MonkeyPatch) -> None:
    record = train(trial(50), device="cpu", time_limit=1e-6)
    assert record["status"] == "timeout"

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 9 bytes")

    monkeypatch.setattr(Session, "epoch", broken)
    assert train(trial(), device="cpu")["status"] == "oom"
    monkeypatch.setattr(Session, "epoch", lambda *_, **__: 1 / 0)
    record = train(trial(), device="cpu")
    assert (record["status"], record["message"]) == ("error", "ZeroDivisionError: division by zero")


@pytest.mark.parametrize(
    "message",
    [
        "CUDA error: out of memory",
        "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)",
    ],
)
def test_want_of_memory_is_known_by_its_words(message: str) -> None:
    assert status_of(RuntimeError(f"{message}\nCompile with ...")) == ("oom", message)


def test_after_a_fault_on_the_gpu_no_record_blames_the_trials_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing runs on it any more in this process, which CUDA says of whatever is asked next."""
    monkeypatch.setattr(Session, "epoch", lambda *_, **__: 1 / 0)
    monkeypatch.setattr(devices, "alive", lambda device: False)
    with pytest.raises(ProcessUnusable, match=r"cpu computes nothing more .*division by zero.* in another one"):
        train(trial(), device="cpu", directory=tmp_path)
    assert not (tmp_path / "record.json").exists()
    (tmp_path / "trial.json").write_text(json.dumps(trial().to_dict()))
    assert main([str(tmp_path / "trial.json"), "--device", "cpu"]) == 1
    assert capsys.readouterr().err.startswith("error: cpu computes nothing more for this process")


def test_a_gpu_is_dead_that_answers_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fault() -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    stream = type("Stream", (), {"synchronize": staticmethod(fault)})
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: stream)
    assert not devices.alive(torch.device("cuda"))
    assert devices.alive(torch.device("cpu"))


def test_times_and_errors_of_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """400 images are 3 batches of 128; two epochs take 1.5 and 4.5 s, and nobody knows the error after the third."""

    def told(session: Session, epoch: int, **_: object) -> Seen:
        if epoch == 2:
            raise RuntimeError("broken")
        return Seen(1.0, 50.0, (30.0, 40.0)[epoch], 0.1, 384, (1.5, 4.5)[epoch])

    monkeypatch.setattr(Session, "epoch", told)
    whole, broken = train(trial(2), device="cpu"), train(trial(3), device="cpu")
    assert whole["iter_time"] == broken["iter_time"] == pytest.approx(1.0)
    assert (whole["min_test_top1"], whole["final_test_top1"]) == (30.0, 40.0)
    assert (broken["status"], broken["min_test_top1"], broken["final_test_top1"]) == ("error", 30.0, None)


def test_running_out_of_memory_is_a_record_and_the_process_lives_on() -> None:
    """A process whose address space the kernel limits: a huge batch fails, the trial after it does not."""
    code = (
        "import json, resource, sys; from edfstat import Trial; from trainers import train;"
        "trials = [Trial.from_dict(t) for t in json.loads(sys.argv[1])]; train(trials[1], device='cpu');"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize();"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 2**29, resource.RLIM_INFINITY));"
        "print(json.dumps([train(t, device='cpu') for t in trials]))"
    )
    wide = {**NET, "ws": [16, 256, 256, 256]}
    large = Trial("ResNet", wide, "synthetic", {"batch_size": 4096}, {"max_ep": 1}, options={"test_images": 10})
    described = json.dumps([large.to_dict(), trial(1).to_dict()])
    done = subprocess.run([sys.executable, "-c", code, described], capture_output=True, text=True, check=True)
    failed, after = json.loads(done.stdout)
    assert failed["status"] == "oom", failed["message"]
    assert "allocate" in failed["message"]
    assert failed["min_test_top1"] is None
    assert after["status"] == "ok"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dataset": "nope"}, "no data set"),
        ({"recipe": "nope"}, "no recipe"),
        ({"recipe": {"epoch": 3}}, "unknown setting"),
        ({"optim": {"max_ep": 0}}, "epochs is 0"),
        ({"options": {"results": "x"}}, "unknown option"),
        ({"options": {"train_images": 10**6}}, "train_images"),
        ({"options": {"stem": "wide"}}, "stem is 'wide'; give one of cifar, imagenet, simple"),
        ({"options": {"train_images": True}}, "train_images is True"),
        ({"options": {"time_limit": "5"}}, "time_limit is '5'"),
        ({"options": {"time_limit": float("nan")}}, r"options.time_limit: nan cannot be written as JSON"),
        ({"optim": {"base_lr": True}}, "base_lr is True"),
        ({"optim": {"wd": 0.1, "weight_decay": 0.2}}, "wd and weight_decay are the same setting"),
        ({"recipe": {"base": ["default"]}}, "no recipe is named"),
        ({"recipe": {"cutout": 5}}, "cutout is 5; give an even number"),
        ({"recipe": {"base": "enhanced", "cutout": 16}}, "cutout is 16 on images of 8 pixels a side"),
        ({"recipe": {"image_size": 16}}, "image_size is 16, but images of digits have 8"),
        ({"recipe": {"image_size": "abc"}}, "image_size is 'abc'"),
        ({"dataset": "\ud800"}, "half a character"),
    ],
)
def test_a_trial_that_makes_no_sense_is_refused(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        train(trial(**changes), device="cpu", directory=tmp_path / "new" / "folder")
    assert list(tmp_path.iterdir()) == []


def test_a_time_limit_that_is_no_number_is_refused() -> None:
    with pytest.raises(InputError, match="time_limit is nan"):
        train(trial(), device="cpu", time_limit=float("nan"))


def test_a_folder_that_cannot_be_written_to_is_refused_before_training(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below", "/proc/edfstat"):
        with pytest.raises(InputError, match="cannot be written to"):
            train(trial(), device="cpu", directory=folder)


def test_a_record_that_cannot_be_written_is_returned(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "record.json").mkdir()
    record = train(trial(1), device="cpu", directory=tmp_path)
    assert record["status"] == "ok"
    assert "the record is returned only" in caplog.text


def test_images_that_the_memory_has_no_room_for_are_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("trainers.task._cached", full)
    record = train(trial(), device="cpu")
    assert (record["status"], record["message"]) == ("oom", "the memory has no room for the images")


def test_who_watches_cannot_end_a_training(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A reader that has gone, and a file of progress that is a folder, or no text."""
    lines = []

    def listener(text: str) -> None:
        lines.append(text)
        raise BrokenPipeError

    (tmp_path / "a" / "progress.jsonl").mkdir(parents=True)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "progress.jsonl").write_bytes(b"\xff\xfe\n")
    for name in "ab":
        assert train(trial(2), device="cpu", directory=tmp_path / name, listener=listener)["status"] == "ok"
    # Each is told of its first epoch, and of no more.
    assert ["epoch 1/2" in text for text in lines] == [True, True]
    assert "takes no more progress (BrokenPipeError" in caplog.text
    rows = (tmp_path / "b" / "progress.jsonl").read_text().splitlines()
    assert [json.loads(row)["epoch"] for row in rows] == [1, 2]


def test_images_that_cannot_be_read_are_not_called_a_bad_net(tmp_path: Path) -> None:
    (tmp_path / "digits.csv.gz").write_bytes(gzip.compress(b"no numbers"))
    with pytest.raises(InputError, match=r"digits\.csv\.gz is damaged"):
        train(trial(), device="cpu", root=tmp_path)


def test_settings_under_two_names_are_recorded_under_one() -> None:
    record = train(trial(optim={"epochs": 1, "weight_decay": 1e-3}), device="cpu")
    assert record["optim"] == {"base_lr": 0.1, "wd": 1e-3, "max_ep": 1}


def test_who_watches_may_interrupt() -> None:
    def listener(text: str) -> None:
        raise TrialInterrupted(text)

    with pytest.raises(TrialInterrupted, match="epoch 1/3"):
        train(trial(), device="cpu", listener=listener)


def test_enhanced_recipe_trains_a_cell_network() -> None:
    pair = [["skip_connect", 0], ["sep_conv_3x3", 1]]
    cell = {"normal": pair, "normal_concat": [2], "reduce": pair, "reduce_concat": [2]}
    net = {"genotype": cell, "width": 16, "depth": 4, "aux": False, "drop_prob": 0.0}
    recipe = {"base": "enhanced", "cutout": 4, "label_smoothing": 0.1}
    record = train(
        Trial("DARTS", net, "synthetic", recipe, {"max_ep": 2}, options={"train_images": 256, "test_images": 100}),
        device="cpu",
    )
    assert record["status"] == "ok", record["message"]
    assert record["provenance"]["recipe"]["drop_path"] == 0.2


def test_command_line_profiles_and_reports(tmp_path: Path) -> None:
    (tmp_path / "trial.json").write_text(json.dumps(trial(1, options={}).to_dict()))
    command = [sys.executable, "-m", "trainers", "trial.json", "--directory", "out", "--device", "cpu", "--profile"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "ok"
    assert "epoch 1/1" in done.stderr
    assert "traceEvents" in json.loads((tmp_path / "out" / "trace.json").read_text())


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_an_epoch_of_few_steps_is_profiled_too(tmp_path: Path, steps: int) -> None:
    record = train(trial(1, options={"train_images": 128 * steps}), device="cpu", directory=tmp_path, profile=True)
    assert record["status"] == "ok", record["message"]
    seen = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert "aten::convolution" in {event.get("name") for event in seen}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "trial.json cannot be read (No such file or directory); check the path"),
        ("", "holds no trial (Expecting value: line 1 column 1 (char 0)); give a JSON object with space and net"),
        ("[" * 200_000, "holds no trial"),
        ('{"space": "A", "net": {}, "seed": 1, "seed": 2}', "holds no trial (the key 'seed' is there twice)"),
        ('{"space": "A", "net": null}', "net is None; give a mapping"),
        ('{"space": "A", "net": {}, "optim": null}', "optim is None; give a mapping"),
        ('{"space": "A", "net": {}, "seed": 1.5}', "seed is 1.5; give a whole number"),
        ('{"space": "A", "net": {}, "recipe": [1]}', "recipe is [1]; give a name or a mapping"),
        ('{"space": "A", "net": {}, "dataset": ["digits"]}', "dataset is ['digits']; give a name"),
    ],
)
def test_a_file_that_is_no_trial_is_one_line_and_exit_code_2(
    tmp_path: Path, text: str | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "trial.json"
    if text is not None:
        path.write_text(text)
    assert main([str(path), "--directory", str(tmp_path / "out")]) == 2
    heard = capsys.readouterr().err
    assert said in heard
    assert heard.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_images_are_those_of_where_the_environment_says_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not those that the process read before from another place."""
    for name, value in (("a", 0), ("b", 255)):
        folder = tmp_path / name / "imagenet"
        for part in ("train/x", "train/y", "val/x", "val/y"):
            (folder / part).mkdir(parents=True)
            Image.new("RGB", (40, 40), (value,) * 3).save(folder / part / "1.jpeg")
    net = {"block_type": "res_basic_block", "ds": [1, 1, 1, 1], "ws": [8, 8, 8, 8], "ss": [1, 1, 2, 2]}
    one = Trial("ResNet", net, "imagenet", {"image_size": 32, "batch_size": 2, "precise_bn": 2}, {"max_ep": 1})
    sources = []
    for name in ("a", "b"):
        monkeypatch.setenv("EDFSTAT_DATA", str(tmp_path / name))
        sources.append(prepare(one).train.source)
    assert sources == [str(tmp_path / name / "imagenet" / "train") for name in ("a", "b")]


def test_a_finished_trial_is_not_profiled(tmp_path: Path) -> None:
    train(trial(1), device="cpu", directory=tmp_path)
    with pytest.raises(InputError, match="holds the trial's record already; give another directory to profile it"):
        train(trial(1), device="cpu", directory=tmp_path, profile=True)


def test_interrupted_before_there_is_a_checkpoint_nothing_is_promised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("trainers.__main__._trained", interrupted)
    command = ["trial.json", "--directory", str(tmp_path)]
    assert main(command) == 130
    assert capsys.readouterr().err == "interrupted\n"
    (tmp_path / "checkpoint.pt").touch()
    assert main(command) == 130
    assert capsys.readouterr().err == f"interrupted; the same command goes on from {tmp_path}/checkpoint.pt\n"


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
def test_what_is_compiled_stays_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """A generator of its own for drop path would cut it at each path; only what is not compiled has one."""
    monkeypatch.setattr(torch, "compile", lambda net: torch.nn.Sequential(net))
    enhanced = Trial("any", NET, "digits", {"base": "enhanced"}, {"max_ep": 2}, 1, {"train_images": 256})
    for compiled, breaks in ((True, 0), (False, 1)):
        session = Session(prepare(enhanced), torch.device("cpu"), precision="fp32", compile=compiled)
        for epoch in range(2):
            session.epoch(epoch)
        session.net.train()
        found = torch._dynamo.explain(session.net)(next(session.feed.train(1))[0])
        assert (found.graph_break_count > 0) == bool(breaks)
        torch._dynamo.reset()


def test_the_numbers_of_a_caller_stay_when_a_network_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda net: torch.nn.Sequential(net))
    before = torch.get_rng_state()
    train(trial(1), device="cpu", compile=True)
    assert torch.equal(torch.get_rng_state(), before)
