// The first minute of somebody who has just installed the extension: the walkthrough, its example,
// the finding, the reason.
//
//   node first.mjs PLAYWRIGHT BROWSER PORT WORKSPACE PICTURES
import fs from "node:fs";
import path from "node:path";

import { browse, person, plain } from "./browser.mjs";

const [playwright, browser, port, workspace, pictures] = process.argv.slice(2);
fs.mkdirSync(pictures, { recursive: true });
const { launched, page, outside } = await browse(playwright, browser, 1180, 700);
const { press, visit, sees, command } = person(page);
const picture = (name) => page.screenshot({ path: path.join(pictures, `${name}.png`) });

try {
    await visit(port, workspace);
    await command("Welcome: Open Walkthrough");
    const title = "The first minute with Second Look";
    await page.waitForSelector(`.quick-input-list .monaco-list-row[aria-label*="${title}"]`);
    await page.keyboard.type(title);
    await press("Enter");
    for (const each of ["See a finding", "Read why", "Mend it"]) {
        await sees(each);
    }
    await page.waitForTimeout(1000);
    await picture("walkthrough");
    await page.locator(".getting-started-step a, .getting-started-step .monaco-button", { hasText: "Open the example" }).first().click();
    await page.waitForSelector(".squiggly-error, .squiggly-warning");
    await press("F8");
    await page.waitForSelector(".marker-widget .message");
    await picture("example");
    console.log(`FIRST ${plain(await page.locator(".marker-widget .message").first().innerText())}`);
    await press("Escape");
    await command("Second Look: Why Is This Flagged?");
    const frame = page.frameLocator("iframe.webview").frameLocator("iframe#active-frame");
    await frame.locator("a[href^='https://']").first().waitFor();
    await picture("reason");
    if (outside.size > 0) {
        throw new Error(`something else was asked: ${[...outside].join(", ")}`);
    }
    console.log("FIRST end");
} catch (error) {
    await picture("failed");
    console.log(String(error).slice(0, 1500));
    process.exitCode = 1;
}
await launched.close();
