"""The Helm chart, rendered for each switch; what the API server would refuse is found here."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema_rs
import kubernetes_validate.utils
import pytest
import yaml
from helm_python.chart import Chart
from helm_python.errors import HelmError

from bridge.settings import Settings as BridgeSettings
from host.settings import Settings, SettingsError
from local.environment import PROJECT
from local.template import Template, setting_name
from task_service.wiring.settings import Settings as FunctionSettings
from tests.support.environments import known_variables

CHART = PROJECT / "host" / "chart"

KUBERNETES = ("1.25", "1.32", "1.37")
"""The oldest release that Chart.yaml names, one that is in wide use, and the newest that can be checked."""

EVERYTHING: dict[str, Any] = {
    "bridge": {"enabled": True},
    "autoscaling": {"enabled": True, "targetMemoryUtilizationPercentage": 70},
    "worker": {"autoscaling": {"enabled": True}},
    "metrics": {"serviceMonitor": {"enabled": True}},
    "networkPolicy": {"enabled": True},
    "ingress": {"enabled": True, "frontendDomain": "tasks.example.com"},
}
"""Values with which every object is rendered."""

SERVICE_MONITOR = jsonschema_rs.validator_for(
    {
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"const": "monitoring.coreos.com/v1"},
            "kind": {"const": "ServiceMonitor"},
            "metadata": {"type": "object"},
            "spec": {
                "type": "object",
                "required": ["selector", "endpoints"],
                "properties": {
                    "selector": {
                        "type": "object",
                        "required": ["matchLabels"],
                        "properties": {
                            "matchLabels": {"type": "object", "additionalProperties": {"type": "string"}},
                        },
                        "additionalProperties": False,
                    },
                    "podTargetLabels": {"type": "array", "items": {"type": "string"}},
                    "endpoints": {
                        "type": "array",
                        "minItems": 1,
                        "items": {
                            "type": "object",
                            "required": ["port"],
                            "properties": {
                                "port": {"type": "string"},
                                "path": {"type": "string", "pattern": "^/"},
                                "interval": {"type": "string", "pattern": "^([0-9]+(ms|s|m|h))+$"},
                            },
                            "additionalProperties": False,
                        },
                    },
                },
                "additionalProperties": False,
            },
        },
        "additionalProperties": False,
    }
)
"""What the Prometheus operator allows, as far as the chart uses it. Kubernetes itself does not know this kind."""

Manifests = dict[tuple[str, str], Any]


@pytest.fixture(autouse=True, scope="module")
def schemas_are_read_once() -> Iterator[None]:
    """The library reads a megabyte of schemas anew for every manifest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kubernetes_validate.utils, "schema_contents", cache(kubernetes_validate.utils.schema_contents))
        yield


@cache
def chart() -> Chart:
    """The chart, which is read once."""
    return Chart.load(str(CHART))


def rendered(values: dict[str, Any] | None = None, *, release: str = "release") -> Manifests:
    """The manifests by kind and name, each of them valid."""
    return _rendered(json.dumps(values or {}), release)


@cache
def _rendered(values: str, release: str) -> Manifests:
    manifests: Manifests = {}
    for path, text in chart().render(values=json.loads(values), name=release, namespace="space").items():
        if path.endswith("NOTES.txt"):
            continue
        for manifest in filter(None, yaml.load_all(text, yaml.CSafeLoader)):
            key = manifest["kind"], manifest["metadata"]["name"]
            assert key not in manifests
            manifests[key] = manifest
            check(json.dumps(manifest))
    return manifests


@cache
def check(text: str) -> None:
    """Raise an error if the API server would refuse a manifest."""
    manifest = json.loads(text)
    if manifest["kind"] == "ServiceMonitor":
        SERVICE_MONITOR.validate(manifest)
        return
    for version in KUBERNETES:
        kubernetes_validate.validate(manifest, version, strict=True)


def refusal(values: dict[str, Any]) -> str:
    """Why Helm refuses values."""
    with pytest.raises(HelmError) as refused:
        chart().render(values=values, name="release")
    return str(refused.value)


def pods(manifests: Manifests) -> dict[str, Any]:
    """The templates of all pods, by the name of their Deployment or Job."""
    return {name: each["spec"]["template"] for (kind, name), each in manifests.items() if kind in ("Deployment", "Job")}


def containers(manifests: Manifests) -> dict[str, Any]:
    """All containers, by the name of their Deployment or Job and their own."""
    return {
        f"{name}/{container['name']}": container
        for name, pod in pods(manifests).items()
        for container in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"])
    }


