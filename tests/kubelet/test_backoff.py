from __future__ import annotations

from kube_edu.kubelet.backoff import Backoff


def waits(backoff: Backoff, tries: int) -> list[float]:
    """The waits between tries that all fail at once."""
    now, result = 0.0, []
    for _ in range(tries):
        result.append(backoff.remaining("c", now, now))
        now += result[-1]
        backoff.next("c", now, now)
    return result


def test_it_doubles_from_ten_seconds_to_five_minutes() -> None:
    assert waits(Backoff(), 9) == [0, 10, 20, 40, 80, 160, 300, 300, 300]


def test_ten_good_minutes_forgive() -> None:
    backoff = Backoff()
    waits(backoff, 5)
    last_try = 150.0
    assert backoff.remaining("c", last_try + 599, last_try + 599) > 0
    assert backoff.remaining("c", last_try + 601, last_try + 601) == 0
    backoff.next("c", last_try + 601, last_try + 601)
    assert backoff.wait("c") == 10


def test_keys_know_nothing_of_each_other() -> None:
    backoff = Backoff()
    backoff.next("a", 0, 0)
    assert backoff.wait("a") == 10 and backoff.wait("b") == 0
