"""What training on a GPU is meant to guarantee. Run where one is: ``pytest -m gpu tests/trainers/test_gpu.py``.

``-m "gpu and not slow"`` leaves out what takes a minute: a network through `torch.compile`.
"""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edfstat import Trial, TrialInterrupted
from tests.trainers.trials import outcome
from trainers import loop, mps, packing, train, train_many
from trainers.photographs import decoded, decoded_together
from trainers.session import Session
from trainers.task import prepare

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU")]

DEVICE = "cuda"
NET = {"block_type": "res_basic_block", "ds": [1, 2, 2, 2], "ws": [16, 16, 32, 64], "ss": [1, 1, 2, 2]}
EDGES = [["sep_conv_3x3", 0], ["skip_connect", 1]]
CELLS = {
    "genotype": {"normal": EDGES, "normal_concat": [2], "reduce": EDGES, "reduce_concat": [2]},
    "width": 16, "depth": 4, "aux": False, "drop_prob": 0.0,
}  # fmt: skip
#: Plain, and with everything that is drawn inside of a captured step.
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "stages": (NET, {}),
    "cells, enhanced": (CELLS, {"base": "enhanced", "cutout": 8}),
    "convolutions of the libraries": ({**NET, "ws": [8, 8, 24, 40]}, {}),
}


