"""The REST routes on whichever fastapi and pydantic are here; test_beside_the_hosts.py brings the hosts'
own."""

from __future__ import annotations

import base64
import io
import math
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

pytest.importorskip("fastapi", reason="fastapi comes with the WebUI or with requirements/dev.txt")
from fake_modules import FakeHost
from fastapi import FastAPI
from fastapi.testclient import TestClient

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.service.service import CaptionService
from clipcap_ext.service.standalone import StandaloneHost
from clipcap_ext.webui import api, payload, rest_guard
from clipcap_ext.webui.rest_guard import Access

MODEL = "tiny-clipcap"


def picture(colour: str = "red", kind: str = "PNG", size: tuple[int, int] = (40, 30)) -> str:
    """A base64 picture."""
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, kind)
    return base64.b64encode(stream.getvalue()).decode()


@pytest.fixture
def service(tiny_folder: Path) -> CaptionService:
    return CaptionService(StandaloneHost(tiny_folder, device="cpu"))


def client(service: CaptionService, credentials: dict[str, str] | None = None) -> TestClient:
    app = FastAPI()
    api.add_api(app, service, Access(credentials or {}), lambda name: name or MODEL)
    return TestClient(app, base_url="http://localhost")


@pytest.fixture
def web(service: CaptionService) -> TestClient:
    return client(service)


def ask(web: TestClient, **body: Any) -> Any:
    return web.post("/clipcap/v1/caption", json=body)


def detail(answer: Any) -> str:
    return str(answer.json()["detail"])


def test_models_are_listed_with_the_default(web: TestClient) -> None:
    answer = web.get("/clipcap/v1/models").json()
    rows = {row["name"]: row for row in answer["models"]}
    assert answer["default"] == MODEL
    assert rows[MODEL]["kind"] == "clipcap"
    assert rows[MODEL]["size"] > 1000
    assert rows[MODEL]["problem"] == ""


def test_one_picture(web: TestClient, service: CaptionService) -> None:
    answer = ask(web, image=picture(), model=MODEL).json()
    image = Image.new("RGB", (40, 30), "red")
    assert answer["caption"] == service.caption([image], MODEL).captions[0].text
    assert answer["captions"][0]["caption"] == answer["caption"]
    assert (answer["model"], answer["device"], answer["dtype"]) == (MODEL, "cpu", "fp32")
    assert answer["milliseconds"] > 0
    (candidate,) = answer["captions"][0]["candidates"]
    assert (
        candidate["text"] == answer["caption"]
        and candidate["avg_logprob"] < 0
        and candidate["similarity"] is None
    )


def test_many_pictures_keep_their_order(web: TestClient) -> None:
    colours = ["red", "blue", "white", "black", "green"]
    alone = [ask(web, image=picture(colour)).json()["caption"] for colour in colours]
    together = ask(web, images=[picture(colour) for colour in colours]).json()
    assert [one["caption"] for one in together["captions"]] == alone
    assert len(set(alone)) > 1, "pictures that all get one caption could hide a wrong order"


def test_a_data_uri_with_line_breaks_is_the_same_picture(web: TestClient) -> None:
    plain = picture(kind="JPEG")
    broken = "\n".join(plain[i : i + 76] for i in range(0, len(plain), 76))
    wrapped = ask(web, image=f"data:image/jpeg;base64,{broken}").json()
    assert wrapped["captions"] == ask(web, image=plain).json()["captions"]


def test_options_change_the_text_and_a_seed_brings_it_back(web: TestClient) -> None:
    options = {"temperature": 1.5, "seed": 3, "num_candidates": 4, "rank_by": "similarity"}
    first = ask(web, image=picture(), options=options).json()
    again = ask(web, image=picture(), options=options).json()
    other = ask(web, image=picture(), options={**options, "seed": 4}).json()
    assert first["captions"] == again["captions"]
    assert first["captions"] != other["captions"]
    similar = [one["similarity"] for one in first["captions"][0]["candidates"]]
    assert similar == [round(one, 4) for one in similar]  # no last digits, which differ between processors
    assert len(similar) > 1 and similar == sorted(similar, reverse=True) and not any(map(math.isnan, similar))
    short = ask(web, image=picture(), options={"max_new_tokens": 2}).json()
    assert short["caption"] != ask(web, image=picture()).json()["caption"]


