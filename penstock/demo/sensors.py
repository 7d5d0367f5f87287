"""The five polls of this machine, each with its memory: what feeds the demo, directly or through a topic."""

from collections.abc import Callable, Mapping

from penstock.demo import readings
from penstock.demo.judging import Reading
from penstock.demo.polls import CpuPoll, MemoryPoll, ProcessPoll, TrafficPoll, disk_of, network_of
from penstock.demo.signals import Cpu, Disk, Memory, Network, Processes
from penstock.runtime.clock import Clock

#: Seconds between two polls of the processors, and of everything else.
OFTEN, SELDOM = 0.25, 0.5


class Sensors:
    """Reads this machine; a reading is None where the machine does not tell, and the first time."""

    def __init__(self, clock: Clock) -> None:
        self._cpu = CpuPoll(readings.cpu_times, readings.load, readings.host(), clock)
        self._memory = MemoryPoll(readings.memory, clock)
        self._disk = TrafficPoll(readings.disk, clock)
        self._network = TrafficPoll(readings.network, clock)
        self._processes = ProcessPoll(readings.processes, readings.own_pid(), clock)

    def cpu(self) -> Cpu | None:
        """Read the processors."""
        return self._cpu.poll()

    def memory(self) -> Memory | None:
        """Read the memory."""
        return self._memory.poll()

    def disk(self) -> Disk | None:
        """Read the disks."""
        return disk_of(self._disk.poll())

    def network(self) -> Network | None:
        """Read the network interfaces."""
        return network_of(self._network.poll())

    def processes(self) -> Processes | None:
        """Read the processes."""
        return self._processes.poll()

    @property
    def polls(self) -> Mapping[str, tuple[float, Callable[[], Reading | None]]]:
        """All of them by name, each with the seconds between two readings."""
        return {
            "cpu": (OFTEN, self.cpu),
            "memory": (SELDOM, self.memory),
            "disk": (SELDOM, self.disk),
            "network": (SELDOM, self.network),
            "processes": (SELDOM, self.processes),
        }
