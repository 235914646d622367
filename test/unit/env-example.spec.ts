import { readFileSync } from "node:fs";
import { join } from "node:path";
import { loadConfig } from "../../lib/config.ts";

const root = join(import.meta.dirname, "..", "..");
const example = readFileSync(join(root, ".env.example"), "utf8");
const source = readFileSync(join(root, "lib", "config.ts"), "utf8");

/** Names of settings as the source of the configuration spells them; those it only refuses left out. */
function understood(): Set<string> {
	const refused = /const NOT_YET = \[([^\]]*)\]/.exec(source)?.[1] ?? "";
	const namesIn = (text: string) =>
		[...text.matchAll(/"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)"/g)].map(([, name = ""]) => name);
	const known = new Set(namesIn(source));
	for (const name of namesIn(refused)) known.delete(name);
	return known;
}

const shown = new Map(
	[...example.matchAll(/^(?:# )?([A-Z][A-Z0-9_]*)=(.*)$/gm)].map(([, name = "", value = ""]) => [
		name,
		value.replace(/^"(.*)"$/, "$1"),
	]),
);
const isOfOneService = (name: string) => name.endsWith("_MONGODB_URI");

describe(".env.example", () => {
	it("shows every setting that the configuration understands", () => {
		expect(understood().size).toBeGreaterThan(20);
		expect([...understood()].filter(name => !shown.has(name))).toEqual([]);
	});

	it("shows no setting that the configuration does not know", () => {
		const known = understood();
		expect([...shown.keys()].filter(name => !known.has(name) && !isOfOneService(name))).toEqual([]);
		expect([...shown.keys()].filter(isOfOneService)).toEqual(["ORDERS_MONGODB_URI"]);
	});

	it("sets nothing by itself: every line is commented out", () => {
		expect(example.split("\n").filter(line => line !== "" && !line.startsWith("#"))).toEqual([]);
	});

	it("shows values that a start accepts, and no secret", () => {
		const secrets = ["STOA_SECRET", "STOA_ADMIN_PASSWORD", "TEST_PAYMENT_WEBHOOK_SECRET"];
		expect(secrets.filter(name => shown.get(name) !== "")).toEqual([]);
		const filled = {
			STOA_SECRET: "the secret of a test, which is long enough",
			STOA_ADMIN_PASSWORD: "twelve characters",
		};
		expect(() => loadConfig({ ...Object.fromEntries(shown), ...filled, NODE_ENV: "development" })).not.toThrow();
	});
});
