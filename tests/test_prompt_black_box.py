"""A black box behind an interface: a real local server, limits, retries, bills, answers kept."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from zobench.core.directions import Noise
from zobench.errors import BadInput
from zobench.objectives.llm.tasks import generated
from zobench.objectives.prompt._answers import Answers
from zobench.objectives.prompt._completions import Completions
from zobench.objectives.prompt.black_box import BlackBox
from zobench.objectives.prompt.service import Service, Transient
from zobench.registry import objectives

TASK = generated("sentiment", sizes=(40, 40, 40))
GOOD = {"good", "superb", "lovely", "warm"}


def scores(text):
    """What our server thinks: the more good words (the prompt's count, too), the greater."""
    good = sum(word in GOOD for word in text.split())
    return {" great": -1.0 - 0.1 / (1 + good), " terrible": -1.5 - 0.2 * good, " the": -2.0}


class Handler(BaseHTTPRequestHandler):
    """The completions format; `server.plan` lists HTTP states to answer with first."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        server.log.append((self.path, dict(self.headers), body))
        state = server.plan.pop(0) if server.plan else 200
        if isinstance(state, bytes):  # the answer itself, after its head
            self.wfile.write(b"HTTP/1.1 " + state)
            return
        if state == "cut":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")
            return
        choices = [
            {"index": i, "text": " great", "logprobs": {"top_logprobs": [scores(text)]}}
            for i, text in enumerate(body["prompt"])
        ]
        tokens = sum(len(text.split()) + 1 for text in body["prompt"])
        answer = {"choices": choices[::-1], "usage": {"total_tokens": tokens}}  # any order
        data = json.dumps(answer if state == 200 else {"error": "busy"}).encode()
        self.send_response(state)
        if state == 429:
            self.send_header("Retry-After", "7")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        """Nothing on the test's screen."""


@pytest.fixture
def server():
    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.log, made.plan = [], []
    thread = threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def address(server):
    return f"http://127.0.0.1:{server.server_port}/v1"


def settings(server, **more):
    few = {"shots": 3, "dev_shots": 2, "test_rows": 5, "pause": 0.0, "cache": "off"}
    words = ["good", "the", "warm"]
    return {"api": address(server), "model": "m", "words": words, "tokens": 2} | few | more


def made(server, **more):
    problem = objectives["black-box"].build(settings(server, **more))
    problem.start(1)
    return problem


def test_a_query_is_a_prompt_before_every_text(server, monkeypatch):
    monkeypatch.setenv("MY_KEY", "secret")
    problem = made(server, key="MY_KEY", together=4)
    loss = problem.losses([(0.0, Noise(0))], 0)[0]
    sent = [text for _, _, body in server.log for text in body["prompt"]]
    assert sent == [f"good good {text}" for text, _ in problem.task.train]
    assert [len(body["prompt"]) for _, _, body in server.log] == [4, 2]
    path, headers, body = server.log[0]
    assert (path, headers["Authorization"]) == ("/v1/completions", "Bearer secret")
    assert {k: v for k, v in body.items() if k != "prompt"} == {
        "model": "m", "max_tokens": 1, "temperature": 0, "logprobs": 5}  # fmt: skip
    wanted = []
    for (_, label), text in zip(problem.task.train, sent):
        told = scores(text)
        two = np.array([told[f" {word}"] for word in problem.task.label_words])
        wanted.append(np.log(np.exp(two).sum()) - two[label])
    assert loss == pytest.approx(np.mean(wanted))
    assert "secret" not in json.dumps(problem.describe())


def test_the_bill(server):
    problem = made(server, price=2.0, together=6)
    problem.losses([(0.0, Noise(0))] * 3, 0)  # three queries, one prompt
    tokens = sum(len(f"good good {text}".split()) + 1 for text, _ in problem.task.train)
    assert problem.bill() == {
        "requests": 1, "failed_requests": 0, "texts_asked": 6, "texts_kept": 0,
        "tokens": tokens, "cost": pytest.approx(2.0 * tokens / 1000)}  # fmt: skip
    assert (problem.samples, problem.forwards) == (18, 3)
    assert problem.finish()["texts_asked"] == 11


def test_warming_up_asks_for_nothing(server):
    made(server).warm_up()
    assert server.log == []


def test_what_may_pass_is_tried_again(server):
    problem = made(server, together=10)
    pauses = []
    problem.service.sleep, problem.service.pause = pauses.append, 1.0
    server.plan += [503, "cut", 429, 500]
    assert np.isfinite(problem.losses([(0.0, Noise(0))], 0)).all()
    assert pauses == [1.0, 2.0, 7.0, 8.0]  # the third is what the server asked for
    assert len({json.dumps(body) for _, _, body in server.log}) == 1
    assert problem.bill()["failed_requests"] == 4


def test_what_does_not_pass_ends_the_run_with_its_reason(server):
    problem = made(server, retries=1)
    server.plan += [503, 503]
    with pytest.raises(Transient, match="answered 503 Service Unavailable"):
        problem.losses([(0.0, Noise(0))], 0)
    server.plan += [401]
    with pytest.raises(BadInput, match=r"answered 401 .*OPENAI_API_KEY"):
        problem.losses([(0.0, Noise(0))], 0)
    assert len(server.log) == 3  # a wrong key is not tried again


@pytest.mark.parametrize("wait", [1e9, float("inf")])
def test_a_pause_of_days_is_not_waited_for(wait):
    def ask(texts):
        raise Transient("busy", wait)

    service = Service(ask, 2, sleep=lambda seconds: pytest.fail("it waits"))
    with pytest.raises(BadInput, match=r"asks for a pause of .* waits at most 600 s"):
        service(["text"])


def answering(monkeypatch, answer):
    ask = Completions("http://x", "m", ["good", "bad"])
    monkeypatch.setattr(ask, "_post", lambda body: answer(json.loads(body)["prompt"]))
    return ask


def chosen(texts, token=" good", index=lambda i: i):
    tops = [{"top_logprobs": [{token: -0.5, " the": -1.0}]} for _ in texts]
    return [{"index": index(i), "logprobs": top} for i, top in enumerate(tops)]


def test_choices_whose_texts_are_not_known_are_refused(monkeypatch):
    ask = answering(monkeypatch, lambda texts: {"choices": chosen(texts, index=lambda i: 0)})
    with pytest.raises(BadInput, match=r"numbered its choices \[0, 0\], not 0 to 1"):
        ask(["a", "b"])


@pytest.mark.parametrize("usage", ["many", None, {}, {"total_tokens": "9"}])
def test_answers_are_used_whatever_the_server_counts(monkeypatch, usage):
    ask = answering(monkeypatch, lambda texts: {"choices": chosen(texts), "usage": usage})
    assert ask(["a"]) == [[-0.5, -1.0]]
    assert ask.tokens == 0


def test_label_words_that_are_never_told_end_the_run(monkeypatch):
    never = answering(monkeypatch, lambda texts: {"choices": chosen(texts, " xx")})
    never(["a"] * 31)
    with pytest.raises(BadInput, match=r"none of the label words 'good', 'bad' .* of 32 texts"):
        never(["a"])
    once = answering(monkeypatch, lambda texts: {"choices": chosen(texts)})
    once(["a"])
    monkeypatch.setattr(once, "_post", lambda body: {"choices": chosen(["a"] * 40, " xx")})
    once(["a"] * 40)


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -float("inf")])
def test_scores_that_are_no_numbers_name_their_text(score):
    service = Service(lambda texts: [[0.0, 1.0], [0.0, score]], 2)
    with pytest.raises(BadInput, match=r"after 'second' are .* not all finite"):
        service(["first", "second"])


