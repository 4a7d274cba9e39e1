"""Lab 07: the gate. Its exercises are in rbac_rule and admission_plugins."""

from __future__ import annotations

from kube_edu.classroom.admission_plugins import ALWAYS_PULL, KEY, TRUSTED_IMAGES
from kube_edu.classroom.exercise import Lab, Question
from kube_edu.classroom.rbac_rule import ALLOWS, evaluated_by

lab = Lab(
    [ALLOWS, ALWAYS_PULL, TRUSTED_IMAGES],
    {
        "no credentials": Question(
            "b",
            {
                "a": "401 is for credentials that prove nothing. Who shows none at all is let "
                "through as system:anonymous, and the next question is what that user may do.",
                "b": "Who shows no credentials is the user system:anonymous, in the group "
                "system:unauthenticated. Known, and allowed next to nothing: 403.",
                "c": "Reading is a verb like any other: get, list and watch have to be allowed.",
            },
        ),
        "no deny": Question(
            "c",
            {
                "a": "There is no rule that denies, so none can come first.",
                "b": "Bindings have no order, and none overrides another.",
                "c": "Rules only ever allow, and what somebody may do is the sum of them. To take "
                "a right away, find the binding that gives it, and remove that.",
            },
        ),
        "escalation": Question(
            "b",
            {
                "a": "She may create role bindings: authorization lets her pass. But look at what "
                "comes after it.",
                "b": "She may write bindings, but only of rights that she has herself. Else who "
                "may write RBAC in any corner of the cluster would be its master. (The verb "
                "`bind` on that role, or `escalate` for roles, is the deliberate exception.)",
                "c": "The binding is valid. It is refused for what it would give away.",
            },
        ),
        "order": Question(
            "a",
            {
                "a": "First everybody changes, then the schema is checked, then everybody judges. "
                "So what is judged is what will be stored.",
                "b": "Then a change after the judgement could bring in what was just refused.",
                "c": "Mutating plug-ins do have an order, and a validating one that ran in "
                "between would not see what comes after it.",
            },
        ),
        "stolen node": Question(
            "c",
            {
                "a": "The group system:nodes has no right to list secrets: a name has to be said.",
                "b": "Most of them are none of this node's business, and it is not told them.",
                "c": "What its own pods use, it must know: it has to start them. So a node that is "
                "lost costs the secrets of the pods on it, not those of the cluster.",
            },
        ),
        "deployment and PodSecurity": Question(
            "b",
            {
                "a": "The level is about pods. A Deployment is none: it only gets a warning.",
                "b": "`enforce` refuses pods. The Deployment is stored, its ReplicaSet tries and "
                "is refused each time: look at its events. That is why there is `warn` too.",
                "c": "The pods never pass the gate, so there is nothing that could fail to start.",
            },
        ),
        "pod token": Question(
            "a",
            {
                "a": "A token from TokenRequest is bound to its pod: the API server looks whether "
                "that pod is still there, with the same uid.",
                "b": "It would expire (after about an hour, renewed by the kubelet), but it does "
                "not live even that long.",
                "c": "So it was with the tokens in Secrets that Kubernetes made up to 1.23.",
            },
        ),
        "another authority": Question(
            "b",
            {
                "a": "Anybody can write a certificate with that name. It counts who signed it.",
                "b": "The signature proves nothing here, so nobody knows who he is: 401.",
                "c": "403 is for somebody who is known. Of him we know nothing.",
            },
        ),
        "image": Question(
            "c",
            {
                "a": "Authorization sees who, which verb, and which object by its name. It never "
                "reads what is in the body.",
                "b": "Those may refuse, too, but they see a draft: one that comes later could "
                "change the image. What must hold is judged at the end.",
                "c": "It reads the body as it will be stored. As your trusted_images does.",
            },
        ),
        "may get, may list": Question(
            "c",
            {
                "a": "RBAC does not know that one contains the other.",
                "b": "That is what resourceNames does for get. It cannot narrow a list.",
                "c": "list shows whole objects, and watch too: who may list secrets has read them "
                "all, whether or not he has `get`.",
            },
        ),
    },
)
__all__ = ["KEY", "check", "evaluated_by", "hint", "lab", "predict"]

check, hint, predict = lab.check, lab.hint, lab.predict
