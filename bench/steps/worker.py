"""worker.py: what the peers' sides of steps.py share: the file of starting weights and data, and the answers to the
driver's lines ("first N", "run N", "memory"), a line of JSON each."""
import json
import struct
import sys
import time

BEGIN = time.perf_counter()


def kib(key):
    with open("/proc/self/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith(key + ":"))


def read(path):
    """The tensors of a safetensors file, as arrays that may be written to."""
    import numpy
    with open(path, "rb") as f:
        header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        bytes_ = f.read()
    types = {"F32": numpy.float32, "I64": numpy.int64}
    return {name: numpy.frombuffer(bytes_[slice(*t["data_offsets"])], types[t["dtype"]]).reshape(t["shape"]).copy()
            for name, t in header.items() if name != "__metadata__"}


def say(answer):
    print(json.dumps(answer), flush=True)


def answer(step, number, versions):
    """Serve the driver: step() gives a loss that may still be on its way, number(loss) waits for it."""
    say({"versions": versions, "rss_kib": kib("VmRSS"), "import_s": time.perf_counter() - BEGIN})
    for line in sys.stdin:
        word, *n = line.split()
        wall, cpu = time.perf_counter(), time.process_time()
        if word == "first":
            losses, at = [], []
            for _ in range(int(n[0])):
                losses.append(number(step()))
                at.append(time.perf_counter() - wall)
            say({"first_s": at[0], "built_s": at[1], "losses": losses})
        elif word == "run":
            for _ in range(int(n[0])):
                loss = step()
            loss = number(loss)
            say({"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu, "loss": loss})
        else:
            say({"peak_kib": kib("VmHWM")})
