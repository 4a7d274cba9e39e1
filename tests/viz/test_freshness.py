"""How quick reads are, and how many of them were stale."""

from kube_edu.viz import freshness


def test_each_kind_of_read_is_told_with_its_stale_ones_and_its_times():
    figure = freshness("Reads", {"any": [(0.001, True), (0.002, False)], "new": [(0.2, False)]})
    assert figure.text.splitlines() == [
        "Reads",
        "  any: 1 of 2 stale; median 1.5 ms, slowest 2.0 ms",
        "  new: 0 of 1 stale; median 200.0 ms, slowest 200.0 ms",
    ]


def test_a_stale_read_is_a_cross():
    whole = freshness("Reads", {"any": [(0.001, False)]}).svg
    stale = freshness("Reads", {"any": [(0.001, True)]}).svg
    assert stale.count("<polyline") == whole.count("<polyline") + 2