def test_nobody_there():
    ask = Completions("http://127.0.0.1:9/v1", "m", ["a"], timeout=2.0)
    with pytest.raises(Transient, match=r"127\.0\.0\.1:9"):
        ask(["text"])


def test_the_rate_is_kept():
    now, gone = [100.0], []

    def ask(texts):
        gone.append(now[0])
        if len(gone) == 2:
            raise ConnectionError("cut")
        return [[0.0, 1.0]] * len(texts)

    def sleep(seconds):
        now[0] += seconds

    service = Service(
        ask, 2, together=1, per_minute=30.0, pause=0.5, clock=lambda: now[0], sleep=sleep
    )
    service(["a", "b", "c"])
    assert np.diff(gone).min() == pytest.approx(2.0)  # retries count, too
    assert len(gone) == 4
    now[0] += 60.0
    service(["d"])
    service(["e"])
    assert gone[5] - gone[4] == pytest.approx(2.0)  # an idle minute is no credit


def test_words_are_told_by_the_tokens_they_begin_with():
    ask = Completions("http://x", "m", ["terrible", "great"])
    told = {" ter": -1.0, "Ter": -3.0, " good": -2.0, "": -0.5, " ": -0.1}
    assert ask._scores(told) == [-1.0, -3.0]  # "great" is not there: no more than the least


