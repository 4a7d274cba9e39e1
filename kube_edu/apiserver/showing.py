"""How an answer is shown: whole, as a table, or its metadata alone, as the Accept header asks.

Source: apiserver, pkg/endpoints/handlers/response.go and pkg/endpoints/handlers/negotiation.
"""

from __future__ import annotations

from typing import NamedTuple

from kube_edu.api import conversion
from kube_edu.api.meta import Object
from kube_edu.api.printers import partial_metadata, table
from kube_edu.api.status import not_acceptable
from kube_edu.apiserver.call import Call

_MEDIA_TYPES = ("application/json", "application/*", "*/*", "")
_FORMS = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")
_META_VERSIONS = ("v1", "v1beta1")


class View(NamedTuple):
    """The way in which one call wants to see its objects."""

    call: Call
    form: str = ""
    """"Table", "PartialObjectMetadata", or "" for whole objects."""
    version: str = "v1"
    """Of meta.k8s.io, for the forms that are not the object's own."""

    @property
    def is_plain(self) -> bool:
        """Whether objects are shown just as they are stored."""
        return not self.form and not self.call.target.hub

    def show(self, obj: Object, now: float) -> Object:
        """An object or a list of them; a Status is what it is."""
        if self.is_plain or obj["kind"] == "Status":
            return obj
        if self.form == "Table":
            return self._table(obj, now)
        if obj["kind"] != self.call.target.list_kind:
            return self._one(obj)
        shown = {**obj, "items": [self._one(item) for item in obj["items"]]}
        if self.form:
            shown |= {"kind": f"{self.form}List", "apiVersion": f"meta.k8s.io/{self.version}"}
        return shown

    def show_event(self, event: Object, now: float) -> Object:
        """An event of a watch. A bookmark is no row of a table."""
        if event["type"] == "ERROR" or (event["type"] == "BOOKMARK" and self.form == "Table"):
            return event
        return {**event, "object": self.show(event["object"], now)}

    def _one(self, obj: Object) -> Object:
        if self.form:
            return partial_metadata(obj, self.version)
        return conversion.to_version(obj, self.call.target.api_version)

    def _table(self, obj: Object, now: float) -> Object:
        meta, is_list = obj["metadata"], obj["kind"] == self.call.target.list_kind
        return table(
            self.call.target,
            obj["items"] if is_list else [obj],
            now,
            include=self.call.request.param("includeObject") or "Metadata",
            metadata=meta if is_list else {"resourceVersion": meta["resourceVersion"]},
            version=self.version,
        )


def view_of(call: Call) -> View:
    """The first form that the client accepts and the server knows; raises ApiError 406."""
    for choice in call.request.headers.get("accept", "").split(","):
        media_type, *rest = (part.strip() for part in choice.split(";"))
        parameters = dict(part.partition("=")[::2] for part in rest)
        form, version = parameters.get("as", ""), parameters.get("v", "v1")
        if media_type not in _MEDIA_TYPES:
            continue
        if not form:
            return View(call)
        group = parameters.get("g", "meta.k8s.io")
        if form in _FORMS and group == "meta.k8s.io" and version in _META_VERSIONS:
            return View(call, form.removesuffix("List"), version)
    raise not_acceptable(_MEDIA_TYPES[:1])
