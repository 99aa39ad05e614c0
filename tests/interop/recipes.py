"""What AudioCraft is asked for: its own solvers' models, at a size that takes seconds on a CPU."""

from __future__ import annotations

from dataclasses import dataclass

from tests.interop.environment import LATER, OFFICIAL

CPU = (
    "device=cpu", "mp_start_method=fork", "num_threads=1", "dset=audio/example",
    "dataset.num_workers=0", "generate.num_workers=0", "evaluate.num_workers=0",
    "logging.log_tensorboard=false", "optim.epochs=2", "optim.updates_per_epoch=2",
    "dataset.batch_size=2", "dataset.train.num_samples=4", "dataset.valid.num_samples=2",
    "dataset.evaluate.num_samples=2", "dataset.generate.num_samples=1", "checkpoint.save_every=1",
)  # fmt: skip
CODEC = (
    "seanet.n_filters=2", "seanet.dimension=8", "rvq.bins=256", "rvq.kmeans_iters=5",
    "msstftd.filters=2", "dataset.evaluate.batch_size=2", "dataset.generate.batch_size=1",
    "dataset.generate.segment_duration=1",
)  # fmt: skip
LM = (
    "model/lm/model_scale=xsmall", "transformer_lm.card=256",
    "transformer_lm.memory_efficient=false", "dataset.segment_duration=20",
    "dataset.min_segment_ratio=0", "optim.optimizer=adamw",
    "generate.lm.gen_duration=1", "generate.lm.prompted_samples=false",
    "generate.audio.strategy=peak",
    "optim.lr=1e-3", "optim.ema.device=cpu", "optim.ema.updates=1", "deadlock.use=false",
)  # fmt: skip
MUSICGEN = ("solver=musicgen/musicgen_base_32khz", *LM, "schedule.cosine.warmup=1")
FLOAT32 = ("autocast=false",)
STEREO = (
    "channels=2", "interleave_stereo_codebooks.use=true", "transformer_lm.n_q=8",
    "codebooks_pattern.delay.delays=[0,0,1,1,2,2,3,3]",
)  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """An experiment.

    Attributes:
        name: what the table calls it.
        overrides: what follows ``dora run``, without the places of data and codec.
        codec: the recipe of the EnCodec it is trained on; ``None`` for an EnCodec itself.
        rate: sample rate of its data, in Hz.
        channels: of its data.
        model: AudioCraft's class that loads its release.
        release: the release file that describes it.
        text: whether it takes a text.
        melody: whether it takes a sound beside it.
        version: of AudioCraft, which has the model.
    """

    name: str
    overrides: tuple[str, ...]
    codec: Recipe | None = None
    rate: int = 32000
    channels: int = 1
    model: str = "MusicGen"
    release: str = "musicgen_small"
    text: bool = True
    melody: bool = False
    version: str = OFFICIAL


ENCODEC = Recipe("encodec", ("solver=compression/encodec_musicgen_32khz", *CPU, *CODEC))
ENCODEC_16KHZ = Recipe(
    "encodec-16khz",
    ("solver=compression/encodec_audiogen_16khz", *CPU, *CODEC),
    rate=16000,
)
TEXT = Recipe("text", (*MUSICGEN, *CPU, *FLOAT32), ENCODEC)
UNCONDITIONAL = Recipe(
    "unconditional", (*MUSICGEN, *CPU, *FLOAT32, "conditioner=none"), ENCODEC, text=False
)
AUDIOGEN = Recipe(
    "audiogen",
    (
        "solver=audiogen/audiogen_base_16khz", *LM, *CPU, *FLOAT32, "dataset.train.batch_size=2",
        "conditioners.description.t5.name=t5-base", "schedule.inverse_sqrt.warmup=1",
    ),
    ENCODEC_16KHZ,
    rate=16000,
    model="AudioGen",
    release="audiogen_medium",
)  # fmt: skip
TWO_CHANNELS = Recipe("stereo", (*MUSICGEN, *CPU, *FLOAT32, *STEREO), ENCODEC, channels=2)
AUTOCAST = Recipe("autocast", (*MUSICGEN, *CPU, "autocast=true", "autocast_dtype=float16"), ENCODEC)
MAGNET = Recipe(
    "magnet",
    (
        "solver=magnet/magnet_32khz", *LM, *CPU, *FLOAT32, "schedule.cosine.warmup=1",
        # It makes as much as it was trained on at once; its restricted attention is xformers'.
        "dataset.segment_duration=1", "transformer_lm.memory_efficient=true",
    ),
    ENCODEC,
    model="MAGNeT",
    release="magnet_small",
)  # fmt: skip
CHROMA = (
    "solver=musicgen/musicgen_melody_32khz", *LM, *CPU, *FLOAT32, "schedule.cosine.warmup=1"
)  # fmt: skip
MELODY = Recipe("melody", CHROMA, ENCODEC, release="musicgen_melody", melody=True)
STYLE = Recipe(
    "style",
    (
        # No package has the config of its solver, which is that of melody but for the conditioner.
        *CHROMA, "~conditioners.self_wav.chroma_stem", "conditioners.self_wav.model=style",
        "+conditioners.self_wav.style={model_name: encodec, sample_rate: 32000,"
        " encodec_checkpoint: //pretrained/debug_compression_model, encodec_n_q: 2, length: 0.5,"
        " transformer_scale: xsmall, ds_factor: 2, n_q_out: 3, eval_q: 2, bins: 16}",
    ),
    ENCODEC,
    release="musicgen_style",
    melody=True,
    version=LATER,
)  # fmt: skip
