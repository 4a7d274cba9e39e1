"""`kube-edu etcd-restore`: a data directory for `kube-edu etcd` from a snapshot that
`etcdctl snapshot save` wrote, with the flags of `etcdutl snapshot restore`.

Each member of the new cluster is made from the same file; then all are started.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from kube_edu.etcd.backup import restore
from kube_edu.live.disk import LiveDisk
from kube_edu.live.etcd_flags import add_cluster_arguments, cluster_id, read_cluster


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("snapshot", type=Path, help="the file")
    add_cluster_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    file, data_dir = arguments.snapshot, Path(arguments.data_dir or f"{arguments.name}.etcd")
    try:
        members = read_cluster(arguments)
        if (data_dir / "member").exists():
            raise ValueError(f"--data-dir: {data_dir} has a member already")
        id = cluster_id(arguments.initial_cluster_token, members)
        urls = {name: url.text for name, url in members.items()}
        data = file.read_bytes()
        disk = LiveDisk(data_dir)
        try:
            revision = asyncio.run(restore(data, disk, arguments.name, urls, id))
        except ValueError as refusal:
            raise ValueError(f"{file}: {refusal}") from None
    except OSError as error:
        print(f"kube-edu etcd-restore: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    except ValueError as refusal:
        print(f"kube-edu etcd-restore: {refusal}", file=sys.stderr)
        return 1
    print(f"{data_dir} has the store at revision {revision}")
    return 0
