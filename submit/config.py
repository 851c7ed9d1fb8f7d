"""The sweep file: what it may say, checked all at once, with one line for each mistake."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from edfstat.errors import InputError
from edfstat.trials import canonical_json
from submit.mistakes import sentences
from submit.quantities import Gigabytes, Minutes
from trainers.yaml_files import read_yaml

__all__ = ["Caps", "Config", "ConfigError", "Range", "Resources", "SpaceChoice", "json_schema", "read_config"]

#: submitit takes any job whose limit is ten minutes or less for timed out when it is preempted.
SHORTEST_TIME_MIN = 11.0


class ConfigError(InputError):
    """A sweep file with mistakes; the message has one line for each."""


def _number_or_range(value: Any) -> Any:
    if not isinstance(value, int | float | Mapping | Range):
        raise ValueError("give a number, or one of choice, uniform, log_uniform")
    return value


def _text_or_mapping(value: Any) -> Any:
    if not isinstance(value, str | Mapping):
        raise ValueError("give a name, or a mapping of settings")
    return value


def _one_value(value: Any) -> Any:
    if not isinstance(value, str | int | float) or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError("give text, a number, true or false")
    return value


def _as_json(value: Any) -> Any:
    """Trials are written and told apart as JSON, so what they hold must be of it."""
    try:
        canonical_json(value)
    except InputError as error:
        raise ValueError(" ".join(str(error).split())[:200]) from None
    except (TypeError, ValueError, RecursionError):
        raise ValueError("its keys must be text, and its values text, numbers, lists and mappings") from None
    return value


Settings = Annotated[str | dict[str, Any], BeforeValidator(_text_or_mapping), AfterValidator(_as_json)]
OneValue = Annotated[str | int | float | bool, BeforeValidator(_one_value)]

#: Options of sbatch that are the sweep's own, and what to use instead.
_TAKEN = {
    "array": "use workers", "job-name": "use name", "output": "it is in logs", "error": "it is in logs",
    "signal": "use resources.warning", "time": "use resources.time", "cpus-per-task": "use resources.cpus",
    "test-only": "the command doctor asks", "parsable": "it is always on", "wrap": "use resources.setup",
    "requeue": "it is always on", "no-requeue": "workers come back as long as there is work",
}  # fmt: skip
#: Records hold seeds in 64 bits, those of reruns included. SLURM takes 0 MB for all the memory of a node.
MOST_SEED = 2**62
LEAST_MEMORY, MOST_MEMORY = 1 / 1024, 1e6


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth(cls, value: Any, info: ValidationInfo) -> Any:
        """Yes and no are numbers to Python alone."""
        wanted = cls.model_fields[str(info.field_name)].annotation
        parts = value if isinstance(value, list | tuple) else [value]
        if wanted is not bool and any(isinstance(part, bool) for part in parts):
            raise ValueError("yes and no mean nothing here")
        return value


class Range(_Strict):
    """A setting drawn anew for each trial: exactly one of the three keys."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    choice: tuple[float, ...] | None = Field(None, min_length=1, description="one of these values")
    uniform: tuple[float, float] | None = Field(None, description="[low, high], evenly")
    log_uniform: tuple[float, float] | None = Field(None, description="[low, high], evenly on a log scale")

    @model_validator(mode="after")
    def _one_of(self) -> Range:
        given = [name for name in ("choice", "uniform", "log_uniform") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of choice, uniform, log_uniform; there are {given or 'none'}")
        ends = self.uniform or self.log_uniform
        if ends and ends[0] > ends[1]:
            raise ValueError(f"{given[0]} is {list(ends)}; give [low, high] with low <= high")
        if self.log_uniform and self.log_uniform[0] <= 0:
            raise ValueError(f"log_uniform is {list(self.log_uniform)}; both ends are above 0")
        return self


Setting = Annotated[float | Range, BeforeValidator(_number_or_range)]


class Caps(_Strict):
    """Limits of complexity that architectures are drawn within, inclusive."""

    min_params: int | None = Field(None, gt=0, description="least parameters of a network")
    max_params: int | None = Field(None, gt=0, description="most parameters of a network")
    min_flops: int | None = Field(None, gt=0, description="least operations of one forward pass")
    max_flops: int | None = Field(None, gt=0, description="most operations of one forward pass")
    require: Literal["any", "all"] = Field(
        "any", description="with limits of both measures: whether those of one must hold, or of both"
    )

    @model_validator(mode="after")
    def _not_empty(self) -> Caps:
        for measure in ("params", "flops"):
            least, most = getattr(self, f"min_{measure}"), getattr(self, f"max_{measure}")
            if least is not None and most is not None and least > most:
                raise ValueError(f"min_{measure} is {least:,}, above max_{measure}, {most:,}")
        return self

    def limits(self) -> dict[str, Any]:
        """The limits that are set, as `Space.sample` takes them."""
        return self.model_dump(exclude_none=True)

    @property
    def limited(self) -> bool:
        """Whether any limit is set."""
        return set(self.limits()) != {"require"}


class SpaceChoice(_Strict):
    """How many architectures to draw from which design space."""

    name: str = Field(min_length=1, description="a design space, such as ResNet; that of its definition by default")
    definition: Annotated[dict[str, Any], AfterValidator(_as_json)] | None = Field(
        None, description="a space of one's own, as trainers.spaces.from_dict takes it"
    )
    count: int = Field(gt=0, le=10_000_000, description="architectures to draw")
    caps: Caps | None = Field(None, description="caps of this space instead of the sweep's")

    @model_validator(mode="before")
    @classmethod
    def _named_by_its_definition(cls, values: Any) -> Any:
        definition = values.get("definition") if isinstance(values, Mapping) else None
        own = definition.get("name") if isinstance(definition, Mapping) else None
        return {"name": own, **values} if own is not None else values

    @model_validator(mode="after")
    def _one_name(self) -> SpaceChoice:
        if self.definition is not None and self.definition.get("name") != self.name:
            raise ValueError(f"name is {self.name!r}, its definition's {self.definition.get('name')!r}; give one name")
        return self


class Optim(_Strict):
    """Settings of the optimizer; what is absent, the recipe decides."""

    base_lr: Setting | None = Field(None, description="initial learning rate")
    wd: Setting | None = Field(None, description="weight decay")
    max_ep: Annotated[int, Field(gt=0, le=10**9)] | None = Field(None, description="epochs")


class Resources(_Strict):
    """What one worker asks of the cluster."""

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    gpus: int = Field(0, ge=0, description="GPUs of one worker; 0: SLURM shows it none")
    cpus: int = Field(1, gt=0, description="CPU cores of one worker")
    memory: Gigabytes | None = Field(
        None, description='memory of one worker: gigabytes, or text such as "16GB"; default: the partition\'s'
    )
    time: Minutes = Field(
        60.0,
        ge=SHORTEST_TIME_MIN,
        le=60 * 24 * 365,
        description='time limit: minutes, or text such as "4h" or "1-00:00:00"',
    )
    warning: float = Field(120.0, ge=10, le=3600, description="seconds between SLURM's signal and the end")
    setup: tuple[str, ...] = Field((), description="shell lines before the worker starts")
    sbatch: dict[str, OneValue] = Field(
        default_factory=dict, description="any other parameter of sbatch, by its long name"
    )


class Storage(_Strict):
    """Where things are kept."""

    directory: Path | None = Field(None, description="the sweep directory; default: beside the sweep file")
    keep_checkpoints: bool = Field(False, description="keep the last checkpoint of finished trials")


class Config(_Strict):
    """A sweep: what to draw, how to train it, and with which means."""

    name: str | None = Field(None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="default: the file's name")
    spaces: tuple[SpaceChoice, ...] = Field(min_length=1)
    caps: Caps = Caps.model_validate({})
    dataset: str = Field("cifar10", min_length=1)
    recipe: Settings = Field("default", description="a recipe's name, or its settings")
    optim: Optim = Optim.model_validate({})
    reruns: int = Field(1, ge=1, le=1000, description="trainings of each architecture, with seeds of their own")
    seed: int = Field(1, ge=0, description="decides the architectures drawn and the seeds of the trials")
    backend: str = Field("torch", description="an installed backend, or module:attribute")
    backend_options: Annotated[dict[str, Any], AfterValidator(_as_json)] = Field(
        default_factory=dict, description="handed to the backend with each trial"
    )
    workers: int = Field(2, ge=1, le=100_000, description="workers at a time")
    trials_per_worker: int = Field(1, ge=1, le=256, description="trials that share one worker's device")
    trial_timeout: Minutes | None = Field(None, description='longest time of one trial: minutes, or text such as "2h"')
    lease: float = Field(
        300.0, ge=2, le=86400, description="seconds of silence after which a worker counts as dead; on NFS at least 120"
    )
    resources: Resources = Resources.model_validate({})
    storage: Storage = Storage.model_validate({})

    @model_validator(mode="after")
    def _distinct(self) -> Config:
        counts = Counter(space.name for space in self.spaces)
        if twice := sorted(name for name, count in counts.items() if count > 1):
            raise ValueError(f"spaces names {', '.join(twice)} more than once; give each space one count")
        return self

    def plain(self) -> dict[str, Any]:
        """The configuration as plain values that YAML and JSON can hold."""
        return self.model_dump(mode="json")


def read_config(
    source: str | PathLike[str] | Mapping[str, Any],
    more: Callable[[Mapping[str, Any]], list[str]] = lambda _: [],
) -> Config:
    """Read and check a sweep file.

    Parameters
    ----------
    source : path or mapping
        A YAML file, or the same as plain values.
    more : callable, optional
        Finds further mistakes in the plain values, one sentence each, to be told with those of form.

    Returns
    -------
    Config

    Raises
    ------
    ConfigError
        With one line for each mistake: its key, what is wrong, what is allowed.

    Examples
    --------
    >>> config = read_config({"spaces": [{"name": "ResNet", "count": 5}], "resources": {"time": "4h"}})
    >>> config.resources.time
    240.0
    >>> read_config({"spaces": [{"name": "ResNet", "cuont": 5}]})
    Traceback (most recent call last):
    ...
    submit.config.ConfigError: sweep: spaces[0].count is missing
    sweep: spaces[0].cuont is not a key; there are name, definition, count, caps
    """
    where, values = ("sweep", source) if isinstance(source, Mapping) else (str(Path(source)), _values(Path(source)))
    config = _checked(values, where, more)
    if mistakes := _beyond(config):
        raise ConfigError("\n".join(f"{where}: {mistake}" for mistake in mistakes))
    return config


def read_written(path: Path) -> Config:
    """The configuration of a sweep directory, whose limits are those of the version that wrote it.

    Raises
    ------
    ConfigError
        As `read_config`.
    """
    return _checked(_values(path, written=True), str(path), lambda _: [])


def _beyond(config: Config) -> list[str]:
    """What a new sweep may not ask for, though sweeps of earlier versions may hold it."""
    found = []
    if config.seed > MOST_SEED:
        found.append(f"seed is {config.seed}: give at most {MOST_SEED}")
    memory = config.resources.memory
    if memory is not None and not LEAST_MEMORY <= memory <= MOST_MEMORY:
        found.append(f"resources.memory is {memory:g} GB: give at least 1 MB, and at most 1,000,000 GB")
    time, warning = config.resources.time, config.resources.warning
    if warning > time * 60 / 2:
        found.append(
            f"resources.warning is {warning:g} s, more than half of resources.time, {time:g} min: give a shorter "
            "warning, or more time"
        )
    for key in config.resources.sbatch:
        if instead := _TAKEN.get(key.replace("_", "-")):
            found.append(f"resources.sbatch.{key} is the sweep's own; leave it out ({instead})")
    return found


def _values(path: Path, *, written: bool = False) -> Mapping[str, Any]:
    try:
        values = read_yaml(path, written=written)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}); give a sweep file or a sweep directory") from None
    except InputError as error:
        raise ConfigError(str(error)) from None
    if values is None:
        raise ConfigError(f"{path} is empty; a sweep file is a mapping with the key spaces")
    if not isinstance(values, Mapping):
        what = "text" if isinstance(values, str) else type(values).__name__
        raise ConfigError(f"{path} holds {what}; a sweep file is a mapping with the key spaces")
    return values


def _checked(values: Mapping[str, Any], where: str, more: Callable[[Mapping[str, Any]], list[str]]) -> Config:
    try:
        return Config.model_validate(dict(values))
    except ValidationError as error:
        lines = sentences(error, where, Config)
        lines += [f"{where}: {mistake}" for mistake in more(values)]
        raise ConfigError("\n".join(dict.fromkeys(lines))) from None


def json_schema() -> dict[str, Any]:
    """JSON Schema of a sweep file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Config.model_json_schema()}
