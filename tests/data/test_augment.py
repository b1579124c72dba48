"""Augmentation: one contract that no transform escapes, then what each of them does to sound."""

from __future__ import annotations

import dataclasses
import inspect
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from wakewright.core import recipe_augment
from wakewright.core.audio import SAMPLE_RATE, Samples, rms
from wakewright.core.errors import AudioError, MissingPackage
from wakewright.core.recipe import Augment
from wakewright.data import augment, babble, channel, link, pitch, scene
from wakewright.data.augment import (
    Babble,
    BandLimit,
    Chain,
    Codec,
    Dropouts,
    Equaliser,
    Gain,
    Mix,
    NoiseFloor,
    Overload,
    Partly,
    Room,
    Sometimes,
    Speed,
    Stretch,
    Trim,
)  # fmt: skip
from wakewright.data.babble import BabblePlan
from wakewright.data.channel import BandLimitPlan, OverloadPlan, SpeedPlan
from wakewright.data.link import CodecPlan, DropoutsPlan
from wakewright.data.pitch import Pitch, PitchPlan, StretchPlan
from wakewright.data.scene import MixPlan, RoomPlan, TrimPlan, active_rms, direct_path


def noise(seconds: float, seed: int = 0, level: float = 0.1) -> Samples:
    sound = np.random.default_rng(seed).standard_normal(round(seconds * SAMPLE_RATE), dtype=np.float32)
    return sound * np.float32(level)


def room(delay: int = 120, seconds: float = 0.3) -> Samples:
    response = noise(seconds, 9, 0.05) * np.exp(-np.arange(round(seconds * SAMPLE_RATE), dtype=np.float32) / 900)
    response[:delay] = 0.0
    response[delay] = 0.8
    return response


