import { existsSync, mkdirSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";

/**
 * Makes a folder and what is missing above it, for its owner only.
 * Node's own `recursive` tries for ever where a system answers ENOENT below a folder that is there, such as /proc.
 * @throws the system's error, with the path that could not be made
 */
export function makeFolder(folder: string): void {
	const path = resolve(folder);
	const missing: string[] = [];
	for (let at = path; !existsSync(at) && dirname(at) !== at; at = dirname(at)) missing.unshift(at);
	for (const each of missing) {
		try {
			mkdirSync(each, { mode: 0o700 });
		} catch (error) {
			// Another process may make it at the same time.
			if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
		}
	}
	if (statSync(path).isDirectory()) return;
	throw Object.assign(new Error(`ENOTDIR: ${path} is not a folder`), { code: "ENOTDIR", path });
}
