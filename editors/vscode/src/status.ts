// The item in the status bar: what the server is doing, and what it runs with.
import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";

/** What the server answers to `secondlook/status`. */
interface Status {
    version: string;
    model?: string;
    entries: number;
    discussions: number;
    scanning: boolean;
}

type State = "starting" | "running" | "ended" | "missing";

/** The item, and everything that it follows. */
export class StatusBar implements vscode.Disposable {
    /** What the server went through, oldest first; the last few only. */
    readonly history: State[] = [];

    private readonly item = vscode.window.createStatusBarItem("secondlook", vscode.StatusBarAlignment.Right, 90);
    private readonly busy = new Map<string | number, string>();
    private state: State = "starting";
    private status: Status | undefined;

    constructor() {
        this.item.name = "Second Look";
        this.item.command = "secondlook.showStatus";
        this.draw();
        this.item.show();
    }

    /** The text that stands in the bar now. */
    get text(): string {
        return this.item.text;
    }

    set(state: State): void {
        this.state = state;
        this.history.push(state);
        this.history.splice(0, this.history.length - 20);
        if (state !== "running") {
            this.busy.clear();
        }
        this.draw();
    }

    /** Follows a task of the server; without words the task has ended. */
    progress(token: string | number, words: string | undefined): void {
        if (words === undefined) {
            this.busy.delete(token);
        } else {
            this.busy.set(token, words);
        }
        this.draw();
    }

    /** The tasks that the server is busy with. */
    tasks(): (string | number)[] {
        return [...this.busy.keys()];
    }

    /** Asks the server what it runs with. */
    async refresh(client: LanguageClient): Promise<void> {
        try {
            this.status = await client.sendRequest<Status>("secondlook/status");
        } catch {
            this.status = undefined;
        }
        this.draw();
    }

    /** Everything in words. */
    describe(): string {
        if (!this.status) {
            return this.state === "missing" ? "the program `secondlook` was not found" : `the server is ${this.state}`;
        }
        const { version, model, entries, discussions } = this.status;
        const imported = discussions === 0 ? "no imported discussions" : `${discussions} imported discussions`;
        const asked = model === undefined ? "no model, so nothing is ever sent" : `revisions by ${model}`;
        return `version ${version}; ${entries} entries, ${imported}; ${asked}`;
    }

    private draw(): void {
        const [task] = this.busy.values();
        const bad = this.state === "ended" || this.state === "missing";
        const model = this.status?.model;
        if (bad) {
            this.item.text = this.state === "missing" ? "$(error) Second Look: not found" : "$(error) Second Look: ended";
        } else if (task !== undefined) {
            this.item.text = `$(loading~spin) Second Look: ${task}`;
        } else if (this.state === "starting") {
            this.item.text = "$(loading~spin) Second Look";
        } else {
            this.item.text = model === undefined ? "$(eye) Second Look" : `$(eye) Second Look: ${model}`;
        }
        this.item.backgroundColor = bad ? new vscode.ThemeColor("statusBarItem.errorBackground") : undefined;
        const tip = new vscode.MarkdownString(
            `**Second Look**: ${this.describe()}\n\n` +
                "[Scan workspace](command:secondlook.scan) · [Restart](command:secondlook.restart) · [Log](command:secondlook.showLog)",
        );
        tip.isTrusted = { enabledCommands: ["secondlook.scan", "secondlook.restart", "secondlook.showLog"] };
        this.item.tooltip = tip;
    }

    dispose(): void {
        this.item.dispose();
    }
}
