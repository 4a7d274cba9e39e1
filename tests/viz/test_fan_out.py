"""Watch events fanning out, from a trace written by hand."""

from __future__ import annotations

from typing import Any

from kube_edu.trace import Trace
from kube_edu.viz.fan_out import fan_out, rows_of


class Story:
    def __init__(self) -> None:
        self.time = 0.0
        self.trace = Trace(lambda: self.time)

    def event(self, kind: str, **fields: Any) -> None:
        self.time += 0.25
        self.trace.record("control-1", kind, fields)

    def write(self, rv: int, *users: str, verb: str = "create", type: str = "ADDED") -> None:
        self.event("api.write", verb=verb, object="configmaps/default/a", rv=rv, user="me")
        for user in users:
            self.hand(rv, user, type)

    def hand(self, rv: int, user: str, type: str = "ADDED") -> None:
        self.event("api.watch", object="configmaps/default/a", type=type, rv=rv, user=user)


def test_each_write_is_handed_to_every_watcher() -> None:
    story = Story()
    story.write(5, "ann", "bob")
    story.write(6, "bob", "ann", verb="delete", type="DELETED")
    story.event("api.write", verb="create", object="secrets/default/x", rv=7, user="me")
    rows = rows_of(story.trace, "configmaps", ["ann", "bob"])
    assert [row.revision for row in rows] == [5, 6]
    assert rows[1].handed == {"bob": [(6, "DELETED", True)], "ann": [(6, "DELETED", True)]}


def test_what_is_handed_over_again_did_not_arrive_before() -> None:
    story = Story()
    story.event("net.partition", groups=[["ann"], ["control-1"]])
    story.write(5, "ann")
    story.write(6, "ann")
    story.event("net.heal")
    story.hand(5, "ann")
    story.hand(6, "ann")
    rows = rows_of(story.trace, "configmaps", ["ann"])
    assert [row.handed["ann"] for row in rows[1:]] == [
        [(5, "ADDED", False)],
        [(6, "ADDED", False)],
        [(5, "ADDED", True), (6, "ADDED", True)],
    ]


def test_the_picture_says_itself_in_words() -> None:
    story = Story()
    story.write(5, "ann")
    story.event("net.heal")
    story.hand(5, "ann")
    figure = fan_out(story.trace, "Two <watchers>", "configmaps", ["ann", "bob"])
    assert figure.text.splitlines() == [
        "Two <watchers>",
        "     0.25 s  5: create a",
        "             to ann: ADDED 5 (did not arrive)",
        "     0.75 s  the network is whole again",
        "             to ann: ADDED 5",
    ]
    assert "Two &lt;watchers&gt;" in figure.svg


def test_who_has_to_list_never_got_what_was_handed_over_since_the_cut() -> None:
    story = Story()
    story.write(4, "ann")
    story.event("net.partition", groups=[["ann"], ["control-1"]])
    story.write(5, "ann", "bob")
    story.event("process.kill", process="kube-apiserver")
    story.event("process.start", process="kube-apiserver")
    story.event("net.heal")
    story.event("api.watch", object="configmaps/default/", type="ERROR", rv=4, user="ann")
    story.event("api.gate", verb="list", object="configmaps/default/", user="ann", status=200)
    rows = rows_of(story.trace, "configmaps", ["ann", "bob"])
    assert [row.text for row in rows if not row.revision] == [
        "the network is cut",
        "the API server is killed",
        "and started again",
        "the network is whole again",
    ]
    assert rows[0].handed["ann"] == [(4, "ADDED", True)]
    assert rows[2].handed == {"ann": [(5, "ADDED", False)], "bob": [(5, "ADDED", True)]}
    assert [kind for _, kind, _ in rows[-1].handed["ann"]] == ["410 Gone", "listed"]


def test_a_write_stands_before_who_heard_of_it_whatever_was_written_down_first() -> None:
    story = Story()
    story.write(4)
    story.hand(5, "ann")
    story.write(5)
    rows = rows_of(story.trace, "configmaps", ["ann"])
    assert [row.revision for row in rows] == [4, 5]
    assert rows[1].handed == {"ann": [(5, "ADDED", True)]}
