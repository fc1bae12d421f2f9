// Tells the server what an AI inserted and what it did not: from the change's own reason where VS
// Code gives one, else from the commands that accept a suggestion. It judges no text.
import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";

import * as settings from "./settings";

/** How long an accepted suggestion may take to arrive, in milliseconds: on a busy machine, seconds. */
const PATIENCE = 5000;

/** The proposed part of a change event; absent in released versions for released extensions. */
interface Reason {
    detailedReason?: { source: string; metadata?: Record<string, unknown> };
}

/** Sources of changes that VS Code itself counts as an AI's. */
const AI = new Set(["inlineCompletionAccept", "inlineCompletionPartialAccept", "inlineChat.applyEdits", "Chat.applyEdits"]);

/** What an accepting command stands for while it runs. */
let accepting: { uri: string; until: number } | undefined;

interface Change {
    start: number;
    end: number;
}

/** The new text of each change, in the text after all of them. */
function inserted(event: vscode.TextDocumentChangeEvent): Change[] {
    const out: Change[] = [];
    let moved = 0;
    for (const change of [...event.contentChanges].sort((a, b) => a.rangeOffset - b.rangeOffset)) {
        const start = change.rangeOffset + moved;
        out.push({ start, end: start + change.text.length });
        moved += change.text.length - change.rangeLength;
    }
    return out.filter((it) => it.end > it.start);
}

function send(client: LanguageClient, method: string, event: vscode.TextDocumentChangeEvent, source: string): void {
    const { document } = event;
    for (const { start, end } of inserted(event)) {
        const range = client.code2ProtocolConverter.asRange(
            new vscode.Range(document.positionAt(start), document.positionAt(end)),
        );
        const uri = client.code2ProtocolConverter.asUri(document.uri);
        void client.sendNotification(method, { uri, version: document.version, range, source });
    }
}

function looked(client: LanguageClient, event: vscode.TextDocumentChangeEvent): void {
    if (!client.isRunning() || event.contentChanges.length === 0 || !settings.own("markSuggestions", true)) {
        return;
    }
    if (event.reason !== undefined) {
        // An undo or a redo brings back what was there; the server knows its marks.
        send(client, "secondlook/notInserted", event, "");
        return;
    }
    const reason = (event as vscode.TextDocumentChangeEvent & Reason).detailedReason;
    if (reason !== undefined) {
        if (AI.has(reason.source)) {
            const extension = reason.metadata?.["$extensionId"];
            send(client, "secondlook/markInserted", event, typeof extension === "string" ? extension : reason.source);
        }
        return;
    }
    if (accepting && accepting.uri === event.document.uri.toString() && Date.now() <= accepting.until) {
        send(client, "secondlook/markInserted", event, "inline suggestion");
    }
}

async function accept(command: string): Promise<void> {
    const document = vscode.window.activeTextEditor?.document;
    if (document) {
        accepting = { uri: document.uri.toString(), until: Date.now() + PATIENCE };
    }
    try {
        await vscode.commands.executeCommand(command);
    } finally {
        // The change's event may come after the command's end, but before the next input.
        await new Promise((done) => setTimeout(done, 30));
        accepting = undefined;
    }
}

/** Listens, and gives the commands that stand in for VS Code's own. */
export function watch(client: () => LanguageClient | undefined): vscode.Disposable[] {
    const wrapped: [string, string][] = [
        ["secondlook.acceptSuggestion", "editor.action.inlineSuggest.commit"],
        ["secondlook.acceptSuggestionWord", "editor.action.inlineSuggest.acceptNextWord"],
        ["secondlook.acceptSuggestionLine", "editor.action.inlineSuggest.acceptNextLine"],
    ];
    return [
        vscode.workspace.onDidChangeTextDocument((event) => {
            const running = client();
            if (running && event.document.uri.scheme === "file") {
                // A turn later, so that the change itself has been sent.
                setImmediate(() => looked(running, event));
            }
        }),
        ...wrapped.map(([ours, theirs]) => vscode.commands.registerCommand(ours, () => accept(theirs))),
    ];
}
