"""The Judge over HTTP: what it answers, what it refuses and how, and what it keeps."""

from __future__ import annotations

import io
import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from wakewright import Detector
from wakewright.apps.judge import keys as ring
from wakewright.apps.judge.keep import Keeper
from wakewright.apps.judge.keys import KeyRing
from wakewright.apps.judge.limits import Limits, Rates
from wakewright.apps.judge.refusal import Refusal
from wakewright.apps.judge.server import Court, create_app
from wakewright.core.audio import Samples, load, resample
from wakewright.core.errors import EnvironmentProblem, InputError
from wakewright.detect.judge import AFTER_S, Judge, quiet


def encoded(samples: Samples, rate: int = 16000, kind: str = "WAV", subtype: str | None = None) -> bytes:
    """A file of this format."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype)
    return file.getvalue()


RAW = {"Content-Type": "audio/L16;rate=16000"}


def raw(samples: Samples) -> bytes:
    return (samples * 32767).astype("<i2").tobytes()


def refused(response: Any, status: int) -> dict[str, str]:
    assert response.status_code == status, response.text
    error: dict[str, str] = response.json()["error"]
    assert error.keys() == {"what", "got", "do"}
    assert all(error.values())
    return error


def test_it_answers_as_promised(client: TestClient, clip: Samples, exported: dict[str, Path]) -> None:
    answer = client.post("/verify", files={"file": encoded(clip)}).json()
    verdict = Judge.load(exported["speech_embedding"]).verify(clip)
    assert " ".join(answer) == "prediction confidence label phrase threshold end_s latency_ms model"
    assert answer["confidence"] == pytest.approx(verdict.confidence, abs=2e-3)
    assert answer["prediction"] == int(verdict.prediction)
    assert answer["label"] == ("wakeword" if verdict.prediction else "no_wakeword")
    assert (answer["phrase"], answer["threshold"], answer["model"]) == (
        "hey katya",
        0.5,
        "hey katya (speech_embedding)",
    )
    assert answer["latency_ms"] > 0


@pytest.mark.parametrize(
    ("kind", "subtype", "rate"),
    [
        ("WAV", "PCM_16", 16000),
        ("WAV", "FLOAT", 48000),
        ("FLAC", "PCM_16", 44100),
        ("OGG", "VORBIS", 48000),
        ("OGG", "OPUS", 48000),
        ("MP3", None, 44100),
    ],
)
def test_any_usual_format_and_rate_gives_nearly_the_same(
    client: TestClient, clip: Samples, kind: str, subtype: str | None, rate: int
) -> None:
    plain = client.post("/verify", content=raw(clip), headers=RAW).json()["confidence"]
    again = np.interp(np.arange(0, len(clip), 16000 / rate), np.arange(len(clip)), clip).astype(np.float32)
    stereo = np.stack([again, again], axis=1)
    found = client.post("/verify", files={"file": ("x", encoded(stereo, rate, kind, subtype), "audio/x")})
    assert found.status_code == 200, found.text
    assert found.json()["confidence"] == pytest.approx(plain, abs=0.15)
    body = client.post("/verify", content=encoded(again, rate, kind, subtype), headers={"Content-Type": "audio/wav"})
    assert body.json()["confidence"] == pytest.approx(plain, abs=0.15)


def test_a_flac_that_was_written_to_a_pipe_is_heard(client: TestClient, clip: Samples) -> None:
    whole = encoded(clip, 16000, "FLAC", "PCM_16")
    unknown = whole[:21] + bytes([whole[21] & 0xF0]) + bytes(4) + whole[26:]  # its length, as it is before the end
    kind = {"Content-Type": "audio/flac"}
    found, wanted = (client.post("/verify", content=one, headers=kind).json() for one in (unknown, whole))
    assert found["confidence"] == wanted["confidence"]


def test_raw_samples_of_a_device_are_heard_in_any_layout(client: TestClient, clip: Samples) -> None:
    def confidence(content: bytes, kind: str) -> float:
        response = client.post("/verify", content=content, headers={"Content-Type": kind})
        assert response.status_code == 200, response.text
        return float(response.json()["confidence"])

    plain = confidence(raw(clip), "audio/L16;rate=16000")
    assert confidence(raw(clip), "audio/L16") == plain
    assert confidence(raw(clip), "AUDIO/l16; Rate=16000; channels=1") == plain
    big = (clip * 32767).astype(">i2").tobytes()
    assert confidence(big, "audio/L16;rate=16000;endianness=big-endian") == plain
    stereo = np.stack([clip, clip], axis=1)
    assert confidence(raw(stereo), "audio/L16;rate=16000;channels=2") == plain


def test_the_word_is_found_wherever_it_lies(exported: dict[str, Path], clip: Samples, noise: Samples) -> None:
    judge = Judge.load(exported["speech_embedding"])
    alone = judge.verify(clip)
    assert 0 <= alone.end_s <= len(clip) / 16000
    for before in (0.3, 0.64, 1.28):
        moved = judge.verify(np.concatenate([noise[: round(before * 16000)] * 0.01, clip]))
        assert moved.confidence == pytest.approx(alone.confidence, abs=0.1)
    assert judge.verify(clip) == alone  # nothing of an earlier clip is left
    with pytest.raises(InputError, match="too little sound to judge"):
        judge.verify(clip[:1000])


@pytest.mark.parametrize("name", ["speech_embedding", "mixednet"])
def test_only_scores_that_have_heard_all_they_can_count(name: str, exported: dict[str, Path], clip: Samples) -> None:
    """A detector's first scores, before its receptive field is full, say nothing: silence was once a wake word."""
    judge = Judge.load(exported[name])
    verdict, detector = judge.verify(clip), Detector.load(exported[name])
    before = quiet(judge._before / 16000 + 3.84)  # a whole number of steps more
    scores = detector.score(np.concatenate([before, clip, quiet(AFTER_S)]))
    ends = detector.first_step_s + np.arange(len(scores)) * detector.hop_s
    assert verdict.confidence == pytest.approx(float(scores[ends >= len(before) / 16000].max()), abs=0.02)
    hums = judge.verify(np.zeros(16000, np.float32)).confidence
    settled = detector.score(quiet(3.0))[-20:]
    assert hums == pytest.approx(float(settled.mean()), abs=0.05)