def test_unload_frees_and_the_next_caption_loads_again(web: TestClient, service: CaptionService) -> None:
    assert web.post("/clipcap/v1/unload").json() == {"unloaded": ""}
    ask(web, image=picture())
    assert web.post("/clipcap/v1/unload").json() == {"unloaded": MODEL}
    assert service.loaded() == ""
    assert ask(web, image=picture()).status_code == 200


PNG = picture()
BAD: list[tuple[dict[str, Any], int, str]] = [
    ({}, 422, "Send either image"),
    ({"image": PNG, "images": [PNG]}, 422, "Send either image"),
    ({"images": []}, 422, "from 1 to 64"),
    ({"images": [PNG] * 65}, 422, "from 1 to 64 pictures, not 65"),
    ({"image": ""}, 422, "empty"),
    ({"image": "http://127.0.0.1/a.png"}, 422, "addresses are not fetched"),
    ({"image": "file:///etc/passwd"}, 422, "addresses are not fetched"),
    ({"image": "/etc/passwd"}, 422, ""),
    ({"image": "C:\\dog.png"}, 422, "not base64"),
    ({"image": "data:image/png,abc"}, 422, "not base64"),
    ({"image": base64.b64encode(b"no picture at all").decode()}, 422, ""),
    ({"image": PNG[: len(PNG) // 2 // 4 * 4]}, 422, ""),
    ({"images": [PNG, "?"]}, 422, "image 2"),
    ({"image": 7.5}, 422, ""),
    ({"image": PNG, "model": "gpt-9"}, 404, "No model named 'gpt-9'. Known:"),
    ({"image": PNG, "model": "/etc"}, 404, "No model named"),
    ({"image": PNG, "options": {"num_beams": "many"}}, 422, "num_beams must be a whole number"),
    ({"image": PNG, "options": {"num_beams": 3, "temperature": 1.0}}, 422, "exclude each other"),
    ({"image": PNG, "options": {"mood": "merry"}}, 422, "Unknown decoding option 'mood'"),
    ({"image": PNG, "options": {"rank_by": ["x"]}}, 422, "rank_by must be one of"),
    ({"image": PNG, "options": "beams"}, 422, ""),
]


@pytest.mark.parametrize(("body", "code", "said"), BAD)
def test_bad_input_is_a_4xx_with_a_reason(
    web: TestClient, body: dict[str, Any], code: int, said: str
) -> None:
    answer = ask(web, **body)
    assert answer.status_code == code, answer.text
    assert said in detail(answer)
    assert detail(answer)


def test_a_body_that_is_no_json_is_a_4xx(web: TestClient) -> None:
    answer = web.post("/clipcap/v1/caption", content=b"{", headers={"content-type": "application/json"})
    assert 400 <= answer.status_code < 500


def test_a_picture_that_is_too_large(web: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payload, "MAX_IMAGE_BYTES", 50)
    answer = ask(web, image=PNG)
    assert answer.status_code == 413
    assert "image 1 is above" in detail(answer)


@pytest.mark.parametrize("says_its_length", [True, False])
def test_a_request_that_is_too_large(
    web: TestClient, monkeypatch: pytest.MonkeyPatch, says_its_length: bool
) -> None:
    monkeypatch.setattr(rest_guard, "MAX_BODY_BYTES", 1000)
    body = b'{"image": "' + b"A" * 2000 + b'"}'
    content = body if says_its_length else (body[i : i + 100] for i in range(0, len(body), 100))
    answer = web.post("/clipcap/v1/caption", content=content, headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert "send fewer pictures" in detail(answer)


def test_a_broken_model_is_not_the_requests_fault(service: CaptionService, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "config.json").write_text("{")
    web = client(CaptionService(StandaloneHost(tmp_path, device="cpu")))
    answer = ask(web, image=PNG, model="broken")
    assert answer.status_code == 503
    assert "cannot be read as JSON" in detail(answer)
    assert web.get("/clipcap/v1/models").status_code == 200


ROUTES = [("GET", "models"), ("POST", "caption"), ("POST", "unload")]


@pytest.mark.parametrize(("method", "route"), ROUTES)
@pytest.mark.parametrize(
    "user", [None, ("ann", "wrong"), ("bob", "apple"), ("nobody", "apple"), ("ann", "äpple")]
)
def test_with_api_auth_nothing_is_open(service: CaptionService, method: str, route: str, user: Any) -> None:
    web = client(service, {"ann": "apple", "bob": "p:ear"})
    headers = {}
    if user:
        headers["authorization"] = "Basic " + base64.b64encode(":".join(user).encode()).decode()
    answer = web.request(method, f"/clipcap/v1/{route}", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic")


@pytest.mark.parametrize("user", [("ann", "apple"), ("bob", "p:ear")])
def test_every_user_of_api_auth_is_let_in(service: CaptionService, user: tuple[str, str]) -> None:
    web = client(service, {"ann": "apple", "bob": "p:ear"})
    assert web.get("/clipcap/v1/models", auth=user).status_code == 200
    assert web.post("/clipcap/v1/caption", auth=user, json={"image": PNG}).status_code == 200


def test_two_requests_at_once_do_not_cross(web: TestClient) -> None:
    colours = ["red", "white", "blue", "black"]
    alone = {colour: ask(web, image=picture(colour)).json()["caption"] for colour in colours}
    answers: dict[str, str] = {}

    def post(colour: str) -> None:
        answers[colour] = ask(web, image=picture(colour)).json()["caption"]

    threads = [threading.Thread(target=post, args=(colour,), daemon=True) for colour in colours]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert answers == alone


def test_the_routes_are_documented(web: TestClient) -> None:
    paths = web.get("/openapi.json").json()["paths"]
    assert {"/clipcap/v1/models", "/clipcap/v1/caption", "/clipcap/v1/unload"} <= set(paths)


def test_every_decoding_option_is_documented_with_its_range(web: TestClient) -> None:
    schemas = web.get("/openapi.json").json()["components"]["schemas"]
    said = schemas["CaptionRequest"]["properties"]["options"]["properties"]
    table = DecodingOptions.table()
    assert list(said) == list(table)
    for name, option in table.items():
        assert option.help in said[name]["description"]
        assert said[name].get("minimum", option.low) == option.low
        assert said[name].get("maximum", option.high) == option.high
        assert tuple(said[name].get("enum", ())) == option.choices
    assert said["num_beams"]["maximum"] == 64 and said["top_p"]["type"] == "number"


@pytest.mark.parametrize("family", ["AUTOMATIC1111", "SD.Next"])
def test_the_host_decides_whether_there_are_routes(
    fake_host: Callable[[str], FakeHost], models_in: Path, family: str
) -> None:
    from clipcap_ext.webui.hosts.callbacks import register

    program = fake_host(family)
    register()
    program.run("app_started", None, app := FastAPI())
    served = TestClient(app, base_url="http://localhost").get("/clipcap/v1/models").status_code
    assert served == (200 if family == "SD.Next" else 404)
    program.cmd_opts.api = True
    program.cmd_opts.api_auth = program.cmd_opts.auth = "ann:apple"
    program.run("app_started", None, app := FastAPI())
    assert TestClient(app, base_url="http://localhost").get("/clipcap/v1/models").status_code == 401
    web = TestClient(app, base_url="http://localhost")
    answer = web.post("/clipcap/v1/caption", auth=("ann", "apple"), json={"image": PNG})
    assert answer.status_code == 200, answer.text
    assert program.state.history[-2:] == ["begin Captioning", "end"]


def test_small_files_that_unpack_to_gigabytes_are_refused_before_any_is_unpacked(
    web: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.BytesIO()
    Image.new("1", (13_000, 13_000)).save(stream, "PNG")
    bomb = base64.b64encode(stream.getvalue()).decode()
    assert 4 * len(bomb) < 1_000_000
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("a picture was unpacked"))
    answer = ask(web, images=[bomb] * 4)
    assert answer.status_code == 413
    assert "676 megapixels in all, and a request may have 512" in detail(answer)


ROUTE = "/clipcap/v1/caption"


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        ({"files": {"image": ("a.png", b"SECRET")}}, "multipart/form-data, and JSON is wanted"),
        ({"data": {"image": "SECRET"}}, "x-www-form-urlencoded, and JSON is wanted"),
        (
            {"content": b"\x89PNG SECRET", "headers": {"content-type": "image/png"}},
            "image/png, and JSON is wanted",
        ),
        ({"content": b"\xff\xfeSECRET"}, "no JSON: it is not UTF-8"),
        ({"content": b'{"image": SECRET'}, "no JSON"),
        ({"content": b"[" * 100_000}, "nested"),
        ({"content": b'{"options": {"temperature": NaN}}'}, "NaN is no JSON number"),
        ({"content": b'["SECRET"]'}, "."),
        ({"content": b'{"image": {"SECRET": 1}}'}, "image: "),
        ({"content": b'{"images": "SECRET"}'}, "images: "),
        ({"json": {"image": "x", "options": {"self": 1}}}, "Unknown decoding option 'self'"),
        ({"content": rb'{"image": "x", "options": {"\ud83d": 1}}'}, "Unknown decoding option"),
        ({"json": {"image": "x", "options": {"temperature": [1]}}}, "temperature must be a number"),
        ({"json": {"image": "x", "options": {"num_beams": 10**400}}}, "no JSON|num_beams"),
        ({"content": rb'{"image": "x", "model": "\ud83d\u001b[31m"}'}, "No model named"),
    ],
)
def test_a_wrong_body_is_told_in_words_and_never_repeated(
    web: TestClient, sent: dict[str, Any], why: str
) -> None:
    answer = web.post(ROUTE, **sent)
    assert answer.status_code in (404, 422), answer.text
    assert re.search(why, detail(answer)), detail(answer)
    assert "SECRET" not in answer.text and detail(answer).isprintable()


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0.8},
        {"num_candidates": 5},
        {"top_k": 20, "temperature": 1},
        {"num_beams": 3},
        {"temperature": 1e-40},
    ],
)
def test_one_option_alone_works_as_in_the_terminal(web: TestClient, options: dict[str, Any]) -> None:
    answer = ask(web, image=picture(), options=options)
    assert answer.status_code == 200, answer.text
    assert answer.json()["caption"]


