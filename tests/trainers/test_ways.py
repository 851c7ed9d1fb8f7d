"""Records say how they were computed, also where that changed."""

from pathlib import Path

import pytest

from edfstat import TrialInterrupted
from tests.trainers.trials import NET, trial
from trainers import train
from trainers.nets import cpu


@pytest.mark.usefixtures("compiled")
def test_training_by_layers_in_c_is_about_the_same_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    small = trial(2, recipe={"batch_size": 32})
    ours = train(small, device="cpu")
    assert ours["provenance"]["kernels"] == "c"
    monkeypatch.setattr(cpu, "fused", lambda x: False)
    theirs = train(small, device="cpu")
    assert "kernels" not in theirs["provenance"]
    assert ours["train_ep_loss"] == pytest.approx(theirs["train_ep_loss"], rel=0.02)
    assert ours["train_ep_loss"] != theirs["train_ep_loss"]


@pytest.mark.usefixtures("compiled")
def test_networks_too_narrow_for_layers_in_c_are_not_said_to_use_them() -> None:
    record = train(trial(1, net={**NET, "ws": [8, 8, 8, 8]}), device="cpu")
    assert "kernels" not in record["provenance"]


@pytest.mark.usefixtures("compiled")
def test_a_trial_that_goes_on_without_a_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(TrialInterrupted):
        train(trial(), device="cpu", directory=tmp_path, should_stop=lambda: True)
    with monkeypatch.context() as without:
        without.setattr(cpu, "fused", lambda x: False)
        with pytest.raises(TrialInterrupted):
            train(trial(), device="cpu", directory=tmp_path, should_stop=lambda: True)
    assert "kernels c, now torch" in caplog.text
    assert train(trial(), device="cpu", directory=tmp_path)["provenance"]["kernels"] == "c, then torch, then c"


def test_a_trial_that_goes_on_in_another_precision(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(TrialInterrupted):
        train(trial(2), device="cpu", directory=tmp_path, threads=2, precision="fp32", should_stop=lambda: True)
    record = train(trial(2), device="cpu", directory=tmp_path, threads=1, precision="bf16")
    assert record["provenance"]["precision"] == "fp32, then bf16"
    assert record["provenance"]["threads"] == "2, then 1"
    assert "precision fp32, now bf16; threads 2, now 1" in caplog.text