@pytest.mark.parametrize(
    ("content", "kind", "status", "what"),
    [
        (b"", "audio/L16", 400, "no sound in the request"),
        (b"abc", "audio/L16", 422, "cannot be heard"),
        (b"ab" * 100, "audio/L16;rate=16000", 422, "too little sound"),
        (b"ab" * 8000, "audio/L16;rate=999999999", 415, "not heard"),
        (b"ab" * 8000, "audio/L16;rate=100", 422, "layout"),
        (b"ab" * 8000, "audio/L16;rate=-16000", 415, "not heard"),
        (b"ab" * 8000, "audio/L16;channels=0", 422, "layout"),
        (b"ab" * 8000, "audio/L16;endianness=middle", 415, "not heard"),
        (b"ab" * 400_000, "audio/L16;rate=16000", 413, "too long"),
        (b"{}", "application/json", 415, "not heard"),
        (b"x", "", 415, "not heard"),
        (b"RIFF\x00\x00\x00\x00WAVE", "audio/wav", 422, "cannot be heard"),
        (b"not audio at all", "audio/wav", 422, "cannot be heard"),
        (b"x", "multipart/form-data", 400, "form cannot be read"),
        (b"x", "multipart/form-data; boundary=a", 400, "form"),
        (b"--a--\r\n", "multipart/form-data; boundary=a", 400, "form needs one file"),
        (b"x" * 5_000_000, "audio/wav", 413, "too large"),
    ],
)
def test_what_cannot_be_judged_is_refused(
    client: TestClient, content: bytes, kind: str, status: int, what: str
) -> None:
    response = client.post("/verify", content=content, headers={"Content-Type": kind})
    assert what in refused(response, status)["what"]


def test_a_file_that_unpacks_to_too_much_is_refused_early(client: TestClient) -> None:
    silence = np.zeros(16000 * 600, np.float32)
    bomb = encoded(silence, kind="FLAC")
    assert len(bomb) < 100_000
    began = time.perf_counter()
    assert "too long" in refused(client.post("/verify", files={"file": bomb}), 413)["what"]
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize(
    "fields",
    [
        {"data": {"file": "text"}, "files": {"": b""}},
        {"files": {"other": b"x"}},
        {"files": [("file", b"x"), ("file", b"y")]},
        {"files": {"file": b""}},
        {"data": {str(i): "x" for i in range(20)}, "files": {"file": b"x"}},
    ],
)
def test_forms_of_another_shape_are_refused(client: TestClient, fields: dict[str, Any]) -> None:
    refused(client.post("/verify", **fields), 400)


def test_names_of_files_do_not_matter(client: TestClient, clip: Samples) -> None:
    for name in ("../../etc/passwd", "C:\\x.wav", "a\r\nb", "x" * 2000, ""):
        response = client.post("/verify", files={"file": (name, encoded(clip), "audio/wav")})
        assert response.status_code in (200, 400), response.text


def test_addresses_and_methods_that_are_not_there(client: TestClient) -> None:
    assert "nothing at this address" in refused(client.get("/nothing"), 404)["what"]
    assert "another method" in refused(client.get("/verify"), 405)["what"]
    assert "'jarvis'" in refused(client.post("/verify?phrase=jarvis", content=b"x", headers=RAW), 404)["got"]
    refused(client.post("/verify?phrase=a&phrase=b", content=b"x", headers=RAW), 400)


