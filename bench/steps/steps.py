"""steps.py [NET...]: whole training steps of nets.h on Gemel (eager, compiled) and on every peer that bench/peers has
installed, in one run. Needs Python and nothing else.

    python3 bench/steps/steps.py --threads 1 --rounds 15 mlp lenet

Every side is a process of its own, on the same CPUs, with the same number of threads, driven over pipes; all read the same
starting weights and data. The losses of the first steps are compared with Gemel's before a time counts (LIMIT, relative:
f32 sums in another order, and what the steps make of them). Then rounds: in each, every side takes the same number of
steps, one side after the other, in an order that changes. Start-up is cold: caches of compiled code are empty folders;
with --warm a second process of each side starts with what the first one left there.

A side's time is the median of its rounds, divided by the steps. While a side runs, what other processes take of its CPUs
is counted (/proc/stat); the table says how much that was. --priority -20 (as root) keeps most of it away.
Results: build/steps.json with every sample, build/steps.md with the tables."""
import argparse
import datetime
import json
import os
import platform
import random
import re
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("GEMEL_BUILD") or os.environ.get("BUILD") or "build"
PEERS = os.environ.get("GEMEL_PEERS") or os.path.join(BUILD, "peers")
NETS = ["mlp", "lenet", "lstm", "transformer", "resnet18"]
LIMIT = {"mlp": 1e-4, "lenet": 1e-4, "lstm": 1e-4, "transformer": 1e-4, "resnet18": 1e-3}
COMPARED, SAMPLE_S, QUIET = 4, 0.25, 0.05

# What runs for every net, what for one only, and a few for --quick. A mode's words are explained in the peer's file.
MODES = [("gemel", "eager"), ("gemel", "compiled"),
         ("torch", "eager+fused"), ("torch", "eager+foreach"), ("torch", "compile+fused"), ("torch", "compile+compiled"),
         ("torch", "max-autotune+fused"), ("jax", "jit"), ("tensorflow", "xla"), ("tensorflow", "graph")]
PICTURES = [("torch", "eager+fused+last"), ("torch", "compile+fused+last"), ("torch", "max-autotune+fused+last"),
            ("jax", "jit+first")]
MORE = {"mlp": [("torch", "compile+compiled+wrapper")], "lenet": PICTURES, "resnet18": PICTURES, "transformer": [],
        "lstm": [("torch", "compile+fused+unrolled"), ("jax", "jit+unrolled"), ("tensorflow", "xla+unrolled"),
                 ("tensorflow", "graph+unrolled")]}
QUICK = [("gemel", "eager"), ("gemel", "compiled"), ("torch", "eager+fused"), ("torch", "compile+fused"), ("jax", "jit"),
         ("tensorflow", "xla"), ("tensorflow", "graph")]


def python_of(peer):
    return os.path.join(PEERS, peer, "bin", "python")


def busy(cpus):
    """Seconds that the CPUs have worked since the start, for anybody; stolen ones, too."""
    ticks = 0
    with open("/proc/stat", encoding="ascii") as f:
        for line in f:
            name, *n = line.split()
            if name[3:].isdigit() and name.startswith("cpu") and int(name[3:]) in cpus:
                ticks += sum(int(n[i]) for i in (0, 1, 2, 5, 6, 7))
    return ticks / os.sysconf("SC_CLK_TCK")


class Side:
    """One process: a library in one mode."""

    def __init__(self, peer, mode, net, file, cache, options):
        self.peer, self.mode, self.cpus = peer, mode, options.cpus
        words = [python_of(peer), os.path.join(HERE, f"peer_{peer}.py")]
        if peer == "gemel":
            words = [os.path.join(BUILD, "bench_steps")]
        # glibc keeps what was freed: PyTorch is up to twice as quick for it.
        env = dict(os.environ, GM_THREADS=str(options.threads), OMP_NUM_THREADS=str(options.threads),
                   GM_CACHE_DIR=cache, TORCHINDUCTOR_CACHE_DIR=cache, GEMEL_PEER_CACHE=cache,
                   MALLOC_MMAP_THRESHOLD_="4294967296", MALLOC_TRIM_THRESHOLD_="4294967296")
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([*words, net, file, mode], env=env,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True,
                                        preexec_fn=lambda: os.sched_setaffinity(0, options.cpus),
                                        start_new_session=True)
        self.samples, self.deadline, self.priority = [], options.timeout, options.priority
        self.prefer(options.start_priority)
        self.ready = self.read()

    def prefer(self, nice):
        """Linux shares its CPUs between sessions first: the nice value of this side's counts, not that of its process."""
        if self.priority or nice:
            with open(f"/proc/{self.process.pid}/autogroup", "w", encoding="ascii") as f:
                f.write(str(nice))

    def read(self):
        if not select.select([self.process.stdout], [], [], self.deadline)[0]:
            self.process.kill()
            raise RuntimeError(f"no answer in {self.deadline} s")
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.log.seek(0)
            raise RuntimeError("; ".join(self.log.read().strip().splitlines()[-2:]) or "it ended")
        return json.loads(line)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.read()

    def sample(self, steps):
        self.prefer(self.priority)
        before = busy(self.cpus)
        answer = self.ask(f"run {steps}")
        others = max(0.0, busy(self.cpus) - before - answer["cpu_s"])
        self.prefer(0)
        answer["others"] = round(others / (answer["wall_s"] * len(self.cpus)), 3)
        return answer

    def end(self):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start(side, net, file, cache, options, row, warm):
    """A side's process, warmed up; what its start cost goes into row."""
    s = Side(*side, net, file, cache, options)
    first = s.ask(f"first {COMPARED}")
    row["warm_start" if warm else "start"] = {**s.ready, **first}
    return s


