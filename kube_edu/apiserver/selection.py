"""Which objects of a resource a list or a watch is about."""

from __future__ import annotations

from dataclasses import dataclass

from kube_edu.api.selectors import FieldSelector, LabelSelector, SelectorError
from kube_edu.api.status import bad_request
from kube_edu.apiserver.call import Call
from kube_edu.apiserver.stored import Change, Event, Stored

INDEXED = ("metadata.name", "spec.nodeName")
"""Fields by which watchers and the changes that concern them find one another: kubelets ask for
the pods of their node, and for single ConfigMaps (kubernetes, pkg/registry/core/pod/strategy.go,
NodeNameTriggerFunc)."""


@dataclass(frozen=True, slots=True)
class Selection:
    """A namespace or all, and selectors."""

    prefix: str
    """Of the keys."""
    labels: LabelSelector
    fields: FieldSelector

    @classmethod
    def of(cls, call: Call) -> Selection:
        resource = call.target
        prefix = resource.storage_prefix + (f"{call.namespace}/" if call.namespace else "")
        try:
            labels = LabelSelector.parse(call.request.param("labelSelector"))
            fields = FieldSelector.parse(call.request.param("fieldSelector"), resource.kind)
        except SelectorError as problem:
            raise bad_request(str(problem)) from None
        return cls(prefix, labels, fields)

    @property
    def everything(self) -> bool:
        return not self.labels.requirements and self.fields.empty

    @property
    def end(self) -> str:
        """The first key after those with the prefix, which ends with a slash."""
        return self.prefix[:-1] + chr(ord("/") + 1)

    @property
    def term(self) -> str:
        """What an object must be filed under to be selected: "spec.nodeName=node-1"; else ""."""
        for requirement in self.fields.requirements:
            if requirement.operator == "=" and requirement.field in INDEXED:
                return f"{requirement.field}={requirement.value}"
        return ""

    def matches(self, stored: Stored) -> bool:
        """Whether the selectors select it; its key has the prefix."""
        if self.everything:
            return True
        obj = stored.decoded()
        return self.labels.matches(obj["metadata"].get("labels") or {}) and self.fields.matches(obj)

    def seen(self, change: Change) -> Event | None:
        """A change as who watches this sees it: an object that begins to match is ADDED for them,
        one that ceases to is DELETED."""
        before = change.before is not None and self.matches(change.before)
        if change.now is not None and self.matches(change.now):
            return change.event("MODIFIED" if before else "ADDED")
        return change.event("DELETED") if before else None
