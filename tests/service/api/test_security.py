"""Each claim of SECURITY.md has tests: the table names them; those that belong nowhere else stand here."""

import ast
import json
import logging
import os
import re
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from service.settings import Settings
from service.telemetry import configure_logging
from tests.servers import Command, eventually

ROOT = Path(__file__).parents[3]
CLAIMS: dict[str, tuple[str, ...]] = {
    "an open port": (
        "service/access/test_commands.py::test_an_open_address_without_keys_refuses_to_start_and_says_how",
        "service/web/test_requests.py::test_an_open_service_answers_nobody_behind_a_proxy",
    ),
    "a stolen or guessed key": (
        "service/access/test_limiter.py::test_guessing_is_limited_and_leaves_good_keys_alone",
        "service/test_serve.py::test_a_flood_of_wrong_keys_holds_nobody_up",
    ),
    "another owner's things": ("service/test_authorization.py::test_no_route_answers_without_a_key",),
    "a web page (CSRF, DNS rebinding)": (
        "service/web/test_requests.py::test_a_rebound_name_is_refused_on_loopback_only",
        "service/web/test_requests.py::test_a_foreign_pages_request_is_refused_whatever_its_body",
        "service/web/test_requests.py::test_every_answer_is_protected_once",
    ),
    "a server's path or URL as data source": (
        "service/api/test_security.py::test_no_place_of_an_address_leads_out_of_it",
        "service/api/test_security.py::test_a_path_in_the_place_of_data_is_only_a_text",
    ),
    "unpickling": ("service/api/test_security.py::test_nothing_unpickles_nor_runs_texts",),
    "webhooks into the inner network": ("service/worker/test_posting.py::test_a_private_address_is_refused",),
    "floods, slow clients, huge bodies": (
        "service/test_settings.py::test_every_bound_has_a_test_that_names_it",
    ),
    "files damaged on purpose": (
        "service/decoding/test_decoder.py::test_a_file_that_ends_its_process_is_refused",
        "service/api/test_fuzz.py::test_damaged_files_are_answered",
    ),
    "HTML and unseen characters in names": (
        "service/api/test_security.py::test_tricks_of_unicode_in_names_are_refused_or_kept_as_they_are",
        "browser/test_names.py::test_lists_show_them_as_they_are",
    ),
    "formulas in names and cells (CSV injection)": (
        "engine/models/test_batches.py::test_texts_that_a_spreadsheet_would_run_are_made_inert",
    ),
    "header injection": ("service/api/test_security.py::test_no_name_breaks_out_of_a_header",),
    "traces, paths and passwords in answers and logs": (
        "service/api/test_security.py::test_a_fault_on_any_route_tells_nothing_of_the_inside",
        "service/api/test_security.py::test_no_password_is_printed",
    ),
    "files of ours that others on the host read": (
        "service/api/test_security.py::test_files_are_for_the_services_user_alone",
    ),
}
HOSTILE = (
    "../../../../etc/passwd",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "%252e%252e%252fetc%252fpasswd",
    "..%5c..%5cwindows%5cwin.ini",
    "%c0%ae%c0%ae%c0%afetc%c0%afpasswd",  # overlong
    "%2fetc%2fpasswd",
    "file:%2f%2f%2fetc%2fpasswd",
    "..;%2f..;%2fetc",
    "moons%00.json",
    "moons%0d%0aX-Injected:%20yes",
    "%ed%a0%80",  # half of a surrogate pair
    "%ff%fe",
    "%e2%80%aesnoom",  # right to left
    "m%d0%beons",  # a Cyrillic o
    "moons@../../1",
    "moons@99999999999999999999999",
    "'%20OR%20'1'='1",
    "%3Cscript%3Ealert(1)%3C%2Fscript%3E",
    "{{7*7}}",
    "-1",
    "a" * 4000,
)
LEAKS = re.compile(r"root:x:|Traceback|File \"|\.py\b|X-Injected: yes\n")


def named_in_the_table() -> list[str]:
    """The threats of the table in SECURITY.md."""
    table = (ROOT / "SECURITY.md").read_text().partition("\n## How\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+?) \|.+\|$", table, re.MULTILINE)
    return [row for row in rows if row != "threat"]


