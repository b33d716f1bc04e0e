"""screenshot.py LOGDIR OUT.png [TAGS]: a picture of TensorBoard's first tab, with the tags that match the regular
expression TAGS, taken in headless Chromium. Run it by tools/python.sh; needs the Debian package chromium."""

import base64
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.parse

from PIL import Image

WIDTH, HEIGHT = 1280, 1000
SETTINGS = {"timeSeriesSettingsPaneOpened": False, "stepSelectorEnabled": False, "darkMode": False, "autoReload": False}


class Browser:
    """Chromium, spoken to over the pipe of its developer tools: messages of JSON that end with a 0."""

    def __init__(self, profile):
        to_read, self.to = os.pipe()
        self.back, back_write = os.pipe()

        def place_pipe():
            ends = os.dup(to_read), os.dup(back_write)
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        command = ["chromium", "--headless=new", "--no-sandbox", "--remote-debugging-pipe", "--hide-scrollbars",
                   "--user-data-dir=" + profile, "about:blank"]
        self.process = subprocess.Popen(command, preexec_fn=place_pipe, close_fds=False, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(back_write)
        self.count, self.pending, self.session = 0, b"", None
        pages = [t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page"]
        self.session = self.call("Target.attachToTarget", targetId=pages[0]["targetId"], flatten=True)["sessionId"]
        self.call("Emulation.setDeviceMetricsOverride", width=WIDTH, height=HEIGHT, deviceScaleFactor=1, mobile=False)

    def call(self, method, **params):
        self.count += 1
        message = {"id": self.count, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self.pending:
                piece = os.read(self.back, 1 << 16)
                if not piece:
                    raise RuntimeError("chromium ended")
                self.pending += piece
            raw, self.pending = self.pending.split(b"\0", 1)
            answer = json.loads(raw)
            if answer.get("id") == self.count:
                if "error" in answer:
                    raise RuntimeError(answer["error"])
                return answer["result"]

    def visit(self, url, seconds):
        self.call("Page.navigate", url=url)
        time.sleep(seconds)

    def run(self, script):
        self.call("Runtime.evaluate", expression=script)

    def picture(self):
        return Image.open(io.BytesIO(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])))

    def close(self):
        self.process.terminate()
        self.process.wait()


def start_tensorboard(logdir):
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", logdir, "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        found = re.search(r" at (http://\S+)", line)
        if found:
            return process, found.group(1)
    raise RuntimeError("TensorBoard did not start")


def main(logdir, out, tags=""):
    server, url = start_tensorboard(logdir)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(profile)
        try:
            browser.visit(url, 5)
            browser.run("localStorage.setItem('_tb_global_settings', %r)" % json.dumps(SETTINGS))
            browser.visit("about:blank", 0.5)
            browser.visit(url + "?darkMode=false&" + urllib.parse.urlencode({"tagFilter": tags}) + "#timeseries", 8)
            browser.picture().convert("RGB").quantize(64, dither=Image.Dither.NONE).save(out, optimize=True)
        finally:
            browser.close()
            server.terminate()
            server.wait()
    print(out, os.path.getsize(out), "bytes")


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(*sys.argv[1:])