def test_next_to_no_temperature_is_the_likeliest_text(web: TestClient) -> None:
    cold = ask(web, image=picture(), options={"temperature": 1e-40}).json()["caption"]
    assert cold == ask(web, image=picture()).json()["caption"]


def test_one_bad_picture_of_many_is_named_and_the_others_are_captioned(web: TestClient) -> None:
    bad = base64.b64encode(b"no picture").decode()
    answer = ask(web, images=[picture("red"), bad, picture("blue")]).json()
    alone = [ask(web, image=picture(colour)).json()["caption"] for colour in ("red", "blue")]
    assert [one["caption"] for one in answer["captions"]] == [alone[0], "", alone[1]]
    problems = [one["problem"] for one in answer["captions"]]
    assert problems[0] == problems[2] == "" and problems[1].startswith("image 2: not a picture")
    every = ask(web, images=[bad, bad])
    assert every.status_code == 422 and detail(every).startswith("image 1: ")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://localhost"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost.evil.example"}, 403),
        ({"host": "evil.example"}, 403),
        ({"host": "evil.example", "origin": "http://evil.example"}, 403),
        ({"host": "127.0.0.1:7860"}, 200),
        ({"host": "[::1]:7860", "origin": "http://[::1]:7860"}, 200),
        ({"host": "192.168.1.9", "origin": "http://192.168.1.9"}, 200),
        ({"host": ""}, 403),
    ],
)
def test_other_sites_and_other_names_are_refused_where_no_password_is_set(
    service: CaptionService, headers: dict[str, str], status: int
) -> None:
    asked = {"image": picture()}
    assert client(service).post(ROUTE, json=asked, headers=headers).status_code == status
    with_password = client(service, {"me": "word"})
    assert with_password.post(ROUTE, json=asked, headers=headers, auth=("me", "word")).status_code == 200


