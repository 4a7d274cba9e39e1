"""Answers to lab 04's third exercise: wrong ones, each with the reason to give, and right ones that
are unlike ours."""


def _free(voter, request):
    return request.term > voter.term or voter.vote in ("", request.source)


def always():
    def grant_vote(voter, request):
        return True

    return grant_vote


def never():
    def grant_vote(voter, request):
        return False

    return grant_vote


def twice():
    def grant_vote(voter, request):
        return (request.log_term, request.index) >= (voter.last_term, voter.last_index)

    return grant_vote


def no_logs():
    def grant_vote(voter, request):
        return _free(voter, request)

    return grant_vote


def length_only():
    def grant_vote(voter, request):
        return _free(voter, request) and request.index >= voter.last_index

    return grant_vote


def length_first():
    def grant_vote(voter, request):
        theirs, ours = (request.index, request.log_term), (voter.last_index, voter.last_term)
        return _free(voter, request) and theirs >= ours

    return grant_vote


def either():
    def grant_vote(voter, request):
        longer = request.index > voter.last_index
        newer = (request.log_term, request.index) >= (voter.last_term, voter.last_index)
        return _free(voter, request) and (longer or newer)

    return grant_vote


def term_only():
    def grant_vote(voter, request):
        return _free(voter, request) and request.log_term >= voter.last_term

    return grant_vote


def both():
    def grant_vote(voter, request):
        newer = request.log_term >= voter.last_term
        return _free(voter, request) and newer and request.index >= voter.last_index

    return grant_vote


def strictly():
    def grant_vote(voter, request):
        theirs, ours = (request.log_term, request.index), (voter.last_term, voter.last_index)
        return _free(voter, request) and theirs > ours

    return grant_vote


def only_alike():
    def grant_vote(voter, request):
        same = request.log_term == voter.last_term and request.index == voter.last_index
        return _free(voter, request) and (same or request.log_term > voter.last_term)

    return grant_vote


def old_votes_count():
    def grant_vote(voter, request):
        theirs, ours = (request.log_term, request.index), (voter.last_term, voter.last_index)
        return voter.vote in ("", request.source) and theirs >= ours

    return grant_vote


def once():
    def grant_vote(voter, request):
        theirs, ours = (request.log_term, request.index), (voter.last_term, voter.last_index)
        return (request.term > voter.term or voter.vote == "") and theirs >= ours

    return grant_vote


def remembers():
    given = {}

    def grant_vote(voter, request):
        theirs, ours = (request.log_term, request.index), (voter.last_term, voter.last_index)
        if theirs < ours:
            return False
        return given.setdefault(request.term, request.source) == request.source

    return grant_vote


def newer_terms_only():
    def grant_vote(voter, request):
        theirs, ours = (request.log_term, request.index), (voter.last_term, voter.last_index)
        return request.term > voter.term and theirs >= ours

    return grant_vote


def says_yes():
    def grant_vote(voter, request):
        return "yes"

    return grant_vote


def marks_it():
    def grant_vote(voter, request):
        if _free(voter, request):
            voter.vote = request.source
            return True
        return False

    return grant_vote


def yes_to_every_pre_vote():
    def grant_vote(voter, request):
        if request.term > voter.term:
            return True
        theirs = request.log_term, request.index
        free = voter.vote in ("", request.source)
        return free and theirs >= (voter.last_term, voter.last_index)

    return grant_vote


WRONG = [
    (always, "it always says yes"),
    (never, "it never gives its vote"),
    (twice, "it votes twice in one term"),
    (no_logs, "it does not look at the logs"),
    (length_only, "it looks at the length of the logs alone"),
    (length_first, "it compares the length before the term"),
    (either, "it takes a longer log for a better one"),
    (term_only, "it looks at the term of the last entry alone"),
    (both, "it wants both, the newer term and the longer log"),
    (strictly, "it refuses a log that is just as up to date"),
    (only_alike, "it refuses a log that is longer than its own"),
    (old_votes_count, "it holds the vote of an old term against a candidate"),
    (once, "asked once more by the candidate that it has voted for, it refuses"),
    (remembers, "it remembers by itself"),
    (newer_terms_only, "only in a term later than voter.term"),
    (says_yes, "it should return True or False, and returned str"),
    (marks_it, "cannot assign to field 'vote'"),
    (yes_to_every_pre_vote, "the two rules are the same for both"),
]


def step_by_step():
    def grant_vote(voter, request):
        if request.term < voter.term:
            return False
        if request.term == voter.term and voter.vote and voter.vote != request.source:
            return False
        if request.log_term != voter.last_term:
            return request.log_term > voter.last_term
        return request.index >= voter.last_index

    return grant_vote


def by_what_is_against_it():
    def grant_vote(voter, request):
        given = request.term == voter.term and voter.vote not in ("", request.source)
        older = request.log_term < voter.last_term
        shorter = request.log_term == voter.last_term and request.index < voter.last_index
        return not (given or older or shorter)

    return grant_vote


def as_in_etcd():
    def grant_vote(voter, request):
        can_vote = (
            voter.vote == request.source
            or voter.vote == ""
            or (request.type.name == "MsgPreVote" and request.term > voter.term)
        )
        up_to_date = request.log_term > voter.last_term or (
            request.log_term == voter.last_term and request.index >= voter.last_index
        )
        return can_vote and up_to_date

    return grant_vote


RIGHT = [step_by_step, by_what_is_against_it, as_in_etcd]
