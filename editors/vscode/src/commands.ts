// The commands of the palette. Each asks the server or the program once and shows the answer.
import { execFile } from "node:child_process";
import * as vscode from "vscode";

import * as rationale from "./rationale";
import type { Server } from "./server";
import type { StatusBar } from "./status";

/** An example as assistants write it; the second function is what is flagged. */
const EXAMPLE = `"""Reports on a host, as an assistant might write it."""

import subprocess


def is_up(host):
    result = subprocess.run(f"ping -c 1 {host}", shell=True, capture_output=True)
    return result.returncode == 0
`;

interface Summary {
    files: number;
    findings: number;
    withFindings: number;
    cancelled: boolean;
}

function say(text: string): void {
    void vscode.window.showInformationMessage(`Second Look: ${text}`);
}

/** The server's actions at the finding of the cursor, or at the cursor. */
async function actionsHere(): Promise<vscode.CodeAction[]> {
    const editor = vscode.window.activeTextEditor;
    if (!editor) {
        return [];
    }
    const range = rationale.findingAt(editor)?.range ?? editor.selection;
    const found = await vscode.commands.executeCommand<vscode.CodeAction[]>(
        "vscode.executeCodeActionProvider",
        editor.document.uri,
        range,
    );
    return found.filter((it) => it.command?.command.startsWith("secondlook."));
}

/** Runs the first action here with one of these commands. */
async function runHere(names: string[], none: string): Promise<void> {
    const action = (await actionsHere()).find((it) => names.includes(it.command?.command ?? ""));
    if (!action?.command) {
        say(none);
        return;
    }
    await vscode.commands.executeCommand(action.command.command, ...((action.command.arguments ?? []) as unknown[]));
}

async function scan(server: Server): Promise<void> {
    const client = server.running;
    if (!client) {
        say("the server is not running.");
        return;
    }
    const done = await client.sendRequest<Summary>("workspace/executeCommand", { command: "secondlook.scanWorkspace" });
    const words = done.cancelled ? "stopped: " : "";
    const text = `${words}${done.findings} findings in ${done.withFindings} of ${done.files} files.`;
    const answer = await vscode.window.showInformationMessage(
        `Second Look: ${text}`,
        ...(done.findings > 0 ? ["Show problems"] : []),
    );
    if (answer !== undefined) {
        await vscode.commands.executeCommand("workbench.actions.view.problems");
    }
}

/** What the program says of some words; nothing is asked of any other machine. */
function search(program: string, words: string): Promise<string> {
    return new Promise((done, fail) => {
        const args = ["kb", "search", "--", words];
        const env = { ...process.env, NO_COLOR: "1" };
        execFile(program, args, { env, timeout: 30_000, maxBuffer: 1 << 22 }, (error, out, err) => {
            if (error && out.trim() === "" && error.code !== 1) {
                fail(new Error(err.trim() || error.message));
            } else {
                done(out);
            }
        });
    });
}

async function searchKnowledge(server: Server): Promise<void> {
    const program = server.program();
    if (program === undefined) {
        say("the program was not found.");
        return;
    }
    const editor = vscode.window.activeTextEditor;
    const selected = editor?.document.getText(editor.selection) ?? "";
    const words = await vscode.window.showInputBox({
        prompt: "Search the knowledge base for code or words",
        value: selected.slice(0, 200),
    });
    if (words === undefined || words.trim() === "") {
        return;
    }
    await showKnowledge(program, words);
}

/** Shows what is known about some words in an editor of its own. */
async function showKnowledge(program: string, words: string): Promise<void> {
    const found = await search(program, words);
    if (found.trim() === "") {
        say("nothing found.");
        return;
    }
    const document = await vscode.workspace.openTextDocument({ content: found, language: "plaintext" });
    await vscode.window.showTextDocument(document, { preview: true, viewColumn: vscode.ViewColumn.Beside });
}

async function openExample(context: vscode.ExtensionContext): Promise<void> {
    // A file, because the server reads what editors call files.
    const folder = context.globalStorageUri;
    await vscode.workspace.fs.createDirectory(folder);
    const file = vscode.Uri.joinPath(folder, "example.py");
    await vscode.workspace.fs.writeFile(file, new TextEncoder().encode(EXAMPLE));
    const editor = await vscode.window.showTextDocument(file);
    const line = EXAMPLE.split("\n").findIndex((it) => it.includes("shell=True"));
    editor.selection = new vscode.Selection(line, 20, line, 20);
}

/** Registers every command of the palette. */
export function register(
    context: vscode.ExtensionContext,
    server: Server,
    status: StatusBar,
    log: vscode.LogOutputChannel,
): vscode.Disposable[] {
    const commands: Record<string, (...given: unknown[]) => unknown> = {
        "secondlook.why": () => rationale.show(),
        "secondlook.scan": () => scan(server),
        "secondlook.reviseHere": () =>
            runHere(["secondlook.revise"], "nothing to revise here, or no model is configured."),
        "secondlook.regenerateHere": () =>
            runHere(["secondlook.regenerate"], "no AI-inserted block is here, or no local model is configured."),
        "secondlook.showPromptHere": () => showPrompt(server),
        "secondlook.searchKnowledge": (words) =>
            typeof words === "string" ? showKnowledge(server.program() ?? "secondlook", words) : searchKnowledge(server),
        "secondlook.restart": () => server.restart(),
        "secondlook.showLog": () => log.show(),
        "secondlook.showStatus": () => say(`${status.describe()}.`),
        "secondlook.openExample": () => openExample(context),
    };
    return Object.entries(commands).map(([name, run]) => vscode.commands.registerCommand(name, run));
}

/** Shows what a model would be asked, in an editor; sends nothing. */
async function showPrompt(server: Server): Promise<void> {
    const names = ["secondlook.showPrompt", "secondlook.copyPrompt"];
    const action = (await actionsHere()).find((it) => names.includes(it.command?.command ?? ""));
    if (!action?.command || !server.running) {
        say("nothing is flagged here that a model could be asked about.");
        return;
    }
    // The command that only gives the text back: a file is not needed to show it here.
    const prompt = await server.running.sendRequest<string | null>("workspace/executeCommand", {
        command: "secondlook.copyPrompt",
        arguments: action.command.arguments as unknown[],
    });
    if (prompt !== null) {
        const document = await vscode.workspace.openTextDocument({ content: prompt, language: "markdown" });
        await vscode.window.showTextDocument(document, { preview: true, viewColumn: vscode.ViewColumn.Beside });
    }
}
