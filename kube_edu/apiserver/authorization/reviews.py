"""Reviews: questions to the gate itself, answered in the status of what was posted.

"May I?", "may she?", "what may I?", "who am I?", "whose token is this?" (kubernetes,
pkg/registry/authorization and pkg/registry/authentication). `kubectl auth` asks them.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from kube_edu.api.meta import Object, timestamp
from kube_edu.api.status import FieldError, bad_request, invalid, invalid_value, required
from kube_edu.apiserver.authentication import Authentication
from kube_edu.apiserver.authorization import Access, Authorizer
from kube_edu.apiserver.authorization.rbac import Rbac
from kube_edu.apiserver.call import Call, User
from kube_edu.apiserver.codec import read_object
from kube_edu.host import Host


class Reviews:
    """Answers the kinds of authentication.k8s.io and authorization.k8s.io."""

    def __init__(
        self, host: Host, authentication: Authentication, authorize: Authorizer, rbac: Rbac
    ) -> None:
        self._host = host
        self._authentication = authentication
        self._authorize = authorize
        self._rbac = rbac
        answers: dict[str, Callable[[Call, Object], Coroutine[Any, Any, Object]]] = {
            "localsubjectaccessreviews": self._local_subject_access,
            "selfsubjectaccessreviews": self._self_subject_access,
            "selfsubjectreviews": self._self_subject,
            "selfsubjectrulesreviews": self._self_subject_rules,
            "subjectaccessreviews": self._subject_access,
            "tokenreviews": self._token,
        }
        self._answers = answers

    async def answer(self, call: Call) -> Object:
        resource = call.target
        review = read_object(call, resource.api_version, resource.kind)
        review.setdefault("spec", {})
        metadata = {**review["metadata"], "creationTimestamp": timestamp(self._host.now())}
        status = await self._answers[resource.plural](call, review)
        return {**review, "metadata": metadata, "status": status}

    # --- authorization

    async def _self_subject_access(self, call: Call, review: Object) -> Object:
        return await self._access(call.user, review)

    async def _subject_access(self, call: Call, review: Object) -> Object:
        spec = review["spec"]
        if not spec.get("user") and not spec.get("groups"):
            why = "at least one of user or group must be specified"
            raise invalid(review, [required("spec.user", why)])
        extra = {key: tuple(values) for key, values in (spec.get("extra") or {}).items()}
        groups = tuple(spec.get("groups") or ())
        user = User(spec.get("user", ""), groups, spec.get("uid", ""), extra)
        return await self._access(user, review)

    async def _local_subject_access(self, call: Call, review: Object) -> Object:
        if review["spec"].get("nonResourceAttributes"):
            why = "disallowed on this kind of request"
            raise invalid(review, [invalid_value("spec.nonResourceAttributes", {}, why)])
        asked = (review["spec"].get("resourceAttributes") or {}).get("namespace", "")
        if asked != call.namespace:
            raise bad_request(
                f"spec.resourceAttributes.namespace must match namespace: {call.namespace}"
            )
        return await self._subject_access(call, review)

    async def _access(self, user: User, review: Object) -> Object:
        if problem := _exactly_one(review["spec"]):
            raise invalid(review, [problem])
        decision = await self._authorize(_access(user, review["spec"]))
        status: Object = {"allowed": decision.allowed}
        return status | ({"reason": decision.reason} if decision.reason else {})

    async def _self_subject_rules(self, call: Call, review: Object) -> Object:
        namespace = review["spec"].get("namespace", "")
        if not namespace:
            raise bad_request("no namespace on request")
        rules = self._rbac.rules(call.user, namespace)
        status: Object = {
            "resourceRules": [rule for rule in rules if "resources" in rule],
            "nonResourceRules": [rule for rule in rules if "nonResourceURLs" in rule],
            "incomplete": "system:nodes" in call.user.groups,
        }
        if status["incomplete"]:  # what it allows depends on the objects, and is not in any list
            status["evaluationError"] = "node authorizer doesn't support user rule resolution"
        return status

    # --- authentication

    async def _self_subject(self, call: Call, review: Object) -> Object:
        return {"userInfo": user_info(call.user)}

    async def _token(self, call: Call, review: Object) -> Object:
        spec = review["spec"]
        if not spec.get("token"):
            raise bad_request("token is required for TokenReview in authentication")
        audiences = spec.get("audiences") or self._authentication.audiences
        proof = await self._authentication.check(spec["token"], audiences)
        if proof is None:
            return {"authenticated": False, "user": {}, "error": "invalid bearer token"}
        status = {"authenticated": True, "user": user_info(proof.user)}
        return {**status, "audiences": [*proof.audiences]}


def user_info(user: User) -> Object:
    """authentication/v1 UserInfo."""
    info: Object = {"username": user.name, "groups": [*user.groups]}
    if user.uid:
        info["uid"] = user.uid
    if user.extra:
        info["extra"] = {key: [*values] for key, values in user.extra.items()}
    return info


def _exactly_one(spec: Object) -> FieldError | None:
    """pkg/apis/authorization/validation/validation.go."""
    if "resourceAttributes" in spec and "nonResourceAttributes" in spec:
        why = "cannot be specified in combination with resourceAttributes"
        return invalid_value("spec.nonResourceAttributes", spec["nonResourceAttributes"], why)
    if "resourceAttributes" not in spec and "nonResourceAttributes" not in spec:
        why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        return required("spec.resourceAttributes", why)
    return None


def _access(user: User, spec: Object) -> Access:
    if "nonResourceAttributes" in spec:
        about = spec["nonResourceAttributes"]
        return Access(user, about.get("verb", ""), path=about.get("path", ""))
    about = spec["resourceAttributes"]
    fields = ("verb", "group", "resource", "subresource", "namespace", "name")
    return Access(user, *(about.get(field, "") for field in fields))
