"""A request's whole way: what was asked, said, written, answered, and who was told."""

import pytest

from kube_edu import Cluster
from kube_edu.classroom.apiserver.onlookers import Onlookers
from kube_edu.classroom.apiserver.requests import MERGE_PATCH, PATH, Api, configmap
from kube_edu.viz import request_walk

STATIONS = ["What is asked?", "Who are you?", "May you?", "Should it be changed?",
            "Is it allowed?", "Is it still current?", "The answer",
            "Who wants to know?"]  # fmt: skip


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    c = Cluster(nodes=0, etcd_members=1, seed=3)
    Onlookers(c, "ann")
    Api(c)("POST", PATH, configmap("greeting", hello="world"))
    c.run_for(1)
    return c


def walk(cluster: Cluster, verb: str, name: str = "") -> dict[str, str]:
    title, *lines = request_walk(cluster.trace, verb, f"configmaps/default/{name}").text.split("\n")
    return {line[2:25].rstrip(): line[25:] for line in lines} | {"title": title}


def test_a_create_passes_every_stage_is_written_and_told(cluster):
    said = walk(cluster, "create")
    assert said.pop("title") == f"POST {PATH}"
    assert list(said) == STATIONS
    written = cluster.get("configmap/greeting")["metadata"]["resourceVersion"]
    assert f"etcd's revision {written}" in said["Is it still current?"]
    assert "if there is no such key yet" in said["Is it still current?"]
    assert said["The answer"] == "passed: 201 Created"
    assert "ADDED to ann" in said["Who wants to know?"]


def test_a_read_is_admitted_by_nobody_and_writes_nothing(cluster):
    Api(cluster)("GET", f"{PATH}/greeting")
    assert list(walk(cluster, "get"))[:-1] == [*STATIONS[:3], "The answer"]


def test_an_update_of_an_old_state_ends_where_it_is_compared(cluster):
    old = {**configmap("greeting"), "metadata": {"name": "greeting", "resourceVersion": "2"}}
    assert Api(cluster)("PUT", f"{PATH}/greeting", old).status == 409
    said = walk(cluster, "update")
    assert "refused: no: it has been written since" in said["Is it still current?"]
    assert said["The answer"] == "refused: 409 Conflict"
    assert "Who wants to know?" not in said


def test_a_patch_is_written_and_told_as_a_change(cluster):
    Api(cluster)("PATCH", f"{PATH}/greeting", {"data": {"hello": None}}, MERGE_PATCH)
    cluster.run_for(1)
    assert "MODIFIED to ann" in walk(cluster, "patch")["Who wants to know?"]


def test_what_was_not_asked_is_not_found(cluster):
    assert "not on the trace" in request_walk(cluster.trace, "create", "secrets/").text
