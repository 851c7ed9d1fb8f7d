"""Sweep files: every mistake is named with its key and what is allowed."""

import json
import re
from pathlib import Path

import pytest
import yaml

from submit.config import ConfigError, json_schema, read_config
from submit.scheduler import sbatch_options
from submit.sweep import main
from tests.submit.sweeps import fake, write

ROOT = Path(__file__).resolve().parents[2]
SPACES = [{"name": "ResNet", "count": 3}]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"spaces": []}, "spaces"),
        ({"spaces": [{"name": "ResNet"}]}, "spaces[0].count is missing"),
        ({"spaces": [{"name": "ResNet", "count": 0}]}, "spaces[0].count is 0"),
        ({"spaces": [{"name": "ResNet", "cuont": 3, "count": 3}]}, "there are name, definition, count, caps"),
        ({"spaces": SPACES * 2}, "names ResNet more than once"),
        ({"spaces": [{"count": 3}]}, "spaces[0].name is missing"),
        ({"spaces": [{"definition": {"base": "ResNet"}, "count": 3}]}, "spaces[0].name is missing"),
        ({"spaces": [{"name": "a", "definition": {"name": "b"}, "count": 3}]}, "name is 'a', its definition's 'b'"),
        ({"caps": {"min_flops": 9, "max_flops": 8}}, "min_flops is 9, above max_flops, 8"),
        ({"optim": {"max_ep": 0}}, "optim.max_ep is 0"),
        ({"optim": {"max_ep": 10**30}}, "less than or equal to 1000000000"),
        ({"spaces": ["ResNet"]}, "spaces[0] is 'ResNet': input should be a mapping\n"),
        ({"optim": {"base_lr": {"log_uniform": [0, 1]}}}, "both ends are above 0"),
        ({"optim": {"base_lr": {"uniform": [2, 1]}}}, "low <= high"),
        ({"optim": {"base_lr": {"choice": [1], "uniform": [1, 2]}}}, "exactly one of"),
        ({"resources": {"time": "5 min"}}, "greater than or equal to 11"),
        ({"resources": {"time": "soon"}}, '"90 min", "4h"'),
        ({"resources": {"memory": "lots"}}, '"16GB"'),
        ({"resources": {"mem": 4}}, "there are partition, account, qos, gpus"),
        ({"workers": "many"}, "workers is 'many'"),
        ({"colour": 1}, "colour is not a key; there are name, spaces"),
        ({"spaces": []}, "spaces is []: give at least 1"),
        ({"optim": {"wd": {"choice": []}}}, "optim.wd.choice is []: give at least 1"),
        (
            {"resources": {"time": 4}},
            "resources.time is 4: input should be greater than or equal to 11; a number is min",
        ),
        ({"trial_timeout": 0}, "trial_timeout is 0: input should be greater than 0; a number is minutes"),
    ],
)
def test_a_mistake_is_named(changes: dict, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config({"spaces": SPACES, **changes})
    assert said in f"{caught.value}\n"


def test_every_mistake_is_listed_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, {"spaces": SPACES, "workers": 0, "resources": {"time": "1s"}, "colour": 1})
    assert main(["plan", str(path)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all(str(path) in line for line in lines)


def test_mistakes_in_definitions_of_spaces_are_named_with_their_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = {"block": "basic", "depth": [1], "width": [8]}
    spaces = [
        {"definition": {"name": "one", **grid, "widht": [16]}, "count": 2},
        {"definition": {"name": "DARTS", **grid}, "count": 2},
    ]
    path = write(tmp_path, {"spaces": spaces, "dataset": "digits"})
    assert main(["plan", str(path)]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert "spaces[0].definition: a space has keys" in first
    assert "unknown: ['widht']" in first
    assert "spaces[1].definition: DARTS is a known space" in second
    path = write(tmp_path, {"spaces": spaces[:1], "backend": "lookup", "backend_options": {"results": "example"}})
    assert main(["plan", str(path)]) == 2
    assert "spaces[0].definition: the lookup backend draws from the models of its file" in capsys.readouterr().err


def test_mistakes_of_form_and_of_meaning_are_told_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spaces = [{"name": "Resnet", "count": 2}, {"name": "Darts", "count": 0}]
    names = {"dataset": "mnist", "recipe": "fast", "backend_options": {"speed": 1}}
    path = write(tmp_path, {"spaces": spaces, "caps": {"require": "some"}, **names})
    assert main(["plan", str(path)]) == 2
    said = capsys.readouterr().err
    for key, allowed in [
        ("spaces[1].count is 0", "greater than 0"), ("caps.require is 'some'", "'any' or 'all'"),
        ("design space Resnet", "Vanilla, ResNet"), ("design space Darts", "ENAS, DARTS"),
        ("no data set 'mnist'", "cifar10"), ("no recipe 'fast'", "default, enhanced"),
        ("backend_options.speed", "train_images"),
    ]:  # fmt: skip
        (line,) = [line for line in said.splitlines() if key in line]
        assert allowed in line
    assert len(said.splitlines()) == 7
    # Values of options are looked at once the names are right.
    options = {"stem": "wide"}
    path = write(tmp_path, {"spaces": SPACES, "dataset": "digits", "backend_options": options, "optim": {"wd": -1}})
    assert main(["plan", str(path)]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert "backend_options: option stem is 'wide'; give one of cifar, imagenet, simple" in first
    assert "weight_decay" in second
    # Without mistakes of form, those of meaning are still told together.
    path = write(tmp_path, {"spaces": spaces[:1], "dataset": "mnist", "recipe": "fast"})
    assert main(["plan", str(path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 3


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("90 min", 90), ("1.5h", 90), ("01:30:00", 90), ("2-00:00:00", 2880), ("120", 120), ("2 days", 2880)],
)
def test_times(text: str, minutes: float) -> None:
    assert read_config({"spaces": SPACES, "resources": {"time": text}}).resources.time == minutes


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("spaces: [", "is not YAML"),
        ("spaces:\n\t- x", "line 2, column 1"),
        ("- 1", "holds list"),
        ("", "is empty"),
        ("spaces: [{name: ResNet, count: 2}]\nseed: 1\nseed: 2", "line 3, column 1: the key seed is there twice"),
        (yaml.safe_dump(fake(3, backend="lookup", backend_options={"results": "gone.json"})), "results: there is no"),
        (yaml.safe_dump(fake(3, backend="lookup", backend_options={"results": __file__})), "backend_options.results"),
        (yaml.safe_dump(fake(3, backend="torch", recipe={"lr": 1}, backend_options={})), "unknown setting ['lr']"),
        (yaml.safe_dump(fake(3, backend="torch", optim={"base_lr": -1}, backend_options={})), "base_lr is -1"),
        (
            yaml.safe_dump(fake(3, backend="torch", optim={"wd": {"uniform": [-1, 1]}}, backend_options={})),
            "weight_decay is -1",
        ),
        (yaml.safe_dump(fake(3, backend="torch", backend_options={"colour": 1})), "backend_options.colour"),
        (
            yaml.safe_dump(fake(3, backend="torch", recipe={"image_size": 16}, backend_options={})),
            "images of digits have 8 pixels a side",
        ),
        (
            yaml.safe_dump(fake(3, backend="torch", recipe={"cutout": 16}, backend_options={})),
            "cutout is 16 on images of 8",
        ),
        (yaml.safe_dump(fake(3, backend="torch", backend_options={"train_images": 1348})), "digits has 1347 of them"),
        (yaml.safe_dump(fake(3, spaces=[{"name": "Resnet", "count": 2}])), "no design space Resnet"),
        (yaml.safe_dump(fake(3, caps={"max_params": 10})), "no architecture of Vanilla has params <= 10"),
        (yaml.safe_dump(fake(3, backend="nope")), "no backend is named 'nope'"),
        (yaml.safe_dump(fake(3, backend="lookup", backend_options={})), "backend_options.results is missing"),
        (yaml.safe_dump(fake(3, backend="torch", recipe="fast", backend_options={})), "no recipe 'fast'"),
        (yaml.safe_dump(fake(3, backend="torch", dataset="mnist", backend_options={})), "no data set 'mnist'"),
    ],
)
def test_bad_files_give_one_line_and_leave_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, said: str
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(content)
    assert main(["run", str(path), "--cluster", "debug"]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert "Traceback" not in error
    assert [p.name for p in tmp_path.iterdir()] == ["bad.yaml"]


@pytest.mark.parametrize("command", ["resume", "status", "retry", "cancel", "collect", "report"])
def test_a_sweep_that_was_not_begun_is_pointed_to_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    path = write(tmp_path, fake(3))
    assert main([command, str(path)]) == 2
    assert "start it with run" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [path]


def test_the_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    shown = capsys.readouterr()
    assert "plan sweep.yaml" in shown.out
    assert shown.err == "error: no command is given; see python -m submit.sweep --help\n"
    for command in ("plan", "doctor", "run", "status", "resume", "retry", "cancel", "collect", "report"):
        assert main([command, "--help"]) == 0
        assert f"Example: python -m submit.sweep {command} sweep.yaml" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["run"], ["fly", "x"], ["run", "x.yaml", "--cluster", "cloud"], ["status", "nowhere.yaml"]]
)
def test_bad_command_lines(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1


def test_a_sweep_directory_in_another_directory_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, fake(2, epochs=1))
    assert main(["run", str(path), "--cluster", "debug"]) == 0
    capsys.readouterr()
    other = tmp_path / "other"
    for command in ("run", "resume"):
        assert main([command, str(tmp_path / "sweep"), "--cluster", "debug", "--directory", str(other)]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert f"--directory {other}" in said
        assert not other.exists()
    # Its own name is no contradiction.
    own = str(tmp_path / "." / "sweep")
    assert main(["run", str(tmp_path / "sweep"), "--cluster", "debug", "--directory", own]) == 0


def accepts(schema: dict, value: object, root: dict) -> bool:
    """Whether a JSON Schema takes a value, for the keywords that ours uses; others are an error."""
    known = {
        "$ref", "anyOf", "type", "enum", "pattern", "minimum", "maximum", "exclusiveMinimum", "minItems", "maxItems",
        "minLength", "minProperties", "maxProperties", "items", "prefixItems", "properties", "required",
        "additionalProperties", "$schema", "$defs", "title", "description", "default", "format",
    }  # fmt: skip
    assert set(schema) <= known, set(schema) - known
    if "$ref" in schema:
        return accepts(root["$defs"][schema["$ref"].rpartition("/")[2]], value, root)
    kinds = {"string": str, "object": dict, "array": list, "boolean": bool, "null": type(None)}
    kind = schema.get("type")
    whole = isinstance(value, int) and not isinstance(value, bool)
    tests = [
        "anyOf" not in schema or any(accepts(each, value, root) for each in schema["anyOf"]),
        value in schema.get("enum", [value]),
        kind not in kinds or isinstance(value, kinds.get(kind, object)),
        kind != "integer" or whole,
        kind != "number" or whole or isinstance(value, float),
    ]
    if whole or isinstance(value, float):
        low, high, above = (schema.get(key) for key in ("minimum", "maximum", "exclusiveMinimum"))
        tests += [low is None or value >= low, high is None or value <= high, above is None or value > above]
    if isinstance(value, str):
        tests += [re.search(schema.get("pattern", ""), value) is not None, len(value) >= schema.get("minLength", 0)]
    if isinstance(value, list):
        first = schema.get("prefixItems", [])
        tests += [schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value))]
        tests += [accepts(each, item, root) for each, item in zip(first, value, strict=False)]
        tests += [accepts(schema.get("items", {}), item, root) for item in value[len(first) :]]
    if isinstance(value, dict):
        named, rest = schema.get("properties", {}), schema.get("additionalProperties", True)
        tests += [schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", len(value))]
        tests += [set(schema.get("required", [])) <= set(value)]
        for key, item in value.items():
            inner = named.get(key, rest)
            tests.append(inner if isinstance(inner, bool) else accepts(inner, item, root))
    return all(tests)


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda p: p.stem)
def test_the_schema_takes_the_examples(path: Path) -> None:
    schema = json_schema()
    assert accepts(schema, yaml.safe_load(path.read_text()), schema)


@pytest.mark.parametrize(
    ("changes", "good"),
    [
        ({}, True),
        ({"resources": {"time": "1-00:00:00", "memory": "500MB"}, "trial_timeout": "90 min"}, True),
        ({"optim": {"base_lr": {"log_uniform": [0.01, 1.0]}, "max_ep": 3}}, True),
        ({"colour": 1}, False),
        ({"workers": 0}, False),
        ({"workers": "many"}, False),
        ({"resources": {"time": "soon"}}, False),
        ({"resources": {"memory": -1}}, False),
        ({"spaces": []}, False),
        ({"spaces": [{"name": "ResNet"}]}, False),
        ({"caps": {"require": "some"}}, False),
        ({"optim": {"base_lr": {"choice": [1.0], "uniform": [1, 2]}}}, False),
        ({"optim": {"base_lr": {"uniform": [1, 2, 3]}}}, False),
    ],
)
def test_the_schema_refuses_what_is_refused(changes: dict, good: bool) -> None:
    values, schema = {"spaces": SPACES, **changes}, json_schema()
    assert accepts(schema, values, schema) is good
    if good:
        read_config(values)
    else:
        with pytest.raises(ConfigError):
            read_config(values)


def test_schema_names_every_key() -> None:
    schema = json.loads(json.dumps(json_schema()))
    assert set(schema["properties"]) == set(type(read_config({"spaces": SPACES})).model_fields)
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda p: p.stem)
def test_examples_can_be_planned(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(path)]) == 0
    said = capsys.readouterr()
    assert "longest first" in said.out
    assert re.search(r"at a time, each with (1 trial|[2-9]\d* trials) at a time;", said.out)
    assert not said.err
    assert f"`examples/{path.name}`" in (ROOT / "docs" / "sweeps.md").read_text(encoding="utf-8")


