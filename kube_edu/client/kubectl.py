"""A small kubectl for the simulation: the commands the labs use, printing what kubectl prints.

It asks the API server for tables as kubectl does, so the columns are the server's own. In live
mode the real kubectl takes its place.
"""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

import yaml

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.api.resources import RESOURCES, Resource, by_kind, by_plural, resolve
from kube_edu.api.status import ApiError, bad_request
from kube_edu.client import apply, rollout
from kube_edu.client.client import ApiClient
from kube_edu.client.describe import describe

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


class Usage(Exception):
    """A command line that this kubectl does not understand."""


class Kubectl:
    """`await Kubectl(client).run("get pods -o wide")` returns what kubectl would print. A refusal
    raises ApiError, a wrong command line Usage. `plan` decides what apply does to an object."""

    def __init__(self, client: ApiClient, plan: apply.Plan = apply.plan) -> None:
        self.client = client
        self._plan = plan

    async def run(self, command: str, stdin: str = "") -> str:
        words = shlex.split(command)
        options = _parser().parse_args(words[1:] if words[:1] == ["kubectl"] else words)
        options.stdin = stdin
        if options.command in ("annotate", "label", "set"):
            changes = [w for w in options.things if "=" in w or w.endswith("-")]
            options.things = [w for w in options.things if w not in changes]
            options.pairs = changes
        lines = await _COMMANDS[options.command](self, options)
        return "\n".join(line.rstrip() for line in lines)

    async def apply(self, text: str, namespace: str = "", prune: str = "") -> list[str]:
        """Apply every object of a YAML or JSON text; with `prune` (a label selector) also delete
        what was applied before, matches it, and is no longer declared. A line for each object."""
        declared = objects_of(text, namespace)
        lines = [await self._apply_one(by_kind(o["apiVersion"], o["kind"]), o) for o in declared]
        kept = {(o["kind"], meta.key(o)) for o in declared}
        for resource in RESOURCES if prune else ():
            for live in (await self.client.list(resource, namespace, labels=prune))["items"]:
                if (live["kind"], meta.key(live)) not in kept and apply.last_applied(live):
                    lines.append(await self._apply_one(resource, None, live))
        return lines

    async def _apply_one(
        self, resource: Resource, declared: Object | None, live: Object | None = None
    ) -> str:
        if declared is not None:
            live = await self.find(resource, meta.name(declared), meta.namespace(declared))
        before = apply.last_applied(live)
        verb, change = self._plan(declared, before, live)
        there = declared or live or {}
        name, namespace = meta.name(there), meta.namespace(there)
        if verb == "keep" and declared is not None and before != declared:
            verb = "patch"  # nothing to change but the note of what was declared
        if verb == "create" and declared is not None:
            await self.client.create(apply.noted(change or declared, declared))
        elif verb == "patch" and declared is not None:
            patch = apply.noted(change or {}, declared)
            await self.client.patch(
                resource, name, namespace, patch, kind="strategic",
                field_manager="kubectl-client-side-apply",
            )  # fmt: skip
        elif verb == "delete":
            await self.client.delete(resource, name, namespace, propagation="Background")
        done = {"create": "created", "patch": "configured", "delete": "pruned"}
        return f"{typed(resource, name)} {done.get(verb, 'unchanged')}"

    async def find(self, resource: Resource, name: str, namespace: str) -> Object | None:
        """The object, or None when there is none."""
        try:
            return await self.client.get(resource, name, namespace)
        except ApiError as error:
            if error.reason == "NotFound":
                return None
            raise

    # --- commands: each returns lines

    async def _apply(self, options: argparse.Namespace) -> list[str]:
        return await self.apply(
            options.stdin, options.namespace, options.selector if options.prune else ""
        )

    async def _create(self, options: argparse.Namespace) -> list[str]:
        lines = []
        for obj in objects_of(options.stdin, options.namespace):
            await self.client.create(obj)
            lines.append(
                f"{typed(by_kind(obj['apiVersion'], obj['kind']), meta.name(obj))} created"
            )
        return lines

    async def _get(self, options: argparse.Namespace) -> list[str]:
        targets = _targets(options)
        if options.output in ("yaml", "json", "name"):
            return await self._get_objects(targets, options)
        lines: list[str] = []
        for resource, name in targets:
            table = await self._table(resource, name, options)
            if table["rows"] and lines:
                lines.append("")
            prefix = f"{resource.singular}.{resource.group}/".replace("./", "/")
            lines += _table_lines(table, options, prefix if len(targets) > 1 else "")
        if not lines:
            where = "" if options.all_namespaces else f" in {options.namespace} namespace"
            return [f"No resources found{where if targets[0][0].namespaced else ''}."]
        return lines

    async def _table(self, resource: Resource, name: str, options: argparse.Namespace) -> Object:
        namespace = "" if options.all_namespaces and not name else options.namespace
        path = resource.path(namespace if resource.namespaced else "", name)
        query = [("labelSelector", options.selector), ("fieldSelector", options.field_selector)]
        response = await self.client.raw(
            "GET", path, [(k, v) for k, v in query if v], headers={"accept": TABLE}
        )
        body = response.body
        table: Object = json.loads(body) if isinstance(body, bytes) else body
        return table

    async def _get_objects(
        self, targets: list[tuple[Resource, str]], options: argparse.Namespace
    ) -> list[str]:
        found = await self._objects(targets, options)
        if options.output == "name":
            return [typed(by_kind(o["apiVersion"], o["kind"]), meta.name(o)) for o in found]
        single = len(found) == 1 and targets[0][1]
        whole = found[0] if single else {"apiVersion": "v1", "items": found, "kind": "List"}
        if options.output == "json":
            return json.dumps(whole, indent=4).splitlines()
        return yaml.safe_dump(whole, sort_keys=True).splitlines()

    async def _objects(
        self, targets: list[tuple[Resource, str]], options: argparse.Namespace
    ) -> list[Object]:
        found: list[Object] = []
        for resource, name in targets:
            namespace = options.namespace if resource.namespaced else ""
            if name:
                found.append(await self.client.get(resource, name, namespace))
                continue
            listed = await self.client.list(
                resource,
                "" if options.all_namespaces else namespace,
                labels=options.selector,
                fields=options.field_selector,
            )
            found += listed["items"]
        return found

    async def _describe(self, options: argparse.Namespace) -> list[str]:
        lines: list[str] = []
        for obj in await self._objects(_targets(options), options):
            fields = (
                f"involvedObject.kind={obj['kind']},involvedObject.name={meta.name(obj)},"
                f"involvedObject.uid={meta.uid(obj)}"
            )
            events = await self.client.list("events", fields=fields)
            lines += [*([""] if lines else []), *describe(obj, events["items"])]
        return lines

    async def _delete(self, options: argparse.Namespace) -> list[str]:
        if options.filename:
            declared = objects_of(options.stdin, options.namespace)
            pairs = [(by_kind(o["apiVersion"], o["kind"]), o) for o in declared]
        else:
            found = await self._objects(_targets(options), options)
            pairs = [(by_kind(o["apiVersion"], o["kind"]), o) for o in found]
        lines = []
        for resource, obj in pairs:
            await self.client.delete(
                resource, meta.name(obj), meta.namespace(obj),
                propagation={"background": "Background", "foreground": "Foreground",
                             "orphan": "Orphan"}[options.cascade],
                grace=options.grace_period,
            )  # fmt: skip
            kind = f"{resource.singular}.{resource.group}" if resource.group else resource.singular
            lines.append(f'{kind} "{meta.name(obj)}" deleted')
        return lines

    async def _scale(self, options: argparse.Namespace) -> list[str]:
        lines = []
        for resource, name in _targets(options):
            patch = {"spec": {"replicas": options.replicas}}
            await self.client.patch(resource, name, options.namespace, patch, subresource="scale")
            lines.append(f"{typed(resource, name)} scaled")
        return lines

    async def _set(self, options: argparse.Namespace) -> list[str]:
        [resource, name], *_ = _targets(options)
        images = dict(pair.split("=", 1) for pair in options.pairs)
        containers = [{"name": container, "image": image} for container, image in images.items()]
        patch = {"spec": {"template": {"spec": {"containers": containers}}}}
        await self.client.patch(resource, name, options.namespace, patch, kind="strategic")
        return [f"{typed(resource, name)} image updated"]

    async def _rollout(self, options: argparse.Namespace) -> list[str]:
        [resource, name], *_ = _targets(options)
        deployment = await self.client.get(resource, name, options.namespace)
        action = rollout.ACTIONS[options.action]
        return await action(self.client, deployment, options.to_revision)

    async def _logs(self, options: argparse.Namespace) -> list[str]:
        query = [
            (key, value)
            for key, value in (
                ("container", options.container),
                ("tailLines", options.tail),
                ("previous", "true" if options.previous else ""),
                ("timestamps", "true" if options.timestamps else ""),
            )
            if value
        ]
        pods = by_plural("pods")
        what = options.things[0]
        resource, pod = _resolve(what) if "/" in what else (pods, what)
        if resource is not pods:
            owner = await self.client.get(resource, pod, options.namespace)
            wanted = owner["spec"]["selector"]["matchLabels"].items()
            selector = ",".join(f"{label}={value}" for label, value in wanted)
            found = await self.client.list(pods, options.namespace, labels=selector)
            pod = meta.name(found["items"][0])
        response = await self.client.raw("GET", pods.path(options.namespace, pod, "log"), query)
        if response.stream is None:
            body = response.body or b""
            return (body.decode() if isinstance(body, bytes) else str(body)).splitlines()
        chunks = [chunk async for chunk in response.stream]
        return b"".join(chunks).decode().splitlines()

    async def _label(self, options: argparse.Namespace) -> list[str]:
        field, verb = {"label": ("labels", "labeled"), "annotate": ("annotations", "annotated")}[
            options.command
        ]
        [resource, name], *_ = _targets(options)
        changes = {
            pair.rstrip("-") if "=" not in pair else pair.split("=", 1)[0]:
            None if "=" not in pair else pair.split("=", 1)[1]
            for pair in options.pairs
        }  # fmt: skip
        patch = {"metadata": {field: changes}}
        namespace = options.namespace if resource.namespaced else ""
        await self.client.patch(resource, name, namespace, patch)
        return [f"{typed(resource, name)} {verb}"]

    async def _cordon(self, options: argparse.Namespace) -> list[str]:
        unschedulable = True if options.command == "cordon" else None
        name = options.things[-1].removeprefix("node/")
        await self.client.patch("nodes", name, "", {"spec": {"unschedulable": unschedulable}})
        return [f"node/{name} {options.command}ed"]