def test_what_the_host_allows_is_allowed(service: CaptionService) -> None:
    app = FastAPI()
    api.add_api(app, service, Access({}, ("https://my.site",), public=True), lambda name: name or MODEL)
    web = TestClient(app, base_url="http://my.webui.example")
    asked = {"image": picture()}
    assert web.post(ROUTE, json=asked, headers={"origin": "https://my.site"}).status_code == 200
    assert web.post(ROUTE, json=asked, headers={"origin": "https://other.site"}).status_code == 403


def test_a_folder_as_transformers_saves_it(image_to_text_folder: Path) -> None:
    web = client(CaptionService(StandaloneHost(image_to_text_folder, device="cpu")))
    rows = {row["name"]: row for row in web.get("/clipcap/v1/models").json()["models"]}
    assert (rows["my-git"]["kind"], rows["my-git"]["problem"]) == ("transformers", "")
    answer = ask(web, image=picture(), model="my-git", options={"num_candidates": 3, "max_new_tokens": 6})
    assert answer.status_code == 200 and len(answer.json()["captions"][0]["candidates"]) > 1
    lacking = {"rank_by": "similarity", "diversity": 1.5, "precision": "fast", "task": "tags"}
    for name, value in lacking.items():
        refused = ask(web, image=picture(), model="my-git", options={"num_candidates": 3, name: value})
        assert refused.status_code == 422 and f"{name}={value}" in detail(refused)