def test_every_claim_has_tests_and_they_are_there() -> None:
    assert named_in_the_table() == list(CLAIMS)
    for named in CLAIMS.values():
        for test in named:
            file, _, function = test.partition("::")
            defined = ast.parse((ROOT / "tests" / file).read_text()).body
            assert function in {node.name for node in defined if isinstance(node, ast.FunctionDef)}, test


def routes(app: Flask) -> Iterator[tuple[Rule, str]]:
    """Every route with its methods."""
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield rule, method


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda text: text[:30])
def test_no_place_of_an_address_leads_out_of_it(
    client: FlaskClient, trained: dict[str, Any], settings: Settings, hostile: str
) -> None:
    before = files_below(settings.data_dir.parent)
    known = {"model": "moons", "name": "moons", "job_id": trained["id"], "job": trained["id"]}
    asked = 0
    for rule, method in routes(client.application):
        for place in rule.arguments:
            parts: dict[str | Any, str] = {each: known.get(each, "1") for each in rule.arguments}
            parts[place] = hostile
            address = "".join(parts.get(part, part) for part in re.split(r"<(?:[^:<>]+:)?(\w+)>", rule.rule))
            answer = client.open(address, method=method, json=None if method == "GET" else {})
            asked += 1
            assert answer.status_code < 500, f"{method} {address}: {answer.text[:300]}"
            assert "X-Injected" not in answer.headers
            if answer.status_code >= 400:
                assert not LEAKS.search(answer.text), f"{method} {address}: {answer.text[:300]}"
                assert str(settings.data_dir) not in answer.text
    assert asked > 50
    assert files_below(settings.data_dir.parent) == before


def files_below(folder: Path) -> set[str]:
    """The files in a folder, but for those that a database makes as it likes."""
    found = {str(path.relative_to(folder)) for path in folder.rglob("*")}
    return {name for name in found if not name.endswith(("-wal", "-shm", "-journal"))}


@pytest.mark.parametrize(
    "source",
    ["/etc/passwd", "file:///etc/passwd", "http://169.254.169.254/latest", "s3://bucket/x", "../../x.csv"],
)
def test_a_path_in_the_place_of_data_is_only_a_text(client: FlaskClient, source: str) -> None:
    bodies: tuple[Any, ...] = (
        {"sample": source},
        {"records": source},
        {"columns": source, "rows": source},
        {"path": source},
        {"url": source},
        {"file": source},
        source,
    )
    for body in bodies:
        answer = client.post("/api/v1/datasets", json=body)
        assert answer.status_code == 422, answer.text
        assert not LEAKS.search(answer.text)
    answer = client.post("/api/v1/datasets", data=source, content_type="text/csv")
    assert answer.status_code == 422, answer.text
    form = client.post("/api/v1/datasets", data={"file": source}, content_type="multipart/form-data")
    assert form.status_code == 422


FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib", "yaml"}
RUNNING = {"eval", "exec", "compile", "system", "popen", "execfile"}
OUR_OWN_TABLE = {  # texts that are made of our own table of operations when a module is loaded
    "engine/autograd/derivative.py": {"eval", "compile"},
    "engine/autograd/vectorized.py": {"eval", "compile"},
    "engine/autograd/value.py": {"exec"},
}


def test_nothing_unpickles_nor_runs_texts() -> None:
    wrong = set()
    for path in (
        path for room in ("engine", "service", "migrations") for path in (ROOT / room).rglob("*.py")
    ):
        name = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text())):
            wrong |= {(name, used) for used in _used(node) - OUR_OWN_TABLE.get(name, set())}
    assert not wrong


def _used(node: ast.AST) -> set[str]:
    """What of the forbidden a part of a program uses."""
    match node:
        case ast.Import(names=names):
            return {each.name.partition(".")[0] for each in names} & FORBIDDEN_MODULES
        case ast.ImportFrom(module=str(module)):
            return {module.partition(".")[0]} & FORBIDDEN_MODULES
        case ast.Call(func=ast.Name(id=called)):
            return {called} & RUNNING
        case ast.Call(func=ast.Attribute(value=ast.Name(id=("os" | "builtins")), attr=called)):
            return {called} & RUNNING
        case ast.keyword(arg=("shell" | "allow_pickle"), value=ast.Constant(value=True)):
            return {"shell or allow_pickle"}
    return set()


