"""What kinds of clients say of themselves, reduced to what matters to us."""

from __future__ import annotations

from typing import Any


def capabilities(
    *,
    encodings: list[str] | None = None,
    pull: bool = False,
    resolve: bool = False,
    document_changes: bool = False,
    show_document: bool = False,
) -> dict[str, Any]:
    """The capabilities of a client; what is not asked for is not stated."""
    action: dict[str, Any] = {
        "codeActionLiteralSupport": {"codeActionKind": {"valueSet": ["quickfix"]}},
        "dataSupport": True,
    }
    if resolve:
        action["resolveSupport"] = {"properties": ["edit"]}
    document: dict[str, Any] = {
        "codeAction": action,
        "hover": {"contentFormat": ["markdown", "plaintext"]},
        "publishDiagnostics": {
            "relatedInformation": True,
            "versionSupport": True,
            "codeDescriptionSupport": True,
            "dataSupport": True,
        },
        "synchronization": {"didSave": True},
    }
    workspace: dict[str, Any] = {"workspaceEdit": {"documentChanges": document_changes}}
    if pull:
        document["diagnostic"] = {"relatedInformation": True, "codeDescriptionSupport": True}
        workspace["diagnostics"] = {"refreshSupport": True}
    stated: dict[str, Any] = {"textDocument": document, "workspace": workspace}
    if encodings is not None:
        stated["general"] = {"positionEncodings": encodings}
    if show_document:
        stated["window"] = {"showDocument": {"support": True}}
    return stated


PROFILES = {
    # eglot and ALE state no encoding, ask for nothing and resolve nothing.
    "utf-16 push": capabilities(),
    "utf-16 pull resolve": capabilities(
        encodings=["utf-16"], pull=True, resolve=True, document_changes=True, show_document=True
    ),
    "utf-8 pull resolve": capabilities(
        encodings=["utf-8", "utf-16", "utf-32"], pull=True, resolve=True
    ),
    "utf-8 pull": capabilities(encodings=["utf-8", "utf-16"], pull=True, document_changes=True),
    "utf-32 push resolve": capabilities(encodings=["utf-32"], resolve=True),
}