def test_answers_outlive_a_killed_process(tmp_path):
    """Killed in the middle: what was answered is kept, and nothing is asked twice."""
    code = textwrap.dedent("""
        import os, signal, sys
        from pathlib import Path
        from zobench.objectives.prompt._answers import Answers
        from zobench.objectives.prompt.service import Service

        folder, stop = Path(sys.argv[1]), int(sys.argv[2])

        def ask(texts):
            done = sum(1 for _ in open(folder / "asked")) if (folder / "asked").exists() else 0
            if done >= stop:
                os.kill(os.getpid(), signal.SIGKILL)
            with open(folder / "asked", "a") as file:
                file.writelines(text + "\\n" for text in texts)
            return [[len(text), 0.5] for text in texts]

        service = Service(ask, 2, Answers(folder / "deep" / "answers.sqlite", "me"), together=2)
        print(service([f"text {'x' * i}" for i in range(8)])[:, 0].tolist(), service.texts_reused)
    """)
    run = [sys.executable, "-c", code, str(tmp_path)]
    killed = subprocess.run([*run, "4"], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL
    done = subprocess.run([*run, "99"], capture_output=True, text=True, check=True)
    assert done.stdout.split() == f"{[5.0 + i for i in range(8)]} 4".split()
    asked = (tmp_path / "asked").read_text().splitlines()
    assert len(asked) == len(set(asked)) == 8


# ------------------------------------------------------------------ what a service may try


def reply(body: str, head: str = "200 OK") -> bytes:
    return f"{head}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


def moved(code, place):
    return reply("", f"{code} Moved\r\nLocation: {place}")


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("place", ["http://localhost:{}/v1/completions?t=hidden", "/elsewhere"])
def test_the_key_follows_no_redirect(server, monkeypatch, code, place):
    monkeypatch.setenv("MY_KEY", "not-a-key")
    server.plan += [moved(code, place.format(server.server_port))] * 3
    with pytest.raises(
        BadInput, match=rf"redirects \({code}\) to http://[a-z0-9.]*:\d+; "
    ) as error:
        Completions(address(server), "m", ["great"], key="MY_KEY")(["a text"])
    assert [path for path, _, _ in server.log] == ["/v1/completions"]
    assert "hidden" not in str(error.value)


@pytest.mark.parametrize("code", [400, 401, 404, 503])
def test_errors_do_not_tell_the_key(server, monkeypatch, code):
    monkeypatch.setenv("MY_KEY", "sk-Not/a+key\n")  # as a file with a line break gives it
    server.plan += [reply("\x1b[31m no access with sk-not/A+key", f"{code} sk-Not/a+key")]
    with pytest.raises((BadInput, Transient), match=f"answered {code}") as error:
        Completions(address(server), "m", ["great"], key="MY_KEY")(["a text"])
    assert server.log[0][1]["Authorization"] == "Bearer sk-Not/a+key"
    assert "a+key" not in str(error.value).lower()
    assert str(error.value).isprintable()


def test_a_key_that_no_header_can_hold_is_not_told(server, monkeypatch):
    monkeypatch.setenv("MY_KEY", "one\ntwo")
    with pytest.raises(BadInput, match=r"the key in \$MY_KEY holds characters") as error:
        Completions(address(server), "m", ["great"], key="MY_KEY")(["a text"])
    assert "two" not in str(error.value)
    for url in ("http://me:word@h/v1", "http://h/v1?key=word", "http://h/v1#word"):
        with pytest.raises(BadInput, match="holds no user name, password") as error:
            Completions(url, "m", ["great"])
        assert "word@" not in str(error.value)


TOP = '{"choices": [{"index": 0, "logprobs": {"top_logprobs": [{" great": %s, " bad": -1}]}}]}'


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("[" * 200_000 + "]" * 200_000, "nested too deeply"),
        (TOP % ("[" * 500 + "]" * 500), "in the completions format|are numbers"),
        (TOP % "NaN", "not all finite"),
        (TOP % "1e999", "not all finite"),
        (TOP % ("9" * 400), "are numbers of shape"),
        (TOP % "true", "are numbers of shape"),
        (TOP % '"-1"', "in the completions format"),
        ('{"choices": [' * 3, "JSONDecodeError"),
    ],
)
def test_an_answer_that_is_no_scores_is_one_line(server, body, said):
    server.plan += [reply(body)]
    service = Service(Completions(address(server), "m", ["great"]), 1, retries=0)
    with pytest.raises((BadInput, Transient), match=said) as error:
        service(["a text"])
    assert "\n" not in str(error.value)
    assert not service.memory


