"""A real server: answers equal `predict`, limits hold, and what is not understood is refused in one line."""

import csv
import io
import json
import logging
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from gptcore.errors import UserError
from gptcore.serving.limits import Limits
from gptcore.serving.run import bind

TEXTS = [
    "win a free prize now",
    "see you at home",
    "",
    " \u200b",
    "caf\u00e9 \U0001f600",
    "now " * 50,
    "x\x00y",
]


@pytest.mark.parametrize("kind", ["tfidf", "network"])
def test_answers_equal_predict(kind: str, request: pytest.FixtureRequest, serve: Any) -> None:
    classifier = request.getfixturevalue(kind)
    expected = classifier.predict_proba(TEXTS)
    with serve(classifier) as client:
        reply = client.post("/predict", {"texts": TEXTS})
        assert reply.status == 200
        for text, answer, row in zip(TEXTS, reply.json["answers"], expected, strict=True):
            assert list(answer["probabilities"].values()) == pytest.approx(row.tolist(), abs=1e-6)
            is_blank = not text.strip(" \u200b")
            assert answer["label"] == (None if is_blank else classifier.predict([text])[0])
            assert answer["probability"] == pytest.approx(0.0 if is_blank else row.max(), abs=1e-6)
        assert [answer["cut"] for answer in reply.json["answers"]] == [
            kind == "network" and "now now" in t for t in TEXTS
        ]
        words = classifier.explain(TEXTS[0])
        found = client.post("/explain", {"text": TEXTS[0]}).json
    assert [word["weight"] for word in found["words"]] == pytest.approx(
        [w.weight for w in words.words], abs=1e-5
    )
    assert (found["answer"]["label"], found["against"]) == (words.label, words.against)


def test_no_texts_no_answers(client: Any) -> None:
    assert client.post("/predict", {"texts": []}).json == {"answers": []}


@pytest.mark.parametrize(
    ("path", "body", "status", "reason"),
    [
        ("/predict", "", 400, "the body is not JSON"),
        ("/predict", '{"texts": ["a"', 400, "the body is not JSON"),
        ("/predict", b"\xff\xfe", 400, "the body is not JSON"),
        ("/predict", '{"texts": ["\\ud800"]}', 400, "the body is not JSON"),
        ("/predict", "[" * 100_000, 400, "the body is not JSON"),
        ("/predict", "[]", 422, "the body: use a table of fields"),
        ("/predict", "{}", 422, "texts: Field required; the keys are texts"),
        ("/predict", '{"texts": "a"}', 422, "texts: use a list"),
        ("/predict", '{"texts": ["a", 3]}', 422, "texts.1: use text"),
        ("/predict", '{"texts": [], "model": "x"}', 422, "model: Extra inputs"),
        ("/explain", '{"text": ""}', 422, "the text is empty"),
        ("/explain", '{"texts": ["a"]}', 422, "text: Field required"),
        (
            "/predict-file",
            "said\na",
            422,
            "no column is obviously the text: name the text column with text_column",
        ),
        ("/predict-file?kind=xlsx", "a", 422, "kind = 'xlsx': use csv, tsv, jsonl"),
        ("/predict-file?kind=../../x", "a", 422, "use csv, tsv, jsonl"),
        ("/predict-file", 'text,n\n"a', 422, "the file, line 2: unexpected end of data"),
        ("/predict-file", b"text\n\xff", 422, "the file is not UTF-8"),
        ("/predict-file?encoding=x", "text\na", 422, "encoding 'x': not an encoding"),
        ("/predict-file", "text\n", 422, "the file has no rows"),
        (
            "/predict-file",
            "text,label,predicted_label\na,b,c\n",
            422,
            "has a column 'predicted_label' already",
        ),
    ],
)
def test_what_is_not_understood_is_refused(
    client: Any, path: str, body: Any, status: int, reason: str
) -> None:
    reply = client.ask("POST", path, body)
    assert (reply.status, reason in reply.json["error"]) == (status, True), reply.body
    assert "/tmp" not in reply.json["error"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/predict", 405),
        ("GET", "/../../etc/passwd", 404),
        ("GET", "/page.html", 404),
        ("PUT", "/", 405),
    ],
)
def test_other_paths_and_methods(client: Any, method: str, path: str, status: int) -> None:
    reply = client.ask(method, path)
    assert reply.status == status
    assert "openapi.json" in reply.json["error"]