def test_models_health_metrics_and_openapi(client: TestClient, clip: Samples) -> None:
    client.post("/verify", files={"file": encoded(clip)})
    client.get("/nothing")
    (model,) = client.get("/models").json()
    assert model == {
        "phrase": "hey katya",
        "model": "hey katya (speech_embedding)",
        "threshold": 0.5,
        "default": True,
    }
    assert client.get("/health").json()["status"] == "ok"
    text = client.get("/metrics").text
    assert 'wakewright_judge_requests_total{route="/verify",status="200"} 1.0' in text
    assert 'wakewright_judge_requests_total{route="other",status="404"} 1.0' in text
    assert "wakewright_judge_busy 0.0" in text
    described = client.get("/openapi.json").json()["paths"]["/verify"]["post"]
    assert "multipart/form-data" in described["requestBody"]["content"]
    assert {"200", "401", "413", "422", "503"} <= described["responses"].keys()
    assert "text/html" in client.get("/docs").headers["content-type"]


@pytest.fixture
def locked(exported: dict[str, Path], tmp_path: Path) -> tuple[TestClient, Path, str]:
    file = tmp_path / "keys.json"
    key = ring.add(file, "kitchen")
    court = Court((exported["speech_embedding"],), Limits(per_second=0), KeyRing(file), threads=1)
    return TestClient(create_app(court)), file, key


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_only_who_has_a_key_is_answered(locked: tuple[TestClient, Path, str], clip: Samples) -> None:
    client, file, key = locked
    assert key not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    assert client.get("/health").status_code == 200
    for headers in ({}, {"Authorization": key}, {"Authorization": "Basic " + key}, bearer(""), bearer(key + "x")):
        response = client.get("/models", headers=headers)
        refused(response, 401)
        assert response.headers["www-authenticate"] == "Bearer"
    assert client.get("/models", headers=bearer(key)).status_code == 200
    assert client.post("/verify", files={"file": encoded(clip)}, headers=bearer(key)).status_code == 200
    refused(client.post("/verify", files={"file": encoded(clip)}), 401)
    text = client.get("/metrics", headers=bearer(key)).text
    assert 'wakewright_judge_unauthorised_total{reason="missing"}' in text
    assert 'wakewright_judge_unauthorised_total{reason="wrong"} 2.0' in text


