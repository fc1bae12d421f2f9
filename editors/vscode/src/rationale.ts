// The view that says why something is flagged: the server's own page, rendered by VS Code. It runs
// no script and loads nothing; its links open in the browser.
import * as vscode from "vscode";

let panel: vscode.WebviewPanel | undefined;

/** The finding at the cursor, or else the first one of its line. */
export function findingAt(editor: vscode.TextEditor): vscode.Diagnostic | undefined {
    const place = editor.selection.active;
    const ours = vscode.languages
        .getDiagnostics(editor.document.uri)
        .filter((it) => it.source === "secondlook" && it.range.start.line <= place.line && place.line <= it.range.end.line);
    return ours.find((it) => it.range.contains(place)) ?? ours[0];
}

function escaped(text: string): string {
    return text.replace(/[&<>"]/g, (it) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[it] ?? it);
}

async function page(finding: vscode.Diagnostic, hovers: vscode.Hover[]): Promise<string> {
    const markdown = hovers
        .flatMap((it) => it.contents)
        .map((it) => (typeof it === "string" ? it : it.value))
        .join("\n\n");
    // VS Code's own renderer escapes what is no Markdown; without it the text stands as it is.
    let body: string;
    try {
        body = await vscode.commands.executeCommand<string>("markdown.api.render", markdown);
    } catch {
        body = `<pre>${escaped(markdown)}</pre>`;
    }
    return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline';">
<style>
body { padding: 0 1.2em 2em; max-width: 46em; line-height: 1.5; font-size: 14px; }
a { color: var(--vscode-textLink-foreground); }
code { font-family: var(--vscode-editor-font-family); color: var(--vscode-textPreformat-foreground); }
.message { border-left: 3px solid var(--vscode-editorWarning-foreground); padding: 0.3em 0.8em; background: var(--vscode-textBlockQuote-background); }
li { margin: 0.3em 0; }
</style>
<title>Why is this flagged?</title>
</head>
<body>
<p class="message">${escaped(finding.message)}</p>
${body}
</body>
</html>`;
}

/** Shows the reason of the finding at the cursor, beside the code. */
export async function show(): Promise<void> {
    const editor = vscode.window.activeTextEditor;
    const finding = editor && findingAt(editor);
    if (!editor || !finding) {
        void vscode.window.showInformationMessage("Second Look: nothing is flagged here.");
        return;
    }
    const hovers = await vscode.commands.executeCommand<vscode.Hover[]>(
        "vscode.executeHoverProvider",
        editor.document.uri,
        finding.range.start,
    );
    if (!panel) {
        panel = vscode.window.createWebviewPanel(
            "secondlook.why",
            "Why is this flagged?",
            { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true },
            { enableScripts: false, localResourceRoots: [] },
        );
        panel.onDidDispose(() => (panel = undefined));
    }
    panel.webview.html = await page(finding, hovers);
    panel.reveal(undefined, true);
}

/** What the view shows now, for tests. */
export function shown(): string | undefined {
    return panel?.webview.html;
}
