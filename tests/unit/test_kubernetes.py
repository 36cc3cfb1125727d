"""Check the manifests of `deploy/kubernetes`: valid, safe, and true to the code."""

import copy
import shutil
import subprocess
import sys
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import pytest

from api.app import create_app
from api.formats.status_schemas import StatusAnswer
from api.http.hosts import Hosts
from api.settings import ApiSettings
from cli.main import COMMANDS
from cli.process.commands import API_STOP_SECONDS, WORKER_STOP_SECONDS
from cli.process.probe_server import answer_to
from cli.settings import CliSettings
from storage.settings import StorageSettings
from tests.support import kubernetes_files
from tests.support.compose_files import SERVICES, last, variables, with_defaults
from tests.support.kubernetes_files import (
    FOLDER,
    container,
    documents,
    find,
    kustomization,
    literals,
    pod,
    problems,
    read,
)
from tests.support.prometheus import RULES
from worker.settings import WorkerSettings

MANIFESTS = kubernetes_files.manifests()
API, WORKER = find("Deployment", "activity-api"), find("Deployment", "activity-worker")
MIGRATE = find("Job", "activity-migrate")
SCALER = find("ScaledObject", "activity-worker")
WORKLOADS = [pytest.param(one, id=one["metadata"]["name"]) for one in (API, WORKER, MIGRATE)]
ROLES = {"activity-api": "api", "activity-worker": "worker", "activity-migrate": "migrate"}


@pytest.mark.parametrize(
    "document", MANIFESTS, ids=lambda one: f"{one['kind']}-{one['metadata']['name']}"
)
def test_each_object_is_valid(document: dict[str, Any]) -> None:
    assert problems(document) == []


BAD = {
    "a misspelled field": ("PodDisruptionBudget", "activity-api", {"maxUnavailible": 1}),
    "a field at the wrong place": ("Deployment", "activity-api", {"containers": []}),
    "a wrong type": ("Deployment", "activity-api", {"replicas": "two"}),
    "a misspelled field of KEDA": ("ScaledObject", "activity-worker", {"minReplicas": 1}),
    "a number where KEDA wants text": (
        "ScaledObject",
        "activity-worker",
        {"triggers": [{"type": "metrics-api", "metadata": {"targetValue": 1}}]},
    ),
    "a fallback without a number": (
        "ScaledObject", "activity-worker", {"fallback": {"failureThreshold": 3}},
    ),
    "a misspelled field of the Prometheus Operator": ("PodMonitor", "activity", {"jobLabels": "a"}),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_object_is_refused(name: str) -> None:
    kind, object_name, change = BAD[name]
    document = copy.deepcopy(find(kind, object_name))
    document["spec"].update(change)
    assert problems(document) != []


OVERLAYS = ["keda", "monitoring", "external-servers"]


@pytest.mark.parametrize("folder", ["base", *(f"components/{name}" for name in OVERLAYS)])
def test_each_kustomization_names_every_file_beside_it(folder: str) -> None:
    files = {file.name for file in (FOLDER / folder).glob("*.yaml")} - {"kustomization.yaml"}
    assert set(kustomization(folder)["resources"]) == files


@pytest.mark.parametrize("name", OVERLAYS)
def test_each_overlay_is_the_base_with_its_component(name: str) -> None:
    """So that an overlay of one's own can combine components."""
    overlay = kustomization(name)
    assert (overlay["resources"], overlay["components"]) == (["../base"], [f"../components/{name}"])
    namespace = find("Namespace", "activity")["metadata"]["name"]
    assert overlay["namespace"] == kustomization("base")["namespace"] == namespace


@pytest.mark.parametrize("folder", ["base", *OVERLAYS])
def test_kustomize_builds_valid_objects(folder: str) -> None:
    kubectl = shutil.which("kubectl")
    if not kubectl:
        pytest.skip("kubectl is not installed")
    built = subprocess.run(
        [kubectl, "kustomize", FOLDER / folder], capture_output=True, text=True, check=True
    )
    found = documents(built.stdout)
    assert [problem for one in found for problem in problems(one)] == []
    (workers,) = [one for one in found if one["metadata"]["name"] == "activity-worker"
                  and one["kind"] == "Deployment"]  # fmt: skip
    assert ("replicas" in workers["spec"]) is (folder != "keda"), "KEDA sets the number"
    assert {one["metadata"].get("namespace") for one in found} == {"activity", None}


def policies() -> list[dict[str, Any]]:
    """Return the network policies of the base."""
    return [one for one in read("base/networkpolicy.yaml") if one["kind"] == "NetworkPolicy"]


def chosen_by(policy: dict[str, Any], workload: dict[str, Any]) -> bool:
    """Return whether a policy is for the pods of a workload."""
    labels = workload["spec"]["template"]["metadata"]["labels"]
    selector = policy["spec"]["podSelector"]
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        labels[each["key"]] in each["values"] for each in selector.get("matchExpressions", [])
    )


