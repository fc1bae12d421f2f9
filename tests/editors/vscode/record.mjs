// Edits one file in VS Code as a person does, while a recorder listens in the server's place.
// Before each thing it names the cause in the file LABEL, and goes on when OUT has grown and rests.
//
//   node record.mjs PLAYWRIGHT BROWSER PORT WORKSPACE FOLDER
//
// FOLDER holds `stream` and `label`, as the recorder has them; `suggestion`, what the assistant
// suggests; and `texts.json` with what is typed, pasted and suggested.
import fs from "node:fs";
import path from "node:path";

import { browse, person } from "./browser.mjs";

const [playwright, browser, port, workspace, folder] = process.argv.slice(2);
const given = (name) => path.join(folder, name);
const texts = JSON.parse(fs.readFileSync(given("texts.json"), "utf8"));
const file = path.join(workspace, texts.name);
const { launched, page } = await browse(playwright, browser, 1180, 700);
const { press, visit, open, goTo, suggestion, inCode } = person(page);
const QUIET_MS = 500;
const PATIENCE_MS = Number(process.env.PATIENCE_MS ?? 60_000);

const told = () => fs.readFileSync(given("stream"), "utf8").split("\n").filter((it) => it !== "").map((it) => JSON.parse(it));

/** Waits until something was told that fits, and nothing more comes. */
async function settle(fits) {
    const end = Date.now() + PATIENCE_MS;
    let size = -1;
    let since = 0;
    for (;;) {
        const now = fs.statSync(given("stream")).size;
        if (now !== size) {
            size = now;
            since = Date.now();
        } else if (Date.now() - since > QUIET_MS && fits()) {
            return;
        }
        if (Date.now() > end) {
            throw new Error(`${fs.readFileSync(given("label"), "utf8")}: nothing was told`);
        }
        await page.waitForTimeout(50);
    }
}

async function does(label, action, method = "textDocument/didChange") {
    await settle(() => true);
    const before = told().length;
    fs.writeFileSync(given("label"), label);
    await action();
    await settle(() => told().slice(before).some((it) => it.method === method));
}

/** A fresh line at the end, and no suggestion there yet. */
async function freshLine() {
    fs.writeFileSync(given("suggestion"), "");
    await press("Control+End");
    await press("Enter");
}

async function accept(text) {
    fs.writeFileSync(given("suggestion"), text);
    await suggestion();
    await press("Tab");
    await inCode(text.trimEnd().split("\n").at(-1));
}

try {
    await visit(port, workspace);
    await open(texts.name);
    await settle(() => told().some((it) => it.label === "open"));
    await does("typing", async () => {
        await press("Control+End");
        await press("Enter");
        await page.keyboard.type(texts.typed, { delay: 60 });
        await press("Enter");
    });
    await does("paste", async () => {
        await page.evaluate((it) => navigator.clipboard.writeText(it), texts.pasted);
        await press("Control+V");
        await inCode("def first");
    });
    await does("undo", () => press("Control+Z"));
    await does("redo", () => press("Control+Y"));
    await does("rename", async () => {
        await goTo(4, 12);
        // A box that opened while the editor was still busy may be closed again.
        const ready = () => document.activeElement?.closest(".rename-box") != null;
        for (let turn = 0; !(await page.evaluate(ready)); turn += 1) {
            if (turn === 20) {
                throw new Error("no box for the name");
            }
            await press("F2");
            await page.waitForTimeout(2000);
        }
        await press("Control+A");
        await page.keyboard.type("place");
        await press("Enter");
        await inCode("def names(place)");
    });
    await does("typing", async () => {
        await freshLine();
        await page.keyboard.type("snip", { delay: 60 });
    });
    await does("snippet", async () => {
        const offered = page.locator('.suggest-widget.visible .monaco-list-row[aria-label*="snippet"]');
        for (let turn = 0; (await offered.count()) === 0; turn += 1) {
            if (turn === 20) {
                throw new Error("no menu");
            }
            await press("Control+Space");
            await page.waitForTimeout(2000);
        }
        await page.waitForTimeout(500);
        await press("Enter");
        await inCode("for item in items:");
    });
    await press("Escape");
    await does("typing", freshLine);
    await does("completion-one-line", () => accept(texts.oneLine));
    await does("typing", freshLine);
    await does("completion-many-lines", () => accept(texts.manyLines));
    await does("format-on-save", () => press("Control+S"), "textDocument/didSave");
    await does("external-reload", async () => {
        const text = fs.readFileSync(file, "utf8");
        fs.writeFileSync(file, text.replace("import os\n", "import os\nimport sys  # 🙂\n"));
        await inCode("import sys");
    });
    console.log("RECORDED");
} catch (error) {
    await page.screenshot({ path: given("failed.png") });
    console.log(String(error).slice(0, 1500));
    process.exitCode = 1;
}
await launched.close();