def environment(container: Any) -> dict[str, Any]:
    """A container's variables, each of which it has once."""
    names = [variable["name"] for variable in container["env"]]
    assert len(names) == len(set(names))
    return {variable["name"]: variable.get("value", variable.get("valueFrom")) for variable in container["env"]}


def environment_of(name: str, values: dict[str, Any]) -> dict[str, Any]:
    """The variables of a container that is rendered with values."""
    return environment(containers(rendered(values))[name])


def labels_match(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether a selector's labels are among an object's."""
    return selector.items() <= labels.items()


def test_by_default_there_are_api_workers_and_migration() -> None:
    assert set(rendered()) == {
        ("Deployment", "task"),
        ("Service", "task"),
        ("PodDisruptionBudget", "task"),
        ("Deployment", "task-worker"),
        ("PodDisruptionBudget", "task-worker"),
        ("Job", "task-migrate"),
    }


@pytest.mark.parametrize(
    ("values", "added"),
    [
        ({"bridge": {"enabled": True}}, {("Deployment", "task-bridge"), ("PodDisruptionBudget", "task-bridge")}),
        ({"autoscaling": {"enabled": True}}, {("HorizontalPodAutoscaler", "task")}),
        ({"worker": {"autoscaling": {"enabled": True}}}, {("HorizontalPodAutoscaler", "task-worker")}),
        ({"ingress": {"enabled": True, "frontendDomain": "a.example"}}, {("Ingress", "task")}),
        (
            {"networkPolicy": {"enabled": True}},
            {("NetworkPolicy", "task"), ("NetworkPolicy", "task-worker"), ("NetworkPolicy", "task-migrate")},
        ),
        (
            {"metrics": {"serviceMonitor": {"enabled": True}}},
            {("ServiceMonitor", "task"), ("Service", "task-metrics")},
        ),
    ],
)
def test_a_switch_adds_its_objects(values: dict[str, Any], added: set[tuple[str, str]]) -> None:
    assert set(rendered(values)) - set(rendered()) == added


@pytest.mark.parametrize(
    ("values", "removed"),
    [
        (
            {"podDisruptionBudget": {"enabled": False}},
            {("PodDisruptionBudget", "task"), ("PodDisruptionBudget", "task-worker")},
        ),
        ({"migration": {"by": "initContainer"}}, {("Job", "task-migrate")}),
    ],
)
def test_a_switch_removes_its_objects(values: dict[str, Any], removed: set[tuple[str, str]]) -> None:
    assert set(rendered()) - set(rendered(values)) == removed


OTHER_VALUES: list[dict[str, Any]] = [
    {"replicaCount": 3},
    {"nameOverride": "other"},
    {"name": "other"},
    {"image": {"pullSecrets": "secret"}},
    {"image": {"pullPolicy": "Always"}},
    {"image": {"tag": "2.0.1"}},
    {"database": {"listenUrlKey": "LISTEN_DATABASE_URL"}},
    {"database": {"poolSize": 5}},
    {"addresses": {"policy": "http://policy:8080", "cache": "http://cache:8080"}},
    {"egressAllow": ["10.0.0.0/8", "*.svc.cluster.local"]},
    {"auth": {"enabled": True, "jwkUrl": "http://keycloak/certs", "refreshInterval": "1h", "adminScope": "admin"}},
    {"auth": {"enabled": True, "jwkUrl": "http://keycloak/certs", "audience": "task", "issuer": "http://keycloak"}},
    {"oauth": {"tokenUrl": "http://keycloak/token", "clientId": "task", "existingSecret": "oauth"}},
    {"task": {"http": {"host": "::", "port": 9000, "timeout": {"idle": "60s", "read": "5s"}}}},
    {"service": {"port": 80}},
    {"log": {"level": "debug"}},
    {"extraVars": [{"name": "HTTP_WAITING", "value": "10"}]},
    {"secretEnv": {"OAUTH_CLIENT_SECRET": {"name": "oauth", "key": "secret"}}},
    {"useSecretRef": True, "secretRefName": "more"},
    {"useConfigMap": True, "configMapName": "more"},
    {
        "volumes": [{"name": "ca", "configMap": {"name": "ca"}}],
        "volumeMounts": [{"name": "ca", "mountPath": "/ca", "readOnly": True}],
    },
    {"podAnnotations": {"a": "b"}},
    {"nodeSelector": {"disk": "fast"}},
    {"tolerations": [{"key": "only", "operator": "Exists"}]},
    {"affinity": {"nodeAffinity": {}}},
    {"topologySpread": False},
    {"security": {"runAsUid": None, "runAsGid": None}},
    {"resources": {"limits": {"cpu": "300m"}}},
    {"worker": {"replicaCount": 5, "processes": 2, "concurrency": 10, "resources": {"limits": {"cpu": 1}}}},
    {"metrics": {"enabled": False}},
    {"metrics": {"port": 9100}},
    {"istio": {"injection": {"pod": False, "job": True}}},
]


@pytest.mark.parametrize("values", OTHER_VALUES, ids=json.dumps)
def test_every_other_value_renders_something_else_that_is_valid(values: dict[str, Any]) -> None:
    assert rendered(values) != rendered()


@pytest.mark.parametrize(
    "values",
    [
        {"bridge": {"replicaCount": 3, "image": {"repository": "b"}, "resources": {"limits": {"cpu": 1}}}},
        {"nats": {"addr": "tls://nats:4222", "subject": "other", "queueGroup": "group", "stream": "events"}},
        {"metrics": {"serviceMonitor": {"interval": "5s", "labels": {"release": "prometheus"}}}},
        {"networkPolicy": {"apiFrom": [{"podSelector": {}}], "metricsFrom": [{"namespaceSelector": {}}]}},
        {"networkPolicy": {"egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]}},
        {"ingress": {"className": "other", "frontendTlsSecretName": "tls"}},
        {"ingress": {"path": "/", "annotations": {"nginx.ingress.kubernetes.io/rewrite-target": None}}},
        {"autoscaling": {"minReplicas": 3, "maxReplicas": 5, "targetCPUUtilizationPercentage": 50}},
        {
            "worker": {
                "autoscaling": {
                    "metrics": [
                        {
                            "type": "External",
                            "external": {
                                "metric": {"name": "oldest"},
                                "target": {"type": "Value", "value": "10"},
                            },
                        }
                    ]
                }
            }
        },
    ],
    ids=json.dumps,
)
def test_every_value_of_an_optional_object_renders_something_else_that_is_valid(values: dict[str, Any]) -> None:
    assert rendered(merged(EVERYTHING, values)) != rendered(EVERYTHING)


def merged(values: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Values with more values, as Helm merges them."""
    both = dict(values)
    for name, value in more.items():
        both[name] = merged(both.get(name, {}), value) if isinstance(value, dict) else value
    return both


# ---- what belongs together


@pytest.mark.parametrize("values", [{}, EVERYTHING, {"nameOverride": "other"} | EVERYTHING])
def test_every_selector_selects_the_pods_that_it_is_for(values: dict[str, Any]) -> None:
    manifests = rendered(values)
    labels = {name: pod["metadata"]["labels"] for name, pod in pods(manifests).items()}
    for (kind, name), manifest in manifests.items():
        match kind:
            case "Deployment" | "PodDisruptionBudget":
                selector, expected = manifest["spec"]["selector"]["matchLabels"], {name}
            case "NetworkPolicy":
                selector, expected = manifest["spec"]["podSelector"]["matchLabels"], {name}
            case "Service" if name.endswith("-metrics"):
                selector, expected = manifest["spec"]["selector"], set(labels)
            case "Service":
                selector, expected = manifest["spec"]["selector"], {name}
            case _:
                continue
        assert {each for each, its in labels.items() if labels_match(selector, its)} == expected, (kind, name)


def test_pods_of_another_release_are_not_selected() -> None:
    ours = rendered()["Deployment", "task"]["spec"]["selector"]["matchLabels"]
    for pod in pods(rendered(release="another")).values():
        assert not labels_match(ours, pod["metadata"]["labels"])


def test_pods_are_spread_apart_from_those_of_their_own_deployment() -> None:
    for name, pod in pods(rendered(EVERYTHING)).items():
        for constraint in pod["spec"].get("topologySpreadConstraints", ()):
            selector = constraint["labelSelector"]["matchLabels"]
            assert labels_match(selector, pod["metadata"]["labels"])
            assert selector["app.kubernetes.io/component"] in (name.removeprefix("task-"), "api")


def named_ports(manifest: Any) -> Iterator[str]:
    """The names of ports that an object refers to."""
    match manifest:
        case dict():
            for name, value in manifest.items():
                if name in ("port", "targetPort") and isinstance(value, str):
                    yield value
                yield from named_ports(value)
        case list():
            for each in manifest:
                yield from named_ports(each)


@pytest.mark.parametrize("values", [{}, EVERYTHING, {"metrics": {"enabled": False}}, EVERYTHING | {"metrics": {}}])
def test_every_port_that_is_named_exists(values: dict[str, Any]) -> None:
    manifests = rendered(values)
    labels = {name: pod["metadata"]["labels"] for name, pod in pods(manifests).items()}
    ports = {
        name: {port["name"] for container in pod["spec"]["containers"] for port in container.get("ports", ())}
        for name, pod in pods(manifests).items()
    }
    for (kind, name), manifest in manifests.items():
        named = set(named_ports(manifest["spec"]))
        match kind:
            case "Deployment" | "Job":
                assert named <= ports[name]
            case "NetworkPolicy":
                [selected] = [each for each in labels if each == name]
                assert named <= ports[selected]
            case "Service" if name.endswith("-metrics"):
                assert all(named <= ports[each] for each in ports if each != "task-migrate")
            case "Service":
                assert named <= ports[name]
            case "Ingress" | "ServiceMonitor":
                service = manifests["Service", name if kind == "Ingress" else f"{name}-metrics"]
                assert named <= {port["name"] for port in service["spec"]["ports"]}
            case _:
                assert not named


def test_the_ingress_leads_to_the_service() -> None:
    manifests = rendered(EVERYTHING)
    [rule] = manifests["Ingress", "task"]["spec"]["rules"]
    [path] = rule["http"]["paths"]
    assert ("Service", path["backend"]["service"]["name"]) in manifests


def test_a_service_monitor_selects_the_service_of_the_metrics_only() -> None:
    manifests = rendered(EVERYTHING)
    selector = manifests["ServiceMonitor", "task"]["spec"]["selector"]["matchLabels"]
    selected = [
        name
        for (kind, name), each in manifests.items()
        if kind == "Service" and labels_match(selector, each["metadata"]["labels"])
    ]
    assert selected == ["task-metrics"]


def test_pods_are_scraped_by_their_annotations_or_by_the_service_monitor_but_not_twice() -> None:
    def is_annotated(values: dict[str, Any]) -> set[bool]:
        found = pods(rendered(values))
        found.pop("task-migrate")
        return {"prometheus.io/port" in pod["metadata"].get("annotations", {}) for pod in found.values()}

    assert is_annotated({"bridge": {"enabled": True}}) == {True}
    assert is_annotated(EVERYTHING) == {False}
    assert is_annotated({"metrics": {"enabled": False}}) == {False}


def test_an_autoscaler_scales_a_deployment_that_leaves_its_number_open() -> None:
    manifests = rendered(EVERYTHING)
    for name in ("task", "task-worker"):
        target = manifests["HorizontalPodAutoscaler", name]["spec"]["scaleTargetRef"]
        assert "replicas" not in manifests[target["kind"], target["name"]]["spec"]


# ---- security


def test_every_pod_meets_the_restricted_security_standard() -> None:
    manifests = rendered(merged(EVERYTHING, {"migration": {"by": "initContainer"}})) | rendered()
    for pod in pods(manifests).values():
        security = pod["spec"]["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert "hostNetwork" not in pod["spec"]
        assert all("hostPath" not in volume for volume in pod["spec"]["volumes"])
    for container in containers(manifests).values():
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_no_secret_is_in_a_manifest() -> None:
    assert "Secret" not in {kind for kind, _ in rendered(EVERYTHING)}
    for container in containers(rendered(EVERYTHING)).values():
        assert environment(container)["DATABASE_URL"] == {
            "secretKeyRef": {"name": "task-database", "key": "DATABASE_URL"}
        }


def test_what_may_come_in_is_what_is_served() -> None:
    manifests = rendered({"networkPolicy": {"enabled": True}, "bridge": {"enabled": True}})
    ingress = {
        name: [port["port"] for rule in each["spec"].get("ingress", ()) for port in rule["ports"]]
        for (kind, name), each in manifests.items()
        if kind == "NetworkPolicy"
    }
    assert ingress == {
        "task": ["http", "monitoring"],
        "task-worker": ["monitoring"],
        "task-bridge": ["monitoring"],
        "task-migrate": [],
    }


def test_names_can_be_looked_up_where_it_is_said_what_may_go_out() -> None:
    rule = {"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}
    policy = rendered({"networkPolicy": {"enabled": True, "egress": [rule]}})["NetworkPolicy", "task-worker"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    dns, ours = policy["egress"]
    assert {port["port"] for port in dns["ports"]} == {53}
    assert ours == rule


# ---- the environment


@pytest.mark.parametrize("container", ["task/api", "task-worker/worker"])
def test_the_host_understands_what_it_is_given(container: str) -> None:
    values = {
        "task": {"http": {"port": 9000, "timeout": {"idle": "1m30s", "read": "20s", "write": "40s"}}},
        "worker": {"concurrency": 7, "processes": 3},
        "metrics": {"port": 9001},
        "settings": {"executorTimeoutSeconds": 30, "visibilityTimeoutSeconds": 40},
    }
    settings = Settings.from_environment(environment_of(container, values) | {"DATABASE_URL": "postgresql://db/tasks"})

    assert (settings.http_port, settings.metrics_port) == (9000, 9001)
    assert (settings.idle_seconds, settings.body_seconds, settings.write_seconds) == (90, 20, 40)
    assert (settings.worker_processes, settings.worker_concurrency) == (3, 7)
    assert (settings.executor_seconds, settings.visibility_seconds) == (30, 40)


def test_the_host_serves_no_metrics_where_they_are_off() -> None:
    variables = environment_of("task-worker/worker", {"metrics": {"enabled": False}})
    assert variables["METRICS_PORT"] == "0"


def test_the_functions_understand_what_they_are_given() -> None:
    values = {
        "settings": {
            "retentionDays": 7,
            "idempotencyHours": 2,
            "templateWrites": True,
            "templateCacheSeconds": 0,
            "executorMaxTaskRetries": 0,
            "policyTimeoutSeconds": 9,
        },
        "addresses": {"policy": "http://policy:8080", "cache": "http://cache:8080"},
        "egressAllow": ["10.0.0.0/8", "*.svc.cluster.local"],
        "database": {"poolSize": 4},
        "auth": {
            "enabled": True,
            "jwkUrl": "http://keycloak/certs",
            "refreshInterval": "30s",
            "audience": "task",
            "issuer": "http://keycloak",
            "adminScope": "admin",
        },
        "oauth": {"tokenUrl": "http://keycloak/token", "clientId": "id", "existingSecret": "oauth"},
    }
    variables = environment_of("task-worker/worker", values)
    assert variables["OAUTH_CLIENT_SECRET"] == {"secretKeyRef": {"name": "oauth", "key": "OAUTH_CLIENT_SECRET"}}
    secrets = {"DATABASE_URL": "postgresql://db/tasks", "OAUTH_CLIENT_SECRET": "secret"}
    settings = FunctionSettings.from_environment(variables | secrets)

    assert (settings.retention.days, settings.idempotency.total_seconds()) == (7, 7_200)
    assert (settings.template_writes, settings.template_cache.total_seconds()) == (True, 0)
    assert (settings.max_task_retries, settings.policy_timeout.total_seconds()) == (0, 9)
    assert (settings.policy_address, settings.cache_address) == ("http://policy:8080", "http://cache:8080")
    assert settings.egress_allow == "10.0.0.0/8,*.svc.cluster.local"
    assert settings.database_pool_size == 4
    assert settings.auth is not None
    assert (settings.auth.jwk_url, settings.auth.audience) == ("http://keycloak/certs", "task")
    assert (settings.auth.issuer, settings.auth.admin_scope) == ("http://keycloak", "admin")
    assert settings.auth.refresh_interval.total_seconds() == 30
    assert settings.oauth is not None
    assert (settings.oauth.token_url, settings.oauth.client_id) == ("http://keycloak/token", "id")


def test_the_bridge_understands_what_it_is_given() -> None:
    values = {
        "bridge": {"enabled": True},
        "nats": {"addr": "tls://nats:4222", "subject": "other", "queueGroup": "group", "stream": "events"},
        "log": {"level": "warn"},
    }
    variables = environment_of("task-bridge/bridge", values) | {"DATABASE_URL": "postgresql://db/tasks"}
    settings = BridgeSettings.from_environment(variables)

    assert (settings.nats.servers, settings.nats.subject) == (("tls://nats:4222",), "other")
    assert (settings.nats.queue_group, settings.nats.stream) == ("group", "events")
    assert settings.log_level == "WARNING"


@pytest.mark.parametrize("level", ["debug", "warn", "fatal", "ERROR"])
def test_levels_of_the_log_are_those_of_python(level: str) -> None:
    said = environment_of("task/api", {"log": {"level": level}})["LOG_LEVEL"]
    assert said in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@pytest.mark.parametrize("values", [{}, EVERYTHING, *OTHER_VALUES], ids=json.dumps)
def test_every_variable_is_one_that_the_program_reads(values: dict[str, Any]) -> None:
    for name, container in containers(rendered(values)).items():
        program = "bridge" if name.endswith("/bridge") else "host"
        assert set(environment(container)) - known_variables(program) == set()


def test_what_is_not_set_is_left_to_the_config_map() -> None:
    # A variable of `env` would hide the one of `envFrom`.
    assert set(environment_of("task/api", {})) == {
        "DATABASE_URL",
        "LOG_LEVEL",
        "HTTP_PORT",
        "HTTP_IDLE_TIMEOUT",
        "HTTP_READ_TIMEOUT",
        "HTTP_WRITE_TIMEOUT",
        "METRICS_PORT",
        "WORKER_PROCESSES",
        "WORKER_CONCURRENCY",
    }


def test_all_containers_get_what_is_given_for_the_environment() -> None:
    values = merged(
        EVERYTHING,
        {
            "extraVars": [{"name": "SSL_CERT_FILE", "value": "/ca/ca.pem"}],
            "secretEnv": {"PGPASSWORD": {"name": "pg", "key": "password"}},
            "useSecretRef": True,
            "secretRefName": "more",
            "useConfigMap": True,
            "configMapName": "settings",
            "volumes": [{"name": "ca", "configMap": {"name": "ca"}}],
            "volumeMounts": [{"name": "ca", "mountPath": "/ca"}],
        },
    )
    found = containers(rendered(values))
    assert set(found) == {"task/api", "task-worker/worker", "task-bridge/bridge", "task-migrate/migrate"}
    for container in found.values():
        variables = environment(container)
        assert variables["SSL_CERT_FILE"] == "/ca/ca.pem"
        assert variables["PGPASSWORD"] == {"secretKeyRef": {"name": "pg", "key": "password"}}
        assert container["envFrom"] == [{"secretRef": {"name": "more"}}, {"configMapRef": {"name": "settings"}}]
        assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/tmp", "/ca"}


def test_what_is_given_replaces_the_variable_of_the_chart() -> None:
    values = {
        "extraVars": [{"name": "WORKER_CONCURRENCY", "value": "3"}],
        "secretEnv": {
            "DATABASE_URL": {"name": "other", "key": "url"},
            "WORKER_CONCURRENCY": {"name": "other", "key": "n"},
        },
    }
    variables = environment_of("task-worker/worker", values)
    assert variables["WORKER_CONCURRENCY"] == "3"
    assert variables["DATABASE_URL"] == {"secretKeyRef": {"name": "other", "key": "url"}}


# ---- the way of an upgrade


def test_the_schema_is_migrated_before_the_pods_change() -> None:
    annotations = rendered()["Job", "task-migrate"]["metadata"]["annotations"]
    assert annotations["helm.sh/hook"] == "pre-install,pre-upgrade"


def test_the_migration_needs_nothing_that_the_chart_makes() -> None:
    manifests = rendered(EVERYTHING)
    names = {(kind, name) for kind, name in manifests if kind in ("Secret", "ConfigMap", "ServiceAccount")}
    assert names == set()
    assert "serviceAccountName" not in manifests["Job", "task-migrate"]["spec"]["template"]["spec"]


def test_pods_can_migrate_the_schema_themselves() -> None:
    found = pods(rendered({"migration": {"by": "initContainer"}}))
    assert set(found) == {"task", "task-worker"}
    for pod in found.values():
        assert [container["args"] for container in pod["spec"]["initContainers"]] == [["migrate"]]


def test_pods_stop_before_kubernetes_kills_them() -> None:
    stop = Settings().stop_seconds
    for name, pause in (("task", 5), ("task-worker", 0)):
        assert pods(rendered())[name]["spec"]["terminationGracePeriodSeconds"] > stop + pause
    assert pods(rendered())["task"]["spec"]["containers"][0]["lifecycle"]["preStop"]["exec"]["command"] == [
        "sleep",
        "5",
    ]


def test_the_image_is_that_of_the_release_unless_another_is_named() -> None:
    def image(**values: str) -> str:
        return str(pods(rendered({"image": values}))["task"]["spec"]["containers"][0]["image"])

    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    assert image() == f"task-service:{version}"
    assert (
        image(repository="registry.example.com", name="tsa/task", tag="2.0.1") == "registry.example.com/tsa/task:2.0.1"
    )
    for digest in ("ab" * 32, f"sha256:{'ab' * 32}"):
        assert image(sha=digest) == f"task-service@sha256:{'ab' * 32}"


def test_the_version_is_that_of_the_project() -> None:
    version = (PROJECT / "pyproject.toml").read_text().split('version = "')[1].split('"')[0]
    metadata = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (metadata["version"], metadata["appVersion"]) == (version, version)


# ---- from v1.1.0

FIRST_GENERATION: dict[str, Any] = {
    "replicaCount": 2,
    "name": "task",
    "nameOverride": "",
    "image": {
        "repository": "registry.example.com",
        "name": "tsa/task",
        "tag": "latest",
        "sha": "",
        "pullPolicy": "IfNotPresent",
        "pullSecrets": "deployment-key",
    },
    "podAnnotations": {"a": "b"},
    "extraVars": [{"name": "EXECUTOR_MAX_TASK_RETRIES", "value": "3"}],
    "secretEnv": {"OAUTH_CLIENT_SECRET": {"name": "oauth", "key": "secret"}},
    "useSecretRef": True,
    "secretRefName": "secrets",
    "useConfigMap": True,
    "configMapName": "settings",
    "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"cpu": "300m", "memory": "256Mi"}},
    "autoscaling": {
        "enabled": True,
        "minReplicas": 2,
        "maxReplicas": 3,
        "targetCPUUtilizationPercentage": 70,
        "targetMemoryUtilizationPercentage": 70,
    },
    "metrics": {"enabled": True, "port": 2112},
    "log": {"level": "debug", "encoding": "json"},
    "security": {"runAsNonRoot": True, "runAsUid": 1000, "runAsGid": 1000},
    "service": {"port": 8080},
    "task": {"http": {"host": "", "port": 8080, "timeout": {"idle": "120s", "read": "10s", "write": "10s"}}},
    "mongo": {"addr": "mongodb://mongodb:27017/task", "user": "", "pass": "", "dbname": "task"},
    "addresses": {"policy": "http://policy:8080", "cache": "http://cache:8080"},
    "ingress": {
        "enabled": True,
        "annotations": {
            "kubernetes.io/ingress.class": "nginx",
            "nginx.ingress.kubernetes.io/rewrite-target": "/$2",
        },
        "frontendDomain": "tasks.example.com",
        "frontendTlsSecretName": "tls",
    },
    "istio": {"injection": {"pod": True}},
}
"""All value names of v1.1.0's chart, with the values that it had as far as they are allowed here."""


def test_the_values_of_the_first_generation_render() -> None:
    manifests = rendered(FIRST_GENERATION)
    variables = environment(containers(manifests)["task-worker/worker"])

    assert (variables["POLICY_ADDR"], variables["CACHE_ADDR"]) == ("http://policy:8080", "http://cache:8080")
    assert (variables["HTTP_PORT"], variables["HTTP_IDLE_TIMEOUT"], variables["HTTP_READ_TIMEOUT"]) == (
        "8080",
        "120s",
        "10s",
    )
    assert variables["LOG_LEVEL"] == "DEBUG"
    assert variables["EXECUTOR_MAX_TASK_RETRIES"] == "3"
    assert not [name for name in variables if name.startswith("MONGO")]


def test_the_ingress_rewrites_as_that_of_the_first_generation() -> None:
    ingress = rendered(FIRST_GENERATION)["Ingress", "task"]
    [rule] = ingress["spec"]["rules"]
    [path] = rule["http"]["paths"]
    assert (path["path"], path["pathType"]) == ("/task(/|$)(.*)", "ImplementationSpecific")
    assert ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/rewrite-target"] == "/$2"
    # The API server refuses both.
    assert "ingressClassName" not in ingress["spec"]


@pytest.mark.parametrize(
    ("values", "says"),
    [({"mongo": {"addr": "mongodb://mongo"}}, "mongo is not used"), ({}, "egressAllow opens others")],
)
def test_the_notes_say_what_is_easily_missed(values: dict[str, Any], says: str) -> None:
    assert says in chart().render(values=values, name="release")["task/templates/NOTES.txt"]


# ---- what is refused


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"replicas": 3}, "replicas"),
        ({"replicaCount": "three"}, "replicaCount"),
        ({"worker": {"concurency": 3}}, "concurency"),
        ({"worker": {"concurrency": 0}}, "concurrency"),
        ({"name": ""}, "name"),
        ({"nameOverride": "Über"}, "nameOverride"),
        ({"image": {"sha": "abc"}}, "sha"),
        ({"image": {"pullPolicy": "Sometimes"}}, "pullPolicy"),
        ({"database": {"existingSecret": "postgresql://user:password@host/db"}}, "existingSecret"),
        ({"migration": {"by": "hand"}}, "migration/by"),
        ({"settings": {"retentionDays": 2}}, "retentionDays"),
        ({"settings": {"templateWrites": "on"}}, "templateWrites"),
        ({"settings": {"maximumConcurrency": 3}}, "maximumConcurrency"),
        ({"addresses": {"policy": "policy:8080"}}, "policy"),
        ({"egressAllow": "10.0.0.0/8"}, "egressAllow"),
        ({"egressAllow": ["10.0.0.0/8, 192.168.0.0/16"]}, "egressAllow"),
        ({"auth": {"enabled": "yes"}}, "auth/enabled"),
        ({"task": {"http": {"port": 70_000}}}, "port"),
        ({"task": {"http": {"timeout": {"idle": "2 minutes"}}}}, "idle"),
        ({"log": {"level": "loud"}}, "level"),
        ({"log": {"encoding": "console"}}, "encoding"),
        ({"extraVars": {"A": "b"}}, "extraVars"),
        ({"extraVars": [{"name": "A", "value": 1}]}, "extraVars"),
        ({"secretEnv": {"A": "b"}}, "secretEnv"),
        ({"security": {"runAsNonRoot": False}}, "runAsNonRoot"),
        ({"security": {"runAsUid": 0}}, "runAsUid"),
        ({"nats": {"subject": "a b"}}, "subject"),
        ({"ingress": {"path": "task"}}, "path"),
        ({"istio": {"injection": {"pod": "true"}}}, "pod"),
        # What needs another value.
        ({"database": {"existingSecret": ""}}, "database.existingSecret is empty"),
        ({"auth": {"enabled": True}}, "auth.jwkUrl is empty"),
        ({"oauth": {"tokenUrl": "http://k"}}, "oauth.clientId is empty"),
        ({"oauth": {"tokenUrl": "http://k", "clientId": "id"}}, "oauth.existingSecret is empty"),
        ({"useSecretRef": True}, "secretRefName is empty"),
        ({"useConfigMap": True}, "configMapName is empty"),
        ({"ingress": {"enabled": True}}, "ingress.frontendDomain is empty"),
        ({"ingress": {"enabled": True, "frontendDomain": "a.example", "path": "/"}}, 'ingress.path is "/"'),
        ({"settings": {"executorTimeoutSeconds": 90}}, "settings.visibilityTimeoutSeconds is 90"),
        ({"extraVars": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}, "extraVars has A twice"),
        ({"metrics": {"port": 8080}}, "metrics.port and task.http.port are both 8080"),
        ({"autoscaling": {"enabled": True, "minReplicas": 4}}, "autoscaling.minReplicas is 4; at most autoscaling.max"),
        ({"worker": {"autoscaling": {"enabled": True, "maxReplicas": 1}}}, "worker.autoscaling.minReplicas is 2"),
        ({"volumes": [{"name": "tmp", "emptyDir": {}}]}, "volumes has one with the name tmp"),
        ({"volumeMounts": [{"name": "a", "mountPath": "/tmp/"}]}, "volumeMounts has the path /tmp"),
    ],
    ids=str,
)
def test_a_wrong_value_is_refused_by_its_name(values: dict[str, Any], named: str) -> None:
    assert named in refusal(values)


