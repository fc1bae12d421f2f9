// What the server is told of VS Code's settings: only what somebody set, so that the defaults shown
// in the settings editor do not beat a project's own file.
import * as vscode from "vscode";

/** Settings of this extension, which the server does not know. */
const OURS = ["path", "markSuggestions", "previewRevisions", "trace"];

/** What an untrusted folder must not bring about, whatever the user's own files say. */
const UNTRUSTED = { "gate-commands": [] };

/** The value that somebody set, the nearest first; `undefined` where nobody did. */
function said(section: vscode.WorkspaceConfiguration, name: string): unknown {
    const found = section.inspect(name);
    return found?.workspaceFolderValue ?? found?.workspaceValue ?? found?.globalValue;
}

/** The settings for a resource, in the server's names. */
export function forServer(resource?: vscode.Uri): Record<string, unknown> {
    const section = vscode.workspace.getConfiguration("secondlook", resource);
    const out: Record<string, unknown> = {};
    for (const name of Object.keys(section)) {
        if (OURS.includes(name) || typeof section[name] === "function") {
            continue;
        }
        // An untrusted folder's restricted values are not in the effective value, but in `inspect`.
        const value = vscode.workspace.isTrusted ? said(section, name) : trusted(section, name);
        if (value !== undefined && value !== null) {
            out[name] = value;
        }
    }
    return vscode.workspace.isTrusted ? out : { ...out, ...UNTRUSTED };
}

/** What the user set, and nothing of what the folder says. */
function trusted(section: vscode.WorkspaceConfiguration, name: string): unknown {
    return section.inspect(name)?.globalValue;
}

/** A setting of this extension. */
export function own<T>(name: string, otherwise: T): T {
    return vscode.workspace.getConfiguration("secondlook").get<T>(name) ?? otherwise;
}
