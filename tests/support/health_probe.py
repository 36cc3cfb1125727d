"""A program that asks a process for /health all the time, and reports the longest wait.

    health_probe.py PORT PID

It ends when its standard input closes, and then prints a JSON object. A wait is measured as the CPU
time that the process used in it, in seconds: by the clock, an answer also waits for other programs
on the machine. The program takes the highest priority it can get. If it waited for the CPU itself,
while the process goes on working, that work would count as a wait.
"""

import contextlib
import http.client
import json
import os
import select
import sys
from pathlib import Path

PAUSE_SECONDS = 0.01


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process: utime and stime of proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main(port: int, pid: int) -> None:
    """Probe until standard input closes."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -20)
    worst, answers, failures = 0.0, 0, []
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    while True:
        before = cpu_seconds(pid)
        try:
            connection.request("GET", "/health")
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            failures.append(repr(error))
            connection.close()
        else:
            answers += 1
            if answer.status != 200:
                failures.append(str(answer.status))
        worst = max(worst, cpu_seconds(pid) - before)
        if answers + len(failures) == 1:
            print("began", flush=True)
        if select.select([sys.stdin], [], [], PAUSE_SECONDS)[0]:
            break
    print(json.dumps({"worst": worst, "answers": answers, "failures": failures[:10]}), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
