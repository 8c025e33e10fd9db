"""How long a step takes on n GPUs: computing, and the communication that it cannot hide.

A model on paper. Collectives take what rings take (Thakur, Rabenseifner and Gropp 2005): to gather
S bytes over g devices, (g - 1) / g S over the bandwidth and g - 1 latencies; over nodes first, each
GPU its part, then within the node. A reduce-scatter takes the same, an all-reduce both. The
effective batch stays, so that work per GPU shrinks.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cluster:
    """Links of one GPU, one way: to the others of its node, and its share of the network."""

    gpus_per_node: int
    node_bytes_s: float
    network_bytes_s: float
    node_latency_s: float
    network_latency_s: float


@dataclass(frozen=True)
class Work:
    """A step's micro-batches and the bytes that move.

    ``micro_batch_s``: forward and backward of one, of ``micro_batch`` samples; a smaller one takes
    its share of that, but not less than ``launch_s``. ``update_s``: optimizer and clipping.
    ``replicated_bytes`` of gradients are summed once a step; of sharded layers ``gathered_bytes``
    of weights come twice for every micro-batch, and ``scattered_bytes`` of gradients go.
    ``overlap``: share of the computing time behind which communication may hide.
    """

    micro_batches: int
    micro_batch: int
    micro_batch_s: float
    launch_s: float
    update_s: float
    replicated_bytes: float
    gathered_bytes: float = 0.0
    scattered_bytes: float = 0.0
    overlap: float = 0.0


def gather_s(num_bytes: float, gpus: int, cluster: Cluster) -> float:
    """Seconds of an all-gather, or of a reduce-scatter, of so many bytes in all."""
    local = min(gpus, cluster.gpus_per_node)
    nodes = -(-gpus // local)
    between = (nodes - 1) / nodes * num_bytes / local / cluster.network_bytes_s
    within = (local - 1) / local * num_bytes / cluster.node_bytes_s
    latency = (nodes - 1) * cluster.network_latency_s + (local - 1) * cluster.node_latency_s
    return between + within + latency


def compute_s(work: Work, gpus: int) -> float:
    """Seconds of a step's micro-batches on the GPU with most of them, and of the update.

    With more GPUs than micro-batches these are cut smaller, down to one sample.
    """
    samples = work.micro_batches * work.micro_batch
    if gpus <= work.micro_batches:
        return -(-work.micro_batches // gpus) * work.micro_batch_s + work.update_s
    share = max(-(-samples // gpus), 1) / work.micro_batch
    return max(share * work.micro_batch_s, work.launch_s) + work.update_s


def step_s(work: Work, gpus: int, cluster: Cluster) -> float:
    """Seconds of a step on so many GPUs."""
    computing = compute_s(work, gpus)
    if gpus == 1:
        return computing
    rounds = max(-(-work.micro_batches // gpus), 1)
    backward = (computing - work.update_s) / rounds * 2 / 3  # of the last one, beside the sums
    summing = 2 * gather_s(work.replicated_bytes, gpus, cluster)
    exposed = max(summing - work.overlap * backward, 0.0)
    if work.gathered_bytes:
        moving = 2 * gather_s(work.gathered_bytes, gpus, cluster)
        moving += gather_s(work.scattered_bytes, gpus, cluster)
        hidden = work.overlap * (computing - work.update_s)
        exposed = max(summing + rounds * moving - hidden, 0.0)
    return computing + exposed


def efficiency(work: Work, gpus: int, cluster: Cluster) -> float:
    """Speed on n GPUs as a share of n times the speed of one."""
    return step_s(work, 1, cluster) / (gpus * step_s(work, gpus, cluster))
