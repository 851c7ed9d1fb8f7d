"""Records become populations column by column."""

import numpy as np
import pytest

from edfstat.errors import FormatError, InputError
from edfstat.records import from_records, make_record
from edfstat.trials import Trial

TRIAL = Trial(space="A", net={"ws": [16], "ds": [1]}, dataset="digits", optim={"base_lr": 0.1}, seed=3)


def test_curves_of_different_lengths_share_one_epoch_dimension() -> None:
    records = [
        make_record(TRIAL, min_test_top1=5.0, test_ep_top1=[6.0, 5.0], train_ep_loss=[1.0]),
        make_record(TRIAL, status="error", message="stopped", test_ep_top1=[9.0]),
    ]
    population = from_records(records, curves=True)
    assert population.sizes["epoch"] == 2
    np.testing.assert_array_equal(population["test_error"], [[6.0, 5.0], [9.0, np.nan]])
    np.testing.assert_array_equal(population["train_loss"], [[1.0, np.nan], [np.nan, np.nan]])
    assert np.isnan(population["train_error"].values).all()


def test_columns_say_what_the_records_said() -> None:
    population = from_records([make_record(TRIAL, min_test_top1=5.0, params=10, flops=20, iter_time=0.5)])
    assert population["net"].item() == '{"ds": [1], "ws": [16]}'
    assert (population["space"].item(), population["dataset"].item(), population["seed"].item()) == ("A", "digits", 3)
    assert population["params"].dtype == np.int64
    assert population["lr"].item() == 0.1
    assert population["job_id"].item() == TRIAL.id


def test_what_is_not_finite_is_null() -> None:
    record = make_record(TRIAL, status="diverged", train_ep_loss=[1.0, float("nan")], final_test_top1=float("inf"))
    assert record["train_ep_loss"] == [1.0, None]
    assert record["final_test_top1"] is None


@pytest.mark.parametrize(("status", "extra"), [("won", {}), ("ok", {"accuracy": 1.0})])
def test_unknown_statuses_and_keys_are_refused(status: str, extra: dict[str, float]) -> None:
    with pytest.raises(FormatError, match=r"won|accuracy"):
        make_record(TRIAL, status=status, **extra)


def test_a_seed_is_a_whole_number_from_wherever() -> None:
    one = Trial("A", {}, seed=3)
    for seed in (3.0, np.int64(3), np.float64(3)):
        assert Trial("A", {}, seed=seed).id == one.id  # type: ignore[arg-type]
    for seed in (True, 1.5, "3", None, float("inf")):
        with pytest.raises(InputError, match="seed is"):
            Trial("A", {}, seed=seed)  # type: ignore[arg-type]


def test_what_json_cannot_hold_is_named_by_its_place() -> None:
    with pytest.raises(InputError, match=r"^net\.ws\[1\]: nan cannot be written"):
        _ = Trial("A", {"ws": [16, float("nan")]}).id
    circle: dict[str, object] = {}
    circle["itself"] = circle
    with pytest.raises(InputError, match="cannot be written as JSON"):
        _ = Trial("A", circle).id


def test_no_records_make_no_population() -> None:
    with pytest.raises(FormatError, match="no records"):
        from_records([])
