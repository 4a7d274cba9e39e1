"""Answers to lab 05's third exercise."""


def one_back():
    def next_index(log, refusal):
        return refusal.index

    return next_index


def by_index_alone():
    def next_index(log, refusal):
        return refusal.reject_hint + 1

    return next_index


def from_the_beginning():
    def next_index(log, refusal):
        return 1

    return next_index


def same_again():
    def next_index(log, refusal):
        return refusal.index + 1

    return next_index


def by_term_alone():
    """Forgets that the follower's log may end before the leader's entries of that term do."""

    def next_index(log, refusal):
        index = log.last_index
        while index > 0 and log.term(index) > refusal.log_term:
            index -= 1
        return index + 1

    return next_index


def off_by_one():
    def next_index(log, refusal):
        index = refusal.reject_hint
        while index > 0 and log.term(index) > refusal.log_term:
            index -= 1
        return index

    return next_index


def one_term_too_far():
    def next_index(log, refusal):
        index = refusal.reject_hint
        while index > 0 and log.term(index) > refusal.log_term - 2:
            index -= 1
        return index + 1

    return next_index


def says_nothing():
    def next_index(log, refusal):
        index = refusal.reject_hint
        while log.term(index) > refusal.log_term:
            index -= 1

    return next_index


def never_ends():
    def next_index(log, refusal):
        index = refusal.reject_hint
        while log.term(index) >= refusal.log_term:
            index += 1 if index < 1 else -1
        return index + 1

    return next_index


def past_the_end():
    def next_index(log, refusal):
        return log.last_index + 2

    return next_index


WRONG = [
    (one_back, "a million refusals"),
    (by_index_alone, "which you would have it build on"),
    (from_the_beginning, "you would send everything from entry 1 on"),
    (same_again, "which comes after it"),
    (by_term_alone, "agree up to entry"),
    (off_by_one, "The first entry of a log is entry 1"),
    (one_term_too_far, "the logs may well agree"),
    (says_nothing, "returned None"),
    (never_ends, "a loop that never stops"),
    (past_the_end, "this log ends at"),
]


def by_a_list():
    def next_index(log, refusal):
        may_agree = [
            index
            for index in range(log.first_index, refusal.reject_hint + 1)
            if log.term(index) <= refusal.log_term
        ]
        return may_agree[-1] + 1 if may_agree else log.first_index

    return next_index


def a_whole_term_at_a_time():
    """The paper's own way: send a term that may differ from its beginning."""

    def next_index(log, refusal):
        index = min(refusal.reject_hint, log.last_index)
        while index >= log.first_index and log.term(index) > refusal.log_term:
            index -= 1
        term = log.term(index)
        while index > log.first_index and log.term(index - 1) == term:
            index -= 1
        return max(index, 1)

    return next_index


RIGHT = [by_a_list, a_whole_term_at_a_time]
