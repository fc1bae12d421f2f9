"""A real Helix in a terminal of its own, with the configuration exactly as its page has it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.binary import ROOT, Secondlook
from support.model_server import chat, hang, serve
from support.terminal import PATIENCE, Terminal

PAGE = ROOT / "editors" / "helix" / "README.md"
START = "#include <stdio.h>\n\n/* what went wrong */\n"
COMPLETION = """void report(const char *path, const char *message)
{
    printf("%s: ", path);
    printf(message);
    putchar('\\n');
}
"""
MENDED = COMPLETION.replace("printf(message)", 'printf("%s", message)')
CODE = (
    "import subprocess\n\n\n"
    "def list_folder(folder):\n"
    '    out = subprocess.run("ls -l " + folder, shell=True)\n'
    "    return out\n"
)
CURED = CODE.replace('"ls -l " + folder, shell=True', '["ls", "-l", "--", folder]')


def from_page(name: str) -> str:
    """A block of the page that is marked as tested."""
    found = re.search(rf"<!-- tested: {name} -->\n```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found, f"{PAGE} has no block for {name}"
    return found[1]


def said_of_clangd() -> str:
    """What the page writes in clangd's place, so that the reason comes from our server."""
    found = re.search(r'`(\{ name = "clangd"[^`]*\})`', PAGE.read_text())
    assert found, f"{PAGE} does not say how clangd is not asked for its hover"
    return found[1]


class Helix(Terminal):
    """A Helix in a private tmux."""

    def command(self, text: str) -> None:
        """Runs a typable command."""
        self.press("Escape", ":")
        self.type(text)
        self.press("Enter")

    def choose(self, title: str) -> None:
        """Opens the menu of actions and takes the first with these words."""
        self.press("Space", "a")
        menu = self.wait(f"an action `{title}`", lambda screen: title in screen)
        # The menu stands in the one column of the screen where its lines begin.
        lines = menu.splitlines()
        at = next(number for number, line in enumerate(lines) if title in line)
        column = lines[at].index(title)
        first = at
        while first > 0 and is_entry(lines[first - 1], column):
            first -= 1
        # The first is chosen when the menu opens.
        # A person does not press in the moment in which the menu appears.
        time.sleep(0.5)
        self.press(*["C-n"] * (at - first), "Enter")

    def saved(self, file: Path, text: str) -> None:
        """Saves and waits until the file is as it should be."""
        self.command("w")
        end = time.monotonic() + PATIENCE
        while file.read_text() != text and time.monotonic() < end:
            time.sleep(0.1)
        assert file.read_text() == text


def is_entry(line: str, column: int) -> bool:
    """Whether a line of a menu has an entry that begins at a column."""
    return line[column : column + 1].isalpha() and line[max(column - 1, 0) : column].isspace()


@pytest.fixture(scope="session")
def program() -> Path:
    """The Helix to drive."""
    named = os.environ.get("SECONDLOOK_HELIX")
    if not named:
        pytest.skip("SECONDLOOK_HELIX names no Helix; tests/run helix unpacks one")
    if not shutil.which("tmux"):
        pytest.skip("tmux is missing")
    return Path(named)


# The environment names a folder with clangd and pylsp: the page has our server beside those.
Start = Callable[..., Helix]


@pytest.fixture
def helix(program: Path, secondlook: Secondlook, tmp_path: Path) -> Iterator[Start]:
    """Starts Helix on a file, with the page's configuration and perhaps more of it."""
    started: list[Helix] = []
    beside = os.environ.get("SECONDLOOK_BESIDE", "")

    def start(file: Path, languages: str = "", *, alone: bool = False) -> Helix:
        on_path = secondlook.home / "bin"
        on_path.mkdir(exist_ok=True)
        (on_path / "secondlook").symlink_to(secondlook.path)
        config = tmp_path / "config" / "helix"
        config.mkdir(parents=True)
        servers = from_page("languages.toml")
        if alone:
            # What the page says of a reason that is read whole: first in the list, or the only one
            # that is asked.
            servers = servers.replace('["pylsp", "secondlook"]', '["secondlook", "pylsp"]')
            servers = servers.replace('"clangd"', said_of_clangd())
        (config / "languages.toml").write_text(servers + languages)
        (config / "config.toml").write_text(from_page("config.toml"))
        environment = secondlook.environment | {
            "PATH": f"{on_path}:{beside}:{os.environ['PATH']}",
            "XDG_CONFIG_HOME": str(tmp_path / "config"),
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
        }
        made = Helix(tmp_path / "tmux", environment)
        log = tmp_path / "helix.log"
        words = [str(program), "-vv", "--log", str(log), str(file)]
        # The folder in which Helix is started is its workspace.
        made.start(f"cd {shlex.quote(str(file.parent))} && {shlex.join(words)}")
        started.append(made)
        made.wait("the file", lambda screen: file.name in screen)
        return made

    yield start
    for each in started:
        each.end()


