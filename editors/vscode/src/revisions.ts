// Shows what a model proposes as a diff, and applies it only when its reader says so. The server
// has proven it; this module judges nothing.
import * as vscode from "vscode";
import type { ApplyWorkspaceEditParams, ApplyWorkspaceEditResult, WorkspaceEdit } from "vscode-languageclient";

import * as settings from "./settings";

const SCHEME = "secondlook-revision";

type Next = (params: ApplyWorkspaceEditParams) => unknown;

/** What became of a proposal; `discarded` is a word of the protocol, after which the server is silent. */
type Decision = "apply" | "discarded" | "the text changed";

interface Waiting {
    decide(decision: Decision): void;
}

/** The proposals that wait for their reader, by the address of the proposed text. */
const waiting = new Map<string, Waiting>();
const texts = new Map<string, string>();
let count = 0;

class Proposals implements vscode.TextDocumentContentProvider {
    provideTextDocumentContent(uri: vscode.Uri): string {
        return texts.get(uri.toString()) ?? "";
    }
}

function needsConfirmation(edit: WorkspaceEdit): boolean {
    return Object.values(edit.changeAnnotations ?? {}).some((it) => it.needsConfirmation === true);
}

/** The edit without its notes: whoever has seen the diff need not confirm again. */
function confirmed(edit: WorkspaceEdit): WorkspaceEdit {
    const documentChanges = edit.documentChanges?.map((change) =>
        "edits" in change
            ? {
                  ...change,
                  edits: change.edits.map((it) =>
                      "annotationId" in it ? { range: it.range, newText: "newText" in it ? it.newText : "" } : it,
                  ),
              }
            : change,
    );
    return { changes: edit.changes, documentChanges };
}

/** The one document that an edit changes, and its text afterwards; `undefined` for wider edits. */
async function after(edit: WorkspaceEdit): Promise<{ document: vscode.TextDocument; text: string } | undefined> {
    const [change, ...more] = edit.documentChanges ?? [];
    if (!change || more.length > 0 || !("edits" in change)) {
        return undefined;
    }
    const document = await vscode.workspace.openTextDocument(vscode.Uri.parse(change.textDocument.uri));
    let text = document.getText();
    const places = change.edits.map((it) => ({
        start: document.offsetAt(new vscode.Position(it.range.start.line, it.range.start.character)),
        end: document.offsetAt(new vscode.Position(it.range.end.line, it.range.end.character)),
        text: "newText" in it ? it.newText : "",
    }));
    for (const it of places.sort((a, b) => b.start - a.start)) {
        text = text.slice(0, it.start) + it.text + text.slice(it.end);
    }
    return { document, text };
}

async function ask(title: string, made: { document: vscode.TextDocument; text: string }): Promise<Decision> {
    count += 1;
    const { document } = made;
    const uri = vscode.Uri.from({ scheme: SCHEME, path: document.uri.path, query: String(count) });
    const key = uri.toString();
    texts.set(key, made.text);
    const decided = new Promise<Decision>((decide) => waiting.set(key, { decide }));
    await vscode.commands.executeCommand("setContext", "secondlook.revisionShown", true);
    const name = document.uri.path.split("/").pop() ?? "";
    await vscode.commands.executeCommand("vscode.diff", document.uri, uri, `${title} (${name})`, { preview: true });
    const buttons = vscode.window
        .showInformationMessage(`${title}: checked. Apply it?`, "Apply", "Discard")
        .then((answer) => answer && waiting.get(key)?.decide(answer === "Apply" ? "apply" : "discarded"));
    const changed = vscode.workspace.onDidChangeTextDocument((event) => {
        if (event.document === document && event.contentChanges.length > 0) {
            // The server would refuse it as well: it is for another text.
            waiting.get(key)?.decide("the text changed");
        }
    });
    try {
        return await decided;
    } finally {
        void buttons;
        changed.dispose();
        waiting.delete(key);
        texts.delete(key);
        await close(key);
        await vscode.commands.executeCommand("setContext", "secondlook.revisionShown", waiting.size > 0);
    }
}

async function close(key: string): Promise<void> {
    const shown = vscode.window.tabGroups.all
        .flatMap((it) => it.tabs)
        .filter((it) => it.input instanceof vscode.TabInputTextDiff && it.input.modified.toString() === key);
    if (shown.length > 0) {
        await vscode.window.tabGroups.close(shown);
    }
}

/** Stands between the server's edits and the editor. */
export async function handle(params: ApplyWorkspaceEditParams, next: Next): Promise<ApplyWorkspaceEditResult> {
    const pass = async (edit: WorkspaceEdit): Promise<ApplyWorkspaceEditResult> =>
        (await next({ ...params, edit })) as ApplyWorkspaceEditResult;
    if (!needsConfirmation(params.edit)) {
        return pass(params.edit);
    }
    if (!settings.own("previewRevisions", true)) {
        return pass(confirmed(params.edit));
    }
    const made = await after(params.edit);
    if (!made) {
        return pass(params.edit);
    }
    const { version } = made.document;
    const decision = await ask(params.label ?? "Revision", made);
    if (decision !== "apply") {
        return { applied: false, failureReason: decision };
    }
    if (made.document.version !== version) {
        return { applied: false, failureReason: "the text changed" };
    }
    const result = await pass(confirmed(params.edit));
    await vscode.window.showTextDocument(made.document, { preserveFocus: false });
    return result;
}

function decideAll(decision: Decision): void {
    const active = vscode.window.tabGroups.activeTabGroup.activeTab?.input;
    const key = active instanceof vscode.TabInputTextDiff ? active.modified.toString() : undefined;
    const one = key === undefined ? undefined : waiting.get(key);
    // Without a diff in front there is at most one that can be meant.
    const chosen = one ?? [...waiting.values()].pop();
    chosen?.decide(decision);
}

/** Registers the texts and the commands. */
export function register(): vscode.Disposable[] {
    return [
        vscode.workspace.registerTextDocumentContentProvider(SCHEME, new Proposals()),
        vscode.commands.registerCommand("secondlook.revision.apply", () => decideAll("apply")),
        vscode.commands.registerCommand("secondlook.revision.discard", () => decideAll("discarded")),
        vscode.window.tabGroups.onDidChangeTabs((event) => {
            for (const tab of event.closed) {
                if (tab.input instanceof vscode.TabInputTextDiff) {
                    waiting.get(tab.input.modified.toString())?.decide("discarded");
                }
            }
        }),
    ];
}
