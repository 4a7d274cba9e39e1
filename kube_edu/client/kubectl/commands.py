"""The commands: each asks the API server and returns the lines that kubectl would print."""

from __future__ import annotations

import argparse
import json
from collections.abc import Awaitable, Callable, Sequence

import yaml

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.api.resources import STORED, Resource, by_plural, resolve, resource_of
from kube_edu.api.status import bad_request
from kube_edu.client import apply
from kube_edu.client.client import ApiClient
from kube_edu.client.kubectl import auth, rollout
from kube_edu.client.kubectl.arguments import FILE, SWITCH, TEXT, THINGS, Flag, Usage, parse
from kube_edu.client.kubectl.describe import describe
from kube_edu.client.kubectl.manifests import objects_of
from kube_edu.client.kubectl.printing import table_lines

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


class Kubectl:
    """`await Kubectl(client).run("get pods -o wide")` returns what kubectl would print. A refusal
    raises ApiError, a wrong command line Usage. `plan` decides what apply does to an object."""

    def __init__(self, client: ApiClient, plan: apply.Plan = apply.plan) -> None:
        self.client = client
        self._plan = plan

    async def run(self, command: str, stdin: str = "") -> str:
        options = parse(command, {name: flags for name, (_, flags) in COMMANDS.items()})
        options.stdin = stdin
        kubectl = self._as(options.user, options.groups) if options.user else self
        lines = await COMMANDS[options.command][0](kubectl, options)
        return "\n".join(line.rstrip() for line in lines)

    def _as(self, user: str, groups: Sequence[str]) -> Kubectl:
        """For `--as` and `--as-group`."""
        acting = self.client.with_headers(impersonate_user=user, impersonate_group=",".join(groups))
        return Kubectl(acting, self._plan)

    async def apply(self, text: str, namespace: str = "", prune: str = "") -> list[str]:
        """Apply every object of a YAML or JSON text; with `prune` (a label selector) also delete
        what was applied before, matches it, and is no longer declared. A line for each object."""
        declared = objects_of(text, namespace)
        lines = []
        for obj in declared:
            if not meta.name(obj):
                raise bad_request("cannot use generate name with apply")
            live = await self.client.find(resource_of(obj), meta.name(obj), meta.namespace(obj))
            lines.append(await self._apply_one(obj, live))
        kept = {(obj["kind"], meta.key(obj)) for obj in declared}
        for resource in STORED if prune else ():
            for live in (await self.client.list(resource, namespace, labels=prune))["items"]:
                if (live["kind"], meta.key(live)) not in kept and apply.last_applied(live):
                    lines.append(await self._apply_one(None, live))
        return lines

    async def _apply_one(self, declared: Object | None, live: Object | None) -> str:
        """Do what the plan says to an object of which at least one of the two is there."""
        known = declared or live or {}
        resource, name, namespace = resource_of(known), meta.name(known), meta.namespace(known)
        before = apply.last_applied(live)
        verb, change = self._plan(declared, before, live)
        if verb == "keep" and declared is not None and before != declared:
            verb = "patch"  # nothing to change but the note of what was declared
        if verb == "create" and declared is not None:
            await self.client.create(apply.noted(change or declared, declared))
        elif verb == "patch" and declared is not None:
            patch, manager = apply.noted(change or {}, declared), "kubectl-client-side-apply"
            await self.client.patch(
                resource, name, namespace, patch, kind="strategic", field_manager=manager
            )
        elif verb == "delete":
            await self.client.delete(resource, name, namespace, propagation="Background")
        done = {"create": "created", "patch": "configured", "delete": "pruned"}
        return f"{resource.typed_name(name)} {done.get(verb, 'unchanged')}"

    async def _apply(self, options: argparse.Namespace) -> list[str]:
        prune = options.selector if options.prune else ""
        return await self.apply(options.stdin, options.namespace, prune)

    async def _create(self, options: argparse.Namespace) -> list[str]:
        if options.things:
            return [await auth.create_token(self.client, options.things, options.namespace)]
        lines = []
        for obj in objects_of(options.stdin, options.namespace):
            created = await self.client.create(obj)
            lines.append(f"{resource_of(obj).typed_name(meta.name(created))} created")
        return lines

    async def _get(self, options: argparse.Namespace) -> list[str]:
        targets = _targets(options)
        if options.output in ("yaml", "json", "name"):
            return await self._get_objects(targets, options)
        lines: list[str] = []
        for resource, name in targets:
            table = table_lines(
                await self._table(resource, name, options),
                wide=options.output == "wide",
                namespaces=options.all_namespaces and resource.namespaced,
                labels=options.show_labels,
                headers=not options.no_headers,
                prefix=resource.typed_name("") if len(targets) > 1 else "",
            )
            lines += ["", *table] if table and lines else table
        if not lines:
            where = "" if options.all_namespaces else f" in {options.namespace} namespace"
            return [f"No resources found{where if targets[0][0].namespaced else ''}."]
        return lines

    async def _table(self, resource: Resource, name: str, options: argparse.Namespace) -> Object:
        path = resource.path(_namespace(resource, options, name), name)
        query = [("labelSelector", options.selector), ("fieldSelector", options.field_selector)]
        asked = [(key, value) for key, value in query if value]
        body = (await self.client.raw("GET", path, asked, headers={"accept": TABLE})).body
        table: Object = json.loads(body) if isinstance(body, bytes) else body
        return table

    async def _get_objects(
        self, targets: list[tuple[Resource, str]], options: argparse.Namespace
    ) -> list[str]:
        found = await self._objects(targets, options)
        if options.output == "name":
            return [resource_of(obj).typed_name(meta.name(obj)) for obj in found]
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
            namespace = _namespace(resource, options, name)
            if name:
                found.append(await self.client.get(resource, name, namespace))
                continue
            listed = await self.client.list(
                resource, namespace, labels=options.selector, fields=options.field_selector
            )
            found += listed["items"]
        return found

    async def _auth(self, options: argparse.Namespace) -> list[str]:
        if options.action == "whoami":
            return await auth.whoami(self.client)
        if options.list:
            return await auth.list_rules(self.client, options.namespace)
        return [await auth.can_i(self.client, options)]

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
            objects = objects_of(options.stdin, options.namespace)
        else:
            targets = _targets(options)
            if not (targets[0][1] or options.selector or options.field_selector or options.all):
                raise Usage("error: resource(s) were provided, but no name was specified")
            objects = await self._objects(targets, options)
        lines = []
        for obj in objects:
            resource, name = resource_of(obj), meta.name(obj)
            cascade, grace = options.cascade.capitalize(), options.grace_period
            await self.client.delete(
                resource, name, meta.namespace(obj), propagation=cascade, grace=grace
            )
            lines.append(f'{resource.typed_name("").rstrip("/")} "{name}" deleted')
        return lines

    async def _scale(self, options: argparse.Namespace) -> list[str]:
        patch = {"spec": {"replicas": options.replicas}}
        return await self._patch(options, patch, "scaled", subresource="scale")

    async def _set(self, options: argparse.Namespace) -> list[str]:
        images = (pair.partition("=") for pair in options.pairs)
        containers = [{"name": container, "image": image} for container, _, image in images]
        patch = {"spec": {"template": {"spec": {"containers": containers}}}}
        return await self._patch(options, patch, "image updated", kind="strategic")

    async def _label(self, options: argparse.Namespace) -> list[str]:
        field, done = {
            "label": ("labels", "labeled"),
            "annotate": ("annotations", "annotated"),
        }[options.command]
        changes: dict[str, str | None] = {}
        for pair in options.pairs:
            key, sign, value = pair.partition("=")
            changes[key if sign else key.removesuffix("-")] = value if sign else None
        return await self._patch(options, {"metadata": {field: changes}}, done)

    async def _cordon(self, options: argparse.Namespace) -> list[str]:
        options.things = [f"node/{name.removeprefix('node/')}" for name in options.things]
        unschedulable = True if options.command == "cordon" else None
        patch = {"spec": {"unschedulable": unschedulable}}
        return await self._patch(options, patch, f"{options.command}ed")

    async def _patch(
        self,
        options: argparse.Namespace,
        patch: Object,
        done: str,
        *,
        kind: str = "merge",
        subresource: str = "",
    ) -> list[str]:
        """Change each of the things that a command names; a line for each."""
        lines = []
        for resource, name in _targets(options):
            namespace = _namespace(resource, options, name)
            await self.client.patch(
                resource, name, namespace, patch, kind=kind, subresource=subresource
            )
            lines.append(f"{resource.typed_name(name)} {done}")
        return lines

    async def _rollout(self, options: argparse.Namespace) -> list[str]:
        [resource, name], *_ = _targets(options)
        deployment = await self.client.get(resource, name, options.namespace)
        action = rollout.ACTIONS[options.action]
        return await action(self.client, deployment, options.to_revision)

    async def _logs(self, options: argparse.Namespace) -> list[str]:
        query = {
            "container": options.container,
            "tailLines": options.tail,
            "previous": "true" if options.previous else "",
            "timestamps": "true" if options.timestamps else "",
        }
        pods = by_plural("pods")
        what = options.things[0]
        resource, pod = _resolve(what) if "/" in what else (pods, what)
        if resource is not pods:
            owner = await self.client.get(resource, pod, options.namespace)
            wanted = owner["spec"]["selector"]["matchLabels"].items()
            selector = ",".join(f"{label}={value}" for label, value in wanted)
            found = await self.client.list(pods, options.namespace, labels=selector)
            if not found["items"]:
                raise Usage(f"error: {what} has no pods")
            pod = meta.name(found["items"][0])
        asked = [(key, value) for key, value in query.items() if value]
        response = await self.client.raw("GET", pods.path(options.namespace, pod, "log"), asked)
        if response.stream is None:
            body = response.body or b""
            return (body.decode() if isinstance(body, bytes) else str(body)).splitlines()
        chunks = [chunk async for chunk in response.stream]
        return b"".join(chunks).decode().splitlines()


