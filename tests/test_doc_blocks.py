"""What the docs show to be pasted works: every command line is one, and the blocks of a first day are run."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from pipelines.kafka.local.brokers import free_port
from tests.command import command, misused
from tests.lab.layouts import write

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

#: Options of Beam and of its runners that the docs name.
OF_BEAM = ("--parallelism", "--sdk-worker-parallelism", "--max-bundle-time-mills", "--max-bundle-size")


class Block(NamedTuple):
    """A block of a page, to be pasted into a terminal."""

    page: str
    text: str

    @property
    def commands(self) -> Iterator[list[str]]:
        """Its lines that call us, as words."""
        for line in self.text.replace("\\\n", " ").splitlines():
            if line.startswith("stopline "):
                said = re.split(r"\s+#|\s{3,}|\s&$", line)[0]  # what it is for stands behind
                yield shlex.split(said)[1:]


def blocks(page: Path) -> Iterator[Block]:
    fenced = re.findall(r"^```\w*\n(.*?)^```", page.read_text(), re.M | re.S)
    indented = re.findall(r"(?<=\n\n)((?: {4}\S.*\n(?: {4,}.*\n)*)+)", page.read_text())
    for text in (*fenced, *indented):
        if re.match(r"\s*stopline ", text):
            yield Block(page.name, re.sub(r"^ {4}", "", text, flags=re.M))


BLOCKS = [block for page in PAGES for block in blocks(page)]
LINES = [(block.page, words) for block in BLOCKS for words in block.commands]


def block_of(page: str, word: str) -> Block:
    """The block of a page that holds a word."""
    (found,) = [block for block in BLOCKS if block.page == page and word in block.text]
    return found


@pytest.mark.parametrize(
    ("page", "words"), LINES, ids=[f"{page}-{' '.join(words)[:60]}" for page, words in LINES]
)
def test_a_command_line_of_the_docs_names_a_command_and_options_that_exist(
    page: str, words: list[str]
) -> None:
    assert misused([word for word in words if word not in "…"], OF_BEAM) == ""


@pytest.mark.slow
def test_a_tables_first_steps_are_taken_as_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "iso_csv").rename(tmp_path / "payments.csv")
    monkeypatch.chdir(tmp_path)
    ran = []

    for words in block_of("your-data.md", "stopline import iso_csv").commands:
        if words[0] in {"tokens", "import", "check"}:
            ran.append(command(*words).exit_code)

    assert ran == [0, 0, 0]


def test_messages_are_checked_as_the_docs_show(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (words,) = [each for each in block_of("your-data.md", "pacs.008.xml").commands if each[0] == "check"]
    monkeypatch.chdir(ROOT)

    assert "accepted, 0 refused" in command(*words).stdout


class Pasted(NamedTuple):
    """A block that is run by a shell, as it stands but for the port of the broker."""

    page: str
    word: str
    says: str


PASTED = [
    Pasted("your-data.md", "stopline import iso_csv", "both legs: scam money"),
    Pasted("your-data.md", "stopline send fixtures/messages", '"alert_id":'),
    Pasted("legal.md", "stopline lifecycle send order.json", "is ACTIVE"),
]


def examples(page: str) -> Iterator[tuple[str, str]]:
    """Name and text of the files that a page shows: `name`: in front of a block of JSON."""
    text = (ROOT / "docs" / page).read_text()
    yield from re.findall(r"`([a-z_]+\.jsonl?)`[^`]*```jsonl?\n(.*?)```", text, re.S)


def await_word(said: Path, word: str, shell: "subprocess.Popen[bytes]") -> None:
    """Wait until a word is said; a shell that ends before has to end well and to have said it."""
    deadline = time.monotonic() + 280
    while word not in said.read_text():
        if (code := shell.poll()) is not None:
            assert (code, word in said.read_text()) == (0, True), said.read_text()
        assert time.monotonic() < deadline, said.read_text()
        time.sleep(0.2)


@pytest.mark.slow
@pytest.mark.parametrize("pasted", PASTED, ids=lambda pasted: pasted.word)
def test_a_block_that_is_pasted_into_a_terminal_works_as_it_stands(pasted: Pasted, tmp_path: Path) -> None:
    write(tmp_path, "iso_csv", rows=20_000).rename(tmp_path / "payments.csv")
    for name, text in examples(pasted.page):
        (tmp_path / name).write_text(text)
    for folder in ("fixtures", "models", "measures"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    start = tmp_path / "bin" / "stopline"
    start.parent.mkdir()
    start.write_text(f'#!/bin/sh\nexec {sys.executable} -c "from console.cli import main; main()" "$@"\n')
    start.chmod(0o700)
    text = block_of(pasted.page, pasted.word).text.replace("9092", str(free_port()))
    said = tmp_path / "said.txt"
    with said.open("w") as file:
        shell = subprocess.Popen(
            ["bash", "-e", "-c", text], cwd=tmp_path, stdout=file, stderr=subprocess.STDOUT,
            start_new_session=True,
            env=os.environ | {"PATH": f"{start.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    try:
        await_word(said, pasted.says, shell)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGTERM)
        shell.wait(30)
        subprocess.run([start, "broker", "down"], cwd=tmp_path, check=False, capture_output=True)