def test_limits(tfidf: Any, serve: Any) -> None:
    limits = Limits(body_bytes=1000, texts=3, characters=50, rows=2, waiting=3)
    with serve(tfidf, limits) as client:
        assert client.post("/predict", {"texts": ["a b"] * 3}).status == 200
        assert (
            client.post("/explain", {"text": "win now"}).status == 200
        )  # fits a queue that is smaller than its cost
        for reply, reason in (
            (client.post("/predict", {"texts": ["a"] * 4}), "4 texts, the limit is 3"),
            (
                client.post("/predict", {"texts": ["a", "b" * 51]}),
                "text 1 has 51 characters, the limit is 50",
            ),
            (client.post("/explain", {"text": "b" * 51}), "text 0 has 51 characters"),
            (
                client.post("/predict", {"texts": ["x" * 3_000_000]}),
                "the body has 2.9 MiB, the limit is 0.000953674",
            ),
            (client.ask("POST", "/predict-file", "text\na\nb\nc\n"), "3 rows, the limit is 2"),
        ):
            assert (reply.status, reason in reply.json["error"]) == (413, True), reply.body
        reply = client.ask("POST", "/predict-file", f"text\n{'b' * 51}\n")
        assert (reply.status, "51 characters" in reply.json["error"]) == (422, True)
        assert client.ask("GET", "/health").json["waiting"] == 0


def test_a_full_queue_is_said_and_waiting_requests_share_a_batch(held: Any, serve: Any) -> None:
    classifier, predictor = held
    with serve(classifier, Limits(texts=4, waiting=10)) as client, ThreadPoolExecutor(4) as threads:
        first = threads.submit(client.post, "/predict", {"texts": ["a"]})
        assert predictor.begun.acquire(timeout=60)
        more = [threads.submit(client.post, "/predict", {"texts": ["a", "b", "c", "d"]}) for _ in range(2)]
        while client.ask("GET", "/health").json["waiting"] < 9:
            pass
        refused = client.post("/predict", {"texts": ["a", "b"]})
        assert (refused.status, refused.headers["retry-after"]) == (429, "1")
        assert "too many texts are waiting" in refused.json["error"]
        predictor.go.set()
        assert [each.result().status for each in (first, *more)] == [200, 200, 200]
        assert client.post("/predict", {"texts": ["a", "b"]}).status == 200
    assert predictor.asked == [1, 8, 2]


