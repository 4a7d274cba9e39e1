"""What lab 06 plays with: requests by hand, people who watch, a cluster with a student's parts."""

from __future__ import annotations

from typing import Any

import pytest

from kube_edu import Cluster
from kube_edu.classroom.api_server import cached_by, patched_by, seen_through
from kube_edu.classroom.apiserver.onlookers import Onlookers
from kube_edu.classroom.apiserver.requests import MERGE_PATCH, PATH, Api, configmap, write_to_etcd


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    c = Cluster(nodes=0, etcd_members=1, seed=3)
    c.run_for(5)
    return c


def test_an_answer_has_a_status_a_body_and_a_time(cluster):
    api = Api(cluster)
    made = api("POST", PATH, configmap("red", shade="dark"))
    assert (made.status, made.body["data"]) == (201, {"shade": "dark"})
    assert 0 < made.seconds < 1
    assert "red" in api("GET", PATH).names
    assert api("POST", PATH, configmap("red")).status == 409
    assert repr(api("GET", f"{PATH}/blue")).startswith("404 Not Found")


def test_a_watch_is_answered_with_its_events(cluster):
    api = Api(cluster)
    version = api("GET", PATH).version
    api("POST", PATH, configmap("teal"))
    api("PATCH", f"{PATH}/teal", {"data": {"a": "1"}}, MERGE_PATCH)
    api("DELETE", f"{PATH}/teal")
    query = f"?watch=true&resourceVersion={version}&timeoutSeconds=1"
    types = [event["type"] for event in api("GET", PATH + query).body]
    assert types == ["ADDED", "MODIFIED", "DELETED"]


def test_what_is_written_past_the_api_server_is_not_validated(cluster):
    write_to_etcd(cluster, configmap("Not A Name"))
    api = Api(cluster)
    assert "Not A Name" in api("GET", PATH).names
    assert api("PATCH", f"{PATH}/Not A Name", {"data": {"a": "1"}}, MERGE_PATCH).status == 422
    assert api("DELETE", f"{PATH}/Not A Name").status == 200


def test_onlookers_see_what_there_is_also_after_they_were_cut_off(cluster):
    onlookers = Onlookers(cluster, "ann", "bob")
    cluster.partition(["ann"], ["control-1"])
    Api(cluster)("POST", PATH, configmap("gold"))
    cluster.run_for(2)
    assert "gold" in onlookers.sees("bob") and "gold" not in onlookers.sees("ann")
    cluster.run_for(40)
    cluster.heal()
    cluster.run_for(20)
    assert onlookers.sees("ann") == onlookers.sees("bob")


def test_a_stub_replaces_nothing():
    def stub(*arguments: Any) -> None: ...

    class Stub:
        def list(self, version: int) -> None: ...

    assert cached_by(Stub) == patched_by(stub) == seen_through(stub) == {}
