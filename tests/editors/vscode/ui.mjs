// Goes through the extension as a person does, by keyboard and mouse, and takes pictures on the way.
// Every step waits for what a person would see; a step that fails ends the run with a picture.
//
//   node ui.mjs PLAYWRIGHT BROWSER PORT WORKSPACE PICTURES HOME
//
// HOME is part of the server's path, so that the right process is killed.
import fs from "node:fs";
import path from "node:path";

import { browse, person, plain } from "./browser.mjs";

const [playwright, browser, port, workspace, pictures, home] = process.argv.slice(2);
fs.mkdirSync(pictures, { recursive: true });
const { launched, page, outside } = await browse(playwright, browser, 1340, 700);
const { press, visit, sees, inCode, open, goTo, command, suggestion } = person(page);

const step = (what) => console.log(`UI ${what}`);
const picture = (name) => page.screenshot({ path: path.join(pictures, `${name}.png`) });

// A menu that opened while the editor was still busy may be closed again; a person presses again.
async function menu() {
    for (let turn = 0; turn < 10; turn += 1) {
        await press("Control+.");
        try {
            await page.waitForSelector(".action-widget .monaco-list-row.action", { timeout: 4000 });
            await page.waitForTimeout(400);
            if ((await page.locator(".action-widget .monaco-list-row.action").count()) > 0) {
                return;
            }
        } catch {
            await press("Escape");
        }
    }
    throw new Error("no menu");
}

const choose = (text) => page.locator(".action-widget .monaco-list-row.action", { hasText: text }).first().click();

async function saved(file, holds) {
    await press("Control+S");
    for (let turn = 0; turn < 200; turn += 1) {
        if (holds(fs.readFileSync(path.join(workspace, file), "utf8"))) {
            return;
        }
        await page.waitForTimeout(50);
    }
    throw new Error(`${file} was not saved as it should be`);
}

const quiet = () => page.waitForFunction(() => document.querySelector(".squiggly-error, .squiggly-warning, .squiggly-info") === null);
const flagged = () => page.waitForSelector(".squiggly-error, .squiggly-warning, .squiggly-info");

async function clearNotifications() {
    await command("Notifications: Clear All Notifications");
    await page.waitForTimeout(300);
}

async function kill() {
    for (const pid of fs.readdirSync("/proc").filter((it) => /^\d+$/.test(it))) {
        try {
            const words = fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
            if (words[0].startsWith(home) && words[1] === "lsp") {
                process.kill(Number(pid), "SIGKILL");
                return;
            }
        } catch {
            // It has ended meanwhile.
        }
    }
    throw new Error("no server to kill");
}

try {
    await visit(port, workspace);
    step("workbench");

    // An assistant suggests, Tab accepts: the finding says who inserted it.
    await open("status.py");
    await sees("Second Look");
    await press("Control+End");
    await press("Enter");
    step(`suggestion after ${await suggestion()} more questions`);
    await page.waitForTimeout(500);
    await picture("suggestion");
    await press("Tab");
    await inCode("shell=True");
    await flagged();
    step("finding");
    await press("F8");
    await page.waitForSelector(".marker-widget .message");
    const message = plain(await page.locator(".marker-widget .message").first().innerText());
    if (!message.includes("[AI-inserted]")) {
        throw new Error(`the finding does not say who inserted it: ${message}`);
    }
    await picture("finding");
    await press("Escape");

    // Why?
    await command("Second Look: Why Is This Flagged?");
    const frame = page.frameLocator("iframe.webview").frameLocator("iframe#active-frame");
    await frame.locator("a[href^='https://']").first().waitFor();
    await page.waitForTimeout(500);
    await picture("why");
    const links = await frame.locator("a[href^='https://']").count();
    step(`reason with ${links} links`);
    // A link opens in a page of its own, which reaches nothing here.
    const first = frame.locator("a[href^='https://']").first();
    const address = await first.getAttribute("href");
    const opens = { predicate: (it) => it.url() === address };
    await Promise.all([page.context().waitForEvent("request", opens), first.click()]);
    for (const other of page.context().pages().filter((it) => it !== page)) {
        await other.close();
    }
    await page.bringToFront();
    step("link");
    await page.locator(".tab", { hasText: "Why is this flagged?" }).first().click({ button: "middle" });
    await page.waitForFunction(() => document.querySelectorAll(".editor-group-container").length === 1);

    // A model is asked: cancelled once, seen as a diff, applied.
    const revise = async () => {
        await page.locator(".editor-instance .view-line").first().click();
        await press("F8");
        await page.waitForSelector(".marker-widget .message");
        await press("Escape");
        await command("Second Look: Revise This Finding or Block");
    };
    await revise();
    const progress = page.locator(".notification-list-item", { hasText: "Revising" }).first();
    await progress.waitFor();
    await sees("answering");
    await picture("progress");
    await progress.locator(".monaco-button", { hasText: "Cancel" }).first().click();
    await progress.waitFor({ state: "detached" });
    await inCode("shell=True");
    step("cancelled");
    await revise();
    await page.waitForSelector(".diff-editor, .monaco-diff-editor");
    await sees("Apply it?");
    await page.waitForTimeout(1000);
    await picture("revision");
    await page.locator(".notification-list-item .monaco-button", { hasText: "Apply" }).first().click();
    await page.waitForFunction(() => document.querySelector(".monaco-diff-editor") === null);
    await inCode('["ping", "-c", "1", "--", host]');
    await quiet();
    await saved("status.py", (text) => !text.includes("shell=True"));
    step("revised");

    // A fix of an entry, from the light bulb.
    await open("report.c");
    await flagged();
    await page.locator(".editor-instance .view-line").first().click();
    await press("F8");
    await page.waitForSelector(".marker-widget .message");
    await press("Escape");
    await menu();
    await picture("fix");
    await choose("%s");
    await inCode('printf("%s", message)');
    await saved("report.c", (text) => text.includes('printf("%s", message)'));
    await quiet();
    step("fixed");

    // The server ends by itself: the editor says so, and goes on.
    await press("Control+Z");
    await flagged();
    await clearNotifications();
    await kill();
    await sees("the server ended and is started again");
    await picture("ended");
    await goTo(1, 1);
    await page.keyboard.type("/* again */");
    await press("Enter");
    await flagged();
    await press("F8");
    await page.waitForSelector(".marker-widget .message");
    step("recovered");
    await press("Escape");
    await command("Second Look: Show Log");
    await sees("[info] starting ");
    step("log");
    if (outside.size > 0) {
        throw new Error(`something else was asked: ${[...outside].join(", ")}`);
    }
    step("end");
} catch (error) {
    await picture("failed");
    console.log(String(error).slice(0, 1500));
    process.exitCode = 1;
}
await launched.close();
