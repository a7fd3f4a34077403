"""Runs a command N times and prints one JSON object: python3 measured-run.py N COMMAND [ARGUMENT...]

Of each run: wall and CPU seconds, exit status, and how many processes and threads were started in the host's PID namespace
meanwhile, by the last PID it gave away (/proc/loadavg). No tracer slows anything down, and no short-lived process is missed.
Of all runs: the resident memory of the largest process at its peak.
"""
import json
import os
import resource
import subprocess
import sys
import tempfile
import time


def last_pid():
    with open("/proc/loadavg") as file:
        return int(file.read().split()[4])


def started_between(before, after):
    with open("/proc/sys/kernel/pid_max") as file:
        return (after - before) % int(file.read())


def cpu_s():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(argv):
    with tempfile.TemporaryFile() as output:
        spent_s = cpu_s()
        before, begun = last_pid(), time.monotonic()
        status = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT).returncode
        wall_s, after = time.monotonic() - begun, last_pid()
        output.seek(max(0, output.tell() - 4000))
        return {
            "wall_s": wall_s,
            "cpu_s": cpu_s() - spent_s,
            "status": status,
            "started": started_between(before, after),
            "tail": output.read().decode(errors="replace"),
        }


runs = [run(sys.argv[2:]) for _ in range(int(sys.argv[1]))]
peak_kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
json.dump({"runs": runs, "peak_rss_kib": peak_kib}, sys.stdout)
