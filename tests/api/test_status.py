"""Errors have Kubernetes' codes, reasons and words."""

import pytest

from kube_edu.api import status
from kube_edu.api.resources import by_plural
from kube_edu.api.status import ApiError, FieldError

PODS, DEPLOYMENTS = by_plural("pods"), by_plural("deployments")


@pytest.mark.parametrize(
    ("error", "code", "reason", "message"),
    [
        (status.not_found(PODS, "web"), 404, "NotFound", 'pods "web" not found'),
        (status.not_found(DEPLOYMENTS, "web"), 404, "NotFound", 'deployments.apps "web" not found'),
        (status.already_exists(PODS, "web"), 409, "AlreadyExists", 'pods "web" already exists'),
        (status.conflict(PODS, "web"), 409, "Conflict",
         'Operation cannot be fulfilled on pods "web": the object has been modified; please apply '
         "your changes to the latest version and try again"),
        (status.forbidden(PODS, "web", "no"), 403, "Forbidden", 'pods "web" is forbidden: no'),
        (status.too_old_resource_version(1, 9), 410, "Expired", "too old resource version: 1 (9)"),
        (status.no_such_path(), 404, "NotFound",
         "the server could not find the requested resource"),
        (status.internal_error("oops"), 500, "InternalError", "Internal error occurred: oops"),
    ],
)  # fmt: skip
def test_codes_reasons_and_words(error, code, reason, message):
    assert (error.code, error.reason, error.message) == (code, reason, message)
    assert error.status["kind"] == "Status"
    assert error.status["status"] == "Failure"
    assert str(error) == message


def test_details_say_what_it_is_about():
    details = status.not_found(DEPLOYMENTS, "web").status["details"]
    assert details == {"name": "web", "group": "apps", "kind": "deployments"}
    assert "details" not in status.bad_request("no").status


def test_an_error_can_be_made_from_a_status_that_came_over_the_wire():
    sent = status.not_found(PODS, "web")
    received = ApiError(dict(sent.status))
    assert (received.code, received.reason) == (404, "NotFound")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (status.required("a.b"), "a.b: Required value"),
        (status.invalid_value("a", "x", "no"), 'a: Invalid value: "x": no'),
        (status.invalid_value("a", 5, "no"), "a: Invalid value: 5: no"),
        (status.invalid_value("a", None, "no"), 'a: Invalid value: "null": no'),
        (status.duplicate("a[1]", {"k": 1}), 'a[1]: Duplicate value: {"k":1}'),
        (status.not_supported("a", "x", ("c", "b")),
         'a: Unsupported value: "x": supported values: "b", "c"'),
        (status.forbidden_field("a", "no"), "a: Forbidden: no"),
        (FieldError("FieldValueNotFound", "a", "x"), 'a: Not found: "x"'),
    ],
)  # fmt: skip
def test_errors_of_fields_read_as_in_kubernetes(error, text):
    assert str(error) == text
    assert error.cause()["field"] == error.field


def test_one_error_stands_alone_and_several_in_brackets():
    obj = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}}
    one = status.invalid(obj, [status.required("a")])
    two = status.invalid(obj, [status.required("a"), status.required("b")])
    assert one.message == 'Pod "web" is invalid: a: Required value'
    assert two.message == 'Pod "web" is invalid: [a: Required value, b: Required value]'
    assert [cause["field"] for cause in two.status["details"]["causes"]] == ["a", "b"]