def _targets(options: argparse.Namespace) -> list[tuple[Resource, str]]:
    """What "pods", "pod web", "pods,svc", "all" and "deploy/web" mean."""
    if not options.things:
        raise Usage("error: you must provide one or more resources by argument or filename")
    first, *names = options.things
    if "/" in first:
        return [_resolve(word) for word in options.things]
    if first == "all":
        return [(resource, "") for resource in STORED if "all" in resource.categories]
    resources = [_resolve(word)[0] for word in first.split(",")]
    return [(resource, name) for resource in resources for name in names or [""]]


def _resolve(word: str) -> tuple[Resource, str]:
    try:
        return resolve(word)
    except LookupError as error:
        raise Usage(f"error: {error.args[0]}") from None


def _namespace(resource: Resource, options: argparse.Namespace, name: str) -> str:
    """Where to look: nowhere in particular for what has no namespace, or for all of them."""
    everywhere = options.all_namespaces and not name
    return str(options.namespace) if resource.namespaced and not everywhere else ""


Run = Callable[[Kubectl, argparse.Namespace], Awaitable[list[str]]]

CASCADES = ["background", "foreground", "orphan"]

COMMANDS: dict[str, tuple[Run, tuple[Flag, ...]]] = {
    "annotate": (Kubectl._label, (("--overwrite", SWITCH), THINGS)),
    "apply": (
        Kubectl._apply,
        (("-f", {"dest": "filename", "required": True}), ("--prune", SWITCH)),
    ),
    "auth": (
        Kubectl._auth,
        (
            ("action", {"choices": ["can-i", "whoami"]}),
            ("--list", SWITCH),
            ("--subresource", TEXT),
            THINGS,
        ),
    ),
    "cordon": (Kubectl._cordon, (THINGS,)),
    "create": (Kubectl._create, (FILE, THINGS)),
    "delete": (
        Kubectl._delete,
        (
            FILE,
            ("--cascade", {"default": "background", "choices": CASCADES}),
            ("--grace-period", {"type": int}),
            ("--all", SWITCH),
            THINGS,
        ),
    ),
    "describe": (Kubectl._describe, (THINGS,)),
    "get": (Kubectl._get, (THINGS,)),
    "label": (Kubectl._label, (("--overwrite", SWITCH), THINGS)),
    "logs": (
        Kubectl._logs,
        (
            ("-c", {"dest": "container", "default": ""}),
            ("--tail", TEXT),
            ("--previous", SWITCH),
            ("--timestamps", SWITCH),
            THINGS,
        ),
    ),
    "rollout": (
        Kubectl._rollout,
        (("action", {"choices": list(rollout.ACTIONS)}), ("--to-revision", TEXT), THINGS),
    ),
    "scale": (Kubectl._scale, (("--replicas", {"type": int, "required": True}), THINGS)),
    "set": (Kubectl._set, (("what", {"choices": ["image"]}), THINGS)),
    "uncordon": (Kubectl._cordon, (THINGS,)),
}
"""What each command does, and the flags of its own."""