def test_the_documentation_explains_every_key() -> None:
    text = (ROOT / "docs" / "sweeps.md").read_text()
    schema = json_schema()
    shapes = [schema, *schema["$defs"].values()]
    missing = [key for shape in shapes for key in shape["properties"] if f"`{key}`" not in text]
    assert not missing


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"workers": True}, "workers is True: yes and no mean nothing here"),
        ({"seed": 2**70}, f"seed is {2**70}: give at most {2**62}"),
        ({"optim": {"base_lr": float("nan")}}, "optim.base_lr is nan: input should be a finite number"),
        (
            {"optim": {"wd": {"choice": [0.1, float("inf")]}}},
            "optim.wd.choice[1] is inf: input should be a finite number",
        ),
        ({"optim": {"wd": [1]}}, "optim.wd is [1]: give a number, or one of choice, uniform, log_uniform"),
        ({"resources": {"memory": float("inf")}}, "resources.memory is inf: input should be a finite number"),
        ({"resources": {"memory": 1e-9}}, "resources.memory is 1e-09 GB: give at least 1 MB, and at most 1,000,000 GB"),
        (
            {"resources": {"sbatch": {"array": "0-3"}}},
            "resources.sbatch.array is the sweep's own; leave it out (use workers)",
        ),
        ({"resources": {"sbatch": {"x": [1]}}}, "resources.sbatch.x is [1]: give text, a number, true or false"),
        (
            {"resources": {"sbatch": {"x": float("nan")}}},
            "resources.sbatch.x is nan: give text, a number, true or false",
        ),
        ({"resources": {"setup": "module load x"}}, "resources.setup is 'module load x': input should be a list"),
        (
            {"optim": {"wd": {"uniform": [1, 2], "unifrom": 1}}},
            "optim.wd.unifrom is not a key; there are choice, uniform, log_uniform",
        ),
        ({"recipe": ["default"]}, "recipe is ['default']: give a name, or a mapping of settings"),
    ],
)
def test_one_mistake_is_one_line_that_says_the_remedy(changes: dict, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_config({"spaces": SPACES, **changes})
    assert str(refused.value) == f"sweep: {said}"


def test_options_that_are_all_the_sweeps_own_are_all_named() -> None:
    with pytest.raises(ConfigError) as refused:
        read_config(
            {"spaces": [{"name": "V", "count": 6}], "resources": {"sbatch": {"time": 3, "job_name": "x", "gres": 1}}}
        )
    assert [line.split()[1] for line in str(refused.value).splitlines()] == [
        "resources.sbatch.time", "resources.sbatch.job_name",
    ]  # fmt: skip


def test_flags_that_are_false_are_not_given() -> None:
    sbatch = {"exclusive": False, "contiguous": True, "gres": "gpu:1"}
    config = read_config({"spaces": SPACES, "resources": {"sbatch": sbatch}})
    assert sbatch_options(config) == {"cpus-per-task": 1, "contiguous": True, "gres": "gpu:1"}
