"""Image-to-text models that are asked in words: the library's own answer, whatever the batch; tasks and their
prompts; what a version, a repository or a folder lacks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tiny_asked import MODELS, START, has, save_asked
from tiny_image_to_text import pictures

from clipcap_ext.caption import TASKS, DecodingOptions
from clipcap_ext.engine.catalog import find_model
from clipcap_ext.engine.image_to_text import describing
from clipcap_ext.engine.image_to_text.captioner import ImageToTextCaptioner
from clipcap_ext.engine.image_to_text.families import FAMILIES
from clipcap_ext.engine.image_to_text.loading import load_image_to_text
from clipcap_ext.engine.image_to_text.reading import text_of
from clipcap_ext.errors import CaptionError, CheckpointError, UsageError

WAYS = {"greedy": DecodingOptions(max_new_tokens=8), "beams": DecodingOptions(max_new_tokens=8, num_beams=3)}
OWN_WORDS = "What is in it?"
KINDS = [
    pytest.param(kind, marks=pytest.mark.skipif(not has(kind), reason=f"no {kind} in this transformers"))
    for kind in MODELS
]
EACH = pytest.mark.parametrize("kind", KINDS)
CHATS = pytest.mark.parametrize("kind", [one for one in KINDS if FAMILIES[one.values[0]].prompts.chat])
Folder = Callable[[str], Path]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    made: dict[str, Path] = {}

    def ready(kind: str) -> Path:
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp(kind)
            save_asked(kind, made[kind])
        return made[kind]

    return ready


@pytest.fixture(scope="module")
def captioner(folder: Folder) -> Callable[[str], ImageToTextCaptioner]:
    loaded: dict[str, ImageToTextCaptioner] = {}
    return lambda kind: loaded.setdefault(kind, load_image_to_text(folder(kind)))


Load = Callable[[str], ImageToTextCaptioner]


@pytest.fixture(scope="module")
def theirs(folder: Folder) -> Callable[[str], tuple[Any, Any]]:
    """The model and the processor as the library loads them itself."""
    loaded: dict[str, tuple[Any, Any]] = {}

    def ready(kind: str) -> tuple[Any, Any]:
        if kind not in loaded:
            model = getattr(transformers, FAMILIES[kind].model_class).from_pretrained(folder(kind)).eval()
            loaded[kind] = model, transformers.AutoProcessor.from_pretrained(folder(kind))
        return loaded[kind]

    return ready


def by_transformers(model: Any, processor: Any, kind: str, task: str, beams: int) -> list[str]:
    """What the library says of three pictures, asked as its own pages ask it, one after another."""
    prompts = FAMILIES[kind].prompts
    prompt, said = prompts.of(task), []
    if prompts.chat:
        content = [{"type": "image"}, {"type": "text", "text": prompt}]
        asked = [{"role": "user", "content": content}]
        prompt = processor.apply_chat_template(asked, add_generation_prompt=True)
    for image in pictures(3):
        texts = {"text": prompt} if prompt or transformers.__version__.startswith("4.46") else {}
        inputs = processor(images=image, **texts, return_tensors="pt")
        with torch.no_grad():
            ids = model.generate(**inputs, max_new_tokens=8, num_beams=beams, do_sample=False)
        start = inputs["input_ids"].shape[1] if prompts.chat else 0
        answer = processor.batch_decode(ids[:, start:], skip_special_tokens=True)[0]
        said.append(answer.removeprefix(prompt))
    return said


@EACH
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("task", ["sentence", OWN_WORDS])
def test_says_what_transformers_says(
    captioner: Load, theirs: Callable[[str], tuple[Any, Any]], kind: str, way: str, task: str
) -> None:
    options = WAYS[way].with_changes(task=task)
    said = [caption.text for caption in captioner(kind).caption(pictures(3), options)]
    wanted = by_transformers(*theirs(kind), kind, task, WAYS[way].num_beams)
    assert said == [text_of(text, task) for text in wanted]
    assert captioner(kind).caption(pictures(3)[:1], options)[0].text == said[0]


@EACH
def test_pictures_and_words_lead_to_words(captioner: Load, kind: str) -> None:
    said = {
        task: [
            caption.text
            for caption in captioner(kind).caption(pictures(6), WAYS["greedy"].with_changes(task=task))
        ]
        for task in ("sentence", OWN_WORDS)
    }
    assert len(set(said["sentence"])) > 1 and said["sentence"] != said[OWN_WORDS]


@EACH
def test_likelihood_is_the_same_in_any_batch_of_any_sizes(captioner: Load, kind: str) -> None:
    images = [pictures(1)[0], pictures(2)[1].resize((90, 30))]
    together = captioner(kind).caption(images, WAYS["greedy"])
    alone = [captioner(kind).caption([image], WAYS["greedy"])[0] for image in images]
    assert [one.text for one in together] == [one.text for one in alone]
    values = [one.candidates[0].avg_logprob for one in together]
    assert values == pytest.approx([one.candidates[0].avg_logprob for one in alone], abs=1e-4)
    assert all(-20 < value < 0 for value in values)


@EACH
def test_a_seed_gives_the_same_samples_in_any_batch(captioner: Load, kind: str) -> None:
    options = DecodingOptions(temperature=1.0, num_candidates=3, seed=5, max_new_tokens=8)
    if "num_candidates" in FAMILIES[kind].lacking:
        with pytest.raises(UsageError, match="gives one caption of a BLIP-2 alone"):
            captioner(kind).caption(pictures(2), options)
        options = options.with_changes(num_candidates=1)
    together = captioner(kind).caption(pictures(2), options)
    assert [captioner(kind).caption([one], options)[0] for one in pictures(2)] == together


@EACH
def test_weights_are_loaded_in_what_is_asked_for(folder: Folder, kind: str) -> None:
    usual, half = (load_image_to_text(folder(kind), dtype=dtype) for dtype in (None, torch.bfloat16))
    assert {weight.dtype for weight in usual.model.parameters()} == {torch.float32}
    assert torch.bfloat16 in {weight.dtype for weight in half.model.parameters()}
    assert half.caption(pictures(1), WAYS["greedy"])[0].text


@EACH
def test_weights_in_shards_are_the_same_model(
    folder: Folder, captioner: Load, kind: str, tmp_path: Path
) -> None:
    save_asked(kind, tmp_path, max_shard_size="20KB")
    assert not (tmp_path / "model.safetensors").exists()
    assert find_model(tmp_path).config.model["weights"] == find_model(folder(kind)).config.model["weights"]
    said = load_image_to_text(tmp_path).caption(pictures(2), WAYS["greedy"])
    assert [one.text for one in said] == [
        one.text for one in captioner(kind).caption(pictures(2), WAYS["greedy"])
    ]
    gone = sorted(tmp_path.glob("model-*.safetensors"))[1]
    gone.unlink()
    with pytest.raises(CheckpointError, match=f"lacks {gone.name}"):
        load_image_to_text(tmp_path)


@pytest.mark.parametrize("named", ["../elsewhere.safetensors", "/etc/passwd", "model.bin"])
def test_an_index_names_no_other_files(tmp_path: Path, named: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "git"}))
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": named}}))
    with pytest.raises(CheckpointError, match="lacks"):
        load_image_to_text(tmp_path)


@CHATS
def test_a_chat_is_asked_for_each_task_in_its_own_words(captioner: Load, kind: str, monkeypatch: Any) -> None:
    model, asked = captioner(kind), []
    processor = model.encoder._processor
    template = processor.apply_chat_template
    monkeypatch.setattr(
        processor, "apply_chat_template", lambda said, **how: asked.append(said) or template(said, **how)
    )
    for task in (*TASKS, OWN_WORDS):
        model.caption(pictures(1), WAYS["greedy"].with_changes(task=task))
    words = [said[0]["content"][1]["text"] for said in asked]
    assert len(set(words)) == 4 and words[-1] == OWN_WORDS
    assert "short sentence" in words[0] and "in detail" in words[1] and "keywords" in words[2]


@pytest.mark.skipif(not has("florence2"), reason="transformers here has no Florence-2")
def test_florence_s_objects_are_tags_without_their_places(captioner: Load, monkeypatch: Any) -> None:
    model = captioner("florence2")
    ids = model.tokenizer("</s><s>dog<loc_1><loc_2>cat<loc_2>dog<loc_1></s>", add_special_tokens=False)[
        "input_ids"
    ]
    monkeypatch.setattr(model.model, "generate", lambda **_: Written(ids))
    for task in ("tags", "<OD>"):
        assert model.caption(pictures(1), WAYS["greedy"].with_changes(task=task))[0].text == "dog, cat"


class Written:
    """What generate gives back."""

    def __init__(self, ids: list[int]) -> None:
        self.sequences = torch.tensor([[START, *ids]])
        self.scores = [torch.zeros(1, 200)] * len(ids)


@pytest.mark.parametrize(
    ("written", "task", "said"),
    [("A dog. It runs.\nFast.", "detailed", "A dog. It runs. Fast."),
     ("A dog. It runs.", "sentence", "A dog ."),
     ("- dog\n- cat\n- dog", "tags", "dog, cat"),
     ("1. big dog; snow, Dog.", "tags", "big dog, snow, Dog"),
     ("Yes.\n\nIt is 2.5 m", "How high?", "Yes. It is 2.5 m")],
)  # fmt: skip
def test_what_is_made_of_an_answer(written: str, task: str, said: str) -> None:
    assert text_of(written, task) == said


@pytest.mark.parametrize("task", ["detailed", "tags"])
def test_blip_2_takes_words_and_no_instructions(captioner: Load, task: str) -> None:
    with pytest.raises(UsageError, match=f"task={task} does not go with this kind of model"):
        captioner("blip-2").caption(pictures(1), WAYS["greedy"].with_changes(task=task))


def test_a_question_that_leaves_no_place_for_the_answer(captioner: Load) -> None:
    with pytest.raises(CaptionError, match="ask with fewer words"):
        captioner("blip-2").caption(pictures(1), WAYS["greedy"].with_changes(task="a" * 300))


@EACH
def test_its_authors_decoding_is_its_own(folder: Folder, tmp_path: Path, kind: str) -> None:
    shutil.copytree(folder(kind), tmp_path, dirs_exist_ok=True)
    own = {"num_beams": 3, "no_repeat_ngram_size": 2, "max_length": 20}
    (tmp_path / "generation_config.json").write_text(json.dumps(own))
    options = find_model(tmp_path).config.decoding_options()
    assert options == DecodingOptions(num_beams=3, no_repeat_ngram_size=2)
    (tmp_path / "generation_config.json").write_text(json.dumps({"num_beams": "many"}))
    assert find_model(tmp_path).config.decoding_options() == DecodingOptions()


@pytest.mark.parametrize("kind", [kind for kind in FAMILIES if kind != "smolvlm"])
def test_what_a_version_lacks_is_named_with_the_one_that_has_it(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
    family = FAMILIES[kind]
    monkeypatch.setattr(describing, "version", lambda name: "4.11.0")
    entry = find_model(tmp_path)
    assert entry.config is None
    assert f"{family.title} needs transformers {family.since} or newer; here is 4.11.0" in entry.problem
    if not has(kind):
        monkeypatch.undo()
        assert f"needs transformers {family.since} or newer; here is" in find_model(tmp_path).problem


def test_a_processor_s_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "smolvlm"}))
    monkeypatch.setattr(describing, "version", lambda name: "5.0.0")
    monkeypatch.setattr(describing, "find_spec", lambda name: None)
    assert "needs the package num2words" in find_model(tmp_path).problem


@pytest.mark.parametrize(
    ("config", "said"),
    [({"model_type": "florence2", "auto_map": {"AutoConfig": "a.B"}},
      "Transformers 4.56 and newer has Florence-2 itself, for repositories such as florence-community/"),
     ({"model_type": "internvl_chat", "auto_map": {"AutoConfig": "a.B"}},
      "Code that comes with a model is never run"),
     ({"model_type": "qwen2_vl", "quantization_config": {}}, "weights in few bits")],
)  # fmt: skip
def test_a_repository_with_its_own_code_or_few_bits_is_refused(
    tmp_path: Path, config: dict[str, Any], said: str
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert said in find_model(tmp_path).problem


@CHATS
def test_a_chat_model_without_its_template_is_refused(folder: Folder, kind: str, tmp_path: Path) -> None:
    shutil.copytree(folder(kind), tmp_path, dirs_exist_ok=True)
    (tmp_path / "chat_template.json").unlink()
    assert "holds no chat template" in find_model(tmp_path).problem
