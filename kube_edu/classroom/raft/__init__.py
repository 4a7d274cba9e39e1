"""The exercises, scenes and searches of the labs on Raft (04, 05)."""