def trial(case: str, epochs: int = 4, seed: int = 1) -> Trial:
    net, recipe = CASES[case]
    return Trial(case, net, "synthetic", recipe, {"max_ep": epochs}, seed, {"train_images": 1024})


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("within", [False, True])
def test_the_same_trial_gives_the_same_record_also_after_an_interruption(
    case: str, within: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = outcome(train(trial(case), device=DEVICE))
    assert whole["status"] == "ok"
    assert outcome(train(trial(case), device=DEVICE)) == whole
    asked = iter([*[False] * 12, *[True] * 99])  # eight steps and the end of an epoch, three steps of the next
    if within:
        monkeypatch.setattr(loop, "PATIENCE", 0.0)
    with pytest.raises(TrialInterrupted, match="step 4 of 8 of epoch 2" if within else "epoch 1 of 4"):
        train(trial(case), device=DEVICE, directory=tmp_path, should_stop=lambda: not within or next(asked))
    resumed = outcome(train(trial(case), device=DEVICE, directory=tmp_path))
    # A graph is captured anew then, whose kernels may be other ones.
    assert resumed["train_ep_loss"] == pytest.approx(whole["train_ep_loss"], rel=0.02)


@pytest.mark.parametrize("case", CASES)
def test_a_captured_step_trains_like_an_eager_one(case: str) -> None:
    losses = []
    for capture in (True, False):
        session = Session(prepare(trial(case)), torch.device(DEVICE), precision="fp32", compile=False)
        assert session.capture or DEVICE == "cpu"
        session.capture = session.capture and capture
        losses.append([session.epoch(epoch).loss for epoch in range(4)])
    assert losses[0] == pytest.approx(losses[1], rel=0.01)


@pytest.mark.parametrize("case", CASES)
def test_layers_fused_by_triton_train_like_those_of_the_libraries(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    for ours in (True, False):
        if not ours:
            monkeypatch.setattr("trainers.nets.gpu.fused", lambda x: False)
        session = Session(prepare(trial(case)), torch.device(DEVICE), precision="bf16", compile=False)
        seen.append([session.epoch(epoch) for epoch in range(4)])
    losses, errors = ([[getattr(e, name) for e in one] for one in seen] for name in ("loss", "test_error"))
    # What is rounded otherwise grows: on a CPU, kernels in C against those of torch, to 0.1 % and 2 %.
    assert losses[0][:2] == pytest.approx(losses[1][:2], rel=0.01)
    assert losses[0] == pytest.approx(losses[1], rel=0.1)
    assert losses[0] != losses[1]
    assert errors[0] == pytest.approx(errors[1], abs=3)


# Torch warns, each time it is asked, that this check of its own does not find every wait.
@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype feature:UserWarning")
def test_an_epoch_does_not_wait_for_the_device() -> None:
    """Torch raises at a call that waits; the one read of the totals at the end of an epoch is let through."""
    session = Session(prepare(trial("stages")), torch.device(DEVICE), precision="auto", compile=False)
    session.epoch(0)
    try:
        torch.cuda.set_sync_debug_mode("error")
        session._train(1, None, None, None, None)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_running_out_of_memory_is_a_record_and_the_next_trial_runs() -> None:
    wide = {**NET, "ws": [16, 2048, 2048, 2048]}
    huge = Trial("any", wide, "synthetic", {"batch_size": 4096}, {"max_ep": 1})
    torch.cuda.set_per_process_memory_fraction(0.05)
    try:
        assert train(huge, device=DEVICE)["status"] == "oom"
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert train(trial("stages", 1), device=DEVICE)["status"] == "ok"


@pytest.mark.parametrize("in_threads", [False, True])
def test_trials_side_by_side_give_the_records_of_trials_alone(
    in_threads: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if in_threads:
        monkeypatch.setattr(packing, "_room", lambda number, *_, **__: number)
    # A number, as schedulers give it, which MPS is told by another name.
    monkeypatch.setenv(mps.VISIBLE, os.environ.get(mps.VISIBLE, "0"))
    trials = [trial(case, 3, seed) for case in ("stages", "cells, enhanced") for seed in (1, 2)]
    with mps.shared_gpu(not in_threads) as state:
        records = list(train_many(trials, device=DEVICE, workers=4))
    assert {record["provenance"]["kernels"] for record in records} == {"triton"}
    together = {(r["space"], r["rng_seed"]): outcome(r) for r in records}
    assert together == {(one.space, one.seed): outcome(train(one, device=DEVICE)) for one in trials}
    if not in_threads and state not in mps.SHARING:
        pytest.skip(f"as said, but without MPS: {state}")


def test_photographs_decoded_on_the_device_are_about_those_of_the_cpu() -> None:
    from PIL import Image

    coarse = np.random.default_rng(0).integers(0, 256, size=(6, 8, 3), dtype=np.uint8)
    picture = Image.fromarray(coarse).resize((320, 240), Image.Resampling.BICUBIC)
    files = []
    for kind, mode in (("JPEG", "RGB"), ("PNG", "RGB"), ("JPEG", "CMYK")):
        out = io.BytesIO()
        picture.convert(mode).save(out, kind)
        files.append(torch.frombuffer(bytearray(out.getvalue()), dtype=torch.uint8))
    for pixels, data in zip(decoded_together(files, torch.device(DEVICE), ["a", "b", "c"]), files):
        assert pixels.device.type == DEVICE
        assert (pixels.cpu().float() - decoded(data).float()).abs().mean() < 3


def test_photographs_stay_what_they_are_until_all_that_reads_them_is_done() -> None:
    """While the GPU is busy the next ones are decoded, into memory that was given back but is still to be read."""
    from torchvision.io import encode_jpeg

    rng = np.random.default_rng(1)
    flat = rng.integers(0, 256, size=(2, 16, 3, 1, 1), dtype=np.uint8)
    batches = [[encode_jpeg(torch.from_numpy(np.tile(colour, (1, 256, 256)))) for colour in batch] for batch in flat]
    device, names = torch.device(DEVICE), [str(number) for number in range(16)]
    decoded_together(batches[0], device, names)  # the decoder is made
    torch.cuda.synchronize()
    # A tenth of a second.
    torch.cuda._sleep(200_000_000)  # type: ignore[no-untyped-call]
    seen = [pixels.clone() for pixels in decoded_together(batches[0], device, names)]
    decoded_together(batches[1], device, names)
    for pixels, data in zip(seen, batches[0]):
        assert (pixels.cpu().float() - decoded(data).float()).abs().max() < 9


def test_a_trial_on_photographs_repeats_itself(tmp_path: Path) -> None:
    """Decoded on the device, and the step captured."""
    from PIL import Image

    rng = np.random.default_rng(2)
    for split, share in (("train", 20), ("val", 6)):
        for number in range(share):
            folder = tmp_path / split / f"n{number % 2}"
            folder.mkdir(parents=True, exist_ok=True)
            coarse = rng.integers(0, 256, size=(6, 8, 3), dtype=np.uint8)
            picture = Image.fromarray(coarse).resize((90 + number, 80), Image.Resampling.BICUBIC)
            picture.save(folder / f"{number}.JPEG")
    recipe = {"batch_size": 8, "image_size": 64, "precise_bn": 16, "cutout": 8}
    one = Trial("any", NET, "imagenet", recipe, {"max_ep": 3})
    records = [train(one, device=DEVICE, root=tmp_path) for _ in range(2)]
    assert [record["status"] for record in records] == ["ok", "ok"]
    assert outcome(records[0]) == outcome(records[1])


def test_after_a_fault_the_process_trains_no_more(tmp_path: Path) -> None:
    """In a process of its own: of the GPU it has nothing after that."""
    program = (
        "import json, sys, torch\n"
        "from edfstat import ProcessUnusable, Trial\n"
        "from trainers import train\n"
        "def fault(line):\n"
        f"    torch.zeros(1, device={DEVICE!r})[torch.full((1,), 9, device={DEVICE!r})]\n"
        "trial = Trial.from_dict(json.loads(sys.argv[1]))\n"
        "for _ in range(2):\n"
        "    try:\n"
        f"        print(train(trial, device={DEVICE!r}, listener=fault)['status'])\n"
        "    except ProcessUnusable as error:\n"
        "        print('unusable')\n"
    )
    command = [sys.executable, "-c", program, json.dumps(trial("stages", 2).to_dict())]
    env = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["unusable", "unusable"], done.stderr[-2000:]


def test_the_command_line_names_the_device_and_profiles_it(tmp_path: Path) -> None:
    (tmp_path / "trial.json").write_text(json.dumps(trial("stages", 1).to_dict()))
    command = [sys.executable, "-m", "trainers", "trial.json", "--device", DEVICE, "--directory", "run", "--profile"]
    env = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    provenance = json.loads(done.stdout)["provenance"]
    assert torch.cuda.get_device_name() in provenance["device"]
    assert (provenance["precision"], provenance["kernels"]) == ("bf16", "triton")
    events = json.loads((tmp_path / "run" / "trace.json").read_text())["traceEvents"]
    assert any("GraphLaunch" in event.get("name", "") for event in events)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the compiler
def test_a_compiled_network_trains_like_one_that_is_not(tmp_path: Path) -> None:
    """Also with what is drawn inside, which is then torch's, and after an interruption."""
    shallow = Trial(
        "any", {**NET, "ds": [1, 1, 1, 1]}, "synthetic", {"drop_path": 0.2}, {"max_ep": 3}, 1, {"train_images": 1024}
    )
    whole = train(shallow, device=DEVICE, compile=True)
    assert (whole["status"], whole["provenance"]["kernels"]) == ("ok", "torch.compile")
    plain = train(shallow, device=DEVICE)
    # Nothing is dropped in the first epoch; later both draw in their own way.
    assert whole["train_ep_loss"][0] == pytest.approx(plain["train_ep_loss"][0], rel=0.02)
    assert whole["train_ep_loss"][2] < whole["train_ep_loss"][0]
    with pytest.raises(TrialInterrupted):
        train(shallow, device=DEVICE, compile=True, directory=tmp_path, should_stop=lambda: True)
    resumed = train(shallow, device=DEVICE, compile=True, directory=tmp_path)
    assert resumed["train_ep_loss"] == pytest.approx(whole["train_ep_loss"], rel=0.02)
