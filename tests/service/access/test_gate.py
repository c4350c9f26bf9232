"""The gate: what a key opens; every single route is tested in test_authorization.py."""

from pathlib import Path

from service.app import create_app
from service.scopes import Scope
from service.settings import Settings
from tests.servers import ValkeyServer, eventually
from tests.service.api.answers import problem_of
from tests.service.keyed import Keyed, keyed_service


def test_the_refusals_say_what_to_do(keyed: Keyed) -> None:
    client = keyed.app.test_client()
    none = client.get("/api/v1/models")
    assert problem_of(none, 401, "no_key")["hint"].startswith("Send the header `Authorization: Bearer KEY`")
    assert none.headers["WWW-Authenticate"] == 'Bearer realm="gradhouse"'
    wrong = client.get("/api/v1/models", headers={"Authorization": "Bearer gradhouse_x"})
    problem_of(wrong, 401, "wrong_key")
    assert 'error="invalid_token"' in wrong.headers["WWW-Authenticate"]
    read = keyed.person("alice", Scope.READ).ask("POST", "/api/v1/datasets", json={"sample": "xor"})
    assert "`gradhouse keys create --scope write`" in problem_of(read, 403, "forbidden")["hint"]
    assert 'scope="write"' in read.headers["WWW-Authenticate"]


def test_a_wrong_key_is_not_echoed(keyed: Keyed) -> None:
    answer = keyed.app.test_client().get("/api/v1/models", headers={"Authorization": "Bearer gradhouse_abc"})
    assert "gradhouse_abc" not in answer.text + str(answer.headers)


def test_scopes_hold_the_ones_before_them(keyed: Keyed) -> None:
    for scope, status in ((Scope.READ, 403), (Scope.WRITE, 201), (Scope.ADMIN, 201)):
        person = keyed.person("alice", scope)
        assert person.ask("POST", "/api/v1/datasets", json={"sample": "xor"}).status_code == status
        assert person.ask("GET", "/api/v1/datasets").status_code == 200


def test_a_revoked_key_is_refused_within_a_second_or_so(keyed: Keyed) -> None:
    person = keyed.person("alice")
    keyed.revoke(person)
    eventually(lambda: person.ask("GET", "/api/v1/models").status_code == 401, seconds=5)


def test_loopback_asks_for_no_key_and_others_always_do(settings: Settings) -> None:
    assert not settings.keyed
    for host in ("127.0.0.1", "::1", "localhost", "127.9.9.9"):
        assert not Settings(host=host).keyed
        assert Settings(host=host, require_keys=True).keyed
    for host in ("0.0.0.0", "::", "10.0.0.7", "gradhouse.example"):
        assert Settings(host=host).keyed


def test_the_metrics_are_an_admins(keyed: Keyed) -> None:
    for scope, status in ((Scope.WRITE, 403), (Scope.ADMIN, 200)):
        assert keyed.person("alice", scope).ask("GET", "/metrics").status_code == status


def test_what_was_made_without_keys_is_the_local_owners(keyed: Keyed) -> None:
    open_app = create_app(
        Settings(database_url=keyed.settings.database_url, data_dir=keyed.settings.data_dir)
    )
    made = open_app.test_client().post("/api/v1/datasets", json={"sample": "xor"}).get_json()["id"]
    open_app.extensions["gradhouse"].database.close()
    open_app.extensions["gradhouse"].broker.close()
    assert keyed.person("local").ask("GET", f"/api/v1/datasets/{made}").status_code == 200
    assert keyed.person("alice").ask("GET", f"/api/v1/datasets/{made}").status_code == 404


def test_an_owner_may_queue_so_many_and_no_other_waits_for_it(
    tmp_path: Path, migrated_sqlite: Path, valkey: ValkeyServer
) -> None:
    with keyed_service(tmp_path, migrated_sqlite, valkey, max_queued_per_owner=2) as service:
        for owner in ("alice", "bob"):
            person = service.person(owner)
            dataset = person.made("/api/v1/datasets", {"sample": "xor"})["id"]
            job = {"dataset_id": dataset, "target": "y"}
            for _ in range(2):
                last = person.made("/api/v1/jobs", job)["id"]
            refused = person.ask("POST", "/api/v1/jobs", json=job)
            assert "max_queued_per_owner" in problem_of(refused, 429, "queue_full")["detail"]
            assert refused.headers["Retry-After"]
            person.ask("POST", f"/api/v1/jobs/{last}/cancel")
            person.made("/api/v1/jobs", job)


def test_nesting_is_bounded_by_a_setting(tmp_path: Path, migrated_sqlite: Path, valkey: ValkeyServer) -> None:
    with keyed_service(tmp_path, migrated_sqlite, valkey, max_depth=4) as service:
        body = "[" * 5 + "]" * 5
        answer = service.person("alice").ask(
            "POST", "/api/v1/jobs", data=body, headers={"Content-Type": "application/json"}
        )
        assert "deeper than 4 levels (setting max_depth)" in problem_of(answer, 400, "not_json")["detail"]
