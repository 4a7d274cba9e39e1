"""Lab 02: its exercises and questions."""

from __future__ import annotations

from kube_edu.classroom.exercise import Lab, Question
from kube_edu.classroom.expose import EXPOSE
from kube_edu.classroom.plan import PLAN
from kube_edu.classroom.replicas import REPLICAS, replicas_by

lab = Lab(
    [EXPOSE, PLAN, REPLICAS],
    {
        "apply twice": Question(
            "a",
            {
                "a": "The declaration says how things should be. They are so already, and there "
                "is nothing to do: `unchanged`.",
                "b": "That is what an imperative `kubectl create` says (AlreadyExists). A "
                "declaration can be applied any number of times.",
                "c": "`replicas: 3` is not an order to make three more: it says how many there "
                "should be in all.",
            },
        ),
        "who starts pods": Question(
            "c",
            {
                "a": "The API server checks requests and stores objects. It starts nothing, "
                "anywhere.",
                "b": "The scheduler chooses a node and writes its name into the pod. That is all "
                "it does.",
                "c": "Each kubelet watches for pods that are bound to its node, and starts their "
                "containers. Nobody calls it: it sees the binding.",
            },
        ),
        "missed event": Question(
            "b",
            {
                "a": "That is what happens to a program that counts events. Controllers do not.",
                "b": "When it starts it lists all objects, compares what is wanted with what is, "
                "and goes on from there. It does not matter how things came to be so.",
                "c": "Watch events are not kept for anybody who was away. They need not be: the "
                "state is enough.",
            },
        ),
        "prune": Question(
            "b",
            {
                "a": "Being there and not being declared is not enough: others use the cluster, "
                "too.",
                "b": "Only what an earlier apply brought, and this one no longer declares, is "
                "yours to remove. The annotation last-applied-configuration is how it knows.",
                "c": "Nothing but the API server sees requests. What was applied is remembered in "
                "the object itself.",
            },
        ),
        "service": Question(
            "b",
            {
                "a": "Names of pods change all the time. The EndpointSlice lists who is there at "
                "the moment, and a controller of its own keeps it up to date.",
                "b": "Its selector. Whoever has these labels and is ready gets traffic, however "
                "it came to be there.",
                "c": "The two have never heard of each other. They meet in the labels of the pods.",
            },
        ),
        "deleted pod": Question(
            "c",
            {
                "a": "The kubelet restarts containers of pods that its node has. It makes no pods.",
                "b": "The scheduler finds nodes for pods that are there. It makes none.",
                "c": "It sees that one is missing, compares, and creates one. Just as yours does.",
            },
        ),
    },
)
__all__ = ["check", "hint", "lab", "predict", "replicas_by"]

check, hint, predict = lab.check, lab.hint, lab.predict
