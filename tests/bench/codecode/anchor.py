"""What one token of the base alone costs in llama.cpp: processor time of one thread.

The prompts are the benchmark's.

python anchor.py MODEL.gguf [TOKENS]     with the package llama-cpp-python
"""

import json
import statistics
import sys
import time
from pathlib import Path

from llama_cpp import Llama


def main(model: str, tokens: int) -> None:
    llm = Llama(model, n_ctx=2048, n_threads=1, n_threads_batch=1, verbose=False)
    costs: dict[str, list[float]] = {}
    for line in (Path(__file__).parent / "prompts.jsonl").read_text().splitlines():
        prompt = json.loads(line)
        text = prompt["text"]
        if prompt["kind"] == "revision":
            text = f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n"
        llm.reset()
        llm.eval(llm.tokenize(text.encode(), add_bos=False, special=True))
        before = time.process_time()
        for _ in range(tokens):
            llm.eval([llm.sample(temp=0.0)])
        costs.setdefault(prompt["kind"], []).append((time.process_time() - before) / tokens * 1000)
    for kind, own in costs.items():
        low, middle, high = statistics.quantiles(own, n=4)
        print(
            f"{len(own)} {kind}: {middle:.1f} ms of processor time a token ({low:.1f}-{high:.1f})"
        )


main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 24)
