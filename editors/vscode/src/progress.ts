// Shows the server's tasks that can be cancelled with a Cancel button: the client library shows all
// tasks in the status bar, where there is none.
import * as vscode from "vscode";
import type { ProgressToken, WorkDoneProgressBegin, WorkDoneProgressEnd, WorkDoneProgressReport } from "vscode-languageclient";

type Step = WorkDoneProgressBegin | WorkDoneProgressReport | WorkDoneProgressEnd;

interface Task {
    report(message: string | undefined, percentage: number | undefined): void;
    end(): void;
}

/** The tasks that are shown here. */
const tasks = new Map<ProgressToken, Task>();

function begin(token: ProgressToken, step: WorkDoneProgressBegin, cancel: () => void): void {
    let end: () => void = () => undefined;
    const ended = new Promise<void>((done) => (end = done));
    let shown: vscode.Progress<{ message?: string; increment?: number }> | undefined;
    let reached = 0;
    const report = (message: string | undefined, percentage: number | undefined) => {
        const increment = percentage === undefined ? undefined : Math.max(0, percentage - reached);
        reached += increment ?? 0;
        shown?.report({ message, increment });
    };
    tasks.set(token, { report, end });
    void vscode.window.withProgress(
        { location: vscode.ProgressLocation.Notification, cancellable: true, title: `Second Look: ${step.title}` },
        async (progress, cancelled) => {
            shown = progress;
            report(step.message, step.percentage);
            cancelled.onCancellationRequested(cancel);
            await ended;
        },
    );
}

/** Shows a step; `false` when it is none of a task that is shown here. */
export function follow(token: ProgressToken, step: Step, cancel: () => void): boolean {
    if (step.kind === "begin") {
        if (step.cancellable === true) {
            begin(token, step, cancel);
        }
        return step.cancellable === true;
    }
    const task = tasks.get(token);
    if (step.kind === "end") {
        task?.end();
        tasks.delete(token);
        return false;
    }
    task?.report(step.message, step.percentage);
    return task !== undefined;
}

/** Ends every task, because whoever did them has gone. */
export function clear(): void {
    for (const task of tasks.values()) {
        task.end();
    }
    tasks.clear();
}
