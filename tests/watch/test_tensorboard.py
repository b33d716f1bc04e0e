"""Reads event files that Gemel wrote with the tensorboard package: as raw events, after its conversion of old forms,
and through a running TensorBoard, with both of its loaders."""

import bisect
import glob
import io
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

import numpy as np
from PIL import Image
from tensorboard.backend.event_processing import event_accumulator, event_file_loader
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import metadata as hparams_metadata
from tensorboard.util import tensor_util

ROOT = tempfile.TemporaryDirectory()
HEIGHT, WIDTH = 61, 83


def run_program(source, *words):
    """Compile a C program against the library and run it in the temporary folder."""
    build = os.environ.get("GEMEL_BUILD", "build")
    program = os.path.join(ROOT.name, os.path.splitext(os.path.basename(source))[0])
    command = [os.environ.get("CC", "cc"), "-Wall", "-Wextra", "-Werror", "-Iinclude", source, "-o", program,
               "-L" + build, "-lgemel", "-Wl,-rpath," + os.path.abspath(build)]
    subprocess.run(command, check=True)
    subprocess.run([program, *words], check=True, cwd=ROOT.name)


def setUpModule():
    run_program("tests/watch/write_events.c", ROOT.name + "/logs")


def tearDownModule():
    ROOT.cleanup()


def logs(run):
    return os.path.join(ROOT.name, "logs", run)


def read_folder(folder):
    everything = {kind: 0 for kind in ("scalars", "histograms", "images", "tensors", "compressedHistograms")}
    return event_accumulator.EventAccumulator(folder, size_guidance=everything).Reload()


def accumulate(run):
    return read_folder(logs(run))


