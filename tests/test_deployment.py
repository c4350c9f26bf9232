"""The image and the compose file name commands, settings and files that exist; no container runs."""

from __future__ import annotations

import copy
import getpass
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from click import Command, Context, Group

from service.cli import main
from service.operations.doctor import CODE_CACHE
from service.settings import describe_settings
from service.telemetry.metrics import Figure, catalogue

ROOT = Path(__file__).resolve().parents[1]
COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
SERVICES: dict[str, Any] = yaml.safe_load(COMPOSE)["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]


@pytest.mark.parametrize("name", OURS)
def test_a_service_runs_a_command_that_exists(name: str) -> None:
    command: Command = main
    for word in SERVICES[name]["command"]:
        assert isinstance(command, Group)
        found = command.get_command(Context(command), word)
        assert found is not None, f"gradhouse has no command {word}"
        command = found


@pytest.mark.parametrize("name", OURS)
def test_a_service_sets_settings_that_exist(name: str) -> None:
    known = {setting["variable"] for setting in describe_settings()}
    assert set(SERVICES[name]["environment"]) <= known


def test_nothing_starts_before_what_it_needs_is_healthy() -> None:
    for name, service in SERVICES.items():
        for needed, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[needed], f"{name} waits for the health of {needed}"
    assert {"postgres", "redis", "migrate", "api", "worker", "sweeper"} == set(SERVICES)


def test_the_api_is_published_on_loopback_alone() -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["api"]["ports"])


def test_the_image_copies_files_that_exist_and_runs_without_root() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = [line.split()[1:-1] for line in lines if line.startswith("COPY ") and "--from" not in line]
    missing = [name for names in copied for name in names if not (ROOT / name).exists()]
    assert not missing
    assert any(re.fullmatch(r"USER (?!root)\w+", line) for line in lines)


def test_the_compose_file_is_what_its_specification_takes() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    command.append(str(ROOT / "docker-compose.yml"))
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout


MANIFESTS = [
    document
    for path in sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))
    if path.name != "kustomization.yaml"
    for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
]
KUBERNETES = ("1.28", "1.33")  # of the past and of today
PODS = {
    each["metadata"]["name"]: each["spec"]["template"]["spec"]
    for each in MANIFESTS
    if each["kind"] in {"Deployment", "Job"}
}
PODS_LABELS = {
    each["metadata"]["name"]: each["spec"]["template"]["metadata"]["labels"]
    for each in MANIFESTS
    if each["kind"] == "Deployment"
}
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
KNOWN = {setting["variable"] for setting in describe_settings()} | {CODE_CACHE}


