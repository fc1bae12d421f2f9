// Packs the extension together with the server for one platform:
//   npm run package:platform -- linux-x64 ../../target/release/secondlook [--out FILE]
// VS Code's names of platforms: win32-x64, darwin-arm64, linux-x64, linux-arm64, alpine-x64 and others.
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, rmSync, statSync } from "node:fs";

const [target, server, ...more] = process.argv.slice(2);
if (!target || !server) {
    console.error("usage: npm run package:platform -- PLATFORM SERVER [option of vsce package]...");
    process.exit(2);
}
if (!existsSync(server) || !statSync(server).isFile()) {
    console.error(`${server} is no file; build it with: cargo build --release`);
    process.exit(2);
}
const name = target.startsWith("win32") ? "secondlook.exe" : "secondlook";
rmSync("bin", { recursive: true, force: true });
mkdirSync("bin");
copyFileSync(server, `bin/${name}`);
chmodSync(`bin/${name}`, 0o755);
const out = more.includes("--out") ? [] : ["--out", `secondlook-${target}.vsix`];
const npm = process.platform === "win32" ? "npm.cmd" : "npm";
const packed = spawnSync(npm, ["run", "package", "--", "--target", target, ...out, ...more], {
    stdio: "inherit",
});
rmSync("bin", { recursive: true, force: true });
process.exit(packed.status ?? 1);
