"""What a training uses of the machine is told as rates and levels that make sense."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from meristem.tasks.reporting.resources import Counters, ResourceMonitor, gpu_values, rates


def test_rates_are_what_was_used_between_two_moments():
    before = Counters(at=10, cpu_seconds={(1, 0.0): 5.0}, disk_read_bytes=100, network_sent_bytes=0)
    now = Counters(at=12, cpu_seconds={(1, 0.0): 6.0, (2, 9.0): 2.0}, disk_read_bytes=300, network_sent_bytes=10)
    assert rates(before, now) == {
        "cpu_percent": 150.0,
        "disk_read_bytes_per_second": 100.0,
        "network_sent_bytes_per_second": 5.0,
    }


processes = st.dictionaries(st.tuples(st.integers(1, 4), st.just(0.0)), st.floats(0, 1e9))


@given(processes, processes, st.integers(0, 1 << 40), st.integers(0, 1 << 40), st.floats(0, 1e6))
def test_no_rate_is_ever_below_zero(first, second, read, read_later, seconds):
    before = Counters(at=0, cpu_seconds=first, disk_read_bytes=read)
    now = Counters(at=seconds, cpu_seconds=second, disk_read_bytes=read_later)
    assert all(value >= 0 for value in rates(before, now).values())


def test_values_of_gpus_are_read_and_what_a_gpu_does_not_tell_is_left_out():
    text = "0, 45, 1024, 81559, 40, 250.5\n1, 0, 3, 81559, [N/A], [Not Supported]\n"
    assert gpu_values(text) == {
        "gpu_0_percent": 45.0,
        "gpu_0_memory_used_bytes": 1024.0 * (1 << 20),
        "gpu_0_memory_total_bytes": 81559.0 * (1 << 20),
        "gpu_0_temperature_celsius": 40.0,
        "gpu_0_power_watts": 250.5,
        "gpu_1_percent": 0.0,
        "gpu_1_memory_used_bytes": 3.0 * (1 << 20),
        "gpu_1_memory_total_bytes": 81559.0 * (1 << 20),
    }


@given(st.text())
def test_any_answer_of_nvidia_smi_is_survived(text):
    gpu_values(text)


def test_samples_come_by_themselves_until_it_is_closed():
    told, enough = {}, threading.Event()

    def tell(name, value, step):
        told.setdefault(name, []).append((value, step))
        if len(told.get("memory_bytes", [])) >= 2:
            enough.set()

    monitor = ResourceMonitor(tell, every_seconds=0.01, first_seconds=0.01)
    monitor.start()
    assert enough.wait(10)
    monitor.close()
    assert told["memory_bytes"][0][0] > 1e6
    assert 0 <= told["machine_memory_percent"][0][0] <= 100
    assert told["disk_free_bytes"][0][0] > 0
    assert {step for _, step in told["cpu_percent"]} == {0}