def ports(workload: dict[str, Any], direction: str) -> set[Any]:
    """Return the ports that the policies of the base admit for a workload."""
    rules = [rule for policy in policies() if chosen_by(policy, workload)
             for rule in policy["spec"].get(direction, [])]  # fmt: skip
    return {port["port"] for rule in rules for port in rule["ports"]}


def test_every_pod_may_connect_only_to_what_it_needs() -> None:
    for workload in (API, WORKER, MIGRATE):
        isolated = {kind for one in policies() if chosen_by(one, workload)
                    for kind in one["spec"]["policyTypes"]}  # fmt: skip
        assert isolated == {"Ingress", "Egress"}
    assert ports(API, "egress") == ports(WORKER, "egress") == {53, 5432, 6379, 6380}
    assert ports(MIGRATE, "egress") == {53, 5432}
    assert ports(API, "ingress") == {"http"}
    assert ports(WORKER, "ingress") == ports(MIGRATE, "ingress") == set()


def test_prometheus_may_ask_the_workers_and_has_every_alert() -> None:
    (policy,) = read("components/monitoring/networkpolicy.yaml")
    assert chosen_by(policy, WORKER)
    assert not chosen_by(policy, API)
    (monitor,) = read("components/monitoring/podmonitor.yaml")
    asked = {one["port"] for one in monitor["spec"]["podMetricsEndpoints"]}
    assert asked == {one["name"] for each in (API, WORKER) for one in container(each)["ports"]}
    assert {one["path"] for one in monitor["spec"]["podMetricsEndpoints"]} == {"/metrics"}
    (found,) = read("components/monitoring/rules.yaml")
    assert found["spec"] == RULES
    made = [sys.executable, str(FOLDER / "alert_rules.py")]
    printed = subprocess.run(made, capture_output=True, text=True, check=True).stdout
    assert printed == (FOLDER / "components/monitoring/rules.yaml").read_text()


