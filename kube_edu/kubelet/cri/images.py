"""The images that there are: no registry, but a table that both runtimes share.

An image is chosen by the last part of its name, whatever the registry, path and tag. Its programs
are in kube_edu.kubelet.cri.programs, the same for both runtimes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kube_edu.kubelet.cri import ContainerConfig, CriError


@dataclass(frozen=True, slots=True)
class Image:
    """What an image's configuration says: its ENTRYPOINT, its CMD, and the ports that it listens
    on of its own accord (the OCI image specification, "Image Configuration")."""

    entrypoint: Sequence[str] = ()
    arguments: Sequence[str] = ()
    ports: Sequence[int] = ()


IMAGES = {
    "nginx": Image(("nginx",), ("-g", "daemon off;"), (80,)),
    "httpd": Image((), ("httpd-foreground",), (80,)),
    "redis": Image(("redis-server",), (), (6379,)),
    "guestbook": Image((), ("guestbook",), (80,)),
    "busybox": Image((), ("sh",)),
    "alpine": Image((), ("sh",)),
    "python": Image((), ("python3",)),
    "agnhost": Image(("agnhost",), ("pause",), (80, 8080, 9376)),
    "pause": Image(("pause",)),
    "crash": Image(("crash",)),
}
"""By the last part of the name. Any name that contains "crash" is the image "crash"."""


def find_image(reference: str) -> Image:
    """Raises CriError("ErrImagePull"), with the text that containerd gives, for an image that no
    registry has, and CriError("InvalidImageName") for what is no image reference at all."""
    name = name_of(reference)
    if name not in IMAGES:
        tagged = reference if reference != _repository(reference) else f"{reference}:latest"
        raise CriError(
            "ErrImagePull",
            f'rpc error: code = NotFound desc = failed to pull and unpack image "{tagged}": '
            f'failed to resolve reference "{tagged}": {tagged}: not found',
        )
    return IMAGES[name]


def name_of(reference: str) -> str:
    """The name under which IMAGES has an image, if it does; raises CriError("InvalidImageName")."""
    name = _repository(reference).rpartition("/")[2]
    if not name or reference != reference.strip() or name != name.lower():
        raise CriError(
            "InvalidImageName",
            f'Failed to apply default image tag "{reference}": couldn\'t parse image name '
            f'"{reference}": invalid reference format',
        )
    return "crash" if "crash" in name else name


def command_line(config: ContainerConfig) -> list[str]:
    """What a container runs: its command takes the place of the image's ENTRYPOINT and CMD, its
    args that of the CMD."""
    if config.command:
        return [*config.command, *config.args]
    image = find_image(config.image)
    return [*image.entrypoint, *(config.args or image.arguments)]


def _repository(reference: str) -> str:
    """The reference without its tag and digest: "a/b" of "a/b:1.2@sha256:..."."""
    path = reference.partition("@")[0]
    head, colon, tail = path.rpartition(":")
    return head if colon and "/" not in tail else path
