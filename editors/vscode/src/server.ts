// The connection to the server: starting, stopping, and starting again when it ended by itself.
import * as vscode from "vscode";
import {
    CloseAction,
    type CloseHandlerResult,
    ErrorAction,
    type ErrorHandler,
    LanguageClient,
    type LanguageClientOptions,
    State,
} from "vscode-languageclient/node";

import { find } from "./binary";
import * as progress from "./progress";
import * as revisions from "./revisions";
import * as settings from "./settings";
import type { StatusBar } from "./status";

/** More than this many ends within this time are no accident; then the user decides. */
const MOST = 5;
const WITHIN_MS = 180_000;

/** Starts the server again, and says so. */
class Restarts implements ErrorHandler {
    private ends: number[] = [];

    constructor(
        private readonly status: StatusBar,
        private readonly log: vscode.LogOutputChannel,
    ) {}

    error(): { action: ErrorAction } {
        return { action: ErrorAction.Continue };
    }

    closed(): CloseHandlerResult {
        const now = Date.now();
        this.ends = [...this.ends.filter((it) => now - it < WITHIN_MS), now];
        this.status.set("ended");
        progress.clear();
        if (this.ends.length > MOST) {
            const text = `Second Look: the server ended ${this.ends.length} times; it stays off until it is restarted.`;
            void vscode.window.showErrorMessage(text, "Restart", "Show log").then((answer) => {
                if (answer !== undefined) {
                    void vscode.commands.executeCommand(
                        answer === "Restart" ? "secondlook.restart" : "secondlook.showLog",
                    );
                }
            });
            return { action: CloseAction.DoNotRestart, handled: true };
        }
        const text = "Second Look: the server ended and is started again.";
        this.log.warn(text);
        void vscode.window.showWarningMessage(text);
        return { action: CloseAction.Restart, handled: true };
    }
}

/** The server of this window. */
export class Server implements vscode.Disposable {
    private client: LanguageClient | undefined;
    private busy: Promise<void> = Promise.resolve();

    constructor(
        private readonly context: vscode.ExtensionContext,
        private readonly status: StatusBar,
        private readonly log: vscode.LogOutputChannel,
    ) {}

    /** The client, while there is a server. */
    get running(): LanguageClient | undefined {
        return this.client?.isRunning() === true ? this.client : undefined;
    }

    /** The program, for what is asked of it beside the server. */
    program(): string | undefined {
        const found = find(this.configuredPath(), this.context.extensionPath);
        return "path" in found ? found.path : undefined;
    }

    /** Starts the server, after whatever is being done has been done. */
    start(): Promise<void> {
        return this.after(() => this.startNow());
    }

    /** Ends the server and starts it anew, with the settings of now. */
    restart(): Promise<void> {
        return this.after(async () => {
            await this.stopNow();
            await this.startNow();
        });
    }

    /** Ends the server. */
    stop(): Promise<void> {
        return this.after(() => this.stopNow());
    }

    private after(work: () => Promise<void>): Promise<void> {
        this.busy = this.busy.then(work, work);
        return this.busy;
    }

    /** An untrusted folder names no program: VS Code withholds its restricted settings. */
    private configuredPath(): string | null {
        const section = vscode.workspace.getConfiguration("secondlook");
        if (!vscode.workspace.isTrusted) {
            return section.inspect<string>("path")?.globalValue ?? null;
        }
        return section.get<string | null>("path") ?? null;
    }

    private async stopNow(): Promise<void> {
        const client = this.client;
        this.client = undefined;
        progress.clear();
        await vscode.commands.executeCommand("setContext", "secondlook.active", false);
        if (client) {
            try {
                await client.dispose(5000);
            } catch (error) {
                this.log.warn(`the server did not end as it should: ${String(error)}`);
            }
        }
    }

    private async startNow(): Promise<void> {
        const found = find(this.configuredPath(), this.context.extensionPath);
        if (!("path" in found)) {
            this.status.set("missing");
            this.log.error(`no program at ${found.searched.join(", ")}`);
            void this.offerHelp(found.searched);
            return;
        }
        this.log.info(`starting ${found.path}`);
        this.status.set("starting");
        const client = new LanguageClient(
            "secondlook",
            "Second Look",
            { command: found.path, args: ["lsp"], options: { env: process.env } },
            this.options(),
        );
        this.client = client;
        client.onDidChangeState((event) => {
            if (event.newState === State.Running) {
                this.status.set("running");
                void this.status.refresh(client);
            }
        });
        try {
            await client.start();
            await vscode.commands.executeCommand("setContext", "secondlook.active", true);
        } catch (error) {
            this.status.set("ended");
            this.log.error(`the server did not start: ${String(error)}`);
            void vscode.window.showErrorMessage("Second Look: the server did not start; the log says why.", "Show log").then(
                (answer) => answer && vscode.commands.executeCommand("secondlook.showLog"),
            );
        }
    }

    private options(): LanguageClientOptions {
        return {
            documentSelector: ["python", "c", "cpp", "toml"].map((language) => ({ scheme: "file", language })),
            outputChannel: this.log,
            initializationOptions: () => settings.forServer(),
            errorHandler: new Restarts(this.status, this.log),
            progressOnInitialization: false,
            synchronize: { configurationSection: "secondlook" },
            diagnosticPullOptions: { onChange: true, onSave: true, onTabs: false },
            middleware: {
                workspace: {
                    configuration: (params) =>
                        params.items.map((item) =>
                            settings.forServer(item.scopeUri ? vscode.Uri.parse(item.scopeUri) : undefined),
                        ),
                    didChangeConfiguration: async () => {
                        await this.running?.sendNotification("workspace/didChangeConfiguration", {
                            settings: { secondlook: settings.forServer() },
                        });
                        this.refreshSoon();
                    },
                    handleApplyEdit: (params, next) =>
                        revisions.handle(params, (given) => next(given, new vscode.CancellationTokenSource().token)),
                },
                handleWorkDoneProgress: (token, params, next) => {
                    const words = params.kind === "end" ? undefined : (params.message ?? ("title" in params ? params.title : "busy"));
                    this.status.progress(token, words);
                    if (params.kind === "end") {
                        void this.refresh();
                    }
                    const cancel = () =>
                        void this.running?.sendNotification("window/workDoneProgress/cancel", { token });
                    if (!progress.follow(token, params, cancel)) {
                        next(token, params);
                    }
                },
            },
        };
    }

    /** The server takes on new settings a little later, and says nothing then. */
    private refreshSoon(): void {
        for (const later of [200, 1000, 3000]) {
            setTimeout(() => void this.refresh(), later);
        }
    }

    private async refresh(): Promise<void> {
        if (this.running) {
            await this.status.refresh(this.running);
        }
    }

    private async offerHelp(searched: string[]): Promise<void> {
        const text =
            searched.length === 1
                ? `Second Look: there is no program at ${searched[0]}.`
                : "Second Look: the program `secondlook` was not found. Install it, or say where it is.";
        const answer = await vscode.window.showErrorMessage(text, "Choose the program", "Open settings");
        if (answer === "Open settings") {
            await vscode.commands.executeCommand("workbench.action.openSettings", "secondlook.path");
        } else if (answer === "Choose the program") {
            const [chosen] = (await vscode.window.showOpenDialog({ title: "The program secondlook" })) ?? [];
            if (chosen) {
                const section = vscode.workspace.getConfiguration("secondlook");
                await section.update("path", chosen.fsPath, vscode.ConfigurationTarget.Global);
            }
        }
    }

    dispose(): void {
        void this.stop();
    }
}
