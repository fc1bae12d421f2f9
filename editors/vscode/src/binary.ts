// Finds the server's program. It starts nothing and shows nothing.
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";

const NAME = process.platform === "win32" ? "secondlook.exe" : "secondlook";

/** Where a program was found, or everywhere it was looked for. */
export type Found = { path: string } | { searched: string[] };

function runs(file: string): boolean {
    try {
        fs.accessSync(file, fs.constants.X_OK);
        return fs.statSync(file).isFile();
    } catch {
        return false;
    }
}

/** The configured program, else the bundled one, else that on the PATH, else that of `cargo install`. */
export function find(configured: string | null | undefined, extension: string): Found {
    if (configured) {
        const file = configured.startsWith("~/") ? path.join(os.homedir(), configured.slice(2)) : configured;
        // What the user names is used or reported, never replaced by another one.
        return runs(file) ? { path: file } : { searched: [file] };
    }
    const cargo = process.env.CARGO_HOME ?? path.join(os.homedir(), ".cargo");
    const folders = [
        path.join(extension, "bin"),
        ...(process.env.PATH ?? "").split(path.delimiter).filter((it) => path.isAbsolute(it)),
        path.join(cargo, "bin"),
    ];
    const files = folders.map((it) => path.join(it, NAME));
    const file = files.find(runs);
    return file === undefined ? { searched: files } : { path: file };
}