@pytest.mark.parametrize("workload", WORKLOADS)
def test_no_container_has_a_privilege(workload: dict[str, Any]) -> None:
    user, group = last("Dockerfile.api", "USER").split(":")
    assert pod(workload)["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": int(user),
        "runAsGroup": int(group),
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert pod(workload)["automountServiceAccountToken"] is False
    assert container(workload)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod(workload).keys()
    assert container(workload)["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]


@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_service_of_the_cluster_sets_no_setting(workload: dict[str, Any]) -> None:
    """A Service `activity` would set ACTIVITY_PORT=tcp://..., and one `activity-api` others."""
    assert pod(workload)["enableServiceLinks"] is False


@pytest.mark.parametrize("workload", WORKLOADS)
def test_memory_is_bounded_and_requested(workload: dict[str, Any]) -> None:
    resources = container(workload)["resources"]
    assert resources["limits"].keys() == {"memory"}, "a limit of CPU time would delay answers"
    assert resources["requests"].keys() == {"cpu", "memory"}


@pytest.mark.parametrize("workload", WORKLOADS)
def test_each_container_runs_the_image_and_command_of_compose(workload: dict[str, Any]) -> None:
    name = workload["metadata"]["name"]
    service = SERVICES[ROLES[name]]
    assert container(workload)["image"] == with_defaults(service["image"])
    command = container(workload).get("command")
    assert command == service.get("command")
    if command:
        assert command[0] == "activity"
        assert command[1] in COMMANDS


def settings_of(workload: dict[str, Any]) -> set[str]:
    """Return the names of the environment variables, with those of the ConfigMap."""
    one = container(workload)
    (generated,) = kustomization("base")["configMapGenerator"]
    for source in one.get("envFrom", []):
        assert source == {"configMapRef": {"name": generated["name"]}}
    return {each["name"] for each in one["env"]} | (set(literals()) if "envFrom" in one else set())


def test_each_setting_exists_and_is_read_there() -> None:
    cli = {"ACTIVITY_API_PROCESSES", "ACTIVITY_WORKERS"}
    assert settings_of(API) <= variables(StorageSettings, ApiSettings) | cli
    probe = {"ACTIVITY_PROBE_PORT", "ACTIVITY_PROBE_HOST"}
    assert probe <= variables(CliSettings)
    assert settings_of(WORKER) <= variables(StorageSettings, WorkerSettings) | cli | probe
    assert settings_of(MIGRATE) <= variables(StorageSettings)
    assert literals().keys() == {"ACTIVITY_SHARDS", "ACTIVITY_PARTITION_BY"}
    StorageSettings(_env_file=None, shards=literals()["ACTIVITY_SHARDS"],
                    partition_by=literals()["ACTIVITY_PARTITION_BY"])  # fmt: skip


@pytest.mark.parametrize("workload", WORKLOADS)
def test_secrets_are_only_referred_to(workload: dict[str, Any]) -> None:
    secret = {one["name"]: one["valueFrom"] for one in container(workload)["env"]
              if "valueFrom" in one}  # fmt: skip
    servers = {"ACTIVITY_DATABASE_URL": "database-url"}
    if workload is not MIGRATE:
        servers |= {"ACTIVITY_QUEUE_URL": "queue-url", "ACTIVITY_CONTROL_URL": "control-url"}
    assert secret == {
        name: {"secretKeyRef": {"name": "activity-servers", "key": key}}
        for name, key in servers.items()
    }
    assert "Secret" not in {one["kind"] for one in MANIFESTS}


def test_a_pod_stops_in_the_time_that_it_may_take() -> None:
    pause = container(API)["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod(API)["terminationGracePeriodSeconds"] >= pause + API_STOP_SECONDS + 5
    assert pod(WORKER)["terminationGracePeriodSeconds"] >= WORKER_STOP_SECONDS + 5


def test_every_client_needs_a_key_also_before_the_first_one_exists() -> None:
    """With `auto` no API process would start then: it listens for other machines."""
    assert {"name": "ACTIVITY_AUTH", "value": "required"} in container(API)["env"]


def test_no_pod_is_stopped_before_its_successor_is_ready() -> None:
    for workload in (API, WORKER):
        rolling = {"maxUnavailable": 0, "maxSurge": 1}
        assert workload["spec"]["strategy"] == {"type": "RollingUpdate", "rollingUpdate": rolling}
    assert API["spec"]["replicas"] >= 2, "one may be evicted"


def test_the_probes_of_the_api_ask_paths_that_exist_on_its_port() -> None:
    paths = create_app(
        StorageSettings(_env_file=None), ApiSettings(_env_file=None)
    ).fastapi.openapi()["paths"]
    one = container(API)
    assert one["ports"] == [{"name": "http", "containerPort": CliSettings(_env_file=None).port}]
    probed = {kind: one[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    assert {each["port"] for each in probed.values()} == {"http"}
    assert {each["path"] for each in probed.values()} <= paths.keys()
    assert probed["liveness"]["path"] == "/health", "an unreachable server kills no process"
    assert probed["readiness"]["path"] == "/health/ready", "no unfit pod replaces a fit one"


def test_the_probes_of_the_workers_ask_their_own_port() -> None:
    one = container(WORKER)
    given = {each["name"]: each.get("value") for each in one["env"]}
    assert one["ports"] == [{"name": "probes", "containerPort": int(given["ACTIVITY_PROBE_PORT"])}]
    assert given["ACTIVITY_PROBE_HOST"] == "::", "the cluster asks from another address"
    for kind in ("startup", "liveness"):
        assert one[f"{kind}Probe"]["httpGet"] == {"path": "/health", "port": "probes"}
    head = b"GET /health HTTP/1.1\r\n\r\n"
    assert answer_to(head)[1].status != HTTPStatus.NOT_FOUND


def test_each_selector_selects_the_pods_of_one_workload() -> None:
    labels = {one["metadata"]["name"]: one["spec"]["template"]["metadata"]["labels"]
              for one in (API, WORKER, MIGRATE)}  # fmt: skip
    for workload in (API, WORKER):
        selector = workload["spec"]["selector"]["matchLabels"]
        name = workload["metadata"]["name"]
        chosen = [each for each, found in labels.items() if selector.items() <= found.items()]
        assert chosen == [name]
        budget = find("PodDisruptionBudget", name)
        assert budget["spec"]["selector"]["matchLabels"] == selector
    service = find("Service", "activity-api")
    assert service["spec"]["selector"] == API["spec"]["selector"]["matchLabels"]
    assert service["spec"]["ports"] == [{"name": "http", "port": 80, "targetPort": "http"}]


def test_keda_scales_the_workers_by_a_field_of_the_status() -> None:
    spec = SCALER["spec"]
    (trigger,) = spec["triggers"]
    metadata = trigger["metadata"]
    assert spec["scaleTargetRef"]["name"] == WORKER["metadata"]["name"]
    assert trigger["type"] == "metrics-api"
    assert metadata["valueLocation"] in StatusAnswer.model_fields
    shards = int(literals()["ACTIVITY_SHARDS"])
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (1, shards)
    assert spec["fallback"]["replicas"] == shards, "unknown: as many as can work"
    processes = {one["name"]: one.get("value") for one in container(WORKER)["env"]}
    assert metadata["targetValue"] == processes["ACTIVITY_WORKERS"] == "1"


def test_keda_reaches_the_api_from_its_own_namespace_with_a_key() -> None:
    (trigger,) = SCALER["spec"]["triggers"]
    url = urlsplit(trigger["metadata"]["url"])
    service, namespace = find("Service", "activity-api"), kustomization("keda")["namespace"]
    assert url.hostname == f"{service['metadata']['name']}.{namespace}.svc"
    assert url.path == "/status"
    given = {one["name"]: one.get("value") for one in container(API)["env"]}
    allowed = str(given["ACTIVITY_ALLOWED_HOSTS"]).split(",")
    for name in (url.hostname, service["metadata"]["name"], f"{url.hostname}.cluster.local"):
        assert Hosts(allowed).admits(name.encode()), name
    assert trigger["metadata"]["authMode"] == "bearer"
    key = find("TriggerAuthentication", trigger["authenticationRef"]["name"])
    (reference,) = key["spec"]["secretTargetRef"]
    assert reference == {"parameter": "token", "name": "activity-observe", "key": "token"}
