"""The speech embedding leaves standard error to those who have something to say."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from wakewright.dsp.embedding import SpeechEmbedding, model_folder
from wakewright.dsp.litert import Net, without_c_messages

SPEAK = """
import os, sys
import numpy as np
from wakewright.dsp.embedding import SpeechEmbedding
front = SpeechEmbedding()
assert len(front.push(np.zeros(16000 * 8, np.float32)))
print("python's own", file=sys.stderr)
os.write(2, b"and C's\\n")
"""


def test_nothing_but_our_own_words_reach_standard_error() -> None:
    done = subprocess.run([sys.executable, "-c", SPEAK], check=True, capture_output=True, text=True)
    assert done.stderr == "python's own\nand C's\n"
    assert done.stdout == ""


@pytest.mark.skipif(sys.platform == "win32", reason="needs preexec_fn to close standard error")
def test_a_process_without_standard_error_can_use_it() -> None:
    code = "import os; os.close(2); from wakewright.dsp.embedding import SpeechEmbedding; SpeechEmbedding()"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_standard_error_is_restored_after_a_failure(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="Flatbuffer"):
        Net(b"no model", (1, 2))
    with pytest.raises(KeyboardInterrupt), without_c_messages():
        raise KeyboardInterrupt
    print("still here", file=sys.stderr)  # noqa: T201
    assert capfd.readouterr().err == "still here\n"


def test_many_threads_may_make_one_at_once(capfd: pytest.CaptureFixture[str]) -> None:
    made = []
    threads = [threading.Thread(target=lambda: made.append(SpeechEmbedding())) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("still here", file=sys.stderr)  # noqa: T201
    assert capfd.readouterr().err == "still here\n"
    assert len(made) == 6
    assert model_folder().is_dir()
