// Bundles the extension, and its tests, each into one file.
import { build } from "esbuild";

const shared = {
    bundle: true,
    platform: "node",
    target: "node20",
    format: "cjs",
    external: ["vscode"],
    minify: !process.argv.includes("--readable"),
    legalComments: "none",
    logLevel: "warning",
};
await build({ ...shared, entryPoints: ["src/extension.ts"], outfile: "dist/extension.js" });
if (process.argv.includes("--tests")) {
    await build({ ...shared, minify: false, entryPoints: ["test/index.ts"], outfile: "dist/tests/index.js" });
}
