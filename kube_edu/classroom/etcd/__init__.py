"""The exercises of the lab on etcd's keys and watches (03), and clients to try them with."""
