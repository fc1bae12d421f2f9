"""`secondlook revise` and `model` against a server on loopback that helps, lies and fails.

The cases of fixtures/gate go through the real program here; the faults are those of real servers.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from support.binary import ROOT, Outcome, Secondlook
from support.model_server import (
    ModelServer,
    Reply,
    chat,
    closed_port,
    completion,
    hang,
    huge,
    messages,
    plain,
    serve,
    silent,
    status,
)

SHELL = (
    "import subprocess\n\n\n"
    "def list_folder(folder):\n"
    '    token = "ghp_0123456789abcdefghij"\n'
    '    out = subprocess.run("ls -l " + folder, shell=True, capture_output=True)\n'
    "    return out.stdout, token\n"
)
CURED = SHELL.replace('"ls -l " + folder, shell=True', '["ls", "-l", "--", folder]')
ANSWER = f"```python\n{CURED.replace('ghp_0123456789abcdefghij', 'MASKED_SECRET_1')}```\n"


@dataclass
class Case:
    """One file of fixtures/gate."""

    name: str
    language: str
    entry: str
    crlf: bool
    before: str
    answer: str
    after: str | None


def cases(kind: str) -> list[Case]:
    """Every case of one kind."""
    out = []
    for path in sorted((ROOT / "fixtures" / "gate" / kind).glob("*.txt")):
        head, rest = path.read_text(encoding="utf-8").split("==== before\n", 1)
        before, rest = rest.split("==== answer\n", 1)
        answer, _, after = rest.partition("==== after\n")
        values = dict(line.split(": ", 1) for line in head.splitlines())
        out.append(
            Case(
                path.stem,
                values["language"],
                values["entry"],
                values.get("lines") == "crlf",
                before,
                answer,
                after or None,
            )
        )
    return out


def write(case: Case, text: str, path: Path) -> Path:
    """The case's code as a file."""
    data = text.replace("\n", "\r\n") if case.crlf else text
    path.write_bytes(data.encode())
    return path


@pytest.fixture
def shell(tmp_path: Path) -> Path:
    """A file with one finding."""
    path = tmp_path / "app.py"
    path.write_text(SHELL)
    return path


def revise(
    secondlook: Secondlook, path: Path, server: ModelServer, *more: str, **options: object
) -> Outcome:
    """Asks for a revision of every finding by the model alone."""
    words = server.options(**options)
    return secondlook("revise", path, "--all", "--mode", "community", *words, *more)


@pytest.mark.parametrize("case", cases("bad"), ids=lambda it: it.name)
def test_a_lie_changes_nothing(secondlook: Secondlook, tmp_path: Path, case: Case) -> None:
    name = "case.py" if case.language == "python" else "case.c"
    path = write(case, case.before, tmp_path / name)
    line = finding_line(secondlook, path, case.entry)
    with serve(chat(case.answer)) as server:
        words = server.options(model_repairs=2)
        done = secondlook(
            "revise",
            f"{path}:{line}",
            "--mode",
            "community",
            "--write",
            "--json",
            *words,
            "--set",
            f"select={case.entry}",
        )
    assert done.code == 1, done
    assert path.read_bytes() == write(case, case.before, tmp_path / "again").read_bytes()
    (item,) = json.loads(done.out)["items"]
    assert item["how"] == "refused" and len(item["reasons"]) == 3, item
    # The last question tells the model why the answer before it was refused.
    assert len(server.requests) == 3
    assert item["reasons"][1] in server.requests[2]["messages"][-1]["content"]


@pytest.mark.parametrize("case", cases("good"), ids=lambda it: it.name)
def test_a_cure_is_written(secondlook: Secondlook, tmp_path: Path, case: Case) -> None:
    name = "case.py" if case.language == "python" else "case.c"
    path = write(case, case.before, tmp_path / name)
    line = finding_line(secondlook, path, case.entry)
    with serve(chat(case.answer)) as server:
        done = secondlook(
            "revise",
            f"{path}:{line}",
            "--mode",
            "community",
            "--write",
            *server.options(),
            "--set",
            f"select={case.entry}",
        )
    assert done.code == 0, done
    assert case.after is not None
    expected = write(case, case.after, tmp_path / "expected").read_bytes()
    assert path.read_bytes() == expected


def finding_line(secondlook: Secondlook, path: Path, entry: str) -> int:
    """The line of the first finding of an entry."""
    report = secondlook.check(path)
    lines = [it["range"]["start"]["line"] for it in report.findings if it["entry"] == entry]
    assert lines, report.findings
    return lines[0]