def test_what_the_environment_brings_need_not_be_a_value() -> None:
    elsewhere = {
        "secretEnv": {
            "DATABASE_URL": {"name": "s", "key": "url"},
            "OAUTH_CLIENT_SECRET": {"name": "s", "key": "secret"},
        },
        "extraVars": [{"name": "AUTH_JWK_URL", "value": "http://k"}, {"name": "OAUTH_CLIENT_ID", "value": "id"}],
    }
    needing = {
        "database": {"existingSecret": ""},
        "auth": {"enabled": True},
        "oauth": {"tokenUrl": "http://k"},
    }
    assert rendered(needing | elsewhere)
    assert rendered(needing | {"useSecretRef": True, "secretRefName": "all"})


def test_timeouts_that_do_not_fit_are_refused_as_by_the_host() -> None:
    with pytest.raises(SettingsError):
        Settings.from_environment({"DATABASE_URL": "postgresql://db/tasks", "EXECUTOR_TIMEOUT_SECONDS": "90"})
    assert rendered({"settings": {"executorTimeoutSeconds": 89}})


def test_settings_are_those_of_the_other_platform_with_the_same_limits() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())["properties"]["settings"]["properties"]
    parameters = Template.read(PROJECT / "template.yaml").parameters
    names = {parameter[0].lower() + parameter[1:]: parameter for parameter in parameters}
    for name, allowed in schema.items():
        declared = parameters[names[name]]
        assert (allowed.get("minimum"), allowed.get("maximum")) == (declared.get("MinValue"), declared.get("MaxValue"))
        if "enum" in allowed:
            assert allowed["enum"] == [None, *map(int, declared["AllowedValues"])]

    most: dict[str, Any] = {name: allowed.get("maximum", True) for name, allowed in schema.items()}
    values = {"settings": most | {"retentionDays": 365, "executorTimeoutSeconds": 899}}
    assert {setting_name(names[name]) for name in schema} <= set(environment_of("task/api", values))


def test_every_value_has_a_line_in_the_schema() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())

    def unknown(values: dict[str, Any], allowed: dict[str, Any], path: str = "") -> Iterator[str]:
        for name, value in values.items():
            known = allowed.get("properties", {})
            if name not in known:
                yield f"{path}{name}"
            elif isinstance(value, dict) and "properties" in known[name]:
                yield from unknown(value, known[name], f"{path}{name}.")

    assert list(unknown(yaml.safe_load((CHART / "values.yaml").read_text()), schema)) == []
