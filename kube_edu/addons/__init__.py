"""Add-ons: what makes a cluster useful, and runs in it as any other workload does."""
