"""One weakness from its diagnostic to its cure, for each kind of client, with pytest-lsp.

pytest-lsp is a client of other people: it holds every message against the types of the
specification. A file is opened, looked at, mended and silenced as an editor would do it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from lsprotocol import types as lsp
from lsprotocol.converters import get_converter
from pytest_lsp import ClientServerConfig, LanguageClient

from support import samples
from support.binary import Secondlook
from support.profiles import PROFILES
from support.text import apply_edits, sliced

CONVERTER = get_converter()
HEAD = "/* 🙂 */ "
TEXT = samples.C_FORMAT.format(note="").replace("    printf(message)", f"    {HEAD}printf(message)")
MENDED = TEXT.replace("printf(message)", 'printf("%s", message)')


class Session:
    """One client with one open document."""

    def __init__(self, client: LanguageClient, profile: str, path: Path) -> None:
        self.client = client
        self.profile = profile
        self.stated = PROFILES[profile]
        self.uri = path.as_uri()
        self.version = 0
        self.text = ""
        self.encoding = "utf-16"

    @property
    def pulls(self) -> bool:
        """Whether the client asks for diagnostics."""
        return "diagnostic" in self.stated["textDocument"]

    @property
    def resolves(self) -> bool:
        """Whether the client asks for the edit of an action."""
        return "resolveSupport" in self.stated["textDocument"]["codeAction"]

    def open(self, text: str) -> None:
        """Opens the document."""
        self.version, self.text = 1, text
        item = lsp.TextDocumentItem(self.uri, "c", self.version, text)
        self.client.text_document_did_open(lsp.DidOpenTextDocumentParams(item))

    def replace(self, text: str) -> None:
        """Replaces the whole text."""
        self.version, self.text = self.version + 1, text
        self.client.text_document_did_change(
            lsp.DidChangeTextDocumentParams(
                lsp.VersionedTextDocumentIdentifier(self.version, self.uri),
                [lsp.TextDocumentContentChangeWholeDocument(text)],
            )
        )

    async def diagnostics(self) -> list[lsp.Diagnostic]:
        """The diagnostics of the current version, in the way of the client."""
        if self.pulls:
            report = await self.client.text_document_diagnostic_async(
                lsp.DocumentDiagnosticParams(lsp.TextDocumentIdentifier(self.uri))
            )
            assert isinstance(report, lsp.RelatedFullDocumentDiagnosticReport)
            assert self.uri not in self.client.diagnostics, "pulled and pushed"
            return list(report.items)
        while self.published_version != self.version:
            await asyncio.wait_for(
                self.client.wait_for_notification(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS), 60
            )
        return list(self.client.diagnostics[self.uri])

    @property
    def published_version(self) -> int | None:
        """The version of what was pushed last."""
        return VERSIONS.get(self.client, {}).get(self.uri)

    async def actions(self, diagnostic: lsp.Diagnostic) -> list[lsp.CodeAction]:
        """The actions at a diagnostic."""
        answer = await self.client.text_document_code_action_async(
            lsp.CodeActionParams(
                lsp.TextDocumentIdentifier(self.uri),
                diagnostic.range,
                lsp.CodeActionContext(diagnostics=[diagnostic]),
            )
        )
        assert answer is not None
        return [it for it in answer if isinstance(it, lsp.CodeAction)]

    def edits(self, action: lsp.CodeAction) -> list[dict[str, Any]]:
        """The edits of an action, in the form that this client may be sent."""
        assert action.edit is not None
        edit = CONVERTER.unstructure(action.edit, lsp.WorkspaceEdit)
        if self.stated["workspace"]["workspaceEdit"]["documentChanges"]:
            (change,) = edit["documentChanges"]
            assert change["textDocument"] == {"uri": self.uri, "version": self.version}
            return change["edits"]
        assert "documentChanges" not in edit
        assert list(edit["changes"]) == [self.uri]
        return edit["changes"][self.uri]

    def apply(self, action: lsp.CodeAction) -> str:
        """The text after an action."""
        return apply_edits(self.text, self.edits(action), self.encoding)


VERSIONS: dict[LanguageClient, dict[str, int | None]] = {}


@pytest_asyncio.fixture(params=PROFILES)
async def session(
    request: pytest.FixtureRequest, secondlook: Secondlook, folder: Path
) -> AsyncIterator[Session]:
    """A session of each profile, shut down as the protocol says."""
    config = ClientServerConfig(
        server_command=[str(secondlook.path), "lsp"], server_env=secondlook.environment
    )
    client = await config.start()
    assert isinstance(client, LanguageClient)
    versions = VERSIONS.setdefault(client, {})
    usual = client.protocol.fm.features[lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS]

    def publish(params: lsp.PublishDiagnosticsParams) -> None:
        versions[params.uri] = params.version
        usual(params)

    client.protocol.fm.features[lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS] = publish
    path = folder / "report.c"
    path.write_text(TEXT, encoding="utf-8")
    made = Session(client, request.param, path)
    answer = await client.initialize_session(
        lsp.InitializeParams(
            CONVERTER.structure(made.stated, lsp.ClientCapabilities), root_uri=folder.as_uri()
        )
    )
    made.encoding = answer.capabilities.position_encoding or "utf-16"
    yield made
    await client.shutdown_session()
    del VERSIONS[client]


async def only_diagnostic(session: Session) -> lsp.Diagnostic:
    """Opens the sample and returns what is said of it."""
    session.open(TEXT)
    (diagnostic,) = await session.diagnostics()
    return diagnostic


@pytest.mark.asyncio
async def test_the_encoding_is_the_one_of_the_profile(session: Session) -> None:
    assert session.encoding == session.profile.split()[0]


@pytest.mark.asyncio
async def test_a_diagnostic_says_where_and_why(session: Session) -> None:
    diagnostic = await only_diagnostic(session)
    assert diagnostic.source == "secondlook"
    assert str(diagnostic.code).startswith("c/")
    assert diagnostic.code_description is not None
    assert diagnostic.code_description.href.startswith("https://")
    assert "CWE-134" in diagnostic.message
    where = CONVERTER.unstructure(diagnostic.range, lsp.Range)
    assert sliced(TEXT, where, session.encoding) in ("message", "printf(message)")


@pytest.mark.asyncio
async def test_a_trace_is_told_as_related_information(session: Session, folder: Path) -> None:
    uri = (folder / "app.py").as_uri()
    session.uri = uri
    session.version, session.text = 1, samples.PY_PICKLE
    item = lsp.TextDocumentItem(uri, "python", 1, session.text)
    session.client.text_document_did_open(lsp.DidOpenTextDocumentParams(item))
    diagnostics = await session.diagnostics()
    related = [it for found in diagnostics for it in found.related_information or []]
    assert any(it.location.uri == uri and it.location.range.start.line == 9 for it in related)
    assert all(it.message for it in related)


@pytest.mark.asyncio
async def test_hover_explains_with_the_link(session: Session) -> None:
    diagnostic = await only_diagnostic(session)
    place = lsp.TextDocumentPositionParams(
        lsp.TextDocumentIdentifier(session.uri), diagnostic.range.start
    )
    hover = await session.client.text_document_hover_async(
        lsp.HoverParams(place.text_document, place.position)
    )
    assert hover is not None
    assert isinstance(hover.contents, lsp.MarkupContent)
    assert hover.contents.kind == lsp.MarkupKind.Markdown
    assert diagnostic.code_description is not None
    assert diagnostic.code_description.href in hover.contents.value
    elsewhere = await session.client.text_document_hover_async(
        lsp.HoverParams(place.text_document, lsp.Position(0, 0))
    )
    assert elsewhere is None


@pytest.mark.asyncio
async def test_the_fix_mends_the_text(session: Session) -> None:
    diagnostic = await only_diagnostic(session)
    actions = await session.actions(diagnostic)
    fix = next(it for it in actions if it.is_preferred)
    assert fix.kind == lsp.CodeActionKind.QuickFix
    assert list(fix.diagnostics or []) == [diagnostic]
    if session.resolves:
        assert fix.edit is None
        fix = await session.client.code_action_resolve_async(fix)
    assert session.apply(fix) == MENDED
    session.replace(MENDED)
    assert await session.diagnostics() == []


@pytest.mark.asyncio
async def test_a_finding_can_be_silenced_here(session: Session) -> None:
    diagnostic = await only_diagnostic(session)
    actions = await session.actions(diagnostic)
    silence = next(it for it in actions if it.title.startswith("Suppress"))
    if silence.edit is None:
        silence = await session.client.code_action_resolve_async(silence)
    text = session.apply(silence)
    assert f"secondlook: ignore[{diagnostic.code}]" in text
    session.replace(text)
    assert await session.diagnostics() == []
