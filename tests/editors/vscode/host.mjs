// Opens a workspace of a running VS Code server in a browser, loads an unpacked extension there and
// runs its tests in the extension host. Prints what the tests print; exits as they do.
//
//   node host.mjs PLAYWRIGHT BROWSER PORT WORKSPACE EXTENSION TESTS
//
// Environment: LIMIT_S, how long all of it may take; VERBOSE; SHOT, a picture of the end.
import { browse } from "./browser.mjs";

const [playwright, browser, port, workspace, extension, tests] = process.argv.slice(2);
const { launched, page } = await browse(playwright, browser, 1280, 800);

let finish;
const ended = new Promise((done) => (finish = done));
const wanted = (text) => process.env.VERBOSE !== undefined || (text.includes("TEST ") && !text.startsWith("%c"));
await page.exposeFunction("codeAutomationLog", (kind, args) => {
    const text = args.map(String).join(" ");
    if (wanted(text)) {
        console.log(text);
    }
});
await page.exposeFunction("codeAutomationExit", (code) => finish(code));
page.on("console", (message) => {
    if (wanted(message.text())) {
        console.log(message.text().slice(0, 3000));
    }
});

const remote = (path) => `vscode-remote://127.0.0.1:${port}${path}`;
const payload = JSON.stringify([
    ["extensionDevelopmentPath", remote(extension)],
    ["extensionTestsPath", remote(tests)],
    ["skipWelcome", "true"],
]);
const address = new URL(`http://127.0.0.1:${port}/`);
address.searchParams.set("folder", workspace);
address.searchParams.set("payload", payload);
await page.goto(address.href);
const limit = Number(process.env.LIMIT_S ?? 300) * 1000;
const code = await Promise.race([ended, new Promise((done) => setTimeout(() => done("too late"), limit))]);
console.log(`TEST end: ${code}`);
if (process.env.SHOT !== undefined) {
    await page.screenshot({ path: process.env.SHOT });
}
await launched.close();
process.exit(code === 0 ? 0 : 1);