def differs(losses, wanted):
    return max(abs(a - b) / abs(b) for a, b in zip(losses, wanted))


def start_all(net, file, folder, sides, options):
    """The sides that agree with Gemel's eager losses, and rows for all."""
    rows, running, wanted = [], [], None
    for number, side in enumerate(sides):
        row = {"peer": side[0], "mode": side[1]}
        rows.append(row)
        cache = os.path.join(folder, f"{net}{number}")
        try:
            s = start(side, net, file, cache, options, row, False)
            if options.warm:
                s.end()
                s = start(side, net, file, cache, options, row, True)
            wanted = wanted or row["start"]["losses"]
            row["loss_differs"] = differs(row["start"]["losses"], wanted)
            if not row["loss_differs"] <= LIMIT[net]:
                s.end()
                raise RuntimeError(f"its losses are off by {row['loss_differs']:.1e}: {row['start']['losses']}")
        except (RuntimeError, OSError, ValueError) as error:
            row["failed"] = str(error)[:300]
            print(f"  {side[0]} {side[1]}: {row['failed']}", flush=True)
            continue
        print(f"  {side[0]} {side[1]}: first result {row['start']['first_s']:.2f} s, off by {row['loss_differs']:.0e}",
              flush=True)
        running.append((s, row))
    return rows, running


def measure(net, file, folder, sides, options):
    rows, running = start_all(net, file, folder, sides, options)
    if not running:
        return {"net": net, "rows": rows, "steps": 0}
    quickest = min(min(s.sample(2)["wall_s"] / 2 for _ in range(2)) for s, _ in running)
    steps = max(1, round(SAMPLE_S / quickest))
    for s, _ in running:
        s.sample(steps)
    order = random.Random(0)
    for _ in range(options.rounds):
        for s, _ in order.sample(running, len(running)):
            s.samples.append(s.sample(steps))
    for s, row in running:
        row["samples"] = s.samples
        row["peak_kib"] = s.ask("memory")["peak_kib"]
        s.end()
    return {"net": net, "rows": rows, "steps": steps}


def figures(row, steps):
    """Milliseconds a step: median, least, quartiles; of the processors; share of others."""
    wall = sorted(1e3 * s["wall_s"] / steps for s in row["samples"])
    cpu = [1e3 * s["cpu_s"] / steps for s in row["samples"]]
    quarter = statistics.quantiles(wall, n=4) if len(wall) > 1 else [wall[0]] * 3
    return {"median": statistics.median(wall), "least": wall[0], "low": quarter[0], "high": quarter[2],
            "cpu": statistics.median(cpu), "others": statistics.median(s["others"] for s in row["samples"])}


def best(rows, key, of):
    times = [f[key] for row, f in rows if of(row)]
    return min(times) if times else None


def seconds(row, key, what):
    return f"{row[key][what]:.2f}" if key in row else ""


def table(result):
    """A net's table: the best peer's time over each row's, above 1 is quicker than the best peer."""
    rows = [(row, figures(row, result["steps"])) for row in result["rows"] if "samples" in row]
    peer = {k: best(rows, k, lambda row: row["peer"] != "gemel") for k in ("median", "least", "cpu")}
    out = [f"### {result['net']}", "",
           "| side | ms a step, median | quartiles | least | CPU ms | best peer / this: median | least | CPU "
           "| first result, s | built, s | warm: first | built | peak MiB | of it before | losses off by |",
           "|---|" + "---|" * 14]
    for row, f in sorted(rows, key=lambda r: r[1]["median"]):
        ratios = [f"{peer[k] / f[k]:.2f}" if peer[k] else "" for k in ("median", "least", "cpu")]
        name = f"**{row['peer']} {row['mode']}**" if row["peer"] == "gemel" else f"{row['peer']} {row['mode']}"
        cells = [name, f"{f['median']:.3f}", f"{f['low']:.3f} to {f['high']:.3f}", f"{f['least']:.3f}", f"{f['cpu']:.3f}",
                 *ratios, seconds(row, "start", "first_s"), seconds(row, "start", "built_s"),
                 seconds(row, "warm_start", "first_s"), seconds(row, "warm_start", "built_s"),
                 f"{row['peak_kib'] / 1024:.0f}", f"{row['start']['rss_kib'] / 1024:.0f}", f"{row['loss_differs']:.0e}"]
        out.append("| " + " | ".join(cells) + " |")
    out += [f"| {row['peer']} {row['mode']} | {row['failed']} |" for row in result["rows"] if "failed" in row]
    others = [f["others"] for _, f in rows]
    if others and max(others) > QUIET:
        out += ["", f"The machine was not quiet: other processes took {100 * min(others):.0f} to {100 * max(others):.0f} %"
                " of these CPUs (medians of the sides)."]
    return "\n".join(out)


