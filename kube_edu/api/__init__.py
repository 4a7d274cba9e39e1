"""The object model of Kubernetes: pure functions over plain JSON dicts."""
