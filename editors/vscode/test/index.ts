// Tests in the real extension host: what a person does, through the editor's own commands. What
// comes sooner or later is waited for; nothing is asked once.
import * as assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import * as vscode from "vscode";

import type { Inside } from "../src/extension";

const PATIENCE_MS = Number(process.env.PATIENCE_MS ?? 30_000);
const START = "#include <stdio.h>\n\n/* 🙂 what went wrong */\n";
const COMPLETION = `void report(const char *path, const char *message)
{
    printf("%s: ", path);
    printf(message);
    putchar('\\n');
}`;
const MENDED = COMPLETION.replace("printf(message)", 'printf("%s", message)');
const CODE = `import subprocess


def list_folder(folder):
    emoji = "🙂"; out = subprocess.run("ls -l " + folder, shell=True)
    return out, emoji
`;
const CURED = CODE.replace('"ls -l " + folder, shell=True', '["ls", "-l", "--", folder]');

const BEGUN = "import subprocess\n\n\ndef list_folder(folder):\n";
const WEAK = '    command = "ls -l " + folder\n    return subprocess.run(command, shell=True)';
const SAFE = '    command = ["ls", "-l", "--", folder]\n    return subprocess.run(command)';

const folder = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath ?? "";
let inside: Inside;

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

/** Asks until something comes; a request that VS Code cancels is asked again. */
async function until<T>(what: string, ask: () => T | Promise<T>): Promise<NonNullable<T>> {
    const end = Date.now() + PATIENCE_MS;
    let last = "";
    while (Date.now() < end) {
        try {
            const found = await ask();
            if (found !== undefined && found !== null && found !== false) {
                return found;
            }
        } catch (error) {
            last = `: ${error instanceof Error ? error.message : JSON.stringify(error)}`;
        }
        await pause(50);
    }
    throw new Error(`${what} did not come${last}`);
}

function diagnostics(document: vscode.TextDocument): vscode.Diagnostic[] {
    return vscode.languages.getDiagnostics(document.uri).filter((it) => it.source === "secondlook");
}

function said(document: vscode.TextDocument, ending: string): Promise<vscode.Diagnostic> {
    const fits = (it: vscode.Diagnostic) =>
        ending === "" ? !it.message.endsWith("AI-inserted]") : it.message.endsWith(ending);
    return until(`a finding that ends in ${ending || "nothing of the kind"}`, () => {
        const found = diagnostics(document);
        // Thrown to be named when nothing else comes.
        if (found.length > 0 && !found.some(fits)) {
            throw new Error(found.map((it) => it.message.slice(-60)).join("; "));
        }
        return found.find(fits);
    });
}

async function silence(document: vscode.TextDocument): Promise<void> {
    await until("silence", () => diagnostics(document).length === 0);
}

async function open(name: string, text: string): Promise<vscode.TextEditor> {
    const file = path.join(folder, name);
    fs.writeFileSync(file, text);
    const document = await vscode.workspace.openTextDocument(file);
    return vscode.window.showTextDocument(document, vscode.ViewColumn.One);
}

function atEnd(editor: vscode.TextEditor): void {
    const end = editor.document.positionAt(editor.document.getText().length);
    editor.selection = new vscode.Selection(end, end);
}

/** Lets an assistant suggest a text at the cursor, and accepts it with our command. */
async function suggest(editor: vscode.TextEditor, text: string, command = "secondlook.acceptSuggestion"): Promise<void> {
    const before = editor.document.version;
    const provider = vscode.languages.registerInlineCompletionItemProvider(
        { scheme: "file", language: editor.document.languageId },
        { provideInlineCompletionItems: () => [new vscode.InlineCompletionItem(text)] },
    );
    try {
        await until("the accepted suggestion", async () => {
            await vscode.commands.executeCommand("editor.action.inlineSuggest.trigger");
            await pause(300);
            await vscode.commands.executeCommand(command);
            return editor.document.version !== before;
        });
    } finally {
        provider.dispose();
    }
}

