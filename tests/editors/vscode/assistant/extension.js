// Stands in for an assistant: suggests one text at the end of a file, as ghost text.
const fs = require("node:fs");
const vscode = require("vscode");

exports.activate = (context) => {
    const provider = {
        provideInlineCompletionItems(document, position) {
            const end = document.positionAt(document.getText().length);
            if (!position.isEqual(end) || document.getText().includes("# or C")) {
                return [];
            }
            const text = fs.readFileSync(process.env.ASSISTANT_TEXT, "utf8");
            return text === "" ? [] : [new vscode.InlineCompletionItem(text)];
        },
    };
    const selector = [{ language: "python" }, { language: "c" }];
    context.subscriptions.push(vscode.languages.registerInlineCompletionItemProvider(selector, provider));
};