def objects_of(text: str, namespace: str = "") -> list[Object]:
    """The objects of a manifest, Lists taken apart, each with the namespace it will live in.
    Raises ApiError with one line that says what is wrong, and where."""
    try:
        documents = [document for document in yaml.safe_load_all(text) if document is not None]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark is not None else ""
        problem = getattr(error, "problem", None) or str(error)
        raise bad_request(f"error converting YAML to JSON: yaml: {where}{problem}") from None
    objects: list[Object] = []
    for document in documents:
        if not isinstance(document, dict) or not document.get("kind"):
            raise bad_request("Object 'Kind' is missing in the manifest")
        objects += document["items"] if document["kind"] == "List" else [document]
    return [_placed(obj, namespace or "default") for obj in objects]


def _placed(obj: Object, namespace: str) -> Object:
    try:
        resource = by_kind(obj.get("apiVersion", ""), obj.get("kind", ""))
    except KeyError:
        version = obj.get("apiVersion", "")
        raise bad_request(
            f'no matches for kind "{obj.get("kind", "")}" in version "{version}"'
        ) from None
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict) or not (metadata.get("name") or metadata.get("generateName")):
        raise bad_request(f"{obj['kind']}: resource name may not be empty (metadata.name)")
    if not resource.namespaced or metadata.get("namespace"):
        return obj
    return {**obj, "metadata": {**metadata, "namespace": namespace}}