def pixels(channels):
    i = np.arange(HEIGHT * WIDTH * channels)
    return (i * 7 + i // 83 * 3 + (i % 5) * (i % 11)).astype(np.uint8).reshape(HEIGHT, WIDTH, channels)


def wide():
    values, power = [], 1e-14
    for i in range(4000):
        values.append(power if i % 3 else -power)
        power *= 1.02
    return values


def tensorflow_histogram(values):
    """What TensorFlow's histogram.cc makes of them: (limits, counts), runs of empty buckets as one."""
    positive, v = [], 1e-12
    while v < 1e20:
        positive.append(v)
        v *= 1.1
    positive.append(sys.float_info.max)
    limits = [-v for v in reversed(positive)] + [0.0] + positive
    counts = [0] * len(limits)
    for v in values:
        counts[bisect.bisect_right(limits, v)] += 1
    out = []
    for limit, count in zip(limits, counts):
        if out and not count and not out[-1][1]:
            out[-1] = (limit, 0)
        else:
            out.append((limit, count))
    return [limit for limit, _ in out], [count for _, count in out]


class RawEvents(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.main = accumulate("main")

    def test_scalars(self):
        events = self.main.Scalars("loss/train")
        self.assertEqual([e.step for e in events], list(range(200)))
        self.assertEqual([e.value for e in events], [float(np.float32(2.5 / (s + 1))) for s in range(200)])
        self.assertEqual({e.wall_time for e in events}, {1700000000.25})
        self.assertEqual(len(self.main.Scalars("loss/val")), 10)
        strange = self.main.Scalars("strange")
        self.assertTrue(math.isnan(strange[0].value))
        self.assertEqual([(e.step, e.value) for e in strange[1:]], [(1, -math.inf), (5000000000, 0.0)])
        self.assertIn("bad utf-8 \ufffd\ufffd \u00e9", self.main.Tags()["scalars"])

    def check_histogram(self, tag, values):
        for event in self.main.Histograms(tag):
            histogram = event.histogram_value
            limits, counts = tensorflow_histogram(values)
            self.assertEqual(list(histogram.bucket_limit), limits)
            self.assertEqual(list(histogram.bucket), counts)
            self.assertEqual(histogram.num, len(values))
            self.assertEqual(histogram.min, min(values, default=0))
            self.assertEqual(histogram.max, max(values, default=0))
            self.assertTrue(math.isclose(histogram.sum, math.fsum(values), rel_tol=1e-9, abs_tol=1e-9))

    def test_histograms(self):
        self.check_histogram("histogram/wide", wide())
        narrow = [float(np.float32((i * 37 % 1000 - 500) * 0.001)) for i in range(1000)]
        self.check_histogram("histogram/narrow", narrow)
        self.check_histogram("histogram/edges", [0, 1e-12, -1e-12, 1e20, -1e20, 3e38, -3e38, 1e-300, 1.0, -1.0])
        self.check_histogram("histogram/empty", [])
        self.assertEqual([e.step for e in self.main.Histograms("histogram/narrow")], list(range(5)))

    def test_images(self):
        for channels, kind in enumerate(("gray", "gray-alpha", "rgb", "rgba"), 1):
            (event,) = self.main.Images("image/" + kind)
            self.assertEqual((event.step, event.height, event.width), (10, HEIGHT, WIDTH))
            png = Image.open(io.BytesIO(event.encoded_image_string))
            self.assertEqual(png.mode, ("L", "LA", "RGB", "RGBA")[channels - 1])
            np.testing.assert_array_equal(np.asarray(png).reshape(HEIGHT, WIDTH, channels), pixels(channels))

    def test_tensors(self):
        narrow = [float(np.float32((i * 37 % 1000 - 500) * 0.001)) for i in range(1000)]
        self.check_histogram("tensor/f32", narrow)
        self.check_histogram("tensor/f64", narrow)
        (event,) = self.main.Images("tensor/bytes")
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(event.encoded_image_string))),
                                      [[0, 40, 80], [120, 160, 200]])
        (event,) = self.main.Images("tensor/images")
        picture = np.asarray(Image.open(io.BytesIO(event.encoded_image_string)))
        values = (np.arange(180, dtype=np.float32) - 10) / np.float32(150)
        images = np.floor(np.clip(values, 0, 1) * np.float32(255) + np.float32(0.5)).reshape(3, 3, 4, 5)
        expected = np.zeros((4 + 2 + 4, 5 + 2 + 5, 3))
        for i, (y, x) in enumerate(((0, 0), (0, 7), (6, 0))):
            expected[y:y + 4, x:x + 5] = images[i].transpose(1, 2, 0)
        np.testing.assert_array_equal(picture, expected)

    def test_text(self):
        events = self.main.Tensors("notes")
        first = events[0].tensor_proto.string_val[0].decode()
        self.assertEqual(first, "# Title\n\n| a | b |\n|---|---|\n| 1 | \u00e9 |\n")
        self.assertEqual(events[1].tensor_proto.string_val[0], b"")
        self.assertEqual(self.main.SummaryMetadata("notes").plugin_data.plugin_name, "text")

    def test_charts(self):
        (event,) = self.main.Tensors("custom_scalars__config__")
        layout = layout_pb2.Layout.FromString(tensor_util.make_ndarray(event.tensor_proto).item())
        found = [(c.title, [(h.title, list(h.multiline.tag)) for h in c.chart]) for c in layout.category]
        self.assertEqual(found, [("quality", [("losses", ["loss/.*"]), ("odd", ["strange"])]),
                                 ("other", [("again", ["loss/train"])])])

    def test_hparams(self):
        for run, rate, status in (("trial-a", 0.01, 1), ("trial-b", 0.1, 2)):
            def content(tag):
                return accumulate(run).SummaryMetadata(tag).plugin_data.content
            start = hparams_metadata.parse_session_start_info_plugin_data(content("_hparams_/session_start_info"))
            self.assertEqual(start.hparams["lr"].number_value, rate)
            self.assertEqual(start.hparams["optimizer"].string_value, "adamw")
            self.assertEqual(start.hparams["augment"].bool_value, rate > 0.05)
            self.assertEqual(start.hparams["augment"].WhichOneof("kind"), "bool_value")
            end = hparams_metadata.parse_session_end_info_plugin_data(content("_hparams_/session_end_info"))
            self.assertEqual((end.status, end.end_time_secs), (status, 1700000000))
            experiment = hparams_metadata.parse_experiment_plugin_data(content("_hparams_/experiment"))
            self.assertEqual([(h.name, h.type) for h in experiment.hparam_infos],
                             [("lr", 3), ("optimizer", 1), ("augment", 2)])
            self.assertEqual([m.name.tag for m in experiment.metric_infos], ["accuracy/val"])

    def test_resumed(self):
        events = accumulate("resumed").Scalars("loss")
        self.assertEqual([(e.step, e.value) for e in events],
                         [(s, 100.0 + s) for s in range(5)] + [(s, 200.0 + s) for s in range(5, 8)])


