"""What training on a GPU is meant to guarantee. Run where one is: ``pytest -m gpu tests/trainers/test_gpu.py``."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edfstat import Trial, TrialInterrupted
from tests.trainers.trials import outcome
from trainers import loop, packing, train, train_many
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
    assert losses[0] == pytest.approx(losses[1], rel=0.02)
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
    trials = [trial(case, 3, seed) for case in ("stages", "cells, enhanced") for seed in (1, 2)]
    together = {(r["space"], r["rng_seed"]): outcome(r) for r in train_many(trials, device=DEVICE, workers=4)}
    assert together == {(one.space, one.seed): outcome(train(one, device=DEVICE)) for one in trials}


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


def test_the_command_line_names_the_device(tmp_path: Path) -> None:
    (tmp_path / "trial.json").write_text(json.dumps(trial("stages", 1).to_dict()))
    command = [sys.executable, "-m", "trainers", "trial.json", "--device", DEVICE]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert torch.cuda.get_device_name() in json.loads(done.stdout)["provenance"]["device"]
