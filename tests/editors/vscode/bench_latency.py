"""What a key costs in VS Code; run by tests/editors/latency."""

from __future__ import annotations

import json
from pathlib import Path

from support.latency import FLAGGED, KEYS, ROUNDS, Round, compare, long_file
from support.model_server import hang, serve
from support.vscode import Start, Tools

DRIVER = Path(__file__).with_name("latency.mjs")


def test_latency_in_vscode(tools: Tools, start: Start, folder: Path, tmp_path: Path) -> None:
    (folder / "long.py").write_text(long_file())
    (folder / "small.py").write_text(FLAGGED)
    silent = tmp_path / "nothing"
    silent.write_text("")
    with serve(hang) as model:
        settings = {
            "secondlook.model-provider": "openai-chat",
            "secondlook.model-url": model.url,
            "secondlook.model-name": "slow",
            "secondlook.model-timeout": 600_000,
        }
        packages = [tools.assistant]
        without = start(folder, packages=packages, ASSISTANT_TEXT=str(silent))
        packages = [tools.extension / "secondlook.vsix", tools.assistant]
        code = start(folder, settings=settings, packages=packages, ASSISTANT_TEXT=str(silent))
        result, said = code.node(
            DRIVER,
            tools.playwright,
            tools.browser,
            folder,
            str(without.port),
            str(code.port),
            str(ROUNDS),
            str(KEYS),
            PICTURES=str(tmp_path),
        )
        assert result == 0, said
        # A question that waits too long is put again; one of them was open all the time.
        assert model.requests and model.open <= 1
    read = json.loads(next(it for it in said.splitlines() if it.startswith("{")))
    times = {way: [Round(**each) for each in rounds] for way, rounds in read.items()}
    assert all(len(each.times) == KEYS for rounds in times.values() for each in rounds)
    ways = {
        "without the extension": lambda: times["without"].pop(0),
        "with it, while a model is asked": lambda: times["with"].pop(0),
    }
    compare("VS Code", ways)
