"""Files made to run code, to fill memory or to deceive: each is refused in one line; none runs, stops or
swells us."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import hostile
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny import write_tokenizer

from clipcap_ext.engine.published.conversion import convert_file, ensure_converted
from clipcap_ext.engine.published.inspection import inspect_file, planned_config, unconverted_files
from clipcap_ext.errors import CheckpointError

ROOT = Path(__file__).resolve().parents[3]
INSPECT_ALL = """
import json, sys, time
from pathlib import Path
from clipcap_ext.engine.published.inspection import planned_config, unconverted_files
from clipcap_ext.errors import CheckpointError
def most():  # of this process; what resource says may be its parent's
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
base, said, slowest = most(), {}, 0
for file in unconverted_files(Path(sys.argv[1])):
    start = time.process_time()
    try:
        planned_config(file)
    except CheckpointError as error:
        said[file.name] = str(error)
    slowest = max(slowest, time.process_time() - start)
print(json.dumps({"said": said, "grown": most() - base, "slowest": slowest, "torch": "torch" in sys.modules}))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hostile")
    (root / "models").mkdir()
    said = hostile.corpus(root / "models", root / "canary")
    (root / "said.json").write_text(json.dumps(said))
    hostile.write_good(root / "models")
    write_tokenizer(root / "models")
    return root / "models"


@pytest.fixture(scope="module")
def expected(folder: Path) -> dict[str, str]:
    return json.loads((folder.parent / "said.json").read_text())


@pytest.fixture
def unsafe_torch_load(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """torch.load as a careless program might replace it: everything is run. Yields what was asked of it."""
    asked: list[object] = []
    real = torch.serialization.load

    def load(file: object, *rest: object, **named: object) -> object:
        asked.append(file)
        return real(file, weights_only=False)

    monkeypatch.setattr(torch, "load", load)
    yield asked


def test_the_canary_sings(tmp_path: Path) -> None:
    """The corpus is no straw man: read carelessly, its files do run."""
    path = tmp_path / "a.pt"
    path.write_bytes(
        hostile.saved({"state_dict": hostile.Hidden(hostile.saved(hostile.Canary(tmp_path / "canary")))})
    )
    torch.serialization.load(str(path), weights_only=False)
    assert (tmp_path / "canary").is_dir()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_each_is_refused_in_a_process_that_lives_and_stays_small(
    folder: Path, expected: dict[str, str]
) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", INSPECT_ALL, folder], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    found = json.loads(ran.stdout)
    assert found["said"].keys() == expected.keys()  # good.pt is the one that is not refused
    for name, text in expected.items():
        said = found["said"][name]
        assert text in said.replace(name, "") and str(folder / name) in said, said
        assert "\n" not in said and len(said) < 600, said
    assert not (folder.parent / "canary").exists() and not found["torch"]
    assert found["grown"] < 120, f"{found['grown']:.0f} MiB"  # the files' own sizes reach 10 GB
    assert found["slowest"] < 10


def test_none_is_converted_whoever_replaced_torch_load(
    folder: Path, expected: dict[str, str], unsafe_torch_load: list[object]
) -> None:
    for name in expected:
        with pytest.raises(CheckpointError):
            ensure_converted(folder / name)
        if name != "link_out.pt":  # by its full path, what it leads to may be used
            with pytest.raises(CheckpointError):
                convert_file(folder / name, folder.parent / "out")
    assert not (folder.parent / "canary").exists() and not (folder.parent / "out").exists()
    assert unsafe_torch_load == []


@pytest.mark.parametrize("form", ["zip", "pickles"])
def test_good_weights_are_read_where_torch_load_answers_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """As AUTOMATIC1111's and SD.Next's does for bool buffers and for files of a recent torch."""
    monkeypatch.setattr(torch, "load", lambda *_, **__: None)
    write_tokenizer(tmp_path)
    size = json.loads((tmp_path / "vocab.json").read_text(encoding="utf-8"))
    state = hostile.published_mlp(len(size)).state_dict()
    from published import with_buffers

    (tmp_path / "a.pt").write_bytes(hostile.saved(with_buffers(state, 128), form))
    assert ensure_converted(tmp_path / "a.pt").is_dir()


def test_the_second_wall_stands_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch, expected: dict[str, str]
) -> None:
    """Should the index reader ever let code through, weights_only still refuses it."""
    from clipcap_ext.engine.published import weights as weights_module
    from clipcap_ext.engine.published.state_file import StateFile

    for name in [name for name in expected if name.startswith("runs_code")]:
        for form in ("zip", "pickles"):
            with pytest.raises(CheckpointError, match="cannot be read by torch"):
                weights_module.read_weights(StateFile(folder / name, form, 0, "", {}))
    assert not (folder.parent / "canary").exists()


def test_weights_that_are_not_those_of_the_index_are_refused(tmp_path: Path) -> None:
    from dataclasses import replace

    from clipcap_ext.engine.published.state_file import read_state_file
    from clipcap_ext.engine.published.weights import read_weights

    source = read_state_file(hostile.write_good(tmp_path))
    read_weights(source)
    name, spec = next(iter(source.tensors.items()))
    for other in (replace(spec, shape=(1, *spec.shape)), replace(spec, dtype="float16")):
        with pytest.raises(CheckpointError, match="other weights than its index says"):
            read_weights(replace(source, tensors={**source.tensors, name: other}))


def test_not_finite_weights_are_named_at_conversion(tmp_path: Path) -> None:
    """Looking reads no weights, so this alone is only found when the file is used."""
    write_tokenizer(tmp_path)
    size = len(json.loads((tmp_path / "vocab.json").read_text(encoding="utf-8")))
    state = dict(hostile.published_mlp(size).state_dict())
    state["gpt.transformer.h.0.mlp.c_fc.weight"][3, 5] = torch.nan
    (tmp_path / "a.pt").write_bytes(hostile.saved(state))
    inspect_file(tmp_path / "a.pt")
    with pytest.raises(
        CheckpointError, match=r"a.pt: gpt2.transformer.h.0.mlp.c_fc.weight holds values that are not finite"
    ):
        ensure_converted(tmp_path / "a.pt")
    assert unconverted_files(tmp_path) == [tmp_path / "a.pt"]


FORMS = {form: hostile.saved(hostile.good_state(), form) for form in ("zip", "pickles")}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_damage_is_one_clear_error_or_harmless(tmp_path: Path, data: st.DataObject) -> None:
    """Bytes exchanged, cut or doubled anywhere in the index: the reader answers, and only with
    CheckpointError."""
    whole = FORMS[data.draw(st.sampled_from(sorted(FORMS)))]
    head = data.draw(st.booleans())
    at = data.draw(st.integers(0, 12_000)) if head else len(whole) - 1 - data.draw(st.integers(0, 8_000))
    kind = data.draw(st.sampled_from(["byte", "cut", "double"]))
    if kind == "byte":
        spoilt = whole[:at] + bytes([data.draw(st.integers(0, 255))]) + whole[at + 1 :]
    else:
        spoilt = whole[:at] + whole[at + 20 :] if kind == "cut" else whole[:at] + whole[at - 20 :]
    path = tmp_path / "a.pt"
    path.write_bytes(spoilt)
    try:
        planned_config(path)
    except CheckpointError as error:
        assert str(path) in str(error) and "\n" not in str(error)
