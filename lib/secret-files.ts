import { readFileSync, statSync } from "node:fs";

type Env = Readonly<Record<string, string | undefined>>;

/** What may stand in a file instead of the environment, where every child and every crash report has it. */
const SECRETS =
	/^(?:STOA_SECRET|STOA_ADMIN_PASSWORD|TEST_PAYMENT_WEBHOOK_SECRET|(?:NATS|REDIS|SMTP)_URL|(?:[A-Z][A-Z_]*_)?MONGODB_URI)$/;
const SUFFIX = "_FILE";
const MAX_BYTES = 64 * 1024;

/**
 * The environment with the content of each `<NAME>_FILE` under its `<NAME>`, as container platforms hand out secrets.
 * @param mistakes takes what is wrong with them, never their content
 */
export function withSecretFiles(env: Env, mistakes: string[]): Env {
	const found: Record<string, string> = {};
	for (const [name, path] of Object.entries(env)) {
		const secret = name.slice(0, -SUFFIX.length);
		if (!name.endsWith(SUFFIX) || !SECRETS.test(secret) || !path?.trim()) continue;
		if (env[secret]?.trim()) mistakes.push(`${secret} and ${name} are both set: unset one`);
		const text = readSecret(path.trim());
		if (text) found[secret] = text;
		else mistakes.push(`${name} must name a file of at most ${MAX_BYTES} bytes that this process can read, not empty`);
	}
	return { ...env, ...found };
}

/** What a program hands to the ones it starts: where it says a secret itself, no file says it again. */
export function environmentFor(own: Env, settings: Env): Record<string, string | undefined> {
	const env: Record<string, string | undefined> = { ...own, ...settings };
	for (const name of Object.keys(settings)) delete env[name + SUFFIX];
	return env;
}

function readSecret(path: string): string | undefined {
	try {
		const file = statSync(path);
		return file.isFile() && file.size <= MAX_BYTES ? readFileSync(path, "utf8").trim() : undefined;
	} catch {
		// Missing or not readable: told by its variable's name.
		return undefined;
	}
}
