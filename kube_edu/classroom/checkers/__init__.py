"""Checkers: pure functions from a history or a trace to a verdict.

Each returns None where all is well, or the first `Violation`. The tests use them on ours, and the
labs on a student's.
"""

from kube_edu.classroom.checkers.violation import Violation

__all__ = ["Violation"]
