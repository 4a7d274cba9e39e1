"""Decoding: what a manifest says, in the types of its kind."""

import pytest

from kube_edu.api import rules, schema
from kube_edu.api.status import ApiError
from tests.api.manifests import config, deployment, pod, service


def refusal(manifest) -> str:
    with pytest.raises(ApiError) as refused:
        schema.decode(manifest)
    assert refused.value.code == 400
    assert refused.value.reason == "BadRequest"
    return refused.value.message


@pytest.mark.parametrize(
    ("manifest", "mismatch"),
    [
        (
            deployment(replicas="three"),
            "string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            deployment(replicas=1.5),
            "number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            deployment(replicas=2**40),
            "number 1099511627776 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            deployment(paused="yes"),
            "string into Go struct field DeploymentSpec.spec.paused of type bool",
        ),
        (
            deployment(template={"spec": {"containers": {"name": "c"}}}),
            "object into Go struct field PodSpec.spec.template.spec.containers "
            "of type []v1.Container",
        ),
        (
            pod(containers=[{"env": [{"name": "PORT", "value": 80}]}]),
            "number into Go struct field EnvVar.spec.containers.env.value of type string",
        ),
        (
            config(data={"debug": True}),
            "bool into Go struct field ConfigMap.data of type string",
        ),
        (pod() | {"spec": []}, "array into Go struct field Pod.spec of type v1.PodSpec"),
    ],
)
def test_a_wrong_type_is_told_as_kubernetes_tells_it(manifest, mismatch):
    kind, version = manifest["kind"], manifest["apiVersion"].rpartition("/")[2]
    assert refusal(manifest) == (
        f'{kind} in version "{version}" cannot be handled as a {kind}: json: cannot unmarshal '
        + mismatch
    )


def test_bad_quantities_times_and_bytes_are_refused():
    limits = {"limits": {"cpu": "lots"}}
    assert "quantities must match" in refusal(pod(containers=[{"resources": limits}]))
    assert 'parsing time "soon"' in refusal(config(metadata={"creationTimestamp": "soon"}))
    assert 'parsing time "2026-01-01' in refusal(
        config(metadata={"creationTimestamp": "2026-01-01T00:00:00"})
    )
    assert "illegal base64 data" in refusal(config(binaryData={"a": "%"}))


def test_unknown_fields_are_left_out_and_told_by_their_paths():
    manifest = pod(containers=[{"name": "c", "image": "i", "imagee": "j"}], color="red")
    clean, unknown = schema.decode(manifest)
    assert unknown == ["spec.containers[0].imagee", "spec.color"]
    assert clean == pod(containers=[{"name": "c", "image": "i"}])
    error = schema.strict_error(manifest, [f'unknown field "{path}"' for path in unknown])
    assert error.message == (
        'Pod in version "v1" cannot be handled as a Pod: strict decoding error: '
        'unknown field "spec.containers[0].imagee", unknown field "spec.color"'
    )


def test_nulls_are_as_good_as_nothing():
    manifest = deployment(replicas=None)
    manifest["metadata"]["creationTimestamp"] = None
    assert schema.decode(manifest)[0] == deployment()
    assert schema.decode(config(data={"a": None}))[0] == config(data={"a": ""})


def test_values_come_out_in_their_canonical_form():
    resources = {"limits": {"cpu": 0.5, "memory": "1024Mi"}}
    container = {"name": "c", "image": "i", "resources": resources}
    clean = schema.decode(pod(containers=[container]))[0]
    limits = clean["spec"]["containers"][0]["resources"]["limits"]
    assert limits == {"cpu": "500m", "memory": "1Gi"}
    moved = config(metadata={"creationTimestamp": "2026-01-01T02:00:00+02:00"})
    clean = schema.decode(moved)[0]
    assert clean["metadata"]["creationTimestamp"] == "2026-01-01T00:00:00Z"


def test_what_go_always_writes_out_is_there_when_nobody_set_it():
    status = {"containerStatuses": [{"name": "c"}]}
    container = schema.decode(pod() | {"status": status})[0]["status"]["containerStatuses"][0]
    assert container == {"name": "c", "ready": False, "restartCount": 0, "image": "", "imageID": ""}


def test_decoding_is_done_once_and_changes_nothing_of_the_manifest():
    manifest = deployment(replicas=3, template={"spec": {"nodeName": None}})
    once = schema.decode(manifest)[0]
    assert schema.decode(once) == (once, [])
    assert manifest == deployment(replicas=3, template={"spec": {"nodeName": None}})


def test_required_fields_are_missed():
    def missing(manifest):
        return [str(error) for error in rules.check(schema.decode(manifest)[0])]

    assert missing(pod(containers=[{}])) == [
        "spec.containers[0].name: Required value",
        "spec.containers[0].image: Required value",
    ]
    assert missing(pod(containers=[])) == ["spec.containers: Required value"]
    assert missing(deployment(selector=None)) == ["spec.selector: Required value"]
    assert missing(service()) == []


def test_definitions_tell_how_lists_merge():
    containers = schema.field(schema.definition("v1", "Pod")["properties"]["spec"], "containers")
    assert containers is not None
    assert containers["x-kubernetes-patch-merge-key"] == "name"
    assert schema.field(schema.items(containers), "image")["type"] == ["string", "null"]


def test_empty_lists_and_maps_are_left_out_and_empty_structs_stay():
    container = {"name": "c", "image": "i", "command": [], "resources": {"limits": {}}}
    manifest = pod(containers=[container], volumes=[{"name": "v", "emptyDir": {}}])
    clean, _ = schema.decode({**manifest, "metadata": {"name": "p", "annotations": {}}})
    assert clean["metadata"] == {"name": "p"}
    assert clean["spec"]["containers"] == [{"name": "c", "image": "i", "resources": {}}]
    assert clean["spec"]["volumes"] == [{"name": "v", "emptyDir": {}}]
