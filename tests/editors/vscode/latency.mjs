// Measures what a key costs in VS Code: for each letter the time from the key's own time stamp to
// the end of the frame that draws it. Two windows are measured in turn, so that both meet the same
// load: one without the extension, one with it, in which a model is asked about another file.
//
//   node latency.mjs PLAYWRIGHT BROWSER WORKSPACE PORT_WITHOUT PORT_WITH ROUNDS KEYS
//
// Prints one line of JSON, by window and round: the times of all keys and the processor time of
// the page's thread for a key, in milliseconds.
import { browse, person } from "./browser.mjs";

const [playwright, browser, workspace, without, with_, rounds, keys] = process.argv.slice(2);

/** A window with the long file open in its middle. */
async function prepare(port, extension) {
    const { launched, page } = await browse(playwright, browser, 1180, 700);
    const { press, visit, sees, open, goTo, command } = person(page);
    const flagged = () => page.waitForSelector(".squiggly-error, .squiggly-warning");
    await visit(port, workspace);
    if (extension) {
        await open("small.py");
        await flagged();
        await goTo(5, 14);
        await command("Second Look: Revise This Finding or Block");
        await sees("answering");
    }
    await open("long.py");
    await goTo(10_000, 1);
    await sees("handle_1250");
    if (extension) {
        await command("Go to Next Problem in Files");
        await page.waitForSelector(".marker-widget .message");
        await press("Escape");
        await goTo(10_000, 1);
    }
    await page.waitForTimeout(5000);
    await page.evaluate(() => {
        window.times = [];
        document.addEventListener(
            "keydown",
            (event) => {
                if (event.key !== "x") {
                    return;
                }
                requestAnimationFrame(() => {
                    // The message comes after the frame has been drawn.
                    const { port1, port2 } = new MessageChannel();
                    port1.onmessage = () => window.times.push(performance.now() - event.timeStamp);
                    port2.postMessage(0);
                });
            },
            true,
        );
    });
    // In processor time of the page's own thread, which other work on the machine does not lengthen.
    const inner = await page.context().newCDPSession(page);
    await inner.send("Performance.enable", { timeDomain: "threadTicks" });
    const busy = async () => {
        const { metrics } = await inner.send("Performance.getMetrics");
        return metrics.find((it) => it.name === "TaskDuration").value * 1000;
    };
    const measure = async () => {
        const before = await busy();
        for (let key = 0; key < Number(keys); key += 1) {
            await press("x");
            await page.waitForTimeout(60);
        }
        await page.waitForTimeout(500);
        const cpu = ((await busy()) - before) / Number(keys);
        return { times: await page.evaluate(() => window.times.splice(0)), cpu };
    };
    const asked = () => page.evaluate(() => document.body.innerText.includes("answering"));
    return { launched, page, measure, asked };
}

const windows = {};
try {
    windows.without = await prepare(without, false);
    windows.with = await prepare(with_, true);
    const times = { without: [], with: [] };
    for (let round = 0; round <= Number(rounds); round += 1) {
        for (const [name, each] of Object.entries(windows)) {
            const took = await each.measure();
            // The first round warms up.
            if (round > 0) {
                times[name].push(took);
            }
        }
    }
    if (!(await windows.with.asked())) {
        throw new Error("the model is not asked any more");
    }
    console.log(JSON.stringify(times));
} catch (error) {
    for (const [name, each] of Object.entries(windows)) {
        if (process.env.PICTURES !== undefined) {
            await each.page.screenshot({ path: `${process.env.PICTURES}/${name}.png` });
        }
    }
    console.log(String(error).slice(0, 1500));
    process.exitCode = 1;
}
for (const each of Object.values(windows)) {
    await each.launched.close();
}