async function fix(document: vscode.TextDocument): Promise<void> {
    const action = await until("the preferred fix", async () => {
        const [finding] = diagnostics(document);
        const range = finding?.range ?? new vscode.Range(0, 0, 0, 0);
        const found = await vscode.commands.executeCommand<vscode.CodeAction[]>(
            "vscode.executeCodeActionProvider",
            document.uri,
            range,
            vscode.CodeActionKind.QuickFix.value,
            10,
        );
        return found.find((it) => it.isPreferred === true && it.edit !== undefined);
    });
    assert.ok(await vscode.workspace.applyEdit(action.edit ?? new vscode.WorkspaceEdit()));
}

async function settings(values: Record<string, unknown>): Promise<void> {
    const section = vscode.workspace.getConfiguration("secondlook");
    for (const [name, value] of Object.entries(values)) {
        await section.update(name, value, vscode.ConfigurationTarget.Global);
    }
}

/** The processes that the extension host started and that are language servers. */
function servers(): number[] {
    return fs
        .readdirSync("/proc")
        .filter((it) => /^\d+$/.test(it))
        .filter((it) => {
            try {
                const parent = /^PPid:\s*(\d+)$/m.exec(fs.readFileSync(`/proc/${it}/status`, "utf8"))?.[1];
                const words = fs.readFileSync(`/proc/${it}/cmdline`, "utf8").split("\0");
                return Number(parent) === process.pid && words.includes("lsp") && /secondlook/.test(words[0] ?? "");
            } catch {
                return false;
            }
        })
        .map(Number);
}

