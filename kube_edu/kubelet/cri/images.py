"""Which stand-in an image name asks for.

There is no registry: an image is a behaviour that the runtimes have built in, chosen by the last
part of the name, whatever the registry, path and tag. The simulated runtime and the process
runtime share this table; each has its own implementation of every stand-in.
"""

from __future__ import annotations

from kube_edu.kubelet.cri import CriError

IMAGES: dict[str, str] = {
    "nginx": "web",
    "httpd": "web",
    "redis": "kv",
    "busybox": "shell",
    "alpine": "shell",
    "python": "python",
    "agnhost": "agnhost",
    "coredns": "coredns",
    "guestbook": "guestbook",
    "pause": "pause",
}
"""Image name → stand-in. Any name that contains "crash" is the stand-in "crash"."""


def stand_in(image: str) -> str:
    """The stand-in for an image reference.

    Raises CriError("ErrImagePull"), with the text that containerd gives, for an image that no
    registry has, and CriError("InvalidImageName") for what is no image reference at all.
    """
    name = repository(image).rpartition("/")[2]
    if not name or image != image.strip() or name != name.lower():
        raise CriError(
            "InvalidImageName",
            f'Failed to apply default image tag "{image}": couldn\'t parse image name "{image}": '
            "invalid reference format",
        )
    if "crash" in name:
        return "crash"
    if name not in IMAGES:
        reference = with_tag(image)
        raise CriError(
            "ErrImagePull",
            f'rpc error: code = NotFound desc = failed to pull and unpack image "{reference}": '
            f'failed to resolve reference "{reference}": {reference}: not found',
        )
    return IMAGES[name]


def repository(image: str) -> str:
    """The image reference without its tag and digest: "a/b" of "a/b:1.2@sha256:..."."""
    path = image.partition("@")[0]
    head, colon, tail = path.rpartition(":")
    return head if colon and "/" not in tail else path


def with_tag(image: str) -> str:
    """The reference with the tag that it means: no tag and no digest is ":latest"."""
    return image if image != repository(image) else f"{image}:latest"