def test_a_task_over_rest(asked_folder: Path) -> None:
    web = client(CaptionService(StandaloneHost(asked_folder, device="cpu")))
    said = {}
    for task in ("sentence", "detailed", "What is in it?"):
        answer = ask(web, image=picture(), model="my-chat", options={"task": task, "max_new_tokens": 8})
        assert answer.status_code == 200, answer.text
        said[task] = answer.json()["caption"]
    assert len(set(said.values())) == 3
    for model, task in (("my-blip-2", "tags"), ("tiny-flickr8k", "detailed"), ("my-chat", " ")):
        refused = ask(web, image=picture(), model=model, options={"task": task})
        assert refused.status_code == 422 and "task" in detail(refused)


def test_captions_are_judged_word_by_word(web: TestClient) -> None:
    asked = {"image": picture(), "captions": ["a dog in the snow", "two men"]}
    answer = web.post("/clipcap/v1/judge", json=asked)
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert said["judge"] == MODEL
    assert [one["text"] for one in said["judgements"]] == asked["captions"]
    words = said["judgements"][0]["words"]
    assert [word["text"] for word in words] == ["dog", "snow"]
    assert words[1]["without"] == "a dog" and isinstance(words[1]["unsupported"], bool)


@pytest.mark.parametrize(
    ("change", "status"),
    [({"captions": []}, 422), ({"captions": ["a"] * 65}, 422), ({"captions": ["a" * 3000]}, 422),
     ({"image": "!!"}, 422), ({"model": "nobody"}, 404)],
)  # fmt: skip
def test_a_judgement_that_makes_no_sense_is_refused(
    web: TestClient, change: dict[str, Any], status: int
) -> None:
    asked = {"image": picture(), "captions": ["a dog"], **change}
    assert web.post("/clipcap/v1/judge", json=asked).status_code == status