def summary(results):
    """A row per net: Gemel's two sides, the best mode of each peer, and the best peer over the better of Gemel's."""
    out = ["| net | Gemel eager | compiled | PyTorch | JAX | TensorFlow | best peer / Gemel: median | least | CPU |",
           "|---" * 9 + "|"]
    for result in results:
        rows = [(row, figures(row, result["steps"])) for row in result["rows"] if "samples" in row]
        cells = [result["net"]]
        for mode in ("eager", "compiled"):
            cells.append("".join(f"{f['median']:.2f}" for row, f in rows if (row["peer"], row["mode"]) == ("gemel", mode)))
        for peer in ("torch", "jax", "tensorflow"):
            found = min(((f["median"], row["mode"]) for row, f in rows if row["peer"] == peer), default=None)
            cells.append(f"{found[0]:.2f} ({found[1]})" if found else "")
        for key in ("median", "least", "cpu"):
            ours, theirs = (best(rows, key, lambda row: (row["peer"] == "gemel") == g) for g in (True, False))
            cells.append(f"{theirs / ours:.2f}" if ours and theirs else "")
        out.append("| " + " | ".join(cells) + " |")
    return "\n".join(out)


def machine(options):
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        model = next((line.split(":")[1].strip() for line in f if line.startswith("model name")), platform.machine())
    return {"cpu": model, "cpus": sorted(options.cpus), "threads": options.threads, "load": os.getloadavg(),
            "priority": options.priority, "system": platform.system(), "rounds": options.rounds,
            "date": datetime.date.today().isoformat()}


def roster(net, options):
    sides = QUICK if options.quick else MODES + MORE[net]
    sides = [s for s in sides if re.search(options.only, " ".join(s)) or s == ("gemel", "eager")]
    for peer in sorted({peer for peer, _ in sides} - {"gemel"}):
        if not os.access(python_of(peer), os.X_OK):
            print(f"{net}: NOT RUN: {peer}: there is no {python_of(peer)} (sh bench/peers/install.sh {peer})")
            sides = [s for s in sides if s[0] != peer]
    return sides


def arguments():
    p = argparse.ArgumentParser(description="Training steps of Gemel beside those of its peers.")
    p.add_argument("nets", nargs="*", help=", ".join(NETS))
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--rounds", type=int, default=11)
    p.add_argument("--only", default=".", help="sides whose name matches, such as 'gemel|jax'")
    p.add_argument("--quick", action="store_true", help="a mode or two of each peer")
    p.add_argument("--warm", action="store_true", help="also start a second process of each side, on warm caches")
    p.add_argument("--priority", type=int, default=0, help="nice value of the processes while they are measured")
    p.add_argument("--start-priority", type=int, default=0, help="nice value of the processes while they start")
    p.add_argument("--timeout", type=float, default=600, help="seconds that a side may take to answer")
    p.add_argument("--out", default=os.path.join(BUILD, "steps"), help="without .json, .md")
    options = p.parse_args()
    options.nets = options.nets or NETS
    if set(options.nets) - set(NETS):
        p.error(f"nets are {', '.join(NETS)}")
    options.cpus = set(sorted(os.sched_getaffinity(0))[:options.threads])
    return options


def write(results, options, about):
    with open(options.out + ".json", "w", encoding="utf-8") as f:
        json.dump({"machine": about, "results": results}, f, indent=1)
    head = (f"{about['cpu']}, {about['threads']} thread(s) each on CPUs {about['cpus']}, {about['rounds']} rounds, priority "
            f"{about['priority']}; load at the start {about['load'][0]:.1f}")
    with open(options.out + ".md", "w", encoding="utf-8") as f:
        f.write("\n\n".join([head, summary(results), *(table(r) for r in results)]) + "\n")


def main():
    options, results = arguments(), []
    about, begin = machine(options), time.time()
    folder = tempfile.mkdtemp(prefix="gemel-steps-")
    try:
        for net in options.nets:
            file = os.path.join(folder, net + ".safetensors")
            subprocess.run([os.path.join(BUILD, "bench_steps"), net, file, "write"], check=True)
            print(f"=== {net}", flush=True)
            results.append(measure(net, file, folder, roster(net, options), options))
            about["versions"] = {k: v for r in results for row in r["rows"] if "start" in row
                                 for k, v in row["start"]["versions"].items()}
            write(results, options, about)
            print(table(results[-1]), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"Milliseconds a step, medians; the best mode of each.\n{summary(results)}")
    print(f"{options.out}.json, {options.out}.md; {time.time() - begin:.0f} s")
    return 1 if any("failed" in row and row["peer"] == "gemel" for r in results for row in r["rows"]) else 0


sys.exit(main())
