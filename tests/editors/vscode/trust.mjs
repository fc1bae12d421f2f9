// Opens a folder that nobody trusts, reads a finding and has it revised there; then trusts it and
// does the same again.
//
//   node trust.mjs PLAYWRIGHT BROWSER PORT WORKSPACE PICTURES MARKS
//
// MARKS is a folder in which programs that the folder or the user named leave a file when they run.
// Prints what was there before trust was given, and after it.
import fs from "node:fs";
import path from "node:path";

import { browse, person } from "./browser.mjs";

const [playwright, browser, port, workspace, pictures, marks] = process.argv.slice(2);
fs.mkdirSync(pictures, { recursive: true });
const { launched, page } = await browse(playwright, browser, 1180, 700);
const { press, visit, sees, open, goTo, command } = person(page);
const picture = (name) => page.screenshot({ path: path.join(pictures, `${name}.png`) });
const left = () => fs.readdirSync(marks).sort().join(" ");

async function revise() {
    await open("small.py");
    await page.waitForSelector(".squiggly-error, .squiggly-warning");
    await goTo(5, 14);
    await command("Second Look: Revise This Finding or Block");
    await page.waitForSelector(".diff-editor, .monaco-diff-editor");
    await sees("Apply it?");
    await page.locator(".notification-list-item .monaco-button", { hasText: "Discard" }).first().click();
    await page.waitForFunction(() => document.querySelector(".monaco-diff-editor") === null);
}

try {
    await visit(port, workspace);
    await sees("Restricted Mode");
    await revise();
    await picture("untrusted");
    console.log(`TRUST before: ${left()}`);
    await command("Workspaces: Manage Workspace Trust");
    await page.locator(".workspace-trust-editor .monaco-button", { hasText: "Trust" }).first().click();
    for (let turn = 0; !left().includes("server") && turn < 300; turn += 1) {
        await page.waitForTimeout(100);
    }
    await press("Control+W");
    await revise();
    await picture("trusted");
    console.log(`TRUST after: ${left()}`);
} catch (error) {
    await picture("failed");
    console.log(`${String(error).slice(0, 1500)}\n${left()}`);
    process.exitCode = 1;
}
await launched.close();