def test_a_secret_never_leaves_and_comes_back(secondlook: Secondlook, shell: Path) -> None:
    with serve(chat(ANSWER)) as server:
        done = revise(secondlook, shell, server, "--write")
    assert done.code == 0, done
    assert "ghp_" not in json.dumps(server.requests)
    assert "MASKED_SECRET_1" in json.dumps(server.requests)
    assert shell.read_text() == CURED


def test_the_question_states_the_finding_and_quotes_advice(
    secondlook: Secondlook, shell: Path
) -> None:
    shown = secondlook("revise", shell, "--print-prompt")
    assert shown.code == 0, shown
    for part in (
        "line 3 of the snippet",
        "<<<DISCUSSION 1",
        "is given back as it is",
        "CWE-78",
    ):
        assert part in shown.out, part
    assert "ghp_" not in shown.out
    with serve(chat("NO CHANGE NEEDED")) as server:
        done = revise(secondlook, shell, server, "--write")
    assert done.code == 1, done
    # Asked first without the entry's advice, then in the words that are shown.
    brief, whole = (request["messages"] for request in server.requests[:2])
    assert all(turn["content"].strip() in shown.out for turn in whole)
    lines = {it.strip() for it in shown.out.splitlines()}
    told = "".join(turn["content"] + "\n" for turn in brief)
    assert {it.strip() for it in told.splitlines()} < lines, told
    assert shell.read_text() == SHELL


@pytest.mark.parametrize(
    ("name", "code", "line"),
    [
        (
            "app.py",
            "def drop(db, token):\n    db.execute('DELETE FROM s WHERE t = %s' % token)\n",
            2,
        ),
        (
            "list.c",
            "#include <stdlib.h>\nstruct row { int *cells; };\n"
            "int widen(struct row *row, size_t n)\n{\n"
            "    row->cells = realloc(row->cells, n * sizeof(int));\n"
            "    if (row->cells == NULL)\n        return -1;\n    return 0;\n}\n",
            5,
        ),
    ],
)
def test_a_cure_of_the_same_weakness_is_shown_as_an_earlier_answer(
    secondlook: Secondlook, tmp_path: Path, name: str, code: str, line: int
) -> None:
    (tmp_path / name).write_text(code)
    shown = secondlook(
        "revise", f"{name}:{line}", "--print-prompt", "--mode", "community", cwd=tmp_path
    )
    assert shown.code == 0, shown
    turns = re.split(r"^\[(\w+)\]$", shown.out, flags=re.M)[1:]
    assert turns[::2] == ["system", "user", "assistant", "user"], shown.out
    before, after = (re.search(r"```\w+\n(.*?)```", it, re.S) for it in (turns[3], turns[5]))
    assert before and after, shown.out
    weak, cured = (it.group(1) for it in (before, after))
    outcomes = []
    for text in (weak, cured):
        (tmp_path / name).write_text(text)
        outcomes.append(secondlook("check", name, "--format", "concise", cwd=tmp_path).out)
    entry = re.search(r"(?:py|c)/[\w-]+", outcomes[0])
    assert entry and entry.group() not in outcomes[1], outcomes


def test_modes_ask_differently(secondlook: Secondlook, shell: Path) -> None:
    def question(mode: str) -> str:
        done = secondlook("revise", shell, "--print-prompt", "--mode", mode)
        assert done.code == 0, done
        return done.out

    plain_one, own, cwe, more = map(question, ("prompt-only", "revision-only", "cwe", "cwe+"))
    assert "secur" not in plain_one.lower() and "weakness" not in plain_one.lower()
    assert "security" in own and "CWE-" not in own
    assert "CWE-78" in cwe and "DISCUSSION" not in cwe
    assert len(more) > len(cwe)
    wrong = secondlook("revise", shell, "--mode", "hope")
    assert wrong.code == 2 and "there is no mode `hope`" in wrong.err


def test_a_diff_is_the_default_and_changes_nothing(secondlook: Secondlook, shell: Path) -> None:
    with serve(chat(ANSWER)) as server:
        done = revise(secondlook, shell, server)
    assert done.code == 1, done
    assert '+    out = subprocess.run(["ls", "-l", "--", folder], capture_output=True)' in done.out
    assert shell.read_text() == SHELL


