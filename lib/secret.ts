import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Outside production a shop makes its own secret on the first start, readable by its owner only. */
export async function generatedSecret(dataDir: string): Promise<string> {
	const file = join(dataDir, "secret");
	await mkdir(dataDir, { recursive: true, mode: 0o700 });
	try {
		await writeFile(file, randomBytes(48).toString("base64url"), { flag: "wx", mode: 0o600 });
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
	}
	return (await readFile(file, "utf8")).trim();
}
