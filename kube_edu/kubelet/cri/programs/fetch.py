"""`wget` (busybox's) and `curl`, as far as pods use them: fetch one URL, by the cluster's DNS."""

from __future__ import annotations

import argparse
import sys
import urllib.error
import urllib.request


def main(name: str, words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog=name)
    parser.add_argument("-q", "-s", "-S", "-f", "-sS", "-fsS", action="store_true", dest="quiet")
    parser.add_argument("-O" if name == "wget" else "-o", dest="file", default="-")
    parser.add_argument("-T" if name == "wget" else "-m", dest="seconds", type=float, default=30)
    parser.add_argument("url")
    arguments = parser.parse_args(words)
    url = arguments.url if "//" in arguments.url else f"http://{arguments.url}"
    try:
        with urllib.request.urlopen(url, timeout=arguments.seconds) as answer:
            body = answer.read()
    except urllib.error.HTTPError as refusal:
        print(f"{name}: server returned error: {refusal.code} {refusal.reason}", file=sys.stderr)
        return 1
    except OSError as error:
        reason = getattr(error, "reason", error)
        print(f"{name}: can't connect to remote host: {reason}", file=sys.stderr)
        return 1
    if arguments.file == "-":
        sys.stdout.buffer.write(body)
    else:
        with open(arguments.file, "wb") as file:
            file.write(body)
    return 0


sys.exit(main(sys.argv[1], sys.argv[2:]))