DAMAGED = [
    "[1.0, NaN]", "[1.0, Infinity]", "[1.0]", "[1.0, 2.0, 3.0]", "[[1.0, 2.0]]", '["1.0", "2.0"]',
    "[true, false]", "[1.0, null]", "1.0", '{"a": 1}', "[1.0, 2.", "", "[" * 100_000, 7, None,
    b"\xff\xfe[1.0, 2.0]", b"[1.0, 2\xff]", "[1.0, " + "9" * 400 + "]",
]  # fmt: skip


@pytest.mark.parametrize("cell", DAMAGED)
def test_a_damaged_answer_is_asked_for_again(tmp_path, cell):
    path, asked = tmp_path / "answers.sqlite", []

    def ask(texts):
        asked.extend(texts)
        return [[1.0, 2.0]] * len(texts)

    def service():
        return Service(ask, 2, Answers(path, "one"))

    service()(["good", "bad"])
    db = sqlite3.connect(path)
    key = Answers(path, "one")._key("bad")
    if isinstance(cell, bytes):  # bytes in a cell of text, as a flipped bit leaves them
        db.execute("UPDATE answers SET told = CAST(? AS TEXT) WHERE key = ?", (cell, key))
    else:
        db.execute("UPDATE answers SET told = ? WHERE key = ?", (cell, key))
    db.commit()
    assert service()(["good", "bad"]).tolist() == [[1.0, 2.0]] * 2
    assert asked == ["good", "bad", "bad"]
    again = service()
    again(["good", "bad"])
    assert (again.texts_reused, len(asked)) == (2, 3)  # the new answer was kept


def test_a_damaged_file_of_answers_is_one_line(tmp_path):
    path = tmp_path / "answers.sqlite"
    answers = Answers(path, "one")
    answers.store({f"text {i}": [1.0, 2.0] for i in range(500)})
    answers.file.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * 40_000)
    damaged = Answers(path, "one")
    with pytest.raises(BadInput, match=r"cannot keep answers in .*malformed") as error:
        [damaged[f"text {i}"] for i in range(500)]
    assert "\n" not in str(error.value)