def typed(resource: Resource, name: str) -> str:
    """ "deployment.apps/web": how kubectl names an object."""
    kind = f"{resource.singular}.{resource.group}" if resource.group else resource.singular
    return f"{kind}/{name}"


def _targets(options: argparse.Namespace) -> list[tuple[Resource, str]]:
    """What "pods", "pod web", "pods,svc", "all" and "deploy/web" mean."""
    first, *names = options.things
    if "/" in first:
        return [_resolve(word) for word in options.things]
    if first == "all":
        return [(resource, "") for resource in RESOURCES if "all" in resource.categories]
    resources = [_resolve(word)[0] for word in first.split(",")]
    return [(resource, name) for resource in resources for name in names or [""]]


def _resolve(word: str) -> tuple[Resource, str]:
    try:
        return resolve(word)
    except LookupError as error:
        raise Usage(f"error: {error.args[0]}") from None


def _table_lines(table: Object, options: argparse.Namespace, prefix: str) -> list[str]:
    columns = [
        number for number, column in enumerate(table["columnDefinitions"])
        if column.get("priority", 0) == 0 or options.output == "wide"
    ]  # fmt: skip
    head = [table["columnDefinitions"][n]["name"].upper() for n in columns]
    rows = []
    for row in table["rows"]:
        obj = row.get("object") or {}
        cells = [_cell(row["cells"][n]) for n in columns]
        cells[0] = prefix + cells[0]
        if options.all_namespaces and meta.namespace(obj):
            cells.insert(0, meta.namespace(obj))
        if options.show_labels:
            cells.append(",".join(f"{k}={v}" for k, v in meta.labels(obj).items()) or "<none>")
        rows.append(cells)
    if not rows:
        return []
    if len(rows[0]) > len(head) + bool(options.show_labels):
        head.insert(0, "NAMESPACE")
    if options.show_labels:
        head.append("LABELS")
    shown = rows if options.no_headers else [head, *rows]
    return aligned(shown)