def test_keys_change_without_a_restart_and_expire(
    locked: tuple[TestClient, Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, file, key = locked
    other = ring.add(file, "hall", days=1)
    assert client.get("/models", headers=bearer(other)).status_code == 200
    file.write_text("{ half")  # somebody is copying it
    assert client.get("/models", headers=bearer(other)).status_code == 200
    file.unlink()
    third = ring.add(file, "garden", days=1)
    refused(client.get("/models", headers=bearer(key)), 401)
    assert client.get("/models", headers=bearer(third)).status_code == 200
    later = ring.now() + ring.datetime.timedelta(days=2)
    monkeypatch.setattr(ring, "now", lambda: later)
    refused(client.get("/models", headers=bearer(third)), 401)


def test_mistakes_with_keys_are_said(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    ring.add(file, "a")
    with pytest.raises(InputError, match="there is a key 'a' already"):
        ring.add(file, "a")
    with pytest.raises(InputError, match="no key 'b'"):
        ring.remove(file, "b")
    ring.remove(file, "a")
    assert ring.read(file) == []
    file.write_text('{"keys": [{"name": "x"}]}')
    with pytest.raises(InputError, match="is no file of keys"):
        KeyRing(file)


def test_a_day_without_a_zone_ends_in_utc(
    locked: tuple[TestClient, Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, file, key = locked
    stored = json.loads(file.read_text())
    stored["keys"][0]["expires"] = "2027-01-01"  # by hand
    file.write_text(json.dumps(stored))
    for moment, status in (("2026-12-31T23:59:59+00:00", 200), ("2027-01-01T00:00:01+00:00", 401)):
        monkeypatch.setattr(ring, "now", lambda at=moment: ring.datetime.datetime.fromisoformat(at))
        assert client.get("/models", headers=bearer(key)).status_code == status


def test_keys_that_may_not_be_read_are_none(
    locked: tuple[TestClient, Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replaced by another user, say: what was removed in it must not go on working."""
    client, file, key = locked

    def denied(*_: Any, **__: Any) -> str:
        raise PermissionError(13, "Permission denied")

    ring.add(file, "hall")
    monkeypatch.setattr(Path, "read_text", denied)  # root may read everything
    refused(client.get("/models", headers=bearer(key)), 401)
    with pytest.raises(EnvironmentProblem, match="cannot be read by the user"):
        KeyRing(file)
    monkeypatch.undo()
    ring.remove(file, "hall")
    assert client.get("/models", headers=bearer(key)).status_code == 200


def test_a_client_that_asks_too_often_waits(exported: dict[str, Path]) -> None:
    court = Court((exported["speech_embedding"],), Limits(per_second=0.5, burst=3), threads=1)
    client = TestClient(create_app(court))
    statuses = [client.get("/models").status_code for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    assert client.get("/health").status_code == 200
    assert client.get("/models").headers["retry-after"] == "2"


def test_who_comes_back_when_told_to_is_answered() -> None:
    now = [0.0]
    rates = Rates(Limits(per_second=0.4, burst=1), clock=lambda: now[0])
    rates.take("hall")
    with pytest.raises(Refusal) as refusal:
        rates.take("hall")
    assert refusal.value.headers is not None
    now[0] += float(refusal.value.headers["Retry-After"])  # 2.5 s, and no fewer
    rates.take("hall")


def test_what_is_kept_is_bounded_and_named_by_nobody(
    exported: dict[str, Path], clip: Samples, tmp_path: Path
) -> None:
    keeper = Keeper(tmp_path / "kept", 150_000)
    court = Court((exported["speech_embedding"],), Limits(per_second=0), keeper=keeper, threads=1)
    client = TestClient(create_app(court))
    for _ in range(8):
        assert client.post("/verify", files={"file": ("../x", encoded(clip))}).status_code == 200
    files = sorted((tmp_path / "kept").iterdir())
    assert 0 < sum(f.stat().st_size for f in files) <= 150_000
    newest = files[-1]
    np.testing.assert_allclose(load(newest.with_suffix(".wav")), clip, atol=1e-3)
    about = json.loads(newest.with_suffix(".json").read_text())
    assert about["phrase"] == "hey katya"
    assert not list(tmp_path.glob("x*"))


def test_a_stream_is_heard_as_it_comes(
    exported: dict[str, Path], clip: Samples, noise: Samples, tmp_path: Path
) -> None:
    folder = tmp_path / "low"
    shutil.copytree(exported["speech_embedding"], folder)
    about = json.loads((folder / "metadata.json").read_text())
    (folder / "metadata.json").write_text(json.dumps(about | {"threshold": 0.0}))
    court = Court((folder,), Limits(per_second=0, idle_s=1.0), threads=1)
    sound = np.concatenate([noise, noise, clip])
    heard = np.frombuffer(raw(sound), "<i2").astype(np.float32) / np.float32(32768)
    expected = [fire.end_s for fire in Detector.load(folder).stream(heard)]
    with TestClient(create_app(court)) as client:
        with client.websocket_connect("/stream?rate=16000") as socket:
            assert socket.receive_json()["event"] == "ready"
            for at in range(0, 2 * len(sound), 3001):  # cuts samples in half
                socket.send_bytes(raw(sound)[at : at + 3001])
            found = [socket.receive_json() for _ in expected]
        assert [line["end_s"] for line in found] == pytest.approx(expected, abs=2e-3)
        assert found[0].keys() == {"event", "phrase", "score", "start_s", "end_s"}
        before = heard_s(client)
        with client.websocket_connect("/stream") as socket:
            socket.receive_json()
            socket.send_bytes(raw(noise))
            socket.send_text("hello")
            assert "binary messages" in socket.receive_json()["error"]["what"]
            with pytest.raises(WebSocketDisconnect) as closed:
                socket.receive_json()
            assert closed.value.code == 1003
        assert heard_s(client) - before == pytest.approx(len(noise) / 16000, abs=0.01)  # refused, but heard
        with client.websocket_connect("/stream?rate=1") as socket:
            assert "rate is not heard" in socket.receive_json()["error"]["what"]
        with client.websocket_connect("/stream") as socket:
            socket.receive_json()
            assert "silent" in socket.receive_json()["error"]["what"]
        assert "wakewright_judge_streams 0.0" in client.get("/metrics").text


def heard_s(client: TestClient) -> float:
    """Seconds of sound that were judged, as Prometheus is told."""
    lines = client.get("/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith("wakewright_judge_audio_seconds_total")).split()[1])


def test_two_judges_of_one_phrase_are_refused(exported: dict[str, Path]) -> None:
    with pytest.raises(InputError, match="cannot be told apart"):
        Court((exported["speech_embedding"], exported["mixednet"]))


def test_samples_are_resampled_as_everywhere_else(clip: Samples) -> None:
    from wakewright.apps.judge.sound import from_l16

    found = from_l16(raw(clip), {"rate": "8000"}, 10.0)
    np.testing.assert_allclose(found, resample(np.frombuffer(raw(clip), "<i2").astype(np.float32) / 32768, 8000))