NAMES = {
    "line ends": "a\r\nX-Injected: yes",
    "NUL": "a\x00b",
    "a quote": 'a"; filename="b.exe',
    "right to left": "a\u202eb",
    "an unseen space": "a\u200bb",
    "a tag character": "a\U000e0041b",
    "a lone surrogate": "a\ud800b",
    "a homoglyph": "m\u043eons",
    "decomposed": "cafe\u0301",
    "composed": "caf\u00e9",
    "beyond the first plane": "\U0001d55e",
    "markup": "<img src=x onerror=alert(1)>",
    "a formula": "=1+1",
    "a path": "../../etc/passwd",
}
UNSEEN = {"line ends", "NUL", "right to left", "an unseen space", "a tag character"}


@pytest.mark.parametrize("trick", NAMES)
def test_tricks_of_unicode_in_names_are_refused_or_kept_as_they_are(client: FlaskClient, trick: str) -> None:
    body = json.dumps({"sample": "xor", "name": NAMES[trick]})  # escaped, so that a half pair can be sent
    answer = client.post("/api/v1/datasets", data=body, content_type="application/json")
    if trick in UNSEEN:
        assert answer.status_code == 422, answer.text
        assert answer.get_json()["errors"][0]["pointer"] == "/name"
    elif trick == "a lone surrogate":
        assert answer.status_code == 400, answer.text
    else:
        assert answer.status_code == 201, answer.text
        address = answer.headers["Location"]
        assert client.get(address).get_json()["name"] == NAMES[trick]  # neither folded nor normalized


@pytest.mark.parametrize("trick", [name for name in NAMES if name != "a lone surrogate"])
def test_no_name_breaks_out_of_a_header(
    client: FlaskClient, trained: dict[str, Any], train: Callable[[], None], trick: str
) -> None:
    exported = client.get("/api/v1/models/moons/export?format=json").get_json()
    brought = client.post(f"/api/v1/models?name={quote(NAMES[trick])}", json=exported)
    assert brought.status_code in (201, 400, 422), brought.text
    assert brought.status_code >= 400 or trick not in UNSEEN
    if brought.status_code == 201:
        model = brought.get_json()["id"]
        for form in ("json", "python", "onnx"):
            answer = client.get(f"/api/v1/models/{model}/export?format={form}")
            assert answer.status_code == 200
            told = answer.headers["Content-Disposition"]
            assert re.fullmatch(r'attachment; filename="[\w.-]+"', told, re.ASCII), told
    answer = client.get("/api/v1/models", headers={"X-Request-ID": quote(NAMES[trick])})
    assert "X-Injected" not in answer.headers


def test_a_fault_on_any_route_tells_nothing_of_the_inside(
    app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, settings: Settings
) -> None:
    secret = f"could not open {settings.data_dir}/gradhouse.db with open-sesame"

    def broken(**_: Any) -> None:
        raise RuntimeError(secret)

    caplog.set_level(logging.CRITICAL, "service.web.problems")
    monkeypatch.setattr(app, "view_functions", dict.fromkeys(app.view_functions, broken))
    client = app.test_client()
    for rule, method in routes(app):
        place = "swagger-ui.css" if rule.endpoint == "dashboard.docs_asset" else "1"
        _, address = rule.build(dict.fromkeys(rule.arguments, place)) or ("", "")
        answer = client.open(address, method=method, json=None if method == "GET" else {})
        assert answer.status_code == 500, f"{method} {address}"
        assert answer.mimetype == "application/problem+json"
        document = answer.get_json(force=True)
        assert document["code"] == "internal_error"
        assert document["request_id"]
        said = answer.text + str(answer.headers)
        assert not LEAKS.search(said)
        assert "open-sesame" not in said
        assert str(settings.data_dir) not in said


PASSWORDS = {
    "GRADHOUSE_DATABASE_URL": "postgresql://ann:open-sesame-1@127.0.0.1:9/nowhere",
    "GRADHOUSE_BROKER_URL": "redis://:open-sesame-2@127.0.0.1:9/0",
    "GRADHOUSE_S3_SECRET_ACCESS_KEY": "open-sesame-3",
}


