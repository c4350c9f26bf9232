"""Who may do what, for every route there is: a new one is tested as soon as it exists.

The route table of the application is walked with no key, wrong keys, keys of every scope, and the key of
another owner. A route that cannot be asked as it stands needs a line in ASKED or in PATHS.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from service.scopes import REQUIRES, Scope
from tests.servers import ValkeyServer
from tests.service.api.conftest import SEED_SAMPLE, SEED_SPEC
from tests.service.keyed import Keyed, Person, keyed_service

ROW = {"x1": 0.5, "x2": -0.2}
TENSOR = {"name": "input", "shape": [1, 2], "datatype": "FP64", "data": [0.5, -0.2]}
PUBLIC = {
    "openapi",
    "health.read_health",
    "health.read_readiness",
    "inference.read_live",
    "inference.read_ready",
}


@dataclass(frozen=True)
class World:
    """Two owners: Alice with one of everything, Bob with a model and a dataset of his own."""

    service: Keyed
    alice: Person
    reader: Person
    bob: Person
    paths: dict[str, Any]  # what of Alice's stands in the place of each parameter of a path
    hers: frozenset[str]  # ids that nobody else may ever see
    bobs_model: str

    def routes(self) -> Iterator[tuple[Rule, str]]:
        """Every route and method; those that delete come last, parts before wholes."""
        found = [
            (rule, method)
            for rule in self.service.app.url_map.iter_rules()
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        ]
        yield from sorted(found, key=lambda route: (route[1] == "DELETE", -len(route[0].rule), route[1]))

    def private(self) -> Iterator[tuple[Rule, str]]:
        """The routes that ask for a key."""
        return (each for each in self.routes() if not is_public(each[0].endpoint))

    def needed(self, rule: Rule, method: str) -> Scope:
        """The scope that a route asks for."""
        view = self.service.app.view_functions[rule.endpoint]
        return getattr(view, REQUIRES, Scope.READ if method == "GET" else Scope.WRITE)

    def address(self, rule: Rule) -> str:
        """The address of Alice's thing."""
        values = {name: self.paths[PATHS.get((rule.endpoint, name), name)] for name in rule.arguments}
        _, path = rule.build(values) or ("", "")
        return path

    def request(self, rule: Rule) -> dict[str, Any]:
        """What makes a request of a route right."""
        asked: dict[str, Any] = dict(ASKED.get(rule.endpoint, {}))
        if callable(body := asked.get("json")):
            asked["json"] = body(self.paths)
        return asked


def is_public(endpoint: str) -> bool:
    """Says whether the route answers without a key, as this test wants it."""
    return endpoint in PUBLIC or endpoint.startswith("dashboard.")


# Parameters of paths that mean different things in different places.
PATHS = {
    ("dashboard.docs_asset", "name"): "asset",
    ("batch predictions.read_job_output", "job_id"): "batch_id",
    ("aliases.delete_alias", "alias"): "old_alias",
    ("job wishes.cancel_job", "job_id"): "queued_id",
    **{
        (f"inference.{view}", "model"): "name"
        for view in ("read_version_tensors", "read_version_ready", "infer_version")
    },
}
ASKED: dict[str, dict[str, Any]] = {
    "datasets.create_dataset": {"json": {"sample": "xor"}},
    "datasets.preview_dataset": {"json": {"sample": "xor"}},
    "expressions.create_expression": {"json": {"expression": "a * b", "values": {"a": 2, "b": 3}}},
    "jobs.create_job": {"json": lambda paths: {"dataset_id": paths["dataset_id"], "target": "y"}},
    "jobs.validate_job": {"json": lambda paths: {"dataset_id": paths["dataset_id"], "target": "y"}},
    "models.change_model": {"json": {"notes": "hers"}},
    "exports.import_model": {"json": lambda paths: paths["exported"], "query_string": {"name": "brought"}},
    "exports.export_model": {"query_string": {"format": "json"}},
    "batch predictions.create_batch_prediction": {"json": lambda paths: {"dataset_id": paths["dataset_id"]}},
    "evaluations.create_evaluation": {"json": lambda paths: {"dataset_id": paths["dataset_id"]}},
    "gradients.create_gradients": {"json": {"instances": [ROW]}},
    "graphs.create_graph": {"json": {"instance": ROW, "level": "neuron"}},
    "graphs.create_trace": {"json": {"instance": ROW}},
    "graphs.read_graph": {"query_string": {**ROW, "level": "neuron"}},
    "predictions.create_predictions": {"json": {"instances": [ROW]}},
    "predictions.read_prediction": {"query_string": ROW},
    "surfaces.read_surface": {"query_string": {"x": "x1", "y": "x2", "resolution": 5}},
    "aliases.put_alias": {"json": {"version": 1}},
    "inference.infer": {"json": {"inputs": [TENSOR]}},
    "inference.infer_version": {"json": {"inputs": [TENSOR]}},
    "kserve.predict_v1": {"json": {"instances": [ROW]}},
    "kserve.explain_v1": {"json": {"instances": [ROW]}},
}


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Any, shared_valkey: ValkeyServer
) -> Iterator[World]:
    """A service with keys, and what two owners have in it."""
    folder = tmp_path_factory.mktemp("keyed")
    with keyed_service(folder, migrated_sqlite, shared_valkey) as service:
        yield _furnished(service)


