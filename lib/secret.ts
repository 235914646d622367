import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { makeFolder } from "../embedded-mongod/src/folders.ts";
import { SurroundingsError } from "./surroundings.ts";

const BYTES = 48;
/** Of what is written, in base64url. */
const CHARACTERS = (BYTES / 3) * 4;
const READS = 50;
const READ_AGAIN_MS = 20;

/**
 * Outside production a shop makes its own secret on the first start, readable by its owner only.
 * @throws when what is there is less than a whole one: with an empty secret everybody could make what only the shop can
 */
export async function generatedSecret(dataDir: string): Promise<string> {
	const file = join(dataDir, "secret");
	makeFolder(dataDir);
	try {
		await writeFile(file, randomBytes(BYTES).toString("base64url"), { flag: "wx", mode: 0o600, flush: true });
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
	}
	// Another node may be between making the file and writing into it.
	for (let reads = 1; ; reads++) {
		const secret = (await readFile(file, "utf8")).trim();
		if (secret.length >= CHARACTERS) return secret;
		if (reads === READS) break;
		await delay(READ_AGAIN_MS);
	}
	throw new SurroundingsError([
		`${file} does not hold a whole secret: bring it back from a copy, or remove it if this shop has no data yet`,
	]);
}
