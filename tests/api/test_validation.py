"""What the API server refuses, and how it says why."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_edu.api import printers, resources
from kube_edu.api.meta import clone
from kube_edu.api.status import ApiError, invalid
from kube_edu.api.validation import validate_create, validate_update
from tests.api.manifests import admitted, config, deployment, pod, service


def problems(manifest) -> list[str]:
    return [str(error) for error in validate_create(admitted(manifest))]


def change(manifest, path, value):
    """A copy with another value at a path such as "spec/containers/0/name"."""
    copy = clone(manifest)
    *steps, last = [int(s) if s.isdigit() else s for s in path.split("/")]
    place = copy
    for step in steps:
        place = place[step]
    place[last] = value
    return copy


@pytest.mark.parametrize("manifest", [pod(), deployment(), service(), config(data={"a-b.c": ""})])
def test_good_manifests_pass(manifest):
    assert problems(manifest) == []
    assert validate_update(admitted(manifest), admitted(manifest)) == []


@pytest.mark.parametrize(
    ("manifest", "path", "value", "problem"),
    [
        (pod(), "metadata/name", "", "metadata.name: Required value: name or generateName"),
        (pod(), "metadata/name", "Web", 'metadata.name: Invalid value: "Web": a lowercase'),
        (service(), "metadata/name", "1web", "a DNS-1035 label must consist of"),
        (pod(), "metadata/labels", {"a": "b c"}, 'metadata.labels: Invalid value: "b c": a valid'),
        (pod(), "metadata/finalizers", ["me"], 'metadata.finalizers[0]: Invalid value: "me"'),
        (pod(), "spec/restartPolicy", "Maybe",
         'spec.restartPolicy: Unsupported value: "Maybe": supported values: "Always", "Never", '
         '"OnFailure"'),
        (pod(), "spec/containers", [], "spec.containers: Required value"),
        (pod(), "spec/containers/0/image", "", "spec.containers[0].image: Required value"),
        (pod(), "spec/containers", pod()["spec"]["containers"] * 2,
         'spec.containers[1].name: Duplicate value: "c"'),
        (pod(), "spec/containers/0/ports", [{"containerPort": 99999}],
         "spec.containers[0].ports[0].containerPort: Invalid value: 99999: must be between 1 and "
         "65535, inclusive"),
        (pod(), "spec/containers/0/volumeMounts", [{"name": "v", "mountPath": "/v"}],
         'spec.containers[0].volumeMounts[0].name: Not found: "v"'),
        (pod(), "spec/containers/0/resources", {"limits": {"cpu": "1"}, "requests": {"cpu": "2"}},
         'resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1'),
        (pod(), "spec/containers/0/readinessProbe", {},
         "spec.containers[0].readinessProbe: Required value: must specify a handler type"),
        (pod(), "spec/containers/0/livenessProbe",
         {"exec": {"command": ["true"]}, "tcpSocket": {"port": 80}},
         "livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type"),
        (pod(), "metadata/annotations", {"a": "x" * 2**19}, "metadata.annotations: Too long"),
        (deployment(), "spec/replicas", -1, "must be greater than or equal to 0"),
        (deployment(), "spec/selector", {}, "empty selector is invalid for deployment"),
        (deployment(), "spec/selector", {"matchLabels": {"app": "db"}},
         'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match '
         "template `labels`"),
        (deployment(), "spec/template/spec/restartPolicy", "Never",
         'spec.template.spec.restartPolicy: Unsupported value: "Never"'),
        (deployment(), "spec/strategy", {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}},
         "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is "
         "'Recreate'"),
        (deployment(), "spec/strategy", {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}},
         "maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0"),
        (deployment(), "spec/strategy", {"rollingUpdate": {"maxSurge": "some"}},
         "a valid percent string must be a numeric string"),
        (deployment(), "spec/progressDeadlineSeconds", 0, "must be greater than minReadySeconds"),
        (service(), "spec/ports", [], "spec.ports: Required value"),
        (service(), "spec/ports", [{"port": 80}, {"port": 81}],
         "spec.ports[0].name: Required value"),
        (service(), "spec/ports", [{}], "spec.ports[0].port: Invalid value: 0: must be between"),
        (service(), "spec/type", "Magic", 'spec.type: Unsupported value: "Magic"'),
        (service(), "spec/type", "ExternalName", "spec.externalName: Required value"),
        (config(data={}), "data", {"a b": ""}, "a valid config key must consist of"),
        (config(data={}), "data", {"a": "x" * 2**21}, "Too long: may not be more than 1048576"),
    ],
)  # fmt: skip
def test_each_rule_has_its_words(manifest, path, value, problem):
    found = problems(change(manifest, path, value))
    assert any(problem in text for text in found), found


def test_a_status_tells_all_causes_with_their_fields():
    manifest = admitted(deployment(selector=None, replicas=-1))
    error = invalid(manifest, validate_create(manifest))
    assert error.code == 422
    assert error.message.startswith('Deployment.apps "web" is invalid: [spec.selector: Required')
    details = error.status["details"]
    assert (details["group"], details["kind"], details["name"]) == ("apps", "Deployment", "web")
    assert {"reason": "FieldValueRequired", "message": "Required value",
            "field": "spec.selector"} in details["causes"]  # fmt: skip


@pytest.mark.parametrize(
    ("manifest", "path", "value", "problem"),
    [
        (deployment(), "spec/selector/matchLabels/app", "db", "spec.selector: Invalid value: "
         '{"matchLabels":{"app":"db"}}: field is immutable'),
        (pod(), "spec/nodeName", "node-1", "spec: Forbidden: pod updates may not change fields"),
        (pod(), "spec/containers", pod()["spec"]["containers"] * 2,
         "spec.containers: Forbidden: pod updates may not add or remove containers"),
        (pod(tolerations=[{"key": "a"}]), "spec/tolerations", [], "existing toleration can not"),
        (service(clusterIP="10.0.0.1"), "spec/clusterIP", "10.0.0.2",
         'spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: may not change once set'),
        (config(immutable=True, data={"a": "1"}), "data/a", "2",
         "data: Forbidden: field is immutable when `immutable` is set"),
        (config(immutable=True), "immutable", False,
         "immutable: Forbidden: field is immutable when `immutable` is set"),
        (pod(), "metadata/name", "other", "metadata.name: Invalid value"),
    ],
)  # fmt: skip
def test_some_things_may_not_change(manifest, path, value, problem):
    old = admitted(manifest)
    found = [str(error) for error in validate_update(change(old, path, value), old)]
    assert any(problem in text for text in found), found


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec/containers/0/image", "nginx:2"),
        ("spec/activeDeadlineSeconds", 5),
        ("spec/tolerations", [{"key": "a", "operator": "Exists"}]),
        ("metadata/labels", {}),
    ],
)
def test_a_running_pod_may_change_in_these_ways(path, value):
    old = admitted(pod())
    assert validate_update(change(old, path, value), old) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2**33) | st.sampled_from(["", "x", "25%", "1Gi"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["name", "port", "a"]), inner, max_size=2)
    ),
    max_leaves=5,
)


def places(value):
    """The paths of all values within a value."""
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for step, inner in entries:
        yield str(step)
        if isinstance(inner, (dict, list)):
            yield from (f"{step}/{rest}" for rest in places(inner))


@given(st.data(), st.sampled_from([pod(), deployment(), service(), config(data={"a": "b"})]), JSON)
def test_whatever_is_sent_is_refused_in_words_or_can_be_shown(data, manifest, junk):
    paths = [path for path in places(manifest) if path not in ("apiVersion", "kind")]
    sent = change(manifest, data.draw(st.sampled_from(paths)), junk)
    before = json.dumps(sent)
    try:
        obj = admitted(sent)
    except ApiError as refusal:
        assert refusal.code == 400
        return
    errors = [*validate_create(obj), *validate_update(obj, admitted(manifest))]
    assert all(error.cause()["message"] for error in errors)
    if not errors:
        printers.table(resources.resource_of(obj), [obj], 0)
    assert json.dumps(sent) == before
