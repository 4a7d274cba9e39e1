"""Answers to lab 05's first exercise: wrong ones, each with the reason to give, and right ones that
are unlike ours."""


def truncates_always():
    def append_entries(log, request):
        if log.term(request.index) != request.log_term:
            return False
        log.append(request.entries)
        return True

    return append_entries


def never_truncates():
    def append_entries(log, request):
        if log.term(request.index) != request.log_term:
            return False
        log.append([entry for entry in request.entries if entry.index > log.last_index])
        return True

    return append_entries


def no_consistency_check():
    def append_entries(log, request):
        for position, entry in enumerate(request.entries):
            if log.term(entry.index) != entry.term:
                log.append(request.entries[position:])
                break
        return True

    return append_entries


def only_looks_for_gaps():
    def append_entries(log, request):
        if request.index > log.last_index:
            return False
        for position, entry in enumerate(request.entries):
            if log.term(entry.index) != entry.term:
                log.append(request.entries[position:])
                break
        return True

    return append_entries


def only_at_the_end():
    def append_entries(log, request):
        if (request.index, request.log_term) != (log.last_index, log.last_term):
            return False
        log.append(request.entries)
        return True

    return append_entries


def not_the_first_entry():
    def append_entries(log, request):
        if not log.term(request.index) or log.term(request.index) != request.log_term:
            return False
        for position, entry in enumerate(request.entries):
            if log.term(entry.index) != entry.term:
                log.append(request.entries[position:])
                break
        return True

    return append_entries


def only_the_first_new_one():
    def append_entries(log, request):
        if log.term(request.index) != request.log_term:
            return False
        for entry in request.entries:
            if log.term(entry.index) != entry.term:
                log.append([entry])
                break
        return True

    return append_entries


def nothing_new_is_a_no():
    def append_entries(log, request):
        if log.term(request.index) != request.log_term or not request.entries:
            return False
        for position, entry in enumerate(request.entries):
            if log.term(entry.index) != entry.term:
                log.append(request.entries[position:])
                return True
        return False

    return append_entries


def says_nothing():
    def append_entries(log, request):
        if log.term(request.index) == request.log_term:
            for position, entry in enumerate(request.entries):
                if log.term(entry.index) != entry.term:
                    log.append(request.entries[position:])
                    break

    return append_entries


def one_off():
    def append_entries(log, request):
        if log.term(request.index) != request.log_term:
            return False
        new = [e for e in request.entries if log.term(e.index) != e.term]
        log.append(new[1:])
        return True

    return append_entries


def takes_first_and_checks_then():
    def append_entries(log, request):
        fits = log.term(request.index) == request.log_term
        if request.index <= log.last_index:
            log.append(request.entries)
        return fits

    return append_entries


def by_length():
    """Longer is better: takes a request only if it makes the log longer."""

    def append_entries(log, request):
        if log.term(request.index) != request.log_term:
            return False
        if request.index + len(request.entries) > log.last_index:
            log.append(request.entries)
        return True

    return append_entries


def only_the_last_one():
    def append_entries(log, request):
        if log.term(request.index) != request.log_term:
            return False
        last = request.entries[-1:]
        if last and log.term(last[0].index) != last[0].term:
            log.append(last)
        return True

    return append_entries


def writes_it_all_anew():
    def append_entries(log, request):
        if log.term(request.index) != request.log_term:
            return False
        if any(log.term(entry.index) != entry.term for entry in request.entries):
            log.append([*log.entries(1, request.index), *request.entries])
        return True

    return append_entries


WRONG = [
    (truncates_always, "an old one, overtaken by a newer one"),
    (never_truncates, "stays as it was"),
    (no_consistency_check, "this log ends at"),
    (only_looks_for_gaps, "these logs part before the request begins"),
    (only_at_the_end, "That is no reason to refuse"),
    (not_the_first_entry, "the first of all"),
    (only_the_first_new_one, "the log afterwards ends before it"),
    (nothing_new_is_a_no, "nothing stands against them"),
    (says_nothing, "returned None"),
    (one_off, "the log afterwards ends before it"),
    (takes_first_and_checks_then, "the log is not what it was"),
    (by_length, "stays as it was"),
    (only_the_last_one, "would leave a gap"),
    (writes_it_all_anew, "whatever has been committed"),
]


def one_by_one():
    def append_entries(log, request):
        if log.term(request.index) != request.log_term:
            return False
        for entry in request.entries:
            if log.term(entry.index) != entry.term:
                log.append((entry,))
        return True

    return append_entries


def by_the_first_conflict():
    def append_entries(log, request):
        fits = request.index <= log.last_index and log.term(request.index) == request.log_term
        terms = {entry.index: entry.term for entry in log.entries(request.index + 1)}
        new = [e.index for e in request.entries if terms.get(e.index) != e.term]
        if fits and new:
            log.append([e for e in request.entries if e.index >= min(new)])
        return fits

    return append_entries


def replaces_the_same_by_the_same():
    """Where something is new, it writes all entries of the request anew: those before the conflict
    are the same."""

    def append_entries(log, request):
        if log.term(request.index) != request.log_term:
            return False
        if any(log.term(e.index) != e.term for e in request.entries):
            log.append(list(request.entries))
        return True

    return append_entries


RIGHT = [one_by_one, by_the_first_conflict, replaces_the_same_by_the_same]
