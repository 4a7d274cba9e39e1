"""The stand-in for `nginx` and `httpd`: serves the files of its document root on port 80."""

from __future__ import annotations

import os
import sys

from tinyhttp import Answer, Call, serve  # type: ignore[import-not-found]

ROOTS = {"nginx": "/usr/share/nginx/html", "httpd": "/usr/local/apache2/htdocs"}
TYPES = {".html": "text/html", ".json": "application/json", ".css": "text/css"}


def main(name: str) -> None:
    root = os.path.join(os.environ["KUBE_EDU_ROOT"], ROOTS[name].strip("/"))
    host = os.environ.get("HOSTNAME", "")

    def answer(call: Call) -> Answer:
        path = call.path.partition("?")[0]
        if path.endswith("/"):
            path += "index.html"
        file = os.path.realpath(os.path.join(root, path.lstrip("/")))
        if file.startswith(os.path.realpath(root)) and os.path.isfile(file):
            with open(file, "rb") as opened:
                kind = TYPES.get(os.path.splitext(file)[1], "text/plain")
                return 200, kind, opened.read()
        if path == "/index.html":
            page = f"<h1>Welcome to {name}!</h1>\n<p>Served by {host}</p>\n"
            return 200, "text/html", page.encode()
        return 404, "text/html", b"<h1>404 Not Found</h1>\n"

    serve(80, answer, name)


main(sys.argv[1])