def aligned(rows: list[list[str]]) -> list[str]:
    """Columns three spaces apart, as kubectl's tab writer sets them."""
    widths = [max(len(row[n]) for row in rows) + 3 for n in range(len(rows[0]))]
    return [
        "".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
    ]


def _cell(value: Any) -> str:
    return "<none>" if value is None or value == "" else str(value)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Usage(f"error: {message}")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise Usage(message or "")


def _parser() -> argparse.ArgumentParser:
    common = _Parser(add_help=False)
    common.add_argument("-n", "--namespace", default="default")
    common.add_argument("-A", "--all-namespaces", action="store_true")
    common.add_argument("-l", "--selector", default="")
    common.add_argument("--field-selector", default="")
    common.add_argument("-o", "--output", default="", choices=["", "wide", "yaml", "json", "name"])
    common.add_argument("--show-labels", action="store_true")
    common.add_argument("--no-headers", action="store_true")
    parser = _Parser(prog="kubectl", add_help=False)
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)

    def command(name: str, *arguments: tuple[str, dict[str, Any]], things: str = "+") -> None:
        sub = commands.add_parser(name, parents=[common], add_help=False)
        for flag, settings in arguments:
            sub.add_argument(flag, **settings)
        if things:
            sub.add_argument("things", nargs=things)

    text: dict[str, Any] = {"default": ""}
    flag: dict[str, Any] = {"action": "store_true"}
    file: dict[str, Any] = {"dest": "filename", "default": ""}
    command("get")
    command("describe")
    command("apply", ("-f", {**file, "required": True}), ("--prune", flag), things="")
    command("create", ("-f", {**file, "required": True}), things="")
    command(
        "delete", ("-f", file), ("--cascade", {"default": "background"}),
        ("--grace-period", {"type": int, "default": None}), things="*",
    )  # fmt: skip
    command("scale", ("--replicas", {"type": int, "required": True}))
    command("set", ("what", {"choices": ["image"]}))
    command("rollout", ("action", {"choices": list(rollout.ACTIONS)}), ("--to-revision", text))
    command(
        "logs", ("-c", {"dest": "container", "default": ""}), ("--tail", text),
        ("--previous", flag), ("--timestamps", flag),
    )  # fmt: skip
    for name in ("label", "annotate"):
        command(name, ("--overwrite", flag))
    for name in ("cordon", "uncordon"):
        command(name)
    return parser


_COMMANDS: dict[str, Callable[[Kubectl, argparse.Namespace], Awaitable[list[str]]]] = {
    "annotate": Kubectl._label,
    "apply": Kubectl._apply,
    "cordon": Kubectl._cordon,
    "create": Kubectl._create,
    "delete": Kubectl._delete,
    "describe": Kubectl._describe,
    "get": Kubectl._get,
    "label": Kubectl._label,
    "logs": Kubectl._logs,
    "rollout": Kubectl._rollout,
    "scale": Kubectl._scale,
    "set": Kubectl._set,
    "uncordon": Kubectl._cordon,
}
