"""Runs inside the simulator: a mesh of switches, the control network: order, copies, names, credits."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import cocotb
from axi_memory import reset, start_clock
from cocotb.triggers import FallingEdge, ReadOnly
from sn40l_mesh_routes import LOCAL, Flow, Mesh
from sn40l_pmu_bench import PACKET, Packet

ROWS, COLS = 2, 3
NODES = ROWS * COLS
PATIENCE = 20_000


class Network:
    """The harness; packets to send and those that came, per node."""

    def __init__(self, dut: Any, seed: int) -> None:
        self.dut = dut
        self.chance = random.Random(seed)
        self.pause, self.stall = 0.0, [0.0] * NODES
        self.clear()

    def clear(self) -> None:
        self.feed: list[deque[Packet]] = [deque() for _ in range(NODES)]
        self.out: list[list[Packet]] = [[] for _ in range(NODES)]
        self._held = [False] * NODES
        self._offered: dict[int, int] = {}

    async def start(self) -> None:
        for name in ("cfg_valid_i", "tx_valid_i", "tx_packet_i", "rx_ready_i", "source_i"):
            getattr(self.dut, name).value = 0
        start_clock(self.dut)
        await reset(self.dut)

    async def write(self, unit: int, address: int, data: int) -> None:
        self.dut.cfg_unit_i.value, self.dut.cfg_addr_i.value, self.dut.cfg_data_i.value = unit, address, data
        self.dut.cfg_valid_i.value = 1
        await FallingEdge(self.dut.clk_i)
        self.dut.cfg_valid_i.value = 0

    async def cycle(self) -> None:
        dut = self.dut
        for node in range(NODES):
            some = bool(self.feed[node])
            self._held[node] = some and (self._held[node] or self.chance.random() >= self.pause)
        dut.tx_valid_i.value = sum(held << node for node, held in enumerate(self._held))
        dut.tx_packet_i.value = sum(
            self.feed[node][0].bits() << PACKET * node for node in range(NODES) if self._held[node]
        )
        ready = sum((self.chance.random() >= self.stall[node]) << node for node in range(NODES))
        dut.rx_ready_i.value = ready
        await ReadOnly()
        taken, offered = int(dut.tx_ready_o.value), int(dut.rx_valid_o.value)
        came = offered & ready
        packets = int(dut.rx_packet_o.value) if offered else 0
        now = {
            node: packets >> PACKET * node & (1 << PACKET) - 1 for node in range(NODES) if offered >> node & 1
        }
        for node, bits in self._offered.items():
            assert now.get(node) == bits, "what was offered did not stay"
        self._offered = {node: bits for node, bits in now.items() if not ready >> node & 1}
        for node in range(NODES):
            if self._held[node] and taken >> node & 1:
                self.feed[node].popleft()
                self._held[node] = False
            if came >> node & 1:
                self.out[node].append(Packet.of(now[node]))
        await FallingEdge(dut.clk_i)

    async def drain(self, quiet: int = 30) -> int:
        """Cycles until nothing is left to send and nothing has come for some time; how many there were."""
        silent = 0
        for count in range(PATIENCE):
            before = sum(map(len, self.out))
            await self.cycle()
            silent = 0 if any(self.feed) or sum(map(len, self.out)) != before else silent + 1
            if silent == quiet:
                return count
        raise AssertionError("packets are stuck")

    def count(self, port: str) -> int:
        value = int(getattr(self.dut, port).value)
        return sum(value >> 32 * node & 0xFFFFFFFF for node in range(NODES))


def packet(flow: Flow, number: int, seq: int) -> Packet:
    """The seq-th packet of a flow: every word tells where it comes from."""
    return Packet(
        flow.names[-1],
        seq,
        tuple(number << 24 | seq << 8 | lane for lane in range(8)),
        seq % 7 == 6,
        seq % 5 == 0,
    )


async def send(network: Network, flows: list[Flow], each: int) -> None:
    """Send packets of all flows in a random mixture, in order within a flow."""
    for node in range(NODES):
        mine = [number for number, flow in enumerate(flows) if flow.source == node]
        order = [number for number in mine for _ in range(each)]
        network.chance.shuffle(order)
        sent = dict.fromkeys(mine, 0)
        for number in order:
            network.feed[node].append(packet(flows[number], number, sent[number]))
            sent[number] += 1
    await network.drain()


def assert_delivered(network: Network, flows: list[Flow], each: int) -> None:
    for node in range(NODES):
        came: dict[int, list[Packet]] = {}
        for got in network.out[node]:
            came.setdefault(got.words[0] >> 24, []).append(got)
        want = {number for number, flow in enumerate(flows) if node in flow.ends}
        assert set(came) == want, (node, set(came), want)
        for number in want:
            flow = flows[number]
            named = [
                Packet(flow.names[node], sent.seq, sent.words, sent.last, sent.poison)
                for sent in (packet(flow, number, seq) for seq in range(each))
            ]
            assert came[number] == named, (node, number)


def random_flows(chance: random.Random, count: int) -> tuple[Mesh, list[Flow]]:
    mesh = Mesh(ROWS, COLS, chance)
    flows = []
    for _ in range(count):
        ends = tuple(chance.sample(range(NODES), chance.choice((1, 1, 2, 3, 5))))
        flows.append(mesh.flow(chance.randrange(NODES), ends))
    return mesh, flows


async def configure(network: Network, mesh: Mesh, flows: list[Flow]) -> None:
    for flow in flows:
        for words in mesh.words(flow):
            await network.write(*words)


@cocotb.test()
async def flows_arrive_once_in_order_by_their_last_name(dut: Any) -> None:
    network = Network(dut, 1)
    await network.start()
    for trial in range(8):
        await reset(dut)
        mesh, flows = random_flows(network.chance, 14)
        await configure(network, mesh, flows)
        network.clear()
        network.pause = (0.0, 0.4)[trial % 2]
        network.stall = [(0.0, 0.3, 0.9)[(trial + node) % 3] for node in range(NODES)]
        await send(network, flows, 25)
        assert_delivered(network, flows, 25)
        assert network.count("strays_o") == 0
        assert network.count("stalls_o") > 0


@cocotb.test()
async def a_flow_alone_has_a_packet_a_cycle(dut: Any) -> None:
    """Through five switches, and to two ends at once: latency, then no gap."""
    network = Network(dut, 2)
    await network.start()
    mesh = Mesh(ROWS, COLS, network.chance)
    flow = mesh.flow(0, (5, 2))
    await configure(network, mesh, [flow])
    network.clear()
    for seq in range(200):
        network.feed[0].append(packet(flow, 0, seq))
    cycles = await network.drain(quiet=10)
    assert_delivered(network, [flow], 200)
    assert cycles <= 200 + 4 + 10
    assert network.count("stalls_o") == 0


@cocotb.test()
async def inputs_take_turns_at_an_output(dut: Any) -> None:
    network = Network(dut, 3)
    await network.start()
    mesh = Mesh(ROWS, COLS, network.chance)
    flows = [mesh.flow(source, (4,)) for source in (1, 3, 5, 4)]
    await configure(network, mesh, flows)
    network.clear()
    for number, flow in enumerate(flows):
        network.feed[flow.source].extend(packet(flow, number, seq) for seq in range(100))
    await network.drain()
    assert_delivered(network, flows, 100)
    # While all four have packets, each has one of four that arrive.
    middle = [got.words[0] >> 24 for got in network.out[4][20:220]]
    assert all(abs(middle.count(number) - 50) <= 2 for number in range(4)), middle


@cocotb.test()
async def a_slow_end_holds_up_no_other_copy_for_ever(dut: Any) -> None:
    """One end of a flow takes nothing for a while: all else ends first, and then it gets its own."""
    network = Network(dut, 4)
    await network.start()
    mesh = Mesh(ROWS, COLS, network.chance)
    flows = [mesh.flow(0, (1, 3)), mesh.flow(5, (4,))]
    await configure(network, mesh, flows)
    network.clear()
    network.stall[3] = 1.0
    for number, flow in enumerate(flows):
        network.feed[flow.source].extend(packet(flow, number, seq) for seq in range(20))
    for _ in range(100):
        await network.cycle()
    assert len(network.out[4]) == 20
    assert not network.out[3]
    assert 0 < len(network.out[1]) < 20
    network.stall[3] = 0.0
    await network.drain()
    assert_delivered(network, flows, 20)


@cocotb.test()
async def strangers_are_dropped_and_counted(dut: Any) -> None:
    network = Network(dut, 5)
    await network.start()
    mesh = Mesh(ROWS, COLS, network.chance)
    flow = mesh.flow(2, (0,))
    await configure(network, mesh, [flow])
    await network.write(2, LOCAL << 6 | (flow.names[-1] ^ 2), 0)  # an entry that leads nowhere
    network.clear()
    for seq in range(30):
        network.feed[2].append(packet(flow, 0, seq))
        for other in (1, 2):
            network.feed[2].append(Packet(flow.names[-1] ^ other, seq, (0,) * 8))
    await network.drain()
    assert_delivered(network, [flow], 30)
    assert network.count("strays_o") == 60


@cocotb.test()
async def a_reset_in_mid_flight_leaves_nothing_behind(dut: Any) -> None:
    network = Network(dut, 6)
    await network.start()
    for cut in (2, 5, 9, 23):
        mesh, flows = random_flows(network.chance, 8)
        await configure(network, mesh, flows)
        network.clear()
        network.stall = [0.7] * NODES
        for number, flow in enumerate(flows):
            network.feed[flow.source].extend(packet(flow, number, seq) for seq in range(9))
        for _ in range(cut):
            await network.cycle()
        dut.tx_valid_i.value = 0
        await reset(dut)
        assert not int(dut.rx_valid_o.value)
        network.clear()
        await configure(network, mesh, flows)
        await send(network, flows, 10)
        assert_delivered(network, flows, 10)


@cocotb.test()
async def tokens_arrive_two_cycles_later_where_they_are_sent(dut: Any) -> None:
    network = Network(dut, 7)
    await network.start()
    wires = NODES * 8
    chance = network.chance
    for _ in range(3):
        listens = {sink: chance.randrange(wires) for sink in range(wires) if chance.random() < 0.7}
        for sink in range(wires):
            enable = sink in listens
            await network.write(63, sink, enable << 15 | listens.get(sink, chance.randrange(wires)))
        sent = [0, 0]
        for _ in range(150):
            sources = chance.getrandbits(wires) & chance.getrandbits(wires) * (chance.random() < 0.7)
            dut.source_i.value = sources
            await FallingEdge(dut.clk_i)
            sent.append(sources)
            want = sum((sent[-2] >> source & 1) << sink for sink, source in listens.items())
            assert int(dut.sink_o.value) == want
        dut.source_i.value = 0
        for _ in range(4):
            await FallingEdge(dut.clk_i)