def _furnished(service: Keyed) -> World:
    alice, bob = service.person("alice"), service.person("bob")
    reader = service.person("alice", Scope.READ)
    dataset = alice.made("/api/v1/datasets", SEED_SAMPLE)["id"]
    job = alice.made("/api/v1/jobs", {"dataset_id": dataset, **SEED_SPEC})["id"]
    service.train()
    batch = alice.made("/api/v1/models/moons/batch-predictions", {"dataset_id": dataset})["id"]
    service.train()
    queued = alice.made("/api/v1/jobs", {"dataset_id": dataset, "target": "y"})["id"]
    for alias in ("prod", "old"):
        address = f"/api/v1/models/moons/aliases/{alias}"
        assert alice.ask("PUT", address, json={"version": 1}).status_code == 201
    exported = alice.ask("GET", "/api/v1/models/moons/export?format=json").get_json()
    bobs = bob.made("/api/v1/models?name=bobs", exported)["id"]
    model = alice.ask("GET", "/api/v1/models/moons").get_json()["id"]
    hers = {"dataset_id": dataset, "job_id": job, "batch_id": batch, "queued_id": queued, "model": model}
    paths = {**hers, "job": job, "name": "moons", "alias": "prod", "old_alias": "old", "number": "1"}
    paths |= {"step": "1", "code": "no_key", "filename": "style.css", "asset": "swagger-ui.css"}
    return World(service, alice, reader, bob, {**paths, "exported": exported}, frozenset(hers.values()), bobs)


def _told(rule: Rule, method: str, answer: TestResponse) -> str:
    return f"{method} {rule.rule}: {answer.status_code} {answer.text[:200]}"


def _anonymous(world: World) -> FlaskClient:
    return world.service.app.test_client()


def test_no_route_answers_without_a_key(world: World) -> None:
    wrong = []
    for rule, method in world.private():
        answer = _anonymous(world).open(world.address(rule), method=method, **world.request(rule))
        if answer.status_code != 401 or answer.get_json(force=True)["code"] != "no_key":
            wrong.append(_told(rule, method, answer))
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    assert not wrong


@pytest.mark.parametrize(
    "header",
    [
        "Bearer gradhouse_" + "0" * 64,
        "Bearer x",
        "Bearer \u00ff\u00fe".encode("latin-1").decode("latin-1"),
        "bearer " + "a" * 5000,
    ],
)
def test_no_route_answers_a_wrong_key(world: World, header: str) -> None:
    wrong = []
    for rule, method in world.private():
        headers = {"Authorization": header}
        answer = _anonymous(world).open(
            world.address(rule), method=method, headers=headers, **world.request(rule)
        )
        if answer.status_code != 401 or answer.get_json(force=True)["code"] != "wrong_key":
            wrong.append(_told(rule, method, answer))
    assert not wrong


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YTpi", "gradhouse_x", "Digest x=1"])
def test_what_is_no_bearer_key_counts_as_none(world: World, header: str) -> None:
    answer = _anonymous(world).get("/api/v1/models", headers={"Authorization": header})
    assert (answer.status_code, answer.get_json(force=True)["code"]) == (401, "no_key")


def test_a_read_key_changes_nothing(world: World) -> None:
    wrong = []
    for rule, method in world.private():
        answer = world.reader.ask(method, world.address(rule), **world.request(rule))
        refused = answer.status_code == 403 and answer.get_json(force=True)["code"] == "forbidden"
        if refused != (world.needed(rule, method) > Scope.READ) or answer.status_code == 401:
            wrong.append(_told(rule, method, answer))
    assert not wrong


def test_another_owner_finds_nothing(world: World) -> None:
    wrong = []
    for rule, method in world.private():
        request = world.request(rule)
        answer = world.bob.ask(method, world.address(rule), **request)
        names_hers = any(each in str(request.get("json")) for each in world.hers)
        if world.needed(rule, method) is Scope.ADMIN:
            fine = answer.status_code == 403
        elif rule.arguments:
            fine = answer.status_code == 404
        elif names_hers and method == "POST":
            fine = answer.status_code == 422
        else:
            fine = answer.status_code < 300 and not any(each in answer.text for each in world.hers)
        if not fine:
            wrong.append(_told(rule, method, answer))
    assert not wrong


