"""The exercises of the lab on declarations (02)."""