def test_answers_belong_to_what_they_depend_on(tmp_path):
    path = tmp_path / "a.sqlite"
    Answers(path, "one").store({"text": [1.0, 2.0]})
    assert Answers(path, "one")["text"] == [1.0, 2.0]
    assert Answers(path, "other")["text"] is None
    with pytest.raises(BadInput, match="cannot keep answers"):
        Answers(tmp_path / "a.sqlite" / "below", "one")


def test_a_second_run_asks_for_nothing(server, tmp_path):
    cache = str(tmp_path / "answers.sqlite")
    first = made(server, cache=cache)
    losses, count = first.losses([(1.0, Noise(3)), (0.0, Noise(0))], 0), len(server.log)
    again = made(server, cache=cache)
    assert again.losses([(1.0, Noise(3)), (0.0, Noise(0))], 0) == losses
    assert len(server.log) == count
    assert again.bill()["texts_kept"] == 12
    made(server, cache=cache, model="other").losses([(0.0, Noise(0))], 0)
    assert len(server.log) > count


def test_where_answers_are_kept(monkeypatch, tmp_path, server):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made(server, cache="auto").losses([(0.0, Noise(0))], 0)
    assert (tmp_path / "zobench" / "answers.sqlite").stat().st_mode & 0o400
    assert os.listdir(tmp_path) == ["zobench"]


FUNCTION = """
def judge(texts):
    return [[0.0, 1.0 + text.count("lovely")] for text in texts]

def wrong(texts):
    return [[0.0]] * len(texts)
"""


def test_a_function_of_ones_own(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(FUNCTION)
    problem = objectives["black-box"].build(
        {"api": f"{path}:judge", "words": ["lovely", "the"], "shots": 2, "dev_shots": 2}
    )
    problem.start(1)
    assert problem.answers(problem.params.x[None], "train")[0, :, 1].tolist() == [
        5.0 + text.count("lovely") for text, _ in problem.task.train
    ]
    assert problem.bill()["tokens"] == 0
    for name, said in {"wrong": "have shape .4, 2., .* not .4, 1.", "none": "no function"}.items():
        with pytest.raises(BadInput, match=said):
            bad = objectives["black-box"].build({"api": f"{path}:{name}", "shots": 2})
            bad.start(1)
            bad.losses([(0.0, Noise(0))], 0)


def test_in_python_a_task_and_a_function_are_enough():
    def judge(texts):
        return [[0.0, float("warm" in text.split()[:2])] for text in texts]

    problem = BlackBox(
        TASK, lambda: Service(judge, 2), tokens=2, candidates=["cold", "warm"], reading="integer"
    )
    problem.start(1)
    assert set(problem.answers(np.array([[0.0, 0.0], [0.0, 1.0]]), "dev")[:, 0, 1]) == {0.0, 1.0}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"together": 0}, "together is"),
        ({"retries": -1}, "retries is"),
        ({"price": -1.0}, "price is"),
        ({"tokens": 0}, "a choice has"),
        ({"words": ["one"]}, "two candidates"),
        ({"api": "nowhere.py:judge"}, "no file 'nowhere.py'"),
        ({"api": "ftp://nowhere/v1"}, "api is an address"),
        ({"api": ""}, "api is an address"),
        ({"timeout": 0.0}, "timeout is"),
        ({"top": 0}, "top is"),
        ({"test_rows": 0}, "test_rows is"),
        ({"words": ["one", " "]}, "none of them empty"),
    ],
)
def test_wrong_settings_give_one_line(server, wrong, said):
    with pytest.raises(BadInput, match=said) as error:
        made(server, **wrong)
    assert "\n" not in str(error.value)