def word(length: int = 25_600) -> Samples:
    """A sound with an envelope: silence, a burst, silence."""
    sound = noise(length / SAMPLE_RATE, 4, 0.2)
    sound[: length // 4] = 0.0
    sound[length // 2 :] = 0.0
    return sound


TRANSFORMS: dict[type, Any] = {
    Speed: Speed(),
    Pitch: Pitch(),
    Equaliser: Equaliser(),
    Room: Room((room(), room(40, 0.8))),
    Mix: Mix((noise(5.0, 1), noise(0.3, 2), np.zeros(16_000, np.float32))),
    BandLimit: BandLimit(),
    Overload: Overload(),
    Gain: Gain(),
    NoiseFloor: NoiseFloor(),
    Sometimes: Sometimes(Gain(), 0.5),
    Partly: Partly(Room((room(),)), (0.1, 0.9)),
    Stretch: Stretch(),
    Trim: Trim(),
    Babble: Babble((noise(1.0, 5), noise(0.4, 6))),
    Codec: Codec(tuple(link.FORMS)),
    Dropouts: Dropouts((0.1, 0.4)),
    Chain: Chain((Speed(), Equaliser(12.0), Sometimes(Overload(), 0.5))),
}
WITHIN_FULL_SCALE = {Overload, Gain, Chain, Codec}

SOUNDS = {
    "empty": np.zeros(0, np.float32),
    "one sample": np.ones(1, np.float32),
    "silence": np.zeros(8_000, np.float32),
    "full scale": np.where(np.arange(8_000) % 80 < 40, 1.0, -1.0).astype(np.float32),
    "too loud": noise(0.5, 3, 2.0),
    "faint": noise(0.5, 3, 1e-7),
    "word": word(),
}


def transforms_in(module: ModuleType) -> set[type]:
    return {
        thing
        for _, thing in inspect.getmembers(module, inspect.isclass)
        if {"draw", "apply"} <= set(vars(thing)) and not getattr(thing, "_is_protocol", False)
    }


def test_no_transform_escapes_the_contract() -> None:
    modules = (augment, babble, channel, link, pitch, scene)
    assert set.union(*map(transforms_in, modules)) == set(TRANSFORMS)


def test_settings_and_plans_are_frozen() -> None:
    for transform in TRANSFORMS.values():
        plan = transform.draw(np.random.default_rng(1))
        for thing in (transform, plan):
            kind: Any = type(thing)
            assert kind.__dataclass_params__.frozen, kind


def plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(plain, value))
    if dataclasses.is_dataclass(value):
        return all(plain(getattr(value, f.name)) for f in dataclasses.fields(value))
    return value is None or type(value) in (int, float, bool, str)


@pytest.mark.parametrize("kind", TRANSFORMS, ids=lambda k: k.__name__)
def test_a_plan_holds_plain_numbers_and_follows_the_seed(kind: type) -> None:
    transform = TRANSFORMS[kind]
    plans = [transform.draw(np.random.default_rng(seed)) for seed in range(8)]
    assert plans == [transform.draw(np.random.default_rng(seed)) for seed in range(8)]
    assert all(map(plain, plans))
    assert len({repr(plan) for plan in plans}) > 1


@pytest.mark.parametrize("sound", SOUNDS)
@pytest.mark.parametrize("kind", TRANSFORMS, ids=lambda k: k.__name__)
def test_every_transform_keeps_the_contract(kind: type, sound: str) -> None:
    transform, samples = TRANSFORMS[kind], SOUNDS[sound].copy()
    samples.setflags(write=False)
    for seed in range(6):
        plan = transform.draw(np.random.default_rng(seed))
        out = transform.apply(samples, plan)
        assert out.dtype == np.float32
        assert out.ndim == 1
        assert np.isfinite(out).all()
        assert out.tobytes() == transform.apply(samples, plan).tobytes()
        assert not np.shares_memory(out, samples)
        assert samples.tobytes() == SOUNDS[sound].tobytes()
        if kind not in (Speed, Chain, Stretch, Trim):
            assert len(out) == len(samples)
        if kind in WITHIN_FULL_SCALE and len(out):
            assert np.max(np.abs(out)) <= 1.0
        if sound == "silence" and kind not in (Mix, NoiseFloor, Babble):
            assert np.max(np.abs(out), initial=0.0) < (1e-3 if kind is Codec else 1e-30)


# ----------------------------------------------------------------------------------------------------- room


def test_a_room_does_not_move_the_sound_nor_its_level() -> None:
    click = np.zeros(4_000, np.float32)
    click[1_000] = 1.0
    for delay in (0, 120, 900):
        response = room(delay)
        assert direct_path(response) == delay
        out = Room((response,)).apply(click, RoomPlan(0))
        assert int(np.argmax(np.abs(out))) == 1_000
        assert np.max(np.abs(out[:1_000])) < 1e-5
        early = out[1_000 : 1_000 + 800]
        assert float(np.sum(early**2)) == pytest.approx(1.0, abs=0.01)


def test_a_room_keeps_its_tail_when_asked() -> None:
    sound = word(16_000)
    sound[-2_000:] = noise(2_000 / SAMPLE_RATE, 7)
    dry, wet = Room((room(),)), Room((room(),), tail_s=0.25)
    whole = wet.apply(sound, RoomPlan(0))
    assert len(whole) == 20_000
    np.testing.assert_array_equal(whole[:16_000], dry.apply(sound, RoomPlan(0)))
    assert rms(whole[16_000:17_000]) > 1e-4


@pytest.mark.parametrize(
    ("responses", "got"),
    [((), "none"), ((np.zeros(9, np.float32),), "silent"), ((np.zeros(0, np.float32),), "silent")],
)
def test_unusable_impulse_responses_are_refused(responses: tuple[Samples, ...], got: str) -> None:
    with pytest.raises(AudioError) as caught:
        Room(responses)
    assert caught.value.what == "the room impulse responses cannot be used"
    assert got in caught.value.got
    assert "augment.rooms" in caught.value.do


# ------------------------------------------------------------------------------------------------------ mix


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 10.0, 25.0])
@pytest.mark.parametrize("seconds", [0.2, 1.5, 9.0])
def test_a_mix_has_the_ratio_that_was_planned(snr_db: float, seconds: float) -> None:
    sound = word()
    mix = Mix((noise(seconds, 5, 0.37),))
    out = mix.apply(sound, MixPlan(0, 0.4, snr_db))
    active = rms(sound[6_400:12_800])
    assert 20 * np.log10(active / rms(out - sound)) == pytest.approx(snr_db, abs=0.2)