class Documentation(unittest.TestCase):
    def test_program(self):
        with open("docs/tensorboard.md") as page:
            program = re.search(r"```c\n(.*?)```", page.read(), re.S).group(1)
        source = os.path.join(ROOT.name, "by_hand.c")
        with open(source, "w") as file:
            file.write(program)
        run_program(source)
        found = read_folder(os.path.join(ROOT.name, "runs/by-hand"))
        loss = found.Scalars("loss/train")
        self.assertEqual((len(loss), loss[0].value), (50, 36.0))
        self.assertLess(loss[-1].value, 0.1)
        self.assertEqual(found.Tags()["images"], ["gradient"])
        self.assertEqual(len(found.Histograms("gradients")), 50)


class ConvertedEvents(unittest.TestCase):
    """The form that TensorBoard's own tabs work on."""

    @classmethod
    def setUpClass(cls):
        cls.values = {}
        (path,) = glob.glob(logs("main") + "/*tfevents*")
        for event in event_file_loader.EventFileLoader(path).Load():
            for value in event.summary.value:
                cls.values.setdefault(value.tag, []).append((event.step, value))

    def test_classes(self):
        expected = {"loss/train": ("scalars", 1), "histogram/wide": ("histograms", 2), "image/rgb": ("images", 3),
                    "notes": ("text", 2), "custom_scalars__config__": ("custom_scalars", 2)}
        for tag, (plugin, data_class) in expected.items():
            metadata = self.values[tag][0][1].metadata
            self.assertEqual((metadata.plugin_data.plugin_name, metadata.data_class), (plugin, data_class), tag)

    def test_values(self):
        step, value = self.values["loss/train"][7]
        self.assertEqual((step, tensor_util.make_ndarray(value.tensor).item()), (7, np.float32(2.5 / 8)))
        buckets = tensor_util.make_ndarray(self.values["histogram/wide"][0][1].tensor)
        self.assertEqual((buckets.shape[1], buckets[:, 2].sum()), (3, 4000))
        self.assertEqual((buckets[0, 0], buckets[-1, 1]), (np.float32(min(wide())), np.float32(max(wide()))))
        self.assertTrue((buckets[:-1, 1] == buckets[1:, 0]).all())
        width, height, png = tensor_util.make_ndarray(self.values["image/rgb"][0][1].tensor)
        self.assertEqual((width, height, png[1:4]), (b"83", b"61", b"PNG"))


class Graph(unittest.TestCase):
    """The graph, as TensorFlow's own message."""

    @classmethod
    def setUpClass(cls):
        cls.nodes = {node.name: node for node in accumulate("main").Graph().node}

    def test_nodes(self):
        tensors = {"x", "0/0/weight", "0/0/bias", "2/weight", "2/bias"}
        self.assertEqual({n for n in self.nodes if self.nodes[n].op in ("Tensor", "Input")}, tensors)
        self.assertEqual({n for n in self.nodes if self.nodes[n].op == "Output"}, {"output/logits", "output/largest"})
        self.assertEqual(list(self.nodes["0/0/conv_3"].input), ["x", "0/0/weight", "0/0/bias"])
        self.assertEqual(list(self.nodes["0/1/relu_4"].input), ["0/0/conv_3"])
        for node in self.nodes.values():
            for name in node.input:
                self.assertIn(name.split(":")[0], self.nodes)

    def test_attributes(self):
        conv = self.nodes["0/0/conv_3"].attr
        self.assertEqual(conv["stride"].s, b"[1, 1, 1]")
        (shape,) = conv["_output_shapes"].list.shape
        self.assertEqual([dim.size for dim in shape.dim], [-1, 4, 6, 6])


