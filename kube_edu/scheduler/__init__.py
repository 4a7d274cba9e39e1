"""The scheduler: which node each pod shall run on.

A queue of pods, a cache of nodes, and a framework of plugins that filter and score; one pod at
a time. The names are those of kubernetes, pkg/scheduler.
"""

from kube_edu.scheduler.scheduler import Scheduler

__all__ = ["Scheduler"]