def test_pauses_do_not_lower_the_level_of_the_speech() -> None:
    sound = word()
    padded = np.concatenate([np.zeros(50_000, np.float32), sound, noise(1.0, 8, 1e-4)])
    assert active_rms(padded) == pytest.approx(active_rms(sound), rel=0.03)
    assert active_rms(np.zeros(0, np.float32)) == active_rms(np.zeros(500, np.float32)) == 0.0


def test_a_silent_background_leaves_the_clip_and_a_silent_clip_leaves_the_background() -> None:
    silence, sound, under = np.zeros(25_600, np.float32), word(), noise(1.6, 6)
    np.testing.assert_array_equal(Mix((silence,)).apply(sound, MixPlan(0, 0.0, 0.0)), sound)
    np.testing.assert_array_equal(Mix((noise(1.6, 6, 1e-6),)).apply(sound, MixPlan(0, 0.0, -20.0)), sound)
    np.testing.assert_array_equal(Mix((silence[:0],)).apply(sound, MixPlan(0, 0.5, 0.0)), sound)
    np.testing.assert_array_equal(Mix((under,)).apply(silence, MixPlan(0, 0.0, 10.0)), under)


def test_the_place_in_the_background_is_the_planned_one() -> None:
    ramp = np.linspace(0.1, 1.0, 100_000, dtype=np.float32)
    silence = np.zeros(10_000, np.float32)
    np.testing.assert_array_equal(Mix((ramp,)).apply(silence, MixPlan(0, 1.0, 0.0)), ramp[-10_000:])
    np.testing.assert_array_equal(Mix((ramp,)).apply(silence, MixPlan(0, 0.0, 0.0)), ramp[:10_000])


# ------------------------------------------------------------------------------------------ voice and channel


def spectrum_db(samples: Samples, hz: float) -> float:
    power = np.abs(np.fft.rfft(samples)) ** 2
    at = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    return float(10 * np.log10(power[(at > hz * 0.95) & (at < hz * 1.05)].mean()))


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.25])
def test_speed_changes_tempo_and_pitch_and_knows_where_the_word_went(factor: float) -> None:
    time = np.arange(32_000) / SAMPLE_RATE
    tone = np.sin(2 * np.pi * 500 * time).astype(np.float32)
    out = Speed().apply(tone, SpeedPlan(factor))
    assert len(out) == pytest.approx(32_000 / factor, abs=2)
    peak_hz = np.argmax(np.abs(np.fft.rfft(out))) * SAMPLE_RATE / len(out)
    assert peak_hz == pytest.approx(500 * factor, abs=1)
    click = np.zeros(32_000, np.float32)
    click[20_000] = 1.0
    moved = Speed.moved(20_000, SpeedPlan(factor))
    assert int(np.argmax(np.abs(Speed().apply(click, SpeedPlan(factor))))) == pytest.approx(moved, abs=1)


