"""The exercises of the labs on the API server and its gate (06, 07)."""
