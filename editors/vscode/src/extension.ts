// Second Look in VS Code: puts the parts together and takes them apart again.
import * as vscode from "vscode";

import * as commands from "./commands";
import * as marks from "./marks";
import * as rationale from "./rationale";
import * as revisions from "./revisions";
import { Server } from "./server";
import { StatusBar } from "./status";

let server: Server | undefined;

/** What tests may look at; nothing else uses it. */
export interface Inside {
    server: Server;
    status: StatusBar;
    reason(): string | undefined;
}

export async function activate(context: vscode.ExtensionContext): Promise<Inside> {
    const log = vscode.window.createOutputChannel("Second Look", { log: true });
    const status = new StatusBar();
    const made = new Server(context, status, log);
    server = made;
    context.subscriptions.push(
        log,
        status,
        made,
        ...commands.register(context, made, status, log),
        ...marks.watch(() => made.running),
        ...revisions.register(),
        vscode.workspace.onDidGrantWorkspaceTrust(() => made.restart()),
        vscode.workspace.onDidChangeConfiguration((event) => {
            if (event.affectsConfiguration("secondlook.path")) {
                void made.restart();
            }
        }),
    );
    await made.start();
    return { server: made, status, reason: rationale.shown };
}

export async function deactivate(): Promise<void> {
    await server?.stop();
}