def voiced(hz: float, seconds: float = 2.0) -> Samples:
    """A buzz with harmonics, as of a voice."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return sum(0.2 / k * np.sin(2 * np.pi * hz * k * time) for k in range(1, 12)).astype(np.float32)  # type: ignore[union-attr]


def pitch_of(samples: Samples) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 1 << 17)) ** 2
    likeness = np.fft.irfft(spectrum)
    return SAMPLE_RATE / (40 + int(np.argmax(likeness[40:300])))


@pytest.mark.parametrize("factor", [0.88, 1.0, 1.14])
@pytest.mark.parametrize("hz", [95.0, 190.0])
def test_pitch_changes_and_the_tempo_does_not(hz: float, factor: float) -> None:
    sound = voiced(hz)
    sound[:8_000] = sound[24_000:] = 0.0
    out = Pitch().apply(sound, PitchPlan(factor))
    assert len(out) == len(sound)
    assert pitch_of(out[10_000:22_000]) == pytest.approx(hz * factor, rel=0.02)
    level = [rms(out[i : i + 800]) for i in range(0, 32_000, 800)]
    assert max(level[:9]) < 0.01 * max(level)
    assert max(level[31:]) < 0.01 * max(level)
    assert min(level[11:29]) > 0.85 * max(level)  # no holes where pieces meet


def test_a_stretch_by_one_gives_the_sound_back() -> None:
    np.testing.assert_allclose(pitch.stretch(word(), 1.0), word(), atol=1e-6)


def test_the_equaliser_gives_what_it_planned_and_does_not_move_the_word() -> None:
    equaliser, sound = Equaliser(12.0), noise(4.0)
    plan = equaliser.draw(np.random.default_rng(3))
    out = equaliser.apply(sound, plan)
    for hz, gain in zip(equaliser.knots_hz, plan.gains_db, strict=True):
        assert spectrum_db(out, hz) - spectrum_db(sound, hz) == pytest.approx(gain, abs=1.0)
        assert abs(gain) <= 12.0
    click = np.zeros(8_000, np.float32)
    click[5_000] = 1.0
    assert int(np.argmax(np.abs(equaliser.apply(click, plan)))) == 5_000


def test_an_equaliser_without_gain_changes_nothing() -> None:
    sound = word()
    np.testing.assert_allclose(
        Equaliser(0.0).apply(sound, Equaliser(0.0).draw(np.random.default_rng(1))), sound, atol=1e-6
    )


def test_a_telephone_keeps_the_voice_band_only() -> None:
    sound = noise(4.0)
    out = BandLimit().apply(sound, BandLimitPlan(300.0, 3400.0, 6))
    change = {hz: spectrum_db(out, hz) - spectrum_db(sound, hz) for hz in (100, 300, 1000, 3400, 6000)}
    assert change[1000] == pytest.approx(0.0, abs=0.3)
    assert change[300] == pytest.approx(-3.0, abs=1.0)
    assert change[3400] == pytest.approx(-3.0, abs=1.0)
    assert change[100] < -40
    assert change[6000] < -25


def test_every_kind_of_narrow_channel_is_drawn() -> None:
    rng = np.random.default_rng(1)
    assert {BandLimit().draw(rng).order for _ in range(60)} == {2, 6, 16}
    assert {BandLimit(("codec",)).draw(rng).order for _ in range(9)} == {16}


@pytest.mark.parametrize("soft", [True, False])
def test_overload_limits_below_the_peak(soft: bool) -> None:
    time = np.arange(8_000) / SAMPLE_RATE
    tone = (0.8 * np.sin(2 * np.pi * 200 * time)).astype(np.float32)
    out = Overload().apply(tone, OverloadPlan(6.0206, soft))
    assert np.max(np.abs(out)) == pytest.approx(0.4, rel=0.05 if soft else 1e-3)
    assert spectrum_db(out, 600) > spectrum_db(tone, 600) + 30


@pytest.mark.parametrize("peak_db", [-32.0, -3.0, 0.0])
def test_gain_sets_the_peak(peak_db: float) -> None:
    out = Gain().apply(word(), channel.GainPlan(peak_db))
    assert 20 * np.log10(np.max(np.abs(out))) == pytest.approx(peak_db, abs=1e-3)


@pytest.mark.parametrize("slope", [0, 1, 2])
def test_the_noise_floor_has_its_level_and_colour(slope: int) -> None:
    silence = np.zeros(64_000, np.float32)
    out = NoiseFloor().apply(silence, channel.NoiseFloorPlan(-60.0, slope, 7))
    assert 20 * np.log10(rms(out)) == pytest.approx(-60.0, abs=0.05)
    per_octave = (spectrum_db(out, 4_000) - spectrum_db(out, 500)) / 3
    assert per_octave == pytest.approx(-3.01 * slope, abs=0.4)


# ------------------------------------------------------------------------------- tempo, silence, babble, link


@pytest.mark.parametrize("factor", [0.85, 1.2])
@pytest.mark.parametrize("hz", [95.0, 190.0])
def test_a_stretch_changes_the_tempo_and_not_the_pitch(hz: float, factor: float) -> None:
    sound = voiced(hz)
    sound[:8_000] = sound[24_000:] = 0.0
    out = Stretch().apply(sound, StretchPlan(factor))
    assert len(out) == round(32_000 * factor)
    assert pitch_of(out[int(10_000 * factor) : int(22_000 * factor)]) == pytest.approx(hz, rel=0.02)
    loud = np.flatnonzero(np.abs(out) > 0.05)
    assert loud[0] == pytest.approx(8_000 * factor, abs=480)
    assert loud[-1] == pytest.approx(24_000 * factor, abs=480)


def test_trimming_cuts_silence_and_never_the_word() -> None:
    sound = noise(4.0, 3, 0.0003)
    sound[20_000:36_000] = word_tone = 0.3 * np.sin(np.arange(16_000) * 0.2).astype(np.float32)
    guard = int(scene.TRIM_GUARD_S * SAMPLE_RATE)
    rng, lengths = np.random.default_rng(1), set()
    for plan in [TrimPlan(0.0, 0.0), TrimPlan(1.0, 1.0), *(Trim().draw(rng) for _ in range(40))]:
        out = Trim().apply(sound, plan)
        lengths.add(len(out))
        at = int(np.argmax(np.abs(out) > 0.003))
        first = at - int(np.argmax(np.abs(word_tone) > 0.003))
        np.testing.assert_array_equal(out[first : first + 16_000], word_tone)
        assert first >= guard - 320
        assert len(out) - first - 16_000 >= guard - 320
    assert min(lengths) < 16_000 + 2 * (guard + 320) + 1
    assert max(lengths) == len(sound)
    assert len(lengths) > 30


def test_wet_and_dry_add_up() -> None:
    sound, whole = word(), Room((room(),))
    wet, partly = whole.apply(sound, RoomPlan(0)), Partly(whole)
    for share in (0.0, 0.25, 1.0):
        out = partly.apply(sound, augment.PartlyPlan(RoomPlan(0), share))
        np.testing.assert_allclose(out, share * wet + (1 - share) * sound, atol=1e-6)
    drawn = [Partly(whole, (0.2, 0.4)).draw(np.random.default_rng(i)).wet for i in range(50)]
    assert 0.2 <= min(drawn) < 0.23
    assert 0.37 < max(drawn) <= 0.4


def test_babble_is_many_voices_at_the_ratio_that_was_planned() -> None:
    sound = word()
    people = [noise(0.7, i) * np.sin(np.arange(11_200) / 600).astype(np.float32) for i in range(4)]
    for snr_db in (0.0, 12.0):
        under = Babble(people).apply(sound, BabblePlan(5, snr_db, 3)) - sound
        assert 20 * np.log10(rms(sound[6_400:12_800]) / rms(under)) == pytest.approx(snr_db, abs=0.2)
    alone, crowd = (Babble(people).apply(np.zeros(64_000, np.float32), BabblePlan(n, 0.0, 3)) for n in (1, 8))

    def swell(samples: Samples) -> float:
        """How much its level goes up and down: a single voice has pauses, a crowd has none."""
        levels = [rms(samples[i : i + 1_600]) for i in range(0, 64_000, 1_600)]
        return float(np.std(levels) / np.mean(levels))

    assert swell(alone) > 1.5 * swell(crowd)
    drawn = {Babble(people, (2, 4)).draw(np.random.default_rng(i)).voices for i in range(60)}
    assert drawn == {2, 3, 4}


def test_babble_without_anybody_is_refused() -> None:
    settings = Augment(babble=recipe_augment.Babble())
    with pytest.raises(AudioError) as caught:
        augment.surroundings(settings, (), ())
    assert caught.value.what == "there is nobody for the babble in the background"
    assert "background.speech" in caught.value.do


def spoken_like() -> Samples:
    """A voice that rises and falls, with a hiss in it: what speech coders are made for."""
    time = np.arange(32_000) / SAMPLE_RATE
    phase = 2 * np.pi * np.cumsum(130 + 40 * np.sin(2 * np.pi * 1.1 * time)) / SAMPLE_RATE
    buzz = sum(np.sin(k * phase) / k for k in range(1, 16))
    hiss = np.random.default_rng(1).standard_normal(32_000) * (np.sin(2 * np.pi * 2.3 * time) > 0.8)
    swell = np.clip(np.sin(2 * np.pi * 1.7 * time), 0.0, 1.0)
    return np.asarray(0.2 * (buzz + 0.5 * hiss) * swell, np.float32)  # type: ignore[operator]


@pytest.mark.parametrize("strength", [0.0, 1.0])
@pytest.mark.parametrize("kind", link.FORMS)
def test_a_coder_changes_the_sound_and_does_not_move_it(kind: Any, strength: float) -> None:
    sound = spoken_like()
    out = Codec((kind,)).apply(sound, CodecPlan(kind, strength))
    middle = sound[4_000:28_000]
    lags = np.arange(-160, 161)
    match = [float(np.dot(middle, out[4_000 + lag : 28_000 + lag])) for lag in lags]
    assert abs(int(lags[int(np.argmax(match))])) <= 8  # half a millisecond
    assert float(np.corrcoef(out, sound)[0, 1]) > 0.85
    assert float(np.max(np.abs(out - sound))) > 1e-3
    assert rms(out) == pytest.approx(rms(sound), rel=0.25)


def test_a_telephone_coder_leaves_nothing_above_4_khz_and_a_stronger_one_leaves_less() -> None:
    sound = noise(2.0)
    for kind in ("gsm", "mulaw", "alaw"):
        out = Codec((kind,)).apply(sound, CodecPlan(kind, 0.5))
        assert spectrum_db(out, 6_000) < spectrum_db(out, 1_000) - 30
    said = spoken_like()
    for kind in ("opus", "vorbis", "mp3"):
        light, strong = (rms(Codec((kind,)).apply(said, CodecPlan(kind, s)) - said) for s in (0.0, 1.0))
        assert strong > 1.2 * light
    rng = np.random.default_rng(3)
    assert {Codec().draw(rng).kind for _ in range(100)} == {"gsm", "mulaw", "adpcm", "opus", "vorbis", "mp3"}


def test_a_coder_that_libsndfile_lacks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link.soundfile, "available_subtypes", lambda form: {"VORBIS": ""} if form == "OGG" else {})
    Codec(("vorbis",))
    with pytest.raises(MissingPackage) as caught:
        Codec(("vorbis", "opus"))
    assert caught.value.what == "sound cannot be coded as opus"
    assert "OPUS" in caught.value.got
    assert "augment.codec.kinds" in caught.value.do


@pytest.mark.parametrize(("loss", "burst"), [(0.05, 1.0), (0.05, 4.0), (0.3, 2.0)])
def test_as_many_packets_are_lost_as_planned_and_in_such_bursts(loss: float, burst: float) -> None:
    gone = np.array(link.lost(60_000 * link.PACKET, DropoutsPlan(loss, burst, False, 5)))
    assert gone.mean() == pytest.approx(loss, rel=0.1)
    runs = np.diff(np.flatnonzero(np.diff(np.concatenate([[0], gone.astype(int), [0]]))))[::2]
    assert runs.mean() == pytest.approx(burst, rel=0.1)


def test_what_is_lost_is_silent_or_repeated_and_the_rest_is_as_it_was() -> None:
    sound = noise(2.0)
    for repeated in (False, True):
        plan = DropoutsPlan(0.3, 2.0, repeated, 7)
        gone, out = link.lost(len(sound), plan), Dropouts().apply(sound, plan)
        packets, heard = sound.reshape(-1, link.PACKET), out.reshape(-1, link.PACKET)
        assert 10 < sum(gone) < 50
        level, last = 1.0, np.zeros(link.PACKET, np.float32)
        for was, now, missing in zip(packets, heard, gone, strict=True):
            level, last = (level / 2, last) if missing else (1.0, was)
            expected = last * np.float32(level) if repeated else last * 0
            np.testing.assert_array_equal(now, expected if missing else was)


# ------------------------------------------------------------------------------------------------ composition


def test_sometimes_follows_its_share() -> None:
    rng = np.random.default_rng(2)
    applied = sum(Sometimes(Gain(), 0.3).draw(rng).inner is not None for _ in range(1_000))
    assert 250 <= applied <= 350
    assert Sometimes(Gain(), 0.0).draw(rng).inner is None
    assert Sometimes(Gain(), 1.0).draw(rng).inner is not None


def test_a_chain_stays_within_full_scale_unless_told_otherwise() -> None:
    loud, rng = noise(0.5, 3, 2.0), np.random.default_rng(1)
    assert np.max(np.abs(Chain(()).apply(loud, Chain(()).draw(rng)))) == pytest.approx(1.0)
    free = Chain((), full_scale=False)
    np.testing.assert_array_equal(free.apply(loud, free.draw(rng)), loud)


def test_the_recipe_decides_the_chain() -> None:
    backgrounds, rooms = (noise(3.0),), (room(),)
    settings = Augment(room_share=1.0, noise_share=1.0)
    kinds = [type(getattr(t, "transform", t)) for t in augment.surroundings(settings, rooms, backgrounds).transforms]
    assert kinds == [Room, Mix, BandLimit, Overload, Gain, NoiseFloor]
    bare = augment.surroundings(settings, (), ())
    assert [type(getattr(t, "transform", t)) for t in bare.transforms] == kinds[2:]
    assert augment.voice(Augment(speed=(0.9, 1.1), eq_db=3.0)).transforms == (Speed((0.9, 1.1)), Equaliser(3.0))


def test_what_a_recipe_switches_on_is_in_the_chain_with_its_settings() -> None:
    settings = Augment(
        room_share=1.0,
        noise_share=1.0,
        wet=(0.2, 0.8),
        overload_share=0.4,
        babble=recipe_augment.Babble(share=0.3, voices=(2, 3), snr_db=(1.0, 2.0)),
        codec=recipe_augment.Codec(share=0.6, kinds=("gsm",)),
        dropouts=recipe_augment.Dropouts(share=0.7, loss=(0.1, 0.2), burst=(1.0, 2.0)),
        stretch=(0.9, 1.1),
        pitch=(0.9, 1.1),
        trim_share=0.5,
    )
    rooms, backgrounds, speech = (room(),), (noise(3.0),), (noise(1.0),)
    chain = augment.surroundings(settings, rooms, backgrounds, speech)
    assert chain.transforms == (
        Sometimes(Partly(Room(rooms), (0.2, 0.8)), 1.0),
        Sometimes(Mix(backgrounds, (-2.0, 25.0)), 1.0),
        Sometimes(Babble(speech, (2, 3), (1.0, 2.0)), 0.3),
        Sometimes(BandLimit(), 0.2),
        Sometimes(Overload(), 0.4),
        Gain((-32.0, -3.0)),
        NoiseFloor(),
        Sometimes(Codec(("gsm",)), 0.6),
        Sometimes(Dropouts((0.1, 0.2), (1.0, 2.0)), 0.7),
    )
    assert augment.voice(settings).transforms == (
        Sometimes(Trim(), 0.5),
        Speed((0.85, 1.2)),
        Pitch((0.9, 1.1)),
        Stretch((0.9, 1.1)),
        Equaliser(8.0),
    )
    out = chain.apply(word(32_000), chain.draw(np.random.default_rng(1)))
    assert len(out) == 32_000


def test_levels_part_the_ratios_from_clean_to_hard() -> None:
    settings = Augment(
        snr_db=(-2.0, 25.0),
        babble=recipe_augment.Babble(snr_db=(0.0, 9.0)),
        schedule=recipe_augment.Schedule(levels=3),
    )
    parts = [augment.at_level(settings, level) for level in range(3)]
    assert [p.snr_db for p in parts] == [(16.0, 25.0), (7.0, 16.0), (-2.0, 7.0)]
    assert [p.babble.snr_db for p in parts if p.babble] == [(6.0, 9.0), (3.0, 6.0), (0.0, 3.0)]
    assert augment.at_level(settings, None) is settings
    plain = Augment()
    assert augment.at_level(plain, 1) is plain


def test_the_surroundings_keep_the_length_and_the_end_of_the_word() -> None:
    sound, rng = word(32_000), np.random.default_rng(5)
    chain = augment.surroundings(Augment(room_share=1.0, snr_db=(20.0, 25.0)), (room(),), (noise(3.0),))
    for _ in range(10):
        out = chain.apply(sound, chain.draw(rng))
        assert len(out) == len(sound)
        assert rms(out[15_000:16_000]) > 3 * rms(out[24_000:])