def test_a_repair_follows_the_reason(secondlook: Secondlook, shell: Path) -> None:
    lie = "```python\ndef list_folder(folder):\n    pass\n```"
    with serve(chat(lie), chat(ANSWER)) as server:
        done = revise(secondlook, shell, server, "--write", "--json")
    assert done.code == 0, done
    (item,) = json.loads(done.out)["items"]
    assert item["how"] == "revised" and item["by"] == "model"
    assert len(item["reasons"]) == 1
    assert item["cost"]["calls"] == 2 and item["cost"]["answered_tokens"] == 90
    assert shell.read_text() == CURED


def test_the_smallest_sample_wins(secondlook: Secondlook, shell: Path) -> None:
    long = ANSWER.replace(
        '    out = subprocess.run(["ls", "-l", "--", folder]',
        '    words = ["ls", "-l", "--", folder]\n    out = subprocess.run(words',
    )
    with serve(chat(long), chat(ANSWER)) as server:
        done = revise(secondlook, shell, server, "--write", model_samples=2)
    assert done.code == 0, done
    assert len(server.requests) == 2
    assert shell.read_text() == CURED


def test_a_template_needs_no_model(secondlook: Secondlook, tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("import yaml\n\n\ndef read(f):\n    return yaml.load(f, Loader=yaml.Loader)\n")
    done = secondlook("revise", path, "--write")
    assert done.code == 0, done
    assert "yaml.safe_load(f)" in path.read_text()


def test_without_a_model_the_prompt_is_offered(secondlook: Secondlook, tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(
        "import requests\nfrom flask import request\n\n\n"
        'def preview():\n    return requests.get(request.args["url"], timeout=5).text\n'
    )
    done = secondlook("revise", path, "--all")
    assert done.code == 1, done
    assert "--print-prompt" in done.err


@pytest.mark.parametrize(
    ("provider", "path", "reply"),
    [
        ("openai-chat", "/v1/chat/completions", chat(ANSWER)),
        ("openai-completions", "/v1/completions", completion(ANSWER)),
        ("anthropic", "/v1/messages", messages(ANSWER)),
    ],
)
def test_every_protocol(
    secondlook: Secondlook, shell: Path, provider: str, path: str, reply: Reply
) -> None:
    with serve(reply) as server:
        words = server.options(provider)
        done = secondlook("revise", shell, "--mode", "community", "--write", *words)
        assert done.code == 0, done
        assert shell.read_text() == CURED
        tested = secondlook("model", "test", *words)
    assert tested.code == 0, tested
    assert "whole     yes" in tested.out
    assert {it["path"] for it in server.requests} == {path}


FAULTS: dict[str, tuple[Reply, dict[str, object], str]] = {
    "silent": (silent, {"model_timeout": 700}, "did not answer within"),
    "hangs": (hang, {"model_timeout": 700}, "stopped answering within"),
    "busy": (status(429, Retry_After="0"), {"model_retries": 1}, "status 429"),
    "broken": (status(500), {"model_retries": 0}, "status 500"),
    "key": (status(401, '{"error": {"code": "invalid_api_key"}}'), {}, "invalid_api_key"),
    "no-json": (plain("{nope"), {}, "no JSON"),
    "no-answer": (plain('{"hello": 1}'), {}, "holds no answer"),
    "html": (plain("<html>hi</html>", "text/html"), {}, "text/html instead of JSON"),
    "huge": (huge, {}, "answered more than"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_sentence_and_harms_nothing(
    secondlook: Secondlook, shell: Path, name: str
) -> None:
    reply, options, sentence = FAULTS[name]
    with serve(reply) as server:
        done = revise(secondlook, shell, server, "--write", **options)
        assert server.settled()
    assert done.code == 2, done
    assert sentence in done.err, done
    # The finding, and one sentence below it.
    about = done.err[done.err.index(str(shell)) :].strip()
    assert len(about.splitlines()) == 2, done.err
    assert shell.read_text() == SHELL
    assert {it.name for it in shell.parent.iterdir()} == {shell.name}


def test_a_server_that_is_busy_is_asked_again(secondlook: Secondlook, shell: Path) -> None:
    with serve(status(429, Retry_After="0"), status(503), chat(ANSWER)) as server:
        done = revise(secondlook, shell, server, "--write")
    assert done.code == 0, done
    assert len(server.requests) == 3


def test_a_server_that_is_down(secondlook: Secondlook, shell: Path) -> None:
    server = ModelServer(port=closed_port())
    done = revise(secondlook, shell, server, "--write")
    assert done.code == 2 and "no connection to the model" in done.err, done
    assert shell.read_text() == SHELL


def test_a_certificate_must_be_trusted(secondlook: Secondlook, shell: Path, tmp_path: Path) -> None:
    if not shutil.which("openssl"):
        pytest.skip("openssl makes the certificate and is not there")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=127.0.0.1",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-keyout",
            key,
            "-out",
            certificate,
        ],
        check=True,
        capture_output=True,
    )
    with serve(chat(ANSWER), certificate=certificate, key=key) as server:
        done = revise(secondlook, shell, server, "--write")
        assert done.code == 2 and "no secure connection" in done.err, done
        assert shell.read_text() == SHELL
        done = revise(secondlook, shell, server, "--write", model_ca_file=certificate)
        assert done.code == 0, done
    assert shell.read_text() == CURED


@pytest.mark.parametrize("reply", [silent, hang], ids=["before", "within"])
def test_an_interrupt_leaves_nothing_behind(
    secondlook: Secondlook, shell: Path, reply: Reply
) -> None:
    with serve(reply) as server:
        process = subprocess.Popen(
            [secondlook.path, "revise", shell, "--mode", "community", "--write", *server.options()],
            env=secondlook.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        end = time.monotonic() + 60
        while not server.requests and time.monotonic() < end:
            time.sleep(0.02)
        assert server.requests
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert process.returncode == 130, (out, err)
        assert server.settled()
    assert shell.read_text() == SHELL


def drip(handler: BaseHTTPRequestHandler) -> None:
    """Answers well, a few letters at a time."""
    pieces = [ANSWER[at : at + 6] for at in range(0, len(ANSWER), 6)]
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.send_header("Connection", "close")
    handler.end_headers()
    for piece in pieces:
        event = json.dumps({"choices": [{"delta": {"content": piece}}]})
        handler.wfile.write(f"data: {event}\n\n".encode())
        handler.wfile.flush()
        time.sleep(0.01)
    end = json.dumps({"choices": [{"delta": {}, "finish_reason": "stop"}]})
    handler.wfile.write(f"data: {end}\n\ndata: [DONE]\n\n".encode())


def test_a_slow_answer_is_waited_for(secondlook: Secondlook, shell: Path) -> None:
    with serve(drip) as server:
        done = revise(secondlook, shell, server, "--write", model_timeout=2000)
    assert done.code == 0, done
    assert shell.read_text() == CURED


@pytest.mark.parametrize("moment", range(12))
def test_cancelled_at_any_moment(secondlook: Secondlook, shell: Path, moment: int) -> None:
    """From before the first byte is sent to after the file is written."""
    with serve(drip) as server:
        process = subprocess.Popen(
            [secondlook.path, "revise", shell, "--mode", "community", "--write", *server.options()],
            env=secondlook.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        # A program that has no handler yet ends at once, which harms nothing either.
        time.sleep(0.08 * moment)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode in (0, 130, -signal.SIGINT), process.returncode
        assert server.settled(), "a connection is left"
    assert shell.read_text() in (SHELL, CURED)
    assert [it.name for it in shell.parent.iterdir()] == [shell.name], "something is left behind"


def test_a_key_reaches_the_header_and_nothing_else(
    secondlook: Secondlook, shell: Path, tmp_path: Path
) -> None:
    secret = "k3y-that-nobody-may-see"
    program = tmp_path / "key.sh"
    program.write_text(f"#!/bin/sh\necho {secret}\n")
    program.chmod(0o755)
    with serve(status(401, json.dumps({"error": {"message": secret, "code": secret}}))) as server:
        words = server.options(model_key_command=program)
        done = subprocess.run(
            [secondlook.path, "revise", shell, "--mode", "community", "--json", *words],
            env=secondlook.environment | {"SECONDLOOK_LOG": "trace", "RUST_LOG": "trace"},
            capture_output=True,
            text=True,
            timeout=120,
        )
        shown = secondlook("config", "show")
    assert {k.lower(): v for k, v in server.headers[0].items()}[
        "authorization"
    ] == f"Bearer {secret}"
    for text in (done.stdout, done.stderr, shown.all):
        assert secret not in text
    missing = secondlook(
        "revise", shell, "--mode", "community", *server.options(model_key_env="NO_SUCH_KEY")
    )
    assert missing.code == 2 and "NO_SUCH_KEY is not set" in missing.err


def test_a_key_never_goes_out_in_the_clear(secondlook: Secondlook, shell: Path) -> None:
    words = ModelServer(port=1).options(model_key_env="HOME")
    words[3] = "model-url=http://models.example/v1"
    done = secondlook("revise", shell, "--mode", "community", *words)
    assert done.code == 2 and "use https" in done.err, done


def test_a_project_chooses_no_model(secondlook: Secondlook, shell: Path) -> None:
    with serve(chat(ANSWER)) as server:
        settings = (
            f'model-provider = "openai-chat"\nmodel-url = "{server.url}"\nmodel-name = "m"\n'
            'gate-commands = [["touch", "ran"]]\n'
        )
        (shell.parent / "secondlook.toml").write_text(settings)
        done = secondlook("revise", shell, "--write", "--mode", "community")
        assert done.code == 1 and "not followed" in done.err, done
        assert server.requests == []
        trusted = ("--set", f"trusted-folders={shell.parent}")
        done = secondlook("revise", shell, "--write", "--mode", "community", *trusted)
        assert done.code == 0, done
    assert shell.read_text() == CURED
    assert not (shell.parent / "ran").exists(), "checks run in a copy"


def test_own_checks_decide_too(secondlook: Secondlook, shell: Path) -> None:
    test = shell.parent / "check.sh"
    test.write_text('#!/bin/sh\ngrep -q "shell=True" "$1"\n')
    test.chmod(0o755)
    with serve(chat(ANSWER)) as server:
        words = ["--set", f"gate-commands={test} {{file}}"]
        done = revise(secondlook, shell, server, "--write", *words)
    assert done.code == 1, done
    assert "ended with code 1" in done.err
    assert shell.read_text() == SHELL


@pytest.mark.skipif(not shutil.which("unshare"), reason="unshare makes a network of its own")
def test_without_a_provider_no_socket_is_opened(
    secondlook: Secondlook, shell: Path, tmp_path: Path
) -> None:
    strace = shutil.which("strace")
    log = tmp_path / "calls"
    case = {"id": "a", "suite": "s", "lang": "python", "cwe": "CWE-78", "code": SHELL}
    cases = tmp_path / "cases.jsonl"
    cases.write_text(json.dumps(case) + "\n")
    commands: list[list[object]] = [
        ["check", shell],
        ["revise", shell],
        ["revise", shell, "--print-prompt"],
        ["eval", "revise", cases, "--out", tmp_path / "run"],
    ]
    for command in commands:
        words = [str(secondlook.path), *map(str, command)]
        if strace:
            words = [strace, "-f", "-e", "trace=socket,connect", "-o", str(log), *words]
        else:
            words = ["unshare", "--net", "--map-root-user", *words]
        done = subprocess.run(words, env=secondlook.environment, capture_output=True, timeout=120)
        assert done.returncode in (0, 1), done
        if strace:
            calls = [
                it for it in log.read_text().splitlines() if "socket(" in it or "connect(" in it
            ]
            assert calls == [], calls


def test_a_file_that_changes_meanwhile_is_left_alone(secondlook: Secondlook, shell: Path) -> None:
    def slowly(handler: BaseHTTPRequestHandler) -> None:
        shell.write_text("# somebody else was here\n")
        chat(ANSWER)(handler)

    with serve(slowly) as server:
        done = revise(secondlook, shell, server, "--write")
    assert done.code == 2 and "changed meanwhile" in done.err, done
    assert shell.read_text() == "# somebody else was here\n"
    assert [it.name for it in shell.parent.iterdir()] == [shell.name]


def test_a_name_is_cut_and_not_the_path_that_it_is_joined_to(
    secondlook: Secondlook, tmp_path: Path
) -> None:
    code = (
        "import os\n\nfrom flask import Flask, request\n\napp = Flask(__name__)\n\n\n"
        '@app.route("/help")\ndef show():\n    topic = request.args["topic"]\n'
        '    path = os.path.join("help", topic + ".txt")\n'
        "    with open(path) as page:\n        return page.read()\n"
    )
    (tmp_path / "app.py").write_text(code)
    done = secondlook("revise", "app.py", "--all", "--write", cwd=tmp_path)
    assert done.code == 0, done
    cured = code.replace('topic + ".txt"', 'os.path.basename(topic) + ".txt"')
    assert (tmp_path / "app.py").read_text() == cured
