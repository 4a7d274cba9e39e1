"""Answers to lab 04's second exercise: wrong ones, each with the reason to give, and right ones that
are unlike ours."""

import random as elsewhere


def fixed():
    def election_timeout(random, ticks):
        return ticks

    return election_timeout


def from_nothing():
    def election_timeout(random, ticks):
        return random.randrange(1, ticks)

    return election_timeout


def hardly_random():
    def election_timeout(random, ticks):
        return ticks + random.randrange(2)

    return election_timeout


def for_ages():
    def election_timeout(random, ticks):
        return ticks + random.randrange(100 * ticks)

    return election_timeout


def in_seconds():
    def election_timeout(random, ticks):
        return random.uniform(ticks, 2 * ticks)

    return election_timeout


def own_source():
    def election_timeout(random, ticks):
        return ticks + elsewhere.randrange(ticks)

    return election_timeout


def whatever_ticks():
    def election_timeout(random, ticks):
        return random.randint(10, 19)

    return election_timeout


def around():
    def election_timeout(random, ticks):
        return random.randint(ticks - ticks // 2, ticks + ticks // 2)

    return election_timeout


WRONG = [
    (fixed, "it is always the same time-out (10 ticks)"),
    (from_nothing, "it may be as short as a single tick"),
    (hardly_random, "it draws from 2 values only"),
    (for_ages, "for so long the cluster has no leader"),
    (in_seconds, "it should return a whole number of ticks, and returned float"),
    (own_source, "it draws from elsewhere, or remembers"),
    (whatever_ticks, "it does not follow `ticks`"),
    (around, "it may be as short as 5 ticks"),
]


def by_randint():
    def election_timeout(random, ticks):
        return random.randint(ticks, 2 * ticks)

    return election_timeout


def by_choice():
    def election_timeout(random, ticks):
        return random.choice(range(ticks, 2 * ticks))

    return election_timeout


def by_a_fraction():
    def election_timeout(random, ticks):
        return ticks + int(random.random() * 1.5 * ticks)

    return election_timeout


RIGHT = [by_randint, by_choice, by_a_fraction]