@pytest.mark.parametrize(
    ("address", "change", "pointer"),
    [
        ("/api/v1/jobs", {"split": {"dataset_id": "HERS"}}, "/split/dataset_id"),
        ("/api/v1/jobs", {"init_from": "MODEL"}, "/init_from"),
        ("/api/v1/models/BOBS/evaluations", {"dataset_id": "HERS"}, "/dataset_id"),
        ("/api/v1/models/BOBS/batch-predictions", {"dataset_id": "HERS"}, "/dataset_id"),
    ],
)
def test_a_body_cannot_reach_for_what_is_anothers(
    world: World, address: str, change: dict[str, Any], pointer: str
) -> None:
    body: dict[str, Any] = dict(change)
    if address.endswith("jobs"):
        own = world.bob.made("/api/v1/datasets", SEED_SAMPLE)["id"]
        body = {"dataset_id": own, **SEED_SPEC, **change}
    text = {"HERS": world.paths["dataset_id"], "MODEL": world.paths["model"]}
    filled = {
        name: text.get(value, value) if isinstance(value, str) else value for name, value in body.items()
    }
    if "split" in change:
        filled["split"] = {"dataset_id": world.paths["dataset_id"]}
    answer = world.bob.ask("POST", address.replace("BOBS", world.bobs_model), json=filled)
    assert answer.status_code == 422, answer.text
    assert pointer in {error["pointer"] for error in answer.get_json(force=True)["errors"]}


def test_the_same_name_is_each_owners_own(world: World) -> None:
    dora = world.service.person("dora")
    made = dora.made("/api/v1/models", world.paths["exported"])["id"]
    found = [each.ask("GET", "/api/v1/models/moons").get_json()["id"] for each in (world.alice, dora)]
    assert found == [world.paths["model"], made]
    assert dora.ask("GET", f"/api/v1/models/{world.paths['model']}").status_code == 404


def test_an_idempotency_key_is_each_owners_own(world: World) -> None:
    asked = {"json": {"sample": "xor"}, "headers": {"Idempotency-Key": "one"}}
    first, again = (world.alice.ask("POST", "/api/v1/datasets", **asked) for _ in range(2))
    other = world.bob.ask("POST", "/api/v1/datasets", **asked)
    assert first.get_json()["id"] == again.get_json()["id"] != other.get_json()["id"]


def test_what_is_public_answers_strangers_and_tells_them_nothing(world: World) -> None:
    for rule, method in world.routes():
        if is_public(rule.endpoint):
            answer = _anonymous(world).open(world.address(rule), method=method)
            text = answer.text
            answer.close()
            assert answer.status_code in {200, 503}, _told(rule, method, answer)
            unsaid = world.hers - {world.paths["job"], world.paths["model"]}  # the address says those
            assert not any(each in text for each in unsaid)


def test_a_page_is_the_same_for_a_stranger_whether_its_thing_exists(world: World) -> None:
    for there, missing in ((world.paths["job"], "job_00000000000000000000000000"), ("moons", "nothing")):
        kind = "jobs" if there.startswith("job_") else "models"
        pages = [_anonymous(world).get(f"/{kind}/{each}") for each in (there, missing)]
        assert [page.status_code for page in pages] == [200, 200]
        assert pages[0].text.replace(there, "") == pages[1].text.replace(missing, "")
        assert world.bob.ask("GET", f"/jobs/{world.paths['job']}").status_code == 404


def test_an_address_that_does_not_exist_tells_strangers_nothing(world: World) -> None:
    for method, address in (("GET", "/api/v1/nothing"), ("PUT", "/api/v1/jobs"), ("GET", "/../etc/passwd")):
        assert _anonymous(world).open(address, method=method).status_code == 401
    assert world.bob.ask("GET", "/api/v1/nothing").status_code == 404
    assert world.bob.ask("PUT", "/api/v1/jobs").status_code == 405


def test_the_owner_may_do_all_of_it(world: World) -> None:
    """Last, for it deletes: and the proof that the requests of all the tests above were right ones."""
    wrong = []
    for rule, method in world.private():
        if world.needed(rule, method) is Scope.ADMIN:
            continue
        answer = world.alice.ask(method, world.address(rule), **world.request(rule))
        if answer.status_code >= 400 and answer.status_code != 409:
            wrong.append(_told(rule, method, answer))
    assert not wrong
