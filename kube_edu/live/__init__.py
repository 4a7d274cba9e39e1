"""The machine that is really there: sockets with TLS, files with fsync, certificates."""