@pytest.mark.parametrize(
    "command", ["doctor", "db upgrade", "api", "worker", "keys list", "prune", "backup there"]
)
def test_no_password_is_printed(tmp_path: Path, command: str) -> None:
    environment = {**PASSWORDS, "GRADHOUSE_DATA_DIR": str(tmp_path / "data"), "GRADHOUSE_LOG_LEVEL": "DEBUG"}
    process = Command(*command.split(), environment=environment, log=tmp_path / "log")
    # Commands that serve on are looked at until they have said something, the others until their end.
    eventually(
        lambda: process.output or process.process.poll() is not None, seconds=60, what=f"{command} is heard"
    )
    with suppress(subprocess.TimeoutExpired):
        process.process.wait(5)
    process.stop()
    process.close()
    assert process.output
    assert "open-sesame" not in process.output


def test_passwords_stand_in_no_repr_and_no_status(client: FlaskClient, settings: Settings) -> None:
    told = Settings(database_url="x://u:open-sesame@h/d", broker_url="y", s3_secret_access_key="open-sesame")
    assert "open-sesame" not in repr(told) + str(told)
    status = client.get("/api/v1/status").text
    for inside in (settings.database_url, settings.broker_url, str(settings.data_dir)):
        assert inside not in status


def test_files_are_for_the_services_user_alone(
    client: FlaskClient, dataset: str, trained: dict[str, Any], settings: Settings, train: Callable[[], None]
) -> None:
    assert trained["done"]
    client.post("/api/v1/models/moons/batch-predictions", json={"dataset_id": dataset})
    train()
    made = list(settings.data_dir.rglob("*"))
    assert any(path.is_file() for path in made)
    open_to_others = [
        f"{stat.filemode(path.stat().st_mode)} {path.relative_to(settings.data_dir)}"
        for path in (settings.data_dir, *made)
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    ]
    assert not open_to_others


BOMBS: dict[str, bytes] = {
    "deep lists": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "never closed": b"[" * 100_000,
    "wide": b"[" + b"[]," * 30_000 + b"[]]",
    "many names": b"{" + b",".join(b'"k%d":1' % i for i in range(8_000)) + b"}",
    "a name many times": b"{" + b",".join([b'"a":1'] * 12_000) + b"}",
    "colliding names": b"{" + b",".join(b'"%s":1' % (b"a" * i) for i in range(1, 400)) + b"}",
    "a huge integer": b"9" * 90_000,
    "a huge integer in a dataset": b'{"columns":["x"],"rows":[[' + b"9" * 90_000 + b"]]}",
    "a huge exponent": b'{"columns":["x"],"rows":[[1e999999999]]}',
    "many digits": b'{"columns":["x"],"row":[[0.' + b"3" * 90_000 + b"]]}",
    "escapes": b'{"sample":"' + rb"\u0041" * 15_000 + b'"}',
    "half an escape": rb'{"sample":"\ud83d"}',
    "entities": b'<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;">]><lolz>&lol2;</lolz>',
}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize(
    "address",
    [
        "/api/v1/datasets",
        "/api/v1/jobs",
        "/api/v1/models",
        "/api/v1/models/moons/predictions",
        "/v2/models/moons/infer",
        "/v1/models/moons:predict",
    ],
)
def test_json_that_is_a_trap_is_refused(
    client: FlaskClient, trained: dict[str, Any], address: str, bomb: str
) -> None:
    assert trained["done"]
    answer = client.post(address, data=BOMBS[bomb], content_type="application/json")
    assert 400 <= answer.status_code < 500, answer.text[:300]
    assert answer.mimetype == "application/problem+json"
    assert len(answer.data) < 10_000
    assert not LEAKS.search(answer.text)


@pytest.fixture(autouse=True)
def _quiet_log() -> Iterator[None]:
    root = logging.getLogger()
    kept = root.handlers[:], root.level
    configure_logging(Settings(log_level="ERROR"), "test")
    umask = os.umask(0o022)  # what most systems have: nothing rests on a stricter one
    yield
    os.umask(umask)
    root.handlers[:], root.level = kept
