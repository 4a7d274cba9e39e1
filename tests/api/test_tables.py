"""Every row of the tables is about something that there is."""

import pytest

from kube_edu.api import names, printers, rules, schema, tables
from kube_edu.api.resources import STORED

TYPES = {
    called: name
    for name in schema.definitions()
    for called in (schema.short_name(name), ".".join(name.split(".")[-3:]))
}
ROWS = [
    (table, type, row)
    for table in ("defaults", "rules")
    for type, rows in tables.read(table).items()
    for row in rows
    if type in TYPES
]


def test_a_line_that_is_not_indented_says_what_the_rows_below_it_are_about():
    found = tables.read("rules")
    assert "roleRef.kind                one_of ClusterRole" in found["ClusterRoleBinding"]
    assert found["DaemonSetUpdateStrategy"] == found["StatefulSetUpdateStrategy"]


def test_a_word_is_a_value_or_else_a_text():
    assert [tables.value(word) for word in ("0", "true", '""', "25%", "{}")] == [
        0, True, "", "25%", {},
    ]  # fmt: skip


@pytest.mark.parametrize(("table", "type", "row"), ROWS)
def test_a_row_is_about_a_field_that_its_type_has(table, type, row):
    part = {"$ref": f"#/$defs/{TYPES[type]}"}
    for step in row.split()[0].split("."):
        part = schema.field(part, step.removesuffix("[]"))
        assert part is not None, step
        if step.endswith("[]"):
            part = schema.items(part)
            assert part is not None


@pytest.mark.parametrize("type", tables.read("rules"))
def test_rules_are_known(type):
    assert rules._facts(TYPES[type])
    for row in tables.read("rules")[type]:
        _, rule, *words = row.split()
        if rule in ("keyed", "named"):
            assert callable(getattr(names, words[0])), row


def test_every_row_is_about_a_type():
    assert [type for table in ("defaults", "rules") for type in tables.read(table)
            if type not in TYPES] == []  # fmt: skip


def test_columns_and_selectable_fields_are_those_of_kinds_that_are_stored():
    kinds = {resource.kind for resource in STORED}
    assert set(tables.read("columns")) == kinds
    assert set(tables.read("selectable")) <= kinds
    for resource in STORED:
        shown = printers.table(resource, [], 0)["columnDefinitions"]
        assert [column["name"] for column in shown]