def test_an_error_of_one_request_is_not_that_of_its_batch(
    held: Any, serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    classifier, predictor = held
    with serve(classifier) as client, ThreadPoolExecutor(4) as threads:
        first = threads.submit(client.post, "/predict", {"texts": ["a"]})
        assert predictor.begun.acquire(timeout=60)
        bad = threads.submit(client.post, "/predict", {"texts": ["poison"]})
        good = threads.submit(client.post, "/predict", {"texts": ["a"]})
        while client.ask("GET", "/health").json["waiting"] < 3:
            pass
        with caplog.at_level(logging.DEBUG):
            predictor.go.set()
            assert [each.result().status for each in (first, bad, good)] == [200, 500, 200]
    assert "ValueError" in caplog.text
    assert "poison" not in caplog.text  # no text is logged
    assert "poison" not in bad.result().json["error"]


def test_too_many_files(held: Any, serve: Any) -> None:
    classifier, predictor = held
    with serve(classifier, Limits(files=1)) as client, ThreadPoolExecutor(1) as threads:
        first = threads.submit(client.ask, "POST", "/predict-file", "text\na\n")
        assert predictor.begun.acquire(timeout=60)
        reply = client.ask("POST", "/predict-file", "text\na\n")
        assert (reply.status, "1 files are being answered" in reply.json["error"]) == (429, True)
        predictor.go.set()
        assert first.result().status == 200


def test_a_file_that_does_not_arrive_keeps_no_other_from_its_answer(tfidf: Any, serve: Any) -> None:
    idle = (
        b"POST /predict-file HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"
    )
    with serve(tfidf, Limits(files=1, uploads=2)) as client, ExitStack() as stack:

        def upload() -> None:
            opened = stack.enter_context(socket.create_connection(("127.0.0.1", client.port), timeout=60))
            opened.sendall(idle)
            assert b"100 Continue" in opened.recv(100)  # now its body is awaited

        upload()
        assert client.ask("POST", "/predict-file", "text\nwin\n").status == 200
        upload()
        reply = client.ask("POST", "/predict-file", "text\nwin\n")
        assert (reply.status, "2 files are arriving" in reply.json["error"]) == (429, True)
        assert client.post("/predict", {"texts": ["win"]}).status == 200


def test_a_body_that_does_not_arrive(tfidf: Any, serve: Any) -> None:
    with serve(tfidf, Limits(body_s=0.01)) as client:
        reply = client.ask("POST", "/predict", None, **{"Content-Length": "10"})
    assert (reply.status, "did not arrive within 0.01 seconds" in reply.json["error"]) == (408, True)


def test_a_file_comes_back_with_answers(client: Any, tfidf: Any) -> None:
    rows = [(f"win a prize {i}" if i % 3 else "see you, home", str(i)) for i in range(600)]
    written = io.StringIO()
    csv.writer(written).writerows([("message", "n"), *rows])
    reply = client.ask("POST", "/predict-file", written.getvalue().encode())
    assert reply.status == 200
    assert reply.headers["content-disposition"] == 'attachment; filename="answers.csv"'
    header, *found = csv.reader(io.StringIO(reply.body.decode()))
    assert header == ["message", "n", "label", "probability", "cut"]
    assert [tuple(row[:2]) for row in found] == rows
    assert [row[2] for row in found] == tfidf.predict([text for text, _ in rows])
    reply = client.ask(
        "POST",
        "/predict-file?kind=jsonl&text_column=t",
        '{"t": "win", "label": 1}\n{"t": "  ", "label": 2}\n',
    )
    lines = [json.loads(line) for line in reply.body.decode().splitlines()]
    assert [line["predicted_label"] for line in lines] == [tfidf.predict(["win"])[0], ""]
    assert lines[1]["predicted_probability"] == 0


def test_only_loopback_names_are_answered(client: Any) -> None:
    assert client.ask("GET", "/health", Host="rebound.example").status == 400
    assert client.ask("GET", "/health", Host="localhost:8000").status == 200


def test_the_openapi_document_describes_what_is_answered(client: Any) -> None:
    document = client.ask("GET", "/openapi.json").json
    assert document["openapi"].startswith("3.1")
    schemas = document["components"]["schemas"]
    answered = client.post("/explain", {"text": "win now"}).json
    assert set(answered) == set(schemas["ExplainResponse"]["properties"])
    assert set(answered["answer"]) == set(schemas["Answer"]["properties"])
    assert set(client.ask("GET", "/health").json) == set(schemas["Health"]["properties"])

    def references(part: Any) -> list[str]:
        if isinstance(part, list):
            return [found for each in part for found in references(each)]
        if not isinstance(part, dict):
            return []
        own = [part["$ref"]] if "$ref" in part else []
        return own + [found for each in part.values() for found in references(each)]

    assert {reference.rsplit("/", 1)[1] for reference in references(document)} <= set(schemas)
    for path, methods in document["paths"].items():
        assert client.ask("POST" if "post" in methods else "GET", path).status != 404


def test_answers_under_many_threads_are_those_of_each(client: Any, tfidf: Any) -> None:
    texts = [f"{'win' if i % 2 else 'see you'} {i}" for i in range(60)]
    with ThreadPoolExecutor(12) as threads:
        found = list(threads.map(lambda text: client.post("/predict", {"texts": [text]}).json, texts))
    assert [each["answers"][0]["label"] for each in found] == tfidf.predict(texts)
    assert threading.active_count() < 20


def test_a_taken_port_is_one_line() -> None:
    with bind("127.0.0.1", 0) as bound:
        bound.listen()
        port = bound.getsockname()[1]
        with pytest.raises(
            UserError, match=f"--host 127.0.0.1 --port {port}: Address already in use: name another"
        ):
            bind("127.0.0.1", port)


def test_a_queue_that_cannot_hold_a_request_is_refused() -> None:
    with pytest.raises(UserError, match="--queue 10: it must hold a request"):
        Limits(texts=11, waiting=10)
