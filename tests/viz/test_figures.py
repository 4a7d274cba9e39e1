"""Every figure is well-formed, says itself in words, and is the same each time it is drawn."""

from typing import Any
from xml.etree import ElementTree

import pytest

from kube_edu.etcd.messages import Event, EventType, KeyValue
from kube_edu.trace import Trace
from kube_edu.viz import (
    Figure,
    Lane,
    Mark,
    Rider,
    Table,
    object_graph,
    revisions,
    three_way,
    timeline,
    traffic,
)
from kube_edu.viz.cluster import Snapshot, draw_cluster, store_state


def pod(name: str, node: str = "", phase: str = "Running", ready: str = "True", **meta: Any) -> Any:
    conditions = [{"type": "Ready", "status": ready}]
    return {
        "kind": "Pod",
        "metadata": {"name": name, "uid": name, "labels": {"app": "web"}, **meta},
        "spec": {"containers": [{"ports": [{"containerPort": 8080}]}]}
        | ({"nodeName": node} if node else {}),
        "status": {"phase": phase, "conditions": conditions},
    }


SERVICE = {
    "kind": "Service",
    "metadata": {"name": "web", "uid": "s"},
    "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
}
HOSTS = {"etcd-1": "up", "etcd-2": "paused", "control-1": "up", "node-1": "up", "node-2": "down"}


def cluster() -> Figure:
    pods = [pod("a", "node-1"), pod("b", "node-2", deletionTimestamp="x"), pod("c", "", "Pending")]
    node = {"metadata": {"name": "node-1"}, "status": {"conditions": [
        {"type": "Ready", "status": "True"}]}}  # fmt: skip
    groups = [["etcd-1"], ["etcd-2"]]
    return draw_cluster(
        Snapshot(
            12.5,
            HOSTS,
            pods,
            [node],
            leader="etcd-1",
            term=2,
            revisions={"etcd-1": 7},
            groups=groups,
        )
    )


CHANGES = [
    (Event(kv=KeyValue(b"a", 2, 2, 1, b"<1>", lease=7)),),
    (Event(kv=KeyValue(b"a", 2, 3, 2, b"2")), Event(kv=KeyValue(b"b", 3, 3, 1, b"x"))),
    (Event(EventType.DELETE, KeyValue(b"a", mod_revision=4)),),
]


FIGURES = {
    "revisions": lambda: revisions("R", CHANGES, riders=[Rider("w", 3, [3, 4])], wrong=4),
    "no revisions": lambda: revisions("R", []),
    "cluster": cluster,
    "objects": lambda: object_graph([SERVICE, pod("a"), pod("b")]),
    "traffic": lambda: traffic(SERVICE, [pod("a"), pod("b", labels={"app": "db"})]),
    "timeline": lambda: timeline(
        "T", [Lane("a", [(0, 3, "Pending"), (3, 9, "Ready")])], [Mark(4, "crash <&>")]
    ),
    "three way": lambda: three_way("M", {"live": {"a": 1}, "declared": None}, {"yours": "keep"}),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_well_formed_and_the_same_each_time(name: str) -> None:
    figure, again = FIGURES[name](), FIGURES[name]()
    root = ElementTree.fromstring(figure.svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert figure == again
    assert repr(figure) == figure.text != ""
    assert not [element for element in root.iter() if "id" in element.attrib], "ids would clash"


def test_the_cluster_picture_says_what_is_wrong() -> None:
    words = cluster().text
    assert "network cut: etcd-1 | etcd-2" in words
    assert "etcd-1     up, leader of term 2, revision 7" in words
    assert "node-2     down, not registered, 1 pods Terminating" in words
    assert "no node yet: 1 pods" in words


def test_the_leader_is_the_one_of_the_newest_term_that_has_not_crashed() -> None:
    trace = Trace(lambda: 0.0)
    trace.record("etcd-1", "raft.role", {"role": "leader", "term": 1})
    trace.record("etcd-2", "raft.role", {"role": "leader", "term": 2})
    assert store_state(trace)["leader"] == "etcd-2"
    trace.record("etcd-2", "host.crash", {})
    assert store_state(trace)["leader"] == "etcd-1"


def test_traffic_tells_a_closed_port_from_a_pod_that_is_not_selected() -> None:
    wrong_port = {**SERVICE, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}
    assert "a: nothing at 80" in traffic(wrong_port, [pod("a")]).text
    assert "b: not selected" in traffic(SERVICE, [pod("b", labels={"app": "db"})]).text
    assert "a: reached" in traffic(SERVICE, [pod("a")]).text
    nobody = {**SERVICE, "spec": {"ports": [{"port": 80}]}}
    assert "a: not selected" in traffic(nobody, [pod("a")]).text


def test_the_history_of_a_store_says_who_was_told_of_what() -> None:
    riders = [Rider("late", 2, [], refused=True), Rider("w", 3, [3, 4])]
    said = revisions("R", CHANGES, riders=riders, authors={2: "ann"}, compacted=3, wrong=4).text
    assert said.splitlines() == [
        "R",
        "  revision 2: a = <1> (lease)  by ann  (forgotten)",
        "  revision 3: a = 2, b = x",
        "  revision 4: a deleted   <- here",
        "  late watches from 2 on, and is refused",
        "  w watches from 3 on, and is told of 3, 4",
    ]


def test_a_table_escapes_and_aligns() -> None:
    table = Table(["name", "n"], [("<a>", 1), ("bb", 22)])
    assert repr(table) == "name   n\n<a>    1\nbb     22"
    assert "&lt;a&gt;" in table._repr_mimebundle_()["text/html"]
