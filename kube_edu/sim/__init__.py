"""The simulation: virtual time, machines that crash, a network that fails, all from one seed."""

from kube_edu.sim.machine import Machine, SimHost
from kube_edu.sim.network import Link, Network
from kube_edu.sim.simulation import Simulation
from kube_edu.sim.stage import Stage

__all__ = ["Link", "Machine", "Network", "SimHost", "Simulation", "Stage"]