def require_command(words: list[str]) -> None:
    """Fails unless the words are a command of gradhouse and its options."""
    command: Command = main
    while words and isinstance(command, Group):
        found = command.get_command(Context(command), words[0])
        assert found is not None, f"gradhouse has no command {words[0]}"
        command, words = found, words[1:]
    command.make_parser(Context(command)).parse_args(list(words))


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("document", MANIFESTS, ids=lambda each: f"{each['kind']}-{each['metadata']['name']}")
def test_a_manifest_is_what_kubernetes_takes(document: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(document, version, strict=True)  # strict: no member that it does not know


def test_a_manifest_with_a_slip_is_refused() -> None:
    document = copy.deepcopy(next(each for each in MANIFESTS if each["kind"] == "Deployment"))
    (container,) = document["spec"]["template"]["spec"]["containers"]
    container["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(document, KUBERNETES[-1], strict=True)


@pytest.mark.parametrize("name", PODS)
def test_a_pod_runs_a_command_that_exists_without_root_on_a_read_only_disk(name: str) -> None:
    pod = PODS[name]
    (container,) = pod["containers"]
    require_command(container["args"])
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False  # their variables would be taken for settings
    security = container["securityContext"]
    assert (security["readOnlyRootFilesystem"], security["allowPrivilegeEscalation"]) == (True, False)
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert "memory" in container["resources"]["limits"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts == {"data": "/data", "tmp": "/tmp"}  # where it writes
    assert {volume["name"] for volume in pod["volumes"]} == set(mounts)


def test_the_manifests_are_one_application() -> None:
    listed = yaml.safe_load((ROOT / "deploy/kubernetes/kustomization.yaml").read_text(encoding="utf-8"))
    files = {path.name for path in (ROOT / "deploy" / "kubernetes").glob("*.yaml")}
    assert {*listed["resources"], "kustomization.yaml"} == files
    (config,) = (each for each in MANIFESTS if each["kind"] == "ConfigMap")
    assert set(config["data"]) <= KNOWN
    for each in MANIFESTS:
        if each["kind"] == "Deployment":
            labels = each["spec"]["template"]["metadata"]["labels"]
            assert each["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_probes_ask_addresses_that_exist() -> None:
    (container,) = PODS["gradhouse-api"]["containers"]
    asked = {container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")}
    assert asked == {"/healthz", "/readyz?exclude=worker&exclude=broker"}  # test_health asks the same


def test_the_workers_scale_by_a_metric_that_exists() -> None:
    (scaler,) = (each for each in MANIFESTS if each["kind"] == "HorizontalPodAutoscaler")
    names = {figure.name for figure in catalogue()}
    wanted = {metric["external"]["metric"]["name"] for metric in scaler["spec"]["metrics"]}
    assert wanted <= names
    assert scaler["spec"]["scaleTargetRef"]["name"] in PODS
    rules = yaml.safe_load((ROOT / "deploy/prometheus/adapter.yml").read_text(encoding="utf-8"))
    assert {rule["seriesQuery"] for rule in rules["rules"]["external"]} == wanted


def test_the_series_have_the_labels_that_the_autoscaler_asks_for() -> None:
    adapter, scrape = (
        yaml.safe_load((ROOT / "deploy/prometheus" / name).read_text(encoding="utf-8"))
        for name in ("adapter.yml", "scrape-kubernetes.yml")
    )
    (job,) = scrape["scrape_configs"]
    given = {rule["target_label"] for rule in job["relabel_configs"] if "target_label" in rule}
    (kept,) = (rule["regex"] for rule in job["relabel_configs"] if rule.get("action") == "keep")
    assert all(set(rule["resources"]["overrides"]) <= given for rule in adapter["rules"]["external"])
    labels = PODS_LABELS["gradhouse-api"]
    assert kept == f"{labels['app']};{labels['part']}"
    text = (ROOT / "deploy/kubernetes/kustomization.yaml").read_text(encoding="utf-8")
    (discovery,) = job["kubernetes_sd_configs"]
    assert discovery["namespaces"]["names"] == [yaml.safe_load(text)["namespace"]]


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_unit_starts_commands_and_sets_settings_that_exist(unit: Path) -> None:
    lines = [line.partition("=") for line in unit.read_text(encoding="utf-8").splitlines() if "=" in line]
    commands = [value.split() for name, _, value in lines if name in {"ExecStart", "ExecStartPre"}]
    assert commands
    for program, *words in commands:
        assert program == "/opt/gradhouse/bin/gradhouse"
        require_command(words)
    assert {value.partition("=")[0] for name, _, value in lines if name == "Environment"} <= KNOWN
    assert ("User", "=", "gradhouse") in lines


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_systemd_finds_no_fault_in_a_unit(unit: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is missing: the units were NOT verified")
    text = unit.read_text(encoding="utf-8").replace("/opt/gradhouse/bin/gradhouse", sys.executable)
    copied = tmp_path / unit.name
    copied.write_text(text.replace("User=gradhouse", f"User={getpass.getuser()}"), encoding="utf-8")
    command = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(copied)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (0, "")


def test_the_units_share_settings_that_exist() -> None:
    lines = (ROOT / "deploy/systemd/gradhouse.env").read_text(encoding="utf-8").splitlines()
    assert {line.partition("=")[0] for line in lines if not line.startswith("#")} <= KNOWN


def test_the_questions_of_the_guide_ask_for_figures_that_exist() -> None:
    text = (ROOT / "docs/how-to/watch-the-service.md").read_text(encoding="utf-8")
    asked = set(re.findall(r"gradhouse_[a-z_]+", text))
    assert len(asked) >= 6
    assert asked <= {name for figure in catalogue() for name in _series(figure)}


def test_the_dashboard_draws_every_figure_and_no_other() -> None:
    text = (ROOT / "deploy/grafana/gradhouse.json").read_text(encoding="utf-8")
    targets = [target["expr"] for panel in json.loads(text)["panels"] for target in panel["targets"]]
    drawn = {name for expression in targets for name in re.findall(r"gradhouse_\w+", expression)}
    there = {name for figure in catalogue() for name in _series(figure)}
    assert drawn <= there
    assert not [figure.name for figure in catalogue() if not drawn & _series(figure)]


def _series(figure: Figure) -> set[str]:
    """The names under which Prometheus keeps a figure."""
    endings = {"histogram": ("_bucket", "_count", "_sum"), "counter": ("_total",)}.get(figure.kind, ("",))
    return {figure.name + ending for ending in endings}