const tests: Record<string, () => Promise<void>> = {
    async "the server runs and the status bar says so"() {
        await until("the status", () => inside.status.text.startsWith("$(eye) Second Look"));
        await until("the numbers", () => /\d+ entries/.test(inside.status.describe()));
    },

    async "from an accepted suggestion to a saved fix"() {
        const editor = await open("report.c", START);
        atEnd(editor);
        await suggest(editor, COMPLETION);
        assert.equal(editor.document.getText(), START + COMPLETION);
        const finding = await said(editor.document, " [AI-inserted]");
        assert.ok(!finding.message.includes("likely"));
        assert.equal(typeof finding.code === "object" && finding.code.value, "c/format-string-not-constant");

        editor.selection = new vscode.Selection(finding.range.start, finding.range.start);
        await until("the reason", async () => {
            await vscode.commands.executeCommand("secondlook.why");
            return /href="https:\/\//.test(inside.reason() ?? "");
        });

        await fix(editor.document);
        await silence(editor.document);
        assert.ok(await editor.document.save());
        assert.equal(fs.readFileSync(path.join(folder, "report.c"), "utf8"), START + MENDED);
    },

    async "an undo and a redo bring marks back and make none"() {
        const editor = await open("undo.c", START);
        atEnd(editor);
        await suggest(editor, COMPLETION);
        await said(editor.document, " [AI-inserted]");
        await vscode.commands.executeCommand("undo");
        await silence(editor.document);
        await vscode.commands.executeCommand("redo");
        await said(editor.document, " [AI-inserted]");

        const other = await open("paste.c", START);
        atEnd(other);
        await other.edit((it) => it.insert(other.selection.active, COMPLETION));
        await said(other.document, "[likely AI-inserted]");
        await vscode.commands.executeCommand("undo");
        await silence(other.document);
        await vscode.commands.executeCommand("redo");
        await said(other.document, "");
    },

    async "a word of a suggestion is marked as well"() {
        const editor = await open("word.py", "import os\n\n\ndef f(host):\n    ");
        atEnd(editor);
        await suggest(editor, 'os.system("ping " + host)\n', "secondlook.acceptSuggestionLine");
        await said(editor.document, " [AI-inserted]");
    },

    async "what VS Code's own command accepts is marked where VS Code gives the reason of a change"() {
        // A key of somebody's own, or the mouse, does not come through our command.
        const ending = process.env.REASONS === "withheld" ? "[likely AI-inserted]" : " [AI-inserted]";
        const editor = await open("own.c", START);
        atEnd(editor);
        await suggest(editor, COMPLETION, "editor.action.inlineSuggest.commit");
        await said(editor.document, ending);
        const other = await open("pasted.c", START);
        atEnd(other);
        await other.edit((it) => it.insert(other.selection.active, COMPLETION));
        await said(other.document, "[likely AI-inserted]");
    },

    async "a project's own file is not beaten by defaults"() {
        const file = path.join(folder, "quiet");
        fs.mkdirSync(file, { recursive: true });
        fs.writeFileSync(path.join(file, "secondlook.toml"), 'ignore = ["CWE-134"]\n');
        const quiet = await open("quiet/report.c", START + COMPLETION);
        const loud = await open("loud.c", START + COMPLETION);
        await said(loud.document, "");
        assert.deepEqual(diagnostics(quiet.document), []);
        await settings({ ignore: ["CWE-134"] });
        await silence(loud.document);
        await settings({ ignore: undefined });
        await said(loud.document, "");
    },

    async "the knowledge is searched and the workspace scanned"() {
        await vscode.commands.executeCommand("secondlook.searchKnowledge", "gets");
        await until("the knowledge", () => vscode.window.activeTextEditor?.document.getText().includes("c/gets"));
        await vscode.commands.executeCommand("workbench.action.closeActiveEditor");
        fs.writeFileSync(path.join(folder, "closed.c"), "#include <stdio.h>\nvoid ask(char *n)\n{\n    gets(n);\n}\n");
        const { status } = inside;
        const shown: string[] = [];
        const progress = status.progress.bind(status);
        status.progress = (...step) => {
            progress(...step);
            shown.push(status.text);
        };
        void vscode.commands.executeCommand("secondlook.scan");
        const closed = vscode.Uri.file(path.join(folder, "closed.c"));
        await until("a finding in a closed file", () => vscode.languages.getDiagnostics(closed).length > 0);
        await until("the scan's end in the status bar", () => shown.length > 1 && status.tasks().length === 0);
        status.progress = progress;
        assert.match(shown[0] ?? "", /^\$\(loading~spin\) Second Look: /);
        assert.match(shown.at(-1) ?? "", /^\$\(eye\) Second Look/);
    },

    async "a revision is cancelled once, discarded once and applied once"() {
        await settings({
            "model-provider": "openai-chat",
            "model-url": process.env.MODEL_URL,
            "model-name": "test-model",
        });
        await until("the model's name", () => inside.status.text.includes("test-model"));
        const editor = await open("app.py", CODE);
        const { document } = editor;
        const finding = await said(document, "");
        const place = new vscode.Selection(finding.range.start, finding.range.start);

        editor.selection = place;
        await vscode.commands.executeCommand("secondlook.showPromptHere");
        await until("the prompt", () => vscode.window.activeTextEditor?.document.getText().includes("list_folder"));
        await vscode.commands.executeCommand("workbench.action.closeActiveEditor");

        const again = async () => {
            const shown = await vscode.window.showTextDocument(document, vscode.ViewColumn.One);
            shown.selection = place;
            await vscode.commands.executeCommand("secondlook.reviseHere");
        };
        await again();
        await until("the model's first words", () => inside.status.text.includes("answering"));
        const token = await until("the task", () => inside.status.tasks()[0]);
        await inside.server.running?.sendNotification("window/workDoneProgress/cancel", { token });
        await until("the end of the first", () => inside.status.tasks().length === 0);
        assert.equal(document.getText(), CODE);

        const diff = () =>
            vscode.window.tabGroups.all
                .flatMap((it) => it.tabs)
                .find((it) => it.input instanceof vscode.TabInputTextDiff);
        await again();
        const proposed = await until("the diff", diff);
        assert.ok(proposed.input instanceof vscode.TabInputTextDiff);
        const modified = await vscode.workspace.openTextDocument(proposed.input.modified);
        assert.equal(modified.getText(), CURED);
        assert.equal(document.getText(), CODE);
        await vscode.commands.executeCommand("secondlook.revision.discard");
        await until("the end of the diff", () => diff() === undefined);
        assert.equal(document.getText(), CODE);

        await again();
        await until("the second diff", diff);
        await vscode.commands.executeCommand("secondlook.revision.apply");
        await until("the cure", () => document.getText() === CURED);
        await silence(document);
        assert.ok(await document.save());
        await settings({ "model-provider": undefined, "model-url": undefined, "model-name": undefined });
    },

    async "a block that an AI inserted is written anew"() {
        await settings(JSON.parse(process.env.LOCAL ?? "{}") as Record<string, unknown>);
        await until("the model's name", () => inside.status.describe().includes("revisions by"));
        const editor = await open("anew.py", BEGUN);
        atEnd(editor);
        await suggest(editor, WEAK);
        const finding = await said(editor.document, " [AI-inserted]");
        const diff = () =>
            vscode.window.tabGroups.all
                .flatMap((it) => it.tabs)
                .find((it) => it.input instanceof vscode.TabInputTextDiff);
        editor.selection = new vscode.Selection(finding.range.start, finding.range.start);
        await vscode.commands.executeCommand("secondlook.regenerateHere");
        await until("the diff", diff);
        await vscode.commands.executeCommand("secondlook.revision.apply");
        await until("the safe block", () => editor.document.getText() === BEGUN + SAFE);
        await silence(editor.document);
        assert.ok(await editor.document.save());
        const names = Object.keys(JSON.parse(process.env.LOCAL ?? "{}") as object);
        await settings(Object.fromEntries(names.map((it) => [it, undefined])));
    },

    async "a server that is killed comes back"() {
        const editor = await open("crash.c", START + COMPLETION);
        await said(editor.document, "");
        const [first] = await until("the process", () => (servers().length === 1 ? servers() : undefined));
        process.kill(first ?? 0, "SIGKILL");
        await until("word of the end", () => inside.status.history.includes("ended"));
        await until("another process", () => servers().length === 1 && servers()[0] !== first);
        await until("the status", () => inside.status.text.startsWith("$(eye)"));
        await editor.edit((it) => it.insert(new vscode.Position(0, 0), "/* again */\n"));
        await until("its findings", () => diagnostics(editor.document).some((it) => it.range.start.line === 7));
    },

    async "a restart starts another server"() {
        const [first] = servers();
        await vscode.commands.executeCommand("secondlook.restart");
        await until("another process", () => servers().length === 1 && servers()[0] !== first);
        const editor = await open("restarted.c", START + COMPLETION);
        await said(editor.document, "");
    },
};

/** What VS Code calls. */
export async function run(): Promise<void> {
    const wanted = process.env.ONLY;
    const extension = vscode.extensions.getExtension<Inside>("secondlook.secondlook");
    assert.ok(extension, "the extension is not there");
    inside = await extension.activate();
    let failed = 0;
    for (const [name, test] of Object.entries(tests)) {
        if (wanted !== undefined && !name.includes(wanted)) {
            continue;
        }
        const started = Date.now();
        try {
            await test();
            console.log(`TEST passed: ${name} (${Date.now() - started} ms)`);
        } catch (error) {
            failed += 1;
            console.log(`TEST failed: ${name}: ${error instanceof Error ? error.stack : String(error)}`);
        }
        await vscode.commands.executeCommand("workbench.action.closeAllEditors");
    }
    if (failed > 0) {
        throw new Error(`${failed} failed`);
    }
}