class Server:
    """A TensorBoard on a port of its own."""

    def __init__(self, *options):
        command = [sys.executable, "-m", "tensorboard.main", "--logdir", ROOT.name + "/logs", "--port", "0", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        said = []
        for line in self.process.stderr:
            said.append(line)
            found = re.search(r"http://\S+", line)
            if found and " at " in line:
                self.url = found.group(0).rstrip("/")
                return
        raise RuntimeError("TensorBoard did not start:\n" + "".join(said))

    def get(self, path, post=None, raw=False, **query):
        request = urllib.request.Request(self.url + path + ("?" if query else "") + urllib.parse.urlencode(query),
                                         data=json.dumps(post).encode() if post is not None else None,
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read() if raw else json.load(answer)

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.process.stderr.close()


class Tabs:
    """What the browser asks for."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*cls.options)
        cls.addClassCleanup(cls.server.close)
        until = time.monotonic() + 60
        while not cls.loaded() and time.monotonic() < until:
            time.sleep(0.05)

    @classmethod
    def loaded(cls):
        """True when the last event of each run is there: the server answers while it still loads."""
        try:
            last = cls.server.get("/data/plugin/scalars/scalars", run="resumed", tag="loss")[-1][2]
            return last == 207 and cls.session_groups() and cls.server.get("/data/plugin/custom_scalars/layout")
        except urllib.error.HTTPError:
            return False

    @classmethod
    def session_groups(cls):
        asked = {"experimentName": "", "allowedStatuses": ["STATUS_SUCCESS", "STATUS_FAILURE"], "sliceSize": 10,
                 "colParams": [{"hparam": "lr", "order": "ORDER_ASC"}]}
        groups = cls.server.get("/data/plugin/hparams/session_groups", post=asked).get("sessionGroups", [])
        return groups if len(groups) == 2 else None

    def test_scalars(self):
        self.assertEqual(set(self.server.get("/data/runs")), {"main", "trial-a", "trial-b", "resumed"})
        points = self.server.get("/data/plugin/scalars/scalars", run="main", tag="loss/train")
        self.assertEqual([p[1] for p in points], list(range(200)))
        self.assertTrue(all(math.isclose(p[2], 2.5 / (p[1] + 1), rel_tol=1e-6) for p in points))

    def test_histograms(self):
        points = self.server.get("/data/plugin/histograms/histograms", run="main", tag="histogram/narrow")
        self.assertEqual([p[1] for p in points], list(range(5)))
        self.assertEqual(sum(bucket[2] for bucket in points[0][2]), 1000)
        points = self.server.get("/data/plugin/distributions/distributions", run="main", tag="histogram/narrow")
        self.assertEqual(len(points), 5)

    def test_images(self):
        (image,) = self.server.get("/data/plugin/images/images", run="main", tag="image/rgb", sample=0)
        self.assertEqual((image["step"], image["wall_time"]), (10, 1700000000.25))
        png = self.server.get("/data/plugin/images/individualImage?" + image["query"], raw=True)
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png))), pixels(3))

    def test_text(self):
        texts = self.server.get("/data/plugin/text/text", run="main", tag="notes")
        self.assertIn("<h1>Title</h1>", texts[0]["text"])
        self.assertIn("<td>\u00e9</td>", texts[0]["text"])

    def test_charts(self):
        layout = self.server.get("/data/plugin/custom_scalars/layout")
        self.assertEqual([c["title"] for c in layout["category"]], ["quality", "other"])
        answer = self.server.get("/data/plugin/custom_scalars/scalars", run="main", tag="loss/.*")
        self.assertEqual({tag: len(points) for tag, points in answer["tag_to_events"].items()},
                         {"loss/train": 200, "loss/val": 10})

    def test_hparams(self):
        experiment = self.server.get("/data/plugin/hparams/experiment", post={"experimentName": ""})
        self.assertEqual({h["name"] for h in experiment["hparamInfos"]}, {"lr", "optimizer", "augment"})
        self.assertEqual([m["name"]["tag"] for m in experiment["metricInfos"]], ["accuracy/val"])
        groups = self.session_groups()
        self.assertEqual([g["hparams"]["lr"] for g in groups], [0.01, 0.1])
        self.assertEqual([g["sessions"][0]["status"] for g in groups], ["STATUS_SUCCESS", "STATUS_FAILURE"])
        self.assertTrue(math.isclose(groups[1]["metricValues"][0]["value"], 0.6, rel_tol=1e-6))

    def test_resumed(self):
        points = self.server.get("/data/plugin/scalars/scalars", run="resumed", tag="loss")
        self.assertEqual([p[2] for p in points], [100, 101, 102, 103, 104, 205, 206, 207])

    def test_graph(self):
        self.assertTrue(self.server.get("/data/plugin/graphs/info")["main"]["run_graph"])
        text = self.server.get("/data/plugin/graphs/graph", run="main", raw=True).decode()
        self.assertIn('name: "0/0/conv_3"', text)


class PlainLoader(Tabs, unittest.TestCase):
    options = ("--load_fast", "false")


class FastLoader(Tabs, unittest.TestCase):
    options = ("--load_fast", "true")


if __name__ == "__main__":
    unittest.main()
