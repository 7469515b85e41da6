"""Pusher: what is delivered, what is refused, and what is left behind when delivery fails."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator

import pytest

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Examples, InfraBlessing, Model, ModelBlessing, PushedModel, Schema, SkewBlessing
from mlops_tfx.channel import Channel
from mlops_tfx.component import RunContext
from mlops_tfx.components.pusher import Pusher
from mlops_tfx.config import PushDestination
from mlops_tfx.deployment.lineage import LINEAGE_FILES, TRAINED_ON, describe_inputs, read_card
from mlops_tfx.deployment.versions import push
from mlops_tfx.errors import ArtifactError, PushError

FILES = {"saved_model.pb": b"graph", "variables/variables.index": b"index", "assets/vocabulary": b"a\nb\n"}


def destination(folder: pathlib.Path) -> PushDestination:
    return PushDestination(filesystem=PushDestination.Filesystem(base_directory=str(folder)))


def make_model(uri: pathlib.Path, files: dict[str, bytes] = FILES) -> Model:
    for name, data in files.items():
        filesystem.write_bytes(uri / "Format-Serving" / name, data)
    return Model(str(uri))


def contents(folder: str | pathlib.Path) -> dict[str, bytes]:
    """The files of a model, without those that say where it came from."""
    files = {os.path.relpath(path, folder): filesystem.read_bytes(path) for path in filesystem.walk_files(folder)}
    return {name: data for name, data in files.items() if name not in LINEAGE_FILES}


def run_pusher(
    tmp_path: pathlib.Path,
    push_to: pathlib.Path,
    model: Model | None = None,
    model_blessing: ModelBlessing | None = None,
    infra_blessing: InfraBlessing | None = None,
    skew_blessing: SkewBlessing | None = None,
) -> tuple[Pusher, PushedModel, list[str]]:
    given = {
        "model": model, "model_blessing": model_blessing, "infra_blessing": infra_blessing,
        "skew_blessing": skew_blessing,
    }  # fmt: skip
    channels = {name: Channel(type(artifact)) for name, artifact in given.items() if artifact is not None}
    pusher = Pusher(push_destination=destination(push_to), **channels)
    assert pusher.problems == []
    pushed = PushedModel(str(tmp_path / f"pushed-{time.monotonic_ns()}"))
    lines: list[str] = []
    context = RunContext("p", "r", "Pusher", str(tmp_path), log=lines.append)
    inputs = {name: [artifact] for name, artifact in given.items() if artifact is not None}
    pusher.bind(inputs, {"pushed_model": pushed}, context).run()
    return pusher, pushed, lines


def test_pushes_the_whole_model_to_a_folder_named_by_the_time(tmp_path: pathlib.Path) -> None:
    before = int(time.time())
    blessing = ModelBlessing("blessing", custom_properties={"blessed": 1})
    _, pushed, _ = run_pusher(tmp_path, tmp_path / "serving", make_model(tmp_path / "m"), blessing)
    (version,) = os.listdir(tmp_path / "serving")
    assert before <= int(version) <= time.time()
    assert contents(tmp_path / "serving" / version) == FILES
    assert contents(pushed.uri) == FILES
    assert pushed.custom_properties == {
        "pushed": 1, "pushed_version": version, "pushed_destination": str(tmp_path / "serving" / version),
    }  # fmt: skip


def test_pushes_without_any_blessing_when_none_is_wired(tmp_path: pathlib.Path) -> None:
    _, pushed, _ = run_pusher(tmp_path, tmp_path / "serving", make_model(tmp_path / "m"))
    assert pushed.custom_properties["pushed"] == 1


@pytest.mark.parametrize(
    ("model_verdict", "infra_verdict", "reason"),
    [
        ({"blessed": 0}, None, "model_blessing at verdict refuses the model"),
        ({}, None, "model_blessing at verdict holds no verdict"),
        ({"blessed": 1}, {"blessed": 0}, "infra_blessing at infra refuses the model"),
        (None, {"blessed": 0}, "infra_blessing at infra refuses the model"),
    ],
)
def test_a_model_that_is_not_blessed_is_not_pushed_and_the_reason_is_kept(
    tmp_path: pathlib.Path, model_verdict: dict | None, infra_verdict: dict | None, reason: str
) -> None:
    blessing = None if model_verdict is None else ModelBlessing("verdict", custom_properties=model_verdict)
    infra = None if infra_verdict is None else InfraBlessing("infra", custom_properties=infra_verdict)
    pusher, pushed, lines = run_pusher(tmp_path, tmp_path / "serving", make_model(tmp_path / "m"), blessing, infra)
    assert pushed.custom_properties["pushed"] == 0
    assert reason in str(pushed.custom_properties["not_pushed_because"])
    assert reason in lines[0]
    assert not (tmp_path / "serving").exists()
    assert pusher.still_valid({"pushed_model": [pushed]})


def test_pushes_the_model_inside_an_infra_blessing(tmp_path: pathlib.Path) -> None:
    filesystem.write_bytes(tmp_path / "infra/stamped_model/saved_model.pb", b"stamped")
    infra = InfraBlessing(str(tmp_path / "infra"), custom_properties={"blessed": 1, "has_model": 1})
    _, pushed, _ = run_pusher(tmp_path, tmp_path / "serving", infra_blessing=infra)
    assert contents(str(pushed.custom_properties["pushed_destination"])) == {"saved_model.pb": b"stamped"}


def test_an_infra_blessing_without_a_model_is_an_error(tmp_path: pathlib.Path) -> None:
    infra = InfraBlessing("infra", custom_properties={"blessed": 1, "has_model": 0})
    with pytest.raises(ArtifactError, match="make_warmup"):
        run_pusher(tmp_path, tmp_path / "serving", infra_blessing=infra)


def test_a_new_version_is_larger_than_every_other_even_one_from_the_future(tmp_path: pathlib.Path) -> None:
    for name in ("7", "99999999999", "not-a-version", ".hidden"):
        (tmp_path / "serving" / name).mkdir(parents=True)
    _, pushed, _ = run_pusher(tmp_path, tmp_path / "serving", make_model(tmp_path / "m"))
    assert pushed.custom_properties["pushed_version"] == "100000000000"


def test_two_models_pushed_within_a_second_get_two_versions(tmp_path: pathlib.Path) -> None:
    versions = []
    for number in range(3):
        model = make_model(tmp_path / f"m{number}", {"saved_model.pb": str(number).encode()})
        _, pushed, _ = run_pusher(tmp_path, tmp_path / "serving", model)
        versions.append(int(str(pushed.custom_properties["pushed_version"])))
    assert versions == sorted(set(versions))
    assert sorted(int(name) for name in os.listdir(tmp_path / "serving")) == versions


def test_a_push_that_stands_is_not_repeated_and_one_that_is_gone_is(tmp_path: pathlib.Path) -> None:
    model, serving = make_model(tmp_path / "m"), tmp_path / "serving"
    pusher, first, _ = run_pusher(tmp_path, serving, model)
    _, second, lines = run_pusher(tmp_path, serving, model)
    assert second.custom_properties == first.custom_properties
    assert "not pushed again" in lines[0]
    assert len(os.listdir(serving)) == 1
    assert pusher.still_valid({"pushed_model": [first]})

    filesystem.remove_tree(str(first.custom_properties["pushed_destination"]))
    assert not pusher.still_valid({"pushed_model": [first]})
    _, third, _ = run_pusher(tmp_path, serving, model)
    assert contents(str(third.custom_properties["pushed_destination"])) == FILES


def test_a_push_whose_folder_was_tampered_with_or_overtaken_does_not_stand(tmp_path: pathlib.Path) -> None:
    model, serving = make_model(tmp_path / "m"), tmp_path / "serving"
    pusher, pushed, _ = run_pusher(tmp_path, serving, model)
    version = str(pushed.custom_properties["pushed_version"])
    filesystem.write_bytes(serving / version / "saved_model.pb", b"other")
    assert not pusher.still_valid({"pushed_model": [pushed]})
    filesystem.write_bytes(serving / version / "saved_model.pb", FILES["saved_model.pb"])
    assert pusher.still_valid({"pushed_model": [pushed]})
    filesystem.write_bytes(serving / str(int(version) + 1) / "saved_model.pb", b"a newer model")
    assert not pusher.still_valid({"pushed_model": [pushed]})
    # Rolling back to the first model makes it the newest version again.
    _, again, _ = run_pusher(tmp_path, serving, model)
    assert again.custom_properties["pushed_version"] == str(int(version) + 2)


def test_a_model_folder_that_is_missing_or_empty_is_an_error_and_nothing_is_pushed(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ArtifactError, match=r"Format-Serving.*train it again"):
        run_pusher(tmp_path, tmp_path / "serving", Model(str(tmp_path / "gone")))
    (tmp_path / "empty/Format-Serving").mkdir(parents=True)
    with pytest.raises(ArtifactError, match="found nothing"):
        run_pusher(tmp_path, tmp_path / "serving", Model(str(tmp_path / "empty")))
    assert not (tmp_path / "serving").exists()


def test_a_destination_below_a_file_is_an_error_that_names_it(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(PushError, match=r"base_directory='.*/file/serving'.*Not a directory.*choose another folder"):
        run_pusher(tmp_path, tmp_path / "file" / "serving", make_model(tmp_path / "m"))


@pytest.fixture
def mount(tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "mounted"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"this machine cannot mount a tmpfs: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_an_error_and_leaves_the_old_versions_alone(tmp_path: pathlib.Path, mount: pathlib.Path) -> None:
    run_pusher(tmp_path, mount, make_model(tmp_path / "small"))
    before = contents(mount)
    large = make_model(tmp_path / "large", {"saved_model.pb": b"x", "variables/variables.data": b"\1" * (2 << 20)})
    with pytest.raises(PushError, match=r"2,097,\d+ bytes.*No space left on device.*make room"):
        run_pusher(tmp_path, mount, large)
    assert contents(mount) == before
    assert len(os.listdir(mount)) == 1


def test_a_read_only_destination_is_an_error(tmp_path: pathlib.Path, mount: pathlib.Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(mount)], check=True)
    with pytest.raises(PushError, match="Read-only file system"):
        run_pusher(tmp_path, mount / "serving", make_model(tmp_path / "m"))


KILLED_WHILE_COPYING = """
import os, signal, sys
from mlops_tfx import filesystem
from mlops_tfx.components import pusher
def stop(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)
setattr(filesystem, sys.argv[3], stop)
pusher.push(sys.argv[1], sys.argv[2], lambda text: None)
"""


@pytest.mark.parametrize("step", ["sync", "rename"])
def test_a_push_killed_midway_shows_no_version_and_the_next_one_cleans_up(tmp_path: pathlib.Path, step: str) -> None:
    source, serving = make_model(tmp_path / "m").uri + "/Format-Serving", str(tmp_path / "serving")
    killed = subprocess.run([sys.executable, "-c", KILLED_WHILE_COPYING, source, serving, step], check=False)
    assert killed.returncode == -signal.SIGKILL
    left = os.listdir(serving)
    assert left and not any(name.isdecimal() for name in left)
    version = push(source, serving, lambda text: None)
    assert os.listdir(serving) == [version]


def test_pushes_of_two_processes_at_once_get_two_versions(tmp_path: pathlib.Path) -> None:
    code = "import sys; from mlops_tfx.deployment.versions import push; push(*sys.argv[1:3], lambda text: None)"
    serving = tmp_path / "serving"
    models = [make_model(tmp_path / f"m{n}", {"saved_model.pb": str(n).encode()}).uri for n in range(4)]
    started = [subprocess.Popen([sys.executable, "-c", code, f"{m}/Format-Serving", str(serving)]) for m in models]
    assert [process.wait() for process in started] == [0, 0, 0, 0]
    found = {filesystem.read_bytes(serving / version / "saved_model.pb") for version in os.listdir(serving)}
    assert found == {b"0", b"1", b"2", b"3"}


def test_wiring_without_model_or_destination_is_reported_together() -> None:
    problems = Pusher().problems
    assert len(problems) == 2
    assert problems[0].startswith("input 'model': expected it")
    assert "push_destination" in problems[1] and "received None" in problems[1]


def test_wiring_with_a_string_for_the_destination_is_reported() -> None:
    (problem,) = Pusher(model=Channel(Model), push_destination="/srv/models").problems  # type: ignore[arg-type]
    assert "push_destination" in problem and "'/srv/models'" in problem


@pytest.mark.parametrize("verdict", [{"blessed": 0}, {}])
def test_a_skewed_model_is_not_pushed(tmp_path: pathlib.Path, verdict: dict) -> None:
    skew = SkewBlessing("skew", custom_properties=verdict)
    _, pushed, _ = run_pusher(tmp_path, tmp_path / "serving", make_model(tmp_path / "m"), skew_blessing=skew)
    assert "skew_blessing at skew" in str(pushed.custom_properties["not_pushed_because"])
    blessed = SkewBlessing("skew", custom_properties={"blessed": 1})
    _, pushed, _ = run_pusher(tmp_path, tmp_path / "serving", make_model(tmp_path / "m"), skew_blessing=blessed)
    assert pushed.custom_properties["pushed"] == 1


def test_a_version_says_where_it_came_from(tmp_path: pathlib.Path) -> None:
    model = make_model(tmp_path / "m")
    model.id, model.custom_properties["content_digest"] = 7, "ab12"
    examples = Examples("examples", id=3, custom_properties={"content_digest": "cd34"})
    examples.span = 5
    model.custom_properties[TRAINED_ON] = describe_inputs({"examples": [examples], "schema": [Schema("s", id=4)]})
    blessing = ModelBlessing("verdict", id=8, custom_properties={"blessed": 1})
    pusher, pushed, _ = run_pusher(tmp_path, tmp_path / "serving", model, blessing)
    version = str(pushed.custom_properties["pushed_destination"])
    card = read_card(version)
    assert card is not None
    identity = filesystem.read_bytes(f"{version}/assets.extra/mlmd_uuid").decode()
    assert str(uuid.UUID(identity)) == identity == card.pop("mlmd_uuid")
    assert card == {
        "model": {"type": "Model", "id": 7, "uri": str(tmp_path / "m"), "content_digest": "ab12"},
        "trained_on": {
            "examples": [{"type": "Examples", "id": 3, "uri": "examples", "content_digest": "cd34", "span": 5}],
            "schema": [{"type": "Schema", "id": 4, "uri": "s", "content_digest": None}],
        },
        "pipeline_name": "p",
        "pushed_in_run": "r",
        "pushed_by": "Pusher",
        "verdicts": {"model_blessing": {"id": 8, "uri": "verdict", "blessed": True}},
    }
    assert pusher.still_valid({"pushed_model": [pushed]})
    model.id = 9
    again, pushed_again, _ = run_pusher(tmp_path, tmp_path / "serving", model, blessing)
    assert pushed_again.custom_properties["pushed_version"] == pushed.custom_properties["pushed_version"]
    assert read_card(pushed_again.uri)["model"]["id"] == 7, "what lies there is what was pushed first"
    assert again.still_valid({"pushed_model": [pushed_again]})


def test_a_damaged_model_card_is_an_error(tmp_path: pathlib.Path) -> None:
    assert read_card(str(tmp_path)) is None
    filesystem.write_bytes(tmp_path / "assets.extra/model_card.json", b"{")
    with pytest.raises(ArtifactError, match="expected a model card in JSON"):
        read_card(str(tmp_path))
