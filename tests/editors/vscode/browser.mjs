// A browser with a VS Code in it, and what a person's hands and eyes do there. Every step waits for
// what a person would see; nothing is asked of any machine but this one.
import { createRequire } from "node:module";

/** Starts a browser; gives it, its page, and the names of other machines that the page asked. */
export async function browse(playwright, program, width, height) {
    const { chromium } = createRequire(`${playwright}/`)("playwright-core");
    const launched = await chromium.launch({
        executablePath: program,
        headless: true,
        args: [
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--no-first-run",
            "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
        ],
    });
    const page = await launched.newPage({ viewport: { width, height } });
    page.setDefaultTimeout(Number(process.env.PATIENCE_MS ?? 60_000));
    const outside = new Set();
    page.on("request", (request) => {
        const address = new URL(request.url());
        if (/^(http|ws)s?:$/.test(address.protocol) && address.hostname !== "127.0.0.1") {
            outside.add(address.hostname);
        }
    });
    return { launched, page, outside };
}

/** Text as a person reads it: an editor draws blanks as U+00A0. */
export const plain = (text) => text.replace(/\u00a0/g, " ");

/** What a person can do with the page. */
export function person(page) {
    const press = (keys) => page.keyboard.press(keys);

    async function visit(port, workspace) {
        await page.goto(`http://127.0.0.1:${port}/?folder=${encodeURIComponent(workspace)}`);
        await page.waitForSelector(".explorer-folders-view .monaco-list-row");
    }

    /** Waits for words anywhere in the window. */
    const sees = (text) =>
        page.waitForFunction((wanted) => document.body.innerText.replace(/\u00a0/g, " ").includes(wanted), text);

    /** Waits for words in one line of an editor. */
    const inCode = (text) =>
        page.waitForFunction(
            (wanted) =>
                [...document.querySelectorAll(".view-line")].some((it) =>
                    it.textContent.replace(/\u00a0/g, " ").includes(wanted),
                ),
            text,
        );

    async function open(file) {
        await press("Control+P");
        await page.waitForSelector(".quick-input-widget input");
        await page.keyboard.type(file);
        await page.waitForSelector(`.quick-input-list .monaco-list-row[aria-label*="${file}"]`);
        await press("Enter");
        await page.waitForSelector(`[data-uri$="/${file}"]`);
    }

    async function goTo(line, column) {
        await press("Control+G");
        await page.waitForSelector(".quick-input-widget input");
        await page.keyboard.type(`${line}:${column}`);
        await press("Enter");
        await page.waitForFunction(
            (text) => document.querySelector("#status\\.editor\\.selection")?.textContent.includes(text),
            `Ln ${line}, Col ${column}`,
        );
    }

    async function command(name) {
        await press("F1");
        await page.waitForSelector(".quick-input-widget input");
        await page.keyboard.type(name);
        await page.waitForSelector(`.quick-input-list .monaco-list-row[aria-label*="${name}"]`);
        await press("Enter");
    }

    /**
     * Waits for an assistant's suggestion at the cursor, and asks for it where none comes by itself:
     * VS Code asks once after each key, and the assistant may not be there yet. VS Code has no key
     * for asking; the assistant brings it along, as real ones do. Gives how often it was asked in vain.
     */
    async function suggestion() {
        for (let turn = 0; turn < 20; turn += 1) {
            await press("Alt+\\");
            try {
                // Parts of it may be empty; then they are there and not seen.
                const options = { state: "attached", timeout: 3000 };
                await page.waitForSelector(".suggest-preview-text, .ghost-text-decoration", options);
                return turn;
            } catch {
                // Asked again.
            }
        }
        throw new Error("no suggestion");
    }

    return { press, visit, sees, inCode, open, goTo, command, suggestion };
}
