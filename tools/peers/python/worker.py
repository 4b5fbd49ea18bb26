"""One peer with one program: builds it, then times calls when it is asked to.

    python worker.py '{"peer": "torch", "program": "matmul-chain", "params": {…}, "device": "cpu", "threads": 2}'

Requests are lines of JSON on standard input, answers lines of JSON on descriptor 3 (what libraries print does no harm).
Between requests it is blocked on the pipe; when the pipe closes it ends.
"""

import importlib
import json
import os
import signal
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

PEERS = {"torch": ("torch_step", False), "torch.compile": ("torch_step", True), "jax": ("jax_step", True)}


class Missing(Exception):
    """A peer that lacks a program; the message says why."""


def start(task):
    """Imports the peer and opens its device."""
    import context as contexts

    function, compiled = PEERS[task["peer"]]
    kind = contexts.JaxContext if function == "jax_step" else contexts.TorchContext
    return kind(task["device"], task["params"].get("precision", "float32"), compiled, task["threads"])


def build(task, context):
    module = importlib.import_module("programs." + task["program"].replace("-", "_"))
    reason = getattr(module, "MISSING", {}).get(task["peer"])
    if reason is not None:
        raise Missing(reason)
    return getattr(module, PEERS[task["peer"]][0])(task["params"], context)


def sample(values, most=4096):
    """At most `most` values, evenly spread, in the order of memory."""
    flat = values.reshape(-1)
    count = min(most, flat.size)
    return [float(flat[i * flat.size // count]) for i in range(count)]


def timed(step, finish, seconds, calls):
    """Milliseconds of a call: the mean of each batch of `calls`, until the time is over."""
    started = time.perf_counter()
    times = []
    while not times or time.perf_counter() - started < seconds:
        begin = time.perf_counter()
        for _ in range(calls):
            result = step()
        finish(result)
        times.append((time.perf_counter() - begin) * 1000 / calls)
    return times


def serve(task, answer):
    context, step = None, None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "start":
                context = start(task)
                answer({"version": context.version()})
            elif request["do"] == "build":
                begin = time.perf_counter()
                step = build(task, context)
                values = []
                for _ in range(request["checks"]):
                    result = step()
                    context.finish(result)
                    parts = result if isinstance(result, (list, tuple)) else [result]
                    values.append([value for part in parts for value in sample(context.values(part))])
                answer({"values": values, "seconds": time.perf_counter() - begin})
            elif request["do"] == "time":
                answer({"times": timed(step, context.finish, request["seconds"], request["calls"])})
        except Missing as missing:
            answer({"missing": str(missing)})
        except Exception as error:
            traceback.print_exc()
            answer({"error": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    # Ctrl-C is the parent's: it ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with os.fdopen(3, "w") as answers:
        serve(json.loads(sys.argv[1]), lambda message: print(json.dumps(message), file=answers, flush=True))
