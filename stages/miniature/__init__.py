"""A small text-conditioned MusicGen, a small EnCodec, and the Dora program that trains them.

A checkpoint has AudioCraft's names everywhere; where each comes from:

==============================  ====================================================================
keys of a checkpoint            ``audiocraft.solvers.base``; ``adv_losses``: ``solvers.compression``
keys of ``xp.cfg``              ``config/`` in AudioCraft's sources, by solver, model, conditioner
tensors of a language model     ``audiocraft.models.lm``, ``modules.transformer``, ``conditioners``
tensors of a codec              ``audiocraft.models.encodec``, ``modules.seanet``, ``modules.conv``
codebooks and their buffers     ``audiocraft.quantization.core_vq``
metrics of a history            the solvers, and ``audiocraft.losses``
==============================  ====================================================================
"""