def server_of(secondlook: Secondlook) -> int | None:
    """The running server that was started from this home."""
    ours = str(secondlook.home / "bin" / "secondlook")
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[1:2] == [b"lsp"] and words[0].decode() in (ours, "secondlook"):
            environment = (entry / "environ").read_bytes()
            if str(secondlook.home).encode() in environment:
                return int(entry.name)
    return None


def test_from_a_paste_to_a_saved_fix_and_over_a_crash(
    helix: Start, secondlook: Secondlook, folder: Path
) -> None:
    file = folder / "report.c"
    file.write_text(START)
    completion = folder / "completion.txt"
    completion.write_text(COMPLETION)
    editor = helix(file)
    # The server is known to run before anything is inserted.
    editor.wait("the server", lambda _: server_of(secondlook) is not None)
    editor.press("g", "e")
    editor.command(f"insert-output cat {completion}")
    editor.wait("the text", lambda screen: "putchar" in screen)
    editor.wait("the finding", lambda screen: "likely AI-inserted" in screen)
    # Helix 25.01 asks only the first server for its hover, which is clangd here; the discussions
    # are reached through the menu as well.
    editor.press("Escape", "]", "d")
    editor.choose("Open the discussion")
    editor.wait("an address", lambda screen: "https://" in screen)
    editor.press("Escape", "g", "g", "]", "d")
    editor.choose("Print the data")
    editor.wait("the fix", lambda screen: 'printf("%s", message)' in screen)
    text = file.read_text()
    assert text == START
    editor.command("w")
    editor.wait("silence", lambda screen: "AI-inserted" not in screen)
    assert MENDED.strip() in file.read_text()
    assert secondlook.check(file).findings == []

    first = server_of(secondlook)
    assert first is not None
    os.kill(first, signal.SIGKILL)
    editor.wait("word of the end", lambda screen: "exited" in screen.lower())
    editor.command("lsp-restart")
    editor.wait("another server", lambda _: server_of(secondlook) not in (None, first))
    editor.press("u")
    editor.wait("its finding", lambda screen: "this format string is data" in screen)


def test_a_revision_ends_with_an_edit_and_is_applied_once(
    helix: Start, secondlook: Secondlook, folder: Path
) -> None:
    file = folder / "app.py"
    file.write_text(CODE)
    with serve(hang, chat(f"```python\n{CURED}```\n")) as model:
        more = (
            "\n[language-server.secondlook.config]\n"
            f'model-provider = "openai-chat"\nmodel-url = "{model.url}"\n'
            'model-name = "test-model"\nmodel-timeout = 60000\n'
        )
        editor = helix(file, more)
        editor.wait("the finding", lambda screen: "shell command" in screen)
        editor.press("]", "d")
        editor.choose("Revise with community knowledge")
        editor.wait("the question", lambda _: len(model.requests) == 1)
        editor.wait("the progress", lambda screen: "the model is answering" in screen)
        # An edit ends it; then it is asked again, of the new text.
        editor.press("Escape", "i")
        editor.type(" ")
        editor.press("Escape")
        editor.wait("the end", lambda screen: "text changed" in screen or model.open == 0)
        editor.press("u")
        editor.wait("the finding again", lambda screen: "shell command" in screen)
        editor.press("]", "d")
        editor.choose("Revise with community knowledge")
        editor.wait("the cure", lambda screen: '["ls", "-l", "--", folder]' in screen)
        editor.saved(file, CURED)
        assert model.settled()
    assert len(model.requests) == 2


def test_the_reason_is_read_and_the_workspace_scanned(
    helix: Start, secondlook: Secondlook, folder: Path
) -> None:
    file = folder / "report.c"
    file.write_text(START + COMPLETION)
    (folder / "secondlook.toml").write_text("")
    other = folder / "ask.c"
    other.write_text("#include <stdio.h>\n\nvoid ask(char *name)\n{\n    gets(name);\n}\n")
    editor = helix(file, alone=True)
    editor.wait("the finding", lambda screen: "this format string is data" in screen)
    editor.press("Escape", "]", "d", "Space", "k")
    editor.wait("the reason", lambda screen: "What people say" in screen)
    editor.press("Escape")
    editor.command("lsp-workspace-command secondlook.scanWorkspace")

    def listed(screen: str) -> bool:
        if "c/gets" in screen and "ask.c" in screen:
            return True
        # The list is of the moment in which it is opened.
        editor.press("Escape", "Space", "D")
        time.sleep(1)
        return False

    editor.wait("a finding in a file that is not open", listed)
